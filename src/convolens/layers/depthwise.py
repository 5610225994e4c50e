"""Depthwise and separable convolutions of images ``(n, h, w, c)``: each channel filtered by itself."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from convolens import initializers, kernels, regularizers
from convolens.kernels.operations import Operation
from convolens.layers import arguments
from convolens.layers.base import registry, value_of
from convolens.layers.convolution import Convolution

__all__ = ["DepthwiseConv2D", "SeparableConv2D"]


@registry.register()
class DepthwiseConv2D(Convolution):
    """Convolution of each channel by itself, with ``depth_multiplier`` filters per channel.

    ``y[n, i, j, c*m + k] = activation(b[c*m + k] + sum over p, q of x[n, s*i + d*p, s*j + d*q, c] * w[p, q, c, k])``
    with ``m = depth_multiplier``.

    Args:
        kernel_size: the window's ``(height, width)``, or one integer for both.
        strides: steps of the window, ``(vertical, horizontal)``.
        padding: ``"valid"`` or ``"same"``.
        depth_multiplier: number of filters per input channel.
        data_format: ``"channels_last"``.
        dilation_rate: distance between the window's taps.
        activation: a name or object of ``activations``; None for none.
        use_bias: whether to add a bias by output channel.
        depthwise_initializer: how the kernel ``(kh, kw, c, depth_multiplier)`` begins.
        bias_initializer: how the bias ``(c * depth_multiplier,)`` begins.
        depthwise_regularizer: what the kernel adds to the loss.
        bias_regularizer: what the bias adds to the loss.
        activity_regularizer: None.
        depthwise_constraint: None.
        bias_constraint: None.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.
    """

    kernel_name = "depthwise_conv2d"
    fields = (
        "depth_multiplier", "kernel_size", "strides", "padding", "dilation_rate", "activation", "use_bias",
        "depthwise_initializer", "bias_initializer", "depthwise_regularizer", "bias_regularizer",
    )  # fmt: skip
    fixed: ClassVar = {
        "data_format": "channels_last",
        "activity_regularizer": None,
        "depthwise_constraint": None,
        "bias_constraint": None,
    }

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer,
            bias_regularizer,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.accept_only_fixed(
            data_format=data_format, depthwise_constraint=depthwise_constraint, bias_constraint=bias_constraint
        )
        self.depth_multiplier = arguments.positive("depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)

    def output_channels(self, channels: int) -> int:
        """Return ``channels * depth_multiplier``."""
        return channels * self.depth_multiplier

    def build_kernels(self, channels: int) -> None:
        """Make the kernel ``(kh, kw, c, depth_multiplier)``."""
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self.add_weight(
            shape, self.depthwise_initializer, regularizer=self.depthwise_regularizer, name="kernel"
        )


class SeparableConv2DCache(NamedTuple):
    """What the backward of a separable convolution needs.

    Attributes:
        depthwise: the cache of the convolution channel by channel.
        pointwise: the cache of the 1×1 convolution after it.
    """

    depthwise: Any
    pointwise: Any


@registry.register()
class SeparableConv2D(Convolution):
    """A depthwise convolution followed by a 1×1 convolution: space first, then channels (Chollet, 2017).

    Args:
        filters: number of output channels.
        kernel_size: the window's ``(height, width)``, or one integer for both.
        strides: steps of the window, ``(vertical, horizontal)``.
        padding: ``"valid"`` or ``"same"``.
        data_format: ``"channels_last"``.
        dilation_rate: distance between the window's taps.
        depth_multiplier: number of depthwise filters per input channel.
        activation: a name or object of ``activations``; None for none.
        use_bias: whether to add a bias by filter.
        depthwise_initializer: how the kernel ``(kh, kw, c, depth_multiplier)`` begins.
        pointwise_initializer: how the 1×1 kernel ``(1, 1, c * depth_multiplier, f)`` begins.
        bias_initializer: how the bias ``(f,)`` begins.
        depthwise_regularizer: what the depthwise kernel adds to the loss.
        pointwise_regularizer: what the 1×1 kernel adds to the loss.
        bias_regularizer: what the bias adds to the loss.
        activity_regularizer: None.
        depthwise_constraint: None.
        pointwise_constraint: None.
        bias_constraint: None.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.
    """

    fields = (
        "depth_multiplier", "filters", "kernel_size", "strides", "padding", "dilation_rate", "activation", "use_bias",
        "depthwise_initializer", "pointwise_initializer", "bias_initializer",
        "depthwise_regularizer", "pointwise_regularizer", "bias_regularizer",
    )  # fmt: skip
    fixed: ClassVar = {**DepthwiseConv2D.fixed, "pointwise_constraint": None}

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer,
            bias_regularizer,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.accept_only_fixed(
            data_format=data_format,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
            bias_constraint=bias_constraint,
        )
        self.filters = arguments.positive("filters", filters)
        self.depth_multiplier = arguments.positive("depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)

    def output_channels(self, channels: int) -> int:
        """Return ``filters``."""
        return self.filters

    def build_kernels(self, channels: int) -> None:
        """Make the kernels ``(kh, kw, c, depth_multiplier)`` and ``(1, 1, c * depth_multiplier, f)``."""
        deep = channels * self.depth_multiplier
        self.depthwise_kernel = self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            name="depthwise_kernel",
        )
        self.pointwise_kernel = self.add_weight(
            (1, 1, deep, self.filters),
            self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            name="pointwise_kernel",
        )

    def preactivation(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, SeparableConv2DCache]:
        """Return ``x`` convolved channel by channel, then across channels, plus the bias."""
        backend = kernels.backend()
        deep, depthwise = backend.depthwise_conv2d_forward(x, self.depthwise_kernel.value, **self.options())
        z, pointwise = backend.conv2d_forward(deep, self.pointwise_kernel.value, value_of(self.bias))
        return z, SeparableConv2DCache(depthwise, pointwise)

    def preactivation_backward(
        self, d_z: np.ndarray, cache: SeparableConv2DCache, need_dx: bool = True
    ) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return the gradients by input, by both kernels and by the bias."""
        backend = kernels.backend()
        d_deep, d_pointwise, db = backend.conv2d_backward(d_z, cache.pointwise)
        dx, d_depthwise, _ = backend.depthwise_conv2d_backward(d_deep, cache.depthwise, need_dx)
        gradients = {"depthwise_kernel": d_depthwise, "pointwise_kernel": d_pointwise}
        return dx, gradients if db is None else {**gradients, "bias": db}

    def operation(self) -> Operation | None:
        """Return None: the two convolutions run as written."""
        return None
