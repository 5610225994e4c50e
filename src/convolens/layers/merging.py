"""Layers of several inputs: sums, products and the like, cell by cell, and concatenation."""

from __future__ import annotations

from functools import reduce
from typing import Any, ClassVar, NamedTuple

import numpy as np

from convolens.kernels.operations import Operation
from convolens.layers.base import Layer, registry
from convolens.symbol import Shape

__all__ = [
    "Add",
    "Average",
    "Concatenate",
    "Maximum",
    "Minimum",
    "Multiply",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]


class MergeCache(NamedTuple):
    """What the backward of a merge needs.

    Attributes:
        shapes: the inputs' shapes.
        inputs: the inputs, with axes added so that they broadcast; empty where the gradient does not need them.
        output: the output, or None where the gradient does not need it.
    """

    shapes: tuple[tuple[int, ...], ...]
    inputs: tuple[np.ndarray, ...] = ()
    output: np.ndarray | None = None


class Merge(Layer):
    """What the merges cell by cell share.

    Inputs broadcast as in NumPy; one with fewer axes gets axes of size 1 after its batch axis, as in Keras.
    A subclass defines ``merge`` and ``split``.
    """

    def build(self, input_shape: Any) -> None:
        """Check that the inputs fit together."""
        if not isinstance(input_shape, list) or not input_shape:
            raise ValueError(f"layer {self.name!r} expects a list of inputs; found one input of shape {input_shape}.")
        self.compute_output_shape(input_shape)
        self.elementwise = len(set(map(tuple, input_shape))) == 1 and None not in input_shape[0][1:]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape to which the inputs broadcast."""
        rank = max(map(len, input_shape))
        sizes = []
        for along in zip(*(_aligned(tuple(shape), rank) for shape in input_shape), strict=True):
            wide = {size for size in along if size != 1}
            known = wide - {None}
            if len(known) > 1:
                raise ValueError(
                    f"layer {self.name!r} expects inputs of equal shapes (or 1 along an axis); "
                    f"found {', '.join(str(tuple(shape)) for shape in input_shape)}."
                )
            sizes.append(None if None in wide and not known else (known or wide or {1}).pop())
        return tuple(sizes)

    def merge(self, xs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, MergeCache]:
        """Return the output for inputs that broadcast, and a cache without ``shapes``."""
        raise NotImplementedError

    def split(self, d_output: np.ndarray, cache: MergeCache) -> tuple[np.ndarray, ...]:
        """Return the gradient by each broadcast input."""
        raise NotImplementedError

    def forward(
        self, *xs: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, MergeCache]:
        """Return the merged inputs."""
        rank = max(x.ndim for x in xs)
        y, cache = self.merge(tuple(x.reshape(_aligned(x.shape, rank)) for x in xs))
        return y, cache._replace(shapes=tuple(x.shape for x in xs))

    def backward(
        self, d_output: np.ndarray, cache: MergeCache, need_dx: bool = True
    ) -> tuple[tuple[np.ndarray, ...], dict[str, Any]]:
        """Return the gradient by each input, summed over the axes along which it was broadcast."""
        parts = self.split(d_output, cache)
        return tuple(_summed(part, shape) for part, shape in zip(parts, cache.shapes, strict=True)), {}


def _aligned(shape: tuple, rank: int) -> tuple:
    return (*shape[:1], *[1] * (rank - len(shape)), *shape[1:])


def _summed(d: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum a gradient to the shape of an input that was broadcast."""
    if d.shape == shape:
        return d
    axes = tuple(axis for axis, size in enumerate(_aligned(shape, d.ndim)) if size == 1 and d.shape[axis] != 1)
    return d.sum(axis=axes, keepdims=True).reshape(shape)


@registry.register()
class Add(Merge):
    """The sum of the inputs.

    >>> Add()([np.ones(2), np.array([1.0, 2.0])]).tolist()
    [2.0, 3.0]
    """

    def merge(self, xs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, MergeCache]:
        """Return ``x0 + x1 + ...``."""
        return sum(xs[1:], start=xs[0]), MergeCache(())

    def split(self, d_output: np.ndarray, cache: MergeCache) -> tuple[np.ndarray, ...]:
        """Return the gradient itself for each input."""
        return (d_output,) * len(cache.shapes)


@registry.register()
class Subtract(Merge):
    """The first input minus the second."""

    def build(self, input_shape: Any) -> None:
        """Check that there are two inputs and that they fit together."""
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ValueError(f"layer {self.name!r} expects two inputs; found {len(input_shape)}.")

    def merge(self, xs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, MergeCache]:
        """Return ``x0 - x1``."""
        return xs[0] - xs[1], MergeCache(())

    def split(self, d_output: np.ndarray, cache: MergeCache) -> tuple[np.ndarray, ...]:
        """Return the gradient for the first input, minus it for the second."""
        return d_output, -d_output


