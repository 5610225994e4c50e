"""Batch normalisation, pooling and rectifiers on their own: maxima over windows of an affine function."""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.kernels.caches import BatchNormalizationCache
from convolens.kernels.compiled import cells, windows
from convolens.kernels.compiled.lanes import LANES
from convolens.kernels.compiled.stages.base import Room, Stage, affine, place_for
from convolens.kernels.compiled.stages.convolution import Window, window_of, winners_for, written_out
from convolens.kernels.compiled.tiles import Shape, Tiles, padded
from convolens.kernels.geometry import Pair
from convolens.kernels.operations import Operation
from convolens.variable import Variable

__all__ = ["BatchNormalizationStage", "PoolStage"]


class PoolStage(Stage):
    """``max_pool2d``, a rectifier, or both.

    Args:
        operation: the first of them.
        shape: ``(c, h, w)`` of the input.
        with_relu: whether the output is rectified.
        pool: options of a max pooling whose windows do not overlap, or None.
    """

    kept: np.ndarray | None = None

    def __init__(self, operation: Operation, shape: Shape, with_relu: bool, pool: Any = None) -> None:
        self.window: Window = (1, 1, 0, 0)
        self.pooled: Pair = shape[1:]
        if pool is not None:
            self.window, self.pooled = window_of(pool, shape[1:])
        self.written = written_out(self.window)
        super().__init__(operation, shape, (shape[0], *self.pooled), with_relu)

    def allocate(self, room: Room) -> None:
        """Get room for forward."""
        super().allocate(room)
        self.winners = winners_for(room, self.window, self.output_shape)
        self.scale, self.shift = np.ones(self.shape[0], room.dtype), np.zeros(self.shape[0], room.dtype)

    def allocate_backward(self, room: Room) -> None:
        """Get room for backward."""
        self.unused = [np.zeros(self.shape[0], room.dtype) for _ in range(room.workers)]

    def forward(self, begin: int, end: int) -> None:
        """Compute the output of some tiles."""
        windows.pool(
            self.y.array, self.y.places, self.winners, self.kept, self.x.array, self.x.places,
            self.scale, self.shift, self.lowest, self.shape, self.window, self.written, self.pooled, begin, end,
        )  # fmt: skip

    def backward(self, worker: int, share: int, dy: Tiles, d_input: Tiles | None, begin: int, end: int) -> None:
        """Add to the shares of the parameters' gradients, and write the one by the input."""
        if d_input is not None:
            windows.unpool(
                d_input.array, d_input.places, dy.array, dy.places, self.y.array, self.y.places, self.winners,
                self.unused[worker], self.relu, self.shape, self.window, self.written, self.pooled, begin, end,
            )  # fmt: skip


