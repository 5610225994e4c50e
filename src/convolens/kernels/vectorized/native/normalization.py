"""Batch normalisation on native arrays, in the pieces that a fused step puts together.

Max pooling and an increasing function can change places, and ``y = scale * (x - mean) + shift`` is increasing in
``z = sign(scale) * (x - mean)``. So the maximum ``p`` is taken of ``z``, and what follows is done on the pooled,
smaller array; the numbers are the same, because rounding is monotonic::

    y  = |scale| * p + shift                                                        scale = gamma / deviation
    dx = scatter(g) - sum(g) / m - z * sum(g * p) / (m * deviation**2)              g = scale * dy

where the last two terms are those through the batch's mean and variance. Where ``gamma`` is exactly 0 the cells of a
window are tied in ``y`` but not in ``z``, and ``dgamma`` is another of its subgradients than without pooling.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.kernels.caches import BatchNormalizationCache
from convolens.kernels.operations import Operation
from convolens.kernels.vectorized.native.layout import per_channel, sum_rows, sum_rows_of_products

__all__ = ["Normalization"]


class Normalization:
    """A batch normalisation of one shape, with the buffers it needs. Each method works on some rows.

    Args:
        operation: its parameters and options.
        shape: ``(h, c, w, n)``.
        pooled_height: rows of the output after pooling.
        training: whether it uses the batch's statistics.
        dtype: of all arrays.

    Attributes:
        z: ``sign(scale) * (x - mean)``.
    """

    def __init__(
        self, operation: Operation, shape: tuple[int, ...], pooled_height: int, training: bool, dtype: Any
    ) -> None:
        h, c, w, n = shape
        self.z = np.empty(shape, dtype)
        self.training = training
        self._parameters = operation.parameters
        self._epsilon = self.z.dtype.type(operation.options["epsilon"])
        self._count = h * w * n
        self._sums = np.empty((2, h, c), dtype)
        self._d_sums = np.empty((2, pooled_height, c), dtype)

    def sum_rows(self, x: np.ndarray, rows: slice) -> None:
        """Add up rows of ``x`` for the mean."""
        if self.training:
            self._sums[0, rows] = sum_rows(x[rows])

    def find_mean(self, bias: np.ndarray | None) -> None:
        """Find the mean of ``x + bias``; the bias is never added, for subtracting the mean takes it away again."""
        self._mean = self._sums[0].sum(axis=0) / self._count if self.training else self._value("moving_mean")
        self._offset = self._mean
        if bias is not None and self.training:
            self._mean = self._mean + bias
        elif bias is not None:
            self._offset = self._mean - bias
        gamma = self._value("gamma")
        self._sign = np.sign(gamma) + (gamma == 0) if gamma is not None else np.ones_like(self._mean)

    def centre(self, x: np.ndarray, rows: slice) -> None:
        """Make rows of ``z``, and add up their squares for the variance."""
        z = self.z[rows]
        np.subtract(x[rows], per_channel(self._offset), out=z)
        if np.any(self._sign < 0):
            z *= per_channel(self._sign)
        if self.training:
            self._sums[1, rows] = sum_rows_of_products(z, z)

    def find_scale(self) -> None:
        """Find the variance, and from it the scale."""
        variance = self._sums[1].sum(axis=0) / self._count if self.training else self._value("moving_variance")
        self._deviation = np.sqrt(variance + self._epsilon)
        gamma, beta = self._value("gamma"), self._value("beta")
        self._scale = 1 / self._deviation if gamma is None else gamma / self._deviation
        self._shift = beta
        self.cache = BatchNormalizationCache(
            self.z, gamma, beta is not None, self._mean, variance, 1, float(self._epsilon), self.training
        )

    def scale(self, p: np.ndarray, y: np.ndarray, rows: slice) -> None:
        """Make rows of ``y`` from those of the pooled ``p``."""
        np.multiply(p[rows], per_channel(np.abs(self._scale)), out=y[rows])
        if self._shift is not None:
            y[rows] += per_channel(self._shift)

    def scale_backward(self, dy: np.ndarray, p: np.ndarray, rows: slice) -> None:
        """Turn rows of ``dy`` into ``g``, adding up what the other gradients need."""
        self._d_sums[0, rows] = sum_rows(dy[rows])
        self._d_sums[1, rows] = sum_rows_of_products(dy[rows], p[rows])
        dy[rows] *= per_channel(self._scale)

    def find_gradients(self) -> dict[str, np.ndarray]:
        """Return the gradients by ``gamma`` and ``beta``."""
        self._total, self._along = self._d_sums.sum(axis=1)
        return {"gamma": self._sign * self._along / self._deviation, "beta": self._total}

    def bias_gradient(self) -> np.ndarray:
        """Return the gradient of a bias before the normalisation: none, where the batch's mean takes it away."""
        return np.zeros_like(self._total) if self.training else self._scale * self._total

    def centre_backward(self, dx: np.ndarray, rows: slice) -> None:
        """Write to rows of ``dx`` what comes through the batch's mean and variance."""
        if not self.training:
            dx[rows] = 0
            return
        share = self._scale / self._count
        np.multiply(self.z[rows], per_channel(-share * self._along / self._deviation**2), out=dx[rows])
        dx[rows] -= per_channel(share * self._total)

    def _value(self, name: str) -> Any:
        variable = self._parameters.get(name)
        return None if variable is None else variable.value
