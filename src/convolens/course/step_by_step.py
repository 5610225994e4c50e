"""The eight functions of the exercise *Convolutional Neural Networks: Step by Step*, on the reference kernels.

The place to start: the loops that a learner writes are the loops that the library checks itself against. Images are
``(m, n_H, n_W, n_C)``, kernels ``(f, f, n_C_prev, n_C)``, biases ``(1, 1, 1, n_C)``. ``hparameters`` is a dictionary
with ``"stride"`` and ``"pad"`` (convolution) or ``"f"`` and ``"stride"`` (pooling). ``d`` before a name means "gradient
of the cost with respect to".

Names and conventions: A. Ng, K. Katanforoosh, Y. Bensouda Mourri, *Convolutional Neural Networks*, DeepLearning.AI.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from convolens.course import windows

__all__ = [
    "conv_backward",
    "conv_forward",
    "conv_single_step",
    "create_mask_from_window",
    "distribute_value",
    "pool_backward",
    "pool_forward",
    "zero_pad",
]


def zero_pad(X: np.ndarray, pad: int) -> np.ndarray:
    """Surround every image with ``pad`` rows and columns of zeros.

    ``X_pad[i, h + pad, w + pad, c] = X[i, h, w, c]``, and 0 elsewhere.

    Args:
        X: images, ``(m, n_H, n_W, n_C)``.
        pad: cells to add on each of the four sides, in cells, 0 or more.

    Returns:
        ``(m, n_H + 2 pad, n_W + 2 pad, n_C)``.

    Raises:
        ValueError: for a negative pad, or images that do not have four axes.

    >>> X = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]).reshape(1, 3, 3, 1)
    >>> zero_pad(X, 1)[0, :, :, 0]
    array([[0, 0, 0, 0, 0],
           [0, 1, 2, 3, 0],
           [0, 4, 5, 6, 0],
           [0, 7, 8, 9, 0],
           [0, 0, 0, 0, 0]])
    """
    if np.ndim(X) != 4:
        raise ValueError(f"X has shape (m, n_H, n_W, n_C); got {np.shape(X)}.")
    if pad < 0:
        raise ValueError(f"pad is 0 or more; got {pad}.")
    return np.pad(X, ((0, 0), (pad, pad), (pad, pad), (0, 0)))


def conv_single_step(a_slice_prev: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.floating:
    """Lay one filter on one window: multiply cell by cell, add everything up, add the bias once.

    ``Z = sum(a_slice_prev * W) + b``.

    Args:
        a_slice_prev: the window, ``(f, f, n_C_prev)``.
        W: the filter, the same shape.
        b: its bias, ``(1, 1, 1)``.

    Returns:
        One number, a NumPy floating scalar. (``float(b)`` would raise: NumPy 2 converts only arrays without axes.)

    Raises:
        ValueError: if the window and the filter differ in shape, or ``b`` holds more than one number.

    >>> a_slice_prev = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]).reshape(3, 3, 1)
    >>> W = np.array([[1.0, 0, -1], [1, 0, -1], [1, 0, -1]]).reshape(3, 3, 1)
    >>> float(conv_single_step(a_slice_prev, W, np.array([[[0.5]]])))  # 1 + 4 + 7 - 3 - 6 - 9 + 0.5
    -5.5
    """
    if np.shape(a_slice_prev) != np.shape(W):
        raise ValueError(f"the window and W have one shape; got {np.shape(a_slice_prev)} and {np.shape(W)}.")
    if np.size(b) != 1:
        raise ValueError(f"b holds one number, shape (1, 1, 1); got {np.shape(b)}.")
    total = np.sum(np.multiply(a_slice_prev, W)) + np.reshape(b, ())
    return total if isinstance(total, np.floating) else np.float64(total)


def conv_forward(
    A_prev: np.ndarray, W: np.ndarray, b: np.ndarray, hparameters: Mapping[str, int]
) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Slide every filter over the zero-padded images.

    ``Z[i, h, w, c] = sum(A_prev_pad[i, h s : h s + f, w s : w s + f, :] * W[:, :, :, c]) + b[c]`` with stride ``s``;
    ``n_H = floor((n_H_prev - f + 2 pad) / s) + 1``, and ``n_W`` likewise.

    Args:
        A_prev: images, ``(m, n_H_prev, n_W_prev, n_C_prev)``.
        W: filters, ``(f, f, n_C_prev, n_C)``.
        b: biases, ``(1, 1, 1, n_C)``.
        hparameters: ``"stride"`` and ``"pad"``, in cells.

    Returns:
        ``Z`` of shape ``(m, n_H, n_W, n_C)``, and the cache ``(A_prev, W, b, hparameters)`` with ``A_prev`` unpadded.

    Raises:
        ValueError: if the shapes do not fit together, or ``hparameters`` lacks a key.

    >>> A_prev = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]).reshape(1, 3, 3, 1)
    >>> W = np.array([[1.0, 2], [0, -1]]).reshape(2, 2, 1, 1)
    >>> Z, cache = conv_forward(A_prev, W, np.zeros((1, 1, 1, 1)), {"stride": 1, "pad": 0})
    >>> Z[0, :, :, 0]  # top left: 1*1 + 2*2 + 4*0 + 5*(-1)
    array([[0., 2.],
           [6., 8.]])
    """
    stride, pad = _parameters(hparameters, "stride", "pad")
    windows.check_convolution(A_prev, W, b)
    Z = windows.convolve(A_prev, W, b, (stride, stride), ((pad, pad), (pad, pad)))
    return Z, (A_prev, W, b, hparameters)


