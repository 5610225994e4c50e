"""Everything else in the lanes: layout in and out, pooling, rectifiers, batch normalisation, and sums of shares.

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
    equal,
    greater,
    larger,
    load,
    muladd,
    multiply,
    relu,
    splat,
    store,
    total,
    transpose,
    where,
)

__all__ = [
    "adam",
    "add_shares",
    "enter",
    "leave",
    "moments",
    "normalize_gradient",
    "normalize_sums",
    "pool",
    "rectify_gradient",
]


@kernel
def enter(t: Any, tile_size: int, cells: Any, x: Any, image_rows: Any, begin: int, end: int) -> None:
    """Copy images ``(n, cells of an image)`` into tiles; lanes without an image become zero.

    Args:
        t: the tiles, ``tile_size`` elements each.
        tile_size: their distance.
        cells: where in a tile each cell of an image goes.
        x: the images.
        image_rows: where each of ``LANES`` images begins, counted from the first of its tile.
        begin, end: the tiles.
    """
    images, count = x.shape
    for tile in range(begin, end):
        here = min(LANES, images - tile * LANES)
        if here == LANES and count >= LANES:
            for step in range(0, count, LANES):
                cell = min(step, count - LANES)
                transpose(t, tile * tile_size, cells, cell, x, tile * LANES * count + cell, image_rows, 0)
        else:
            for cell in range(count):
                at = tile * tile_size + cells[cell]
                for lane in range(here):
                    t[at + lane] = x[tile * LANES + lane, cell]
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
def pool(
    p: Any, p_places: Any, winners: Any, x: Any, x_places: Any, scale: Any, shift: Any, with_relu: Any,
    shape: Any, window: Any, strides: Any, pooled: Any, begin: int, end: int,
) -> None:  # fmt: skip
    """Maxima over windows of ``scale * x + shift``, rectified or not.

    A window of one cell makes this batch normalisation, or a rectifier.

    Args:
        p: the maxima.
        p_places: their places.
        winners: the place of the first maximum in its window; ``size(0)`` where windows have one cell.
        x: the input, ``shape = (c, h, w)``.
        x_places: its places.
        scale, shift: by channel, or ``size(0)``.
        with_relu: ``size(1)`` to rectify.
        window: ``(height, width, top, left)``.
        strides: of the windows.
        pooled: ``(rows, columns)``.
        begin, end: the tiles.
    """
    p_origin, p_tile, p_channel, p_row, p_column = p_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    channels, height, width = shape
    ph, pw, top, left = window
    for tile in range(begin, end):
        for c in range(channels):
            p_at = p_origin + tile * p_tile + c * p_channel
            x_at = x_origin + tile * x_tile + c * x_channel
            for p_i in range(pooled[0]):
                above = p_i * strides[0] - top
                first, last = max(above, 0), min(above + ph, height)
                for p_j in range(pooled[1]):
                    before = p_j * strides[1] - left
                    left_cell, right_cell = max(before, 0), min(before + pw, width)
                    best = splat(x.dtype.type(-math.inf))
                    winner = splat(np.uint16((first - above) * pw + left_cell - before))
                    for row in range(first, last):
                        for column in range(left_cell, right_cell):
                            value = load(x, x_at + row * x_row + column * x_column)
                            if len(scale):
                                value = muladd(splat(scale[c]), value, splat(shift[c]))
                            wins = larger(value, best)
                            best = where(wins, value, best)
                            if len(winners):
                                place = np.uint16((row - above) * pw + column - before)
                                winner = where(wins, splat(place), winner)
                    if len(with_relu):
                        best = relu(best)
                    store(p, p_at + p_i * p_row + p_j * p_column, best)
                    if len(winners):
                        store(winners, (((tile * channels + c) * pooled[0] + p_i) * pooled[1] + p_j) * LANES, winner)


@kernel
def rectify_gradient(
    dz: Any, dz_places: Any, y: Any, y_places: Any, db: Any, with_relu: Any, shape: Any, begin: int, end: int
) -> None:
    """Where ``y`` is not above zero make ``dz`` zero, in place (``with_relu``); add its sums by channel to ``db``."""
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
                    if len(with_relu):
                        value = where(greater(load(y, y_at + column * y_column), zero), value, zero)
                        store(dz, z_at + column * z_column, value)
                    in_row = add(in_row, value)
                added = add(added, in_row)
            if len(db):
                db[c] += total(added)


@kernel
def moments(
    means: Any, squares: Any, x: Any, places: Any, shape: Any, images: int, begin: int, end: int
) -> None:
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
def normalize_sums(
    sums: Any, dp: Any, dp_places: Any, p: Any, p_places: Any, winners: Any, x: Any, x_places: Any, mean: Any,
    with_relu: Any, shape: Any, window: Any, pooled: Any, begin: int, end: int,
) -> None:  # fmt: skip
    """What batch normalisation's gradient needs of each tile: sums by channel of ``dz`` and ``dz * (x - mean)``.

    Args:
        sums: ``(tile, 2, c)``.
        dp: the gradient by the maxima.
        dp_places: its places.
        p: the maxima, for the slope of the rectifier.
        p_places: their places.
        winners: as ``pool`` left them.
        x: what was normalised.
        x_places: its places.
        mean: by channel.
        with_relu: as for ``pool``.
        shape: as for ``pool``.
        window: as for ``pool``, not overlapping.
        pooled: as for ``pool``.
        begin, end: the tiles.
    """
    d_origin, d_tile, d_channel, d_row, d_column = dp_places
    p_origin, p_tile, p_channel, p_row, p_column = p_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    channels, height, width = shape
    ph, pw, top, left = window
    zero = splat(x.dtype.type(0))
    for tile in range(begin, end):
        for c in range(channels):
            d_at = d_origin + tile * d_tile + c * d_channel
            p_at = p_origin + tile * p_tile + c * p_channel
            x_at = x_origin + tile * x_tile + c * x_channel
            center = splat(-mean[c])
            all_dz, all_products = zero, zero
            for p_i in range(pooled[0]):
                above = p_i * ph - top
                in_row, products = zero, zero
                for p_j in range(pooled[1]):
                    before = p_j * pw - left
                    gradient = load(dp, d_at + p_i * d_row + p_j * d_column)
                    if len(with_relu):
                        gradient = where(greater(load(p, p_at + p_i * p_row + p_j * p_column), zero), gradient, zero)
                    in_row = add(in_row, gradient)
                    value = zero
                    for row in range(max(above, 0), min(above + ph, height)):
                        for column in range(max(before, 0), min(before + pw, width)):
                            here = load(x, x_at + row * x_row + column * x_column)
                            if len(winners):
                                at = (((tile * channels + c) * pooled[0] + p_i) * pooled[1] + p_j) * LANES
                                place = np.uint16((row - above) * pw + column - before)
                                value = where(equal(load(winners, at), splat(place)), here, value)
                            else:
                                value = here
                    products = muladd(gradient, add(value, center), products)
                all_dz, all_products = add(all_dz, in_row), add(all_products, products)
            sums[tile, 0, c] = total(all_dz)
            sums[tile, 1, c] = total(all_products)


@kernel
def normalize_gradient(
    dx: Any, dx_places: Any, dp: Any, dp_places: Any, p: Any, p_places: Any, winners: Any, x: Any, x_places: Any,
    mean: Any, scale: Any, of_one: Any, of_x: Any, live: Any,
    with_relu: Any, shape: Any, window: Any, pooled: Any, begin: int, end: int,
) -> None:  # fmt: skip
    """Batch normalisation's gradient by its input, ``dx = scale * dz - of_one - of_x * (x - mean)``.

    ``dz`` is the gradient by what was pooled: ``dp`` at the winners, zero elsewhere. Lanes whose ``live`` is zero
    get zero.

    Args:
        dx: the gradient by the input.
        dx_places: its places.
        dp: as for ``normalize_sums``, like the arguments not named here.
        dp_places: as for ``normalize_sums``.
        p: as for ``normalize_sums``.
        p_places: as for ``normalize_sums``.
        winners: as for ``normalize_sums``.
        x: as for ``normalize_sums``.
        x_places: as for ``normalize_sums``.
        mean: as for ``normalize_sums``.
        scale, of_one, of_x: the coefficients by channel.
        live: one for the lanes with an image, else zero; ``(tile, LANES)``.
        with_relu: as for ``normalize_sums``.
        shape: as for ``normalize_sums``.
        window: as for ``normalize_sums``.
        pooled: as for ``normalize_sums``.
        begin, end: the tiles.
    """
    z_origin, z_tile, z_channel, z_row, z_column = dx_places
    d_origin, d_tile, d_channel, d_row, d_column = dp_places
    p_origin, p_tile, p_channel, p_row, p_column = p_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    channels, height, width = shape
    ph, pw, top, left = window
    zero = splat(x.dtype.type(0))
    for tile in range(begin, end):
        has_image = greater(load(live, tile * LANES), zero)
        for c in range(channels):
            z_at = z_origin + tile * z_tile + c * z_channel
            d_at = d_origin + tile * d_tile + c * d_channel
            p_at = p_origin + tile * p_tile + c * p_channel
            x_at = x_origin + tile * x_tile + c * x_channel
            slope = splat(-of_x[c])
            constant = splat(of_x[c] * mean[c] - of_one[c])
            # Cells that no window covers have no gradient of their own.
            for row in range(height):
                p_i = (row + top) // ph
                above = p_i * ph - top
                for p_j in range(-(-(width + left) // pw)):
                    before = p_j * pw - left
                    covered = p_i < pooled[0] and p_j < pooled[1]
                    gradient = zero
                    winner = splat(np.uint16(0))
                    if covered:
                        gradient = load(dp, d_at + p_i * d_row + p_j * d_column)
                        if len(with_relu):
                            y = load(p, p_at + p_i * p_row + p_j * p_column)
                            gradient = where(greater(y, zero), gradient, zero)
                        gradient = multiply(gradient, splat(scale[c]))
                        if len(winners):
                            winner = load(winners, (((tile * channels + c) * pooled[0] + p_i) * pooled[1] + p_j) * LANES)
                    for column in range(max(before, 0), min(before + pw, width)):
                        here = gradient
                        if len(winners):
                            place = np.uint16((row - above) * pw + column - before)
                            here = where(equal(winner, splat(place)), gradient, zero)
                        value = muladd(load(x, x_at + row * x_row + column * x_column), slope, constant)
                        value = where(has_image, add(here, value), zero)
                        store(dx, z_at + row * z_row + column * z_column, value)


@kernel
def add_shares(dw: Any, shares: Any) -> None:
    """Add ``(share, taps, f)``, taps in the order c, kh, kw, in a fixed order into a kernel ``(kh, kw, c, f)``."""
    kh, kw, channels, filters = dw.shape
    for c in range(channels):
        for i in range(kh):
            for j in range(kw):
                tap = (c * kh + i) * kw + j
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
