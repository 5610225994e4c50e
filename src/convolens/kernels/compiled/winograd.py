"""3 x 3 convolutions of many channels with 16 products for 4 outputs instead of 36: Winograd's F(2x2, 3x3).

``y = A' [(G w G') * (B' x B)] A`` for 4 x 4 cells of the input and 2 x 2 of the output, the products summed over the
channels (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, arXiv 1509.09308). Rounding errors
are some times those of the direct sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.kernels.compiled.jit import inlined, kernel
from convolens.kernels.compiled.lanes import LANES, correlate, winograd_input, winograd_output
from convolens.kernels.compiled.windows import maxima

__all__ = ["pack_winograd", "winograd", "winograd_pool"]


@kernel
def pack_winograd(u: Any, w: Any, turned: bool) -> None:
    """Write ``G w G'`` as ``(16, blocks, channels, filters of a block)``.

    Args:
        u: where to; the last block begins early enough to be full.
        w: the kernel ``(3, 3, c, f)``.
        turned: for the gradient by the input: filters and channels exchanged, the kernel turned by 180 degrees.
    """
    _, blocks, channels, width = u.shape
    filters = w.shape[2] if turned else w.shape[3]
    rows = np.empty((4, 3), w.dtype)
    half = w.dtype.type(0.5)
    for block in range(blocks):
        for n in range(width):
            f = min(block * width, filters - width) + n
            for c in range(channels):
                for j in range(3):
                    if turned:
                        a, b, d = w[2, 2 - j, f, c], w[1, 2 - j, f, c], w[0, 2 - j, f, c]
                    else:
                        a, b, d = w[0, j, c, f], w[1, j, c, f], w[2, j, c, f]
                    rows[0, j], rows[3, j] = a, d
                    rows[1, j], rows[2, j] = (a + b + d) * half, (a - b + d) * half
                for i in range(4):
                    a, b, d = rows[i, 0], rows[i, 1], rows[i, 2]
                    u[4 * i, block, c, n], u[4 * i + 3, block, c, n] = a, d
                    u[4 * i + 1, block, c, n] = (a + b + d) * half
                    u[4 * i + 2, block, c, n] = (a - b + d) * half


@inlined
def _two_rows(
    y: Any, y_at: int, y_channel: int, y_row: int, y_column: int,
    x: Any, x_at: int, x_channel: int, x_row: int, x_column: int, x_taps: Any, u: Any, u_taps: Any,
    b: Any, zeros: Any, lowest: Any, minus_infinity: Any, v: Any, m: Any, shape: Any, channels: int,
    filters: Any, columns: Any,
) -> Any:  # fmt: skip
    """Compute two rows of the output, all filters, from four rows of the input."""
    f_all, _, ow = shape
    patches = (ow + 1) // 2
    blocks = u.shape[1]
    for c in range(channels):
        for patch in range(patches):
            column = min(2 * patch, ow - 2)
            winograd_input(
                v, (c * patches + patch) * LANES, channels * patches * LANES,
                x, x_at + c * x_channel + column * x_column, x_row, x_column,
            )  # fmt: skip
    for block in range(blocks):
        f = min(block * len(filters), f_all - len(filters))
        for part in range(16):
            for step in range(0, patches, len(columns)):
                patch = min(step, patches - len(columns))
                correlate(
                    m, (part * len(filters) * patches + patch) * LANES, patches * LANES, LANES,
                    v, (part * channels * patches + patch) * LANES, LANES, x_taps,
                    u, (part * blocks + block) * channels * len(filters), 1, u_taps,
                    0, channels, False, zeros, 0, minus_infinity, filters, columns,
                )  # fmt: skip
        for n in range(len(filters)):
            for patch in range(patches):
                column = min(2 * patch, ow - 2)
                winograd_output(
                    y, y_at + (f + n) * y_channel + column * y_column, y_row, y_column,
                    m, (n * patches + patch) * LANES, len(filters) * patches * LANES, b[f + n], lowest,
                )  # fmt: skip


@kernel
def winograd(
    y: Any, y_places: Any, x: Any, x_places: Any, x_taps: Any, u: Any, u_taps: Any, b: Any, lowest: Any, shape: Any,
    begin: int, end: int, filters: Any, columns: Any,
) -> None:  # fmt: skip
    """Convolve the tiles from ``begin`` to ``end``.

    Args:
        y: the output, ``shape = (f, oh, ow)``, at least 2 x 2.
        y_places: its places.
        x: the input.
        x_places: its places, from the first window's first cell.
        x_taps: where each channel of the transformed input begins.
        u: the transformed kernel.
        u_taps: where each channel of it begins in a block.
        b: the bias, ``(f,)``.
        lowest: zero for a rectifier, else minus infinity.
        shape: of the output.
        begin, end: the tiles.
        filters, columns: the block.
    """
    y_origin, y_tile, y_channel, y_row, y_column = y_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    _, oh, ow = shape
    channels = x_taps.size
    patches = (ow + 1) // 2
    v, m = np.empty(16 * channels * patches * LANES, x.dtype), np.empty(16 * len(filters) * patches * LANES, x.dtype)
    zeros, minus_infinity = np.zeros(len(filters), x.dtype), x.dtype.type(-np.inf)
    for tile in range(begin, end):
        for step in range(0, oh, 2):
            row = min(step, oh - 2)
            _two_rows(
                y, y_origin + tile * y_tile + row * y_row, y_channel, y_row, y_column,
                x, x_origin + tile * x_tile + row * x_row, x_channel, x_row, x_column, x_taps, u, u_taps,
                b, zeros, lowest, minus_infinity, v, m, shape, channels, filters, columns,
            )  # fmt: skip


@kernel
def winograd_pool(
    p: Any, p_places: Any, winners: Any, x: Any, x_places: Any, x_taps: Any, u: Any, u_taps: Any, b: Any, lowest: Any,
    shape: Any, window: Any, written: Any, pooled: Any, begin: int, end: int, filters: Any, columns: Any,
) -> None:  # fmt: skip
    """Convolve, then take maxima over windows of two rows, side by side.

    Args:
        p: as for ``convolve_pool``, like the arguments not of ``winograd``.
        p_places: as for ``convolve_pool``.
        winners: as for ``convolve_pool``.
        x: as for ``winograd``.
        x_places: as for ``winograd``.
        x_taps: as for ``winograd``.
        u: as for ``winograd``.
        u_taps: as for ``winograd``.
        b: as for ``winograd``.
        lowest: as for ``winograd``.
        shape: as for ``winograd``.
        window: as for ``convolve_pool``; without pads above.
        written: as for ``convolve_pool``.
        pooled: as for ``convolve_pool``.
        begin, end: the tiles.
        filters, columns: the block.
    """
    p_origin, p_tile, p_channel, p_row, p_column = p_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    f_all, _, ow = shape
    channels = x_taps.size
    patches = (ow + 1) // 2
    v, m = np.empty(16 * channels * patches * LANES, x.dtype), np.empty(16 * len(filters) * patches * LANES, x.dtype)
    zeros, minus_infinity = np.zeros(len(filters), x.dtype), x.dtype.type(-np.inf)
    band = np.empty(f_all * 2 * ow * LANES, x.dtype)
    one, zero = x.dtype.type(1), x.dtype.type(0)
    for tile in range(begin, end):
        for p_i in range(pooled[0]):
            _two_rows(
                band, 0, 2 * ow * LANES, ow * LANES, LANES,
                x, x_origin + tile * x_tile + 2 * p_i * x_row, x_channel, x_row, x_column, x_taps, u, u_taps,
                b, zeros, minus_infinity, minus_infinity, v, m, shape, channels, filters, columns,
            )  # fmt: skip
            for f in range(f_all):
                maxima(
                    p, p_origin + tile * p_tile + f * p_channel + p_i * p_row, p_column,
                    winners, ((tile * f_all + f) * pooled[0] + p_i) * pooled[1] * LANES,
                    band, f * 2 * ow * LANES, ow * LANES, LANES,
                    one, zero, lowest, 0, 2, ow, window, written, pooled[1],
                )  # fmt: skip
