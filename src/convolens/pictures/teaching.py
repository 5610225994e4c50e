"""Teaching figures with a number in every cell: padding, pooling, and backward through a convolution.

Every number comes from the library's own kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convolens import kernels
from convolens.layers import arguments

from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "EXAMPLE_IMAGE",
    "EXAMPLE_KERNEL",
    "convolution_backward",
    "example",
    "outline",
    "padding",
    "pooling",
    "sign",
]

EXAMPLE_IMAGE = [[1, 0, 2, 1, 0], [0, 3, 1, 0, 2], [2, 1, 0, 1, 1], [1, 0, 2, 3, 0], [0, 1, 1, 0, 2]]
EXAMPLE_KERNEL = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]


def example(x: Any, default: Any, name: str) -> np.ndarray:
    """Return a matrix to show, float64 ``(rows, columns)``: the given one, or the default."""
    values = np.asarray(default if x is None else x, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"{name} is a matrix (rows, columns) to be drawn with its numbers; got shape {values.shape}.")
    return values


@style.drawn
def padding(x: Any = None, pad: Any = 1) -> Figure:
    """Draw zero padding: an image, and the same with zeros around it.

    Args:
        x: a matrix; an example if None.
        pad: cells on each side; or ``(vertical, horizontal)``, or ``((top, bottom), (left, right))``.
    """
    image = example(x, EXAMPLE_IMAGE, "x")
    pads = arguments.around("pad", pad)
    padded = np.pad(image, pads)
    (top, _), (left, _) = pads
    fig = style.figure(*_size([image.shape, padded.shape]))
    axes = fig.subplots(1, 2, width_ratios=[image.shape[1], padded.shape[1]])
    limit = style.largest(image)
    style.cells(axes[0], image, limit, title=f"image, {image.shape[0]} × {image.shape[1]}")
    style.cells(axes[1], padded, limit, title=f"padded, {padded.shape[0]} × {padded.shape[1]}")
    border = np.ones(padded.shape, bool)
    border[top : top + image.shape[0], left : left + image.shape[1]] = False
    _hatch(axes[1], border)
    outline(axes[1], top, left, image.shape, style.blue())
    return fig


@style.drawn
def pooling(x: Any = None, pool_size: Any = 2, strides: Any = None, dy: Any = None) -> Figure:
    """Draw max and average pooling forward, and how each hands a gradient back.

    Args:
        x: a matrix; an example if None.
        pool_size: the window, an integer or ``(height, width)``.
        strides: steps of the window; its size if None.
        dy: the gradient of the loss by the output; ones if None.

    Returns:
        Two rows. Max: input with the winners framed, output, mask and gradient. Average: the same with equal shares.
    """
    image = example(x, [[1, 3, 2, 0], [4, 2, 1, 5], [0, 1, 6, 2], [2, 3, 1, 4]], "x")
    window = arguments.pair("pool_size", pool_size)
    steps = window if strides is None else arguments.pair("strides", strides)
    backend = kernels.backend("reference")
    found = []
    for kind in ("max_pool2d", "average_pool2d"):
        y, cache = getattr(backend, f"{kind}_forward")(image[None, :, :, None], pool_size=window, strides=steps)
        gradient = np.ones(y.shape[1:3]) if dy is None else example(dy, None, "dy")
        if gradient.shape != y.shape[1:3]:
            raise ValueError(f"dy has shape {gradient.shape}; the output has {y.shape[1:3]}.")
        backward = getattr(backend, f"{kind}_backward")
        shares = backward(np.ones_like(y), cache)[0, :, :, 0]
        found.append((y[0, :, :, 0], shares, backward(gradient[None, :, :, None], cache)[0, :, :, 0]))
    output = found[0][0].shape
    shapes = [image.shape, output, image.shape, output, image.shape]
    width, height = _size(shapes)
    fig = style.figure(width, 2 * height)
    rows = fig.subplots(2, 5, width_ratios=[shape[1] for shape in shapes])
    names = (
        ("max pooling", "mask", "the maximum gets all of dy"),
        ("average pooling", "shares", "each cell an equal share"),
    )
    limit = style.largest(image)
    for axes, (y, shares, dx), (name, share_name, rule) in zip(rows, found, names, strict=True):
        style.cells(axes[0], image, limit, title=f"x, {window[0]} × {window[1]} windows")
        style.cells(axes[1], y, limit, title=name)
        style.cells(axes[2], shares, max(1.0, style.largest(shares)), "weights", title=share_name)
        style.cells(axes[3], gradient, title="dy")
        style.cells(axes[4], dx, style.largest(gradient), title="dx")
        axes[4].set_xlabel(rule)
        for (row, column), _ in np.ndenumerate(y):
            outline(axes[0], row * steps[0], column * steps[1], window, style.soft())
    for row, column in np.argwhere(found[0][1] > 0):
        outline(rows[0][0], row, column, (1, 1), style.orange())
    return fig


@style.drawn
def convolution_backward(x: Any = None, w: Any = None, dy: Any = None) -> Figure:
    """Draw backward through a convolution (stride 1, no padding): dw, db and dx from the gradient of the output.

    ``dw`` is the correlation of the image with ``dy``; ``dx`` is the full correlation of ``dy`` with the kernel turned
    by 180 degrees; ``db`` is the sum of ``dy``.

    Args:
        x: the image, a matrix; an example if None.
        w: the kernel, a matrix; an example if None.
        dy: the gradient of the loss by the output; an example if None.
    """
    image = example(x, [row[:4] for row in EXAMPLE_IMAGE[:4]], "x")
    kernel = example(w, [[1, -1], [0, 2]], "w")
    backend = kernels.backend("reference")
    y, cache = backend.conv2d_forward(image[None, :, :, None], kernel[:, :, None, None], np.zeros(1))
    default = np.resize([1.0, 0, -1, 2, 1, 0, 0, -2, 1], y.shape[1:3])
    gradient = example(dy, default, "dy")
    if gradient.shape != y.shape[1:3]:
        raise ValueError(f"dy has shape {gradient.shape}; the output of this convolution has {y.shape[1:3]}.")
    dx, dw, db = backend.conv2d_backward(gradient[None, :, :, None], cache)
    ph, pw = kernel.shape[0] - 1, kernel.shape[1] - 1
    padded, turned = np.pad(gradient, ((ph, ph), (pw, pw))), kernel[::-1, ::-1]
    rows = [
        (("x", image, "values"), ("dy", gradient, "values"), ("dw", dw[:, :, 0, 0], "weights")),
        (("dy with zeros", padded, "values"), ("w turned", turned, "weights"), ("dx", dx[0, :, :, 0], "values")),
    ]
    columns = [max(row[i][1].shape[1] for row in rows) for i in range(3)]
    heights = [max(entry[1].shape[0] for entry in row) for row in rows]
    fig = style.figure(0.66 * sum(columns) + 3.0, 0.66 * sum(heights) + 2.2)
    widths = [columns[0], 0.6, columns[1], 0.6, columns[2]]
    axes = fig.subplots(2, 5, width_ratios=widths, height_ratios=heights)
    for own, row in zip(axes, rows, strict=True):
        sign(own[1], "∗")
        sign(own[3], "=")
        for ax, (name, values, kind) in zip(own[::2], row, strict=True):
            style.cells(ax, values, kind=kind, title=name)
    _hatch(axes[1][0], np.pad(np.zeros(gradient.shape, bool), ((ph, ph), (pw, pw)), constant_values=True))
    axes[0][4].set_xlabel(f"db = sum of dy = {style.number(db[0])}")
    return fig


def sign(ax: Axes, text: str) -> None:
    """Draw an operator between two matrices."""
    ax.axis("off")
    ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=26, color=style.soft(), transform=ax.transAxes)


def outline(ax: Axes, row: float, column: float, size: Sequence[int], color: str, width: float = 3) -> Any:
    """Draw a frame around some cells, and return it."""
    from matplotlib.patches import Rectangle

    corner = (column - 0.5, row - 0.5)
    patch = Rectangle(corner, size[1], size[0], fill=False, edgecolor=color, linewidth=width, zorder=3, clip_on=False)
    return ax.add_patch(patch)


def _hatch(ax: Axes, where: np.ndarray) -> None:
    """Mark cells of the padding."""
    from matplotlib.patches import Rectangle

    for row, column in np.argwhere(where):
        cell = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, hatch="//", edgecolor=style.line(), linewidth=0)
        ax.add_patch(cell)


def _size(shapes: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Return a figure's size for matrices side by side."""
    columns, rows = sum(shape[1] for shape in shapes), max(shape[0] for shape in shapes)
    return 0.66 * columns + 0.5 * len(shapes), 0.66 * rows + 0.9
