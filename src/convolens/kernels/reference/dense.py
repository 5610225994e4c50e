"""Dense layers and softmax, one vector at a time."""

from __future__ import annotations

import numpy as np

from convolens.kernels import geometry
from convolens.kernels.caches import DenseCache, SoftmaxCache

__all__ = ["dense_backward", "dense_forward", "softmax_backward", "softmax_forward"]


def dense_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None) -> tuple[np.ndarray, DenseCache]:
    """Weigh and sum the last axis: ``y[..., f] = sum over c of x[..., c] * w[c, f] + b[f]``.

    Args:
        x: any array with ``c`` features along its last axis.
        w: weights, ``(c, f)``.
        b: bias, ``(f,)``, or None.

    Returns:
        ``y`` of shape ``(..., f)``, and what ``dense_backward`` needs.

    Raises:
        ValueError: if ``x`` does not have ``c`` features.
    """
    geometry.check_channels(x.shape[-1], w.shape[0])
    y = np.zeros((*x.shape[:-1], w.shape[1]), x.dtype)
    for index in np.ndindex(x.shape[:-1]):
        for f in range(w.shape[1]):
            y[(*index, f)] = np.sum(x[index] * w[:, f])
            if b is not None:
                y[(*index, f)] += b[f]
    return y, DenseCache(x, w, b is not None)


def dense_backward(
    dy: np.ndarray, cache: DenseCache, need_dx: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray | None]:
    """Send each output's gradient back to its inputs and weights.

    Args:
        dy: gradient of the loss with respect to ``y``, ``(..., f)``.
        cache: from ``dense_forward`` of any backend.
        need_dx: False leaves ``dx`` out.

    Returns:
        ``(dx, dw, db)``; ``dx`` is None without ``need_dx``, ``db`` is None without a bias.
    """
    x, w, use_bias = cache
    dx = np.zeros_like(x)
    dw = np.zeros_like(w)
    db = np.zeros(w.shape[1], w.dtype)
    for index in np.ndindex(x.shape[:-1]):
        for f in range(w.shape[1]):
            dx[index] += dy[(*index, f)] * w[:, f]
            dw[:, f] += dy[(*index, f)] * x[index]
            db[f] += dy[(*index, f)]
    return dx if need_dx else None, dw, db if use_bias else None


def softmax_forward(x: np.ndarray, axis: int = -1) -> tuple[np.ndarray, SoftmaxCache]:
    """Turn scores into probabilities: ``y = exp(x) / sum(exp(x))`` along ``axis``.

    The largest score is subtracted first, which changes nothing but keeps ``exp`` from overflowing.

    Args:
        x: any array.
        axis: the axis along which the probabilities sum to one.

    Returns:
        ``y`` of ``x``'s shape, and what ``softmax_backward`` needs.
    """
    y = np.empty_like(x)
    scores, probabilities = np.moveaxis(x, axis, -1), np.moveaxis(y, axis, -1)
    for index in np.ndindex(scores.shape[:-1]):
        exponentials = np.exp(scores[index] - np.max(scores[index]))
        probabilities[index] = exponentials / np.sum(exponentials)
    return y, SoftmaxCache(y, axis)


def softmax_backward(dy: np.ndarray, cache: SoftmaxCache) -> np.ndarray:
    """Return ``dx = y * (dy - sum(dy * y))`` along the softmax's axis.

    Args:
        dy: gradient of the loss with respect to ``y``.
        cache: from ``softmax_forward`` of any backend.

    Returns:
        ``dx`` of ``dy``'s shape.
    """
    dx = np.empty_like(dy)
    y, dy, dscores = (np.moveaxis(array, cache.axis, -1) for array in (cache.y, dy, dx))
    for index in np.ndindex(y.shape[:-1]):
        dscores[index] = y[index] * (dy[index] - np.sum(dy[index] * y[index]))
    return dx
