"""Arrays yet to come: what ``Input`` gives and layers pass on while a network is put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convolens.naming import unique_name

if TYPE_CHECKING:
    from convolens.layers.base import Layer

__all__ = ["Node", "Symbol"]

Shape = tuple[int | None, ...]


class Symbol:
    """The place of an array in a network: its shape, its type, and the call that will make it.

    Attributes:
        shape: with the batch axis first; None where the size is open.
        dtype: ``"float32"`` or ``"float64"``.
        name: for messages and files.
        node: the call that makes it.
        index: which of the call's outputs it is.
    """

    def __init__(self, shape: Shape, dtype: str, node: Node, index: int = 0, name: str | None = None) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype
        self.name = name or unique_name("KerasTensor")
        self.node = node
        self.index = index

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __bool__(self) -> bool:
        raise TypeError("a symbol stands for arrays to come and has no value yet; use it as the input of a layer.")

    def __iter__(self) -> Any:
        raise TypeError("a symbol stands for arrays to come and cannot be looped over.")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a symbol stands for arrays to come and is not an array; pass it through layers instead.")

    def __repr__(self) -> str:
        return f"<Symbol shape={self.shape}, dtype={self.dtype}, name={self.name}>"


class Node:
    """One call of a layer on symbols.

    Attributes:
        layer: the layer called.
        inputs: the symbols it was called on.
        outputs: the symbols it gave.
        structure: how the inputs were passed: one symbol, or a list of them.
    """

    def __init__(self, layer: Layer, inputs: tuple[Symbol, ...], as_list: bool = False) -> None:
        self.layer = layer
        self.inputs = inputs
        self.as_list = as_list
        self.outputs: tuple[Symbol, ...] = ()
        layer.nodes.append(self)
