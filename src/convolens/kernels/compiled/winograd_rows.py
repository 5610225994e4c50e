"""Convolution in the lanes by Winograd's F(4, taps) along rows, fused with max pooling or not, and its gradient.

``y = A' [(G w) * (B x)]`` for each *patch* of four neighbouring outputs of a row; the products are summed over channels
and rows of the kernel. The gradient by the kernel is the same the other way round: ``dw = G' [(A dz) * (B x)]``, summed
over all cells. See ``winograd``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from convolens.kernels.compiled.jit import inlined, kernel
from convolens.kernels.compiled.lanes import LANES, at_least, splat
from convolens.kernels.compiled.silence import has_silent, settle, sum_sizes
from convolens.kernels.compiled.sums import correlate, correlate_lanes
from convolens.kernels.compiled.transforms import affine_of, linear
from convolens.kernels.compiled.windows import maxima
from convolens.kernels.compiled.winograd import WIDTHS, matrices, part_size, transposed

__all__ = ["convolve", "convolve_pool", "kernel_gradient", "pack", "row_size"]

_MATRICES = {taps: matrices(taps) for taps in WIDTHS}
_input = linear({taps: b for taps, (_, _, b) in _MATRICES.items()})
_output = affine_of({taps: a for taps, (a, _, _) in _MATRICES.items()})
_gradient = linear({taps: transposed(a) for taps, (a, _, _) in _MATRICES.items()})


@kernel
def pack(u: Any, w: Any, g: Any) -> None:
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
    b: Any, zeros: Any, lowest: Any, m: Any, channels: int, ow: int, f_all: int, kw: Any, filters: Any, columns: Any,
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
                _output(y, at, y_column, m, source, m_part, b[f], lowest, kw)


@kernel
def convolve(
    y: Any, y_places: Any, x: Any, x_places: Any, v_taps: Any, u: Any, u_taps: Any, b: Any, lowest: Any, room: Any,
    of_zeros: Any, shape: Any, channels: int, kh: int, begin: int, end: int, kw: Any, filters: Any, columns: Any,
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
        room: for the transformed rows and the products of a step; with ``of_zeros`` for the sizes of the inputs too.
        of_zeros: what each filter gives for a window of zeros, ``(f,)``; empty if rounding may stand in its place.
        shape: of the output.
        channels: of the input.
        kh: rows of the kernel.
        begin, end: the tiles.
        kw: ``size`` of the kernel's columns.
        filters, columns: the block.
    """
    y_origin, y_tile, y_channel, y_row, y_column = y_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    f_all, oh, ow = shape
    v_row = row_size(channels, ow, len(kw), len(columns))
    v_size = kh * v_row
    m_size = (len(kw) + 3) * part_size(f_all, len(columns))
    v, m, s = room[:v_size], room[v_size : v_size + m_size], room[v_size + m_size :]
    s_row = (ow + len(kw) - 1) * LANES
    zeros = np.zeros(len(filters), x.dtype)
    for tile in range(begin, end):
        if len(of_zeros):
            sum_sizes(
                s, x, x_origin + tile * x_tile, x_channel, x_row, x_column, channels, kh, len(kw), oh, ow
            )  # fmt: skip
        for row in range(1 - kh, oh):
            _row_in(
                v, (row + kh - 1) % kh * v_row,
                x, x_origin + tile * x_tile + (row + kh - 1) * x_row, x_channel, x_column,
                channels, ow, len(columns), kw,
            )  # fmt: skip
            if row < 0:
                continue
            at = y_origin + tile * y_tile + row * y_row
            _row_out(
                y, at, y_channel, y_column, v, v_taps, row % kh, u, u_taps,
                b, zeros, lowest, m, channels, ow, f_all, kw, filters, columns,
            )  # fmt: skip
            if len(of_zeros) and has_silent(s, row * s_row, s_row, 1, ow):
                for f in range(f_all):
                    value = at_least(splat(of_zeros[f] + b[f]), splat(lowest))
                    settle(y, at + f * y_channel, 0, y_column, s, row * s_row, s_row, 1, ow, value)


