"""Where the windows of a pooling lie, along the rows and along the columns apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convolens.kernels import geometry
from convolens.kernels.geometry import Pads, Pair

__all__ = ["Windows"]


class Windows:
    """The windows of a pooling.

    Args:
        size: of the image, ``(h, w)``.
        pool_size: ``(height, width)`` of the window.
        strides: ``(vertical, horizontal)``.
        padding: ``"valid"``, ``"same"`` or explicit.

    Attributes:
        output: ``(oh, ow)``.
        row_taps: for each row of the window, the outputs where it is inside the image, and the image rows there.
        column_taps: the same for its columns.
        rows_overlap: whether windows share rows.
        columns_overlap: whether windows share columns.
    """

    def __init__(self, size: Pair, pool_size: Pair, strides: Pair, padding: str | Pads) -> None:
        self.output = geometry.output_size(size, pool_size, strides, padding)
        pads = geometry.pads(padding, size, pool_size, strides)
        geometry.check_pooling_pads(pads, pool_size)
        taps = list(geometry.taps(size, self.output, pool_size, strides, pads))
        self.row_taps = [(tap.outputs[0], tap.inputs[0]) for tap in taps if tap.column == taps[0].column]
        self.column_taps = [(tap.outputs[1], tap.inputs[1]) for tap in taps if tap.row == taps[0].row]
        self.rows_overlap, self.columns_overlap = (s < p for s, p in zip(strides, pool_size, strict=True))

    def row_taps_within(self, rows: slice) -> Iterator[tuple[slice, slice]]:
        """Yield the part of each row tap that meets the given output rows, outputs counted from the first of them."""
        for outputs, inputs in self.row_taps:
            start, stop = max(outputs.start, rows.start), min(outputs.stop, rows.stop)
            if start < stop:
                first = inputs.start + (start - outputs.start) * inputs.step
                last = first + (stop - 1 - start) * inputs.step
                yield slice(start - rows.start, stop - rows.start), slice(first, last + 1, inputs.step)

    def cells_inside(self) -> tuple[np.ndarray, np.ndarray]:
        """Return how many rows and how many columns of each window are inside the image, ``(oh,)`` and ``(ow,)``."""
        rows, columns = (np.zeros(count, int) for count in self.output)
        for counts, taps in ((rows, self.row_taps), (columns, self.column_taps)):
            for outputs, _ in taps:
                counts[outputs] += 1
        return rows, columns