def pool_forward(
    A_prev: np.ndarray, hparameters: Mapping[str, int], mode: str = "max"
) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Take the maximum or the average of each window, channel by channel.

    ``A[i, h, w, c] = max(A_prev[i, h s : h s + f, w s : w s + f, c])``, or the mean of it;
    ``n_H = floor((n_H_prev - f) / s) + 1``, and ``n_W`` likewise.

    Args:
        A_prev: images, ``(m, n_H_prev, n_W_prev, n_C)``.
        hparameters: ``"f"``, the window's size, and ``"stride"``, in cells.
        mode: ``"max"`` or ``"average"``.

    Returns:
        ``A`` of shape ``(m, n_H, n_W, n_C)``, and the cache ``(A_prev, hparameters)``.

    Raises:
        ValueError: for another mode, a window larger than the image, or ``hparameters`` that lack a key.

    >>> A_prev = np.array([[1.0, 5, 3], [4, 2, 6], [7, 8, 0]]).reshape(1, 3, 3, 1)
    >>> pool_forward(A_prev, {"f": 2, "stride": 1})[0][0, :, :, 0]
    array([[5., 6.],
           [8., 8.]])
    >>> pool_forward(A_prev, {"f": 2, "stride": 1}, mode="average")[0][0, :, :, 0]
    array([[3.  , 4.  ],
           [5.25, 4.  ]])
    """
    f, stride = _parameters(hparameters, "f", "stride")
    A = windows.pool(A_prev, (f, f), (stride, stride), _is_average(mode))
    return A, (A_prev, hparameters)


def conv_backward(dZ: np.ndarray, cache: tuple[Any, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Send each output's gradient back to the window, the filter and the bias that made it.

    For every image ``i``, place ``(h, w)`` and filter ``c``, with the window ``a`` at that place::

        dA_prev_pad[window] += W[:, :, :, c] * dZ[i, h, w, c]
        dW[:, :, :, c]      += a * dZ[i, h, w, c]
        db[0, 0, 0, c]      += dZ[i, h, w, c]

    and ``dA_prev`` is ``dA_prev_pad`` without its border.

    Args:
        dZ: gradient with respect to ``Z``, ``(m, n_H, n_W, n_C)``.
        cache: ``(A_prev, W, b, hparameters)`` from ``conv_forward``.

    Returns:
        ``dA_prev``, ``dW`` and ``db`` in the shapes of ``A_prev``, ``W`` and ``b``.

    Raises:
        ValueError: if ``dZ`` does not have the shape of ``Z``.

    >>> A_prev = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]).reshape(1, 3, 3, 1)
    >>> W = np.array([[1.0, 2], [0, -1]]).reshape(2, 2, 1, 1)
    >>> cache = (A_prev, W, np.zeros((1, 1, 1, 1)), {"stride": 1, "pad": 0})
    >>> dZ = np.array([[1.0, 0], [0, 10]]).reshape(1, 2, 2, 1)
    >>> dA_prev, dW, db = conv_backward(dZ, cache)
    >>> dA_prev[0, :, :, 0]  # the filter, once in the top left corner, ten times in the bottom right
    array([[  1.,   2.,   0.],
           [  0.,   9.,  20.],
           [  0.,   0., -10.]])
    >>> dW[:, :, 0, 0]  # 1*1 + 10*5, 1*2 + 10*6, ...
    array([[51., 62.],
           [84., 95.]])
    >>> db
    array([[[[11.]]]])
    """
    A_prev, W, b, hparameters = cache
    stride, pad = _parameters(hparameters, "stride", "pad")
    windows.check_convolution(A_prev, W, b)
    return windows.convolve_backward(dZ, A_prev, W, b, (stride, stride), ((pad, pad), (pad, pad)))


