"""Dense layers."""

from __future__ import annotations

import numpy as np

from convolens.kernels.compiled import blocks, cells, dense
from convolens.kernels.compiled.lanes import LANES
from convolens.kernels.compiled.stages.base import Room, Stage, place_for
from convolens.kernels.compiled.tiles import Places, Shape, Tiles, flat
from convolens.kernels.operations import Operation
from convolens.variable import Variable

__all__ = ["DenseStage"]


class DenseStage(Stage):
    """``dense`` on flattened images, and a rectifier after it.

    Args:
        operation: the dense layer.
        shape: ``(c, h, w)`` of the input.
        with_relu: whether the output is rectified.
    """

    whole_range = True
    whole_gradient = True
    pads = None

    def __init__(self, operation: Operation, shape: Shape, with_relu: bool) -> None:
        self.inputs, self.units = operation.parameters["kernel"].shape
        super().__init__(operation, shape, (self.units, 1, 1), with_relu)

    @property
    def products(self) -> int:
        """Return the multiply-adds per image in forward."""
        return self.inputs * self.units

    def gradient_places(self) -> Places:
        """Return where the gradient by the output is wanted."""
        return flat(self.output_shape)

    def allocate(self, room: Room) -> None:
        """Get room for forward."""
        super().allocate(room)
        k, f = self.inputs, self.units
        self.x_taps, self.w_taps = blocks.steps(k, LANES), blocks.steps(k, f)

    def allocate_backward(self, room: Room) -> None:
        """Get room for backward."""
        k, f = self.inputs, self.units
        self.z_taps, self.f_taps = blocks.steps(f, LANES), blocks.steps(f, 1)
        # One row per image, wide enough for a vector.
        self.width = max(f, LANES)
        self.dz_rows = np.zeros((room.tiles * LANES, self.width), room.dtype)
        self.db = np.zeros(f, room.dtype)
        self.row_taps = blocks.steps(room.images, self.width)
        self.lane_taps = blocks.offsets((room.tiles, k * LANES), (LANES, 1))[: room.images]
        self.dw_block = blocks.forward_block(k, min(self.width // LANES, 3), room.dtype)
        self.dw = np.zeros((k, self.width), room.dtype) if self.width > f else None

    def prepare(self) -> None:
        """Read the parameters."""
        self.w, self.b = self.operation.parameters["kernel"].value, self.bias()

    def forward(self, begin: int, end: int) -> None:
        """Compute the output of some tiles."""
        block = blocks.dense_block(self.units, end - begin, self.w.dtype)
        dense.dense(
            self.y.array, self.x.array, self.w, self.b, self.x_taps, self.w_taps, self.lowest, begin, end, *block
        )

    def backward(self, worker: int, share: int, dy: Tiles, d_input: Tiles | None, begin: int, end: int) -> None:
        """Add to the shares of the parameters' gradients, and write the one by the input."""
        if self.relu:
            cells.rectify_gradient(
                dy.array, dy.places, self.y.array, self.y.places, self.zeros[:0], True, self.output_shape, begin, end
            )
        if self.operation.trainable:
            dense.rows(self.dz_rows, dy.array.reshape(-1, self.units, LANES), begin, end)
        if d_input is not None:
            block = blocks.dense_block(self.inputs, end - begin, self.w.dtype)
            dense.dense_input_gradient(
                d_input.array, d_input.places[:2], dy.array, self.w, self.z_taps, self.f_taps, begin, end, *block
            )

    def finish(self, dy: Tiles, destinations: dict[str, np.ndarray]) -> None:
        """Find where the kernel's gradient is to be written."""
        if self.operation.trainable:
            self.result = place_for(destinations, f"{self.key}kernel", self.w)

    def finish_part(self, part: int, parts: int) -> None:
        """Compute one of several parts of the kernel's gradient, and the bias's."""
        if not self.operation.trainable:
            return
        if part == parts - 1:
            dense.dense_bias_gradient(self.db, self.dz_rows, self.row_taps.size)
        step = len(self.dw_block[0])
        bounds = [number * (self.inputs // step) // parts * step for number in (part, part + 1)]
        end = self.inputs if part == parts - 1 else bounds[1]
        if bounds[0] < end:
            dw = self.result if self.dw is None else self.dw
            dense.dense_kernel_gradient(
                dw, self.x.array, self.dz_rows, self.lane_taps, self.row_taps, bounds[0], end, *self.dw_block
            )

    def parameters(self) -> dict[str, Variable]:
        """Return the variables of ``gradients`` by their keys."""
        if not self.operation.trainable:
            return {}
        return {f"{self.key}{name}": variable for name, variable in self.operation.parameters.items()}

    def gradients(self, destinations: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the parameters' gradients."""
        found = {}
        for key, variable in self.parameters().items():
            if key.endswith("bias"):
                found[key] = place_for(destinations, key, variable.value)
                found[key][...] = self.db
            else:
                found[key] = self.result
                if self.dw is not None:
                    self.result[...] = self.dw[:, : self.units]
        return found