@registry.register()
class Multiply(Merge):
    """The product of the inputs."""

    def merge(self, xs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, MergeCache]:
        """Return ``x0 * x1 * ...``."""
        return reduce(np.multiply, xs), MergeCache((), xs)

    def split(self, d_output: np.ndarray, cache: MergeCache) -> tuple[np.ndarray, ...]:
        """Return the gradient times the product of the other inputs."""
        xs = cache.inputs
        return tuple(reduce(np.multiply, (*xs[:i], *xs[i + 1 :]), d_output) for i in range(len(xs)))


@registry.register()
class Average(Merge):
    """The mean of the inputs."""

    def merge(self, xs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, MergeCache]:
        """Return ``(x0 + x1 + ...) / count``."""
        return sum(xs[1:], start=xs[0]) / xs[0].dtype.type(len(xs)), MergeCache(())

    def split(self, d_output: np.ndarray, cache: MergeCache) -> tuple[np.ndarray, ...]:
        """Return an equal share for each input."""
        count = len(cache.shapes)
        return (d_output / d_output.dtype.type(count),) * count


class Extremum(Merge):
    """What maximum and minimum share: the gradient goes to the first input that has the extreme value."""

    extreme: ClassVar[np.ufunc]

    def merge(self, xs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, MergeCache]:
        """Return the extreme value, cell by cell."""
        y = reduce(self.extreme, xs)
        return y, MergeCache((), xs, y)

    def split(self, d_output: np.ndarray, cache: MergeCache) -> tuple[np.ndarray, ...]:
        """Return the gradient where the input is the first to be extreme, else zero."""
        parts = []
        free = np.ones(d_output.shape, bool)
        for x in cache.inputs:
            wins = free & (x == cache.output)
            free &= ~wins
            parts.append(d_output * wins)
        return tuple(parts)


@registry.register()
class Maximum(Extremum):
    """The largest of the inputs, cell by cell; the first one wins ties."""

    extreme = np.maximum


@registry.register()
class Minimum(Extremum):
    """The smallest of the inputs, cell by cell; the first one wins ties."""

    extreme = np.minimum


@registry.register()
class Concatenate(Layer):
    """The inputs one after the other along an axis.

    Args:
        axis: the axis along which the inputs' sizes may differ.
        **kwargs: ``name``, ``trainable``, ``dtype``.

    >>> Concatenate()([np.zeros((1, 2)), np.ones((1, 1))]).tolist()
    [[0.0, 0.0, 1.0]]
    """

    fields = ("axis",)

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = int(axis)

    def build(self, input_shape: Any) -> None:
        """Check that the inputs fit together."""
        if not isinstance(input_shape, list) or not input_shape:
            raise ValueError(f"layer {self.name!r} expects a list of inputs; found one input of shape {input_shape}.")
        self.compute_output_shape(input_shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the common shape with the sizes along the axis added."""
        shapes: list[Shape] = [tuple(shape) for shape in input_shape]
        rank = len(shapes[0])
        if any(len(shape) != rank for shape in shapes) or not -rank <= self.axis < rank:
            self._refuse(shapes)
        total: list[int | None] = []
        for axis, sizes in enumerate(zip(*shapes, strict=True)):
            known = {size for size in sizes if size is not None}
            if axis == self.axis % rank:
                total.append(None if None in sizes else sum(size for size in sizes if size is not None))
            elif len(known) > 1:
                self._refuse(shapes)
            else:
                total.append(known.pop() if known else None)
        return tuple(total)

    def _refuse(self, shapes: list[Shape]) -> None:
        raise ValueError(
            f"layer {self.name!r} expects inputs of equal shapes except along axis {self.axis}; "
            f"found {', '.join(map(str, shapes))}."
        )

    def forward(
        self, *xs: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, tuple[int, ...]]:
        """Return the joined inputs; the cache is where each but the first begins."""
        starts = np.cumsum([x.shape[self.axis] for x in xs])[:-1]
        return np.concatenate(xs, axis=self.axis), tuple(int(start) for start in starts)

    def backward(
        self, d_output: np.ndarray, cache: tuple[int, ...], need_dx: bool = True
    ) -> tuple[tuple[np.ndarray, ...], dict[str, Any]]:
        """Return the part of the gradient that belongs to each input."""
        return tuple(np.split(d_output, cache, axis=self.axis)), {}

    def operation(self) -> Operation | None:
        """Return the concatenation."""
        return Operation("concatenate", {}, {"axis": self.axis})


def add(inputs: Any, **kwargs: Any) -> Any:
    """Return ``Add(**kwargs)(inputs)``."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """Return ``Subtract(**kwargs)(inputs)``."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """Return ``Multiply(**kwargs)(inputs)``."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """Return ``Average(**kwargs)(inputs)``."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """Return ``Maximum(**kwargs)(inputs)``."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """Return ``Minimum(**kwargs)(inputs)``."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """Return ``Concatenate(axis, **kwargs)(inputs)``."""
    return Concatenate(axis, **kwargs)(inputs)
