"""The table that ``model.summary()`` prints, as Keras lays it out."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from typing import Any

from convolens.layers.base import Layer

__all__ = ["print_summary"]


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Any = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Print a model's layers, output shapes and numbers of parameters.

    Args:
        model: the model.
        line_length: how wide the table may be, in characters.
        positions: the columns' shares of the width.
        print_fn: what takes the text; it is printed if None.
        expand_nested: whether layers of nested models are listed.
        show_trainable: whether a column says which layers are trained.
        layer_range: the names of the first and the last layer to list.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    chain = _is_chain(model)
    table = Table(box=box.HEAVY_HEAD, show_lines=True, width=line_length)
    headings = ["Layer (type)", "Output Shape", "Param #"] + ([] if chain else ["Connected to"])
    headings += ["Trainable"] if show_trainable else []
    for number, heading in enumerate(headings):
        share = round(100 * positions[number]) if positions and number < len(positions) else None
        table.add_column(
            heading,
            justify="right" if heading == "Param #" else "left",
            header_style="bold",
            ratio=share,
            overflow="fold",
        )
    for layer, depth in _listed(model, expand_nested, layer_range):
        row = ["   " * depth + f"{layer.name} ({type(layer).__name__})", _shapes(layer), _count(layer)]
        row += [] if chain else [_sources(layer, model)]
        row += [("Y" if layer.trainable else "N") if layer.weights else "-"] if show_trainable else []
        table.add_row(*[_escaped(cell) for cell in row])
    buffer = io.StringIO()
    console = Console(file=buffer, width=line_length or 80, force_terminal=False) if print_fn else Console()
    if not print_fn and not console.is_terminal:
        console = Console(width=line_length or 80)
    console.print(f'[bold]Model: "{_escaped(model.name)}"[/bold]')
    console.print(table)
    moved = sum(variable.size for variable in model.trainable_weights)
    rest = sum(variable.size for variable in model.non_trainable_weights)
    bytes_each = 8 if model.dtype == "float64" else 4
    extra = model.optimizer.variables if model.optimizer is not None and model.optimizer.built else []
    others = sum(variable.size for variable in extra)
    totals = [("Total", moved + rest + others), ("Trainable", moved), ("Non-trainable", rest)]
    totals += [("Optimizer", others)] if others else []
    for kind, count in totals:
        console.print(f" [bold]{kind} params:[/bold] {count:,} ({_memory(count * bytes_each)})", highlight=False)
    if print_fn:
        print_fn(buffer.getvalue())


def _is_chain(model: Any) -> bool:
    """Whether every layer is called once, on the output of the one before."""
    if hasattr(model, "_stack"):
        return True
    nodes = model.graph.nodes
    if len(model.inputs) > 1 or len({node.layer for node in nodes}) < len(nodes):
        return False
    return all(
        len(after.inputs) == 1 and after.inputs[0] in before.outputs for before, after in itertools.pairwise(nodes)
    )


def _listed(model: Any, expand_nested: bool, layer_range: Sequence[str] | None) -> list[tuple[Layer, int]]:
    layers = model.layers
    if layer_range is not None:
        names = [layer.name for layer in layers]
        for name in layer_range:
            if name not in names:
                raise ValueError(f"layer_range names {name!r}; the model has {names}.")
        layers = layers[names.index(layer_range[0]) : names.index(layer_range[-1]) + 1]
    found = []
    for layer in layers:
        found.append((layer, 0))
        if expand_nested and hasattr(layer, "graph"):
            found += [(inner, depth + 1) for inner, depth in _listed(layer, True, None)]
    return found


def _shapes(layer: Layer) -> str:
    if not layer.nodes and hasattr(layer, "output_shape"):
        return str(layer.output_shape)
    if not layer.nodes:
        return "?"
    shapes = [str(symbol.shape) for symbol in layer.nodes[0].outputs]
    return ", ".join(shapes)


def _count(layer: Layer) -> str:
    return f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"


def _sources(layer: Layer, model: Any) -> str:
    inside = set(model.graph.nodes)
    sources = []
    for node in layer.nodes:
        if node not in inside:
            continue
        for symbol in node.inputs:
            of_source = [one for one in symbol.node.layer.nodes if one in inside or not one.inputs]
            number = of_source.index(symbol.node) if symbol.node in of_source else 0
            sources.append(f"{symbol.node.layer.name}[{number}][{symbol.index}]")
    return ", ".join(sources) or "-"


def _memory(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            return f"{size:.2f} {unit}"
        size /= 1024
    raise AssertionError


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
