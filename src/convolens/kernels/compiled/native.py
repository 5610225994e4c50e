"""Native steps: a segment of the network, run tile by tile on several threads.

A thread takes a range of tiles through one stage after another, so that what a stage wrote is still in the cache when
the next reads it. Sums over the batch are split into shares by the size of the batch alone and added in a fixed order:
the number of threads changes no bit of any result.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from convolens import config
from convolens.kernels.compiled.lanes import LANES
from convolens.kernels.compiled.small import SmallSegment, is_small
from convolens.kernels.compiled.stages import build
from convolens.kernels.compiled.stages.base import Room, Stage, keyed_parameters
from convolens.kernels.compiled.stages.normalization import BatchNormalizationStage
from convolens.kernels.compiled.threads import Offers, own_shares, parallel
from convolens.kernels.compiled.tiles import Tiles, flat, from_tile, padded, tiles_of
from convolens.kernels.operations import Operation
from convolens.kernels.rows import Rows

__all__ = ["Portions", "Segment", "native_step"]

_SHARES = 8  # also the most threads that one segment keeps busy
_IN_CACHE = 1 << 18  # bytes of one stage's output that a thread works on at once
_IN_LAST_CACHE = 1 << 24  # bytes of all stages that are predicted at once

Work = Callable[[int, int, int, int], None]  # of (worker, share, begin, end)
_Span = tuple[int, int, int]  # share, begin, end


def native_step(
    chain: Sequence[Operation],
    shape: tuple[int, ...],
    *,
    layout: str,
    training: bool,
    need_dx: bool,
    dtype: Any,
    gradients: bool = True,
) -> Segment | SmallSegment | Portions | None:
    """Return a step for the longest beginning of the chain that can run here, or None if there is none worth it."""
    if 0 in shape:
        return None
    stages, count, output_shape = build(chain, shape, training)
    if not stages or not any(stage.products for stage in stages):
        return None

    predicts = not training and not gradients

    def in_tiles(images: int = shape[0]) -> Segment:
        stages, *_ = build(chain, shape, training, folded=predicts)
        shapes = (images, *shape[1:]), (images, *output_shape[1:])
        return Segment(stages, count, *shapes, need_dx=need_dx, dtype=dtype, gradients=not predicts)

    if is_small(shape[0], stages, training):
        return SmallSegment(stages, count, shape, output_shape, dtype, in_tiles)
    together = _images_together(stages, np.dtype(dtype)) if predicts else shape[0]
    return Portions(in_tiles, shape[0], together) if together < shape[0] else in_tiles()


def _images_together(stages: Sequence[Stage], dtype: np.dtype[Any]) -> int:
    """Return how many images are predicted at once, so that what they leave stays in a cache: whole shares of tiles."""
    tile = sum(prod(shape) for stage in stages for shape in (stage.shape, stage.output_shape)) * LANES * dtype.itemsize
    return max(1, _IN_LAST_CACHE // (tile * _SHARES)) * _SHARES * LANES


class Segment:
    """Some stages one after another, from channels-last arrays to a channels-last array.

    Args:
        stages: what runs.
        count: how many operations of the chain that is.
        shape: the channels-last shape of the input, batch size included.
        output_shape: that of the output.
        need_dx: whether the gradient by the input is wanted.
        dtype: of all arrays.
        gradients: whether backward may be called.
    """

    input_layout = output_layout = "plain"
    takes_rows = True

    def __init__(
        self,
        stages: list[Stage],
        count: int,
        shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        *,
        need_dx: bool,
        dtype: Any,
        gradients: bool = True,
    ) -> None:
        self.stages = stages
        self.count = count
        self.name = " + ".join(word for stage in stages for word in stage.words)
        self.shape, self.output_shape = shape, output_shape
        self.need_dx, self.with_gradients = need_dx, gradients
        for number, stage in enumerate(stages):
            stage.need_dx = need_dx or number > 0
            following = stages[number + 1] if number + 1 < len(stages) else None
            stage.before_dense = following is not None and following.pads is None
            stage.before_normalization = isinstance(following, BatchNormalizationStage)
        self.parameters = keyed_parameters(stages)
        self.destinations: dict[str, np.ndarray] = {}
        self._in_use = threading.Lock()  # two threads of a user may predict with one model
        self._allocate(np.dtype(dtype))

    # Buffers.

    def _allocate(self, dtype: np.dtype[Any]) -> None:
        images = self.shape[0]
        tiles = tiles_of(images)
        largest = max(stage.output_shape[0] * stage.output_shape[1] * stage.output_shape[2] for stage in self.stages)
        shares = min(tiles, _SHARES)
        span = max(1, min(tiles // shares, _IN_CACHE // (largest * LANES * dtype.itemsize)))
        self.room = Room(images, tiles, shares, span, shares, dtype, self.with_gradients)
        self.spans = [
            _spans(share, share * tiles // shares, (share + 1) * tiles // shares, span) for share in range(shares)
        ]
        stages = self.stages
        values = [
            Tiles.new(
                tiles, stage.shape, flat(stage.shape) if stage.pads is None else padded(stage.shape, stage.pads), dtype
            )
            for stage in stages
        ]
        last = stages[-1].output_shape
        values.append(Tiles.new(tiles, last, flat(last), dtype))
        for stage, x, y in zip(stages, values[:-1], values[1:], strict=True):
            stage.x, stage.y = x, y
            stage.allocate(self.room)
        cells = values[0].cells().size
        self.x_cells, self.y_cells = values[0].cells(), values[-1].cells()
        self.x_first = np.arange(images, dtype=np.int64) * cells
        self.gradients: list[list[Tiles]] = []
        self.forward_phases = self._forward_phases()

    def _allocate_backward(self) -> None:
        """Get room for gradients: of all tiles where more than those in work are needed, else of those, per thread."""
        room = self.room
        first = self.stages[0]
        entry = flat(first.shape) if first.pads is None else padded(first.shape)
        self.d_input = Tiles.new(room.tiles, first.shape, entry, room.dtype) if self.need_dx else None
        self.dy_first = np.arange(room.images, dtype=np.int64) * self.y_cells.size
        for stage, following in zip(self.stages, [*self.stages[1:], None], strict=True):
            whole = stage.whole_gradient or following is None or following.whole_range
            tiles = room.tiles if whole else room.span
            places = stage.gradient_places()
            if following is not None and following.in_place and not stage.relu and places == stage.y.places:
                new = [stage.y]  # the least memory moved: a cell's gradient is written where the cell was read
            else:
                several = range(1 if whole else room.workers)
                new = [Tiles.new(tiles, stage.output_shape, places, room.dtype) for _ in several]
            self.gradients.append(new)
            stage.allocate_backward(room)
        self.dy_cells = self.gradients[-1][0].cells()
        self.backward_phases = self._backward_phases()

    # The order of work: phases that all threads finish before the next, each of works for few tiles or for all.

    def _forward_phases(self) -> list[_Phase]:
        phases = [_Phase()]
        for stage in self.stages:
            if stage.barrier:
                phases[-1].add(partial(_gather, stage))
                phases.append(_Phase(partial(_settle, stage)))
            phases[-1].add(partial(_forward, stage), stage.whole_range)
        return phases

    def _backward_phases(self) -> list[_Phase]:
        phases = [_Phase()]
        for number in range(len(self.stages) - 1, -1, -1):
            stage = self.stages[number]
            if stage.barrier_backward:
                dy = self.gradients[number][0]
                phases[-1].add(partial(_gather_backward, stage, dy))
                phases.append(_Phase(partial(_settle_backward, stage)))
            phases[-1].add(self._backward_of(number), stage.whole_range)
        return phases

    def _backward_of(self, number: int) -> Work:
        stage = self.stages[number]

        def work(worker: int, share: int, begin: int, end: int) -> None:
            dy = self._gradient(number, worker, begin)
            d_input = self._gradient(number - 1, worker, begin) if number else self.d_input
            stage.backward(worker, share, dy, d_input, begin, end)

        return work

    def _gradient(self, number: int, worker: int, begin: int) -> Tiles:
        """Return the gradient by a stage's output, as seen by this thread at work on tiles from ``begin`` on."""
        several = self.gradients[number]
        if len(several) == 1 and several[0].array.size == self.room.tiles * several[0].places[1]:
            return several[0]
        own = several[worker]
        return Tiles(own.shape, from_tile(own.places, begin), own.array)

    def _run(self, phases: list[_Phase], before: Work | None, after: Work | None) -> None:
        workers = min(config.get_num_threads(), self.room.shares)
        for number, phase in enumerate(phases):
            phase.settle()
            blocks = list(phase.blocks)
            if before is not None and number == 0:
                blocks[0] = (blocks[0][0], [before, *blocks[0][1]])
            if after is not None and number == len(phases) - 1:
                blocks[-1] = (blocks[-1][0], [*blocks[-1][1], after])
            offers = [Offers(workers) for _ in blocks]

            def work(worker: int, blocks: list[Any] = blocks, offers: list[Offers] = offers) -> None:
                shares = own_shares(self.room.shares, worker, workers)
                for (whole_range, works), offered in zip(blocks, offers, strict=True):
                    if whole_range:
                        self._work(works, worker, self._range_of(shares))
                        continue
                    taken = []
                    for share in offered.taken(worker, shares):
                        self._work(works, worker, self.spans[share])
                        taken.append(share)
                    shares = taken

            parallel(work, workers)

    def _range_of(self, shares: list[int]) -> list[_Span]:
        """Return neighbouring shares as one span."""
        return [(0, self.spans[min(shares)][0][1], self.spans[max(shares)][-1][2])] if shares else []

    @staticmethod
    def _work(works: list[Work], worker: int, spans: list[_Span]) -> None:
        for span in spans:
            for one in works:
                one(worker, *span)

    # What the plan calls.

    def _images(self, x: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return a flat array that holds the images, and where each begins."""
        if isinstance(x, Rows) and _is_owned(x.array, self.room.dtype):
            return x.array.reshape(-1), x.chosen * self.x_cells.size
        return _owned(np.asarray(x), self.room.dtype).reshape(-1), self.x_first

    def forward(self, x: np.ndarray | Rows, *, training: bool, rng: Any) -> tuple[np.ndarray, Any]:
        """Return the output, in fresh memory, and no cache: what backward needs stays in the buffers."""
        images, first = self._images(x)
        y = np.empty((len(x), self.y_cells.size), self.room.dtype)
        source, target = self.stages[0].x, self.stages[-1].y

        def enter(worker: int, share: int, begin: int, end: int) -> None:
            source.enter(images, self.x_cells, first, begin, end)

        def leave(worker: int, share: int, begin: int, end: int) -> None:
            target.leave(y, self.y_cells, begin, end)

        with self._in_use:
            for stage in self.stages:
                stage.prepare()
            self._run(self.forward_phases, enter, leave)
        return y.reshape(self.output_shape), None

    def backward(
        self, d_output: np.ndarray, cache: Any, need_dx: bool = True
    ) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return the gradient by the input of the last forward, and those by parameter."""
        if not self.gradients:
            self._allocate_backward()
        given = _owned(d_output, self.room.dtype).reshape(-1)
        for stage in self.stages:
            stage.prepare_backward()
        dy = self.gradients[-1][0]

        def enter(worker: int, share: int, begin: int, end: int) -> None:
            dy.enter(given, self.dy_cells, self.dy_first, begin, end)

        self._run(self.backward_phases, enter, None)
        for number, stage in enumerate(self.stages):
            stage.finish(self.gradients[number][0], self.destinations)
        parts = min(config.get_num_threads(), _SHARES)

        def finish(part: int) -> None:
            for stage in self.stages:
                stage.finish_part(part, parts)

        parallel(finish, parts)
        found: dict[str, np.ndarray] = {}
        for stage in self.stages:
            found |= stage.gradients(self.destinations)
        if self.d_input is None:
            return None, found
        dx = np.empty((len(d_output), self.x_cells.size), self.room.dtype)
        self.d_input.leave(dx, self.d_input.cells(), 0, self.room.tiles)
        return dx.reshape(self.shape), found

    def update_state(self, cache: Any) -> None:
        """Move the moving averages of batch normalisations."""
        for stage in self.stages:
            if stage.operation.update_state is not None:
                stage.operation.update_state(stage.cache())


class Portions:
    """As ``Segment``, for predicting many images: portion by portion, in the same buffers.

    Args:
        make: makes a segment for so many images.
        images: how many there are.
        together: how many are predicted at once.
    """

    def __init__(self, make: Callable[[int], Segment], images: int, together: int) -> None:
        self.portion = make(together)
        self.rest = make(images % together) if images % together else None
        self.name, self.count = self.portion.name, self.portion.count
        self.input_layout = self.output_layout = "plain"
        self.takes_rows = False
        self.parameters, self.destinations = self.portion.parameters, self.portion.destinations
        self.together = together

    def forward(self, x: np.ndarray, *, training: bool, rng: Any) -> tuple[np.ndarray, Any]:
        """Return the output, in fresh memory, and no cache."""
        parts = []
        for begin in range(0, len(x), self.together):
            part = x[begin : begin + self.together]
            segment = self.portion if len(part) == self.together or self.rest is None else self.rest
            parts.append(segment.forward(part, training=training, rng=rng)[0])
        return np.concatenate(parts), None

    def backward(self, d_output: np.ndarray, cache: Any, need_dx: bool = True) -> Any:
        """Nothing asks for it: such a step is made only where no gradient is wanted."""
        raise NotImplementedError

    def update_state(self, cache: Any) -> None:
        """Nothing moves in prediction."""


class _Phase:
    """Works that each thread does on its own tiles, after ``settle``; blocks of them for a few tiles or for all."""

    def __init__(self, settle: Callable[[], None] = lambda: None) -> None:
        self.settle = settle
        self.blocks: list[tuple[bool, list[Work]]] = []

    def add(self, work: Work, whole_range: bool = False) -> None:
        if not self.blocks or self.blocks[-1][0] != whole_range:
            self.blocks.append((whole_range, []))
        self.blocks[-1][1].append(work)


# A stage's methods are looked up when they are called, so that a profiler may exchange them.


def _forward(stage: Stage, worker: int, share: int, begin: int, end: int) -> None:
    stage.forward(begin, end)


def _gather(stage: Stage, worker: int, share: int, begin: int, end: int) -> None:
    stage.gather(begin, end)


def _settle(stage: Stage) -> None:
    stage.settle()


def _gather_backward(stage: Stage, dy: Tiles, worker: int, share: int, begin: int, end: int) -> None:
    stage.gather_backward(dy, begin, end)


def _settle_backward(stage: Stage) -> None:
    stage.settle_backward()


def _spans(share: int, begin: int, end: int, span: int) -> list[_Span]:
    return [(share, start, min(start + span, end)) for start in range(begin, end, span)]


def _is_owned(array: np.ndarray, dtype: np.dtype[Any]) -> bool:
    """Return whether an array is as kernels were compiled for it: of that type, contiguous, and not read-only."""
    return array.dtype == dtype and array.flags.c_contiguous and array.flags.writeable


def _owned(array: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    return array if _is_owned(array, dtype) else np.array(array, dtype, order="C")
