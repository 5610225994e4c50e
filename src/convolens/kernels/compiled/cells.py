"""Cell by cell in the lanes: layout in and out, rectifiers' gradients, moments, sums of shares, and Adam.

``places`` are as in ``convolution``: ``(origin, tile, channel, row, column)``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from convolens.kernels.compiled.jit import kernel
from convolens.kernels.compiled.lanes import (
    LANES,
    add,
    greater,
    load,
    multiply,
    splat,
    store,
    total,
    transpose,
    where,
)

__all__ = ["adam", "add_shares", "enter", "leave", "moments", "rectify_gradient"]


@kernel
def enter(t: Any, tile_size: int, cells: Any, x: Any, first: Any, begin: int, end: int) -> None:
    """Copy images into tiles; lanes without an image become zero.

    Args:
        t: the tiles, ``tile_size`` elements each.
        tile_size: their distance.
        cells: where in a tile each cell of an image goes.
        x: what holds the images' cells, flat.
        first: where each image begins there.
        begin, end: the tiles.
    """
    images, count = first.size, cells.size
    for tile in range(begin, end):
        here = min(LANES, images - tile * LANES)
        if here == LANES and count >= LANES:
            for step in range(0, count, LANES):
                cell = min(step, count - LANES)
                transpose(t, tile * tile_size, cells, cell, x, cell, first, tile * LANES)
        else:
            for cell in range(count):
                at = tile * tile_size + cells[cell]
                for lane in range(here):
                    t[at + lane] = x[first[tile * LANES + lane] + cell]
                for lane in range(here, LANES):
                    t[at + lane] = 0


@kernel
def leave(x: Any, t: Any, tile_size: int, cells: Any, begin: int, end: int) -> None:
    """Copy tiles to images: ``enter`` the other way."""
    images, count = x.shape
    for tile in range(begin, end):
        for lane in range(min(LANES, images - tile * LANES)):
            for cell in range(count):
                x[tile * LANES + lane, cell] = t[tile * tile_size + cells[cell] + lane]


@kernel
def rectify_gradient(
    dz: Any, dz_places: Any, y: Any, y_places: Any, db: Any, rectified: bool, shape: Any, begin: int, end: int
) -> None:
    """Where ``y`` is not above zero make ``dz`` zero, in place (``rectified``); add its sums by channel to ``db``."""
    z_origin, z_tile, z_channel, z_row, z_column = dz_places
    y_origin, y_tile, y_channel, y_row, y_column = y_places
    channels, height, width = shape
    zero = splat(dz.dtype.type(0))
    for tile in range(begin, end):
        for c in range(channels):
            added = splat(dz.dtype.type(0))
            for row in range(height):
                z_at = z_origin + tile * z_tile + c * z_channel + row * z_row
                y_at = y_origin + tile * y_tile + c * y_channel + row * y_row
                in_row = splat(dz.dtype.type(0))
                for column in range(width):
                    value = load(dz, z_at + column * z_column)
                    if rectified:
                        value = where(greater(load(y, y_at + column * y_column), zero), value, zero)
                        store(dz, z_at + column * z_column, value)
                    in_row = add(in_row, value)
                added = add(added, in_row)
            if len(db):
                db[c] += total(added)


@kernel
def moments(means: Any, squares: Any, x: Any, places: Any, shape: Any, images: int, begin: int, end: int) -> None:
    """Each tile's mean by channel, and its sum of squared distances from that mean: ``(tile, c)`` each, in float64.

    Two passes over cells that lie in the cache, so that no digits cancel.

    Args:
        means: the means.
        squares: the sums.
        x: the input, ``shape = (c, h, w)``.
        places: its places.
        shape: of an image.
        images: how many images there are; lanes beyond do not count.
        begin, end: the tiles.
    """
    origin, x_tile, x_channel, x_row, x_column = places
    channels, height, width = shape
    lanes = np.empty(LANES, x.dtype)
    for tile in range(begin, end):
        here = min(LANES, images - tile * LANES)
        count = here * height * width
        for c in range(channels):
            at = origin + tile * x_tile + c * x_channel
            center = x.dtype.type(0)
            for second_pass in range(2):
                added = splat(x.dtype.type(0))
                for row in range(height):
                    in_row = splat(x.dtype.type(0))
                    for column in range(width):
                        value = load(x, at + row * x_row + column * x_column)
                        if second_pass:
                            value = add(value, splat(-center))
                            value = multiply(value, value)
                        in_row = add(in_row, value)
                    added = add(added, in_row)
                store(lanes, 0, added)
                whole = 0.0
                for lane in range(here):
                    whole += lanes[lane]
                if second_pass:
                    # The rounding of the center itself is taken off.
                    squares[tile, c] = whole - count * (means[tile, c] - center) ** 2
                else:
                    means[tile, c] = whole / count
                    center = x.dtype.type(means[tile, c])


@kernel
def add_shares(dw: Any, shares: Any, begin: int, end: int) -> None:
    """Add ``(share, taps, f)``, taps in the order kh, c, kw, in a fixed order into a kernel ``(kh, kw, c, f)``.

    Only the channels from ``begin`` to ``end``.
    """
    kh, kw, channels, filters = dw.shape
    for i in range(kh):
        for j in range(kw):
            for c in range(begin, end):
                tap = (i * channels + c) * kw + j
                for f in range(filters):
                    dw[i, j, c, f] = shares[0, tap, f]
                for share in range(1, shares.shape[0]):
                    for f in range(filters):
                        dw[i, j, c, f] += shares[share, tap, f]


@kernel
def adam(
    w: Any, g: Any, m: Any, v: Any, alpha: Any, one_minus_beta_1: Any, one_minus_beta_2: Any, epsilon: Any,
    begin: int, end: int,
) -> None:  # fmt: skip
    """Adam's rule in one pass over its four vectors, from element ``begin`` to ``end``."""
    w, g, m, v = w[begin:end], g[begin:end], m[begin:end], v[begin:end]
    for i in range(w.size):
        mean = m[i] + (g[i] - m[i]) * one_minus_beta_1
        square = v[i] + (g[i] * g[i] - v[i]) * one_minus_beta_2
        m[i] = mean
        v[i] = square
        w[i] -= mean * alpha / (math.sqrt(square) + epsilon)
