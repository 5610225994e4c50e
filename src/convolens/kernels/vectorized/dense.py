"""Dense layers and softmax over whole arrays."""

from __future__ import annotations

import numpy as np

from convolens.kernels import geometry
from convolens.kernels.caches import DenseCache, SoftmaxCache
from convolens.kernels.vectorized.threads import matrix_product

__all__ = ["dense_backward", "dense_forward", "softmax_backward", "softmax_forward"]


def dense_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None) -> tuple[np.ndarray, DenseCache]:
    """Return ``x @ w + b``; see ``reference.dense_forward``."""
    geometry.check_channels(x.shape[-1], w.shape[0])
    y = matrix_product(x.reshape(-1, w.shape[0]), w).reshape(*x.shape[:-1], w.shape[1])
    if b is not None:
        y += b
    return y, DenseCache(x, w, b is not None)


def dense_backward(
    dy: np.ndarray, cache: DenseCache, need_dx: bool = True
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray | None]:
    """Return ``dx = dy @ w.T``, ``dw = x.T @ dy`` and ``db``; see ``reference.dense_backward``."""
    x, w, use_bias = cache
    x_rows, dy_rows = x.reshape(-1, w.shape[0]), dy.reshape(-1, w.shape[1])
    dx = matrix_product(dy_rows, w.T).reshape(x.shape) if need_dx else None
    return dx, matrix_product(x_rows.T, dy_rows), dy_rows.sum(axis=0) if use_bias else None


def softmax_forward(x: np.ndarray, axis: int = -1) -> tuple[np.ndarray, SoftmaxCache]:
    """Turn scores into probabilities; see ``reference.softmax_forward``."""
    y = np.exp(x - x.max(axis=axis, keepdims=True))
    y /= y.sum(axis=axis, keepdims=True)
    return y, SoftmaxCache(y, axis)


def softmax_backward(dy: np.ndarray, cache: SoftmaxCache) -> np.ndarray:
    """Return ``y * (dy - sum(dy * y))``; see ``reference.softmax_backward``."""
    y, axis = cache
    return y * (dy - (dy * y).sum(axis=axis, keepdims=True))
