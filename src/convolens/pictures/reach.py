"""Receptive fields: which cells of the image a cell of a layer can see, and which it really does.

The theoretical field follows from kernels, strides, pads and dilations alone; the measured one is where the gradient of
that cell is not zero, taken from a trace.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from convolens.kernels import geometry

from .attribution import images_of

__all__ = ["Field", "measured_field", "theoretical_field"]


class Field(NamedTuple):
    """A box of image cells, last row and column included; it may reach into the padding around the image."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top + 1, self.right - self.left + 1

    def within(self, size: tuple[int, int]) -> Field:
        """Return the part of the box that lies in an image of this size."""
        h, w = size
        return Field(max(self.top, 0), min(self.bottom, h - 1), max(self.left, 0), min(self.right, w - 1))


def theoretical_field(model: Any, layer: str, cell: tuple[int, int]) -> Field:
    """Return the image cells that a cell of a layer's maps can depend on.

    Going back through a window of span s with stride t and p cells of padding before the image, cells ``a`` to ``b``
    come from cells ``a t - p`` to ``b t - p + s - 1``. Where paths meet the boxes are united.

    Args:
        model: the network.
        layer: the layer's name.
        cell: its row and column in the layer's maps.

    Raises:
        ValueError: if there is no such cell, or a layer on the way has no known window.

    >>> import convolens as cl
    >>> model = cl.Sequential([cl.Input((9, 9, 1)), cl.layers.Conv2D(1, 3), cl.layers.MaxPooling2D(name="pool")])
    >>> theoretical_field(model, "pool", (1, 1)).size
    (4, 4)
    """
    from convolens.graph import Graph

    symbol = model.get_layer(layer).output
    _check_cell(symbol, layer, cell)
    boxes: dict[int, Field] = {id(symbol): Field(cell[0], cell[0], cell[1], cell[1])}
    for node in reversed(Graph(model.inputs, [symbol]).nodes):
        box = boxes[id(node.outputs[0])]
        for one in node.inputs:
            source = _source(node.layer, box, one.shape)
            known = boxes.get(id(one))
            boxes[id(one)] = source if known is None else _union(known, source)
    return boxes[id(model.inputs[0])]


def _check_cell(symbol: Any, layer: str, cell: tuple[int, int]) -> None:
    if len(symbol.shape) != 4:
        raise ValueError(f"layer {layer!r} gives {symbol.shape}; a receptive field is asked of maps (n, h, w, c).")
    sizes = symbol.shape[1:3]
    if len(cell) != 2 or any(not 0 <= at < (size or at + 1) for at, size in zip(cell, sizes, strict=True)):
        raise ValueError(f"cell is (row, column) within the {sizes[0]} x {sizes[1]} cells of {layer!r}; got {cell}.")


def _union(a: Field, b: Field) -> Field:
    return Field(min(a.top, b.top), max(a.bottom, b.bottom), min(a.left, b.left), max(a.right, b.right))


def _source(layer: Any, box: Field, shape: tuple[int | None, ...]) -> Field:
    """Return the cells of one input, of this shape, that a box of a layer's output depends on."""
    kind = type(layer).__name__
    if len(shape) == 4 and (kind in _ALL_CELLS or _normalizes_cells_together(layer, kind)):
        return Field(0, (shape[1] or 1) - 1, 0, (shape[2] or 1) - 1)
    if layer.elementwise or kind in _SAME_CELL:
        return box
    if kind in _SHIFTS:
        (top, _), (left, _) = getattr(layer, _SHIFTS[kind][0])
        sign = _SHIFTS[kind][1]
        return Field(box.top + sign * top, box.bottom + sign * top, box.left + sign * left, box.right + sign * left)
    rows, columns = (_range(layer, kind, box[2 * axis : 2 * axis + 2], shape, axis) for axis in (0, 1))
    return Field(*rows, *columns)


_ALL_CELLS = ("GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten", "Reshape")
_SAME_CELL = (
    "Activation", "Add", "Average", "BatchNormalization", "Concatenate", "Dense", "Dropout", "ELU", "LeakyReLU",
    "LayerNormalization", "Maximum", "Multiply", "ReLU", "Rescaling", "Softmax", "SpatialDropout2D", "Subtract",
    "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom",
)  # fmt: skip
_SHIFTS = {"ZeroPadding2D": ("padding", -1), "Cropping2D": ("cropping", 1)}


def _normalizes_cells_together(layer: Any, kind: str) -> bool:
    axes = layer.axis if kind == "LayerNormalization" else -1
    return any(axis in (1, 2, -2, -3) for axis in np.atleast_1d(axes))


def _range(layer: Any, kind: str, cells: tuple[int, ...], shape: tuple[int | None, ...], axis: int) -> tuple[int, int]:
    """Return the first and last input cell along an axis for the first and last output cell."""
    first, last = cells
    if kind == "UpSampling2D":
        factor = layer.size[axis]
        if layer.interpolation == "nearest":
            return first // factor, last // factor
        low, high = ((at + 0.5) / factor - 0.5 for at in (first, last))
        return max(int(np.floor(low)), 0), min(int(np.ceil(high)), (shape[axis + 1] or last) - 1)
    window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    if window is None:
        raise ValueError(f"the receptive field of a {kind} ({layer.name!r}) is not known; choose a layer before it.")
    dilation = getattr(layer, "dilation_rate", (1, 1))
    h, w = (cells or 2 * last + 64 for cells in shape[1:3])
    size = (h, w)
    span, stride = geometry.span(window[axis], dilation[axis]), layer.strides[axis]
    if kind == "Conv2DTranspose":
        output = layer.compute_output_shape((1, *size, shape[3]))[1:3]
        pads = geometry.transposed_pads(layer.padding, size, output, window, layer.strides, dilation)
        before = pads[axis][0]
        return max(-(-(first + before - span + 1) // stride), 0), min((last + before) // stride, size[axis] - 1)
    before = geometry.pads(layer.padding, size, window, layer.strides, dilation)[axis][0]
    return first * stride - before, last * stride - before + span - 1


def measured_field(
    model: Any, layer: str, cell: tuple[int, int], x: Any = None, images: int = 16, seed: int = 0
) -> np.ndarray:
    """Return how strongly each image cell moves a cell of a layer's maps: ``(h, w)``, the largest value 1.

    The mean magnitude of the gradient of the cell's channels, each with a random sign, over images and channels.
    On images of normal noise this is the effective receptive field of W. Luo et al., "Understanding the effective
    receptive field in deep convolutional neural networks", 2016.

    Args:
        model: the network.
        layer: the layer's name.
        cell: its row and column in the layer's maps.
        x: the images; noise if None.
        images: how many images of noise.
        seed: what noise and signs are drawn from.
    """
    from convolens.model import Model

    rng = np.random.default_rng(seed)
    symbol = model.get_layer(layer).output
    _check_cell(symbol, layer, cell)
    if x is None:
        shape = tuple(model.inputs[0].shape[1:])
        if None in shape:
            raise ValueError(f"the model takes images of any size {shape}; pass x, an image to measure on.")
        x = rng.normal(size=(images, *shape))
    part = Model(model.inputs, symbol, name="part")
    batch = images_of(part, x)
    output = part.trace(batch).output
    d_output = np.zeros_like(output)
    d_output[:, cell[0], cell[1]] = rng.choice([-1.0, 1.0], size=(len(batch), output.shape[-1]))
    d_input = part.trace(batch, d_output=d_output).d_input
    gradient = np.abs(np.asarray(d_input)).mean(axis=(0, 3))
    return gradient / (gradient.max() or 1)
