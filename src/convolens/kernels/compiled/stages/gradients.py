"""The ways to a convolution's gradient by its kernel, direct and Winograd's two; which one is decided here, by shape.

Sums over the batch are kept in shares, each added to by one thread, and put together in a fixed order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.kernels.compiled import blocks, cells, convolution, winograd, winograd_rows, winograd_squares
from convolens.kernels.compiled.lanes import LANES, size
from convolens.kernels.compiled.threads import workspace
from convolens.kernels.compiled.tiles import Places, Shape
from convolens.kernels.geometry import Pair

__all__ = ["DirectGradient", "RowsGradient", "SquaresGradient", "gradient_for"]

_PATCHES = 64  # of a transformed gradient that are at work at once


def gradient_for(
    shape: Shape, channels: int, places: Places, *, kernel: Pair, strides: Pair, dilation: Pair, shares: int, dtype: Any
) -> DirectGradient | RowsGradient | SquaresGradient:
    """Return how to add up a kernel's gradient.

    Args:
        shape: ``(f, oh, ow)`` of the output.
        channels: of the input.
        places: of the input's cells.
        kernel: ``(kh, kw)``.
        strides: ``(vertical, horizontal)``.
        dilation: likewise.
        shares: how many.
        dtype: of all arrays.
    """
    given = (shape, channels, kernel, strides, dilation, dtype)
    if winograd.squares_pay_backward(*given):
        return SquaresGradient(shape, channels, shares, dtype)
    if winograd.rows_pay_backward(*given):
        return RowsGradient(shape, channels, kernel, shares, dtype)
    return DirectGradient(shape, channels, places, kernel, strides, dilation, shares, dtype)


class _Gradient:
    """What all ways have: ``(shares, taps, f)``, taps in the order kh, c, kw."""

    shares: np.ndarray

    def finish(self, dw: np.ndarray, begin: int, end: int) -> None:
        """Put the shares of the channels from ``begin`` to ``end`` together."""
        cells.add_shares(dw, self.shares, begin, end)


class DirectGradient(_Gradient):
    """Sums over all cells for every tap. Arguments as for ``gradient_for``."""

    def __init__(
        self,
        shape: Shape,
        channels: int,
        places: Places,
        kernel: Pair,
        strides: Pair,
        dilation: Pair,
        shares: int,
        dtype: Any,
    ) -> None:
        (kh, kw), (dh, dw) = kernel, dilation
        _, _, channel, row, column = places
        self.shape, self.strides = shape, strides
        self.x_taps = blocks.offsets((kh, dh * row), (channels, channel), (kw, dw * column))
        self.block = blocks.gradient_block(shape[0], self.x_taps.size, dtype)
        self.shares = np.zeros((shares, self.x_taps.size, shape[0]), dtype)

    def add(
        self, share: int, dz: np.ndarray, dz_places: Places, x: np.ndarray, x_first: Places, begin: int, end: int
    ) -> None:
        """Add some tiles to a share; ``x_first`` are the input's places from the first window's first cell."""
        convolution.kernel_gradient(
            self.shares[share], dz, dz_places, x, x_first, self.x_taps, self.strides, self.shape,
            begin, end, *self.block,
        )  # fmt: skip


class RowsGradient(_Gradient):
    """Sums over all patches for every transformed tap. Arguments as for ``gradient_for``."""

    def __init__(self, shape: Shape, channels: int, kernel: Pair, shares: int, dtype: Any) -> None:
        filters, oh, ow = shape
        self.kh, kw = kernel
        self.shape, self.channels = shape, channels
        self.kw, self.g = size(kw), winograd.taps_matrix(kw, dtype)
        parts, patches = winograd.parts_of(kw), ow // winograd.OUTPUTS
        # So many rows that a block's gradients and its inputs fit the nearest cache together.
        self.band = max(1, min(oh, _PATCHES // patches))
        channel = parts * patches * LANES
        row, rows = channels * channel, self.band + self.kh - 1
        self.v_taps = blocks.offsets((self.kh, row), (channels, channel))
        self.block = blocks.gradient_block(filters, self.kh * channels, dtype, whole=True)
        self.room = rows * row + len(self.block[0]) * self.band * channel + parts * self.v_taps.size * filters
        self.shares = np.zeros((shares, self.v_taps.size * kw, filters), dtype)

    def add(
        self, share: int, dz: np.ndarray, dz_places: Places, x: np.ndarray, x_first: Places, begin: int, end: int
    ) -> None:
        """As ``DirectGradient.add``."""
        winograd_rows.kernel_gradient(
            self.shares[share], dz, dz_places, x, x_first, self.v_taps, self.g,
            workspace(self.room, self.shares.dtype), self.shape, self.channels, self.kh,
            self.band, begin, end, self.kw, *self.block,
        )  # fmt: skip


class SquaresGradient(_Gradient):
    """Sums over all patches for every part. Arguments as for ``gradient_for``."""

    def __init__(self, shape: Shape, channels: int, shares: int, dtype: Any) -> None:
        filters, oh, ow = shape
        self.shape, self.channels = shape, channels
        self.together = min(_PATCHES, oh * ow // winograd.OUTPUTS**2)
        self.v_taps = blocks.steps(channels, self.together * LANES)
        self.block = size(LANES), size(2)
        a_part = winograd.part_size(channels, self.together) + winograd.part_size(filters, self.together)
        self.room = winograd_squares.PARTS * (a_part + channels * filters)
        self.shares = np.zeros((shares, 9 * channels, filters), dtype)

    def add(
        self, share: int, dz: np.ndarray, dz_places: Places, x: np.ndarray, x_first: Places, begin: int, end: int
    ) -> None:
        """As ``DirectGradient.add``."""
        winograd_squares.kernel_gradient(
            self.shares[share], dz, dz_places, x, x_first, self.v_taps, workspace(self.room, self.shares.dtype),
            self.shape, self.channels, self.together, begin, end, *self.block,
        )  # fmt: skip
