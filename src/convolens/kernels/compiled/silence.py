"""Windows whose inputs are all zero: their sums are zero, not what rounding leaves of terms that cancel.

A direct sum of zeros is exact. Winograd's is not where a neighbouring window's inputs are not zero; and where a
rectifier or a maximum comes next, the gradient goes by the sign of what is left.
"""

from __future__ import annotations

from typing import Any

from convolens.kernels.compiled.jit import inlined
from convolens.kernels.compiled.lanes import LANES, absolute, add, larger, load, splat, store, total, where

__all__ = ["has_silent", "settle", "sum_sizes"]


@inlined
def sum_sizes(
    s: Any, x: Any, x_at: int, x_channel: int, x_row: int, x_column: int, channels: int, kh: int, kw: int,
    oh: int, ow: int,
) -> Any:  # fmt: skip
    """Write each window's sum of ``|x|``, row by row with rows ``ow + kw - 1`` vectors apart.

    ``s`` has room for the windows' inputs, ``(oh + kh - 1, ow + kw - 1)`` vectors.
    """
    rows, columns = oh + kh - 1, ow + kw - 1
    for row in range(rows):
        for column in range(columns):
            at = x_at + row * x_row + column * x_column
            found = absolute(load(x, at))
            for c in range(1, channels):
                found = add(found, absolute(load(x, at + c * x_channel)))
            store(s, (row * columns + column) * LANES, found)
        for at in range(row * columns, row * columns + ow):
            found = load(s, at * LANES)
            for j in range(1, kw):
                found = add(found, load(s, (at + j) * LANES))
            store(s, at * LANES, found)
    for row in range(oh):
        for at in range(row * columns, row * columns + ow):
            found = load(s, at * LANES)
            for i in range(1, kh):
                found = add(found, load(s, (at + i * columns) * LANES))
            store(s, at * LANES, found)


@inlined
def has_silent(s: Any, s_at: int, s_row: int, rows: int, columns: int) -> bool:
    """Whether any lane of some windows has zeros only."""
    zero, one = splat(s.dtype.type(0)), splat(s.dtype.type(1))
    found = zero
    for row in range(rows):
        for column in range(columns):
            found = add(found, where(larger(load(s, s_at + row * s_row + column * LANES), zero), zero, one))
    return total(found) > 0


@inlined
def settle(
    y: Any, y_at: int, y_row: int, y_column: int, s: Any, s_at: int, s_row: int, rows: int, columns: int, value: Any
) -> Any:
    """Write the vector ``value`` for the sums of zeros."""
    zero = splat(s.dtype.type(0))
    for row in range(rows):
        for column in range(columns):
            at = y_at + row * y_row + column * y_column
            sounds = larger(load(s, s_at + row * s_row + column * LANES), zero)  # NaN does
            store(y, at, where(sounds, load(y, at), value))
