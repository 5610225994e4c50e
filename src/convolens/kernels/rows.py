"""Rows of an array that are not collected yet: a shuffled batch that a kernel may read where it lies."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Rows"]


class Rows:
    """Stands for ``array[chosen]``; ``np.asarray`` collects the rows, once.

    Args:
        array: the whole array.
        chosen: the rows' numbers, none of which is beyond the array.
        buffer: where the rows are collected, ``(at least len(chosen), ...)``: fresh memory costs more than the copying.

    Example:
        >>> np.asarray(Rows(np.array([10, 20, 30]), np.array([2, 0]), np.empty(4, int)))
        array([30, 10])
    """

    def __init__(self, array: np.ndarray, chosen: np.ndarray, buffer: np.ndarray) -> None:
        self.array, self.chosen, self.buffer = array, chosen, buffer
        self.shape, self.dtype = (len(chosen), *array.shape[1:]), array.dtype
        self._collected: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.chosen)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self._collected is None:
            room = self.buffer[: len(self.chosen)]
            # "clip" spares NumPy a second copy, which it makes in case a row does not exist.
            self._collected = np.take(self.array, self.chosen, axis=0, out=room, mode="clip")
        return np.array(self._collected, dtype, copy=copy)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """Return these rows if nothing changes and ``copy`` is False, else their array in another type."""
        return self if not copy and self.dtype == dtype else np.asarray(self).astype(dtype, copy=copy)
