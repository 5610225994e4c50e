"""A few images: neighbouring pixels of a row in the lanes, for a tile would compute all of its ``LANES`` images.

Arrays are ``(n, c, h, w)`` with rows apart by a distance of their own, so that vectors may reach past a row's end.
"""

from __future__ import annotations

from typing import Any

from convolens.kernels.compiled.convolution import taps_inside
from convolens.kernels.compiled.jit import kernel
from convolens.kernels.compiled.lanes import (
    LANES,
    at_least,
    evens,
    larger,
    load,
    muladd,
    odds,
    splat,
    store,
    where,
)
from convolens.kernels.compiled.sums import correlate

__all__ = ["convolve_lines", "dense_line", "finish_lines"]


@kernel
def convolve_lines(
    z: Any, z_image: int, z_row: int, x: Any, x_image: int, x_row: int, x_taps: Any, x_rows: Any, stride: int,
    w: Any, w_taps: Any, b: Any, lowest: Any, shape: Any, images: int, begin: int, end: int, filters: Any, columns: Any,
) -> None:  # fmt: skip
    """Convolve with a horizontal stride of one, the kernel as it lies.

    Args:
        z: the output, ``shape = (f, oh, ow)`` for each image.
        z_image, z_row: the distances of its images and rows, the rows' a multiple of ``LANES``.
        x: the input with its halo.
        x_image, x_row: the distances of its images and rows.
        x_taps: a window's cells, as offsets from its first, in the order kh, c, kw.
        x_rows: as for ``convolve``.
        stride: the vertical one.
        w: the kernel ``(kh, kw, c, f)`` as one axis.
        w_taps: where each tap's filters begin.
        b: the bias.
        lowest: zero for a rectifier, else minus infinity.
        shape: of the output.
        images: how many.
        begin, end: the filters, a block's or more.
        filters, columns: the block, columns in vectors.
    """
    _, oh, _ = shape
    taps = x_taps.size
    for image in range(images):
        for block in range(begin, end, len(filters)):
            f = min(block, end - len(filters))
            for row in range(oh):
                first, last = taps_inside(row, stride, x_rows, taps)
                z_at = image * z_image + (f * oh + row) * z_row
                x_at = image * x_image + row * stride * x_row
                for step in range(0, z_row // LANES, len(columns)):
                    column = min(step, z_row // LANES - len(columns)) * LANES
                    correlate(
                        z, z_at + column, oh * z_row, LANES, x, x_at + column, LANES, x_taps,
                        w, f, 1, w_taps, first, last, False, b, f, lowest, filters, columns,
                    )  # fmt: skip


@kernel
def finish_lines(
    p: Any, p_places: Any, z: Any, z_places: Any, scale: Any, shift: Any, lowest: Any,
    shape: Any, window: Any, pooled: Any, images: int, line: Any, begin: int, end: int,
) -> None:  # fmt: skip
    """Maxima over windows side by side of ``scale * z + shift``; windows of one cell copy.

    Args:
        p: the maxima.
        p_places: ``(origin, image, channel, row, column)``.
        z: the input, ``shape = (c, h, w)`` for each image.
        z_places: ``(origin, image, channel, row)``.
        scale, shift: by channel.
        lowest: zero for a rectifier, else minus infinity.
        shape: of the input.
        window, pooled: as in ``windows``.
        images: how many.
        line: room for one row, and two vectors after it.
        begin, end: the channels.
    """
    p_origin, p_image, p_channel, p_row, p_column = p_places
    z_origin, z_image, z_channel, z_row = z_places
    _, height, width = shape
    ph, pw, top, left = window
    floor = splat(lowest)
    for image in range(images):
        for c in range(begin, end):
            factor, constant = splat(scale[c]), splat(shift[c])
            for p_i in range(pooled[0]):
                first, last = max(p_i * ph - top, 0), min(p_i * ph - top + ph, height)
                z_at = z_origin + image * z_image + c * z_channel + first * z_row
                for column in range(0, width, LANES):
                    best = muladd(factor, load(z, z_at + column), constant)
                    for row in range(1, last - first):
                        value = muladd(factor, load(z, z_at + row * z_row + column), constant)
                        best = where(larger(value, best), value, best)
                    store(line, column, best)
                p_at = p_origin + image * p_image + c * p_channel + p_i * p_row
                if pw == 2 and left == 0 and 2 * pooled[1] <= width:
                    for p_j in range(0, pooled[1], LANES):
                        one, two = load(line, 2 * p_j), load(line, 2 * p_j + LANES)
                        best, other = evens(one, two), odds(one, two)
                        best = where(larger(other, best), other, best)
                        store(line, p_j, best)  # its cells were read
                elif pw > 1:
                    for p_j in range(pooled[1]):
                        left_most, after = max(p_j * pw - left, 0), min(p_j * pw - left + pw, width)
                        most = line[left_most]
                        for column in range(left_most + 1, after):
                            if most == most and not (line[column] <= most):  # a NaN stays
                                most = line[column]
                        line[p_j] = most
                for p_j in range(0, pooled[1], LANES):
                    best = at_least(load(line, p_j), floor)
                    if p_column == 1 and p_j + LANES <= pooled[1]:
                        store(p, p_at + p_j, best)
                    else:
                        store(line, p_j, best)
                        for column in range(p_j, min(p_j + LANES, pooled[1])):
                            p[p_at + column * p_column] = line[column]


@kernel
def dense_line(y: Any, x: Any, w: Any, begin: int, end: int) -> None:
    """Compute the inputs' share from ``begin`` to ``end`` of ``y = x w``, reading the kernel once, as it lies.

    Args:
        y: ``(n, units)``.
        x: ``(n, inputs)``.
        w: the kernel ``(inputs, units)`` as one axis.
        begin, end: the inputs.
    """
    units = y.shape[1]
    whole = units // LANES * LANES
    y[:] = 0
    for k in range(begin, end - 3, 4):  # four at a time, for the sums are loaded and stored each time
        at = k * units
        for image in range(x.shape[0]):
            sums = y[image]
            one, two, three, four = x[image, k], x[image, k + 1], x[image, k + 2], x[image, k + 3]
            for f in range(0, whole, LANES):
                value = muladd(splat(one), load(w, at + f), load(sums, f))
                value = muladd(splat(two), load(w, at + units + f), value)
                value = muladd(splat(three), load(w, at + 2 * units + f), value)
                store(sums, f, muladd(splat(four), load(w, at + 3 * units + f), value))
            for f in range(whole, units):
                for j in range(4):
                    sums[f] += x[image, k + j] * w[at + j * units + f]
    for k in range(end - (end - begin) % 4, end):
        for image in range(x.shape[0]):
            for f in range(units):
                y[image, f] += x[image, k] * w[k * units + f]
