"""Convolution with what comes right before and after it."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from convolens.kernels import geometry
from convolens.kernels.compiled import cells, windows
from convolens.kernels.compiled.lanes import LANES, size
from convolens.kernels.compiled.stages.base import Room, Stage, affine, place_for
from convolens.kernels.compiled.stages.gradients import gradient_for
from convolens.kernels.compiled.stages.products import products_for
from convolens.kernels.compiled.tiles import NO_PADS, Places, Shape, Tiles, from_tile, padded, shifted
from convolens.kernels.geometry import Pads, Pair
from convolens.kernels.operations import Operation
from convolens.variable import Variable

__all__ = ["ConvolutionStage", "Window", "window_of", "winners_for", "written_out"]

Window = tuple[int, int, int, int]
_WRITTEN_OUT = 64


class ConvolutionStage(Stage):
    """``conv2d``, with padding before and a rectifier and max pooling after.

    Args:
        operation: the convolution.
        shape: ``(c, h, w)`` of the input.
        with_relu: whether the output is rectified.
        extra: pads before those of the convolution.
        pool: options of a max pooling whose windows do not overlap, or None.
        normalization: a batch normalisation by its moving averages between the two, for prediction only.
    """

    pads: Pads

    def __init__(
        self,
        operation: Operation,
        shape: Shape,
        with_relu: bool,
        extra: Pads = NO_PADS,
        pool: Any = None,
        normalization: Operation | None = None,
    ) -> None:
        options = operation.options
        kh, kw, _, filters = operation.parameters["kernel"].shape
        self.kernel: Pair = (kh, kw)
        self.strides: Pair = options["strides"]
        self.dilation: Pair = options["dilation"]
        _, height, width = shape
        size_in = (height + sum(extra[0]), width + sum(extra[1]))
        own = geometry.pads(options["padding"], size_in, self.kernel, self.strides, self.dilation)
        oh, ow = geometry.output_size(size_in, self.kernel, self.strides, own, self.dilation)
        (top, bottom), (left, right) = ((e[0] + o[0], e[1] + o[1]) for e, o in zip(extra, own, strict=True))
        self.pads = ((top, bottom), (left, right))
        self.z_shape: Shape = (filters, oh, ow)
        self.window: Window = (1, 1, 0, 0)
        self.pooled: Pair = (oh, ow)
        if pool is not None:
            self.window, self.pooled = window_of(pool, (oh, ow))
        self.pools = pool is not None
        self.written = written_out(self.window)
        self.normalization = normalization
        super().__init__(operation, shape, (filters, *self.pooled), with_relu)

    @property
    def products(self) -> int:
        """Return the multiply-adds per image in forward."""
        filters, oh, ow = self.z_shape
        return filters * oh * ow * self.shape[0] * self.kernel[0] * self.kernel[1]

    def gradient_places(self) -> Places:
        """Return where the gradient by the output is wanted."""
        return super().gradient_places() if self._moves_gradient else self._z_places()

    @property
    def _moves_gradient(self) -> bool:
        """Whether the gradient by the output has another place than the one by the sums."""
        return self.pools or self.before_dense

    def _z_places(self) -> Places:
        """Return the places of ``dz``: with the halo and the gaps that the gradient by the input needs."""
        if not self.need_dx:
            return padded(self.z_shape)
        insets, pads = [], []
        for axis in (0, 1):
            span = geometry.span(self.kernel[axis], self.dilation[axis])
            before = span - 1 - self.pads[axis][0]
            inside = (self.z_shape[1 + axis] - 1) * self.strides[axis] + 1
            reach = self.shape[1 + axis] + span - 1 + max(-before, 0)
            pads.append((max(before, 0), max(reach - inside - max(before, 0), 0)))
            insets.append(max(-before, 0))
        self._inset = insets
        return padded(self.z_shape, (pads[0], pads[1]), self.strides)

    def allocate(self, room: Room) -> None:
        """Get room for forward."""
        super().allocate(room)
        self.products_forward = products_for(
            self.z_shape, self.shape[0], self.x.places, kernel=self.kernel, strides=self.strides,
            dilation=self.dilation, rows=(self.pads[0][0], self.shape[1]), dtype=room.dtype,
            settled=room.gradients and not self.before_normalization, window=self.window,
        )  # fmt: skip
        self.x_first = shifted(self.x.places, -self.pads[0][0], -self.pads[1][0])
        self.winners = winners_for(room, self.window, self.output_shape)

    def allocate_backward(self, room: Room) -> None:
        """Get room for backward."""
        self.room = room
        channels, filters = self.shape[0], self.z_shape[0]
        self.z_places = self._z_places()
        if self._moves_gradient:
            self.desks = [np.zeros(room.span * self.z_places[1], room.dtype) for _ in range(room.workers)]
        self.kernel_gradient = gradient_for(
            self.z_shape, channels, self.x.places, kernel=self.kernel, strides=self.strides, dilation=self.dilation,
            shares=room.shares, dtype=room.dtype,
        )  # fmt: skip
        self.db_shares = np.zeros((room.shares, filters), room.dtype)
        if self.need_dx:
            self.no_bias, self.no_lowest = np.zeros(channels, room.dtype), room.dtype.type(-np.inf)
            _, tile, channel, row, column = self.z_places
            row, column = row // self.strides[0], column // self.strides[1]
            self.z_first = (self._inset[0] * row + self._inset[1] * column, tile, channel, row, column)
            above = geometry.span(self.kernel[0], self.dilation[0]) - 1 - self.pads[0][0]
            inside = (self.z_shape[1] - 1) * self.strides[0] + 1
            self.products_backward = products_for(
                self.shape, filters, self.z_first, kernel=self.kernel, strides=(1, 1), dilation=self.dilation,
                rows=(above, inside), dtype=room.dtype, turned=True,
            )  # fmt: skip

    def prepare(self) -> None:
        """Read the parameters."""
        w, self.b = self.operation.parameters["kernel"].value, self.bias()
        if self.normalization is not None:
            given = self.normalization.parameters
            _, scale, shift = affine(self.normalization, given["moving_mean"].value, given["moving_variance"].value)
            w, self.b = (w * scale).astype(w.dtype), (self.b * scale + shift).astype(w.dtype)
        self.products_forward.pack(w)

    def forward(self, begin: int, end: int) -> None:
        """Compute the output of some tiles."""
        given = (self.x.array, self.x_first, self.b, self.lowest)
        if self.pools:
            pooling = (self.window, self.written, self.pooled)
            self.products_forward.convolve_pool(self.y.array, self.y.places, self.winners, *given, pooling, begin, end)
        else:
            self.products_forward.convolve(self.y.array, self.y.places, *given, begin, end)

    def prepare_backward(self) -> None:
        """Get ready for gradients."""
        if self.need_dx:
            self.products_backward.pack(self.operation.parameters["kernel"].value)

    def backward(self, worker: int, share: int, dy: Tiles, d_input: Tiles | None, begin: int, end: int) -> None:
        """Add to the shares of the parameters' gradients, and write the one by the input."""
        if begin == share * self.room.tiles // self.room.shares:  # the first of its tiles
            self.kernel_gradient.shares[share] = self.db_shares[share] = 0
        dz, dz_places, db = dy.array, dy.places, self.db_shares[share]
        if self._moves_gradient:
            dz, dz_places = self.desks[worker], from_tile(self.z_places, begin)
            windows.unpool(
                dz, dz_places, dy.array, dy.places, self.y.array, self.y.places, self.winners, db,
                self.relu, self.z_shape, self.window, self.written, self.pooled, begin, end,
            )  # fmt: skip
        else:
            cells.rectify_gradient(dz, dz_places, self.y.array, self.y.places, db, self.relu, self.z_shape, begin, end)
        if self.operation.trainable:
            self.kernel_gradient.add(share, dz, dz_places, self.x.array, self.x_first, begin, end)
        if d_input is not None:
            # Tiles are counted from the first, and the array may begin with a later one.
            first = (self.z_first[0] + dz_places[0] - self.z_places[0], *self.z_first[1:])
            self.products_backward.convolve(
                d_input.array, d_input.places, dz, first, self.no_bias, self.no_lowest, begin, end
            )

    def parameters(self) -> dict[str, Variable]:
        """Return the variables of ``gradients`` by their keys."""
        if not self.operation.trainable:
            return {}
        return {f"{self.key}{name}": variable for name, variable in self.operation.parameters.items()}

    def finish(self, dy: Tiles, destinations: dict[str, np.ndarray]) -> None:
        """Get room for the parameters' gradients."""
        self.found = {key: place_for(destinations, key, one.value) for key, one in self.parameters().items()}

    def finish_part(self, part: int, parts: int) -> None:
        """Put the shares of some channels together."""
        channels = self.shape[0]
        for key, gradient in self.found.items():
            if not key.endswith("bias"):
                self.kernel_gradient.finish(gradient, part * channels // parts, (part + 1) * channels // parts)
            elif part == 0:
                gradient[...] = self.db_shares.sum(axis=0)

    def gradients(self, destinations: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the parameters' gradients."""
        return self.found


def window_of(options: Any, size_in: Pair) -> tuple[Window, Pair]:
    """Return a pooling's window as the kernels take it, ``(height, width, top, left)``, and how many there are."""
    (top, _), (left, _) = geometry.pads(options["padding"], size_in, options["pool_size"], options["strides"])
    pooled = geometry.output_size(size_in, options["pool_size"], options["strides"], options["padding"])
    return (*options["pool_size"], top, left), pooled


def written_out(window: Window) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the window's height and width for the compiler, if loops over it are short enough to be written out."""
    height, width = window[:2] if window[0] * window[1] <= _WRITTEN_OUT else (0, 0)
    return size(height), size(width)


def winners_for(room: Room, window: Window, output_shape: Shape) -> np.ndarray:
    """Return room for each maximum's place in its window; none where nobody asks, or windows have one cell."""
    wanted = room.gradients and window[:2] != (1, 1)
    return np.zeros(room.tiles * prod(output_shape) * LANES if wanted else 0, np.uint16)
