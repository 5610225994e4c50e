"""Convolutions of images ``(n, h, w, c)``: plain, grouped and transposed, and what all convolutions share.

The arithmetic is in ``convolens.kernels``.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from convolens import activations, initializers, kernels, regularizers
from convolens.kernels import geometry
from convolens.kernels.geometry import Pair
from convolens.kernels.operations import Operation
from convolens.layers import arguments
from convolens.layers.base import ActivatedLayer, registry, value_of
from convolens.symbol import Shape
from convolens.variable import Variable

__all__ = ["Conv2D", "Conv2DTranspose", "Convolution"]


class Convolution(ActivatedLayer):
    """What all convolutions share: the window, a bias by output channel, and the activation.

    A subclass names its kernel and its keyword arguments, and makes its parameters in the kernel's order.
    """

    input_rank = 4
    kernel_name: ClassVar[str]

    kernel: Variable
    bias: Variable | None

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size = arguments.pair("kernel_size", kernel_size)
        self.strides = arguments.pair("strides", strides)
        self.padding = arguments.choice("padding", padding, ("valid", "same"))
        self.dilation_rate = arguments.pair("dilation_rate", dilation_rate)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{type(self).__name__}: strides above 1 do not go with a dilation_rate above 1; "
                f"got strides={self.strides}, dilation_rate={self.dilation_rate}."
            )
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the kernel."""
        return {"strides": self.strides, "padding": self.padding, "dilation": self.dilation_rate}

    def output_channels(self, channels: int) -> int:
        """Return the number of output channels for inputs of so many."""
        raise NotImplementedError

    def output_size(self, size: tuple[int | None, int | None]) -> tuple[int | None, int | None]:
        """Return the output's ``(h, w)`` for an input's."""
        return geometry.output_size(size, self.kernel_size, self.strides, self.padding, self.dilation_rate)

    def build(self, input_shape: Any) -> None:
        """Check that the window fits, and make the parameters."""
        self.compute_output_shape(input_shape)
        channels = input_shape[-1]
        filters = self.output_channels(channels)
        self.input_axes = {-1: channels}
        self.build_kernels(channels)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (filters,), self.bias_initializer, regularizer=self.bias_regularizer, name="bias"
            )

    def build_kernels(self, channels: int) -> None:
        """Make the weights for inputs of so many channels."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(n, oh, ow, f)``."""
        n, h, w, c = input_shape
        if c is None:
            raise ValueError(f"layer {self.name!r} needs the number of channels; found shape {tuple(input_shape)}.")
        try:
            rows, columns = self.output_size((h, w))
        except ValueError as error:
            raise ValueError(f"layer {self.name!r} on input of shape {tuple(input_shape)}: {error}") from None
        return n, rows, columns, self.output_channels(c)

    def preactivation(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, Any]:
        """Return ``x`` convolved, plus the bias."""
        forward = getattr(kernels.backend(), f"{self.kernel_name}_forward")
        return forward(x, self.kernel.value, value_of(self.bias), **self.options())

    def preactivation_backward(
        self, d_z: np.ndarray, cache: Any, need_dx: bool = True
    ) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return the gradients by input, kernel and bias."""
        backward = getattr(kernels.backend(), f"{self.kernel_name}_backward")
        dx, dw, db = backward(d_z, cache, need_dx)
        return dx, {"kernel": dw} if db is None else {"kernel": dw, "bias": db}

    def operation(self) -> Operation | None:
        """Return the convolution with its bias, before the activation."""
        return Operation(self.kernel_name, self.parameters, self.options(), self.trainable)


@registry.register()
class Conv2D(Convolution):
    """Convolution of images: each filter slides over the image and gives one output channel.

    ``y[n, i, j, f] = activation(b[f] + sum over p, q, c of x[n, s*i + d*p, s*j + d*q, c] * w[p, q, c, f])`` with
    stride ``s`` and dilation ``d``, ``x`` extended by the padding's zeros. As everywhere in deep learning the kernel
    is not flipped.

    Args:
        filters: number of output channels.
        kernel_size: the window's ``(height, width)``, or one integer for both.
        strides: steps of the window, ``(vertical, horizontal)``.
        padding: ``"valid"`` for none, ``"same"`` for ``ceil(size / stride)`` outputs, the odd cell after.
        data_format: ``"channels_last"``.
        dilation_rate: distance between the window's taps.
        groups: number of groups of channels, each with its own filters.
        activation: a name or object of ``activations``; None for none.
        use_bias: whether to add a bias by filter.
        kernel_initializer: how the kernel ``(kh, kw, c / groups, f)`` begins.
        bias_initializer: how the bias ``(f,)`` begins.
        kernel_regularizer: what the kernel adds to the loss.
        bias_regularizer: what the bias adds to the loss.
        activity_regularizer: None.
        kernel_constraint: None.
        bias_constraint: None.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.

    Raises:
        ValueError: for a bad argument, or an input whose rank, channels or size do not fit.

    >>> Conv2D(8, 3, strides=2, padding="same")(np.zeros((2, 5, 7, 3))).shape
    (2, 3, 4, 8)
    """

    kernel_name = "conv2d"
    fields = (
        "filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "activation", "use_bias",
        "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer",
    )  # fmt: skip
    fixed: ClassVar = {
        "data_format": "channels_last",
        "activity_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
    }

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
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
            data_format=data_format, kernel_constraint=kernel_constraint, bias_constraint=bias_constraint
        )
        self.filters = arguments.positive("filters", filters)
        self.groups = arguments.positive("groups", groups)
        if self.filters % self.groups:
            raise ValueError(f"Conv2D: filters must be a multiple of groups={self.groups}; got filters={self.filters}.")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the kernel."""
        return {**super().options(), "groups": self.groups}

    def output_channels(self, channels: int) -> int:
        """Return ``filters``."""
        return self.filters

    def build_kernels(self, channels: int) -> None:
        """Make the kernel ``(kh, kw, c / groups, f)``."""
        if channels % self.groups:
            raise ValueError(
                f"layer {self.name!r} expects a multiple of groups={self.groups} as number of channels; "
                f"found {channels}."
            )
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.add_weight(
            shape, self.kernel_initializer, regularizer=self.kernel_regularizer, name="kernel"
        )


