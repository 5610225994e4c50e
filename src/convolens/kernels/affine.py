"""Affine resampling of images: rotation, zoom, translation and their like, and its transpose.

The output's cell at column ``x`` and row ``y`` is read from the input at column ``a0 x + a1 y + a2`` and row
``b0 x + b1 y + b2``, between cells by interpolation. The output is linear in the image (but for a fill value), so the
gradient is the transpose: what was read from a cell with a weight is given back to it with that weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["FILL_MODES", "INTERPOLATIONS", "AffineCache", "affine_backward", "affine_forward"]

INTERPOLATIONS = ("nearest", "bilinear")


class AffineCache(NamedTuple):
    """Of affine resampling.

    Attributes:
        x_shape: the images' shape, ``(n, h, w, c)``.
        cells: for every interpolation tap the cell that each output reads, ``(image * h + row) * w + column``:
            a list of arrays ``(n * h * w,)``.
        weights: the weights these cells are read with, arrays of the same shapes; zero outside the image.
    """

    x_shape: tuple[int, ...]
    cells: list[np.ndarray]
    weights: list[np.ndarray]


def affine_forward(
    x: np.ndarray,
    matrices: np.ndarray,
    *,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
) -> tuple[np.ndarray, AffineCache]:
    """Resample each image with its own affine map, as Keras on TensorFlow does.

    Args:
        x: images ``(n, h, w, c)``.
        matrices: ``(n, 2, 3)``, the rows ``(a0, a1, a2)`` and ``(b0, b1, b2)`` for each image.
        interpolation: ``"bilinear"``, or ``"nearest"`` for the cell whose centre is nearest.
        fill_mode: what lies beyond the edge: ``"reflect"`` (d c b a | a b c d | d c b a), ``"wrap"``
            (a b c d | a b c d | a b c d), ``"nearest"`` (a a a a | a b c d | d d d d), or ``"constant"``.
        fill_value: the constant.

    Returns:
        ``y`` of ``x``'s shape, and the cache.
    """
    n, h, w, c = x.shape
    rows, columns = np.divmod(np.arange(h * w), w)
    places = np.asarray(matrices, np.float64) @ np.stack([columns, rows, np.ones(h * w)])
    u = FILL_MODES[fill_mode](places[:, 0], w)
    v = FILL_MODES[fill_mode](places[:, 1], h)

    first_cell = np.arange(n)[:, None] * (h * w)
    cells, weights = [], []
    for row, row_weight in _taps(v, h, interpolation, x.dtype):
        for column, column_weight in _taps(u, w, interpolation, x.dtype):
            cells.append((first_cell + row * w + column).ravel())
            weights.append((row_weight * column_weight).ravel())

    image = x.reshape(n * h * w, c)
    y = np.zeros_like(image)
    for cell, weight in zip(cells, weights, strict=True):
        y += weight[:, None] * image.take(cell, axis=0)
    if fill_mode == "constant" and fill_value:
        y += x.dtype.type(fill_value) * (1 - sum(weights))[:, None]
    return y.reshape(x.shape), AffineCache(x.shape, cells, weights)


def affine_backward(dy: np.ndarray, cache: AffineCache) -> np.ndarray:
    """Give each output's gradient back to the cells it was read from.

    Args:
        dy: gradient of the loss with respect to ``y``.
        cache: from ``affine_forward``.

    Returns:
        ``dx`` of the images' shape.
    """
    c = cache.x_shape[-1]
    dy = dy.reshape(-1, c)
    dx = np.zeros_like(dy)
    for cell, weight in zip(cache.cells, cache.weights, strict=True):
        np.add.at(dx, cell, weight[:, None] * dy)
    return dx.reshape(cache.x_shape)


def _taps(places: np.ndarray, size: int, interpolation: str, dtype: np.dtype) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the cells to read along one axis, with their weights: zero for a cell outside the image."""
    if interpolation == "nearest":
        taps = [(np.trunc(places + np.copysign(0.5, places)), np.ones_like(places))]
    else:
        before = np.floor(places)
        taps = [(before, before + 1 - places), (before + 1, places - before)]
    return [
        (np.clip(cell, 0, size - 1).astype(np.intp), (weight * ((cell >= 0) & (cell < size))).astype(dtype))
        for cell, weight in taps
    ]


def _reflect(places: np.ndarray, size: int) -> np.ndarray:
    folded = np.mod(places, 2 * size)
    return np.clip(np.where(folded >= size, 2 * size - 1 - folded, folded), 0, size - 1)


def _wrap(places: np.ndarray, size: int) -> np.ndarray:
    """Shift by whole sizes. Beyond a second period TensorFlow counts periods of ``size - 1``, and so does this."""
    period = max(size - 1, 1)
    before = places + size * (np.floor(-places / period) + 1)
    after = places - size * np.floor(places / period)
    wrapped = np.where(places < 0, before, np.where(places > size - 1, after, places))
    return np.clip(wrapped, 0, size - 1)


def _nearest(places: np.ndarray, size: int) -> np.ndarray:
    return np.clip(places, 0, size - 1)


def _constant(places: np.ndarray, size: int) -> np.ndarray:
    return places


FILL_MODES: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "reflect": _reflect,
    "wrap": _wrap,
    "constant": _constant,
    "nearest": _nearest,
}
