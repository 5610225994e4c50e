"""Curves of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["history"]

_SMALLER_IS_BETTER = ("loss", "error")


@style.drawn
def history(h: Any) -> Figure:
    """Draw loss and metrics by epoch, training against validation, with the gap between them marked.

    Args:
        h: what ``fit`` returns, its ``history`` dictionary, or the table of a run's ``history.csv``.

    Returns:
        A panel for the loss and for each metric. The best epoch of the validation has a dot.

    Raises:
        ValueError: if there is nothing to draw.
    """
    curves = _curves(h)
    names = [name for name in curves if not name.startswith("val_")]
    names.sort(key=lambda name: name != "loss")
    if not names or not len(curves[names[0]]):
        raise ValueError("this history has no epochs: draw what fit returns.")
    columns = min(len(names), 2)
    rows = -(-len(names) // columns)
    fig = style.figure(6.2 * columns + 0.4, 4.6 * rows)
    axes = fig.subplots(rows, columns, squeeze=False).ravel()
    for ax, name in zip(axes, names, strict=False):
        _panel(ax, name, curves[name], curves.get(f"val_{name}"))
    for ax in axes[len(names) :]:
        ax.remove()
    return fig


def _curves(h: Any) -> dict[str, np.ndarray]:
    table = getattr(h, "history", h)
    if hasattr(table, "to_dict") and not isinstance(table, Mapping):
        table = table.to_dict(orient="list")
    if not isinstance(table, Mapping):
        raise ValueError(f"history takes what fit returns, a dictionary of lists or a table; got {type(h).__name__}.")
    curves = {str(name): np.asarray(values, float) for name, values in table.items()}
    return {name: values for name, values in curves.items() if name not in ("epoch", "learning_rate")}


def _panel(ax: Axes, name: str, training: np.ndarray, validation: np.ndarray | None) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = np.arange(1, len(training) + 1)
    marker = "o" if len(epochs) < 3 else None
    ax.plot(epochs, training, color=style.blue(), marker=marker)
    ends = [("training", training[-1], style.blue())]
    if validation is not None and len(validation) == len(training):
        ax.plot(epochs, validation, color=style.orange(), linestyle=(0, (4, 1.5)), marker=marker)
        ax.fill_between(epochs, training, validation, color=style.orange(), alpha=0.15, linewidth=0)
        _mark_gap(ax, epochs[-1], training[-1], validation[-1])
        _mark_best(ax, name, epochs, validation)
        ends.append(("validation", validation[-1], style.orange()))
    _label_ends(ax, epochs[-1], ends)
    ax.set_title(name.replace("_", " "), loc="left", fontweight="bold")
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    ax.grid(axis="y", color=style.line(), alpha=0.5, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.margins(x=0.02, y=0.18)


def _mark_gap(ax: Axes, epoch: int, training: float, validation: float) -> None:
    """Draw a bracket between the last values and say how far they are apart."""
    style_of_ends = "|-|,widthA=0.25,widthB=0.25"
    bracket = {"arrowstyle": style_of_ends, "color": style.soft(), "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", (epoch, training), (epoch, validation), arrowprops=bracket)
    ax.set_title(f"gap {style.number(abs(training - validation), 3)}", loc="right", color=style.soft())


def _mark_best(ax: Axes, name: str, epochs: np.ndarray, validation: np.ndarray) -> None:
    if not np.isfinite(validation).any():
        return
    smaller = any(word in name for word in _SMALLER_IS_BETTER)
    best = int(np.nanargmin(validation) if smaller else np.nanargmax(validation))
    ax.plot(epochs[best], validation[best], "o", color=style.orange(), markersize=9, markeredgecolor=style.paper())
    ax.annotate(
        f"best {style.number(validation[best], 3)}",
        (epochs[best], validation[best]),
        xytext=(-4, -14 if smaller else 12),
        textcoords="offset points",
        ha="right" if best >= (len(epochs) - 1) / 2 else "left",
        va="top" if smaller else "bottom",
        color=style.orange(),
    )


def _label_ends(ax: Axes, epoch: int, ends: list[tuple[str, float, str]]) -> None:
    """Write the names of the curves beside their last points, in the order of their values."""
    ends = sorted(ends, key=lambda end: end[1])
    for place, (label, value, color) in enumerate(ends):
        shift = 0 if len(ends) == 1 else (-9, 9)[place]
        ax.annotate(
            label, (epoch, value), xytext=(12, shift), textcoords="offset points", color=color, va="center",
            annotation_clip=False,
        )  # fmt: skip
