"""What the two dialects share: checks of shapes, the way to the reference kernels, and the course's rule for ties."""

from __future__ import annotations

import numpy as np

from convolens.kernels import geometry, reference
from convolens.kernels.caches import AveragePool2DCache, Conv2DCache
from convolens.kernels.geometry import Pads, Pair

__all__ = ["check_convolution", "convolve", "convolve_backward", "maxima", "pool", "pool_backward"]


def check_convolution(A_prev: np.ndarray, W: np.ndarray, b: np.ndarray) -> None:
    """Check that images, filters and biases fit together.

    Raises:
        ValueError: for the first thing that does not.
    """
    _image(A_prev)
    if np.ndim(W) != 4:
        raise ValueError(f"W has shape (height, width, n_C_prev, n_C); got {np.shape(W)}.")
    geometry.check_channels(np.shape(A_prev)[3], np.shape(W)[2])
    if np.size(b) != np.shape(W)[3]:
        raise ValueError(f"b has shape (1, 1, 1, {np.shape(W)[3]}), one bias per filter; got {np.shape(b)}.")


def convolve(A_prev: np.ndarray, W: np.ndarray, b: np.ndarray, strides: Pair, pads: Pads) -> np.ndarray:
    """Return ``Z`` of shape ``(m, n_H, n_W, n_C)``."""
    x, w, bias = _floats(A_prev, W, np.reshape(b, -1))
    return reference.conv2d_forward(x, w, bias, strides=strides, padding=pads)[0]


def convolve_backward(
    dZ: np.ndarray, A_prev: np.ndarray, W: np.ndarray, b: np.ndarray, strides: Pair, pads: Pads
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``(dA_prev, dW, db)`` in the shapes of ``A_prev``, ``W`` and ``b``.

    Raises:
        ValueError: if ``dZ`` does not have the shape of ``Z``.
    """
    x, w, dy = _floats(A_prev, W, dZ)
    _check_gradient("dZ", dy, x, w.shape[:2], strides, pads, w.shape[3])
    dx, dw, db = reference.conv2d_backward(dy, Conv2DCache(x, w, True, strides, pads, (1, 1), 1))
    assert dx is not None
    assert db is not None
    return dx, dw, db.reshape(np.shape(b))


def pool(A_prev: np.ndarray, window: Pair, strides: Pair, average: bool) -> np.ndarray:
    """Return the maxima or averages over each window, ``(m, n_H, n_W, n_C)``."""
    (x,) = _floats(_image(A_prev))
    forward = reference.average_pool2d_forward if average else reference.max_pool2d_forward
    return forward(x, pool_size=window, strides=strides)[0]


def pool_backward(dA: np.ndarray, A_prev: np.ndarray, window: Pair, strides: Pair, average: bool) -> np.ndarray:
    """Return ``dA_prev``: each gradient goes to the maxima of its window (to every one of them), or in equal parts.

    Raises:
        ValueError: if ``dA`` does not have the shape of the pooled output.
    """
    x, dy = _floats(_image(A_prev), dA)
    _check_gradient("dA", dy, x, window, strides, ((0, 0), (0, 0)), x.shape[3])
    if average:
        return reference.average_pool2d_backward(dy, AveragePool2DCache(x.shape, window, strides, ((0, 0), (0, 0))))
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        rows = slice(i * strides[0], i * strides[0] + window[0])
        columns = slice(j * strides[1], j * strides[1] + window[1])
        dx[n, rows, columns, c] += maxima(x[n, rows, columns, c]) * dy[n, i, j, c]
    return dx


def maxima(x: np.ndarray) -> np.ndarray:
    """Return True at every cell that equals the maximum."""
    return x == np.max(x)


def _floats(*arrays: np.ndarray) -> list[np.ndarray]:
    """Integers become float64, so that no result is cut to whole numbers; floats stay as they are."""
    return [np.asarray(a) if np.issubdtype(np.asarray(a).dtype, np.floating) else np.asarray(a, float) for a in arrays]


def _image(A_prev: np.ndarray) -> np.ndarray:
    if np.ndim(A_prev) != 4:
        raise ValueError(f"A_prev has shape (m, n_H_prev, n_W_prev, n_C_prev); got {np.shape(A_prev)}.")
    return A_prev


def _check_gradient(
    name: str, dy: np.ndarray, x: np.ndarray, kernel: Pair, strides: Pair, pads: Pads, channels: int
) -> None:
    height, width = geometry.output_size((x.shape[1], x.shape[2]), kernel, strides, pads)
    if dy.shape != (x.shape[0], height, width, channels):
        wanted = (x.shape[0], height, width, channels)
        raise ValueError(f"{name} has the shape of the forward output, {wanted}; got {dy.shape}.")
