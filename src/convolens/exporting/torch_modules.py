"""A model as modules of ``torch.nn``: the source that makes each, and its tensors. Nothing here needs PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from convolens import layers

from .cell_order import flattened_order, unless_sorted
from .torch_activations import activation_source
from .windows import explicit_pads, transposed_window

__all__ = ["Module", "modules_of"]

Order = np.ndarray | None


class Module(NamedTuple):
    """One module of ``torch.nn``.

    Attributes:
        name: its place in the model: ``"conv2d"``, ``"tower.conv2d"``.
        source: what makes it; None if ``torch.nn`` has no such module.
        tensors: its part of the state dictionary.
    """

    name: str
    source: str | None
    tensors: dict[str, np.ndarray] = {}  # noqa: RUF012


Converter = Callable[[Any, tuple[Any, ...], Order], list[Module]]
_CONVERTERS: dict[type, Converter] = {}


def converts(*classes: type) -> Callable[[Converter], Converter]:
    """File a function as the converter of some layers; it gets the layer, its input's shape and the cells' order."""

    def file(converter: Converter) -> Converter:
        _CONVERTERS.update(dict.fromkeys(classes, converter))
        return converter

    return file


def modules_of(model: Any) -> list[Module]:
    """Return the modules of all layers, in the order of calls; a layer called twice is there once.

    Raises:
        ValueError: naming the layer that PyTorch cannot express and the reason.
    """
    orders: dict[int, Order] = dict.fromkeys(map(id, model.inputs))
    found = {module.name: module for module in _walk(model, orders, "", {})}
    if any(orders[id(symbol)] is not None for symbol in model.outputs):
        raise ValueError("the model's output is a flattened image, whose cells stand in another order in PyTorch.")
    return list(found.values())


def _walk(model: Any, orders: dict[int, Order], prefix: str, met: dict[int, Order]) -> Iterator[Module]:
    """Yield the modules and note in which order the cells of each flattened image stand."""
    for node in model.graph.nodes:
        layer = node.layer
        given = [orders[id(symbol)] for symbol in node.inputs]
        if hasattr(layer, "graph"):
            orders.update({id(symbol): order for symbol, order in zip(layer.inputs, given, strict=True)})
            yield from _walk(layer, orders, f"{prefix}{layer.name}.", met)
            orders.update({id(a): orders[id(b)] for a, b in zip(node.outputs, layer.outputs, strict=True)})
            continue
        try:
            if "." in layer.name:
                raise ValueError("PyTorch allows no dot in names")
            if layer.weights and not _same([met.setdefault(id(layer), given[0]), given[0]]):
                raise ValueError("its calls see their cells in different orders")
            for module in _converted(layer, node.inputs[0].shape, given[0]):
                yield module._replace(name=f"{prefix}{module.name}")
            orders[id(node.outputs[0])] = _order_after(layer, [s.shape for s in node.inputs], given)
        except ValueError as error:
            raise ValueError(f"layer {layer.name!r} cannot be expressed in PyTorch: {error}.") from error


def _converted(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
    converter = _CONVERTERS.get(type(layer))
    if converter is not None:
        return converter(layer, shape, order)
    if layer.weights:
        raise ValueError(f"there is no counterpart of {type(layer).__name__}")
    return [Module(layer.name, None)]


def _order_after(layer: Any, shapes: list[tuple[Any, ...]], orders: list[Order]) -> Order:
    if isinstance(layer, layers.Flatten | layers.Reshape) and len(shapes[0]) == 4:
        if len(layer.compute_output_shape(shapes[0])) != 2:
            raise ValueError("it reshapes images, whose cells stand in another order")
        if None in shapes[0][1:]:
            raise ValueError("it flattens images of open size")
        return flattened_order(*shapes[0][1:])
    if isinstance(layer, layers.Dense) or all(order is None for order in orders):
        return None
    if isinstance(layer, layers.Concatenate) and layer.axis in (1, -1):
        sizes = [shape[1] for shape in shapes]
        starts = np.cumsum([0, *sizes])[:-1]
        parts = [np.arange(n) if order is None else order for n, order in zip(sizes, orders, strict=True)]
        return unless_sorted(np.concatenate([start + part for start, part in zip(starts, parts, strict=True)]))
    if len(shapes[0]) != 2 or isinstance(layer, layers.Reshape) or not _same(orders):
        raise ValueError("it works on the cells of a flattened image, which stand in another order")
    return orders[0]


def _same(orders: list[Order]) -> bool:
    return all(np.array_equal(np.asarray(order), np.asarray(orders[0])) for order in orders)


# Layers with weights.


def _activated(layer: Any, shape: tuple[Any, ...]) -> list[Module]:
    source = activation_source(layer.activation, len(shape))
    return [] if source == "nn.Identity()" else [Module(f"{layer.name}_activation", source)]


def _with_bias(weight: np.ndarray, bias: Any) -> dict[str, np.ndarray]:
    return {"weight": weight} if bias is None else {"weight": weight, "bias": bias.value}


def _padded(
    layer: Any, shape: tuple[Any, ...], kernel: Any, fill: str = "nn.ZeroPad2d({pads})"
) -> tuple[list[Module], Any]:
    """Return what pads unevenly, and else the even pads for the module itself."""
    pads = explicit_pads(layer, shape[1:3], kernel)
    if pads is None:
        raise ValueError("its padding depends on the input's size, which is open")
    (top, bottom), (left, right) = pads
    if (top, left) == (bottom, right):
        return [], (top, left)
    return [Module(f"{layer.name}_padding", fill.format(pads=(left, right, top, bottom)))], (0, 0)


def _conv_source(
    channels: int, filters: int, layer: Any, padding: Any, groups: int = 1, bias: bool | None = None
) -> str:
    options = [f"{channels}, {filters}, {layer.kernel_size}"]
    if layer.strides != (1, 1):
        options.append(f"stride={layer.strides}")
    if padding != (0, 0):
        options.append(f"padding={padding}")
    if layer.dilation_rate != (1, 1):
        options.append(f"dilation={layer.dilation_rate}")
    if groups != 1:
        options.append(f"groups={groups}")
    if not (layer.use_bias if bias is None else bias):
        options.append("bias=False")
    return f"nn.Conv2d({', '.join(options)})"


@converts(layers.Conv2D)
def _conv2d(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
    before, padding = _padded(layer, shape, layer.kernel_size)
    tensors = _with_bias(layer.kernel.value.transpose(3, 2, 0, 1), layer.bias)
    source = _conv_source(shape[-1], layer.filters, layer, padding, layer.groups)
    return [*before, Module(layer.name, source, tensors), *_activated(layer, shape)]


def _depthwise_weight(kernel: np.ndarray) -> np.ndarray:
    kh, kw, c, multiplier = kernel.shape
    return kernel.transpose(2, 3, 0, 1).reshape(c * multiplier, 1, kh, kw)


@converts(layers.DepthwiseConv2D)
def _depthwise_conv2d(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
    before, padding = _padded(layer, shape, layer.kernel_size)
    weight, c = _depthwise_weight(layer.kernel.value), shape[-1]
    source = _conv_source(c, len(weight), layer, padding, c)
    return [*before, Module(layer.name, source, _with_bias(weight, layer.bias)), *_activated(layer, shape)]


@converts(layers.SeparableConv2D)
def _separable_conv2d(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
    before, padding = _padded(layer, shape, layer.kernel_size)
    deep, c = _depthwise_weight(layer.depthwise_kernel.value), shape[-1]
    wide = _with_bias(layer.pointwise_kernel.value.transpose(3, 2, 0, 1), layer.bias)
    first = _conv_source(c, len(deep), layer, padding, c, bias=False)
    second = f"nn.Conv2d({len(deep)}, {layer.filters}, 1{'' if layer.use_bias else ', bias=False'})"
    return [
        *before,
        Module(f"{layer.name}_depthwise", first, {"weight": deep}),
        Module(f"{layer.name}_pointwise", second, wide),
        *_activated(layer, shape),
    ]


@converts(layers.Conv2DTranspose)
def _conv2d_transpose(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
    added, ((top, bottom), (left, right)) = transposed_window(layer)
    source = (
        f"nn.ConvTranspose2d({shape[-1]}, {layer.filters}, {layer.kernel_size}, stride={layer.strides}, "
        f"output_padding={added}, dilation={layer.dilation_rate}, bias={layer.use_bias})"
    )
    made = [Module(layer.name, source, _with_bias(layer.kernel.value.transpose(3, 2, 0, 1), layer.bias))]
    if any((top, bottom, left, right)):
        made.append(Module(f"{layer.name}_cropping", f"nn.ZeroPad2d({(-left, -right, -top, -bottom)})"))
    return [*made, *_activated(layer, shape)]


@converts(layers.Dense)
def _dense(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
    w = layer.kernel.value if order is None else layer.kernel.value[np.argsort(order)]
    bias = "" if layer.use_bias else ", bias=False"
    if len(shape) == 4:  # along the channels of every cell
        module = Module(
            layer.name, f"nn.Conv2d({w.shape[0]}, {w.shape[1]}, 1{bias})", _with_bias(w.T[:, :, None, None], layer.bias)
        )
    else:
        module = Module(layer.name, f"nn.Linear({w.shape[0]}, {w.shape[1]}{bias})", _with_bias(w.T, layer.bias))
    return [module, *_activated(layer, shape)]


@converts(layers.BatchNormalization)
def _batch_normalization(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
    if len(shape) not in (2, 4) or layer.axis % len(shape) != len(shape) - 1:
        raise ValueError(f"it normalises axis {layer.axis}, PyTorch the channels of images or vectors")
    mean, variance = layer.moving_mean.value, layer.moving_variance.value
    tensors = {
        "weight": np.ones_like(mean) if layer.gamma is None else layer.gamma.value,
        "bias": np.zeros_like(mean) if layer.beta is None else layer.beta.value,
        "running_mean": mean,
        "running_var": variance,
    }
    if order is not None:
        tensors = {name: array[np.argsort(order)] for name, array in tensors.items()}
    # PyTorch's momentum is the share of the new batch.
    options = f"{mean.size}, eps={layer.epsilon}, momentum={1 - layer.momentum:.6g}"
    source = f"nn.BatchNorm{'2d' if len(shape) == 4 else '1d'}({options})"
    return [Module(layer.name, source, {**tensors, "num_batches_tracked": np.array(0, np.int64)})]


@converts(layers.LayerNormalization)
def _layer_normalization(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
    axes = [axis % len(shape) for axis in np.atleast_1d(layer.axis)]
    sizes = tuple(shape[axis] for axis in axes)
    given = {"weight": layer.gamma, "bias": layer.beta}
    tensors = {key: (np.zeros if key == "bias" else np.ones)(sizes, np.float32) for key in given}
    tensors |= {key: variable.value for key, variable in given.items() if variable is not None}
    if len(shape) == 4:
        if axes != [1, 2, 3]:
            raise ValueError(f"it normalises axes {axes} of images, PyTorch the last ones of (n, c, h, w)")
        sizes = (sizes[2], *sizes[:2])
        tensors = {key: array.transpose(2, 0, 1) for key, array in tensors.items()}
    elif axes != list(range(len(shape) - len(axes), len(shape))):
        raise ValueError(f"it normalises axes {axes}, PyTorch the last ones")
    elif order is not None:
        tensors = {key: array[np.argsort(order)] for key, array in tensors.items()}
    return [Module(layer.name, f"nn.LayerNorm({sizes}, eps={layer.epsilon})", tensors)]


# Layers without weights.


def _simple(source: str) -> Converter:
    def converter(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
        return [Module(layer.name, source.format(layer=layer))]

    return converter


_CONVERTERS |= {
    layers.Dropout: _simple("nn.Dropout({layer.rate})"),
    layers.SpatialDropout2D: _simple("nn.Dropout2d({layer.rate})"),
    layers.Flatten: _simple("nn.Flatten()"),
} | dict.fromkeys(
    (layers.RandomFlip, layers.RandomRotation, layers.RandomTranslation, layers.RandomZoom), _simple("nn.Identity()")
)


@converts(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Softmax)
def _activation(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
    return [Module(layer.name, activation_source(layer.activation, len(shape)))]


@converts(layers.MaxPooling2D)
def _max_pooling2d(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
    before, padding = _padded(layer, shape, layer.pool_size, 'nn.ConstantPad2d({pads}, float("-inf"))')
    return [*before, Module(layer.name, f"nn.MaxPool2d({layer.pool_size}, {layer.strides}, {padding})")]


@converts(layers.AveragePooling2D)
def _average_pooling2d(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
    before, padding = _padded(layer, shape, layer.pool_size)
    source = f"nn.AvgPool2d({layer.pool_size}, {layer.strides}, {padding}, count_include_pad=False)"
    return [Module(layer.name, None if before else source)]  # cells of uneven padding would count


@converts(layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
def _global_pooling(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
    kind = "Max" if isinstance(layer, layers.GlobalMaxPooling2D) else "Avg"
    pooled = Module(layer.name, f"nn.Adaptive{kind}Pool2d(1)")
    return [pooled] if layer.keepdims else [pooled, Module(f"{layer.name}_flat", "nn.Flatten()")]


@converts(layers.ZeroPadding2D, layers.Cropping2D)
def _moving(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
    sign, cells = (1, layer.padding) if isinstance(layer, layers.ZeroPadding2D) else (-1, layer.cropping)
    (top, bottom), (left, right) = cells
    return [Module(layer.name, f"nn.ZeroPad2d({tuple(sign * n for n in (left, right, top, bottom))})")]


@converts(layers.UpSampling2D)
def _up_sampling2d(layer: Any, shape: tuple[Any, ...], order: Order) -> list[Module]:
    how = 'mode="bilinear", align_corners=False' if layer.interpolation == "bilinear" else 'mode="nearest"'
    return [Module(layer.name, f"nn.Upsample(scale_factor={tuple(map(float, layer.size))}, {how})")]
