"""Pictures of what is inside a network: the maps of its layers, its filters, what a cell sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import attribution, reach, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["feature_maps", "filters", "receptive_field"]

_NOTHING_NEW = ("Flatten", "Dropout", "SpatialDropout2D", "Reshape", "InputLayer")


@style.drawn
def feature_maps(model: Any, x: Any, layers: Sequence[str] | None = None, maps: int = 8) -> Figure:
    """Draw what each layer makes of an image, layer below layer.

    Args:
        model: a network on images.
        x: one image ``(h, w, c)``.
        layers: names of the layers to show; if None all but those that only reshape or drop.
        maps: how many maps of a layer to show at most.

    Returns:
        The image, and a row per layer with one scale, symmetric about zero. Layers without maps are strips of cells.
    """
    image = attribution.images_of(model, x)[:1]
    trace = model.trace(image)
    steps = [step for step in trace if step.inputs and isinstance(step.output, np.ndarray)]
    if layers is None:
        steps = [step for step in steps if type(step.layer).__name__ not in _NOTHING_NEW]
    else:
        unknown = [name for name in layers if name not in trace]
        if unknown:
            raise ValueError(f"no layer {unknown[0]!r} in this model; it has {list(dict.fromkeys(trace.layer_names))}.")
        steps = [step for step in steps if step.layer.name in layers]
    columns = max([4, *(min(maps, step.output.shape[-1]) for step in steps if step.output.ndim == 4)])
    aspect = image.shape[1] / image.shape[2]
    heights = [1.3, *(1.3 * aspect if step.output.ndim == 4 else 0.62 for step in steps)]
    fig = style.figure(2.9 + 1.3 * columns, sum(heights) + 0.14 * len(heights) + 0.3)
    grid = fig.add_gridspec(len(steps) + 1, columns + 1, width_ratios=[2.1] + [1.3] * columns, height_ratios=heights)
    _label(fig.add_subplot(grid[0, 0]), "image", " × ".join(map(str, image.shape[1:])))
    style.show_image(fig.add_subplot(grid[0, 1]), image[0])
    for row, step in enumerate(steps, start=1):
        values = step.output[0]
        shown = min(maps, values.shape[-1]) if values.ndim == 3 else values.size
        _label(fig.add_subplot(grid[row, 0]), step.layer.name, _size(values, shown))
        if values.ndim != 3:
            _strip(fig.add_subplot(grid[row, 1:]), values.ravel())
            continue
        limit = style.largest(values[..., :shown])
        axes = [fig.add_subplot(grid[row, column + 1]) for column in range(shown)]
        for channel, ax in enumerate(axes):
            drawn = style.signed(ax, values[..., channel], limit)
            style.frame(ax)
        style.color_bar(fig, drawn, axes[-1], positive=values.min() >= 0, fraction=0.09, pad=0.06)
    return fig


def _label(ax: Axes, name: str, detail: str) -> None:
    ax.axis("off")
    ax.text(0, 0.56, name, ha="left", va="bottom", fontweight="bold", fontsize=min(14, 200 / max(len(name), 1)))
    ax.text(0, 0.44, detail, ha="left", va="top", color=style.soft(), fontsize=12)


def _size(values: np.ndarray, shown: int) -> str:
    text = " × ".join(map(str, values.shape)) if values.ndim > 1 else f"{values.size} unit{'s' * (values.size > 1)}"
    return text if shown == (values.shape[-1] if values.ndim == 3 else values.size) else f"{text}\n{shown} shown"


def _strip(ax: Axes, values: np.ndarray) -> None:
    """Draw a vector as a row of cells; with the numbers if they fit."""
    shown = style.signed(ax, values[np.newaxis], aspect="auto")
    style.frame(ax)
    if values.size <= 12:
        for column, value in enumerate(values):
            color = style.readable(shown.cmap(shown.norm(value)))
            ax.text(column, 0, style.number(value), ha="center", va="center", color=color, fontsize=13)
        ax.set_xticks(range(values.size), [str(unit) for unit in range(values.size)])
        ax.tick_params(length=0, labelsize=11)


@style.drawn
def filters(model: Any, layer: Any, count: int = 16, channels: int = 4) -> Figure:
    """Draw the kernels of a convolution: a column per filter, a row per channel of the input.

    Args:
        model: the network.
        layer: the layer, or its name.
        count: how many filters to show at most.
        channels: how many input channels to show at most.

    Raises:
        ValueError: if the layer has no kernels ``(kh, kw, c, f)``.
    """
    layer = model.get_layer(layer) if isinstance(layer, str) else layer
    found = next((v.value for key, v in layer.parameters.items() if key.endswith("kernel") and v.value.ndim == 4), None)
    if found is None:
        raise ValueError(f"layer {layer.name!r} has no kernels (kh, kw, c, f) to draw; choose a convolution.")
    kernel = found.swapaxes(2, 3) if type(layer).__name__ == "Conv2DTranspose" else found
    if type(layer).__name__ in ("DepthwiseConv2D", "SeparableConv2D"):  # a filter for each channel
        kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
    kh, kw, c, f = kernel.shape
    shown_c, shown_f = min(c, channels), min(f, count)
    wrap = min(shown_f, 8)
    bands = -(-shown_f // wrap)
    title = f"{layer.name}: {f} filters of {kh} × {kw} × {c}"
    left_out = [
        f"{shown} of the {what}"
        for shown, all_, what in ((shown_f, f, "filters"), (shown_c, c, "channels"))
        if shown < all_
    ]
    if left_out:
        title += f"\n{' and '.join(left_out)} shown"
    fig = style.figure(max(1.15 * wrap + 1.6, 6.5), 1.2 * shown_c * bands * kh / kw + 0.8)
    fig.suptitle(title, fontweight="bold", fontsize=15)
    axes = fig.subplots(shown_c * bands, wrap, squeeze=False)
    limit = style.largest(kernel[:, :, :shown_c, :shown_f])
    for (row, column), ax in np.ndenumerate(axes):
        band, channel = divmod(row, shown_c)
        number = band * wrap + column
        if number >= shown_f:
            ax.axis("off")
            continue
        drawn = style.signed(ax, kernel[:, :, channel, number], limit, "weights")
        style.frame(ax)
        if channel == 0:
            ax.set_title(str(number), fontsize=11, color=style.soft(), pad=3)
        if column == 0 and c > 1:
            ax.set_ylabel(f"c {channel}", fontsize=11, color=style.soft())
    style.color_bar(fig, drawn, axes, "weight", fraction=0.03, pad=0.02)
    return fig


@style.drawn
def receptive_field(model: Any, layer: str, cell: tuple[int, int], x: Any = None) -> Figure:
    """Draw which cells of the image a cell of a layer can see, and how strongly it really does.

    Args:
        model: a network on images.
        layer: the layer's name.
        cell: row and column in its maps.
        x: measure on this image (or these), and show it; on random noise if None.

    Returns:
        The layer's grid with the cell marked; the image with the theoretical field as a box, and the measured one as
        the mean size of the cell's gradient.
    """
    field = reach.theoretical_field(model, layer, cell)
    measured = reach.measured_field(model, layer, cell, x)
    seen = np.argwhere(measured > 0)
    size = " × ".join(str(n) for n in np.ptp(seen, axis=0) + 1) if len(seen) else "nothing"
    shape = model.trace(np.zeros((1, *measured.shape, model.inputs[0].shape[-1])))[layer].output.shape
    fig = style.figure(11.5, 6.0)
    left, right = fig.subplots(1, 2, width_ratios=[1, 1.45])
    _draw_cell(left, shape[1:3], cell)
    left.set_title(f"{layer}, {shape[1]} × {shape[2]}\ncell ({cell[0]}, {cell[1]})", loc="left", fontweight="bold")
    shown = _draw_field(right, measured, field, None if x is None else attribution.images_of(model, x)[0])
    theory = f"theoretical: {field.size[0]} × {field.size[1]} cells of the image (dashed)"
    right.set_title(f"{theory}\nmeasured: {size}", loc="left", fontweight="bold")
    style.color_bar(fig, shown, right, "mean |gradient|, largest = 1", positive=True, fraction=0.045, pad=0.02)
    return fig


def _draw_cell(ax: Axes, size: tuple[int, int], cell: tuple[int, int]) -> None:
    """Draw a grid of cells with one of them marked."""
    grid = np.zeros(size)
    grid[cell] = 1
    style.signed(ax, grid, 1.3)
    ax.set_xticks(np.arange(size[1] + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(size[0] + 1) - 0.5, minor=True)
    if max(size) <= 40:
        ax.grid(which="minor", color=style.line(), linewidth=0.7)
    ax.tick_params(which="both", length=0)
    style.frame(ax)


def _draw_field(ax: Axes, measured: np.ndarray, field: reach.Field, image: np.ndarray | None) -> Any:
    """Draw the measured field over the image, and the theoretical one as a box."""
    from matplotlib.patches import Rectangle

    h, w = measured.shape
    opacity: Any = 1.0
    if image is not None:
        style.show_pale(ax, image)
        opacity = np.clip(2 * measured, 0, 0.9)
    shown = style.signed(ax, measured, 1.0, alpha=opacity)
    corner, size = (field.left - 0.5, field.top - 0.5), field.size
    ax.add_patch(Rectangle((-0.5, -0.5), w, h, fill=False, edgecolor=style.soft(), linewidth=1))
    ax.add_patch(Rectangle(corner, size[1], size[0], fill=False, edgecolor=style.blue(), linewidth=3, linestyle="--"))
    style.frame(ax, "none")
    ax.set_xlim(min(-0.5, field.left - 1), max(w - 0.5, field.right + 1))
    ax.set_ylim(max(h - 0.5, field.bottom + 1), min(-0.5, field.top - 1))
    return shown
