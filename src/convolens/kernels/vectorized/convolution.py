"""Convolution, depthwise and transposed convolution as matrix products.

With the windows as the rows of a matrix, ``columns`` of shape ``(n * oh * ow, kh * kw * c)``::

    y  = columns @ w            dw = columns.T @ dy            dx = one product dy @ w[i, j].T per tap

The columns are made for a few images at a time, so that they stay in the processor's cache.
Source: K. Chellapilla, S. Puri and P. Simard,
"High Performance Convolutional Neural Networks for Document Processing" (2006).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from convolens.kernels import geometry
from convolens.kernels.caches import Conv2DCache, Conv2DTransposeCache, DepthwiseConv2DCache
from convolens.kernels.geometry import Pads, Pair
from convolens.kernels.vectorized.sums import sum_by_channel
from convolens.kernels.vectorized.threads import by_rows

__all__ = [
    "conv2d_backward",
    "conv2d_forward",
    "conv2d_transpose_backward",
    "conv2d_transpose_forward",
    "depthwise_conv2d_backward",
    "depthwise_conv2d_forward",
]

_PARTS = 8
"""Partial sums of ``dw``: fixed, so that their order does not depend on the number of threads."""
_BLOCK_BYTES = 1 << 20
"""Room for the working arrays of one block of images: about a second-level cache."""


def conv2d_forward(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    *,
    strides: Pair = (1, 1),
    padding: str | Pads = "valid",
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> tuple[np.ndarray, Conv2DCache]:
    """Convolve; see ``reference.conv2d_forward``."""
    kernel, size = (w.shape[0], w.shape[1]), (x.shape[1], x.shape[2])
    geometry.check_channels(x.shape[3], w.shape[2], groups, w.shape[3])
    output = geometry.output_size(size, kernel, strides, padding, dilation)
    pads = geometry.pads(padding, size, kernel, strides, dilation)
    sliding = _Sliding(size, output, kernel, strides, pads, dilation)

    y = np.empty((len(x), *output, w.shape[3]), x.dtype)
    for channels, filters in _groups(w, groups):
        _convolve(x[..., channels], w[..., filters], sliding, out=y[..., filters])
    if b is not None:
        y += b
    return y, Conv2DCache(x, w, b is not None, strides, pads, dilation, groups)


def conv2d_backward(
    dy: np.ndarray, cache: Conv2DCache, need_dx: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray | None]:
    """Return ``(dx, dw, db)``; see ``reference.conv2d_backward``."""
    x, w, use_bias, strides, pads, dilation, groups = cache
    sliding = _Sliding(x.shape[1:3], dy.shape[1:3], w.shape[:2], strides, pads, dilation)

    dx = np.zeros(x.shape, x.dtype) if need_dx else None
    dw = np.empty(w.shape, w.dtype)
    for channels, filters in _groups(w, groups):
        dw[..., filters] = _correlate_with(x[..., channels], dy[..., filters], sliding)
        if dx is not None:
            _convolve_transposed(dy[..., filters], w[..., filters], sliding, out=dx[..., channels])
    return dx, dw, sum_by_channel(dy) if use_bias else None


def conv2d_transpose_forward(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    *,
    strides: Pair = (1, 1),
    padding: str | Pads = "valid",
    dilation: Pair = (1, 1),
    output_padding: int | Pair | None = None,
) -> tuple[np.ndarray, Conv2DTransposeCache]:
    """Convolve transposed: a convolution's ``dx``; see ``reference.conv2d_transpose_forward``."""
    kernel, size = (w.shape[0], w.shape[1]), (x.shape[1], x.shape[2])
    geometry.check_channels(x.shape[3], w.shape[3])
    output = geometry.transposed_output_size(size, kernel, strides, padding, dilation, output_padding)
    pads = geometry.transposed_pads(padding, size, output, kernel, strides, dilation)

    y = np.zeros((len(x), *output, w.shape[2]), x.dtype)
    _convolve_transposed(x, w, _Sliding(output, size, kernel, strides, pads, dilation), out=y)
    if b is not None:
        y += b
    return y, Conv2DTransposeCache(x, w, b is not None, strides, pads, dilation)


