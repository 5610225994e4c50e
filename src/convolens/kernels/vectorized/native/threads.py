"""Rows of images shared out among a few threads.

NumPy lets go of Python's lock while it works, so plain threads are enough. Every row is computed by itself, with one
BLAS thread, so that no result depends on the number of threads.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import Any

from convolens import config

__all__ = ["by_rows"]

_WORTHWHILE = 200_000
"""Operations below which handing work to another thread costs more than it saves (about 30 microseconds)."""


def by_rows(rows: int, operations: int, work: Callable[[slice], None]) -> None:
    """Call ``work`` on slices that cover all rows, each slice in its own thread.

    Args:
        rows: how many there are.
        operations: about how many additions or multiplications the whole is.
        work: computes the given rows, each without regard to the others.
    """
    parts = min(config.get_num_threads(), rows) if operations > _WORTHWHILE else 1
    with _blas().limit(limits=1, user_api="blas"):
        bounds = [rows * part // parts for part in range(parts + 1)]
        slices = [slice(start, stop) for start, stop in itertools.pairwise(bounds)]
        others = [_pool(parts - 1).submit(work, part) for part in slices[1:]]
        try:
            work(slices[0])
        finally:
            for other in others:
                other.result()


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="convolens")


@cache
def _blas() -> Any:
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()


if hasattr(os, "register_at_fork"):  # a child process has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
