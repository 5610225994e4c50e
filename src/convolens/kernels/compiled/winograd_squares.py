"""Convolution in the lanes by Winograd's F(4 x 4, 3 x 3), fused with max pooling or not, and its gradient.

As along rows, and both ways: ``y = A' [(G w G') * (B x B')] A`` and ``dw = G' [(A dz A') * (B x B')] G``. A *patch* is
4 x 4 outputs, or the 6 x 6 inputs that they need; its 36 *parts* are counted row by row. See ``winograd``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.kernels.compiled.jit import inlined, kernel
from convolens.kernels.compiled.lanes import LANES, add, at_least, load, splat, store
from convolens.kernels.compiled.silence import has_silent, settle, sum_sizes
from convolens.kernels.compiled.sums import correlate, correlate_lanes
from convolens.kernels.compiled.transforms import squared, squares_of
from convolens.kernels.compiled.windows import maxima
from convolens.kernels.compiled.winograd import matrices, part_size, transposed

__all__ = ["PARTS", "convolve", "convolve_pool", "kernel_gradient", "pack"]

PARTS, _SIDE = 36, 6

_A, _G, _B = matrices(3)
_input = squared(_B)
_output = squares_of(_A)
_gradient = squared(transposed(_A))
_taps = squared(transposed(_G))


@kernel
def pack(u: Any, w: Any, g: Any) -> None:
    """Write ``G w G'`` as ``(parts, blocks, c, filters of a block)``.

    Args:
        u: where to; the last block begins early enough to be full.
        w: the kernel ``(3, 3, c, f)``.
        g: ``taps_matrix(3)``.
    """
    _, blocks, channels, width = u.shape
    filters = w.shape[3]
    along = np.empty((3, filters), w.dtype)
    row = np.empty(filters, w.dtype)
    for c in range(channels):
        for q in range(_SIDE):
            for i in range(3):
                for f in range(filters):
                    along[i, f] = g[q, 0] * w[i, 0, c, f] + g[q, 1] * w[i, 1, c, f] + g[q, 2] * w[i, 2, c, f]
            for p in range(_SIDE):
                for f in range(filters):
                    row[f] = g[p, 0] * along[0, f] + g[p, 1] * along[1, f] + g[p, 2] * along[2, f]
                for block in range(blocks):
                    first = min(block * width, filters - width)
                    for n in range(width):
                        u[p * _SIDE + q, block, c, n] = row[first + n]


@inlined
def _patches(oh: int, ow: int) -> int:
    return ((oh + 3) // 4) * ((ow + 3) // 4)


@inlined
def _corner(patch: int, oh: int, ow: int) -> Any:
    """Return a patch's first row and column; the last patches begin early enough to be full."""
    across = (ow + 3) // 4
    return min(patch // across * 4, oh - 4), min(patch % across * 4, ow - 4)


@inlined
def _parts(
    m: Any, v: Any, v_taps: Any, x: Any, x_at: int, x_channel: int, x_row: int, x_column: int,
    u: Any, u_taps: Any, zeros: Any, first: int, shape: Any, channels: int, filters: Any, columns: Any,
) -> Any:  # fmt: skip
    """Compute all parts of some patches from the ``first`` on: ``m`` as ``(part, f, patch)``."""
    f_all, oh, ow = shape
    blocks, count = u.shape[1], len(columns)
    v_part, m_part = part_size(channels, count), part_size(f_all, count)
    for c in range(channels):
        for patch in range(count):
            row, column = _corner(first + patch, oh, ow)
            at = x_at + c * x_channel + row * x_row + column * x_column
            _input(v, (c * count + patch) * LANES, v_part, x, at, x_row, x_column)
    for part in range(PARTS):
        for block in range(blocks):
            f = min(block * len(filters), f_all - len(filters))
            correlate(
                m, part * m_part + f * count * LANES, count * LANES, LANES,
                v, part * v_part, LANES, v_taps,
                u, (part * blocks + block) * channels * len(filters), 1, u_taps,
                0, channels, False, zeros, 0, None, filters, columns,
            )  # fmt: skip


@kernel
def convolve(
    y: Any, y_places: Any, x: Any, x_places: Any, v_taps: Any, u: Any, u_taps: Any, b: Any, lowest: Any, room: Any,
    of_zeros: Any, shape: Any, channels: int, begin: int, end: int, filters: Any, columns: Any,
) -> None:  # fmt: skip
    """Convolve the tiles from ``begin`` to ``end``.

    Args:
        y: the output, ``shape = (f, oh, ow)``, at least 4 x 4.
        y_places: its places.
        x: the input.
        x_places: its places, from the first window's first cell.
        v_taps: where in a part of the transformed patches each channel lies.
        u: the transformed kernel.
        u_taps: where each channel's numbers begin in a block.
        b: the bias, ``(f,)``.
        lowest: zero for a rectifier, else minus infinity.
        room: for the transformed patches and the parts of a step; with ``of_zeros`` for the sizes of the inputs too.
        of_zeros: what each filter gives for a window of zeros, ``(f,)``; empty if rounding may stand in its place.
        shape: of the output.
        channels: of the input.
        begin, end: the tiles.
        filters, columns: the block; a step has ``columns`` patches.
    """
    y_origin, y_tile, y_channel, y_row, y_column = y_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    f_all, oh, ow = shape
    patches, count = _patches(oh, ow), len(columns)
    v_part, m_part = part_size(channels, count), part_size(f_all, count)
    v, m = room[: PARTS * v_part], room[PARTS * v_part : PARTS * (v_part + m_part)]
    s, s_row = room[PARTS * (v_part + m_part) :], (ow + 2) * LANES
    zeros = np.zeros(len(filters), x.dtype)
    for tile in range(begin, end):
        if len(of_zeros):
            sum_sizes(s, x, x_origin + tile * x_tile, x_channel, x_row, x_column, channels, 3, 3, oh, ow)
        for step in range(0, patches, count):
            first = min(step, patches - count)
            _parts(
                m, v, v_taps, x, x_origin + tile * x_tile, x_channel, x_row, x_column, u, u_taps, zeros,
                first, shape, channels, filters, columns,
            )  # fmt: skip
            for f in range(f_all):
                for patch in range(count):
                    row, column = _corner(first + patch, oh, ow)
                    at = y_origin + tile * y_tile + f * y_channel + row * y_row + column * y_column
                    _output(y, at, y_row, y_column, m, (f * count + patch) * LANES, m_part, b[f], lowest)
            if not len(of_zeros):
                continue
            for patch in range(count):
                row, column = _corner(first + patch, oh, ow)
                s_at = row * s_row + column * LANES
                if has_silent(s, s_at, s_row, 4, 4):
                    for f in range(f_all):
                        at = y_origin + tile * y_tile + f * y_channel + row * y_row + column * y_column
                        value = at_least(splat(of_zeros[f] + b[f]), splat(lowest))
                        settle(y, at, y_row, y_column, s, s_at, s_row, 4, 4, value)


@kernel
def convolve_pool(
    p: Any, p_places: Any, winners: Any, x: Any, x_places: Any, v_taps: Any, u: Any, u_taps: Any, b: Any, lowest: Any,
    room: Any, of_zeros: Any, shape: Any, channels: int, window: Any, written: Any, pooled: Any,
    begin: int, end: int, filters: Any, columns: Any,
) -> None:  # fmt: skip
    """Convolve, then take maxima over windows that divide a patch and the output.

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
        room: as for ``convolve``.
        of_zeros: as for ``convolve``.
        shape: as for ``convolve``.
        channels: as for ``convolve``.
        window: as for ``convolution.convolve_pool``.
        written: as for ``convolution.convolve_pool``.
        pooled: as for ``convolution.convolve_pool``.
        begin, end: the tiles.
        filters, columns: as for ``convolve``.
    """
    p_origin, p_tile, p_channel, p_row, p_column = p_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    f_all, oh, ow = shape
    ph, pw, _, _ = window
    patches, count = _patches(oh, ow), len(columns)
    v_part, m_part = part_size(channels, count), part_size(f_all, count)
    v, m = room[: PARTS * v_part], room[PARTS * v_part : PARTS * (v_part + m_part)]
    s, s_row = room[PARTS * (v_part + m_part) :], (ow + 2) * LANES
    zeros = np.zeros(len(filters), x.dtype)
    z = np.empty(16 * LANES, x.dtype)
    one = x.dtype.type(1)
    for tile in range(begin, end):
        if len(of_zeros):
            sum_sizes(s, x, x_origin + tile * x_tile, x_channel, x_row, x_column, channels, 3, 3, oh, ow)
        for step in range(0, patches, count):
            first = min(step, patches - count)
            _parts(
                m, v, v_taps, x, x_origin + tile * x_tile, x_channel, x_row, x_column, u, u_taps, zeros,
                first, shape, channels, filters, columns,
            )  # fmt: skip
            silent = False
            if len(of_zeros):
                for patch in range(count):
                    row, column = _corner(first + patch, oh, ow)
                    silent |= has_silent(s, row * s_row + column * LANES, s_row, 4, 4)
            for f in range(f_all):
                for patch in range(count):
                    row, column = _corner(first + patch, oh, ow)
                    _output(z, 0, 4 * LANES, LANES, m, (f * count + patch) * LANES, m_part, b[f], None)
                    if silent:
                        settle(z, 0, 4 * LANES, LANES, s, row * s_row + column * LANES, s_row, 4, 4, splat(of_zeros[f]))
                    for i in range(4 // ph):
                        p_i, p_j = row // ph + i, column // pw
                        maxima(
                            p, p_origin + tile * p_tile + f * p_channel + p_i * p_row + p_j * p_column, p_column,
                            winners, None, (((tile * f_all + f) * pooled[0] + p_i) * pooled[1] + p_j) * LANES,
                            z, i * ph * 4 * LANES, 4 * LANES, LANES,
                            one, b[f], lowest, 0, ph, 4, window, written, 4 // pw,
                        )  # fmt: skip


@kernel
def kernel_gradient(
    dw: Any, dz: Any, dz_places: Any, x: Any, x_places: Any, v_taps: Any, room: Any, shape: Any, channels: int,
    together: int, begin: int, end: int, filters: Any, taps: Any,
) -> None:  # fmt: skip
    """Add the share of the tiles from ``begin`` to ``end`` to a kernel's gradient.

    Args:
        dw: ``(taps, f)``, taps in the order kh, c, kw.
        dz: the gradient by the convolution's output.
        dz_places: its places.
        x: as for ``convolve``.
        x_places: as for ``convolve``.
        v_taps: where in a part of the transformed patches each channel lies.
        room: for the transformed inputs and gradients of some patches, and for the gradient by the transformed kernel.
        shape: ``(f, oh, ow)``, multiples of ``LANES``, four and four.
        channels: of the input.
        together: patches whose products are summed at once.
        begin, end: the tiles.
        filters, taps: the block; ``channels`` and ``f`` are multiples of the block's.
    """
    z_origin, z_tile, z_channel, z_row, z_column = dz_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    f_all, oh, ow = shape
    patches = _patches(oh, ow)
    v_part, d_part, u_part = part_size(channels, together), part_size(f_all, together), channels * f_all
    v, d = room[: PARTS * v_part], room[PARTS * v_part : PARTS * (v_part + d_part)]
    du = room[PARTS * (v_part + d_part) :]
    du[: PARTS * u_part] = 0
    for tile in range(begin, end):
        for first in range(0, patches, together):
            count = min(together, patches - first)
            for c in range(channels):
                for patch in range(count):
                    row, column = _corner(first + patch, oh, ow)
                    at = x_origin + tile * x_tile + c * x_channel + row * x_row + column * x_column
                    _input(v, (c * together + patch) * LANES, v_part, x, at, x_row, x_column)
            for f in range(f_all):
                for patch in range(count):
                    row, column = _corner(first + patch, oh, ow)
                    at = z_origin + tile * z_tile + f * z_channel + row * z_row + column * z_column
                    _gradient(d, (f * together + patch) * LANES, d_part, dz, at, z_row, z_column)
            for part in range(PARTS):
                for f in range(0, f_all, len(filters)):
                    for c in range(0, channels, len(taps)):
                        correlate_lanes(
                            du, part * u_part + c * f_all + f, f_all,
                            d, part * d_part + f * together * LANES, together * LANES, 0, LANES,
                            v, part * v_part, 0, LANES, v_taps,
                            c, 1, count, filters, taps,
                        )  # fmt: skip
    found = np.empty(9 * LANES, dw.dtype)
    dw = dw.reshape(-1)
    for c in range(channels):
        for f in range(0, f_all, LANES):
            _taps(found, 0, LANES, du, c * f_all + f, _SIDE * u_part, u_part)
            for tap in range(9):
                at = ((tap // 3 * channels + c) * 3 + tap % 3) * f_all + f
                store(dw, at, add(load(dw, at), load(found, tap * LANES)))
