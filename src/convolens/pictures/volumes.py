"""The architecture of a network as volumes drawn to scale."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["architecture"]

_TALLEST, _THICKEST, _BAR = 2.4, 0.9, 0.16  # inches
_SLANT = np.array([0.34, 0.28])  # how one inch of width appears: backwards to the right
_OPEN_SIZE = 32


@dataclass
class Volume:
    """What one layer gives, and the layers after it that keep its shape.

    Attributes:
        name: the layer's name.
        kind: its class.
        shape: of its output, without the batch axis.
        detail: its window and parameters in words.
        sources: the volumes it is made from.
        followers: the classes of the layers that keep its shape.
        column: how far from the inputs, in volumes.
        lane: which of the parallel paths.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...]
    detail: str
    sources: list[Volume]
    followers: list[str] = field(default_factory=list)
    column: int = 0
    lane: int = 0


@style.drawn
def architecture(model: Any) -> Figure:
    """Draw a network as volumes to scale, from left to right.

    Height and depth of a volume are the height and width of the maps, its thickness their number; vectors are bars.
    Each of the three measures has one scale over the figure. Layers that keep the shape (normalisation, activations,
    dropout) are named under the volume they work on; merging layers join their paths.

    Args:
        model: a built model of any graph; a nested model is drawn as one volume.
    """
    volumes = _volumes(model)
    scales = _scales(volumes)
    columns = max(volume.column for volume in volumes) + 1
    lanes = max(volume.lane for volume in volumes) + 1
    places = [0.0]
    for column in range(columns):
        places.append(places[-1] + max(_slot(volume, scales) for volume in volumes if volume.column == column))
    lane_height = _TALLEST + _TALLEST * _SLANT[1] + 1.75
    fig = style.figure(places[-1] + 1, lanes * lane_height + 0.3)
    ax = fig.subplots()
    ax.axis("off")
    ax.set_aspect("equal")
    middles = {id(v): _draw(ax, v, places[v.column], -v.lane * lane_height, scales) for v in volumes}
    for volume in volumes:
        for source in volume.sources:
            (_, start), (end, _) = middles[id(source)], middles[id(volume)]
            past_others = volume.lane == source.lane and volume.column > source.column + 1
            arrow = {"arrowstyle": "-|>", "color": style.soft(), "linewidth": 1.5, "shrinkA": 3, "shrinkB": 3}
            ax.annotate("", end, start, arrowprops={**arrow, "connectionstyle": f"arc3,rad={-0.35 * past_others}"})
    ax.set_xlim(-0.3, places[-1] + 0.1)
    ax.set_ylim(-(lanes - 1) * lane_height - _TALLEST / 2 - 1.4, _TALLEST / 2 + _TALLEST * _SLANT[1] + 0.2)
    return fig


def _volumes(model: Any) -> list[Volume]:
    """Return the volumes of a graph, inputs first."""
    made: dict[int, Volume] = {}
    found: list[Volume] = []

    def add(name: str, kind: str, shape: Any, detail: str, sources: list[Volume]) -> Volume:
        volume = Volume(name, kind, tuple(shape[1:]), detail, sources)
        volume.column = max((source.column + 1 for source in sources), default=0)
        taken = {other.lane for other in found if other.column == volume.column}
        wanted = min((source.lane for source in sources), default=0)
        volume.lane = next(lane for lane in range(wanted, wanted + len(found) + 1) if lane not in taken)
        found.append(volume)
        return volume

    for symbol in model.inputs:
        made[id(symbol)] = add(symbol.node.layer.name, "input", symbol.shape, "", [])
    for node in model.graph.nodes:
        sources = list(dict.fromkeys(id(made[id(one)]) for one in node.inputs))
        before = [next(v for v in found if id(v) == source) for source in sources]
        layer, kind = node.layer, type(node.layer).__name__
        if len(before) == 1 and (kind == "Flatten" or _keeps(layer, before[0], node.outputs[0].shape[1:])):
            before[0].followers.append(kind)
            made[id(node.outputs[0])] = before[0]
            continue
        for symbol in node.outputs:
            made[id(symbol)] = add(layer.name, kind, symbol.shape, _detail(layer), before)
    return found


def _keeps(layer: Any, before: Volume, shape: tuple[int | None, ...]) -> bool:
    """Whether a layer changes values only: it has no window or units, and gives the shape it got, perhaps flattened."""
    if any(hasattr(layer, name) for name in ("kernel_size", "pool_size", "units", "graph")):
        return False
    flattened = "Flatten" in before.followers and None not in before.shape and shape == (np.prod(_sizes(before)),)
    return shape == before.shape or flattened


