"""Max pooling on native arrays, first along the columns of each row, then along the rows.

The maximum of a window is the maximum of its rows' maxima, so ``ph + pw`` operations do what else takes ``ph * pw``.
The first maximum in row-major order is the first such column of the first such row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.kernels.vectorized.native.windows import Windows

__all__ = ["MaxPooling"]


class MaxPooling:
    """Max pooling of one shape, with the buffers it needs.

    Args:
        shape: of the input, ``(h, c, w, n)``.
        options: ``pool_size``, ``strides`` and ``padding``.
        dtype: of all arrays.

    Attributes:
        y: the output, ``(oh, c, ow, n)``.
        rows_overlap: whether windows share rows, so that ``backward_rows`` must see all rows at once.
    """

    def __init__(self, shape: tuple[int, ...], options: dict[str, Any], dtype: Any) -> None:
        h, c, w, n = shape
        self._windows = Windows((h, w), **options)
        oh, ow = self._windows.output
        self.rows_overlap = self._windows.rows_overlap
        self._of_rows = np.empty((h, c, ow, n), dtype)
        self._d_of_rows = np.zeros((h, c, ow, n), dtype)
        self.y = np.empty((oh, c, ow, n), dtype)

    def forward_columns(self, x: np.ndarray, rows: slice) -> None:
        """Find the maxima along the given rows of ``x``."""
        of_rows = self._of_rows[rows]
        _maxima([(of_rows[:, :, o], x[rows, :, i]) for o, i in self._windows.column_taps], of_rows)

    def forward_rows(self, rows: slice) -> None:
        """Find the given rows of ``y``."""
        y = self.y[rows]
        _maxima([(y[o], self._of_rows[i]) for o, i in self._windows.row_taps_within(rows)], y)

    def backward_rows(self, dy: np.ndarray, rows: slice) -> None:
        """Share out the gradient of the given rows of ``y`` (``dy``, overwritten) among the rows of their windows."""
        if self.rows_overlap:
            self._d_of_rows[...] = 0
        y = self.y[rows]
        taps = [(dy[o], y[o], self._of_rows[i], self._d_of_rows[i]) for o, i in self._windows.row_taps_within(rows)]
        _share_out(dy, taps, add=self.rows_overlap)

    def backward_columns(self, x: np.ndarray, dx: np.ndarray, rows: slice, add: bool) -> None:
        """Share out the rows' gradients among the columns of their windows.

        Args:
            x: what ``forward_columns`` was called with.
            dx: where to write; cells that no window covers must be zero.
            rows: which rows of ``x`` and ``dx``.
            add: whether to add to what is there.
        """
        if self._windows.columns_overlap and not add:
            dx[rows] = 0
        y, dy = self._of_rows[rows], self._d_of_rows[rows]
        taps = [(dy[:, :, o], y[:, :, o], x[rows, :, i], dx[rows, :, i]) for o, i in self._windows.column_taps]
        _share_out(dy, taps, add=add or self._windows.columns_overlap)


def _maxima(taps: list[tuple[np.ndarray, np.ndarray]], y: np.ndarray) -> None:
    """Write to ``y`` the maximum over the taps, each given as the part of ``y`` it reaches and the values there."""
    everywhere = [x for part, x in taps if part.shape == y.shape]
    if len(everywhere) > 1:
        np.maximum(everywhere[0], everywhere[1], out=y)
    else:
        y.fill(-np.inf)
    for x in everywhere[2:] if len(everywhere) > 1 else everywhere:
        np.maximum(y, x, out=y)
    for part, x in taps:
        if part.shape != y.shape:
            np.maximum(part, x, out=part)


def _share_out(dy: np.ndarray, taps: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]], add: bool) -> None:
    """Move each window's gradient to the first tap that equals the maximum, tap by tap; ``dy`` holds what is left.

    Args:
        dy: the gradient of all windows, overwritten.
        taps: for each, the parts of ``dy`` and ``y`` it reaches, and its parts of ``x`` and ``dx``.
        add: whether to add to ``dx``.
    """
    for part, y, x, dx in taps[:-1]:
        share = np.multiply(part, x == y, out=None if add else dx)
        part -= share
        if add:
            dx += share
    part, y, x, dx = taps[-1]
    rest = part if part.shape == dy.shape else part * (x == y)  # the last to reach a window gets what is left
    if add:
        dx += rest
    else:
        dx[...] = rest
