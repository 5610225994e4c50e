"""Layers as nodes of an ONNX graph: one table of functions ``(graph, layer, inputs, shape) -> value``."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from convolens import layers

from .onnx_activations import activate
from .onnx_graph import GraphBuilder, Value
from .windows import explicit_pads, transposed_window

__all__ = ["convert"]

Shape = tuple[int | None, ...]
Converter = Callable[[GraphBuilder, Any, list[Value], Shape], Value]
_CONVERTERS: dict[type, Converter] = {}


def converts(*classes: type) -> Callable[[Converter], Converter]:
    """File a function as the converter of some layers."""

    def file(converter: Converter) -> Converter:
        _CONVERTERS.update(dict.fromkeys(classes, converter))
        return converter

    return file


def convert(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    """Add a call of a layer to the graph and return its output.

    Raises:
        ValueError: naming the layer and the reason, if ONNX cannot express it.
    """
    converter = _CONVERTERS.get(type(layer))
    refusal = f"layer {layer.name!r} cannot be written as ONNX"
    if converter is None:
        raise ValueError(f"{refusal}: there is no counterpart of {type(layer).__name__}.")
    try:
        return converter(graph, layer, inputs, shape)
    except ValueError as error:
        raise ValueError(f"{refusal}: {error}.") from error


@converts(
    layers.Dropout, layers.SpatialDropout2D, layers.RandomFlip, layers.RandomRotation, layers.RandomTranslation,
    layers.RandomZoom,
)  # fmt: skip
def _nothing(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    return inputs[0]


@converts(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Softmax)
def _activation(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    return activate(graph, layer.activation, inputs[0])


# Convolutions. Kernels are (outputs, inputs / groups, kh, kw) in ONNX.


def _window(layer: Any, x: Value, kernel: Any) -> dict[str, Any]:
    """Return a window's attributes, ``same`` as explicit pads: all tops and lefts first, then bottoms and rights."""
    attributes = {"kernel_shape": list(kernel), "strides": list(layer.strides)}
    if max(getattr(layer, "dilation_rate", (1, 1))) > 1:
        attributes["dilations"] = list(layer.dilation_rate)
    pads = explicit_pads(layer, x.shape[1:3], kernel)
    if pads is None:
        return {**attributes, "auto_pad": "SAME_UPPER"}
    (top, bottom), (left, right) = pads
    return {**attributes, "pads": [top, left, bottom, right]}


def _biased(graph: GraphBuilder, layer: Any) -> list[str]:
    return [] if layer.bias is None else [graph.constant(layer.bias.value, f"{graph.scope}/bias")]


