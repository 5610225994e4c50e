"""The ways to convolve, direct and Winograd's two, behind the same methods; which one is decided here, by shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from convolens.kernels.compiled import blocks, convolution, winograd, winograd_rows, winograd_squares
from convolens.kernels.compiled.lanes import LANES, size
from convolens.kernels.compiled.threads import workspace
from convolens.kernels.compiled.tiles import Places, Shape
from convolens.kernels.geometry import Pair

__all__ = ["Direct", "WinogradRows", "WinogradSquares", "products_for"]

_PATCHES = 4  # at work at once: with more, what their parts take leaves the second cache


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
    window: tuple[int, int, int, int] = (1, 1, 0, 0),
) -> Direct | WinogradRows | WinogradSquares:
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
        settled: whether the sum of a window of zeros must be zero, not what rounding leaves of its neighbours, in
            every way: where a rectifier or a maximum comes next, the gradient goes by it.
        window: of the maxima that are taken, as for ``windows``.
    """
    given = (shape, channels, kernel, strides, dilation, dtype)
    if winograd.squares_pay(*given) and _in_patches(shape, window):
        return WinogradSquares(shape, channels, dtype, turned, settled)
    if winograd.rows_pay(*given):
        return WinogradRows(shape, channels, kernel, dtype, turned, settled)
    return Direct(shape, channels, places, kernel, strides, dilation, rows, dtype, turned)


def _in_patches(shape: Shape, window: tuple[int, int, int, int]) -> bool:
    """Whether windows divide a patch of 4 x 4 outputs and the whole output."""
    ph, pw, top, left = window
    divide = 4 % ph == 0 == 4 % pw and shape[1] % ph == 0 == shape[2] % pw
    return divide and top == 0 == left


def _sizes(shape: Shape, kernel: Pair, settled: bool) -> int:
    """Return the room for the sizes of the inputs of all windows, if sums of zeros are to be zero."""
    _, oh, ow = shape
    return (oh + kernel[0] - 1) * (ow + kernel[1] - 1) * LANES if settled else 0


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


class _Winograd:
    """What both of Winograd's ways have."""

    u: np.ndarray
    transform: Callable[[np.ndarray, np.ndarray, np.ndarray], None]

    def __init__(self, shape: Shape, channels: int, width: int, dtype: Any, turned: bool, settled: bool) -> None:
        self.shape, self.channels, self.turned = shape, channels, turned
        self.g, self.dtype = winograd.taps_matrix(width, dtype), np.dtype(dtype)
        self.of_zeros = np.zeros(shape[0] if settled else 0, dtype)

    def pack(self, w: np.ndarray) -> None:
        """Take the kernel, and what each filter gives for a window of zeros: NaN where the kernel is not finite."""
        if self.turned:
            w = np.ascontiguousarray(w[::-1, ::-1].swapaxes(2, 3))
        if self.of_zeros.size:
            self.of_zeros[...] = np.where(np.isfinite(w).all(axis=(0, 1, 2)), 0, np.nan)
        self.transform(self.u, w, self.g)


