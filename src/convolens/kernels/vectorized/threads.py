"""Work shared out among a few threads.

NumPy lets go of Python's lock while it works, so plain threads are enough. Every row is computed by itself, with one
BLAS thread, so that no result depends on the number of threads. (BLAS's own threads would also keep spinning for a
while after each product, and slow down everything between.)
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import Any

import numpy as np

from convolens import config

__all__ = ["by_rows", "matrix_product", "one_blas_thread"]

_WORTHWHILE = 200_000
"""Operations below which handing work to another thread costs more than it saves (about 30 microseconds)."""
_PIECES = 8
"""Into how many pieces a large matrix product is cut: fixed, so that no result depends on the number of threads."""


def by_rows(rows: int, operations: int, work: Callable[[slice], None]) -> None:
    """Call ``work`` on slices that cover all rows, each slice in its own thread.

    Args:
        rows: how many there are.
        operations: about how many additions or multiplications the whole is.
        work: computes the given rows, each without regard to the others.
    """
    threads = config.get_num_threads()
    parts = max(1, min(threads, rows)) if operations > _WORTHWHILE else 1
    reported = np.geterr()  # NumPy keeps it by thread

    def work_elsewhere(part: slice) -> None:
        with np.errstate(**reported):
            work(part)

    with one_blas_thread():
        bounds = [rows * part // parts for part in range(parts + 1)]
        slices = [slice(start, stop) for start, stop in itertools.pairwise(bounds)]
        others = [_pool(threads - 1).submit(work_elsewhere, part) for part in slices[1:]]
        try:
            work(slices[0])
        finally:
            for other in others:
                other.result()


def matrix_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ``a @ b``, made in pieces along the longer side of the result."""
    out = np.empty((len(a), b.shape[1]), np.result_type(a, b))
    operations = a.size * b.shape[1]
    along_rows = len(a) >= b.shape[1]
    length = max(out.shape)
    pieces = _PIECES if operations > _WORTHWHILE and length >= _PIECES else 1

    def multiply(some: slice) -> None:
        for piece in range(some.start, some.stop):
            cells = slice(length * piece // pieces, length * (piece + 1) // pieces)
            if along_rows:
                np.matmul(a[cells], b, out=out[cells])
            else:
                np.matmul(a, b[:, cells], out=out[:, cells])

    by_rows(pieces, operations, multiply)
    return out


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="convolens")


def one_blas_thread() -> contextlib.AbstractContextManager[Any]:
    """Hold BLAS to one thread within a ``with`` block."""
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas() -> Any:
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()


if hasattr(os, "register_at_fork"):  # a child process has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
