"""Convolution in the lanes: forward, with max pooling fused or not, and both gradients.

Arrays are handed over whole, each with its places: ``(origin, tile, channel, row, column)``, the element offset of the
first cell and the distances between neighbours. With them one loop serves images with and without a halo of zeros,
flattened images, and gradients spread out for a stride.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from convolens.kernels.compiled.jit import kernel
from convolens.kernels.compiled.lanes import (
    LANES,
    add,
    correlate,
    correlate_lanes,
    equal,
    greater,
    larger,
    load,
    relu,
    splat,
    store,
    total,
    where,
)

__all__ = ["convolve", "convolve_pool", "kernel_gradient", "pack", "pack_flipped", "unpool"]


@kernel
def pack(packed: Any, w: Any) -> None:
    """Copy a kernel ``(kh, kw, c, f)`` to ``(blocks, taps, filters of a block)`` with taps in the order c, kh, kw.

    The last block begins early enough to be full.
    """
    kh, kw, c, filters = w.shape
    blocks, _, width = packed.shape
    for block in range(blocks):
        f = min(block * width, filters - width)
        for k in range(c):
            for i in range(kh):
                for j in range(kw):
                    for n in range(width):
                        packed[block, (k * kh + i) * kw + j, n] = w[i, j, k, f + n]


@kernel
def pack_flipped(packed: Any, w: Any) -> None:
    """As ``pack``, for the gradient by the input: filters and channels exchanged, the kernel turned by 180 degrees."""
    kh, kw, c, filters = w.shape
    blocks, _, width = packed.shape
    for block in range(blocks):
        k = min(block * width, c - width)
        for f in range(filters):
            for i in range(kh):
                for j in range(kw):
                    for n in range(width):
                        packed[block, (f * kh + i) * kw + j, n] = w[kh - 1 - i, kw - 1 - j, k + n, f]


@kernel
def convolve(
    y: Any, y_places: Any, x: Any, x_places: Any, x_taps: Any, strides: Any, w: Any, w_taps: Any, b: Any,
    with_relu: Any, shape: Any, begin: int, end: int, filters: Any, columns: Any,
) -> None:  # fmt: skip
    """Convolve the tiles from ``begin`` to ``end``.

    Args:
        y: the output, ``shape = (f, oh, ow)``.
        y_places: its places.
        x: the input.
        x_places: its places, from the first window's first cell.
        x_taps: a window's cells, as offsets from its first.
        strides: ``(vertical, horizontal)``.
        w: the packed kernel.
        w_taps: where in a block each tap's numbers begin.
        b: the bias, ``(f,)``.
        with_relu: ``size(1)`` to rectify.
        begin, end: the tiles.
        filters, columns: the block.
    """
    y_origin, y_tile, y_channel, y_row, y_column = y_places
    x_origin, x_tile, _, x_row, x_column = x_places
    f_all, oh, ow = shape
    taps = x_taps.size
    for tile in range(begin, end):
        for block in range(w.shape[0]):
            f = min(block * len(filters), f_all - len(filters))
            for row in range(oh):
                y_at = y_origin + tile * y_tile + f * y_channel + row * y_row
                x_at = x_origin + tile * x_tile + row * strides[0] * x_row
                for step in range(0, ow, len(columns)):
                    column = min(step, ow - len(columns))
                    correlate(
                        y, y_at + column * y_column, y_channel, y_column,
                        x, x_at + column * strides[1] * x_column, strides[1] * x_column, x_taps,
                        w, block * taps * len(filters), 1, w_taps, 0, taps, b, f, with_relu, filters, columns,
                    )  # fmt: skip


@kernel
def convolve_pool(
    p: Any, p_places: Any, winners: Any, x: Any, x_places: Any, x_taps: Any, strides: Any, w: Any, w_taps: Any, b: Any,
    with_relu: Any, shape: Any, window: Any, pooled: Any, begin: int, end: int, filters: Any, columns: Any,
) -> None:  # fmt: skip
    """Convolve, then take maxima over windows that do not overlap: the convolution's output is never stored.

    Rectifying comes after the maximum, which gives the same for less work.

    Args:
        p: the maxima.
        p_places: their places.
        winners: the place of the first maximum in its window, ``(tile, f, rows, columns, LANES)``.
        x: as for ``convolve``, like the arguments that follow it.
        x_places: as for ``convolve``.
        x_taps: as for ``convolve``.
        strides: as for ``convolve``.
        w: as for ``convolve``.
        w_taps: as for ``convolve``.
        b: as for ``convolve``.
        with_relu: as for ``convolve``.
        shape: ``(f, oh, ow)`` of the convolution.
        window: ``(height, width, top, left)``: size, and pads that no maximum comes from.
        pooled: ``(rows, columns)`` of the maxima.
        begin, end: the tiles.
        filters, columns: the block.
    """
    p_origin, p_tile, p_channel, p_row, p_column = p_places
    x_origin, x_tile, _, x_row, x_column = x_places
    f_all, oh, ow = shape
    ph, pw, top, left = window
    taps = x_taps.size
    band = np.empty(len(filters) * ph * ow * LANES, x.dtype)
    for tile in range(begin, end):
        for block in range(w.shape[0]):
            f = min(block * len(filters), f_all - len(filters))
            for p_i in range(pooled[0]):
                above = p_i * ph - top
                first, last = max(above, 0), min(above + ph, oh)
                for row in range(first, last):
                    x_at = x_origin + tile * x_tile + row * strides[0] * x_row
                    for step in range(0, ow, len(columns)):
                        column = min(step, ow - len(columns))
                        correlate(
                            band, ((row - first) * ow + column) * LANES, ph * ow * LANES, LANES,
                            x, x_at + column * strides[1] * x_column, strides[1] * x_column, x_taps,
                            w, block * taps * len(filters), 1, w_taps, 0, taps, b, f, (), filters, columns,
                        )  # fmt: skip
                for n in range(len(filters)):
                    for p_j in range(pooled[1]):
                        before = p_j * pw - left
                        left_cell, right_cell = max(before, 0), min(before + pw, ow)
                        at = (n * ph * ow + left_cell) * LANES
                        best = load(band, at)
                        winner = splat(np.uint16((first - above) * pw + left_cell - before))
                        for row in range(first, last):
                            for column in range(left_cell, right_cell):
                                value = load(band, ((n * ph + row - first) * ow + column) * LANES)
                                wins = larger(value, best)
                                best = where(wins, value, best)
                                place = np.uint16((row - above) * pw + column - before)
                                winner = where(wins, splat(place), winner)
                        if len(with_relu):
                            best = relu(best)
                        store(p, p_origin + tile * p_tile + (f + n) * p_channel + p_i * p_row + p_j * p_column, best)
                        cell = ((tile * f_all + f + n) * pooled[0] + p_i) * pooled[1] + p_j
                        store(winners, cell * LANES, winner)


@kernel
def unpool(
    dz: Any, dz_places: Any, dp: Any, dp_places: Any, p: Any, p_places: Any, winners: Any, db: Any,
    with_relu: Any, shape: Any, window: Any, pooled: Any, begin: int, end: int,
) -> None:  # fmt: skip
    """Send each maximum's gradient to the cell it came from, and zero to the rest of its window.

    Args:
        dz: the gradient by the convolution's output.
        dz_places: its places.
        dp: the gradient by the maxima.
        dp_places: its places.
        p: the maxima, for the slope of the rectifier.
        p_places: their places.
        winners: as ``convolve_pool`` left them.
        db: the sums by channel are added here, ``(f,)``.
        with_relu: as for ``convolve_pool``.
        shape: as for ``convolve_pool``.
        window: as for ``convolve_pool``.
        pooled: as for ``convolve_pool``.
        begin, end: the tiles.
    """
    z_origin, z_tile, z_channel, z_row, z_column = dz_places
    d_origin, d_tile, d_channel, d_row, d_column = dp_places
    p_origin, p_tile, p_channel, p_row, p_column = p_places
    f_all, oh, ow = shape
    ph, pw, top, left = window
    zero = splat(dz.dtype.type(0))
    for tile in range(begin, end):
        for f in range(f_all):
            added = splat(dz.dtype.type(0))
            z_at = z_origin + tile * z_tile + f * z_channel
            d_at = d_origin + tile * d_tile + f * d_channel
            p_at = p_origin + tile * p_tile + f * p_channel
            for p_i in range(pooled[0]):
                above = p_i * ph - top
                for p_j in range(pooled[1]):
                    before = p_j * pw - left
                    gradient = load(dp, d_at + p_i * d_row + p_j * d_column)
                    if len(with_relu):
                        gradient = where(greater(load(p, p_at + p_i * p_row + p_j * p_column), zero), gradient, zero)
                    added = add(added, gradient)
                    winner = load(winners, (((tile * f_all + f) * pooled[0] + p_i) * pooled[1] + p_j) * LANES)
                    for row in range(max(above, 0), min(above + ph, oh)):
                        for column in range(max(before, 0), min(before + pw, ow)):
                            won = equal(winner, splat(np.uint16((row - above) * pw + column - before)))
                            store(dz, z_at + row * z_row + column * z_column, where(won, gradient, zero))
            db[f] += total(added)


@kernel
def kernel_gradient(
    dw: Any, dz: Any, dz_places: Any, x: Any, x_places: Any, x_taps: Any, strides: Any, shape: Any,
    begin: int, end: int, filters: Any, taps: Any,
) -> None:  # fmt: skip
    """Add the share of the tiles from ``begin`` to ``end`` to ``dw[tap, f] = sum of dz[f, cell] * x[cell + tap]``.

    Args:
        dw: ``(taps, f)``.
        dz: the gradient by the convolution's output.
        dz_places: its places.
        x: as for ``convolve``, like the arguments that follow it.
        x_places: as for ``convolve``.
        x_taps: as for ``convolve``.
        strides: as for ``convolve``.
        shape: ``(f, oh, ow)``.
        begin, end: the tiles.
        filters, taps: the block.
    """
    z_origin, z_tile, z_channel, z_row, z_column = dz_places
    x_origin, x_tile, _, x_row, x_column = x_places
    f_all, oh, ow = shape
    t_all = x_taps.size
    for tile in range(begin, end):
        for f_step in range(0, f_all, len(filters)):
            # A short last block would begin early and add some sums twice: it goes filter by filter.
            whole = f_step + len(filters) <= f_all
            for t_step in range(0, t_all, len(taps)):
                z_at = z_origin + tile * z_tile + f_step * z_channel
                x_at = x_origin + tile * x_tile
                if whole and t_step + len(taps) <= t_all:
                    correlate_lanes(
                        dw, t_step * f_all + f_step, 1, f_all,
                        dz, z_at, z_channel, z_row, z_column,
                        x, x_at, strides[0] * x_row, strides[1] * x_column, x_taps,
                        t_step, oh, ow, filters, taps,
                    )  # fmt: skip
                    continue
                for f in range(f_step, min(f_step + len(filters), f_all)):
                    for t in range(t_step, min(t_step + len(taps), t_all)):
                        correlate_lanes(
                            dw, t * f_all + f, 1, f_all,
                            dz, z_at + (f - f_step) * z_channel, z_channel, z_row, z_column,
                            x, x_at, strides[0] * x_row, strides[1] * x_column, x_taps,
                            t, oh, ow, (0,), (0,),
                        )  # fmt: skip
