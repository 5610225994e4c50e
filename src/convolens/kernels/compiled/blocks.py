"""How many accumulators each kernel's block has, chosen by shape in one place, and the offsets the kernels read by."""

from __future__ import annotations

from functools import cache
from math import ceil
from typing import Any

import numpy as np

from convolens.kernels.compiled.lanes import size

Block = tuple[tuple[int, ...], tuple[int, ...]]

__all__ = ["dense_block", "forward_block", "gradient_block", "offsets", "steps"]

_FORWARD = (
    (6, 4),
    (4, 6),
    (4, 5),
    (8, 3),
    (3, 7),
    (5, 4),
    (4, 4),
    (2, 8),
    (2, 4),
    (1, 8),
    (1, 4),
    (8, 2),
    (8, 1),
    (4, 1),
    (1, 1),
)
_GRADIENT = (
    (4, 6),
    (8, 3),
    (4, 7),
    (3, 8),
    (6, 4),
    (4, 5),
    (3, 5),
    (5, 5),
    (4, 4),
    (2, 8),
    (2, 9),
    (1, 9),
    (1, 4),
    (1, 1),
)


@cache
def _registers() -> int:
    """Return how many vectors of ``LANES`` numbers the processor keeps at hand."""
    from llvmlite.binding import get_host_cpu_features

    return 32 if get_host_cpu_features().get("avx512vl") else 16


def _cycles(rows: int, columns: int) -> float:
    """Estimate a tap's cycles: two products or two loads each, and four for the sums that wait for each other."""
    return max(rows * columns / 2, (rows + columns) / 2, 4) + 0.5


@cache
def forward_block(filters: int, columns: int, dtype: Any = np.float32, most: int = 8) -> Block:
    """Return the block ``(filters, columns)`` that computes so many with the least work. Last blocks overlap.

    No block has more than ``most`` columns.
    """
    fitting = [(f, c) for f, c in _candidates(_FORWARD, dtype) if f <= filters and c <= min(columns, most)]

    def work(block: tuple[int, int]) -> float:
        f, c = block
        overlap = 1.02 if filters % f else 1.0
        return ceil(filters / f) * ceil(columns / c) * _cycles(f, c) * overlap

    best = min(fitting, key=work)
    return size(best[0]), size(best[1])


@cache
def gradient_block(filters: int, taps: int, dtype: Any = np.float32, whole: bool = False) -> Block:
    """Return the block ``(filters, taps)`` for a kernel's gradient. What does not fill a block is done one by one.

    With ``whole`` blocks divide the filters.
    """

    def work(block: tuple[int, int]) -> float:
        f, t = block
        whole = (filters // f) * (taps // t)
        return whole * _cycles(f, t) + (filters * taps - whole * f * t) * _cycles(1, 1)

    fitting = [(f, t) for f, t in _candidates(_GRADIENT, dtype) if not (whole and filters % f)]
    best = min(fitting, key=work)
    return size(best[0]), size(best[1])


def dense_block(units: int, columns: int, dtype: Any = np.float32) -> Block:
    """Return the block ``(units, columns)`` for a dense layer's products, with few kinds of columns."""
    return forward_block(units, 4 if columns >= 4 else 1, dtype)


def _candidates(blocks: tuple[tuple[int, int], ...], dtype: Any) -> list[tuple[int, int]]:
    """Return the blocks whose sums fit the registers; few for float64, which is for checking and compiles anew."""
    if np.dtype(dtype).itemsize > 4:
        return [(2, 2), (1, 1)]
    return [(rows, columns) for rows, columns in blocks if rows * columns + min(rows, columns) <= _registers()]


@cache
def steps(count: int, step: int) -> np.ndarray:
    """Return ``count`` offsets ``step`` apart."""
    return np.arange(count, dtype=np.int64) * step


def offsets(*axes: tuple[int, int]) -> np.ndarray:
    """Return the offsets of all cells of a box, row-major, from ``(count, distance)`` for each axis.

    >>> offsets((2, 100), (3, 1)).tolist()
    [0, 1, 2, 100, 101, 102]
    """
    found = np.zeros(1, np.int64)
    for count, distance in axes:
        found = (found[:, None] + np.arange(count) * distance).ravel()
    return found