def conv2d_transpose_backward(
    dy: np.ndarray, cache: Conv2DTransposeCache, need_dx: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray | None]:
    """Return ``(dx, dw, db)``: a convolution of ``dy``; see ``reference.conv2d_transpose_backward``."""
    x, w, use_bias, strides, pads, dilation = cache
    sliding = _Sliding(dy.shape[1:3], x.shape[1:3], w.shape[:2], strides, pads, dilation)

    dx = None
    if need_dx:
        dx = np.empty(x.shape, x.dtype)
        _convolve(dy, w, sliding, out=dx)
    return dx, _correlate_with(dy, x, sliding), sum_by_channel(dy) if use_bias else None


def depthwise_conv2d_forward(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    *,
    strides: Pair = (1, 1),
    padding: str | Pads = "valid",
    dilation: Pair = (1, 1),
) -> tuple[np.ndarray, DepthwiseConv2DCache]:
    """Convolve each channel by itself, tap by tap; see ``reference.depthwise_conv2d_forward``."""
    kernel, size = (w.shape[0], w.shape[1]), (x.shape[1], x.shape[2])
    geometry.check_channels(x.shape[3], w.shape[2])
    output = geometry.output_size(size, kernel, strides, padding, dilation)
    pads = geometry.pads(padding, size, kernel, strides, dilation)

    y = np.zeros((len(x), *output, *w.shape[2:]), x.dtype)
    for n in range(len(x)):
        for i, j, outputs, inputs in geometry.taps(size, output, kernel, strides, pads, dilation):
            y[n][outputs] += x[n][inputs][..., None] * w[i, j]
    y = y.reshape(*y.shape[:3], w.shape[2] * w.shape[3])
    if b is not None:
        y += b
    return y, DepthwiseConv2DCache(x, w, b is not None, strides, pads, dilation)


def depthwise_conv2d_backward(
    dy: np.ndarray, cache: DepthwiseConv2DCache, need_dx: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray | None]:
    """Return ``(dx, dw, db)``, tap by tap; see ``reference.depthwise_conv2d_backward``."""
    x, w, use_bias, strides, pads, dilation = cache
    dy_by_channel = dy.reshape(*dy.shape[:3], *w.shape[2:])

    dx = np.zeros(x.shape, x.dtype) if need_dx else None
    dw = np.zeros(w.shape, w.dtype)
    for n in range(len(x)):
        for i, j, outputs, inputs in geometry.taps(x.shape[1:3], dy.shape[1:3], w.shape[:2], strides, pads, dilation):
            dy_here = dy_by_channel[n][outputs]
            dw[i, j] += (x[n][inputs][..., None] * dy_here).sum(axis=(0, 1))
            if dx is not None:
                dx[n][inputs] += (dy_here * w[i, j]).sum(axis=-1)
    return dx, dw, sum_by_channel(dy) if use_bias else None


class _Sliding(NamedTuple):
    """How a kernel slides over an image, in the order of ``geometry.taps``'s arguments."""

    size: tuple[int, ...]
    output: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: Pair
    pads: Pads
    dilation: Pair

    def operations(self, x: np.ndarray, filters: int) -> int:
        """Return how many multiplications a convolution of ``x`` takes."""
        return len(x) * math.prod(self.output) * math.prod(self.kernel) * x.shape[3] * filters

    def blocks(self, x: np.ndarray, images: slice) -> list[slice]:
        """Cut some images into blocks whose columns fit the processor's cache."""
        return _blocks(images, math.prod(self.output) * math.prod(self.kernel) * x.shape[3] * x.itemsize)


