"""Batch normalisation over whole arrays.

With rows of channels ``centred = x - mean`` and ``d = sqrt(variance + epsilon)``, over ``m`` values by channel::

    y  = centred * gamma / d + beta
    dx = gamma / d * (dy - sum(dy) / m - centred * sum(dy * centred) / (m * d**2))
"""

from __future__ import annotations

import numpy as np

from convolens.kernels.caches import BatchNormalizationCache
from convolens.kernels.vectorized.sums import sum_by_channel

__all__ = ["batch_normalization_backward", "batch_normalization_forward"]


def batch_normalization_forward(
    x: np.ndarray,
    gamma: np.ndarray | None,
    beta: np.ndarray | None,
    moving_mean: np.ndarray,
    moving_variance: np.ndarray,
    *,
    axis: int = -1,
    epsilon: float = 1e-3,
    training: bool,
) -> tuple[np.ndarray, BatchNormalizationCache]:
    """Shift and scale each channel; see ``reference.batch_normalization_forward``."""
    axis %= x.ndim
    channels_last = np.moveaxis(x, axis, -1)
    if training:
        count = x.size // x.shape[axis]
        mean = sum_by_channel(channels_last) / count
        y = channels_last - mean
        variance = sum_by_channel(y * y) / count
    else:
        mean, variance = moving_mean, moving_variance
        y = channels_last - mean
    deviation = np.sqrt(variance + x.dtype.type(epsilon))
    y *= 1 / deviation if gamma is None else gamma / deviation
    if beta is not None:
        y += beta
    cache = BatchNormalizationCache(x, gamma, beta is not None, mean, variance, axis, epsilon, training)
    return np.moveaxis(y, -1, axis), cache


def batch_normalization_backward(
    dy: np.ndarray, cache: BatchNormalizationCache
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Return ``(dx, dgamma, dbeta)``; see ``reference.batch_normalization_backward``."""
    x, gamma, use_beta, mean, variance, axis, epsilon, training = cache
    count = x.size // x.shape[axis]
    deviation = np.sqrt(variance + x.dtype.type(epsilon))
    scale = 1 / deviation if gamma is None else gamma / deviation

    dy = np.moveaxis(dy, axis, -1)
    centred = np.moveaxis(x, axis, -1) - mean
    total = sum_by_channel(dy)
    along = sum_by_channel(dy * centred) / deviation
    dx = dy * scale
    if training:
        centred *= scale * along / (count * deviation)
        dx -= centred
        dx -= scale * total / count
    return np.moveaxis(dx, -1, axis), None if gamma is None else along, total if use_beta else None
