"""Maxima over windows side by side, and where their gradients go: pooling, batch normalisation and rectifiers.

Batch normalisation with a rectifier and pooling after it is the maximum over windows of an affine function; windows of
one cell make it plain. ``window`` is ``(height, width, top, left)``, size and pads that no maximum comes from;
``written`` says height and width again as ``size(...)`` each, so that loops over windows inside the image are written
out, or ``size(0)`` where that would be long. ``pooled`` is the number of windows, ``(rows, columns)``. Winners are kept
only where windows have several cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.kernels.compiled.jit import inlined, kernel
from convolens.kernels.compiled.lanes import (
    LANES,
    add,
    at_least,
    equal,
    greater,
    larger,
    load,
    muladd,
    multiply,
    splat,
    store,
    total,
    where,
)

__all__ = ["maxima", "normalize_gradient", "normalize_sums", "pool", "unpool"]


@inlined
def _best(
    x: Any, at: int, x_row: int, x_column: int, scale: Any, shift: Any, place: int, rows: int, cells: int, pw: int
) -> Any:
    """Return the maximum of ``scale * x + shift`` over a window, its first maximum's place, and ``x`` there."""
    best = splat(x.dtype.type(-np.inf))
    winner, source = splat(np.int32(place)), load(x, at)
    for i in range(rows):
        # Each row's maximum for itself: rows do not wait for one another.
        x_here = load(x, at + i * x_row)
        in_row = muladd(scale, x_here, shift)
        here = splat(np.int32(place + i * pw))
        for j in range(1, cells):
            x_next = load(x, at + i * x_row + j * x_column)
            value = muladd(scale, x_next, shift)
            wins = larger(value, in_row)
            in_row, x_here = where(wins, value, in_row), where(wins, x_next, x_here)
            here = where(wins, splat(np.int32(place + i * pw + j)), here)
        wins = larger(in_row, best)
        best, source = where(wins, in_row, best), where(wins, x_here, source)
        winner = where(wins, here, winner)
    return best, winner, source


@inlined
def _largest(x: Any, at: int, x_row: int, x_column: int, scale: Any, shift: Any, rows: int, cells: int) -> Any:
    """Return the maximum of ``scale * x + shift`` over a window."""
    best = splat(x.dtype.type(-np.inf))
    for i in range(rows):
        in_row = muladd(scale, load(x, at + i * x_row), shift)
        for j in range(1, cells):
            value = muladd(scale, load(x, at + i * x_row + j * x_column), shift)
            in_row = where(larger(value, in_row), value, in_row)
        best = where(larger(in_row, best), in_row, best)
    return best


@inlined
def _inside(before: int, columns: int, rows: int, written: Any) -> Any:
    """Whether a window that is written out lies inside the image, given its first column and its rows inside."""
    return rows == len(written[0]) and before >= 0 and before + len(written[1]) <= columns


@inlined
def maxima(
    p: Any, p_at: int, p_column: int, winners: Any, kept: Any, winners_at: int,
    x: Any, x_at: int, x_row: int, x_column: int,
    scale: Any, shift: Any, lowest: Any, row: int, rows: int, columns: int, window: Any, written: Any, count: int,
) -> Any:  # fmt: skip
    """Take one row of maxima.

    Args:
        p: where to, from ``p_at`` on, ``p_column`` apart.
        winners: their places in their windows, from ``winners_at`` on; empty if nobody asks for them.
        kept: ``x`` at these places, from ``winners_at`` on too; None if nobody asks.
        x: the windows' rows, from ``x_at`` on; cells are ``x_row`` and ``x_column`` apart.
        scale, shift: the affine function.
        lowest: zero for a rectifier, else minus infinity.
        row, rows: the windows' first row inside the image, and how many are.
        columns: cells of a row of the image.
        window, written: see above.
        count: how many maxima.
    """
    _, pw, _, left = window
    scale, shift, floor = splat(scale), splat(shift), splat(lowest)
    if not len(winners):  # prediction: to follow the places costs as much again as the maxima
        for p_j in range(count):
            before = p_j * pw - left
            if _inside(before, columns, rows, written):
                best = _largest(
                    x, x_at + before * x_column, x_row, x_column, scale, shift, len(written[0]), len(written[1])
                )  # fmt: skip
            else:
                first, last = max(before, 0), min(before + pw, columns)
                best = _largest(x, x_at + first * x_column, x_row, x_column, scale, shift, rows, last - first)
            store(p, p_at + p_j * p_column, at_least(best, floor))
        return
    for p_j in range(count):
        before = p_j * pw - left
        if _inside(before, columns, rows, written):
            best, winner, source = _best(
                x, x_at + before * x_column, x_row, x_column, scale, shift,
                0, len(written[0]), len(written[1]), len(written[1]),
            )  # fmt: skip
        else:
            first, last = max(before, 0), min(before + pw, columns)
            place = row * pw + first - before
            best, winner, source = _best(
                x, x_at + first * x_column, x_row, x_column, scale, shift, place, rows, last - first, pw
            )
        store(p, p_at + p_j * p_column, at_least(best, floor))
        store(winners, winners_at + p_j * LANES, winner)
        if kept is not None:
            store(kept, winners_at + p_j * LANES, source)


