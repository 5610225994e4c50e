"""Convolution, depthwise and transposed convolution, one window at a time."""

from __future__ import annotations

import numpy as np

from convolens.kernels import geometry
from convolens.kernels.caches import Conv2DCache, Conv2DTransposeCache, DepthwiseConv2DCache
from convolens.kernels.geometry import Pads, Pair

__all__ = [
    "conv2d_backward",
    "conv2d_forward",
    "conv2d_transpose_backward",
    "conv2d_transpose_forward",
    "depthwise_conv2d_backward",
    "depthwise_conv2d_forward",
]


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
    """Slide each filter over the image: ``y[n, i, j, f] = sum(window(n, i, j) * w[..., f]) + b[f]``.

    As in every deep-learning library the kernel is not flipped (cross-correlation).

    Args:
        x: images, ``(n, h, w, c)``.
        w: kernel, ``(kh, kw, c / groups, f)``.
        b: bias, ``(f,)``, or None.
        strides: cells the window moves by, ``(vertical, horizontal)``.
        padding: ``"valid"``, ``"same"`` or ``((top, bottom), (left, right))``.
        dilation: distance between the kernel's taps, ``(vertical, horizontal)``.
        groups: filters of the g-th of ``groups`` parts see only the g-th part of the channels.

    Returns:
        ``y`` of shape ``(n, oh, ow, f)``, and what ``conv2d_backward`` needs.

    Raises:
        ValueError: if the kernel does not fit the image or its channels.

    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> w = np.ones((2, 2, 1, 1))
    >>> conv2d_forward(x, w)[0][0, :, :, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    kernel = w.shape[:2]
    batch, height, width, channels = x.shape
    filters = w.shape[3]
    geometry.check_channels(channels, w.shape[2], groups, filters)
    oh, ow = geometry.output_size((height, width), kernel, strides, padding, dilation)
    pads = geometry.pads(padding, (height, width), kernel, strides, dilation)

    padded = _zero_pad(x, pads)
    y = np.zeros((batch, oh, ow, filters), x.dtype)
    for n in range(batch):
        for i in range(oh):
            for j in range(ow):
                window = padded[n][_window(i, j, kernel, strides, dilation)]
                for f in range(filters):
                    seen = _channels_of_filter(f, w, groups)
                    y[n, i, j, f] = np.sum(window[:, :, seen] * w[:, :, :, f])
                    if b is not None:
                        y[n, i, j, f] += b[f]
    return y, Conv2DCache(x, w, b is not None, strides, pads, dilation, groups)


def conv2d_backward(
    dy: np.ndarray, cache: Conv2DCache, need_dx: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray | None]:
    """Send each output's gradient back to the window and the weights that made it.

    Args:
        dy: gradient of the loss with respect to ``y``, ``(n, oh, ow, f)``.
        cache: from ``conv2d_forward`` of any backend.
        need_dx: False leaves ``dx`` out, as for a network's first layer.

    Returns:
        ``(dx, dw, db)``; ``dx`` is None without ``need_dx``, ``db`` is None without a bias.
    """
    x, w, use_bias, strides, pads, dilation, groups = cache
    batch, oh, ow, filters = dy.shape

    padded = _zero_pad(x, pads)
    dpadded = np.zeros_like(padded)
    dw = np.zeros_like(w)
    db = np.zeros(filters, w.dtype)
    for n in range(batch):
        for i in range(oh):
            for j in range(ow):
                cells = _window(i, j, w.shape[:2], strides, dilation)
                window, dwindow = padded[n][cells], dpadded[n][cells]
                for f in range(filters):
                    seen = _channels_of_filter(f, w, groups)
                    dwindow[:, :, seen] += dy[n, i, j, f] * w[:, :, :, f]
                    dw[:, :, :, f] += dy[n, i, j, f] * window[:, :, seen]
                    db[f] += dy[n, i, j, f]
    return _crop(dpadded, pads) if need_dx else None, dw, db if use_bias else None


def depthwise_conv2d_forward(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    *,
    strides: Pair = (1, 1),
    padding: str | Pads = "valid",
    dilation: Pair = (1, 1),
) -> tuple[np.ndarray, DepthwiseConv2DCache]:
    """Convolve each channel with its own ``depth_multiplier`` filters.

    ``y[n, i, j, f] = sum(window(n, i, j)[..., c] * w[..., c, m]) + b[f]`` with ``f = c * depth_multiplier + m``.

    Args:
        x: images, ``(n, h, w, c)``.
        w: kernel, ``(kh, kw, c, depth_multiplier)``.
        b: bias, ``(c * depth_multiplier,)``, or None.
        strides: cells the window moves by, ``(vertical, horizontal)``.
        padding: ``"valid"``, ``"same"`` or ``((top, bottom), (left, right))``.
        dilation: distance between the kernel's taps, ``(vertical, horizontal)``.

    Returns:
        ``y`` of shape ``(n, oh, ow, c * depth_multiplier)``, and what ``depthwise_conv2d_backward`` needs.

    Raises:
        ValueError: if the kernel does not fit the image or its channels.
    """
    kernel = w.shape[:2]
    batch, height, width, channels = x.shape
    multiplier = w.shape[3]
    geometry.check_channels(channels, w.shape[2])
    oh, ow = geometry.output_size((height, width), kernel, strides, padding, dilation)
    pads = geometry.pads(padding, (height, width), kernel, strides, dilation)

    padded = _zero_pad(x, pads)
    y = np.zeros((batch, oh, ow, channels * multiplier), x.dtype)
    for n in range(batch):
        for i in range(oh):
            for j in range(ow):
                window = padded[n][_window(i, j, kernel, strides, dilation)]
                for c in range(channels):
                    for m in range(multiplier):
                        f = c * multiplier + m
                        y[n, i, j, f] = np.sum(window[:, :, c] * w[:, :, c, m])
                        if b is not None:
                            y[n, i, j, f] += b[f]
    return y, DepthwiseConv2DCache(x, w, b is not None, strides, pads, dilation)


def depthwise_conv2d_backward(
    dy: np.ndarray, cache: DepthwiseConv2DCache, need_dx: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray | None]:
    """Send each output's gradient back to the window of its channel and to its filter.

    Args:
        dy: gradient of the loss with respect to ``y``, ``(n, oh, ow, c * depth_multiplier)``.
        cache: from ``depthwise_conv2d_forward`` of any backend.
        need_dx: False leaves ``dx`` out.

    Returns:
        ``(dx, dw, db)``; ``dx`` is None without ``need_dx``, ``db`` is None without a bias.
    """
    x, w, use_bias, strides, pads, dilation = cache
    batch, oh, ow, filters = dy.shape
    channels, multiplier = w.shape[2:]

    padded = _zero_pad(x, pads)
    dpadded = np.zeros_like(padded)
    dw = np.zeros_like(w)
    db = np.zeros(filters, w.dtype)
    for n in range(batch):
        for i in range(oh):
            for j in range(ow):
                cells = _window(i, j, w.shape[:2], strides, dilation)
                window, dwindow = padded[n][cells], dpadded[n][cells]
                for c in range(channels):
                    for m in range(multiplier):
                        f = c * multiplier + m
                        dwindow[:, :, c] += dy[n, i, j, f] * w[:, :, c, m]
                        dw[:, :, c, m] += dy[n, i, j, f] * window[:, :, c]
                        db[f] += dy[n, i, j, f]
    return _crop(dpadded, pads) if need_dx else None, dw, db if use_bias else None


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
    """Stamp the kernel into the output once per input cell.

    ``window(n, i, j) += sum over c of x[n, i, j, c] * w[..., c]`` in ``y``, then ``y += b``.
    It is the ``dx`` of the convolution that maps the output's size to the input's.

    Args:
        x: images, ``(n, h, w, c)``.
        w: kernel, ``(kh, kw, f, c)``.
        b: bias, ``(f,)``, or None.
        strides: cells the window moves by in the output, ``(vertical, horizontal)``.
        padding: ``"valid"``, ``"same"``, or what to cut off, ``((top, bottom), (left, right))``.
        dilation: distance between the kernel's taps, ``(vertical, horizontal)``.
        output_padding: cells added after the output, as in Keras; None lets the padding decide.

    Returns:
        ``y`` of shape ``(n, oh, ow, f)`` (``geometry.transposed_output_size``), and what
        ``conv2d_transpose_backward`` needs.

    Raises:
        ValueError: if the kernel does not fit the channels, or nothing would be left of the output.
    """
    kernel = w.shape[:2]
    batch, height, width, channels = x.shape
    filters = w.shape[2]
    geometry.check_channels(channels, w.shape[3])
    oh, ow = geometry.transposed_output_size((height, width), kernel, strides, padding, dilation, output_padding)
    pads = geometry.transposed_pads(padding, (height, width), (oh, ow), kernel, strides, dilation)

    padded = _zero_pad(np.zeros((batch, oh, ow, filters), x.dtype), pads)
    for n in range(batch):
        for i in range(height):
            for j in range(width):
                window = padded[n][_window(i, j, kernel, strides, dilation)]
                for c in range(channels):
                    window += x[n, i, j, c] * w[:, :, :, c]
    y = _crop(padded, pads)
    if b is not None:
        y = y + b
    return y, Conv2DTransposeCache(x, w, b is not None, strides, pads, dilation)


def conv2d_transpose_backward(
    dy: np.ndarray, cache: Conv2DTransposeCache, need_dx: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray | None]:
    """Gather for each input cell the gradients of the outputs it was stamped into: a convolution of ``dy``.

    Args:
        dy: gradient of the loss with respect to ``y``, ``(n, oh, ow, f)``.
        cache: from ``conv2d_transpose_forward`` of any backend.
        need_dx: False leaves ``dx`` out.

    Returns:
        ``(dx, dw, db)``; ``dx`` is None without ``need_dx``, ``db`` is None without a bias.
    """
    x, w, use_bias, strides, pads, dilation = cache
    batch, height, width, channels = x.shape

    padded = _zero_pad(dy, pads)
    dx = np.zeros_like(x)
    dw = np.zeros_like(w)
    for n in range(batch):
        for i in range(height):
            for j in range(width):
                dwindow = padded[n][_window(i, j, w.shape[:2], strides, dilation)]
                for c in range(channels):
                    dx[n, i, j, c] = np.sum(dwindow * w[:, :, :, c])
                    dw[:, :, :, c] += x[n, i, j, c] * dwindow
    return dx if need_dx else None, dw, dy.sum(axis=(0, 1, 2)) if use_bias else None


def _zero_pad(x: np.ndarray, pads: Pads) -> np.ndarray:
    return np.pad(x, ((0, 0), *pads, (0, 0)))


def _crop(x: np.ndarray, pads: Pads) -> np.ndarray:
    (top, bottom), (left, right) = pads
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]


def _window(i: int, j: int, kernel: tuple[int, ...], strides: Pair, dilation: Pair) -> tuple[slice, slice]:
    """Cells of the padded image under the kernel when it makes output ``(i, j)``."""
    top, left = i * strides[0], j * strides[1]
    return (
        slice(top, top + geometry.span(kernel[0], dilation[0]), dilation[0]),
        slice(left, left + geometry.span(kernel[1], dilation[1]), dilation[1]),
    )


def _channels_of_filter(f: int, w: np.ndarray, groups: int) -> slice:
    """Return the channels that filter ``f`` sees: those of its group."""
    group = f // (w.shape[3] // groups)
    return slice(group * w.shape[2], (group + 1) * w.shape[2])
