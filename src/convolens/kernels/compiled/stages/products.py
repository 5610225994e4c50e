"""The two ways to convolve, direct and Winograd's, behind the same methods; which one is decided here, by shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.kernels.compiled import blocks, convolution, winograd
from convolens.kernels.compiled.lanes import LANES
from convolens.kernels.compiled.tiles import Places, Shape
from convolens.kernels.geometry import Pair

__all__ = ["Direct", "Winograd", "products_for"]

_ENOUGH_CHANNELS = 16


def products_for(
    shape: Shape,
    channels: int,
    places: Places,
    *,
    kernel: Pair,
    strides: Pair,
    dilation: Pair,
    rows: Pair,
    window: tuple[int, int, int, int],
    dtype: Any,
    turned: bool = False,
) -> Direct | Winograd:
    """Return how to convolve.

    Winograd's way saves half of the time for 3 x 3 kernels of many channels; with few, its additions outweigh the
    products. It is not for float64, whose purpose is exactness.

    Args:
        shape: ``(f, oh, ow)`` of the output.
        channels: of the input.
        places: of the input's cells.
        kernel: ``(kh, kw)``.
        strides: ``(vertical, horizontal)``.
        dilation: likewise.
        rows: ``(zeros above the input, its rows)``.
        window: of the pooling after it, ``(1, 1, 0, 0)`` for none.
        dtype: of all arrays.
        turned: whether it is the gradient by the input that is computed, from the one by the output.
    """
    filters, oh, ow = shape
    fits = kernel == (3, 3) and strides == (1, 1) == dilation and min(oh, ow) >= 2
    pools = window[:2] == (1, 1) or (window[0] == 2 and window[2] == 0 and oh % 2 == 0)
    if fits and pools and min(filters, channels) >= _ENOUGH_CHANNELS and np.dtype(dtype).itemsize == 4:
        return Winograd(shape, channels, dtype, turned)
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
    """Products of transformed 4 x 4 cells. Arguments as for ``products_for``."""

    def __init__(self, shape: Shape, channels: int, dtype: Any, turned: bool) -> None:
        filters, _, ow = shape
        patches = (ow + 1) // 2
        self.shape, self.turned = shape, turned
        self.block = blocks.forward_block(filters, patches, dtype)
        width = len(self.block[0])
        self.u = np.zeros((16, -(-filters // width), channels, width), dtype)
        self.x_taps = blocks.steps(channels, patches * LANES)
        self.u_taps = blocks.steps(channels, width)

    def pack(self, w: np.ndarray) -> None:
        """Take the kernel."""
        winograd.pack_winograd(self.u, w, self.turned)

    def convolve(
        self, y: np.ndarray, y_places: Places, x: np.ndarray, x_first: Places, b: np.ndarray, lowest: Any,
        begin: int, end: int,
    ) -> None:  # fmt: skip
        """As ``Direct.convolve``."""
        winograd.winograd(
            y, y_places, x, x_first, self.x_taps, self.u, self.u_taps, b, lowest, self.shape,
            begin, end, *self.block,
        )  # fmt: skip

    def convolve_pool(
        self, p: np.ndarray, p_places: Places, winners: np.ndarray, x: np.ndarray, x_first: Places, b: np.ndarray,
        lowest: Any, pooling: tuple[Any, Any, Pair], begin: int, end: int,
    ) -> None:  # fmt: skip
        """As ``Direct.convolve_pool``."""
        winograd.winograd_pool(
            p, p_places, winners, x, x_first, self.x_taps, self.u, self.u_taps, b, lowest, self.shape,
            *pooling, begin, end, *self.block,
        )  # fmt: skip