@kernel
def pool(
    p: Any, p_places: Any, winners: Any, kept: Any, x: Any, x_places: Any, scale: Any, shift: Any, lowest: Any,
    shape: Any, window: Any, written: Any, pooled: Any, begin: int, end: int,
) -> None:  # fmt: skip
    """Maxima over windows of ``scale * x + shift``.

    Args:
        p: the maxima.
        p_places: their places.
        winners: the place of the first maximum in its window, ``(tile, c, rows, columns, LANES)``.
        kept: ``x`` at these places, or None.
        x: the input, ``shape = (c, h, w)``.
        x_places: its places.
        scale, shift: by channel.
        lowest: zero for a rectifier, else minus infinity.
        shape: of the input.
        window, written, pooled: see above.
        begin, end: the tiles.
    """
    p_origin, p_tile, p_channel, p_row, p_column = p_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    channels, height, columns = shape
    ph, _, top, _ = window
    for tile in range(begin, end):
        # Row by row, all channels: a flattened image has its channels side by side.
        for p_i in range(pooled[0]):
            above = p_i * ph - top
            first, last = max(above, 0), min(above + ph, height)
            for c in range(channels):
                maxima(
                    p, p_origin + tile * p_tile + c * p_channel + p_i * p_row, p_column,
                    winners, kept, ((tile * channels + c) * pooled[0] + p_i) * pooled[1] * LANES,
                    x, x_origin + tile * x_tile + c * x_channel + first * x_row, x_row, x_column,
                    scale[c], shift[c], lowest, first - above, last - first, columns, window, written, pooled[1],
                )  # fmt: skip


@inlined
def _slope(dp: Any, at: int, p: Any, p_at: int, rectified: bool) -> Any:
    """Return the gradient by a maximum before the rectifier."""
    gradient = load(dp, at)
    if rectified:
        zero = splat(dp.dtype.type(0))
        gradient = where(greater(load(p, p_at), zero), gradient, zero)
    return gradient


@inlined
def _put(dz: Any, at: int, gradient: Any, x: Any, x_at: int, slope: Any, constant: Any, live: Any) -> Any:
    """Store a cell's gradient; with ``x``, after ``slope * x + constant`` is added, and zero in lanes not ``live``."""
    if x is not None:
        gradient = where(live, add(gradient, muladd(load(x, x_at), slope, constant)), splat(dz.dtype.type(0)))
    store(dz, at, gradient)


