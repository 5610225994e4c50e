"""The two ways to convolve, direct and Winograd's, behind the same methods; which one is decided here, by shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.kernels.compiled import blocks, convolution, winograd
from convolens.kernels.compiled.lanes import LANES, size
from convolens.kernels.compiled.threads import workspace
from convolens.kernels.compiled.tiles import Places, Shape
from convolens.kernels.geometry import Pair

__all__ = ["Direct", "Winograd", "products_for"]


def products_for(
    shape: Shape,
    channels: int,
    places: Places,
    *,
    kernel: Pair,
    strides: Pair,
    dilation: Pair,
    rows: Pair,
    dtype: Any,
    turned: bool = False,
    settled: bool = False,
) -> Direct | Winograd:
    """Return how to convolve.

    Args:
        shape: ``(f, oh, ow)`` of the output.
        channels: of the input.
        places: of the input's cells.
        kernel: ``(kh, kw)``.
        strides: ``(vertical, horizontal)``.
        dilation: likewise.
        rows: ``(zeros above the input, its rows)``.
        dtype: of all arrays.
        turned: whether it is the gradient by the input that is computed, from the one by the output.
        settled: whether a sum whose terms are all zero must be zero, not what rounding leaves, in every way: where a
            rectifier or a maximum comes next, the gradient goes by it.
    """
    if winograd.pays(shape, channels, kernel, strides, dilation, dtype):
        return Winograd(shape, channels, kernel, dtype, turned, settled)
    return Direct(shape, channels, places, kernel, strides, dilation, rows, dtype, turned)


class Direct:
    """Sums over all taps. Arguments as for ``products_for``."""

    def __init__(
        self,
        shape: Shape,
        channels: int,
        places: Places,
        kernel: Pair,
        strides: Pair,
        dilation: Pair,
        rows: Pair,
        dtype: Any,
        turned: bool,
    ) -> None:
        (kh, kw), (dh, dw) = kernel, dilation
        _, _, channel, row, column = places
        self.shape, self.strides = shape, strides
        self.block = blocks.forward_block(shape[0], shape[2], dtype)
        taps, width = channels * kh * kw, len(self.block[0])
        self.packed = np.zeros((-(-shape[0] // width), taps, width), dtype)
        self.x_taps = blocks.offsets((kh, dh * row), (channels, channel), (kw, dw * column))
        self.x_rows = (*rows, kh, dh)
        self.w_taps = blocks.steps(taps, width)
        self._pack = convolution.pack_flipped if turned else convolution.pack

    def pack(self, w: np.ndarray) -> None:
        """Take the kernel."""
        self._pack(self.packed, w)

    def convolve(
        self, y: np.ndarray, y_places: Places, x: np.ndarray, x_first: Places, b: np.ndarray, lowest: Any,
        begin: int, end: int,
    ) -> None:  # fmt: skip
        """Convolve some tiles; ``x_first`` are the input's places from the first window's first cell."""
        convolution.convolve(
            y, y_places, x, x_first, self.x_taps, self.x_rows, self.strides, self.packed, self.w_taps, b, lowest,
            self.shape, begin, end, *self.block,
        )  # fmt: skip

    def convolve_pool(
        self, p: np.ndarray, p_places: Places, winners: np.ndarray, x: np.ndarray, x_first: Places, b: np.ndarray,
        lowest: Any, pooling: tuple[Any, Any, Pair], begin: int, end: int,
    ) -> None:  # fmt: skip
        """Convolve some tiles and take maxima; ``pooling`` is ``(window, written, pooled)`` of ``windows``."""
        convolution.convolve_pool(
            p, p_places, winners, x, x_first, self.x_taps, self.x_rows, self.strides, self.packed, self.w_taps, b,
            lowest, self.shape, *pooling, begin, end, *self.block,
        )  # fmt: skip


class Winograd:
    """Products of transformed rows. Arguments as for ``products_for``."""

    def __init__(self, shape: Shape, channels: int, kernel: Pair, dtype: Any, turned: bool, settled: bool) -> None:
        filters, _, ow = shape
        self.kh, kw = kernel
        self.shape, self.channels, self.turned, self.settled = shape, channels, turned, int(settled)
        parts, patches = winograd.parts_of(kw), -(-ow // winograd.OUTPUTS)
        self.kw, self.g = size(kw), winograd.taps_matrix(kw, dtype)
        self.block = blocks.forward_block(filters, patches, dtype)
        width, columns = map(len, self.block)
        taps = self.kh * channels
        self.u = np.zeros((parts, -(-filters // width), taps, width), dtype)
        self.u_taps = np.tile(blocks.steps(taps, width), self.kh)
        channel = parts * columns * LANES
        row = winograd.row_size(channels, ow, kw, columns)
        self.room = self.kh * row + parts * winograd.part_size(filters, columns)
        self.dtype = np.dtype(dtype)
        # The transformed rows are kept in turns: the window's first row is that of the output's row, modulo kh.
        rows = (np.arange(self.kh)[:, None] + np.arange(self.kh)) % self.kh * row
        self.v_taps = (rows[:, :, None] + np.arange(channels) * channel).ravel()  # (turn, kh, c)

    def pack(self, w: np.ndarray) -> None:
        """Take the kernel."""
        if self.turned:
            w = np.ascontiguousarray(w[::-1, ::-1].swapaxes(2, 3))
        winograd.pack_winograd(self.u, w, self.g)

    def convolve(
        self, y: np.ndarray, y_places: Places, x: np.ndarray, x_first: Places, b: np.ndarray, lowest: Any,
        begin: int, end: int,
    ) -> None:  # fmt: skip
        """As ``Direct.convolve``."""
        room = workspace(self.room, self.dtype)
        winograd.winograd(
            y, y_places, x, x_first, self.v_taps, self.u, self.u_taps, b, lowest, room, self.shape, self.channels,
            self.kh, begin, end, self.kw, size(self.settled), *self.block,
        )  # fmt: skip

    def convolve_pool(
        self, p: np.ndarray, p_places: Places, winners: np.ndarray, x: np.ndarray, x_first: Places, b: np.ndarray,
        lowest: Any, pooling: tuple[Any, Any, Pair], begin: int, end: int,
    ) -> None:  # fmt: skip
        """As ``Direct.convolve_pool``."""
        filters, _, ow = self.shape
        room = workspace(self.room + filters * pooling[0][0] * ow * LANES, self.dtype)
        winograd.winograd_pool(
            p, p_places, winners, x, x_first, self.v_taps, self.u, self.u_taps, b, lowest, room, self.shape,
            self.channels, self.kh, *pooling, begin, end, self.kw, size(self.settled), *self.block,
        )  # fmt: skip
