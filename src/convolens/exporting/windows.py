"""The windows of layers in the terms of other frameworks: explicit pads, what is cut off, what is added."""

from __future__ import annotations

from typing import Any

from convolens.kernels import geometry
from convolens.kernels.geometry import Pads

__all__ = ["explicit_pads", "transposed_window"]


def explicit_pads(layer: Any, size: tuple[int | None, ...], kernel: Any) -> Pads | None:
    """Return the pads ``((top, bottom), (left, right))`` of a layer's window, None if they depend on an open size."""
    if layer.padding == "same" and None in size and max(layer.strides) > 1:
        return None
    known: Any = tuple(1 if cells is None else cells for cells in size)
    return geometry.pads(layer.padding, known, kernel, layer.strides, getattr(layer, "dilation_rate", (1, 1)))


def transposed_window(layer: Any) -> tuple[tuple[int, ...], Pads]:
    """Return the cells that a transposed convolution adds after its last window, and those it cuts off.

    Neither depends on the input's size.
    """
    size = (4, 4)
    window = (layer.kernel_size, layer.strides, layer.padding, layer.dilation_rate)
    output = geometry.transposed_output_size(size, *window, layer.output_padding)
    cut = geometry.transposed_pads(layer.padding, size, output, layer.kernel_size, layer.strides, layer.dilation_rate)
    spans = map(geometry.span, layer.kernel_size, layer.dilation_rate)
    covered = [(n - 1) * stride + span for n, stride, span in zip(size, layer.strides, spans, strict=True)]
    return tuple(o - (c - sum(off)) for o, c, off in zip(output, covered, cut, strict=True)), cut
