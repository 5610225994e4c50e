"""The native layout ``(h, c, w, n)``, and the steps that bring arrays into it and out of it.

The batch comes last, so that whatever is done to a cell is done to the same cell of all images in one contiguous run.
Rows come first, so that the rows under a kernel are neighbours in memory (see ``convolution``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.kernels.vectorized.threads import by_rows

__all__ = ["Enter", "Leave", "per_channel", "sum_rows", "sum_rows_of_products"]


class Enter:
    """Channels-last array to native array.

    Args:
        shape: ``(n, h, w, c)``.
        dtype: of the arrays.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        n, h, w, c = shape
        self._native = np.empty((h, c, w, n), dtype)

    def forward(self, x: np.ndarray, *, training: bool = False, rng: Any = None) -> tuple[np.ndarray, None]:
        """Return the native array; it lies in a buffer that the next call overwrites."""
        _copy_rows(self._native, x.transpose(1, 3, 2, 0))
        return self._native, None

    def backward(self, d_output: np.ndarray, cache: None, need_dx: bool = True) -> tuple[np.ndarray | None, dict]:
        """Return the gradient as a fresh channels-last array."""
        return _channels_last(d_output) if need_dx else None, {}


class Leave:
    """Native array to channels-last array.

    Args:
        shape: ``(n, h, w, c)``.
        dtype: of the arrays.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self._enter = Enter(shape, dtype)

    def forward(self, x: np.ndarray, *, training: bool = False, rng: Any = None) -> tuple[np.ndarray, None]:
        """Return a fresh channels-last array."""
        return _channels_last(x), None

    def backward(self, d_output: np.ndarray, cache: None, need_dx: bool = True) -> tuple[np.ndarray | None, dict]:
        """Return the gradient as a native array; it lies in a buffer that the next call overwrites."""
        return self._enter.forward(d_output)[0] if need_dx else None, {}


def _channels_last(native: np.ndarray) -> np.ndarray:
    h, c, w, n = native.shape
    x = np.empty((n, h, w, c), native.dtype)
    _copy_rows(x.transpose(1, 3, 2, 0), native)
    return x


def _copy_rows(target: np.ndarray, source: np.ndarray) -> None:
    def copy(rows: slice) -> None:
        target[rows] = source[rows]

    by_rows(len(target), target.size, copy)


def per_channel(values: np.ndarray) -> np.ndarray:
    """Return a view of ``(c,)`` values that broadcasts to native arrays."""
    return values[:, None, None]


def sum_rows(x: np.ndarray) -> np.ndarray:
    """Sum each row of a native array over its cells and images; ``(h, c)``.

    As a product with ones, which is three times as fast as ``sum``.
    """
    h, c, w, n = x.shape
    return (x.reshape(h * c, w * n) @ np.ones(w * n, x.dtype)).reshape(h, c)


def sum_rows_of_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum each row of ``a * b`` over its cells and images, as inner products; ``(h, c)``."""
    h, c, w, n = a.shape
    return np.matmul(a.reshape(h, c, 1, w * n), b.reshape(h, c, w * n, 1)).reshape(h, c)
