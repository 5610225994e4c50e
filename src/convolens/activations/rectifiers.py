"""Activations with kinks: the rectifiers and other functions of two or three pieces."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from convolens.activations.base import Activation, registry

__all__ = ["ELU", "SELU", "HardSigmoid", "LeakyReLU", "Linear", "ReLU", "ReLU6"]


@registry.register("linear")
class Linear(Activation, name="linear"):
    """``y = z``."""

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return ``z`` itself."""
        return z, None

    def backward(self, dy: np.ndarray, cache: Any) -> np.ndarray:
        """Return ``dy`` itself."""
        return dy


@registry.register("relu")
class ReLU(Activation, name="relu"):
    """``max(z, 0)``, with Keras's slope below a threshold and ceiling above.

    ``y = min(z, max_value)`` where ``z > threshold``, else ``negative_slope * (z - threshold)``.

    Args:
        negative_slope: the slope below the threshold.
        max_value: the largest value of ``y``; None for no limit.
        threshold: where the slope changes.
    """

    def __init__(self, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> None:
        super().__init__(negative_slope=negative_slope, max_value=max_value, threshold=threshold)
        self.negative_slope = float(negative_slope)
        self.max_value = None if max_value is None else float(max_value)
        self.threshold = float(threshold)
        self.plain = not self.negative_slope and self.max_value is None and not self.threshold

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the rectified array."""
        if self.plain:
            y = np.maximum(z, 0)
            return y, y
        y = np.where(z > self.threshold, z, z.dtype.type(0))
        if self.max_value is not None:
            y = np.clip(y, 0, self.max_value)
        if self.negative_slope:
            y -= self.negative_slope * np.maximum(self.threshold - z, 0)
        return y, z

    def backward(self, dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Return ``dy`` times the slope at each place."""
        if self.plain:
            return dy * (cache > 0)
        z = cache
        passes = z > self.threshold
        if self.max_value is not None:
            # At the ceiling itself TensorFlow's relu6 has slope 0 and its clip, used for any other ceiling, slope 1.
            six = self.max_value == 6 and not self.threshold
            passes &= (z >= 0) & (z < 6 if six else z <= self.max_value)
        dz = dy * passes
        if self.negative_slope:
            # At the threshold itself the slope is 0, but TensorFlow's leaky_relu has the negative slope at 0.
            leaky = self.max_value is None and not self.threshold
            below = z <= 0 if leaky else z < self.threshold
            dz += self.negative_slope * dy * below
        return dz


@registry.register("relu6")
class ReLU6(ReLU, name="relu6"):
    """``min(max(z, 0), 6)``."""

    def __init__(self) -> None:
        super().__init__(max_value=6.0)
        self.options = {}


@registry.register("leaky_relu")
class LeakyReLU(Activation, name="leaky_relu"):
    """``z`` where ``z > 0``, else ``negative_slope * z``."""

    def __init__(self, negative_slope: float = 0.2) -> None:
        super().__init__(negative_slope=negative_slope)
        self.negative_slope = float(negative_slope)

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the rectified array."""
        return np.where(z > 0, z, self.negative_slope * z), z

    def backward(self, dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Return ``dy`` times the slope at each place."""
        return np.where(cache > 0, dy, self.negative_slope * dy)


@registry.register("elu")
class ELU(Activation, name="elu"):
    """``z`` where ``z > 0``, else ``alpha * (exp(z) - 1)`` (Clevert et al., 2016)."""

    scale: ClassVar[float] = 1.0

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha=alpha)
        self.alpha = float(alpha)

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the array with its negative part bent."""
        bent = self.alpha * np.expm1(np.minimum(z, 0))
        y = self.scale * np.where(z > 0, z, bent)
        return y, (z, y)

    def backward(self, dy: np.ndarray, cache: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Return ``dy`` times ``scale`` where ``z > 0``, else times ``y + scale * alpha``."""
        z, y = cache
        return dy * np.where(z > 0, z.dtype.type(self.scale), y + self.scale * self.alpha)


@registry.register("selu")
class SELU(ELU, name="selu"):
    """``elu`` with the alpha and scale that keep mean 0 and variance 1 from layer to layer (Klambauer et al., 2017)."""

    scale = 1.0507009873554804934193349852946

    def __init__(self) -> None:
        super().__init__(alpha=1.6732632423543772848170429916717)
        self.options = {}

    def backward(self, dy: np.ndarray, cache: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Return ``dy`` times ``scale`` where ``z >= 0``, else times ``y + scale * alpha``."""
        z, y = cache
        return dy * np.where(z >= 0, z.dtype.type(self.scale), y + self.scale * self.alpha)


@registry.register("hard_sigmoid")
class HardSigmoid(Activation, name="hard_sigmoid"):
    """``z / 6 + 1 / 2``, cut off at 0 and 1."""

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the cut-off line."""
        return np.clip(z + 3, 0, 6) / 6, z

    def backward(self, dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Return ``dy / 6`` where ``-3 < z < 3``, else 0."""
        return dy * (np.abs(cache) < 3) / 6
