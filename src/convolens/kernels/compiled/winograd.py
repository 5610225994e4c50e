"""Rows of 3, 4 or 7 taps with 6, 7 or 10 products for 4 outputs instead of 12, 16 or 28: Winograd's F(4, taps).

``y = A' [(G w) * (B x)]`` for four neighbouring outputs and their inputs along a row (Winograd, "Arithmetic Complexity
of Computations", 1980; Lavin and Gray, 2015, arXiv 1509.09308). The products at one point are summed over channels and
rows of the kernel before ``A'``; so the transformations count for little. The gradient by the kernel is the same the
other way round: ``dw = G' [(A dz) * (B x)]``, summed over all cells.

Rounding errors are a few times those of the direct sum.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numba.extending import register_jitable

from convolens.kernels.compiled.jit import inlined, kernel
from convolens.kernels.compiled.lanes import LANES
from convolens.kernels.compiled.sums import correlate, correlate_lanes
from convolens.kernels.compiled.tiles import Shape
from convolens.kernels.compiled.transforms import affine_of, linear, sums_of
from convolens.kernels.compiled.windows import maxima
from convolens.kernels.geometry import Pair

__all__ = [
    "OUTPUTS",
    "add_winograd_shares",
    "pack_winograd",
    "part_size",
    "parts_of",
    "pays",
    "row_size",
    "taps_matrix",
    "winograd",
    "winograd_gradient",
    "winograd_pool",
]

OUTPUTS = 4
_ENOUGH_TAPS, _ENOUGH_FILTERS = 12, 8
_APART = 6  # vectors; parts a power of two apart would push each other out of the nearest cache
_HALF, _QUARTER = Fraction(1, 2), Fraction(1, 4)
_POINTS: dict[int, tuple[Any, ...]] = {  # by the kernel's width; None is infinity
    3: (0, 1, -1, 2, -2, None),
    4: (0, 1, -1, 2, -2, _HALF, None),
    # Exact in binary, and of all fours of +-pairs of small fractions none rounds more than six per cent less.
    7: (0, _HALF, -_HALF, 3 * _QUARTER, -3 * _QUARTER, 5 * _QUARTER, -5 * _QUARTER, 5 * _HALF, -5 * _HALF, None),
}


def parts_of(width: int) -> int:
    """Return how many products there are for each tap of the transformed row."""
    return OUTPUTS - 1 + width


def pays(shape: Shape, channels: int, kernel: Pair, strides: Pair, dilation: Pair, dtype: Any) -> bool:
    """Whether a convolution ``channels -> shape = (f, oh, ow)`` is faster in this way. The one place that decides it.

    Sums between the transformations must be long enough. Not in float64, whose purpose is exactness.
    """
    filters, _, ow = shape
    fits = strides == (1, 1) == dilation and kernel[1] in _POINTS and ow >= OUTPUTS and np.dtype(dtype).itemsize == 4
    return fits and kernel[0] * channels >= _ENOUGH_TAPS and filters >= _ENOUGH_FILTERS


def _matrices(taps: int) -> tuple[Any, Any, Any]:
    """Return ``A'``, ``G`` and ``B`` of F(4, taps): products of polynomials by their values at the points.

    >>> a, g, b = (np.array(m, float) for m in _matrices(3))
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
    return [list(row) for row in zip(*a, strict=True)], g, b


_MATRICES = {taps: _matrices(taps) for taps in _POINTS}
_input = linear({taps: b for taps, (_, _, b) in _MATRICES.items()})
_output = affine_of({taps: a for taps, (a, _, _) in _MATRICES.items()})
_sums = sums_of({taps: a for taps, (a, _, _) in _MATRICES.items()})
_gradient = linear({taps: [list(row) for row in zip(*a, strict=True)] for taps, (a, _, _) in _MATRICES.items()})


def taps_matrix(width: int, dtype: Any) -> np.ndarray:
    """Return ``G``, ``(parts, width)``."""
    return np.array(_MATRICES[width][1], dtype)


