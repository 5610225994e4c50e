"""Normalisation: by the statistics of the batch, or of each example."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from convolens import initializers, kernels, regularizers
from convolens.kernels.operations import Operation
from convolens.layers import arguments
from convolens.layers.base import Layer, registry, value_of
from convolens.symbol import Shape
from convolens.variable import Variable

__all__ = ["BatchNormalization", "LayerNormalization"]


class Normalization(Layer):
    """What both normalisations share: the scale ``gamma``, the shift ``beta`` and their arguments."""

    gamma: Variable | None
    beta: Variable | None

    def __init__(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon = arguments.number("epsilon", epsilon, 0)
        self.center = bool(center)
        self.scale = bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)

    def add_scale_and_shift(self, shape: tuple[int, ...]) -> None:
        """Make ``gamma`` and ``beta``, where wanted."""
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(
                shape, self.gamma_initializer, regularizer=self.gamma_regularizer, name="gamma"
            )
        if self.center:
            self.beta = self.add_weight(shape, self.beta_initializer, regularizer=self.beta_regularizer, name="beta")

    def sizes_along(self, axes: list[int], input_shape: Shape) -> tuple[int, ...]:
        """Return the input's sizes along these axes.

        Raises:
            ValueError: if an axis is not there or its size is open.
        """
        if any(not -len(input_shape) <= axis < len(input_shape) for axis in axes):
            raise ValueError(
                f"layer {self.name!r} works along axis {axes}, which inputs of shape {tuple(input_shape)} do not have."
            )
        sizes = {axis: input_shape[axis] for axis in axes}
        known = {axis: size for axis, size in sizes.items() if size is not None}
        if len(known) < len(axes):
            raise ValueError(f"layer {self.name!r} needs a known size along axis {axes}; found {tuple(input_shape)}.")
        self.input_axes = known
        return tuple(known.values())

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input's shape."""
        return tuple(input_shape)


@registry.register()
class BatchNormalization(Normalization):
    """Shift and scale each channel to mean 0 and variance 1, then by learned ``beta`` and ``gamma``.

    ``y = gamma * (x - mean) / sqrt(variance + epsilon) + beta``. In training, mean and (biased) variance are those of
    the batch; otherwise moving averages of them, ``moving = momentum * moving + (1 - momentum) * batch``
    (Ioffe and Szegedy, 2015). With ``trainable = False`` the layer always behaves as in inference.

    Args:
        axis: the channels' axis.
        momentum: how much of the moving averages a training step keeps.
        epsilon: keeps the square root away from zero.
        center: whether there is a shift ``beta``.
        scale: whether there is a scale ``gamma``.
        beta_initializer: how ``beta`` ``(c,)`` begins.
        gamma_initializer: how ``gamma`` ``(c,)`` begins.
        moving_mean_initializer: how the moving mean begins.
        moving_variance_initializer: how the moving variance begins.
        beta_regularizer: what ``beta`` adds to the loss.
        gamma_regularizer: what ``gamma`` adds to the loss.
        beta_constraint: None.
        gamma_constraint: None.
        renorm: False.
        renorm_clipping: None.
        renorm_momentum: 0.99.
        synchronized: False.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.
    """

    fields = (
        "axis", "momentum", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer",
        "moving_mean_initializer", "moving_variance_initializer", "beta_regularizer", "gamma_regularizer",
    )  # fmt: skip
    fixed: ClassVar = {
        "beta_constraint": None,
        "gamma_constraint": None,
        "renorm": False,
        "renorm_clipping": None,
        "renorm_momentum": 0.99,
        "synchronized": False,
    }

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            **kwargs,
        )
        self.accept_only_fixed(
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            renorm=renorm,
            renorm_clipping=renorm_clipping,
            renorm_momentum=renorm_momentum,
            synchronized=synchronized,
        )
        if isinstance(axis, list | tuple) and len(axis) == 1:
            axis = axis[0]
        self.axis = int(axis)
        self.momentum = arguments.number("momentum", momentum, 0, 1)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, input_shape: Any) -> None:
        """Make ``gamma`` and ``beta``, and the moving averages, each ``(c,)``."""
        shape = self.sizes_along([self.axis], input_shape)
        self.add_scale_and_shift(shape)
        self.moving_mean = self.add_weight(shape, self.moving_mean_initializer, trainable=False, name="moving_mean")
        self.moving_variance = self.add_weight(
            shape, self.moving_variance_initializer, trainable=False, name="moving_variance"
        )

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the kernel, without ``training``."""
        return {"axis": self.axis, "epsilon": self.epsilon}

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, Any]:
        """Return the normalised array."""
        return kernels.backend().batch_normalization_forward(
            x,
            value_of(self.gamma),
            value_of(self.beta),
            self.moving_mean.value,
            self.moving_variance.value,
            training=training and self.trainable,
            **self.options(),
        )

    def backward(
        self, d_output: np.ndarray, cache: Any, need_dx: bool = True
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the gradients by input, ``gamma`` and ``beta``."""
        dx, dgamma, dbeta = kernels.backend().batch_normalization_backward(d_output, cache)
        gradients = {"gamma": dgamma, "beta": dbeta}
        return dx, {name: gradients[name] for name in self.parameters}

    def update_state(self, cache: Any) -> None:
        """Move the moving averages towards the mean and the variance of a training pass."""
        if cache.training:
            for moving, batch in ((self.moving_mean, cache.mean), (self.moving_variance, cache.variance)):
                moving.value[...] = self.momentum * moving.value + (1 - self.momentum) * batch

    def operation(self) -> Operation | None:
        """Return the normalisation; with ``trainable = False`` it is that of inference."""
        parameters = {variable.name: variable for variable in self.weights}
        return Operation("batch_normalization", parameters, self.options(), self.trainable, self.update_state)


