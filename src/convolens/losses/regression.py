"""Losses of real numbers: a function of the error ``e = y_pred - y_true``, averaged over the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.losses.base import Loss, registry, same_shape

__all__ = ["Huber", "MeanAbsoluteError", "MeanSquaredError"]


class _ErrorLoss(Loss):
    """Base: a subclass says what the loss of an error and its derivative are."""

    def penalty(self, e: np.ndarray) -> np.ndarray:
        """Return the loss of each error."""
        raise NotImplementedError

    def slope(self, e: np.ndarray) -> np.ndarray:
        """Return the derivative of ``penalty``."""
        raise NotImplementedError

    def call(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the mean penalty along the last axis; the cache is the error."""
        e = y_pred - same_shape(y_true, y_pred)
        return np.asarray(self.penalty(e).mean(axis=-1)), e

    def call_backward(self, d_losses: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Return the slope at each error times its share in the mean."""
        return self.slope(cache) * (d_losses / cache.shape[-1])[..., None]


@registry.register("mean_squared_error", "mse", "MSE")
class MeanSquaredError(_ErrorLoss):
    """``mean(e**2)``.

    >>> MeanSquaredError()([[0.0, 0.0]], [[1.0, 3.0]])
    5.0
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_error",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)

    def penalty(self, e: np.ndarray) -> np.ndarray:
        """Return ``e**2``."""
        return e * e

    def slope(self, e: np.ndarray) -> np.ndarray:
        """Return ``2 * e``."""
        return 2 * e


@registry.register("mean_absolute_error", "mae", "MAE")
class MeanAbsoluteError(_ErrorLoss):
    """``mean(|e|)``, with slope 0 at ``e = 0``."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_error",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)

    def penalty(self, e: np.ndarray) -> np.ndarray:
        """Return ``|e|``."""
        return np.abs(e)

    def slope(self, e: np.ndarray) -> np.ndarray:
        """Return the sign of ``e``."""
        return np.sign(e)


@registry.register("huber")
class Huber(_ErrorLoss):
    """``mean(e**2 / 2)`` where ``|e| <= delta``, and the line that goes on from there (Huber, 1964).

    Args:
        delta: the error at which the parabola becomes a line; a positive number.
        reduction: see ``Loss``.
        name: see ``Loss``.
        dtype: see ``Loss``.
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        if not delta > 0:
            raise ValueError(f"delta is a positive number; got {delta!r}.")
        self.delta = float(delta)

    def penalty(self, e: np.ndarray) -> np.ndarray:
        """Return the parabola and its tangents."""
        size = np.abs(e)
        within = np.minimum(size, self.delta)
        return within * (size - 0.5 * within)

    def slope(self, e: np.ndarray) -> np.ndarray:
        """Return ``e`` cut off at ``delta`` both ways."""
        return np.clip(e, -self.delta, self.delta)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments. ``delta``, which Keras reads but does not write, is among them if it is not 1."""
        config = super().get_config()
        return config if self.delta == 1.0 else {**config, "delta": self.delta}
