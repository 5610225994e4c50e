"""Smooth activations, and softmax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from convolens import kernels
from convolens.activations.base import Activation, registry

__all__ = [
    "GELU",
    "Exponential",
    "LogSoftmax",
    "Mish",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
]


def _logistic(z: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-z)), accurate in both tails: only exponentials of -|z| are taken."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, z.dtype.type(1), e) / (1 + e)


def _softplus(z: np.ndarray) -> np.ndarray:
    """Return log(1 + exp(z)), accurate in both tails."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


@registry.register("gelu")
class GELU(Activation, name="gelu"):
    """``z * P(X <= z)`` for a standard normal ``X`` (Hendrycks and Gimpel, 2016).

    Args:
        approximate: whether to use the tanh formula ``z / 2 * (1 + tanh(sqrt(2 / pi) * (z + 0.044715 * z**3)))``.
    """

    def __init__(self, approximate: bool = False) -> None:
        super().__init__(approximate=approximate)
        self.approximate = bool(approximate)

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return ``z * p(z)``; the cache is ``z`` and the derivative."""
        if self.approximate:
            root = math.sqrt(2 / math.pi)
            p = _logistic(2 * root * (z + 0.044715 * z**3))  # (1 + tanh(u)) / 2 = sigmoid(2 * u), accurate in the tails
            dp = p * (1 - p) * 2 * root * (1 + 3 * 0.044715 * z * z)
        else:
            from scipy.special import ndtr

            p = ndtr(z)
            dp = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        return z * p, p + z * dp

    def backward(self, dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Return ``dy`` times the derivative."""
        return dy * cache


@registry.register("sigmoid")
class Sigmoid(Activation, name="sigmoid"):
    """``1 / (1 + exp(-z))``."""

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the logistic function of the array."""
        y = _logistic(z)
        return y, y

    def backward(self, dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Return ``dy * y * (1 - y)``."""
        return dy * (cache * (1 - cache))


@registry.register("tanh")
class Tanh(Activation, name="tanh"):
    """The hyperbolic tangent."""

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the tangent."""
        y = np.tanh(z)
        return y, y

    def backward(self, dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Return ``dy * (1 - y**2)``."""
        return dy * (1 - cache * cache)


@registry.register("silu", "swish")
class SiLU(Activation, name="silu"):
    """``z * sigmoid(z)``, also called swish (Ramachandran et al., 2017)."""

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return ``z * s``; the cache is ``z`` and ``s = sigmoid(z)``."""
        s = _logistic(z)
        return z * s, (z, s)

    def backward(self, dy: np.ndarray, cache: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Return ``dy * s * (1 + z * (1 - s))``."""
        z, s = cache
        return dy * (s * (1 + z * (1 - s)))


@registry.register("mish")
class Mish(Activation, name="mish"):
    """``z * tanh(softplus(z))`` (Misra, 2019)."""

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return ``z * t``; the cache is ``z`` and ``t = tanh(softplus(z))``."""
        t = np.tanh(_softplus(z))
        return z * t, (z, t)

    def backward(self, dy: np.ndarray, cache: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Return ``dy * (t + z * (1 - t**2) * sigmoid(z))``."""
        z, t = cache
        return dy * (t + z * (1 - t * t) * _logistic(z))


@registry.register("softplus")
class Softplus(Activation, name="softplus"):
    """``log(1 + exp(z))``."""

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the smooth rectifier of the array."""
        return _softplus(z), z

    def backward(self, dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Return ``dy * sigmoid(z)``."""
        return dy * _logistic(cache)


@registry.register("softsign")
class Softsign(Activation, name="softsign"):
    """``z / (1 + |z|)``."""

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the quotient; the cache is its divisor."""
        divisor = 1 + np.abs(z)
        return z / divisor, divisor

    def backward(self, dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Return ``dy / (1 + |z|)**2``."""
        return dy / (cache * cache)


@registry.register("exponential")
class Exponential(Activation, name="exponential"):
    """``exp(z)``, infinite where it exceeds the type's range."""

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the exponential."""
        with np.errstate(over="ignore"):
            y = np.exp(z)
        return y, y

    def backward(self, dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Return ``dy * y``."""
        return dy * cache


class _Normalized(Activation):
    """Base of softmax and log-softmax.

    Args:
        axis: the axis (or the axes) along which the exponentials add up to one.
    """

    elementwise = False

    def __init__(self, axis: int | tuple[int, ...] = -1) -> None:
        self.axis: Any = tuple(axis) if isinstance(axis, list) else axis
        super().__init__(axis=self.axis)


@registry.register("softmax")
class Softmax(_Normalized, name="softmax"):
    """``exp(z) / sum(exp(z))`` along an axis."""

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return probabilities, by the kernels in use."""
        if isinstance(self.axis, int):
            return kernels.backend().softmax_forward(z, self.axis)
        y, cache = kernels.backend().softmax_forward(self._merged(z))
        return self._parted(y, z.shape), cache

    def backward(self, dy: np.ndarray, cache: Any) -> np.ndarray:
        """Return ``y * (dy - sum(dy * y))``, by the kernels in use."""
        if isinstance(self.axis, int):
            return kernels.backend().softmax_backward(dy, cache)
        return self._parted(kernels.backend().softmax_backward(self._merged(dy), cache), dy.shape)

    def _merged(self, array: np.ndarray) -> np.ndarray:
        """Return the array with its several axes moved behind the others and made one."""
        last = np.moveaxis(array, self.axis, range(-len(self.axis), 0))
        return last.reshape(*last.shape[: -len(self.axis)], -1)

    def _parted(self, merged: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Undo ``_merged``."""
        last = merged.reshape(*merged.shape[:-1], *(shape[axis] for axis in self.axis))
        return np.moveaxis(last, range(-len(self.axis), 0), self.axis)


@registry.register("log_softmax")
class LogSoftmax(_Normalized, name="log_softmax"):
    """``z - log(sum(exp(z)))`` along an axis."""

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the logarithms of the probabilities."""
        y = z - z.max(axis=self.axis, keepdims=True)
        y -= np.log(np.exp(y).sum(axis=self.axis, keepdims=True))
        return y, y

    def backward(self, dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Return ``dy - exp(y) * sum(dy)``."""
        return dy - np.exp(cache) * dy.sum(axis=self.axis, keepdims=True)