class LayerNormalizationCache(NamedTuple):
    """What the backward of a layer normalisation needs.

    Attributes:
        normalized: ``(x - mean) / deviation``.
        deviation: ``sqrt(variance + epsilon)``, with axes of size 1.
        gamma: the scale in a shape that broadcasts to ``x``, or None.
        axes: the axes normalised along, not negative.
    """

    normalized: np.ndarray
    deviation: np.ndarray
    gamma: np.ndarray | None
    axes: tuple[int, ...]


@registry.register()
class LayerNormalization(Normalization):
    """Shift and scale each example to mean 0 and variance 1 along some axes, then by learned ``beta`` and ``gamma``.

    ``y = gamma * (x - mean) / sqrt(variance + epsilon) + beta`` with the mean and (biased) variance of each example
    along ``axis`` (Ba et al., 2016). The same in training and in inference.

    Args:
        axis: an axis, or a list of them.
        epsilon: keeps the square root away from zero.
        center: whether there is a shift ``beta``.
        scale: whether there is a scale ``gamma``.
        beta_initializer: how ``beta``, of the sizes along ``axis``, begins.
        gamma_initializer: how ``gamma``, of the sizes along ``axis``, begins.
        beta_regularizer: what ``beta`` adds to the loss.
        gamma_regularizer: what ``gamma`` adds to the loss.
        beta_constraint: None.
        gamma_constraint: None.
        rms_scaling: False.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.
    """

    fields = (
        "axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer",
        "beta_regularizer", "gamma_regularizer",
    )  # fmt: skip
    fixed: ClassVar = {"rms_scaling": False, "beta_constraint": None, "gamma_constraint": None}

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        *,
        rms_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            **kwargs,
        )
        self.accept_only_fixed(
            rms_scaling=rms_scaling, beta_constraint=beta_constraint, gamma_constraint=gamma_constraint
        )
        self.axis = sorted(map(int, axis)) if isinstance(axis, list | tuple) else int(axis)

    def build(self, input_shape: Any) -> None:
        """Make ``gamma`` and ``beta``, of the input's sizes along the axes."""
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        self.add_scale_and_shift(self.sizes_along(axes, input_shape))

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, LayerNormalizationCache]:
        """Return the normalised array."""
        axes = tuple(np.atleast_1d(self.axis) % x.ndim)
        centered = x - x.mean(axis=axes, keepdims=True)
        deviation = np.sqrt(np.mean(centered * centered, axis=axes, keepdims=True) + x.dtype.type(self.epsilon))
        normalized = centered / deviation
        shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
        gamma = None if self.gamma is None else self.gamma.value.reshape(shape)
        y = normalized if gamma is None else normalized * gamma
        if self.beta is not None:
            y = y + self.beta.value.reshape(shape)
        return y, LayerNormalizationCache(normalized, deviation, gamma, axes)

    def backward(
        self, d_output: np.ndarray, cache: LayerNormalizationCache, need_dx: bool = True
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the gradients by input, ``gamma`` and ``beta``.

        With ``g = dy * gamma`` and ``n`` the normalised array, ``dx = (g - mean(g) - n * mean(g * n)) / deviation``.
        """
        normalized, deviation, gamma, axes = cache
        others = tuple(axis for axis in range(d_output.ndim) if axis not in axes)
        g = d_output if gamma is None else d_output * gamma
        through_mean = g.mean(axis=axes, keepdims=True)
        through_variance = normalized * np.mean(g * normalized, axis=axes, keepdims=True)
        dx = (g - through_mean - through_variance) / deviation
        gradients = {"gamma": (d_output * normalized).sum(axis=others), "beta": d_output.sum(axis=others)}
        return dx, {name: gradients[name].reshape(variable.shape) for name, variable in self.parameters.items()}