@kernel
def pack_winograd(u: Any, w: Any, g: Any) -> None:
    """Write ``G w`` as ``(parts, blocks, taps, filters of a block)``, taps in the order kh, c.

    Args:
        u: where to; the last block begins early enough to be full.
        w: the kernel ``(kh, kw, c, f)``.
        g: ``taps_matrix``.
    """
    parts, blocks, _, width = u.shape
    kh, kw, channels, filters = w.shape
    row = np.empty(filters, w.dtype)
    for i in range(kh):
        for c in range(channels):
            for part in range(parts):
                row[:] = 0
                for j in range(kw):
                    factor, tap = g[part, j], w[i, j, c]
                    for f in range(filters):
                        row[f] += factor * tap[f]
                for block in range(blocks):
                    first = min(block * width, filters - width)
                    for n in range(width):
                        u[part, block, i * channels + c, n] = row[first + n]


@register_jitable
def row_size(channels: int, ow: int, kw: int, columns: int) -> int:
    """Return the room for a transformed row, with ``columns`` patches to a step."""
    patches = (ow + 3) // 4
    return (patches + columns - 1) // columns * channels * (kw + 3) * columns * LANES


@register_jitable
def part_size(filters: int, columns: int) -> int:
    """Return the room for one part of a step's products."""
    return (filters * columns + _APART) * LANES


@inlined
def _row_in(
    v: Any, v_at: int, x: Any, x_at: int, x_channel: int, x_column: int, channels: int, ow: int, columns: int, kw: Any
) -> Any:
    """Transform one row of the input, ``(step, c, part, patch of the step)``, with ``columns`` patches to a step."""
    patches = (ow + 3) // 4
    to = v_at
    for step in range(0, patches, columns):
        first = min(step, patches - columns)
        for c in range(channels):
            for patch in range(first, first + columns):
                at = x_at + c * x_channel + min(4 * patch, ow - 4) * x_column
                _input(v, to + (patch - first) * LANES, columns * LANES, x, at, x_column, kw)
            to += (len(kw) + 3) * columns * LANES


@inlined
def _row_out(
    y: Any, y_at: int, y_channel: int, y_column: int, v: Any, v_taps: Any, phase: int, u: Any, u_taps: Any,
    b: Any, zeros: Any, lowest: Any, m: Any, channels: int, ow: int, f_all: int,
    kw: Any, settled: Any, filters: Any, columns: Any,
) -> Any:  # fmt: skip
    """Compute one row of the output, all filters; with neither bias nor rectifier if ``lowest`` is None.

    A step's products are few enough to be transformed while they are near.
    """
    patches = (ow + 3) // 4
    parts, blocks, taps, _ = u.shape
    m_part = part_size(f_all, len(columns))
    for step in range(0, patches, len(columns)):
        first = min(step, patches - len(columns))
        v_at = step * channels * parts * LANES
        for part in range(parts):
            for block in range(blocks):
                f = min(block * len(filters), f_all - len(filters))
                correlate(
                    m, part * m_part + f * len(columns) * LANES, len(columns) * LANES, LANES,
                    v, v_at + part * len(columns) * LANES, LANES, v_taps,
                    u, (part * blocks + block) * taps * len(filters), 1, u_taps,
                    phase * taps, (phase + 1) * taps, False, zeros, 0, None, filters, columns,
                )  # fmt: skip
        for f in range(f_all):
            for patch in range(len(columns)):
                at = y_at + f * y_channel + min(4 * (first + patch), ow - 4) * y_column
                source = (f * len(columns) + patch) * LANES
                if lowest is None:
                    _sums(y, at, y_column, m, source, m_part, settled, kw)
                else:
                    _output(y, at, y_column, m, source, m_part, b[f], lowest, settled, kw)