def _detail(layer: Any) -> str:
    window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    parts = []
    if window is not None:
        steps = tuple(layer.strides)
        text = f"{window[0]} × {window[1]}"
        parts.append(text if steps in ((1, 1), tuple(window)) else f"{text} / {steps[0]}")
    activation = getattr(getattr(layer, "activation", None), "name", "linear")
    if activation != "linear":
        parts.append(activation)
    return ", ".join(parts) or type(layer).__name__


def _scales(volumes: list[Volume]) -> tuple[float, float, float]:
    """Return inches per cell, per map and per unit of a vector."""
    spatial = [_sizes(volume) for volume in volumes if len(volume.shape) == 3]
    cells = max((max(h, w) for h, w, _ in spatial), default=1)
    maps = max((c for *_, c in spatial), default=1)
    units = max((int(np.prod(_sizes(v))) for v in volumes if len(v.shape) != 3), default=1)
    return _TALLEST / cells, min(_THICKEST / maps, 0.06), min(_TALLEST / units, 0.15)


def _sizes(volume: Volume) -> tuple[int, ...]:
    return tuple(_OPEN_SIZE if size is None else size for size in volume.shape)


def _slot(volume: Volume, scales: tuple[float, float, float]) -> float:
    """Return how many inches a volume takes, with its text and the arrow after it."""
    lines = max(len(line) for line in _text(volume))
    thickness, depth = _BAR, 0.0
    if len(volume.shape) == 3:
        _, w, c = _sizes(volume)
        thickness, depth = c * scales[1], w * scales[0] * _SLANT[0]
    return max(thickness + depth + 0.55, 0.108 * lines + 0.2)


def _text(volume: Volume) -> list[str]:
    shape = " × ".join("?" if size is None else str(size) for size in volume.shape)
    followers = [_SHORT.get(kind, kind) for kind in dict.fromkeys(volume.followers) if kind != "Flatten"]
    return [volume.name, shape, volume.detail, *(f"+ {name}" for name in followers)]


_SHORT = {"BatchNormalization": "batch norm", "ReLU": "ReLU", "Dropout": "dropout", "Activation": "activation"}


def _draw(
    ax: Axes, volume: Volume, x: float, y: float, scales: tuple[float, float, float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Draw a volume centred at height y; return the points where arrows end and begin."""
    from matplotlib.patches import Polygon

    per_cell, per_map, per_unit = scales
    if len(volume.shape) == 3:
        h, w, c = _sizes(volume)
        size = np.array([max(c * per_map, 0.02), max(h * per_cell, 0.02)])
        back = max(w * per_cell, 0.02) * _SLANT
    else:
        size, back = np.array([_BAR, max(int(np.prod(_sizes(volume))) * per_unit, 0.02)]), np.array([0.0, 0.0])
    corner = np.array([x, y - size[1] / 2])
    right, up = np.array([size[0], 0]), np.array([0, size[1]])
    color = _color(volume)
    for points, share in (
        ([corner, corner + right, corner + right + up, corner + up], 0.45),
        ([corner + right, corner + right + back, corner + right + up + back, corner + right + up], 0.7),
        ([corner + up, corner + up + right, corner + up + right + back, corner + up + back], 0.25),
    ):
        ax.add_patch(Polygon(np.array(points), facecolor=_mixed(color, share), edgecolor=style.ink(), linewidth=0.8))
    name, shape, *rest = _text(volume)
    below = y - _TALLEST / 2 - 0.15
    ax.text(x, below, name, ha="left", va="top", fontweight="bold", fontsize=12)
    ax.text(
        x,
        below - 0.22,
        "\n".join([shape, *rest]),
        ha="left",
        va="top",
        fontsize=11,
        color=style.soft(),
        linespacing=1.35,
    )
    level = y + back[1] / 2
    return (x, level), (x + size[0] + back[0] / 2, level)


def _color(volume: Volume) -> str:
    if volume.kind == "input":
        return style.soft()
    return style.orange() if "Pool" in volume.kind else style.blue()


def _mixed(color: str, share: float) -> tuple[float, float, float]:
    """Return a colour mixed with the paper's."""
    from matplotlib.colors import to_rgb

    a, b = np.array(to_rgb(color)), np.array(to_rgb(style.paper()))
    red, green, blue = share * a + (1 - share) * b
    return red, green, blue