class BatchNormalizationStage(PoolStage):
    """``batch_normalization`` by channel, and a rectifier and max pooling after it.

    Args:
        operation: the normalisation.
        shape: ``(c, h, w)`` of the input.
        with_relu: whether the output is rectified.
        pool: options of a max pooling whose windows do not overlap, or None.
        training: whether the batch's own mean and variance are used.
    """

    whole_gradient = True
    in_place = True

    def __init__(self, operation: Operation, shape: Shape, with_relu: bool, pool: Any, training: bool) -> None:
        super().__init__(operation, shape, with_relu, pool)
        self.of_batch = training and operation.trainable
        self.barrier = self.of_batch
        self.barrier_backward = operation.trainable
        self.epsilon = operation.options["epsilon"]

    def allocate(self, room: Room) -> None:
        """Get room for forward."""
        super().allocate(room)
        channels = self.shape[0]
        self.kept = np.zeros(self.winners.size, room.dtype)  # what was normalised, where the maxima are
        self.dtype = np.dtype(room.dtype)
        self.images = room.images
        counts = np.full(room.tiles, LANES)
        counts[-1] = room.images - (room.tiles - 1) * LANES
        self.live = (np.arange(LANES) < counts[:, None]).astype(room.dtype)
        self.cells_per_tile = counts[:, None] * self.shape[1] * self.shape[2]
        self.means, self.squares = np.zeros((2, room.tiles, channels))
        self.sums = np.zeros((room.tiles, 2, channels))

    def prepare(self) -> None:
        """Read the parameters."""
        if not self.of_batch:
            self.mean, self.variance = (
                self.operation.parameters[name].value for name in ("moving_mean", "moving_variance")
            )
            self._set_affine()

    def gather(self, begin: int, end: int) -> None:
        """Take the tiles' moments."""
        cells.moments(self.means, self.squares, self.x.array, self.x.places, self.shape, self.images, begin, end)

    def settle(self) -> None:
        """Put the tiles' moments together."""
        # Chan, Golub and LeVeque's sum of the tiles' moments.
        count = self.cells_per_tile.sum()
        mean = (self.means * self.cells_per_tile).sum(axis=0) / count
        between = self.cells_per_tile * (self.means - mean) ** 2
        variance = (self.squares + between).sum(axis=0) / count
        self.mean, self.variance = mean.astype(self.dtype), variance.astype(self.dtype)
        self._set_affine()

    def _set_affine(self) -> None:
        self.inverse, scale, shift = affine(self.operation, self.mean, self.variance)
        self.scale, self.shift = scale.astype(self.dtype), shift.astype(self.dtype)

    def prepare_backward(self) -> None:
        """Get ready for gradients."""
        self.of_one = self.of_x = np.zeros_like(self.mean)

    def gather_backward(self, dy: Tiles, begin: int, end: int) -> None:
        """Take the tiles' sums of gradients."""
        kept, places = self.x.array, self.x.places
        if self.kept is not None and self.kept.size:
            kept, places = self.kept, padded(self.output_shape)
        windows.normalize_sums(
            self.sums, dy.array, dy.places, self.y.array, self.y.places, kept, places, self.mean, self.relu,
            self.output_shape, begin, end,
        )  # fmt: skip

    def settle_backward(self) -> None:
        """Put the tiles' sums together."""
        self.dbeta, products = self.sums.sum(axis=0)
        self.dgamma = products * self.inverse
        if self.of_batch:
            slope = self.scale / self.cells_per_tile.sum()
            self.of_one = (slope * self.dbeta).astype(self.dtype)
            self.of_x = (slope * self.inverse * self.dgamma).astype(self.dtype)

    def backward(self, worker: int, share: int, dy: Tiles, d_input: Tiles | None, begin: int, end: int) -> None:
        """Add to the shares of the parameters' gradients, and write the one by the input."""
        if d_input is None:
            return
        windows.normalize_gradient(
            d_input.array, d_input.places, dy.array, dy.places, self.y.array, self.y.places, self.winners,
            self.x.array, self.x.places, self.mean, self.scale, self.of_one, self.of_x, self.live.reshape(-1),
            self.relu, self.shape, self.window, self.written, self.pooled, begin, end,
        )  # fmt: skip

    def parameters(self) -> dict[str, Variable]:
        """Return the variables of ``gradients`` by their keys."""
        names = ("gamma", "beta") if self.operation.trainable else ()
        given = self.operation.parameters
        return {f"{self.key}{name}": given[name] for name in names if name in given}

    def gradients(self, destinations: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the parameters' gradients."""
        found = {}
        for key, variable in self.parameters().items():
            found[key] = place_for(destinations, key, variable.value)
            found[key][...] = self.dgamma if key.endswith("gamma") else self.dbeta
        return found

    def cache(self) -> Any:
        """Return what the moving averages are moved by."""
        return BatchNormalizationCache(
            x=self.x.array, gamma=None, use_beta=False, mean=self.mean, variance=self.variance, axis=-1,
            epsilon=self.epsilon, training=self.of_batch,
        )  # fmt: skip
