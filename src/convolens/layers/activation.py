"""Activations as layers of their own. The formulas are in ``convolens.activations``."""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens import activations
from convolens.kernels.operations import Operation
from convolens.layers import arguments
from convolens.layers.base import Layer, registry

__all__ = ["ELU", "Activation", "LeakyReLU", "ReLU", "Softmax"]


class ActivationLayer(Layer):
    """A layer that applies one activation and has no parameters."""

    def __init__(self, activation: activations.Activation, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation
        self.elementwise = activation.elementwise

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input's shape."""
        return tuple(input_shape)

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, Any]:
        """Return ``activation(x)``."""
        return self.activation.forward(x)

    def backward(self, d_output: np.ndarray, cache: Any, need_dx: bool = True) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the gradient by ``x``."""
        return self.activation.backward(d_output, cache), {}

    def operation(self) -> Operation | None:
        """Return the activation with its options."""
        return Operation(self.activation.name, {}, self.activation.get_config())


@registry.register()
class Activation(ActivationLayer):
    """Any activation by name: ``Activation("tanh")``.

    Args:
        activation: a name or object of ``activations``.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.

    >>> Activation("relu")(np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    fields = ("activation",)

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(activations.get(activation), **kwargs)


@registry.register()
class ReLU(ActivationLayer):
    """``x`` above the threshold, ``negative_slope * (x - threshold)`` below it, at most ``max_value``.

    Args:
        max_value: the largest output, at least 0; None for no limit.
        negative_slope: the slope below the threshold, at least 0.
        threshold: where the slope changes, at least 0.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.

    >>> ReLU(max_value=6.0)(np.array([-1.0, 2.0, 8.0])).tolist()
    [0.0, 2.0, 6.0]
    """

    fields = ("max_value", "negative_slope", "threshold")

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self.max_value = None if max_value is None else arguments.number("max_value", max_value, 0)
        self.negative_slope = arguments.number("negative_slope", negative_slope, 0)
        self.threshold = arguments.number("threshold", threshold, 0)
        super().__init__(activations.relu.with_options(self.negative_slope, self.max_value, self.threshold), **kwargs)


@registry.register()
class LeakyReLU(ActivationLayer):
    """``x`` where positive, else ``negative_slope * x``.

    Args:
        negative_slope: the slope of the negative part, at least 0.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.

    >>> LeakyReLU()(np.array([-10.0, 2.0])).tolist()
    [-3.0, 2.0]
    """

    fields = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        self.negative_slope = arguments.number("negative_slope", negative_slope, 0)
        super().__init__(activations.leaky_relu.with_options(self.negative_slope), **kwargs)


@registry.register()
class ELU(ActivationLayer):
    """``x`` where positive, else ``alpha * (exp(x) - 1)`` (Clevert et al., 2016).

    Args:
        alpha: minus the limit for very negative ``x``.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.
    """

    fields = ("alpha",)

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        self.alpha = arguments.number("alpha", alpha)
        super().__init__(activations.elu.with_options(self.alpha), **kwargs)


@registry.register()
class Softmax(ActivationLayer):
    """``exp(x) / sum(exp(x))`` along an axis, or along several together.

    Args:
        axis: an axis or a list of them.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.

    >>> Softmax()(np.log([[1.0, 3.0]])).round(6).tolist()
    [[0.25, 0.75]]
    """

    fields = ("axis",)

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        self.axis = axis
        super().__init__(activations.softmax.with_options(tuple(axis) if isinstance(axis, list) else axis), **kwargs)
