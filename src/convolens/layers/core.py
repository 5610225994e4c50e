"""Where a network begins: ``Input`` and its layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from convolens.layers.base import Layer, registry
from convolens.symbol import Node, Shape, Symbol

__all__ = ["Input", "InputLayer"]


@registry.register()
class InputLayer(Layer):
    """An input of a network: it passes on what it is given.

    Args:
        shape: of one input, without the batch axis; None where the size is open.
        batch_size: the size of the batch axis; None for any.
        dtype: ``"float32"`` or ``"float64"``; ``cl.config.floatx()`` if None. Arrays of other types are cast to it.
        sparse: None or False.
        ragged: None or False.
        batch_shape: the shape with the batch axis, instead of ``shape`` and ``batch_size``.
        input_tensor: None.
        optional: False.
        name: see ``Layer``.
    """

    fixed: ClassVar = {"sparse": False, "ragged": False, "optional": False}
    elementwise = True

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.accept_only_fixed(sparse=sparse, ragged=ragged, input_tensor=input_tensor, optional=optional)
        if (shape is None) == (batch_shape is None):
            raise ValueError("an input takes either shape=(h, w, c) or batch_shape=(n, h, w, c).")
        if batch_shape is None:
            assert shape is not None
            batch_shape = (batch_size, *_checked(shape))
        elif batch_size is not None:
            raise ValueError("an input takes batch_size with shape, not with batch_shape.")
        self.batch_shape: Shape = _checked(batch_shape)
        self.ensure_built([self.batch_shape])
        node = Node(self, ())
        node.outputs = (Symbol(self.batch_shape, self.dtype, node, name=self.name),)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input's shape."""
        return tuple(input_shape)

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, None]:
        """Return ``x`` itself."""
        return x, None

    def backward(self, d_output: np.ndarray, cache: None, need_dx: bool = True) -> tuple[np.ndarray, dict[str, Any]]:
        """Return ``d_output`` itself."""
        return d_output, {}

    def get_config(self) -> dict[str, Any]:
        """Return Keras's configuration of an input."""
        return {"batch_shape": list(self.batch_shape), "dtype": self.dtype, "name": self.name, **self.fixed}


def Input(
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> Symbol:
    """Begin a network: return a symbol for arrays of this shape.

    Args:
        shape: of one input, without the batch axis; None where the size is open.
        batch_size: the size of the batch axis; None for any.
        dtype: ``"float32"`` or ``"float64"``; ``cl.config.floatx()`` if None. Arrays of other types are cast to it.
        sparse: None or False.
        ragged: None or False.
        batch_shape: the shape with the batch axis, instead of ``shape`` and ``batch_size``.
        name: of the input layer.
        tensor: None.
        optional: False.

    >>> Input((28, 28, 1), name="image")
    <Symbol shape=(None, 28, 28, 1), dtype=float32, name=image>
    """
    return InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name).output


def _checked(shape: Any) -> Shape:
    sizes = tuple(shape) if isinstance(shape, Sequence | np.ndarray) else (shape, "")
    if not all(size is None or (isinstance(size, int | np.integer) and size > 0) for size in sizes):
        raise ValueError(f"a shape is a tuple of positive integers and None, such as (28, 28, 1); got {shape!r}.")
    return tuple(None if size is None else int(size) for size in sizes)
