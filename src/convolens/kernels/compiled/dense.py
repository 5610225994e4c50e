"""Dense layers in the lanes: arrays ``(tile, units, LANES)``, the kernel ``(k, f)`` as it lies.

Each product with the kernel is ``correlate`` with tiles for columns; the gradient by the kernel has the layer's units
in the lanes instead, so that it is written as it will lie.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.kernels.compiled.jit import kernel
from convolens.kernels.compiled.lanes import LANES
from convolens.kernels.compiled.sums import correlate

__all__ = ["dense", "dense_bias_gradient", "dense_input_gradient", "dense_kernel_gradient", "rows"]

_TOGETHER = 256


@kernel
def dense(
    y: Any, x: Any, w: Any, b: Any, x_taps: Any, w_taps: Any, lowest: Any, begin: int, end: int,
    filters: Any, tiles: Any,
) -> None:  # fmt: skip
    """``y[tile, f] = b[f] + sum over k of w[k, f] * x[tile, k]``, at least ``lowest``, for some tiles."""
    k_all, f_all = w.shape
    minus_infinity = w.dtype.type(-np.inf)
    # A long sum is done in parts, so that the part of the kernel stays in the cache for all tiles and units; not where
    # blocks overlap, which would add a part twice.
    overlaps = f_all % len(filters) or (end - begin) % len(tiles)
    together = k_all if overlaps else _TOGETHER
    for k in range(0, k_all, together):
        k_end = min(k + together, k_all)
        least = lowest if k_end == k_all else minus_infinity
        for f_step in range(0, f_all, len(filters)):
            f = min(f_step, f_all - len(filters))
            for t_step in range(begin, end, len(tiles)):
                tile = min(t_step, end - len(tiles))
                correlate(
                    y, (tile * f_all + f) * LANES, LANES, f_all * LANES,
                    x, tile * k_all * LANES, k_all * LANES, x_taps,
                    w, f, 1, w_taps, k, k_end, k > 0, b, f, least, filters, tiles,
                )  # fmt: skip


@kernel
def dense_input_gradient(
    dx: Any, dx_places: Any, dz: Any, w: Any, z_taps: Any, w_taps: Any, begin: int, end: int, filters: Any, tiles: Any
) -> None:
    """``dx[tile, k] = sum over f of w[k, f] * dz[tile, f]``; units k lie ``LANES`` apart from the places' origin on."""
    k_all, f_all = w.shape
    origin, dx_tile = dx_places
    zeros, lowest = np.zeros(len(filters), dx.dtype), dx.dtype.type(-np.inf)
    for k_step in range(0, k_all, len(filters)):
        k = min(k_step, k_all - len(filters))
        for t_step in range(begin, end, len(tiles)):
            tile = min(t_step, end - len(tiles))
            correlate(
                dx, origin + tile * dx_tile + k * LANES, LANES, dx_tile,
                dz, tile * f_all * LANES, f_all * LANES, z_taps,
                w, k * f_all, f_all, w_taps, 0, f_all, False, zeros, 0, lowest, filters, tiles,
            )  # fmt: skip


@kernel
def rows(out: Any, dz: Any, begin: int, end: int) -> None:
    """Copy ``(tile, f, LANES)`` to ``(image, f)``, whose rows may be wider, for some tiles."""
    f_all = dz.shape[1]
    for tile in range(begin, end):
        for lane in range(LANES):
            for f in range(f_all):
                out[tile * LANES + lane, f] = dz[tile, f, lane]


@kernel
def dense_bias_gradient(db: Any, dz_rows: Any, images: int) -> None:
    """``db[f] = sum over images of dz[image, f]``."""
    db[:] = 0
    for image in range(images):
        for f in range(db.size):
            db[f] += dz_rows[image, f]


@kernel
def dense_kernel_gradient(
    dw: Any, x: Any, dz_rows: Any, x_taps: Any, z_taps: Any, begin: int, end: int, filters: Any, columns: Any
) -> None:
    """``dw[k, f] = sum over images of x[image, k] * dz[image, f]`` for units k from ``begin`` to ``end``."""
    width = dw.shape[1]
    images = z_taps.size
    zeros, lowest = np.zeros(len(filters), dw.dtype), dw.dtype.type(-np.inf)
    for k_step in range(begin, end, len(filters)):
        k = min(k_step, end - len(filters))
        for f_step in range(0, width, len(columns) * LANES):
            f = min(f_step, width - len(columns) * LANES)
            correlate(
                dw, k * width + f, width, LANES, dz_rows, f, LANES, z_taps,
                x, k * LANES, LANES, x_taps, 0, images, False, zeros, 0, lowest, filters, columns,
            )  # fmt: skip
