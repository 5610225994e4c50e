"""A growing ONNX graph, and where the cells of each array lie in it.

Images are ``(n, h, w, c)`` here and ``(n, c, h, w)`` in the graph. Flattened, the same cells then stand in another
order; instead of moving them, a value remembers its order, and the weights that meet it are permuted.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .cell_order import flattened_order, unless_sorted

__all__ = ["GraphBuilder", "Value"]

_TO_GRAPH, _TO_HERE = (0, 3, 1, 2), (0, 2, 3, 1)


class Value(NamedTuple):
    """An array of the graph.

    Attributes:
        name: in the graph.
        shape: as this library has it: images channels-last; the batch axis, and open sizes, are None.
        order: for ``(n, c)``: cell ``i`` of this library is cell ``order[i]`` of the graph; None if they agree.
    """

    name: str
    shape: tuple[int | None, ...]
    order: np.ndarray | None = None

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def axis(self, axis: int) -> int:
        """Return an axis's number in the graph."""
        axis %= self.rank
        return _TO_GRAPH.index(axis) if self.rank == 4 else axis


class GraphBuilder:
    """Nodes and constants, put together call by call.

    Args:
        onnx: the ``onnx`` package.
    """

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.scope = ""
        self._names: set[str] = set()

    # Nodes and constants.

    def unique(self, name: str) -> str:
        """Return a name that the graph does not have yet, and take it."""
        number, found = 0, name
        while found in self._names:
            number += 1
            found = f"{name}_{number}"
        self._names.add(found)
        return found

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        output = self.unique(f"{self.scope}/{operator}") if output is None else output
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, array: Any, name: str, dtype: Any = np.float32) -> str:
        """Add a constant and return its name; the same array under the same name is stored once."""
        array = np.ascontiguousarray(array, dtype)
        known = self.constants.get(name)
        if known is None or not np.array_equal(self.onnx.numpy_helper.to_array(known), array):
            name = self.unique(name)
            self.constants[name] = self.onnx.numpy_helper.from_array(array, name)
        return name

    def integers(self, values: Any, what: str) -> str:
        """Add a constant of sizes, axes or places."""
        return self.constant(values, f"{self.scope}/{what}", np.int64)

    def number(self, value: float, what: str) -> str:
        """Add a constant of one number."""
        return self.constant(value, f"{self.scope}/{what}")

    # Layouts.

    def enter(self, name: str, shape: tuple[int | None, ...]) -> Value:
        """Return an input of the graph; images are transposed."""
        return Value(self.add("Transpose", name, perm=_TO_GRAPH) if len(shape) == 4 else name, shape)

    def leave(self, value: Value, output: str) -> None:
        """Make a value an output of the graph, as this library has it."""
        if value.rank == 4:
            self.add("Transpose", value.name, output=output, perm=_TO_HERE)
        else:
            self.add("Identity", self.in_order(value).name, output=output)

    def in_order(self, value: Value) -> Value:
        """Return a value whose cells stand as in this library."""
        if value.order is None:
            return value
        places = self.integers(value.order, "order")
        return Value(self.add("Gather", value.name, places, axis=1), value.shape)

    def placed(self, array: Any, value: Value) -> np.ndarray:
        """Bring an array that broadcasts to a value here into the form that broadcasts to it in the graph."""
        array = np.asarray(array)
        if value.rank == 4 and array.ndim:
            return array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(_TO_GRAPH)
        if value.order is not None and array.ndim and array.shape[-1] > 1:
            return array[..., np.argsort(value.order)]
        return array

    def flatten(self, value: Value) -> Value:
        """Return ``(n, cells)``; the cells stay where they are."""
        if value.rank == 2:
            return value
        sizes = value.shape[1:]
        if None in sizes:
            name = self.add("Transpose", value.name, perm=_TO_HERE) if value.rank == 4 else value.name
            return Value(self.add("Flatten", name, axis=1), (value.shape[0], None))
        flat = Value(self.add("Flatten", value.name, axis=1), (value.shape[0], math.prod(sizes)))  # type: ignore[arg-type]
        if value.rank != 4:
            return flat
        return flat._replace(order=flattened_order(*sizes))  # type: ignore[arg-type]

    def reshape(self, value: Value, shape: tuple[int | None, ...]) -> Value:
        """Return the cells in another shape, row by row as in this library."""
        if len(shape) == 2:
            return self.flatten(value)
        flat = self.flatten(value)
        sizes = shape[1:]
        if None in sizes:
            if len(shape) == 4:
                raise ValueError("it gives images a shape that depends on the input's open size")
            target = [0, *(-1 if size is None else size for size in sizes)]
            return Value(self.add("Reshape", flat.name, self.integers(target, "shape")), shape)
        if len(shape) == 4:
            h, w, c = sizes
            there = np.arange(h * w * c).reshape(h, w, c).transpose(2, 0, 1).ravel()  # type: ignore[operator,arg-type]
            order = there if flat.order is None else flat.order[there]
            flat, sizes = flat._replace(order=unless_sorted(order)), (c, h, w)
        name = self.add("Reshape", self.in_order(flat).name, self.integers([0, *sizes], "shape"))
        return Value(name, shape)
