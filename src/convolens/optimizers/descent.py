"""Gradient descent, with momentum, and with a learning rate per parameter from past gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.optimizers.base import Optimizer

__all__ = ["SGD", "Adagrad", "RMSprop"]


class SGD(Optimizer):
    """Gradient descent: ``w -= learning_rate * g``.

    With momentum, ``m = momentum * m - learning_rate * g`` and ``w += m``;
    with Nesterov's, ``w += momentum * m - learning_rate * g``.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        momentum: between 0 and 1.
        nesterov: look ahead along the momentum.
        common: the arguments of ``Optimizer`` from ``weight_decay`` on.
        options: the same by name.

    >>> from convolens.variable import Variable
    >>> w = Variable(np.array([1.0, 2.0]))
    >>> SGD(learning_rate=0.5).apply_gradients([(np.array([1.0, 1.0]), w)])
    1
    >>> w.value
    array([0.5, 1.5])
    """

    kernel = "sgd_update"
    arguments = ("momentum", "nesterov")

    def __init__(
        self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, *common: Any, **options: Any
    ) -> None:
        super().__init__(learning_rate, *common, **options)
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum is between 0 and 1; got {momentum}.")
        self.momentum = momentum
        self.nesterov = nesterov

    def slots(self) -> list[dict[str, float]]:
        """Return the state of the rule."""
        return [{"momentum": 0.0}] if self.momentum else []

    def coefficients(self, step: int, learning_rate: float) -> dict[str, Any]:
        """Return the numbers of this step."""
        return {"learning_rate": learning_rate, "momentum": self.momentum, "nesterov": self.nesterov}

    def update(
        self,
        w: np.ndarray,
        g: np.ndarray,
        m: np.ndarray | None = None,
        *,
        scratch: Any,
        learning_rate: float,
        momentum: float,
        nesterov: bool,
    ) -> None:
        """Apply the rule to a stretch of the vectors."""
        step, _ = scratch
        np.multiply(g, learning_rate, out=step)
        if m is None:
            w -= step
            return
        m *= momentum
        m -= step
        if nesterov:
            w -= step
            np.multiply(m, momentum, out=step)
            w += step
        else:
            w += m


class Adagrad(Optimizer):
    """``a += g²``, ``w -= learning_rate * g / sqrt(a + epsilon)``.

    Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", 2011.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        initial_accumulator_value: the first ``a``, not negative.
        epsilon: keeps the division finite.
        common: the arguments of ``Optimizer`` from ``weight_decay`` on.
        options: the same by name.
    """

    arguments = ("initial_accumulator_value", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        *common: Any,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, *common, **options)
        if initial_accumulator_value < 0:
            raise ValueError(f"initial_accumulator_value is not negative; got {initial_accumulator_value}.")
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def slots(self) -> list[dict[str, float]]:
        """Return the state of the rule."""
        return [{"accumulator": self.initial_accumulator_value}]

    def update(self, w: np.ndarray, g: np.ndarray, a: np.ndarray, *, scratch: Any, learning_rate: float) -> None:
        """Apply the rule to a stretch of the vectors."""
        root, step = scratch
        a += np.multiply(g, g, out=step)
        np.add(a, self.epsilon, out=root)
        np.sqrt(root, out=root)
        np.multiply(g, learning_rate, out=step)
        w -= np.divide(step, root, out=step)


class RMSprop(Optimizer):
    """``v = rho * v + (1 - rho) * g²``, ``w -= learning_rate * g / sqrt(v + epsilon)``.

    ``centered`` takes the square of the mean gradient off ``v`` (an estimate of the variance); with momentum,
    ``m = momentum * m + learning_rate * g / sqrt(...)`` and ``w -= m``.
    Hinton, lecture 6 of "Neural Networks for Machine Learning", 2012.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        rho: how slowly ``v`` forgets.
        momentum: 0 for none.
        epsilon: keeps the division finite.
        centered: divide by the deviation instead of the root mean square.
        common: the arguments of ``Optimizer`` from ``weight_decay`` on.
        options: the same by name.
    """

    arguments = ("rho", "momentum", "epsilon", "centered")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        *common: Any,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, *common, **options)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def slots(self) -> list[dict[str, float]]:
        """Return the state of the rule."""
        wanted = {"velocity": True, "momentum": self.momentum > 0, "average_gradient": self.centered}
        return [{name: 0.0} for name, has in wanted.items() if has]

    def update(
        self, w: np.ndarray, g: np.ndarray, v: np.ndarray, *others: np.ndarray, scratch: Any, learning_rate: float
    ) -> None:
        """Apply the rule to a stretch of the vectors."""
        root, step = scratch
        v *= self.rho
        np.multiply(g, g, out=step)
        v += np.multiply(step, 1 - self.rho, out=step)
        np.add(v, self.epsilon, out=root)
        if self.centered:
            mean = others[-1]
            mean *= self.rho
            mean += np.multiply(g, 1 - self.rho, out=step)
            root -= np.multiply(mean, mean, out=step)
        np.sqrt(root, out=root)
        np.multiply(g, learning_rate, out=step)
        np.divide(step, root, out=step)
        if self.momentum > 0:
            m = others[0]
            m *= self.momentum
            m += step
            w -= m
        else:
            w -= step
