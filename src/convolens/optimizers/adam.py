"""Adam and its relatives: gradient descent by running means of the gradient and of its square."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from convolens.optimizers.base import Optimizer
from convolens.variable import Variable

__all__ = ["Adam", "AdamW", "Nadam"]


class Adam(Optimizer):
    """Adam, with Keras's placement of epsilon (Kingma and Ba's "epsilon hat").

    ``m += (1 - beta_1) * (g - m)``, ``v += (1 - beta_2) * (g² - v)``, then at step t
    ``w -= alpha * m / (sqrt(v) + epsilon)`` with ``alpha = learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)``.
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2014 (arXiv 1412.6980).

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        beta_1: how slowly the mean gradient forgets.
        beta_2: how slowly the mean square forgets.
        epsilon: keeps the division finite.
        amsgrad: divide by the largest ``v`` so far (Reddi, Kale and Kumar, 2018).
        common: the arguments of ``Optimizer`` from ``weight_decay`` on.
        options: the same by name.
    """

    arguments = ("beta_1", "beta_2", "epsilon", "amsgrad")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *common: Any,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, *common, **options)
        self.beta_1, self.beta_2 = _checked_betas(beta_1, beta_2)
        self.epsilon = epsilon
        self.amsgrad = amsgrad
        self.kernel = None if amsgrad else "adam_update"

    def slots(self) -> list[dict[str, float]]:
        """Return the state of the rule."""
        moments = {"momentum": 0.0, "velocity": 0.0}
        return [moments, {"velocity_hat": 0.0}] if self.amsgrad else [moments]

    def coefficients(self, step: int, learning_rate: float) -> dict[str, Any]:
        """Return the numbers of this step."""
        alpha = learning_rate * math.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        return {"alpha": alpha, "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}

    def update(
        self,
        w: np.ndarray,
        g: np.ndarray,
        m: np.ndarray,
        v: np.ndarray,
        v_max: np.ndarray | None = None,
        *,
        scratch: Any,
        alpha: float,
        beta_1: float,
        beta_2: float,
        epsilon: float,
    ) -> None:
        """Apply the rule to a stretch of the vectors."""
        step, root = scratch
        _move_moments(g, m, v, step, beta_1, beta_2)
        if v_max is not None:
            v = np.maximum(v_max, v, out=v_max)
        np.sqrt(v, out=root)
        root += epsilon
        np.multiply(m, alpha, out=step)
        w -= np.divide(step, root, out=step)


class AdamW(Adam):
    """Adam with decoupled weight decay: before the step of Adam, ``w -= learning_rate * weight_decay * w``.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019 (arXiv 1711.05101).

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        weight_decay: the decay per unit of learning rate.
        beta_1: as for ``Adam``.
        beta_2: as for ``Adam``.
        epsilon: as for ``Adam``.
        amsgrad: as for ``Adam``.
        common: the arguments of ``Optimizer`` from ``clipnorm`` on.
        options: the same by name.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *common: Any,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, *common, **options)
        if weight_decay is None:
            raise ValueError("AdamW needs a number as weight_decay; got None (without decay, use Adam).")


class Nadam(Optimizer):
    """Adam with Nesterov's momentum (Dozat, "Incorporating Nesterov Momentum into Adam", 2016).

    The moments ``m`` and ``v`` move as in Adam. With ``u_t = beta_1 * (1 - 0.96^t / 2)`` and ``U_t = u_1 u_2 ... u_t``,
    ``w -= learning_rate * m_hat / (sqrt(v / (1 - beta_2^t)) + epsilon)``, where
    ``m_hat = u_{t+1} * m / (1 - U_{t+1}) + (1 - u_t) * g / (1 - U_t)``.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        beta_1: how slowly the mean gradient forgets.
        beta_2: how slowly the mean square forgets.
        epsilon: keeps the division finite.
        common: the arguments of ``Optimizer`` from ``weight_decay`` on.
        options: the same by name.
    """

    arguments = ("beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *common: Any,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, *common, **options)
        self.beta_1, self.beta_2 = _checked_betas(beta_1, beta_2)
        self.epsilon = epsilon

    def build(self, variables: Iterable[Variable]) -> None:
        """Pack the variables and make the moments and the product of all ``u`` so far."""
        if not self.built:
            super().build(variables)
            dtype = self.vectors[0].values.dtype if self.vectors else np.float32
            self._u_product = Variable(np.ones((), dtype), trainable=False)
            self._slot_variables.append(self._u_product)

    def slots(self) -> list[dict[str, float]]:
        """Return the state of the rule."""
        return [{"momentum": 0.0, "velocity": 0.0}]

    def coefficients(self, step: int, learning_rate: float) -> dict[str, Any]:
        """Return the numbers of this step."""
        u, u_next = (self.beta_1 * (1 - 0.5 * 0.96**t) for t in (step, step + 1))
        self._u_product.assign(self._u_product.value * u)
        product = float(self._u_product.value)
        return {
            "of_m": learning_rate * u_next / (1 - product * u_next),
            "of_g": learning_rate * (1 - u) / (1 - product),
            "of_v": 1 / (1 - self.beta_2**step),
        }

    def update(
        self,
        w: np.ndarray,
        g: np.ndarray,
        m: np.ndarray,
        v: np.ndarray,
        *,
        scratch: Any,
        of_m: float,
        of_g: float,
        of_v: float,
    ) -> None:
        """Apply the rule to a stretch of the vectors."""
        step, root = scratch
        _move_moments(g, m, v, step, self.beta_1, self.beta_2)
        np.multiply(m, of_m, out=step)
        step += np.multiply(g, of_g, out=root)
        np.multiply(v, of_v, out=root)
        np.sqrt(root, out=root)
        root += self.epsilon
        w -= np.divide(step, root, out=step)


def _checked_betas(*betas: float) -> tuple[float, ...]:
    for number, beta in enumerate(betas, start=1):
        if not 0 <= beta < 1:
            raise ValueError(f"beta_{number} is at least 0 and below 1; got {beta}.")
    return betas


def _move_moments(
    g: np.ndarray, m: np.ndarray, v: np.ndarray, scratch: np.ndarray, beta_1: float, beta_2: float
) -> None:
    """Move the running means of the gradient and of its square towards this gradient, in place."""
    np.subtract(g, m, out=scratch)
    scratch *= 1 - beta_1
    m += scratch
    np.multiply(g, g, out=scratch)
    scratch -= v
    scratch *= 1 - beta_2
    v += scratch
