"""Max and average pooling, one strided operation per tap of the window."""

from __future__ import annotations

import numpy as np

from convolens.kernels import geometry
from convolens.kernels.caches import AveragePool2DCache, MaxPool2DCache
from convolens.kernels.geometry import Pads, Pair

__all__ = ["average_pool2d_backward", "average_pool2d_forward", "max_pool2d_backward", "max_pool2d_forward"]


def max_pool2d_forward(
    x: np.ndarray, *, pool_size: Pair, strides: Pair, padding: str | Pads = "valid"
) -> tuple[np.ndarray, MaxPool2DCache]:
    """Take each window's maximum; see ``reference.max_pool2d_forward``."""
    output, pads = _sizes(x, pool_size, strides, padding)
    taps = list(geometry.taps(x.shape[1:3], output, pool_size, strides, pads))
    cells = pool_size[0] * pool_size[1]

    y = np.full((len(x), *output, x.shape[3]), -np.inf, x.dtype)
    for _, _, outputs, inputs in taps:
        np.maximum(y[:, *outputs], x[:, *inputs], out=y[:, *outputs])

    # The first tap that equals the maximum has the largest number of taps yet to come, which is never zero.
    # A tap that is NaN is the maximum too, though not equal to it.
    yet_to_come = np.zeros(y.shape, np.uint8 if cells < 256 else np.int32)
    for i, j, outputs, inputs in taps:
        tap = x[:, *inputs]
        is_maximum = (tap == y[:, *outputs]) | (tap != tap)
        here = yet_to_come[:, *outputs]
        np.maximum(here, is_maximum * here.dtype.type(cells - (i * pool_size[1] + j)), out=here)
    return y, MaxPool2DCache(x.shape, cells - yet_to_come, pool_size, strides, pads)


def max_pool2d_backward(dy: np.ndarray, cache: MaxPool2DCache) -> np.ndarray:
    """Send each gradient to its window's first maximum; see ``reference.max_pool2d_backward``."""
    x_shape, winners, pool_size, strides, pads = cache
    dx = np.zeros(x_shape, dy.dtype)
    for i, j, outputs, inputs in geometry.taps(x_shape[1:3], dy.shape[1:3], pool_size, strides, pads):
        won = winners[:, *outputs] == i * pool_size[1] + j
        dx[:, *inputs] += np.where(won, dy[:, *outputs], 0)
    return dx


def average_pool2d_forward(
    x: np.ndarray, *, pool_size: Pair, strides: Pair, padding: str | Pads = "valid"
) -> tuple[np.ndarray, AveragePool2DCache]:
    """Take each window's mean; see ``reference.average_pool2d_forward``."""
    output, pads = _sizes(x, pool_size, strides, padding)
    y = np.zeros((len(x), *output, x.shape[3]), x.dtype)
    for _, _, outputs, inputs in geometry.taps(x.shape[1:3], output, pool_size, strides, pads):
        y[:, *outputs] += x[:, *inputs]
    cache = AveragePool2DCache(x.shape, pool_size, strides, pads)
    y /= _cells_counted(cache, output, x.dtype)
    return y, cache


def average_pool2d_backward(dy: np.ndarray, cache: AveragePool2DCache) -> np.ndarray:
    """Share each gradient among its window; see ``reference.average_pool2d_backward``."""
    x_shape, pool_size, strides, pads = cache
    dx = np.zeros(x_shape, dy.dtype)
    share = dy / _cells_counted(cache, dy.shape[1:3], dy.dtype)
    for _, _, outputs, inputs in geometry.taps(x_shape[1:3], dy.shape[1:3], pool_size, strides, pads):
        dx[:, *inputs] += share[:, *outputs]
    return dx


def _sizes(x: np.ndarray, pool_size: Pair, strides: Pair, padding: str | Pads) -> tuple[Pair, Pads]:
    size = x.shape[1], x.shape[2]
    pads = geometry.pads(padding, size, pool_size, strides)
    geometry.check_pooling_pads(pads, pool_size)
    return geometry.output_size(size, pool_size, strides, padding), pads


def _cells_counted(cache: AveragePool2DCache, output: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """How many cells of the image each window holds, ``(oh, ow, 1)``."""
    x_shape, pool_size, strides, pads = cache
    counts = np.zeros((*output, 1), dtype)
    for _, _, outputs, _ in geometry.taps(x_shape[1:3], output, pool_size, strides, pads):
        counts[outputs] += 1
    return counts
