"""Convolution in the lanes: forward, with max pooling fused or not, and both gradients.

Arrays are handed over whole, each with its places: ``(origin, tile, channel, row, column)``, the element offset of the
first cell and the distances between neighbours. With them one loop serves images with and without a halo of zeros,
flattened images, and gradients spread out for a stride.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.kernels.compiled.jit import inlined, kernel
from convolens.kernels.compiled.lanes import LANES
from convolens.kernels.compiled.sums import correlate, correlate_lanes
from convolens.kernels.compiled.windows import maxima

__all__ = ["convolve", "convolve_pool", "kernel_gradient", "pack", "pack_flipped"]


@kernel
def pack(packed: Any, w: Any) -> None:
    """Copy a kernel ``(kh, kw, c, f)`` to ``(blocks, taps, filters of a block)`` with taps in the order kh, c, kw.

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
                        packed[block, (i * c + k) * kw + j, n] = w[i, j, k, f + n]


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
                        packed[block, (i * filters + f) * kw + j, n] = w[kh - 1 - i, kw - 1 - j, k + n, f]


@inlined
def taps_inside(row: int, stride: int, x_rows: Any, taps: int) -> Any:
    """Return the range of taps of those kernel rows that meet the image rather than the zeros above or below it."""
    top, height, kh, dilation = x_rows
    begin = row * stride - top
    first = max(0, -(begin // dilation))
    last = max(first, min(kh, (height - 1 - begin) // dilation + 1))
    return first * (taps // kh), last * (taps // kh)


@kernel
def convolve(
    y: Any, y_places: Any, x: Any, x_places: Any, x_taps: Any, x_rows: Any, strides: Any, w: Any, w_taps: Any, b: Any,
    lowest: Any, shape: Any, begin: int, end: int, filters: Any, columns: Any,
) -> None:  # fmt: skip
    """Convolve the tiles from ``begin`` to ``end``.

    Args:
        y: the output, ``shape = (f, oh, ow)``.
        y_places: its places.
        x: the input.
        x_places: its places, from the first window's first cell.
        x_taps: a window's cells, as offsets from its first, in the order kh, c, kw.
        x_rows: ``(zeros above, rows of the image, kh, dilation)``: the zeros are not multiplied.
        strides: ``(vertical, horizontal)``.
        w: the packed kernel.
        w_taps: where in a block each tap's numbers begin.
        b: the bias, ``(f,)``.
        lowest: zero for a rectifier, else minus infinity.
        shape: of the output.
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
                first, last = taps_inside(row, strides[0], x_rows, taps)
                y_at = y_origin + tile * y_tile + f * y_channel + row * y_row
                x_at = x_origin + tile * x_tile + row * strides[0] * x_row
                for step in range(0, ow, len(columns)):
                    column = min(step, ow - len(columns))
                    correlate(
                        y, y_at + column * y_column, y_channel, y_column,
                        x, x_at + column * strides[1] * x_column, strides[1] * x_column, x_taps,
                        w, block * taps * len(filters), 1, w_taps, first, last, False, b, f, lowest, filters, columns,
                    )  # fmt: skip


@kernel
def convolve_pool(
    p: Any, p_places: Any, winners: Any, x: Any, x_places: Any, x_taps: Any, x_rows: Any, strides: Any,
    w: Any, w_taps: Any, b: Any, lowest: Any, shape: Any, window: Any, written: Any, pooled: Any,
    begin: int, end: int, filters: Any, columns: Any,
) -> None:  # fmt: skip
    """Convolve, then take maxima over windows side by side: the convolution's output stays in the nearest cache.

    Rectifying comes after the maximum, which gives the same for less work.

    Args:
        p: the maxima.
        p_places: their places.
        winners: the place of the first maximum in its window, ``(tile, f, rows, columns, LANES)``.
        x: as for ``convolve``, like the arguments not named here.
        x_places: as for ``convolve``.
        x_taps: as for ``convolve``.
        x_rows: as for ``convolve``.
        strides: as for ``convolve``.
        w: as for ``convolve``.
        w_taps: as for ``convolve``.
        b: as for ``convolve``.
        lowest: as for ``convolve``.
        shape: ``(f, oh, ow)`` of the convolution.
        window: as for ``maxima``.
        written: as for ``maxima``.
        pooled: as for ``maxima``.
        begin, end: the tiles.
        filters, columns: the block.
    """
    p_origin, p_tile, p_channel, p_row, p_column = p_places
    x_origin, x_tile, _, x_row, x_column = x_places
    f_all, oh, ow = shape
    ph, _, top, _ = window
    taps = x_taps.size
    band = np.empty(len(filters) * ph * ow * LANES, x.dtype)
    minus_infinity = x.dtype.type(-np.inf)
    one, zero = x.dtype.type(1), x.dtype.type(0)
    for tile in range(begin, end):
        for block in range(w.shape[0]):
            f = min(block * len(filters), f_all - len(filters))
            for p_i in range(pooled[0]):
                above = p_i * ph - top
                first, last = max(above, 0), min(above + ph, oh)
                for row in range(first, last):
                    first_tap, last_tap = taps_inside(row, strides[0], x_rows, taps)
                    x_at = x_origin + tile * x_tile + row * strides[0] * x_row
                    for step in range(0, ow, len(columns)):
                        column = min(step, ow - len(columns))
                        correlate(
                            band, ((row - first) * ow + column) * LANES, ph * ow * LANES, LANES,
                            x, x_at + column * strides[1] * x_column, strides[1] * x_column, x_taps,
                            w, block * taps * len(filters), 1, w_taps, first_tap, last_tap, False,
                            b, f, minus_infinity, filters, columns,
                        )  # fmt: skip
                for n in range(len(filters)):
                    maxima(
                        p, p_origin + tile * p_tile + (f + n) * p_channel + p_i * p_row, p_column,
                        winners, None, ((tile * f_all + f + n) * pooled[0] + p_i) * pooled[1] * LANES,
                        band, n * ph * ow * LANES, ow * LANES, LANES,
                        one, zero, lowest, first - above, last - first, ow, window, written, pooled[1],
                    )  # fmt: skip


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
                        dw, t_step * f_all + f_step, f_all,
                        dz, z_at, z_channel, z_row, z_column,
                        x, x_at, strides[0] * x_row, strides[1] * x_column, x_taps,
                        t_step, oh, ow, filters, taps,
                    )  # fmt: skip
                    continue
                for f in range(f_step, min(f_step + len(filters), f_all)):
                    for t in range(t_step, min(t_step + len(taps), t_all)):
                        correlate_lanes(
                            dw, t * f_all + f, f_all,
                            dz, z_at + (f - f_step) * z_channel, z_channel, z_row, z_column,
                            x, x_at, strides[0] * x_row, strides[1] * x_column, x_taps,
                            t, oh, ow, (0,), (0,),
                        )  # fmt: skip