@registry.register()
class Conv2DTranspose(Convolution):
    """Transposed convolution: the gradient of a convolution by its input, used to enlarge images.

    Each input cell adds its value times the kernel to the window of outputs that a convolution would have read it
    from. ``"same"`` gives ``size * stride`` outputs.

    Args:
        filters: number of output channels.
        kernel_size: the window's ``(height, width)``, or one integer for both.
        strides: steps of the window, ``(vertical, horizontal)``.
        padding: ``"valid"`` or ``"same"``.
        output_padding: cells added to the output after, less than the strides; None for Keras's choice.
        data_format: ``"channels_last"``.
        dilation_rate: distance between the window's taps.
        activation: a name or object of ``activations``; None for none.
        use_bias: whether to add a bias by filter.
        kernel_initializer: how the kernel ``(kh, kw, f, c)`` begins.
        bias_initializer: how the bias ``(f,)`` begins.
        kernel_regularizer: what the kernel adds to the loss.
        bias_regularizer: what the bias adds to the loss.
        activity_regularizer: None.
        kernel_constraint: None.
        bias_constraint: None.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.
    """

    kernel_name = "conv2d_transpose"
    fields = (
        "filters", "kernel_size", "strides", "padding", "output_padding", "dilation_rate", "activation", "use_bias",
        "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer",
    )  # fmt: skip
    fixed = Conv2D.fixed

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
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
            data_format=data_format, kernel_constraint=kernel_constraint, bias_constraint=bias_constraint
        )
        self.filters = arguments.positive("filters", filters)
        self.output_padding: Pair | None = None
        if output_padding is not None:
            self.output_padding = arguments.pair("output_padding", output_padding, least=0)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the kernel."""
        return {**super().options(), "output_padding": self.output_padding}

    def output_channels(self, channels: int) -> int:
        """Return ``filters``."""
        return self.filters

    def output_size(self, size: tuple[int | None, int | None]) -> tuple[int | None, int | None]:
        """Return the output's ``(h, w)`` for an input's."""
        return geometry.transposed_output_size(
            size, self.kernel_size, self.strides, self.padding, self.dilation_rate, self.output_padding
        )

    def build_kernels(self, channels: int) -> None:
        """Make the kernel ``(kh, kw, f, c)``."""
        shape = (*self.kernel_size, self.filters, channels)
        self.kernel = self.add_weight(
            shape, self.kernel_initializer, regularizer=self.kernel_regularizer, name="kernel"
        )
