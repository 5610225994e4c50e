"""Batch normalisation, one channel at a time.

Source: S. Ioffe and C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
Shift" (2015).
"""

from __future__ import annotations

import numpy as np

from convolens.kernels.caches import BatchNormalizationCache

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
    """Shift and scale each channel: ``y = gamma * (x - mean) / sqrt(variance + epsilon) + beta``.

    In training, mean and biased variance are those of the batch (all axes but ``axis``); else the moving ones.

    Args:
        x: any array with channels along ``axis``.
        gamma: scale by channel, ``(c,)``, or None for 1.
        beta: shift by channel, ``(c,)``, or None for 0.
        moving_mean: ``(c,)``; not read in training.
        moving_variance: ``(c,)``; not read in training.
        axis: the channels' axis.
        epsilon: keeps the square root away from zero.
        training: whether to use the batch's statistics.

    Returns:
        ``y`` of ``x``'s shape, and a cache whose ``mean`` and ``variance`` are those that were used.
    """
    axis %= x.ndim
    channels = x.shape[axis]

    y = np.empty_like(x)
    mean = np.zeros(channels, x.dtype)
    variance = np.zeros(channels, x.dtype)
    for c in range(channels):
        values = x[_channel(c, axis)]
        if training:
            mean[c] = np.mean(values)
            variance[c] = np.mean((values - mean[c]) ** 2)
        else:
            mean[c], variance[c] = moving_mean[c], moving_variance[c]
        normalized = (values - mean[c]) / np.sqrt(variance[c] + x.dtype.type(epsilon))
        scale = 1 if gamma is None else gamma[c]
        shift = 0 if beta is None else beta[c]
        y[_channel(c, axis)] = scale * normalized + shift
    return y, BatchNormalizationCache(x, gamma, beta is not None, mean, variance, axis, epsilon, training)


def batch_normalization_backward(
    dy: np.ndarray, cache: BatchNormalizationCache
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Send the gradient back through the scale and, in training, through the batch's mean and variance.

    With ``g = dy * gamma`` and ``xhat = (x - mean) / sqrt(variance + epsilon)``, in training
    ``dx = (g - mean(g) - xhat * mean(g * xhat)) / sqrt(variance + epsilon)``;
    else ``dx = g / sqrt(variance + epsilon)``.

    Args:
        dy: gradient of the loss with respect to ``y``.
        cache: from ``batch_normalization_forward`` of any backend.

    Returns:
        ``(dx, dgamma, dbeta)``; ``dgamma`` is None without a scale, ``dbeta`` without a shift.
    """
    x, gamma, use_beta, mean, variance, axis, epsilon, training = cache
    channels = x.shape[axis]

    dx = np.empty_like(x)
    dgamma = np.zeros(channels, x.dtype)
    dbeta = np.zeros(channels, x.dtype)
    for c in range(channels):
        deviation = np.sqrt(variance[c] + x.dtype.type(epsilon))
        normalized = (x[_channel(c, axis)] - mean[c]) / deviation
        dvalues = dy[_channel(c, axis)]
        dgamma[c] = np.sum(dvalues * normalized)
        dbeta[c] = np.sum(dvalues)
        dnormalized = dvalues if gamma is None else dvalues * gamma[c]
        if training:
            through_mean = np.mean(dnormalized)
            through_variance = normalized * np.mean(dnormalized * normalized)
            dx[_channel(c, axis)] = (dnormalized - through_mean - through_variance) / deviation
        else:
            dx[_channel(c, axis)] = dnormalized / deviation
    return dx, None if gamma is None else dgamma, dbeta if use_beta else None


def _channel(c: int, axis: int) -> tuple[slice | int, ...]:
    """Index of the values of channel ``c``."""
    return (*[slice(None)] * axis, c)