@converts(layers.Conv2D)
def _conv2d(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    (x,) = inputs
    w = graph.constant(layer.kernel.value.transpose(3, 2, 0, 1), f"{graph.scope}/kernel")
    window = _window(layer, x, layer.kernel_size)
    y = graph.add("Conv", x.name, w, *_biased(graph, layer), group=layer.groups, **window)
    return activate(graph, layer.activation, Value(y, shape))


def _depthwise(graph: GraphBuilder, layer: Any, x: Value, kernel: np.ndarray, bias: list[str], name: str) -> str:
    kh, kw, c, multiplier = kernel.shape
    w = graph.constant(kernel.transpose(2, 3, 0, 1).reshape(c * multiplier, 1, kh, kw), f"{graph.scope}/{name}")
    window = _window(layer, x, layer.kernel_size)
    return graph.add("Conv", x.name, w, *bias, group=c, **window)


@converts(layers.DepthwiseConv2D)
def _depthwise_conv2d(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    y = _depthwise(graph, layer, inputs[0], layer.kernel.value, _biased(graph, layer), "kernel")
    return activate(graph, layer.activation, Value(y, shape))


@converts(layers.SeparableConv2D)
def _separable_conv2d(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    deep = _depthwise(graph, layer, inputs[0], layer.depthwise_kernel.value, [], "depthwise_kernel")
    w = graph.constant(layer.pointwise_kernel.value.transpose(3, 2, 0, 1), f"{graph.scope}/pointwise_kernel")
    y = graph.add("Conv", deep, w, *_biased(graph, layer), kernel_shape=[1, 1])
    return activate(graph, layer.activation, Value(y, shape))


@converts(layers.Conv2DTranspose)
def _conv2d_transpose(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    (x,) = inputs
    added, ((top, bottom), (left, right)) = transposed_window(layer)
    y = graph.add(
        "ConvTranspose",
        x.name,
        graph.constant(layer.kernel.value.transpose(3, 2, 0, 1), f"{graph.scope}/kernel"),
        *_biased(graph, layer),
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.strides),
        dilations=list(layer.dilation_rate),
        pads=[top, left, bottom, right],
        output_padding=list(added),
    )
    return activate(graph, layer.activation, Value(y, shape))


@converts(layers.Dense)
def _dense(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    (x,) = inputs
    w = layer.kernel.value
    bias = _biased(graph, layer)
    if x.rank == 4:  # along the channels of every cell: a convolution with a window of one cell
        y = graph.add("Conv", x.name, graph.constant(w.T[:, :, None, None], f"{graph.scope}/kernel"), *bias)
    elif x.rank == 2:
        rows = w if x.order is None else w[np.argsort(x.order)]
        y = graph.add("Gemm", x.name, graph.constant(rows, f"{graph.scope}/kernel"), *bias)
    else:
        y = graph.add("MatMul", x.name, graph.constant(w, f"{graph.scope}/kernel"))
        y = graph.add("Add", y, *bias) if bias else y
    return activate(graph, layer.activation, Value(y, shape))


# Pooling and moving cells.


@converts(layers.MaxPooling2D, layers.AveragePooling2D)
def _pooling(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    operator = "MaxPool" if isinstance(layer, layers.MaxPooling2D) else "AveragePool"
    window = _window(layer, inputs[0], layer.pool_size)
    return Value(graph.add(operator, inputs[0].name, **window), shape)


@converts(layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
def _global_pooling(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    operator = "GlobalMaxPool" if isinstance(layer, layers.GlobalMaxPooling2D) else "GlobalAveragePool"
    y = graph.add(operator, inputs[0].name)
    return Value(y if layer.keepdims else graph.add("Flatten", y, axis=1), shape)


@converts(layers.ZeroPadding2D)
def _zero_padding2d(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    (top, bottom), (left, right) = layer.padding
    cells = graph.integers([0, 0, top, left, 0, 0, bottom, right], "pads")
    return Value(graph.add("Pad", inputs[0].name, cells), shape)


@converts(layers.Cropping2D)
def _cropping2d(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    (top, bottom), (left, right) = layer.cropping
    end = np.iinfo(np.int64).max
    starts = graph.integers([top, left], "starts")
    ends = graph.integers([-bottom or end, -right or end], "ends")
    return Value(graph.add("Slice", inputs[0].name, starts, ends, graph.integers([2, 3], "axes")), shape)


@converts(layers.UpSampling2D)
def _up_sampling2d(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    scales = graph.constant([1, 1, *layer.size], f"{graph.scope}/scales")
    if layer.interpolation == "nearest":
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return Value(graph.add("Resize", inputs[0].name, "", scales, **how), shape)


@converts(layers.Flatten)
def _flatten(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    return graph.flatten(inputs[0])


@converts(layers.Reshape)
def _reshape(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    return graph.reshape(inputs[0], shape)


# Arithmetic cell by cell.


@converts(layers.Rescaling)
def _rescaling(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    (x,) = inputs
    return _scaled(graph, x, layer.scale, layer.offset)


def _scaled(graph: GraphBuilder, x: Value, scale: Any, shift: Any) -> Value:
    """Return ``x * scale + shift``."""
    y = graph.add("Mul", x.name, graph.constant(graph.placed(scale, x), f"{graph.scope}/scale"))
    return x._replace(name=graph.add("Add", y, graph.constant(graph.placed(shift, x), f"{graph.scope}/shift")))


@converts(layers.BatchNormalization)
def _batch_normalization(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    (x,) = inputs
    mean, variance = layer.moving_mean.value, layer.moving_variance.value
    gamma = np.ones_like(mean) if layer.gamma is None else layer.gamma.value
    beta = np.zeros_like(mean) if layer.beta is None else layer.beta.value
    if x.rank in (2, 4) and x.axis(layer.axis) == 1:
        named = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
        arrays = (
            graph.constant(array if x.rank == 4 else graph.placed(array, x), f"{graph.scope}/{name}")
            for name, array in named.items()
        )
        return x._replace(name=graph.add("BatchNormalization", x.name, *arrays, epsilon=layer.epsilon))
    along = [1] * x.rank
    along[layer.axis] = mean.size
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return _scaled(graph, x, scale.reshape(along), (beta - mean * scale).reshape(along))


@converts(layers.LayerNormalization)
def _layer_normalization(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    (x,) = inputs
    here = [axis % x.rank for axis in np.atleast_1d(layer.axis)]
    axes = graph.integers([x.axis(axis) for axis in here], "axes")
    centered = graph.add("Sub", x.name, graph.add("ReduceMean", x.name, axes))
    variance = graph.add("ReduceMean", graph.add("Mul", centered, centered), axes)
    deviation = graph.add("Sqrt", graph.add("Add", variance, graph.number(layer.epsilon, "epsilon")))
    y = graph.add("Div", centered, deviation)
    along = [size if axis in here else 1 for axis, size in enumerate(x.shape)]
    for operator, name, variable in (("Mul", "gamma", layer.gamma), ("Add", "beta", layer.beta)):
        if variable is not None:
            array = graph.placed(variable.value.reshape(along), x)
            y = graph.add(operator, y, graph.constant(array, f"{graph.scope}/{name}"))
    return x._replace(name=y)


@converts(layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)
def _merge(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    rank = max(x.rank for x in inputs)
    aligned = [
        x if x.rank == rank else graph.reshape(x, (*x.shape[:1], *[1] * (rank - x.rank), *x.shape[1:])) for x in inputs
    ]
    aligned, order = _agreeing(graph, aligned)
    names = [x.name for x in aligned]
    many = {layers.Add: "Sum", layers.Average: "Mean", layers.Maximum: "Max", layers.Minimum: "Min"}
    if type(layer) in many:
        return Value(graph.add(many[type(layer)], *names), shape, order)
    two = "Sub" if isinstance(layer, layers.Subtract) else "Mul"
    return Value(reduce(lambda a, b: graph.add(two, a, b), names), shape, order)


@converts(layers.Concatenate)
def _concatenate(graph: GraphBuilder, layer: Any, inputs: list[Value], shape: Shape) -> Value:
    axis = inputs[0].axis(layer.axis)
    if inputs[0].rank == 2 and axis == 1 and any(x.order is not None for x in inputs):
        sizes: list[Any] = [x.shape[1] for x in inputs]
        starts = np.cumsum([0, *sizes])
        orders = [np.arange(n) if x.order is None else x.order for x, n in zip(inputs, sizes, strict=True)]
        order: Any = np.concatenate([start + one for start, one in zip(starts, orders, strict=False)])
    else:
        inputs, order = _agreeing(graph, inputs)
    return Value(graph.add("Concat", *[x.name for x in inputs], axis=axis), shape, order)


def _agreeing(graph: GraphBuilder, inputs: list[Value]) -> tuple[list[Value], np.ndarray | None]:
    """Return values whose cells stand in one order, and that order."""
    first = inputs[0].order
    if first is not None and all(x.order is not None and np.array_equal(x.order, first) for x in inputs):
        return inputs, first
    return [graph.in_order(x) for x in inputs], None
