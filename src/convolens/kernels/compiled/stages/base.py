"""A network's segment as stages: what each computes on tiles, forward and backward, and the buffers it needs.

A stage reads ``x`` and writes ``y``; in backward it finds the gradient by its output in ``dy`` and writes the one by
its input into the tiles that the stage before gives it. ``begin`` and ``end`` are always tiles counted from the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convolens.kernels.compiled.tiles import NO_PADS, Places, Shape, Tiles, flat, padded
from convolens.kernels.geometry import Pads
from convolens.kernels.operations import Operation
from convolens.variable import Variable

__all__ = ["Room", "Stage", "affine", "keyed_parameters", "place_for"]


@dataclass(frozen=True)
class Room:
    """What a segment is made for.

    Attributes:
        images, tiles: the size of the batch.
        shares: into how many parts sums over the batch are split, whatever the number of threads.
        span: the most tiles that a thread works on at once.
        workers: the most threads.
        dtype: of all arrays.
        gradients: whether backward may follow.
    """

    images: int
    tiles: int
    shares: int
    span: int
    workers: int
    dtype: np.dtype[Any]
    gradients: bool = True


class Stage:
    """One or several operations done in one go.

    Attributes:
        words: the operations' names.
        shape, output_shape: ``(c, h, w)`` of the input and of the output.
        relu: whether the output is rectified.
        lowest: the least that a value of the output can be, for the kernels.
        whole_range: whether it runs over all of a thread's tiles at once rather than over a few.
        barrier: whether forward needs all tiles of what comes before: ``settle`` runs in between.
        barrier_backward: whether backward needs all tiles' gradients: ``settle_backward`` runs in between.
        pads: the halo it wants around its input, or None for a flattened input.
        need_dx: whether the gradient by the input is wanted.
        before_dense: whether a dense layer comes next.
        before_normalization: whether a batch normalisation comes next.
        whole_gradient: whether ``dy`` must hold all tiles, not only those in work.
        in_place: whether backward reads a cell of its input only before it writes that cell's gradient.
    """

    whole_range = False
    barrier = False
    barrier_backward = False
    whole_gradient = False
    in_place = False
    pads: Pads | None = NO_PADS

    def __init__(self, operation: Operation, shape: Shape, output_shape: Shape, with_relu: bool) -> None:
        self.operation = operation
        self.shape = shape
        self.output_shape = output_shape
        self.relu = with_relu
        self.words: list[str] = []
        self.key = ""
        self.need_dx = False
        self.before_dense = self.before_normalization = False
        self.x: Tiles
        self.y: Tiles

    # Buffers.

    def gradient_places(self) -> Places:
        """Return where the gradient by the output is wanted."""
        return flat(self.output_shape) if self.before_dense else padded(self.output_shape)

    def allocate(self, room: Room) -> None:
        """Get ready for forward: ``x`` and ``y`` are set."""
        self.lowest = room.dtype.type(0 if self.relu else -np.inf)
        self.zeros = np.zeros(self.output_shape[0], room.dtype)

    def allocate_backward(self, room: Room) -> None:
        """Get ready for backward."""

    # Work.

    def prepare(self) -> None:
        """Read the parameters; once per pass, before the tiles."""

    def forward(self, begin: int, end: int) -> None:
        """Compute the output of some tiles."""
        raise NotImplementedError

    def gather(self, begin: int, end: int) -> None:
        """With ``barrier``: take from some tiles what ``settle`` needs."""

    def settle(self) -> None:
        """With ``barrier``: what needs all tiles."""

    def gather_backward(self, dy: Tiles, begin: int, end: int) -> None:
        """With ``barrier_backward``: take from some tiles' gradients what ``settle_backward`` needs."""

    def settle_backward(self) -> None:
        """With ``barrier_backward``: what needs all tiles' gradients."""

    def prepare_backward(self) -> None:
        """Get ready for gradients; once per pass, before the tiles."""

    def backward(self, worker: int, share: int, dy: Tiles, d_input: Tiles | None, begin: int, end: int) -> None:
        """Add to the parameters' gradients' share, and write the gradient by the input."""
        raise NotImplementedError

    def finish(self, dy: Tiles, destinations: dict[str, np.ndarray]) -> None:
        """After all tiles, before ``finish_part``."""

    def finish_part(self, part: int, parts: int) -> None:
        """After all tiles: one of several parts of the work that is left."""

    def gradients(self, destinations: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the parameters' gradients."""
        return {}

    def parameters(self) -> dict[str, Variable]:
        """Return the variables of ``gradients`` by their keys."""
        return {}

    def cache(self) -> Any:
        """Return what ``Operation.update_state`` wants."""
        return None

    @property
    def products(self) -> int:
        """Multiply-adds per image in forward."""
        return 0

    def _variable(self, name: str) -> Variable | None:
        return self.operation.parameters.get(name)

    def bias(self) -> np.ndarray:
        """Return the bias, or zeros where there is none."""
        variable = self._variable("bias")
        return self.zeros if variable is None else variable.value


def affine(normalization: Operation, mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return ``1 / sqrt(variance + epsilon)``, and a batch normalisation as ``scale * x + shift``; in float64."""
    gamma, beta = (normalization.parameters.get(name) for name in ("gamma", "beta"))
    inverse = 1 / np.sqrt(variance.astype(np.float64) + normalization.options["epsilon"])
    scale = inverse if gamma is None else inverse * gamma.value
    return inverse, scale, (0 if beta is None else beta.value) - scale * mean


def keyed_parameters(stages: list[Stage]) -> dict[str, Variable]:
    """Give the stages their keys, and return the variables that they have gradients of."""
    for number, stage in enumerate(stages):
        stage.key = f"{number}."
    return {key: variable for stage in stages for key, variable in stage.parameters().items()}


def place_for(destinations: dict[str, np.ndarray], key: str, like: np.ndarray) -> np.ndarray:
    """Return where this gradient is to be written."""
    given = destinations.get(key)
    return np.empty_like(like) if given is None else given