@kernel
def winograd(
    y: Any, y_places: Any, x: Any, x_places: Any, v_taps: Any, u: Any, u_taps: Any, b: Any, lowest: Any, room: Any,
    shape: Any, channels: int, kh: int, begin: int, end: int, kw: Any, settled: Any, filters: Any, columns: Any,
) -> None:  # fmt: skip
    """Convolve the tiles from ``begin`` to ``end``.

    Args:
        y: the output, ``shape = (f, oh, ow)``, at least four wide.
        y_places: its places.
        x: the input.
        x_places: its places, from the first window's first cell.
        v_taps: where each tap's row lies among the transformed rows, kept in turns: ``kh`` times all taps.
        u: the transformed kernel.
        u_taps: where each tap's numbers begin in a block, ``kh`` times too.
        b: the bias, ``(f,)``.
        lowest: zero for a rectifier, else minus infinity.
        room: for the transformed rows and the products of a step.
        shape: of the output.
        channels: of the input.
        kh: rows of the kernel.
        begin, end: the tiles.
        kw: ``size`` of the kernel's columns.
        settled: ``size(1)`` for zero where only rounding is left of terms that cancel, else ``size(0)``.
        filters, columns: the block.
    """
    y_origin, y_tile, y_channel, y_row, y_column = y_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    f_all, oh, ow = shape
    v_row = row_size(channels, ow, len(kw), len(columns))
    v_size = kh * v_row
    v, m = room[:v_size], room[v_size:]
    zeros = np.zeros(len(filters), x.dtype)
    for tile in range(begin, end):
        for row in range(1 - kh, oh):
            _row_in(
                v, (row + kh - 1) % kh * v_row,
                x, x_origin + tile * x_tile + (row + kh - 1) * x_row, x_channel, x_column,
                channels, ow, len(columns), kw,
            )  # fmt: skip
            if row >= 0:
                _row_out(
                    y, y_origin + tile * y_tile + row * y_row, y_channel, y_column, v, v_taps, row % kh, u, u_taps,
                    b, zeros, lowest, m, channels, ow, f_all, kw, settled, filters, columns,
                )  # fmt: skip


@kernel
def winograd_pool(
    p: Any, p_places: Any, winners: Any, x: Any, x_places: Any, v_taps: Any, u: Any, u_taps: Any, b: Any, lowest: Any,
    room: Any, shape: Any, channels: int, kh: int, window: Any, written: Any, pooled: Any,
    begin: int, end: int, kw: Any, settled: Any, filters: Any, columns: Any,
) -> None:  # fmt: skip
    """Convolve, then take maxima over windows side by side.

    Args:
        p: as for ``convolve_pool``, like the arguments not of ``winograd``.
        p_places: as for ``convolve_pool``.
        winners: as for ``convolve_pool``.
        x: as for ``winograd``, like the others.
        x_places: as for ``winograd``.
        v_taps: as for ``winograd``.
        u: as for ``winograd``.
        u_taps: as for ``winograd``.
        b: as for ``winograd``.
        lowest: as for ``winograd``.
        room: for the transformed rows, one window's rows of the output, and the products of a step.
        shape: as for ``winograd``.
        channels: as for ``winograd``.
        kh: as for ``winograd``.
        window: as for ``convolve_pool``.
        written: as for ``convolve_pool``.
        pooled: as for ``convolve_pool``.
        begin, end: the tiles.
        kw, settled: as for ``winograd``.
        filters, columns: the block.
    """
    p_origin, p_tile, p_channel, p_row, p_column = p_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    f_all, oh, ow = shape
    ph, _, top, _ = window
    v_row = row_size(channels, ow, len(kw), len(columns))
    v_size, band_size = kh * v_row, f_all * ph * ow * LANES
    v, band, m = room[:v_size], room[v_size : v_size + band_size], room[v_size + band_size :]
    zeros = np.zeros(len(filters), x.dtype)
    one = x.dtype.type(1)
    for tile in range(begin, end):
        for row in range(1 - kh, min(oh, pooled[0] * ph - top)):
            _row_in(
                v, (row + kh - 1) % kh * v_row,
                x, x_origin + tile * x_tile + (row + kh - 1) * x_row, x_channel, x_column,
                channels, ow, len(columns), kw,
            )  # fmt: skip
            if row < 0:
                continue
            p_i = (row + top) // ph
            above = p_i * ph - top
            first, last = max(above, 0), min(above + ph, oh)
            _row_out(
                band, (row - first) * ow * LANES, ph * ow * LANES, LANES, v, v_taps, row % kh, u, u_taps,
                b, zeros, None, m, channels, ow, f_all, kw, settled, filters, columns,
            )  # fmt: skip
            if row + 1 < last:
                continue
            for f in range(f_all):
                maxima(
                    p, p_origin + tile * p_tile + f * p_channel + p_i * p_row, p_column,
                    winners, ((tile * f_all + f) * pooled[0] + p_i) * pooled[1] * LANES,
                    band, f * ph * ow * LANES, ow * LANES, LANES,
                    one, b[f], lowest, first - above, last - first, ow, window, written, pooled[1],
                )  # fmt: skip


