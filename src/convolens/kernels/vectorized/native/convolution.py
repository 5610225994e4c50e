"""Convolution on native arrays without columns for the kernel's height.

``x`` is copied ``kw`` times, shifted by each column of the kernel: ``shifted[h, q, c, j, n] = x[h, c, s*j + d*q, n]``.
The cells of image row ``h`` under all columns of the kernel are then neighbours in memory, and so are the ``kh`` rows
under it: the columns of output row ``i`` are a *view*, of shape ``(kh * kw * c, ow * n)``, and one product

    y[i] = w.T @ shifted[i : i + kh]                     (f, kh * kw * c) @ (kh * kw * c, ow * n)

per output row gives the next layer's input in its layout. Where im2col copies ``kh * kw`` times, this copies ``kw``
times. The gradient of the shifted copies is the same kind of product on views of ``dz``, with the rows of the kernel
reversed; ``dx`` adds them up, ``kw`` times.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.kernels import geometry
from convolens.kernels.geometry import Pads, Pair
from convolens.kernels.vectorized.native.products import multiply, sum_of_products
from convolens.kernels.vectorized.threads import by_rows

__all__ = ["Convolution"]

_GROUPS = 8
"""Partial sums of ``dw``: fixed, so that their order does not depend on the number of threads."""
_SCRATCH_BYTES = 1 << 19
"""Room for the gradient of some rows' shifted copies: half a second-level cache."""


class Convolution:
    """A convolution of one shape, with the buffers it needs.

    Args:
        shape: of the input, ``(n, h, w, c)``.
        kernel_shape: ``(kh, kw, c, f)``.
        strides: ``(vertical, horizontal)``.
        pads: ``((top, bottom), (left, right))``.
        dilation: horizontal distance between taps.
        need_dx: whether ``dx`` is wanted.
        dtype: of all arrays.

    Attributes:
        output: ``(oh, f, ow, n)``.
        dz: where the gradient by the output has to be written before ``backward``.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        kernel_shape: tuple[int, ...],
        strides: Pair,
        pads: Pads,
        dilation: int,
        need_dx: bool,
        dtype: Any,
    ) -> None:
        n, h, w, c = shape
        kh, kw, _, f = kernel_shape
        (top, bottom), (left, right) = pads
        oh, ow = geometry.output_size((h, w), (kh, kw), strides, pads, (1, dilation))
        self.output = oh, f, ow, n
        self.operations = oh * kh * kw * c * f * ow * n
        self._kernel_shape, self._strides, self._top = (kh, kw, c, f), strides, top
        self._taps = [
            (tap.column, tap.outputs[1], tap.inputs[1])
            for tap in geometry.taps((1, w), (1, ow), (1, kw), (1, strides[1]), ((0, 0), (left, right)), (1, dilation))
        ]
        self._shifted = np.zeros((top + h + bottom, kw, c, ow, n), dtype)
        self._inside = self._shifted[top : top + h]
        self._windows = _overlapping_rows(self._shifted, kh * kw * c, ow * n)[:: strides[0]][:oh]

        self._reach = -(-kh // strides[0]) - 1 if need_dx else 0  # rows of dz around that the first and last dx see
        self._dz = np.zeros((oh + 2 * self._reach, f, ow, n), dtype)
        self.dz = self._dz[self._reach : self._reach + oh]
        self._dx = np.zeros((h, c, w, n) if need_dx else (0, c, w, n), dtype)
        self._dw = np.empty((min(oh, _GROUPS), kh * kw * c, f), dtype)

    def load(self, x: np.ndarray) -> None:
        """Make the shifted copies of ``x``."""

        def shift(rows: slice) -> None:
            for column, outputs, inputs in self._taps:
                self._inside[rows, column, :, outputs] = x[rows, :, inputs]

        by_rows(len(x), x.size * len(self._taps), shift)

    def multiply(self, w: np.ndarray, rows: slice, out: np.ndarray) -> None:
        """Write the given rows of the output, of the ``x`` that was loaded."""
        oh, f, ow, n = self.output
        multiply(w.reshape(-1, f).T, self._windows[rows], out=out.reshape(oh, f, ow * n)[rows])

    def backward_kernel(self, out: np.ndarray | None) -> np.ndarray:
        """Return ``dw`` for ``dz``, written to ``out`` if given."""
        oh, f, ow, n = self.output
        dz = self.dz.reshape(oh, f, ow * n)
        groups = len(self._dw)

        def partial_sums(some: slice) -> None:
            for group in range(some.start, some.stop):
                rows = slice(oh * group // groups, oh * (group + 1) // groups)
                sum_of_products(self._windows[rows], dz[rows], out=self._dw[group])

        by_rows(groups, self.operations, partial_sums)
        return np.sum(self._dw.reshape(groups, *self._kernel_shape), axis=0, out=out)

    def backward_input(self, w: np.ndarray) -> np.ndarray:
        """Return ``dx`` for ``dz``; it lies in a buffer.

        Padded row ``q * s + phase`` was met by the kernel's rows ``phase``, ``phase + s``, ... when they made output
        rows ``q``, ``q - 1``, ...
        """
        h, c, _, _ = self._dx.shape
        kh, kw, _, f = self._kernel_shape
        oh, _, ow, n = self.output
        stride = self._strides[0]
        for phase in range(min(stride, kh)):
            taps = w[phase::stride]
            count = len(taps)
            matrix = taps[::-1].transpose(1, 2, 0, 3).reshape(kw * c, count * f)
            windows = _overlapping_rows(self._dz, count * f, ow * n)[self._reach - count + 1 :]
            first = -((phase - self._top) // stride)
            last = min((self._top + h - 1 - phase) // stride, oh + count - 2)
            start = first * stride + phase - self._top
            dx = self._dx[start::stride][: max(last + 1 - first, 0)]
            self._add_shifted(matrix, windows[first : last + 1], dx)
        return self._dx

    def _add_shifted(self, matrix: np.ndarray, windows: np.ndarray, dx: np.ndarray) -> None:
        """Write ``dx``, row by row the sum of its shifted copies' gradients, ``matrix @ windows``."""
        _, kw, c, ow, n = self._shifted.shape
        step = max(1, _SCRATCH_BYTES // (len(matrix) * ow * n * dx.itemsize))

        def add(rows: slice) -> None:
            for start in range(rows.start, rows.stop, step):
                some = slice(start, min(start + step, rows.stop))
                dx[some] = 0
                d_shifted = np.empty((some.stop - some.start, kw, c, ow, n), dx.dtype)
                multiply(matrix, windows[some], out=d_shifted.reshape(len(d_shifted), kw * c, ow * n))
                for column, outputs, inputs in self._taps:
                    dx[some, :, inputs] += d_shifted[:, column, :, outputs]

        by_rows(len(dx), self.operations, add)


def _overlapping_rows(array: np.ndarray, height: int, width: int) -> np.ndarray:
    """View a contiguous ``(rows, ...)`` array as one ``(height, width)`` matrix beginning at each row.

    The last matrices would end past the array; they are left out.
    """
    cells = array[0].size
    count = (array.size - height * width) // cells + 1
    strides = cells * array.itemsize, width * array.itemsize, array.itemsize
    return np.lib.stride_tricks.as_strided(array, (max(count, 0), height, width), strides)