def _groups(w: np.ndarray, groups: int) -> Iterator[tuple[slice, slice]]:
    """Yield the input channels and the filters of each group."""
    channels, filters = w.shape[2], w.shape[3] // groups
    for g in range(groups):
        yield slice(g * channels, (g + 1) * channels), slice(g * filters, (g + 1) * filters)


def _convolve(x: np.ndarray, w: np.ndarray, sliding: _Sliding, out: np.ndarray) -> None:
    """Write ``columns @ w`` to ``out``."""
    matrix = w.reshape(-1, w.shape[3])
    blocks = sliding.blocks(x, slice(0, len(x)))

    def multiply(some: slice) -> None:
        for images, columns in _columns(x, sliding, blocks[some]):
            out[images] = (columns @ matrix).reshape(out[images].shape)

    by_rows(len(blocks), sliding.operations(x, w.shape[3]), multiply)


def _correlate_with(x: np.ndarray, dy: np.ndarray, sliding: _Sliding) -> np.ndarray:
    """Return ``columns.T @ dy``, the gradient of the kernel."""
    channels, filters = x.shape[3], dy.shape[3]
    parts = min(len(x), _PARTS)
    sums = np.zeros((parts, sliding.kernel[0] * sliding.kernel[1] * channels, filters), x.dtype)

    def multiply(some: slice) -> None:
        for part in range(some.start, some.stop):
            of_part = slice(len(x) * part // parts, len(x) * (part + 1) // parts)
            for images, columns in _columns(x, sliding, sliding.blocks(x, of_part)):
                sums[part] += columns.T @ dy[images].reshape(-1, filters)

    by_rows(parts, sliding.operations(x, filters), multiply)
    return sums.sum(axis=0).reshape(*sliding.kernel, channels, filters)


def _convolve_transposed(dy: np.ndarray, w: np.ndarray, sliding: _Sliding, out: np.ndarray) -> None:
    """Add to ``out``, for each tap, ``dy @ w[i, j].T`` where the tap met the image."""
    taps = list(geometry.taps(*sliding))
    blocks = _blocks(slice(0, len(dy)), (dy[:1].nbytes + out[:1].nbytes))

    def multiply(some: slice) -> None:
        for images in blocks[some]:
            dy_here = dy[images]
            rows = dy_here.reshape(-1, w.shape[3])
            for i, j, outputs, inputs in taps:
                product = (rows @ w[i, j].T).reshape(*dy_here.shape[:3], w.shape[2])
                out[images, *inputs] += product[:, *outputs]

    by_rows(len(blocks), sliding.operations(out, w.shape[3]), multiply)


def _columns(x: np.ndarray, sliding: _Sliding, blocks: list[slice]) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield blocks of images with their windows as rows, ``(images * oh * ow, kh * kw * c)``, in one array."""
    (height, width), (oh, ow), (kh, kw), (sh, sw), ((top, bottom), (left, right)), (dh, dw) = sliding
    channels = x.shape[3]
    largest = max((block.stop - block.start for block in blocks), default=0)
    padded = np.zeros((largest, top + height + bottom, left + width + right, channels), x.dtype)
    buffer = np.empty((largest, oh, ow, kh, kw, channels), x.dtype)
    spans = geometry.span(kh, dh), geometry.span(kw, dw)
    windows = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=(1, 2))
    windows = windows[:, : oh * sh : sh, : ow * sw : sw, :, ::dh, ::dw].transpose(0, 1, 2, 4, 5, 3)
    for images in blocks:
        count = images.stop - images.start
        padded[:count, top : top + height, left : left + width] = x[images]
        np.copyto(buffer[:count], windows[:count])
        yield images, buffer[:count].reshape(count * oh * ow, kh * kw * channels)


def _blocks(images: slice, bytes_per_image: int) -> list[slice]:
    """Cut some images into blocks whose working arrays fit the processor's cache."""
    step = max(1, _BLOCK_BYTES // max(bytes_per_image, 1))
    return [slice(start, min(start + step, images.stop)) for start in range(images.start, images.stop, step)]