@kernel
def winograd_gradient(
    du: Any, dz: Any, dz_places: Any, x: Any, x_places: Any, v_taps: Any, room: Any, shape: Any, channels: int, kh: int,
    band: int, begin: int, end: int, kw: Any, filters: Any, taps: Any,
) -> None:  # fmt: skip
    """Add the share of the tiles from ``begin`` to ``end`` to ``du``, the gradient by the transformed kernel.

    Args:
        du: ``(parts, taps, f)``, taps in the order kh, c.
        dz: the gradient by the convolution's output.
        dz_places: its places.
        x: as for ``winograd``.
        x_places: as for ``winograd``.
        v_taps: where each tap's row lies among the transformed rows.
        room: for the transformed rows, and for the transformed gradients of a block's filters.
        shape: ``(f, oh, ow)``, ``ow`` a multiple of four.
        channels: of the input.
        kh: rows of the kernel.
        band: rows of the output whose gradients are transformed at once.
        begin, end: the tiles.
        kw: as for ``winograd``.
        filters, taps: the block; ``f`` is a multiple of the block's.
    """
    z_origin, z_tile, z_channel, z_row, z_column = dz_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    f_all, oh, ow = shape
    parts, t_all, _ = du.shape
    patches = ow // 4
    v_row = row_size(channels, ow, len(kw), patches)
    v_size = (band + kh - 1) * v_row
    v, d = room[:v_size], room[v_size:]
    d_row = parts * patches * LANES
    for tile in range(begin, end):
        for first in range(0, oh, band):
            rows = min(band, oh - first)
            for row in range(rows + kh - 1):
                _row_in(
                    v, row * v_row, x, x_origin + tile * x_tile + (first + row) * x_row, x_channel, x_column,
                    channels, ow, patches, kw,
                )  # fmt: skip
            for f in range(0, f_all, len(filters)):
                for n in range(len(filters)):
                    for row in range(rows):
                        at = z_origin + tile * z_tile + (f + n) * z_channel + (first + row) * z_row
                        for patch in range(patches):
                            to = (n * band + row) * d_row + patch * LANES
                            _gradient(d, to, patches * LANES, dz, at + 4 * patch * z_column, z_column, kw)
                for part in range(parts):
                    for t_step in range(0, t_all, len(taps)):
                        if t_step + len(taps) <= t_all:
                            correlate_lanes(
                                du, (part * t_all + t_step) * f_all + f, 1, f_all,
                                d, part * patches * LANES, band * d_row, d_row, LANES,
                                v, part * patches * LANES, v_row, LANES, v_taps,
                                t_step, rows, patches, filters, taps,
                            )  # fmt: skip
                            continue
                        for n in range(len(filters)):
                            for t in range(t_step, t_all):
                                correlate_lanes(
                                    du, (part * t_all + t) * f_all + f + n, 1, f_all,
                                    d, (n * band * parts + part) * patches * LANES, band * d_row, d_row, LANES,
                                    v, part * patches * LANES, v_row, LANES, v_taps,
                                    t, rows, patches, (0,), (0,),
                                )  # fmt: skip


@kernel
def add_winograd_shares(dw: Any, shares: Any, g: Any, begin_c: int, end_c: int) -> None:
    """Add ``(share, parts, taps, f)`` in a fixed order, and write ``G'`` of them as a kernel ``(kh, kw, c, f)``.

    Only the channels from ``begin_c`` to ``end_c``.
    """
    kh, kw, channels, filters = dw.shape
    parts = shares.shape[1]
    added = np.empty((parts, filters), dw.dtype)
    for i in range(kh):
        for c in range(begin_c, end_c):
            t = i * channels + c
            for part in range(parts):
                added[part] = 0
                for share in range(shares.shape[0]):
                    for f in range(filters):
                        added[part, f] += shares[share, part, t, f]
            for j in range(kw):
                for f in range(filters):
                    dw[i, j, c, f] = 0
                for part in range(parts):
                    for f in range(filters):
                        dw[i, j, c, f] += g[part, j] * added[part, f]
