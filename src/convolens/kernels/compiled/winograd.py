"""Winograd's fewer products: where they pay, and their small matrices.

``y = A' [(G w) * (B x)]`` for four neighbouring outputs and their inputs (Winograd, "Arithmetic Complexity of
Computations", 1980; Lavin and Gray, 2015, arXiv 1509.09308). The products at one point are summed over channels before
``A'``; so the transformations count for little. ``winograd_rows`` does so along rows, F(4, taps): 6, 7 or 10 products
for 3, 4 or 7 taps and 4 outputs instead of 12, 16 or 28. ``winograd_squares`` does so both ways, F(4 x 4, 3 x 3): 36
products for 16 outputs instead of 144.

Rounding errors are a few times those of the direct sum.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numba.extending import register_jitable

from convolens.kernels.compiled.lanes import LANES
from convolens.kernels.compiled.tiles import Shape
from convolens.kernels.geometry import Pair

__all__ = [
    "OUTPUTS",
    "WIDTHS",
    "matrices",
    "part_size",
    "parts_of",
    "rows_pay",
    "rows_pay_backward",
    "squares_pay",
    "squares_pay_backward",
    "taps_matrix",
    "transposed",
]

OUTPUTS = 4
_APART = 6  # vectors; parts a power of two apart would push each other out of the nearest cache
_ENOUGH_TAPS, _ENOUGH_FILTERS = 12, 8
_ENOUGH_CHANNELS = 8
_ENOUGH_CELLS, _KERNEL_PER_CELL = 64, 256
_HALF, _QUARTER = Fraction(1, 2), Fraction(1, 4)
# By the kernel's width; None is infinity. Exact in binary; of the small fractions that were tried, mostly in +-pairs,
# none such round less by more than a tenth. Those of 3 round half as much as 0, 1, -1, 2, -2.
_POINTS: dict[int, tuple[Any, ...]] = {
    3: (0, 3 * _QUARTER, -3 * _QUARTER, 3 * _HALF, -3 * _HALF, None),
    4: (0, 1, -1, 2, -2, _HALF, None),
    7: (0, _HALF, -_HALF, 3 * _QUARTER, -3 * _QUARTER, 5 * _QUARTER, -5 * _QUARTER, 5 * _HALF, -5 * _HALF, None),
}
WIDTHS = tuple(_POINTS)


def parts_of(width: int) -> int:
    """Return how many products there are for each tap of a transformed row."""
    return OUTPUTS - 1 + width


def rows_pay(shape: Shape, channels: int, kernel: Pair, strides: Pair, dilation: Pair, dtype: Any) -> bool:
    """Whether a convolution ``channels -> shape = (f, oh, ow)`` is faster along rows than directly.

    Sums between the transformations must be long enough. Not in float64, whose purpose is exactness.
    """
    filters, _, ow = shape
    fits = strides == (1, 1) == dilation and kernel[1] in _POINTS and _fills(ow) and np.dtype(dtype).itemsize == 4
    return fits and kernel[0] * channels >= _ENOUGH_TAPS and filters >= _ENOUGH_FILTERS


def _fills(cells: int) -> bool:
    """Whether so many cells of a line fill patches well enough: not fewer than four, nor five."""
    return cells >= OUTPUTS and -(-cells // OUTPUTS) * OUTPUTS <= 1.5 * cells


def squares_pay(shape: Shape, channels: int, kernel: Pair, strides: Pair, dilation: Pair, dtype: Any) -> bool:
    """Whether it is faster still in squares."""
    enough = min(channels, shape[0]) >= _ENOUGH_CHANNELS and _fills(shape[1])
    return enough and kernel == (3, 3) and rows_pay(shape, channels, kernel, strides, dilation, dtype)


def rows_pay_backward(shape: Shape, channels: int, kernel: Pair, strides: Pair, dilation: Pair, dtype: Any) -> bool:
    """Whether the gradient by such a convolution's kernel is faster along rows than directly.

    Each sum over the lanes must follow enough products.
    """
    filters, oh, ow = shape
    whole = ow % OUTPUTS == 0 == filters % 4 and oh * ow >= _ENOUGH_CELLS
    return whole and rows_pay(shape, channels, kernel, strides, dilation, dtype)


def squares_pay_backward(shape: Shape, channels: int, kernel: Pair, strides: Pair, dilation: Pair, dtype: Any) -> bool:
    """Whether it is faster still in squares: for a kernel so large that it leaves the caches, with many cells only."""
    filters, oh, ow = shape
    whole = oh % OUTPUTS == 0 == ow % OUTPUTS and filters % LANES == 0 == channels % 2
    enough = oh * ow >= max(_ENOUGH_CELLS, channels * filters / _KERNEL_PER_CELL)
    return whole and enough and squares_pay(shape, channels, kernel, strides, dilation, dtype)


@cache
def matrices(taps: int) -> tuple[Any, Any, Any]:
    """Return ``A'``, ``G`` and ``B`` of F(4, taps): products of polynomials by their values at the points.

    >>> a, g, b = (np.array(m, float) for m in matrices(3))
    >>> x, w = np.arange(6.0) ** 2, np.array([1.0, 10.0, 100.0])
    >>> (a @ ((g @ w) * (b @ x))).round(9), np.correlate(x, w)
    (array([ 410.,  941., 1694., 2669.]), array([ 410.,  941., 1694., 2669.]))
    """
    points = _POINTS[taps]
    finite = [Fraction(point) for point in points if point is not None]
    a: list[list[Fraction]] = []
    g: list[list[Fraction]] = []
    b: list[list[Fraction]] = []
    for point in points:
        others = [one for one in finite if one != point]
        polynomial = [Fraction(1)]
        for one in others:  # times (x - one), the lowest power first
            shifted = [Fraction(0), *polynomial]
            polynomial = [s - one * p for s, p in zip(shifted, [*polynomial, Fraction(0)], strict=True)]
        b.append(polynomial + [Fraction(0)] * (len(points) - len(polynomial)))
        if point is None:
            a.append([Fraction(k == OUTPUTS - 1) for k in range(OUTPUTS)])
            g.append([Fraction(j == taps - 1) for j in range(taps)])
        else:
            scale = Fraction(1)
            for one in others:
                scale *= point - one
            a.append([Fraction(point) ** k for k in range(OUTPUTS)])
            g.append([Fraction(point) ** j / scale for j in range(taps)])
    return transposed(a), g, b


def transposed(matrix: Any) -> Any:
    """Return a matrix of ``matrices`` with rows and columns exchanged."""
    return [list(row) for row in zip(*matrix, strict=True)]


def taps_matrix(width: int, dtype: Any) -> np.ndarray:
    """Return ``G``, ``(parts, width)``."""
    return np.array(matrices(width)[1], dtype)


@register_jitable
def part_size(count: int, columns: int) -> int:
    """Return the room for one part of ``count`` channels or filters at ``columns`` patches."""
    return (count * columns + _APART) * LANES
