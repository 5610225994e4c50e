"""Max and average pooling, one window at a time."""

from __future__ import annotations

import numpy as np

from convolens.kernels import geometry
from convolens.kernels.caches import AveragePool2DCache, MaxPool2DCache
from convolens.kernels.geometry import Pads, Pair

__all__ = ["average_pool2d_backward", "average_pool2d_forward", "max_pool2d_backward", "max_pool2d_forward"]


def max_pool2d_forward(
    x: np.ndarray, *, pool_size: Pair, strides: Pair, padding: str | Pads = "valid"
) -> tuple[np.ndarray, MaxPool2DCache]:
    """Take the largest cell of each window and channel; cells of the padding are never chosen, a NaN always is.

    Args:
        x: images, ``(n, h, w, c)``.
        pool_size: ``(height, width)`` of the window.
        strides: cells the window moves by, ``(vertical, horizontal)``.
        padding: ``"valid"``, ``"same"`` or ``((top, bottom), (left, right))``.

    Returns:
        ``y`` of shape ``(n, oh, ow, c)``, and what ``max_pool2d_backward`` needs.

    Raises:
        ValueError: if the window does not fit into the image, or a window would see padding only.

    >>> x = np.array([[1.0, 3.0], [3.0, 2.0]]).reshape(1, 2, 2, 1)
    >>> y, cache = max_pool2d_forward(x, pool_size=(2, 2), strides=(2, 2))
    >>> y.item(), cache.winners.item()
    (3.0, 1)
    """
    batch, height, width, channels = x.shape
    oh, ow = geometry.output_size((height, width), pool_size, strides, padding)
    pads = geometry.pads(padding, (height, width), pool_size, strides)
    geometry.check_pooling_pads(pads, pool_size)

    y = np.zeros((batch, oh, ow, channels), x.dtype)
    winners = np.zeros((batch, oh, ow, channels), np.int32)
    for n in range(batch):
        for i in range(oh):
            for j in range(ow):
                rows, columns = _window(i, j, pool_size, strides, pads, (height, width))
                for c in range(channels):
                    row, column = _first_maximum(x[n, :, :, c], rows, columns)
                    y[n, i, j, c] = x[n, row, column, c]
                    in_window = (row - i * strides[0] + pads[0][0], column - j * strides[1] + pads[1][0])
                    winners[n, i, j, c] = in_window[0] * pool_size[1] + in_window[1]
    return y, MaxPool2DCache(x.shape, winners, pool_size, strides, pads)


def max_pool2d_backward(dy: np.ndarray, cache: MaxPool2DCache) -> np.ndarray:
    """Send each output's gradient to its window's first maximum, in row-major order.

    So do TensorFlow and PyTorch. (Some courses send it to every tied maximum: ``convolens.course``.)

    Args:
        dy: gradient of the loss with respect to ``y``, ``(n, oh, ow, c)``.
        cache: from ``max_pool2d_forward`` of any backend.

    Returns:
        ``dx`` of shape ``(n, h, w, c)``.
    """
    dx = np.zeros(cache.x_shape, dy.dtype)
    for n, i, j, c in np.ndindex(dy.shape):
        row, column = divmod(int(cache.winners[n, i, j, c]), cache.pool_size[1])
        row += i * cache.strides[0] - cache.pads[0][0]
        column += j * cache.strides[1] - cache.pads[1][0]
        dx[n, row, column, c] += dy[n, i, j, c]
    return dx


def average_pool2d_forward(
    x: np.ndarray, *, pool_size: Pair, strides: Pair, padding: str | Pads = "valid"
) -> tuple[np.ndarray, AveragePool2DCache]:
    """Take the mean of each window and channel; cells of the padding do not count.

    Args:
        x: images, ``(n, h, w, c)``.
        pool_size: ``(height, width)`` of the window.
        strides: cells the window moves by, ``(vertical, horizontal)``.
        padding: ``"valid"``, ``"same"`` or ``((top, bottom), (left, right))``.

    Returns:
        ``y`` of shape ``(n, oh, ow, c)``, and what ``average_pool2d_backward`` needs.

    Raises:
        ValueError: if the window does not fit into the image, or a window would see padding only.
    """
    batch, height, width, channels = x.shape
    oh, ow = geometry.output_size((height, width), pool_size, strides, padding)
    pads = geometry.pads(padding, (height, width), pool_size, strides)
    geometry.check_pooling_pads(pads, pool_size)

    y = np.zeros((batch, oh, ow, channels), x.dtype)
    for n in range(batch):
        for i in range(oh):
            for j in range(ow):
                rows, columns = _window(i, j, pool_size, strides, pads, (height, width))
                for c in range(channels):
                    total = sum(x[n, row, column, c] for row in rows for column in columns)
                    y[n, i, j, c] = total / (len(rows) * len(columns))
    return y, AveragePool2DCache(x.shape, pool_size, strides, pads)


def average_pool2d_backward(dy: np.ndarray, cache: AveragePool2DCache) -> np.ndarray:
    """Share each output's gradient equally among the cells of its window.

    Args:
        dy: gradient of the loss with respect to ``y``, ``(n, oh, ow, c)``.
        cache: from ``average_pool2d_forward`` of any backend.

    Returns:
        ``dx`` of shape ``(n, h, w, c)``.
    """
    x_shape, pool_size, strides, pads = cache
    batch, oh, ow, channels = dy.shape

    dx = np.zeros(x_shape, dy.dtype)
    for n in range(batch):
        for i in range(oh):
            for j in range(ow):
                rows, columns = _window(i, j, pool_size, strides, pads, x_shape[1:3])
                share = 1 / (len(rows) * len(columns))
                for c in range(channels):
                    for row in rows:
                        for column in columns:
                            dx[n, row, column, c] += dy[n, i, j, c] * share
    return dx


def _window(i: int, j: int, pool_size: Pair, strides: Pair, pads: Pads, size: tuple[int, ...]) -> tuple[range, range]:
    """Rows and columns of the image under the window of output ``(i, j)``; cells of the padding left out."""
    top, left = i * strides[0] - pads[0][0], j * strides[1] - pads[1][0]
    return (
        range(max(top, 0), min(top + pool_size[0], size[0])),
        range(max(left, 0), min(left + pool_size[1], size[1])),
    )


def _first_maximum(image: np.ndarray, rows: range, columns: range) -> Pair:
    best = rows[0], columns[0]
    for row in rows:
        for column in columns:
            if np.isnan(image[best]):
                return best
            if image[row, column] > image[best] or np.isnan(image[row, column]):
                best = row, column
    return best