@inlined
def _unpool_row(
    dz: Any, z_at: int, z_row: int, z_column: int, dp: Any, d_at: int, d_column: int, p: Any, p_at: int, p_column: int,
    winners: Any, winners_at: int, x: Any, x_at: int, x_row: int, x_column: int, slope: Any, constant: Any, live: Any,
    scale: Any, rectified: bool, p_i: int, height: int, columns: int, window: Any, written: Any, count: int,
) -> Any:  # fmt: skip
    """Do one row of windows of ``unpool``, or with ``x`` of ``normalize_gradient``; return the sum of its gradients."""
    ph, pw, top, left = window
    zero, factor, added = splat(dz.dtype.type(0)), splat(scale), splat(dz.dtype.type(0))
    above = p_i * ph - top
    first, last = max(above, 0), min(above + ph, height)
    for p_j in range(count):
        before = p_j * pw - left
        gradient = _slope(dp, d_at + p_j * d_column, p, p_at + p_j * p_column, rectified)
        added = add(added, gradient)
        gradient = multiply(gradient, factor)
        if ph * pw == 1:
            at, source = z_at + p_i * z_row + p_j * z_column, x_at + p_i * x_row + p_j * x_column
            _put(dz, at, gradient, x, source, slope, constant, live)
            continue
        winner = load(winners, winners_at + p_j * LANES)
        if _inside(before, columns, last - first, written):
            for i in range(len(written[0])):
                for j in range(len(written[1])):
                    won = equal(winner, splat(np.uint16(i * len(written[1]) + j)))
                    at = z_at + (above + i) * z_row + (before + j) * z_column
                    source = x_at + (above + i) * x_row + (before + j) * x_column
                    _put(dz, at, where(won, gradient, zero), x, source, slope, constant, live)
        else:
            for row in range(first, last):
                for column in range(max(before, 0), min(before + pw, columns)):
                    won = equal(winner, splat(np.uint16((row - above) * pw + column - before)))
                    at, source = z_at + row * z_row + column * z_column, x_at + row * x_row + column * x_column
                    _put(dz, at, where(won, gradient, zero), x, source, slope, constant, live)
    return added


@inlined
def _beyond(
    dz: Any, z_at: int, z_row: int, z_column: int, x: Any, x_at: int, x_row: int, x_column: int,
    slope: Any, constant: Any, live: Any, height: int, columns: int, window: Any, pooled: Any,
) -> Any:  # fmt: skip
    """Do one channel's cells beyond the last windows, which won nothing."""
    ph, pw, top, left = window
    zero = splat(dz.dtype.type(0))
    bottom, right = min(pooled[0] * ph - top, height), min(pooled[1] * pw - left, columns)
    for row in range(height):
        for column in range(right if row < bottom else 0, columns):
            at, source = z_at + row * z_row + column * z_column, x_at + row * x_row + column * x_column
            _put(dz, at, zero, x, source, slope, constant, live)


@kernel
def unpool(
    dz: Any, dz_places: Any, dp: Any, dp_places: Any, p: Any, p_places: Any, winners: Any, db: Any,
    rectified: bool, shape: Any, window: Any, written: Any, pooled: Any, begin: int, end: int,
) -> None:  # fmt: skip
    """Send each maximum's gradient to the cell it came from, and zero to the rest of its window.

    Args:
        dz: the gradient by what was pooled.
        dz_places: its places.
        dp: the gradient by the maxima.
        dp_places: its places.
        p: the maxima, for the slope of the rectifier.
        p_places: their places.
        winners: as for ``pool``.
        db: the sums by channel are added here, ``(c,)``.
        rectified: whether there was a rectifier.
        shape: ``(c, h, w)`` of what was pooled.
        window, written, pooled: see above.
        begin, end: the tiles.
    """
    z_origin, z_tile, z_channel, z_row, z_column = dz_places
    d_origin, d_tile, d_channel, d_row, d_column = dp_places
    p_origin, p_tile, p_channel, p_row, p_column = p_places
    channels, height, columns = shape
    one = dz.dtype.type(1)
    for tile in range(begin, end):
        for p_i in range(pooled[0]):
            for c in range(channels):
                added = _unpool_row(
                    dz, z_origin + tile * z_tile + c * z_channel, z_row, z_column,
                    dp, d_origin + tile * d_tile + c * d_channel + p_i * d_row, d_column,
                    p, p_origin + tile * p_tile + c * p_channel + p_i * p_row, p_column,
                    winners, ((tile * channels + c) * pooled[0] + p_i) * pooled[1] * LANES,
                    None, 0, 0, 0, None, None, None,
                    one, rectified, p_i, height, columns, window, written, pooled[1],
                )  # fmt: skip
                db[c] += total(added)
        for c in range(channels):
            _beyond(
                dz, z_origin + tile * z_tile + c * z_channel, z_row, z_column,
                None, 0, 0, 0, None, None, None, height, columns, window, pooled,
            )  # fmt: skip


