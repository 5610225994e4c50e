"""The dense layer: every input feature to every output unit."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from convolens import activations, initializers, kernels, regularizers
from convolens.kernels.operations import Operation
from convolens.layers import arguments
from convolens.layers.base import ActivatedLayer, registry, value_of
from convolens.symbol import Shape

__all__ = ["Dense"]


@registry.register()
class Dense(ActivatedLayer):
    """``y = activation(x @ kernel + bias)`` along the last axis of ``x``, of any rank from 2.

    Args:
        units: number of outputs.
        activation: a name or object of ``activations``; None for none.
        use_bias: whether to add a bias by unit.
        kernel_initializer: how the kernel ``(inputs, units)`` begins.
        bias_initializer: how the bias ``(units,)`` begins.
        kernel_regularizer: what the kernel adds to the loss.
        bias_regularizer: what the bias adds to the loss.
        activity_regularizer: None.
        kernel_constraint: None.
        bias_constraint: None.
        lora_rank: None.
        lora_alpha: None.
        quantization_config: None.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``, ``input_dim``.

    Raises:
        ValueError: for a bad argument, or an input with another number of features than the layer was built for.

    >>> layer = Dense(2, kernel_initializer="ones")
    >>> layer(np.array([[1.0, 2.0, 3.0]])).tolist()
    [[6.0, 6.0]]
    """

    fields = (
        "units", "activation", "use_bias", "kernel_initializer", "bias_initializer",
        "kernel_regularizer", "bias_regularizer",
    )  # fmt: skip
    fixed: ClassVar = {"kernel_constraint": None, "bias_constraint": None, "quantization_config": None}

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: Any = None,
        lora_alpha: Any = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.accept_only_fixed(
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            quantization_config=quantization_config,
        )
        self.units = arguments.positive("units", units)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def build(self, input_shape: Any) -> None:
        """Make the kernel ``(inputs, units)`` and the bias ``(units,)``."""
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                f"layer {self.name!r} expects inputs (n, ..., features) with a known number of features; "
                f"found shape {tuple(input_shape)}."
            )
        features = input_shape[-1]
        self.input_axes = {-1: features}
        self.kernel = self.add_weight(
            (features, self.units), self.kernel_initializer, regularizer=self.kernel_regularizer, name="kernel"
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,), self.bias_initializer, regularizer=self.bias_regularizer, name="bias"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's shape with ``units`` as last axis."""
        return (*input_shape[:-1], self.units)

    def preactivation(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, Any]:
        """Return ``x @ kernel + bias``."""
        return kernels.backend().dense_forward(x, self.kernel.value, value_of(self.bias))

    def preactivation_backward(
        self, d_z: np.ndarray, cache: Any, need_dx: bool = True
    ) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return the gradients by input, kernel and bias."""
        dx, dw, db = kernels.backend().dense_backward(d_z, cache, need_dx)
        return dx, {"kernel": dw} if db is None else {"kernel": dw, "bias": db}

    def operation(self) -> Operation | None:
        """Return the matrix product with its bias, before the activation."""
        return Operation("dense", self.parameters, {}, self.trainable)