def create_mask_from_window(x: np.ndarray) -> np.ndarray:
    """Mark the maximum of a window: ``mask = (x == max(x))``.

    Every maximum is marked, so a tie sends the full gradient to each of its cells. That is the course's rule; the
    library's ``MaxPooling2D``, like TensorFlow and PyTorch, sends it to the first maximum in row-major order only.

    Args:
        x: one window of one channel, ``(f, f)``.

    Returns:
        Booleans in the shape of ``x``.

    >>> create_mask_from_window(np.array([[1, 9, 3], [4, 5, 6], [7, 9, 2]]))
    array([[False,  True, False],
           [False, False, False],
           [False,  True, False]])
    """
    return windows.maxima(np.asarray(x))


def distribute_value(dz: float, shape: tuple[int, int]) -> np.ndarray:
    """Share a value equally among the cells of a window: each gets ``dz / (n_H n_W)``.

    Args:
        dz: the value.
        shape: ``(n_H, n_W)`` of the window.

    Returns:
        An array of that shape; its sum is ``dz``.

    >>> distribute_value(18, (3, 3))
    array([[2., 2., 2.],
           [2., 2., 2.],
           [2., 2., 2.]])
    """
    n_H, n_W = shape
    return np.full((n_H, n_W), dz / (n_H * n_W))


def pool_backward(dA: np.ndarray, cache: tuple[Any, ...], mode: str = "max") -> np.ndarray:
    """Send each output's gradient back into its window: to the maxima, or to every cell in equal parts.

    ``dA_prev[window] += create_mask_from_window(window) * dA[i, h, w, c]``, or
    ``dA_prev[window] += distribute_value(dA[i, h, w, c], (f, f))``. Ties as in ``create_mask_from_window``.

    Args:
        dA: gradient with respect to ``A``, ``(m, n_H, n_W, n_C)``.
        cache: ``(A_prev, hparameters)`` from ``pool_forward``.
        mode: ``"max"`` or ``"average"``.

    Returns:
        ``dA_prev`` in the shape of ``A_prev``.

    Raises:
        ValueError: for another mode, or if ``dA`` does not have the shape of ``A``.

    >>> A_prev = np.array([[1.0, 5, 3], [4, 2, 6], [7, 8, 0]]).reshape(1, 3, 3, 1)
    >>> dA = np.array([[4.0, 8], [12, 16]]).reshape(1, 2, 2, 1)
    >>> pool_backward(dA, (A_prev, {"f": 2, "stride": 1}))[0, :, :, 0]  # the 8 is the maximum of two windows
    array([[ 0.,  4.,  0.],
           [ 0.,  0.,  8.],
           [ 0., 28.,  0.]])
    >>> pool_backward(dA, (A_prev, {"f": 2, "stride": 1}), mode="average")[0, :, :, 0]
    array([[ 1.,  3.,  2.],
           [ 4., 10.,  6.],
           [ 3.,  7.,  4.]])
    """
    A_prev, hparameters = cache
    f, stride = _parameters(hparameters, "f", "stride")
    return windows.pool_backward(dA, A_prev, (f, f), (stride, stride), _is_average(mode))


def _parameters(hparameters: Mapping[str, int], *names: str) -> list[int]:
    missing = [name for name in names if name not in hparameters]
    if missing:
        raise ValueError(f"hparameters needs {' and '.join(map(repr, names))}; {missing[0]!r} is missing.")
    return [int(hparameters[name]) for name in names]


def _is_average(mode: str) -> bool:
    if mode not in ("max", "average"):
        raise ValueError(f"mode is 'max' or 'average'; got {mode!r}.")
    return mode == "average"
