"""Prediction for a few images: the stages of a segment, one after another, with pixels in the lanes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any, cast

import numpy as np

from convolens import config
from convolens.kernels import geometry
from convolens.kernels.compiled import blocks, lines
from convolens.kernels.compiled.lanes import LANES
from convolens.kernels.compiled.stages.base import Stage, keyed_parameters
from convolens.kernels.compiled.stages.convolution import ConvolutionStage
from convolens.kernels.compiled.stages.dense import DenseStage
from convolens.kernels.compiled.stages.normalization import BatchNormalizationStage, PoolStage
from convolens.kernels.compiled.threads import parallel, workspace

__all__ = ["SmallSegment", "is_small"]

_WORTH_A_THREAD = 3_000_000  # multiply-adds
_WORTH_SHARES = 1_000_000  # numbers of a dense kernel: it is memory that takes the time
_SHARES = 4  # of a dense layer's sums, whatever the number of threads

Work = Callable[[int, int], None]


def is_small(images: int, stages: list[Stage], training: bool) -> bool:
    """Whether so few images are predicted faster one by one than as a tile. The one place where this is decided."""
    convolutions = [stage for stage in stages if isinstance(stage, ConvolutionStage)]
    return not training and images < LANES and all(stage.strides[1] == 1 for stage in convolutions)


class SmallSegment:
    """As ``Segment``, for prediction; a gradient, which nobody should want of it, is left to a ``Segment``.

    Args:
        stages: what runs.
        count: how many operations of the chain that is.
        shape: the channels-last shape of the input.
        output_shape: that of the output.
        dtype: of all arrays.
        in_tiles: makes the ``Segment``.
    """

    input_layout = output_layout = "plain"
    takes_rows = False

    def __init__(
        self,
        stages: list[Stage],
        count: int,
        shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        dtype: Any,
        in_tiles: Callable[[], Any],
    ) -> None:
        self.stages, self.count = stages, count
        self.name = " + ".join(word for stage in stages for word in stage.words)
        self.shape, self.output_shape = shape, output_shape
        self.dtype = np.dtype(dtype)
        self.in_tiles = in_tiles
        self.parameters = keyed_parameters(stages)
        self.destinations: dict[str, np.ndarray] = {}
        self._works: list[Callable[[], None]] = []
        self._in_use = threading.Lock()
        self._make()

    def _make(self) -> None:
        """Get the buffers and the calls that lead from each to the next."""
        images, stages = self.shape[0], self.stages
        for stage in stages:
            stage.lowest = self.dtype.type(0 if stage.relu else -np.inf)
            stage.zeros = np.zeros(stage.output_shape[0], self.dtype)
        source: Any = self._image_buffer(stages[0])
        self._entry = source
        convolve: Work | None = None
        size = 0
        for number, stage in enumerate(stages):
            following = stages[number + 1] if number + 1 < len(stages) else None
            if isinstance(stage, DenseStage):
                break
            z = source
            if isinstance(stage, ConvolutionStage):
                z, convolve = self._convolution(stage, source)
                size = stage.products * images
                if not stage.pools and isinstance(following, PoolStage):
                    source = z
                    continue
            source = self._image_buffer(following) if following is not None else None
            if source is None:
                self._flat = np.zeros((images, prod(stage.output_shape)), self.dtype)
            works = [work for work in (convolve, self._finish(stage, z, source)) if work is not None]
            self._add(works, stage.output_shape[0], size)
            convolve, size = None, 0
        else:
            number = len(stages)
        self._vectors = cast("list[DenseStage]", stages[number:])  # nothing else follows the first of them

    def _add(self, works: list[Work], channels: int, size: int) -> None:
        """Run these one after another, on several threads if that is worth it: each thread a range of channels."""
        if size <= _WORTH_A_THREAD:
            self._works.extend(partial(work, 0, channels) for work in works)
            return

        def on_threads() -> None:
            parts = max(1, min(config.get_num_threads(), channels // LANES))  # a block of filters each, or more

            def run(part: int) -> None:
                for work in works:
                    work(part * channels // parts, (part + 1) * channels // parts)

            parallel(run, parts)

        self._works.append(on_threads)

    def _image_buffer(self, stage: Stage | None) -> _Images | None:
        """Return room for a stage's input with its halo; None where it is to be flattened."""
        if stage is None or stage.pads is None:
            return None
        _, height, width = stage.shape
        (top, bottom), (left, right) = stage.pads
        row = left + width + right
        if isinstance(stage, ConvolutionStage):
            reach = _whole(stage.z_shape[2]) + geometry.span(stage.kernel[1], stage.dilation[1]) - 1
            row = max(row, reach)
        return _Images(self.shape[0], stage.shape, (top, left), top + height + bottom, row, self.dtype)

    def _convolution(self, stage: ConvolutionStage, x: Any) -> tuple[_Images, Work]:
        """Return room for the sums and what computes some channels of them."""
        filters, oh, ow = stage.z_shape
        channels, (kh, kw), (dh, dw) = stage.shape[0], stage.kernel, stage.dilation
        z = _Images(self.shape[0], stage.z_shape, (0, 0), oh, _whole(ow), self.dtype)
        # A stage that is finished later rectifies after its maxima.
        lowest = self.dtype.type(-np.inf) if stage.pools else stage.lowest
        (_, _, channel, row), kernel = x.places, stage.operation.parameters["kernel"]
        x_taps = blocks.offsets((kh, dh * row), (channels, channel), (kw, dw))
        w_taps = blocks.offsets((kh, kw * channels * filters), (channels, filters), (kw, channels * filters))
        x_rows = (stage.pads[0][0], stage.shape[1], kh, dh)
        block = blocks.forward_block(filters, _whole(ow) // LANES, self.dtype)
        image = x.array.shape[1]

        def work(begin: int, end: int) -> None:
            lines.convolve_lines(
                z.array.reshape(-1), z.array.shape[1], _whole(ow), x.array.reshape(-1), image, row, x_taps, x_rows,
                stage.strides[0], kernel.value.reshape(-1), w_taps, stage.bias(), lowest, stage.z_shape, self.shape[0],
                begin, end, *block,
            )  # fmt: skip

        return z, work

    def _finish(self, stage: Any, z: _Images, target: _Images | None) -> Work:
        """Return what comes after a stage's sums: an affine function, maxima, a rectifier, the way to the next."""
        rows, columns = stage.pooled
        channels = stage.output_shape[0]
        scale, shift = np.ones(channels, self.dtype), np.zeros(channels, self.dtype)
        if target is None:
            array = self._flat
            places = (0, rows * columns * channels, 1, columns * channels, channels)
        else:
            array, places = target.array, (*target.places, 1)
        z_shape = getattr(stage, "z_shape", stage.shape)
        size = _whole(z_shape[2]) + 2 * LANES
        normalizes = isinstance(stage, BatchNormalizationStage)
        if normalizes:
            stage.dtype = self.dtype
            self._works.append(stage.prepare)

        def work(begin: int, end: int) -> None:
            factors = (stage.scale, stage.shift) if normalizes else (scale, shift)
            lines.finish_lines(
                array.reshape(-1), places, z.array.reshape(-1), z.places, *factors, stage.lowest,
                z_shape, stage.window, stage.pooled, self.shape[0], workspace(size, self.dtype), begin, end,
            )  # fmt: skip

        return work

    def forward(self, x: np.ndarray, *, training: bool, rng: Any) -> tuple[np.ndarray, Any]:
        """Return the output, in fresh memory, and the input as cache."""
        if self._entry is None:
            vector = x.reshape(len(x), -1)
        else:
            with self._in_use:
                self._entry.cells[...] = x.transpose(0, 3, 1, 2)
                for work in self._works:
                    work()
                vector = self._flat.copy()
        for stage in self._vectors:
            vector = self._dense(stage, vector)
        return vector.reshape(self.output_shape), x

    def _dense(self, stage: DenseStage, x: np.ndarray) -> np.ndarray:
        """Return a dense layer's output. A large kernel is read by several threads, each some rows of it."""
        w = stage.operation.parameters["kernel"].value
        if w.size < _WORTH_SHARES or stage.units < LANES:
            y = x @ w
        else:
            shares = np.empty((_SHARES, len(x), stage.units), self.dtype)
            parts = min(config.get_num_threads(), _SHARES)

            def run(part: int) -> None:
                for share in range(part * _SHARES // parts, (part + 1) * _SHARES // parts):
                    begin, end = share * stage.inputs // _SHARES, (share + 1) * stage.inputs // _SHARES
                    lines.dense_line(shares[share], x, w.reshape(-1), begin, end)

            parallel(run, parts)
            y = shares.sum(axis=0)
        y += stage.bias()
        return np.maximum(y, 0, out=y) if stage.relu else y

    def backward(
        self, d_output: np.ndarray, cache: Any, need_dx: bool = True
    ) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Run the batch again in tiles, and back."""
        segment = self.in_tiles()
        segment.forward(cache, training=False, rng=None)
        return segment.backward(d_output, None, need_dx)

    def update_state(self, cache: Any) -> None:
        """Nothing moves in prediction."""


class _Images:
    """Images ``(n, c, h, w)`` with a halo, and a little room after the last row.

    Attributes:
        array: ``(n, elements of an image)``.
        places: ``(origin, image, channel, row)`` of the cells.
        cells: the cells as a view.
    """

    def __init__(
        self, images: int, shape: tuple[int, int, int], before: tuple[int, int], rows: int, row: int, dtype: Any
    ) -> None:
        channels, height, width = shape
        size = channels * rows * row
        self.array = np.zeros((images, size + 2 * LANES), dtype)
        self.places = (before[0] * row + before[1], self.array.shape[1], rows * row, row)
        whole = self.array[:, :size].reshape(images, channels, rows, row)
        self.cells = whole[:, :, before[0] : before[0] + height, before[1] : before[1] + width]


def _whole(width: int) -> int:
    """Return a row's width in whole vectors."""
    return -(-width // LANES) * LANES
