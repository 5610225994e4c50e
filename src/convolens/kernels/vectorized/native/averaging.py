"""Average pooling on native arrays: sums along the columns of each row, then along the rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from convolens.kernels.operations import Operation
from convolens.kernels.vectorized.native.windows import Windows
from convolens.kernels.vectorized.threads import by_rows

__all__ = ["AveragePooling"]


class AveragePooling:
    """A native step; what its public attributes and methods are for, the plan says.

    Args:
        operation: the pooling.
        shape: of the input, ``(h, c, w, n)``.
        dtype: of all arrays.
    """

    input_layout = output_layout = "native"
    takes_rows = False
    count = 1

    def __init__(self, operation: Operation, shape: tuple[int, ...], dtype: Any) -> None:
        h, c, w, n = shape
        self.name = operation.name
        self.parameters: Mapping[str, Any] = {}
        self.destinations: dict[str, np.ndarray] = {}
        self._windows = windows = Windows((h, w), **operation.options)
        oh, ow = windows.output
        self._share = 1 / np.outer(*windows.cells_inside()).reshape(oh, 1, ow, 1).astype(dtype)
        self._of_rows = np.empty((h, c, ow, n), dtype)
        self._y = np.empty((oh, c, ow, n), dtype)
        self._d_share = np.empty((oh, c, ow, n), dtype)
        self._dx = np.empty(shape, dtype)

    def forward(self, x: np.ndarray, *, training: bool = False, rng: Any = None) -> tuple[np.ndarray, None]:
        """Return the means, in a buffer."""
        windows, of_rows, y = self._windows, self._of_rows, self._y

        def along_columns(rows: slice) -> None:
            of_rows[rows] = 0
            for outputs, inputs in windows.column_taps:
                of_rows[rows, :, outputs] += x[rows, :, inputs]

        def along_rows(rows: slice) -> None:
            y[rows] = 0
            for outputs, inputs in windows.row_taps_within(rows):
                y[rows][outputs] += of_rows[inputs]
            y[rows] *= self._share[rows]

        by_rows(len(x), x.size, along_columns)
        by_rows(len(y), x.size, along_rows)
        return y, None

    def backward(self, d_output: np.ndarray, cache: None, need_dx: bool = True) -> tuple[np.ndarray | None, dict]:
        """Return the gradient by the input, in a buffer."""
        if not need_dx:
            return None, {}
        windows, d_of_rows, dx = self._windows, self._of_rows, self._dx  # the sums are needed no more
        np.multiply(d_output, self._share, out=self._d_share)
        d_of_rows[...] = 0
        for outputs, inputs in windows.row_taps:
            d_of_rows[inputs] += self._d_share[outputs]

        def along_columns(rows: slice) -> None:
            dx[rows] = 0
            for outputs, inputs in windows.column_taps:
                dx[rows, :, inputs] += d_of_rows[rows, :, outputs]

        by_rows(len(dx), dx.size, along_columns)
        return dx, {}

    def update_state(self, cache: None) -> None:
        """Move no state."""