@kernel
def normalize_sums(
    sums: Any, dp: Any, dp_places: Any, p: Any, p_places: Any, kept: Any, kept_places: Any, mean: Any,
    rectified: bool, shape: Any, begin: int, end: int,
) -> None:  # fmt: skip
    """What batch normalisation's gradient needs of each tile: sums by channel of ``dz`` and ``dz * (x - mean)``.

    Args:
        sums: ``(tile, 2, c)``.
        dp: as for ``unpool``.
        dp_places: as for ``unpool``.
        p: as for ``unpool``.
        p_places: as for ``unpool``.
        kept: what was normalised, where the maxima are.
        kept_places: its places.
        mean: by channel.
        rectified: as for ``unpool``.
        shape: ``(c, rows, columns)`` of the maxima.
        begin, end: the tiles.
    """
    d_origin, d_tile, d_channel, d_row, d_column = dp_places
    p_origin, p_tile, p_channel, p_row, p_column = p_places
    x_origin, x_tile, x_channel, x_row, x_column = kept_places
    channels, rows, columns = shape
    zero = splat(kept.dtype.type(0))
    for tile in range(begin, end):
        sums[tile] = 0
        for row in range(rows):
            for c in range(channels):
                d_at = d_origin + tile * d_tile + c * d_channel + row * d_row
                p_at = p_origin + tile * p_tile + c * p_channel + row * p_row
                x_at = x_origin + tile * x_tile + c * x_channel + row * x_row
                center = splat(-mean[c])
                in_row, products = zero, zero
                for column in range(columns):
                    gradient = _slope(dp, d_at + column * d_column, p, p_at + column * p_column, rectified)
                    in_row = add(in_row, gradient)
                    products = muladd(gradient, add(load(kept, x_at + column * x_column), center), products)
                sums[tile, 0, c] += total(in_row)
                sums[tile, 1, c] += total(products)


@kernel
def normalize_gradient(
    dx: Any, dx_places: Any, dp: Any, dp_places: Any, p: Any, p_places: Any, winners: Any, x: Any, x_places: Any,
    mean: Any, scale: Any, of_one: Any, of_x: Any, live: Any,
    rectified: bool, shape: Any, window: Any, written: Any, pooled: Any, begin: int, end: int,
) -> None:  # fmt: skip
    """Batch normalisation's gradient by its input, ``dx = scale * dz - of_one - of_x * (x - mean)``.

    ``dz`` is what ``unpool`` gives.

    Args:
        dx: the gradient by the input.
        dx_places: its places.
        dp: as for ``unpool``, like the arguments not named here.
        dp_places: as for ``unpool``.
        p: as for ``unpool``.
        p_places: as for ``unpool``.
        winners: as for ``unpool``.
        x: what was normalised.
        x_places: its places.
        mean, scale, of_one, of_x: by channel.
        live: one for the lanes with an image, else zero, ``(tile * LANES,)``: the others get zero.
        rectified: as for ``unpool``.
        shape: as for ``unpool``.
        window, written, pooled: see above.
        begin, end: the tiles.
    """
    z_origin, z_tile, z_channel, z_row, z_column = dx_places
    d_origin, d_tile, d_channel, d_row, d_column = dp_places
    p_origin, p_tile, p_channel, p_row, p_column = p_places
    x_origin, x_tile, x_channel, x_row, x_column = x_places
    channels, height, columns = shape
    zero = splat(x.dtype.type(0))
    for tile in range(begin, end):
        has_image = greater(load(live, tile * LANES), zero)
        for p_i in range(pooled[0]):
            for c in range(channels):
                _unpool_row(
                    dx, z_origin + tile * z_tile + c * z_channel, z_row, z_column,
                    dp, d_origin + tile * d_tile + c * d_channel + p_i * d_row, d_column,
                    p, p_origin + tile * p_tile + c * p_channel + p_i * p_row, p_column,
                    winners, ((tile * channels + c) * pooled[0] + p_i) * pooled[1] * LANES,
                    x, x_origin + tile * x_tile + c * x_channel, x_row, x_column,
                    splat(-of_x[c]), splat(of_x[c] * mean[c] - of_one[c]), has_image,
                    scale[c], rectified, p_i, height, columns, window, written, pooled[1],
                )  # fmt: skip
        for c in range(channels):
            _beyond(
                dx, z_origin + tile * z_tile + c * z_channel, z_row, z_column,
                x, x_origin + tile * x_tile + c * x_channel, x_row, x_column,
                splat(-of_x[c]), splat(of_x[c] * mean[c] - of_one[c]), has_image, height, columns, window, pooled,
            )  # fmt: skip