@kernel
def convolve_pool(
    p: Any, p_places: Any, winners: Any, x: Any, x_places: Any, v_taps: Any, u: Any, u_taps: Any, b: Any, lowest: Any,
    room: Any, of_zeros: Any, shape: Any, channels: int, kh: int, window: Any, written: Any, pooled: Any,
    begin: int, end: int, kw: Any, filters: Any, columns: Any,
) -> None:  # fmt: skip
    """Convolve, then take maxima over windows side by side.

    Args:
        p: as for ``convolution.convolve_pool``, like the arguments not of ``convolve``.
        p_places: as for ``convolution.convolve_pool``.
        winners: as for ``convolution.convolve_pool``.
        x: as for ``convolve``, like the others.
        x_places: as for ``convolve``.
        v_taps: as for ``convolve``.
        u: as for ``convolve``.
        u_taps: as for ``convolve``.
        b: as for ``convolve``.
        lowest: as for ``convolve``.
        room: as for ``convolve``, with one window's rows of the output after the transformed rows.
        of_zeros: as for ``convolve``.
        shape: as for ``convolve``.
        channels: as for ``convolve``.
        kh: as for ``convolve``.
        window: as for ``convolution.convolve_pool``.
        written: as for ``convolution.convolve_pool``.
        pooled: as for ``convolution.convolve_pool``.
        begin, end: the tiles.
        kw: as for ``convolve``.
        filters, columns: the block.
    """
    p_origin, p_tile, p_channel, p_row, p_column = p_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    f_all, oh, ow = shape
    ph, _, top, _ = window
    v_row = row_size(channels, ow, len(kw), len(columns))
    v_size, band_size = kh * v_row, f_all * ph * ow * LANES
    v, band, room = room[:v_size], room[v_size : v_size + band_size], room[v_size + band_size :]
    m_size = (len(kw) + 3) * part_size(f_all, len(columns))
    m, s = room[:m_size], room[m_size:]
    s_row = (ow + len(kw) - 1) * LANES
    zeros = np.zeros(len(filters), x.dtype)
    one = x.dtype.type(1)
    for tile in range(begin, end):
        if len(of_zeros):
            sum_sizes(
                s, x, x_origin + tile * x_tile, x_channel, x_row, x_column, channels, kh, len(kw), oh, ow
            )  # fmt: skip
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
                b, zeros, None, m, channels, ow, f_all, kw, filters, columns,
            )  # fmt: skip
            if len(of_zeros) and has_silent(s, row * s_row, s_row, 1, ow):
                for f in range(f_all):
                    at = (f * ph + row - first) * ow * LANES
                    settle(band, at, 0, LANES, s, row * s_row, s_row, 1, ow, splat(of_zeros[f]))
            if row + 1 < last:
                continue
            for f in range(f_all):
                maxima(
                    p, p_origin + tile * p_tile + f * p_channel + p_i * p_row, p_column,
                    winners, None, ((tile * f_all + f) * pooled[0] + p_i) * pooled[1] * LANES,
                    band, f * ph * ow * LANES, ow * LANES, LANES,
                    one, b[f], lowest, first - above, last - first, ow, window, written, pooled[1],
                )  # fmt: skip


@kernel
def kernel_gradient(
    dw: Any, dz: Any, dz_places: Any, x: Any, x_places: Any, v_taps: Any, g: Any, room: Any, shape: Any, channels: int,
    kh: int, band: int, begin: int, end: int, kw: Any, filters: Any, taps: Any,
) -> None:  # fmt: skip
    """Add the share of the tiles from ``begin`` to ``end`` to a kernel's gradient.

    Args:
        dw: ``(taps, f)``, taps in the order kh, c, kw.
        dz: the gradient by the convolution's output.
        dz_places: its places.
        x: as for ``convolve``.
        x_places: as for ``convolve``.
        v_taps: where each tap's row lies among the transformed rows.
        g: ``taps_matrix``.
        room: for the transformed rows, the transformed gradients of a block's filters, and the gradient by the
            transformed kernel.
        shape: ``(f, oh, ow)``, ``ow`` a multiple of four.
        channels: of the input.
        kh: rows of the kernel.
        band: rows of the output whose gradients are transformed at once.
        begin, end: the tiles.
        kw: as for ``convolve``.
        filters, taps: the block; ``f`` is a multiple of the block's.
    """
    z_origin, z_tile, z_channel, z_row, z_column = dz_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    f_all, oh, ow = shape
    parts, t_all = len(kw) + 3, kh * channels
    patches = ow // 4
    v_row = row_size(channels, ow, len(kw), patches)
    v_size = (band + kh - 1) * v_row
    d_row = parts * patches * LANES
    d_size = len(filters) * band * d_row
    v, d, du = room[:v_size], room[v_size : v_size + d_size], room[v_size + d_size :]
    du[: parts * t_all * f_all] = 0
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
                                du, (part * t_all + t_step) * f_all + f, f_all,
                                d, part * patches * LANES, band * d_row, d_row, LANES,
                                v, part * patches * LANES, v_row, LANES, v_taps,
                                t_step, rows, patches, filters, taps,
                            )  # fmt: skip
                            continue
                        for n in range(len(filters)):
                            for t in range(t_step, t_all):
                                correlate_lanes(
                                    du, (part * t_all + t) * f_all + f + n, f_all,
                                    d, (n * band * parts + part) * patches * LANES, band * d_row, d_row, LANES,
                                    v, part * patches * LANES, v_row, LANES, v_taps,
                                    t, rows, patches, (0,), (0,),
                                )  # fmt: skip
    for t in range(t_all):
        for part in range(parts):
            at = (part * t_all + t) * f_all
            for j in range(len(kw)):
                for f in range(f_all):
                    dw[t * len(kw) + j, f] += g[part, j] * du[at + f]