class WinogradRows(_Winograd):
    """Products of transformed rows. Arguments as for ``products_for``."""

    transform = staticmethod(winograd_rows.pack)

    def __init__(self, shape: Shape, channels: int, kernel: Pair, dtype: Any, turned: bool, settled: bool) -> None:
        filters, _, ow = shape
        self.kh, kw = kernel
        super().__init__(shape, channels, kw, dtype, turned, settled)
        parts, patches = winograd.parts_of(kw), -(-ow // winograd.OUTPUTS)
        self.kw = size(kw)
        self.block = blocks.forward_block(filters, patches, dtype)
        width, columns = map(len, self.block)
        taps = self.kh * channels
        self.u = np.zeros((parts, -(-filters // width), taps, width), dtype)
        self.u_taps = np.tile(blocks.steps(taps, width), self.kh)
        channel = parts * columns * LANES
        row = winograd_rows.row_size(channels, ow, kw, columns)
        self.room = self.kh * row + parts * winograd.part_size(filters, columns) + _sizes(shape, kernel, settled)
        # The transformed rows are kept in turns: the window's first row is that of the output's row, modulo kh.
        rows = (np.arange(self.kh)[:, None] + np.arange(self.kh)) % self.kh * row
        self.v_taps = (rows[:, :, None] + np.arange(channels) * channel).ravel()  # (turn, kh, c)

    def convolve(
        self, y: np.ndarray, y_places: Places, x: np.ndarray, x_first: Places, b: np.ndarray, lowest: Any,
        begin: int, end: int,
    ) -> None:  # fmt: skip
        """As ``Direct.convolve``."""
        room = workspace(self.room, self.dtype)
        winograd_rows.convolve(
            y, y_places, x, x_first, self.v_taps, self.u, self.u_taps, b, lowest, room, self.of_zeros, self.shape,
            self.channels, self.kh, begin, end, self.kw, *self.block,
        )  # fmt: skip

    def convolve_pool(
        self, p: np.ndarray, p_places: Places, winners: np.ndarray, x: np.ndarray, x_first: Places, b: np.ndarray,
        lowest: Any, pooling: tuple[Any, Any, Pair], begin: int, end: int,
    ) -> None:  # fmt: skip
        """As ``Direct.convolve_pool``."""
        filters, _, ow = self.shape
        room = workspace(self.room + filters * pooling[0][0] * ow * LANES, self.dtype)
        winograd_rows.convolve_pool(
            p, p_places, winners, x, x_first, self.v_taps, self.u, self.u_taps, b, lowest, room, self.of_zeros,
            self.shape, self.channels, self.kh, *pooling, begin, end, self.kw, *self.block,
        )  # fmt: skip


class WinogradSquares(_Winograd):
    """Products of transformed squares. Arguments as for ``products_for``."""

    transform = staticmethod(winograd_squares.pack)

    def __init__(self, shape: Shape, channels: int, dtype: Any, turned: bool, settled: bool) -> None:
        filters, oh, ow = shape
        super().__init__(shape, channels, 3, dtype, turned, settled)
        patches = -(-oh // winograd.OUTPUTS) * -(-ow // winograd.OUTPUTS)
        self.block = blocks.forward_block(filters, patches, dtype, most=_PATCHES)
        width, columns = map(len, self.block)
        self.u = np.zeros((winograd_squares.PARTS, -(-filters // width), channels, width), dtype)
        self.u_taps, self.v_taps = blocks.steps(channels, width), blocks.steps(channels, columns * LANES)
        a_part = winograd.part_size(channels, columns) + winograd.part_size(filters, columns)
        self.room = winograd_squares.PARTS * a_part + _sizes(shape, (3, 3), settled)

    def convolve(
        self, y: np.ndarray, y_places: Places, x: np.ndarray, x_first: Places, b: np.ndarray, lowest: Any,
        begin: int, end: int,
    ) -> None:  # fmt: skip
        """As ``Direct.convolve``."""
        winograd_squares.convolve(
            y, y_places, x, x_first, self.v_taps, self.u, self.u_taps, b, lowest, workspace(self.room, self.dtype),
            self.of_zeros, self.shape, self.channels, begin, end, *self.block,
        )  # fmt: skip

    def convolve_pool(
        self, p: np.ndarray, p_places: Places, winners: np.ndarray, x: np.ndarray, x_first: Places, b: np.ndarray,
        lowest: Any, pooling: tuple[Any, Any, Pair], begin: int, end: int,
    ) -> None:  # fmt: skip
        """As ``Direct.convolve_pool``."""
        winograd_squares.convolve_pool(
            p, p_places, winners, x, x_first, self.v_taps, self.u, self.u_taps, b, lowest,
            workspace(self.room, self.dtype), self.of_zeros, self.shape, self.channels, *pooling,
            begin, end, *self.block,
        )  # fmt: skip
