"""Max pooling on native arrays, first along the columns of each row, then along the rows.

The maximum of a window is the maximum of its rows' maxima, so ``ph + pw`` operations do what else takes ``ph * pw``.
The first maximum in row-major order is the first such column of the first such row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from convolens.kernels import geometry
from convolens.kernels.geometry import Pads, Pair

__all__ = ["MaxPooling"]

_Taps = list[tuple[slice, slice]]


class MaxPooling:
    """Max pooling of one shape, with the buffers it needs.

    Args:
        shape: of the input, ``(h, c, w, n)``.
        pool_size: ``(height, width)`` of the window.
        strides: ``(vertical, horizontal)``.
        padding: ``"valid"``, ``"same"`` or explicit.
        dtype: of all arrays.

    Attributes:
        y: the output, ``(oh, c, ow, n)``.
        rows_overlap: whether windows share rows, so that ``backward_rows`` must see all rows at once.
    """

    def __init__(self, shape: tuple[int, ...], pool_size: Pair, strides: Pair, padding: str | Pads, dtype: Any) -> None:
        h, c, w, n = shape
        oh, ow = geometry.output_size((h, w), pool_size, strides, padding)
        pads = geometry.pads(padding, (h, w), pool_size, strides)
        taps = list(geometry.taps((h, w), (oh, ow), pool_size, strides, pads))
        self._row_taps: _Taps = [(t.outputs[0], t.inputs[0]) for t in taps if t.column == taps[0].column]
        self._column_taps: _Taps = [(t.outputs[1], t.inputs[1]) for t in taps if t.row == taps[0].row]
        self.rows_overlap, self._columns_overlap = (s < p for s, p in zip(strides, pool_size, strict=True))
        self._of_rows = np.empty((h, c, ow, n), dtype)
        self._d_of_rows = np.zeros((h, c, ow, n), dtype)
        self.y = np.empty((oh, c, ow, n), dtype)

    def forward_columns(self, x: np.ndarray, rows: slice) -> None:
        """Find the maxima along the given rows of ``x``."""
        of_rows = self._of_rows[rows]
        _maxima([(of_rows[:, :, o], x[rows, :, i]) for o, i in self._column_taps], of_rows)

    def forward_rows(self, rows: slice) -> None:
        """Find the given rows of ``y``."""
        y = self.y[rows]
        _maxima([(y[o], self._of_rows[i]) for o, i in _within(rows, self._row_taps)], y)

    def backward_rows(self, dy: np.ndarray, rows: slice) -> None:
        """Share out the gradient of the given rows of ``y`` (``dy``, overwritten) among the rows of their windows."""
        if self.rows_overlap:
            self._d_of_rows[...] = 0
        y = self.y[rows]
        taps = [(dy[o], y[o], self._of_rows[i], self._d_of_rows[i]) for o, i in _within(rows, self._row_taps)]
        _share_out(dy, taps, add=self.rows_overlap)

    def backward_columns(self, x: np.ndarray, dx: np.ndarray, rows: slice, add: bool) -> None:
        """Share out the rows' gradients among the columns of their windows.

        Args:
            x: what ``forward_columns`` was called with.
            dx: where to write; cells that no window covers must be zero.
            rows: which rows of ``x`` and ``dx``.
            add: whether to add to what is there.
        """
        if self._columns_overlap and not add:
            dx[rows] = 0
        y, dy = self._of_rows[rows], self._d_of_rows[rows]
        taps = [(dy[:, :, o], y[:, :, o], x[rows, :, i], dx[rows, :, i]) for o, i in self._column_taps]
        _share_out(dy, taps, add=add or self._columns_overlap)


def _within(rows: slice, taps: _Taps) -> Iterator[tuple[slice, slice]]:
    """Yield the part of each tap that meets the given output rows, with the outputs counted from the first of them."""
    for outputs, inputs in taps:
        start, stop = max(outputs.start, rows.start), min(outputs.stop, rows.stop)
        if start < stop:
            first = inputs.start + (start - outputs.start) * inputs.step
            last = first + (stop - 1 - start) * inputs.step
            yield slice(start - rows.start, stop - rows.start), slice(first, last + 1, inputs.step)


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
