"""What each backward pass must remember of its forward pass, by name.

Arrays are kept by reference, so a cache costs no memory of its own beyond what its fields say; nothing writes into
them. Pads are explicit, ``((top, bottom), (left, right))``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from convolens.kernels.geometry import Pads, Pair

__all__ = [
    "AveragePool2DCache",
    "BatchNormalizationCache",
    "Conv2DCache",
    "Conv2DTransposeCache",
    "DenseCache",
    "DepthwiseConv2DCache",
    "MaxPool2DCache",
    "SoftmaxCache",
]


class Conv2DCache(NamedTuple):
    """Of a convolution.

    Attributes:
        x: the input before padding, ``(n, h, w, c)``.
        w: the kernel, ``(kh, kw, c / groups, f)``.
        use_bias: whether a bias was added.
        strides: ``(vertical, horizontal)``.
        pads: cells of zeros around ``x``.
        dilation: distance between taps, ``(vertical, horizontal)``.
        groups: number of groups of channels, each with its own filters.
    """

    x: np.ndarray
    w: np.ndarray
    use_bias: bool
    strides: Pair
    pads: Pads
    dilation: Pair
    groups: int


class DepthwiseConv2DCache(NamedTuple):
    """Of a depthwise convolution.

    Attributes:
        x: the input before padding, ``(n, h, w, c)``.
        w: the kernel, ``(kh, kw, c, depth_multiplier)``.
        use_bias: whether a bias was added.
        strides: ``(vertical, horizontal)``.
        pads: cells of zeros around ``x``.
        dilation: distance between taps, ``(vertical, horizontal)``.
    """

    x: np.ndarray
    w: np.ndarray
    use_bias: bool
    strides: Pair
    pads: Pads
    dilation: Pair


class Conv2DTransposeCache(NamedTuple):
    """Of a transposed convolution.

    Attributes:
        x: the input, ``(n, h, w, c)``.
        w: the kernel, ``(kh, kw, f, c)``.
        use_bias: whether a bias was added.
        strides: ``(vertical, horizontal)``.
        pads: cells cut off around the output.
        dilation: distance between taps, ``(vertical, horizontal)``.
    """

    x: np.ndarray
    w: np.ndarray
    use_bias: bool
    strides: Pair
    pads: Pads
    dilation: Pair


class MaxPool2DCache(NamedTuple):
    """Of max pooling.

    Attributes:
        x_shape: the input's shape, ``(n, h, w, c)``.
        winners: for each output the first maximum's place in its window, ``row * pool_width + column``,
            integers of shape ``(n, oh, ow, c)``.
        pool_size: ``(height, width)`` of the window.
        strides: ``(vertical, horizontal)``.
        pads: cells around ``x`` that no window may choose.
    """

    x_shape: tuple[int, ...]
    winners: np.ndarray
    pool_size: Pair
    strides: Pair
    pads: Pads


class AveragePool2DCache(NamedTuple):
    """Of average pooling.

    Attributes:
        x_shape: the input's shape, ``(n, h, w, c)``.
        pool_size: ``(height, width)`` of the window.
        strides: ``(vertical, horizontal)``.
        pads: cells around ``x`` that do not count.
    """

    x_shape: tuple[int, ...]
    pool_size: Pair
    strides: Pair
    pads: Pads


class BatchNormalizationCache(NamedTuple):
    """Of batch normalisation.

    Attributes:
        x: the input.
        gamma: the scale by channel, or None.
        use_beta: whether a shift by channel was added.
        mean: the mean by channel that was subtracted: the batch's in training, else the moving one.
        variance: the (biased) variance by channel that was divided by: the batch's in training, else the moving one.
        axis: the channels' axis, not negative.
        epsilon: what was added to the variance.
        training: whether mean and variance are the batch's, so that gradients flow through them.
    """

    x: np.ndarray
    gamma: np.ndarray | None
    use_beta: bool
    mean: np.ndarray
    variance: np.ndarray
    axis: int
    epsilon: float
    training: bool


class DenseCache(NamedTuple):
    """Of a dense layer.

    Attributes:
        x: the input, ``(..., c)``.
        w: the weights, ``(c, f)``.
        use_bias: whether a bias was added.
    """

    x: np.ndarray
    w: np.ndarray
    use_bias: bool


class SoftmaxCache(NamedTuple):
    """Of softmax.

    Attributes:
        y: the probabilities.
        axis: the axis along which they sum to one.
    """

    y: np.ndarray
    axis: int
