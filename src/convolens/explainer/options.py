"""What the page must know of each layer, by its class, with sizes made explicit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from convolens import activations, layers, losses
from convolens.kernels import geometry
from convolens.trace import Step

__all__ = ["activation_record", "layer_options", "loss_options"]

Options = dict[str, Any]

#: Of a layer, or a setting of it, that the page shows as recorded and does not compute.
UNSUPPORTED: Options = {"unsupported": True}

_PLAIN_ACTIVATIONS = tuple(
    type(one)
    for one in (
        activations.elu, activations.exponential, activations.hard_sigmoid, activations.leaky_relu, activations.linear,
        activations.log_softmax, activations.mish, activations.relu, activations.relu6, activations.selu,
        activations.gelu, activations.sigmoid, activations.silu, activations.softmax, activations.softplus,
        activations.softsign, activations.tanh,
    )
)  # fmt: skip


def activation_record(activation: activations.Activation) -> Options:
    """Return an activation's name and settings, or the mark of one that the page does not know."""
    options = dict(activation.options)
    elsewhere = options.pop("axis", -1) != -1
    if type(activation) not in _PLAIN_ACTIVATIONS or elsewhere or options.pop("approximate", False):
        return {"name": f"{activation.name} (not computed by the page)"}
    return {"name": activation.name, **options}


def _size(x: np.ndarray) -> tuple[int, int]:
    return x.shape[1], x.shape[2]


def _convolution(step: Step) -> Options:
    layer: Any = step.layer
    kernel, strides, dilation = layer.kernel_size, layer.strides, layer.dilation_rate
    pads = geometry.pads(layer.padding, _size(step.inputs[0]), kernel, strides, dilation)
    return {"strides": strides, "pads": pads, "dilation": dilation, "groups": getattr(layer, "groups", 1)}


def _transposed(step: Step) -> Options:
    layer: Any = step.layer
    sizes = _size(step.inputs[0]), _size(step.output)
    pads = geometry.transposed_pads(layer.padding, *sizes, layer.kernel_size, layer.strides, layer.dilation_rate)
    shared = {"strides": layer.strides, "pads": pads, "dilation": layer.dilation_rate}
    return {**shared, "output_shape": step.output.shape[1:]}


def _pooling(step: Step) -> Options:
    layer: Any = step.layer
    pads = geometry.pads(layer.padding, _size(step.inputs[0]), layer.pool_size, layer.strides)
    return {"pool_size": layer.pool_size, "strides": layer.strides, "pads": pads}


def _batch_normalization(step: Step) -> Options:
    layer: Any = step.layer
    if layer.axis not in (-1, step.output.ndim - 1):
        return UNSUPPORTED
    return {"epsilon": layer.epsilon, "training": bool(step.cache.training)}


def _layer_normalization(step: Step) -> Options:
    layer: Any = step.layer
    last = step.output.ndim - 1
    return {"epsilon": layer.epsilon} if layer.axis in (-1, last, [-1], [last]) else UNSUPPORTED


def _activation(step: Step) -> Options:
    layer: Any = step.layer
    return activation_record(layer.activation)


def _upsampling(step: Step) -> Options:
    layer: Any = step.layer
    return {"size": layer.size, "interpolation": layer.interpolation}


def _rescaling(step: Step) -> Options:
    layer: Any = step.layer
    if max(np.ndim(layer.scale), np.ndim(layer.offset)) > 1:
        return UNSUPPORTED
    return {"scale": layer.scale, "offset": layer.offset}


def _merge(step: Step) -> Options:
    return {} if len({x.shape for x in step.inputs}) == 1 else UNSUPPORTED


def _concatenate(step: Step) -> Options:
    layer: Any = step.layer
    return {} if layer.axis in (-1, step.output.ndim - 1) else UNSUPPORTED


def _new_shape(step: Step) -> Options:
    return {"target_shape": step.output.shape[1:]}


def _identity(step: Step) -> Options:
    return {} if np.array_equal(step.output, step.inputs[0]) else UNSUPPORTED


def _nothing(step: Step) -> Options:
    return {}


_MERGES = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)
#: Layers that change their input in training only.
_INACTIVE = (
    layers.Dropout,
    layers.SpatialDropout2D,
    layers.RandomFlip,
    layers.RandomTranslation,
    layers.RandomRotation,
    layers.RandomZoom,
)
_TABLE: dict[type, Callable[[Step], Options]] = {
    layers.Conv2D: _convolution,
    layers.DepthwiseConv2D: _convolution,
    layers.SeparableConv2D: _convolution,
    layers.Conv2DTranspose: _transposed,
    layers.Dense: _nothing,
    layers.MaxPooling2D: _pooling,
    layers.AveragePooling2D: _pooling,
    layers.GlobalMaxPooling2D: lambda step: {"keepdims": step.output.ndim == 4},
    layers.GlobalAveragePooling2D: lambda step: {"keepdims": step.output.ndim == 4},
    layers.BatchNormalization: _batch_normalization,
    layers.LayerNormalization: _layer_normalization,
    layers.Activation: _activation,
    layers.ReLU: _activation,
    layers.LeakyReLU: _activation,
    layers.ELU: _activation,
    layers.Softmax: _activation,
    layers.Flatten: _new_shape,
    layers.Reshape: _new_shape,
    layers.ZeroPadding2D: lambda step: {"pads": step.layer.padding},  # type: ignore[attr-defined]
    layers.Cropping2D: lambda step: {"pads": step.layer.cropping},  # type: ignore[attr-defined]
    layers.UpSampling2D: _upsampling,
    layers.Rescaling: _rescaling,
    layers.Concatenate: _concatenate,
    **dict.fromkeys(_MERGES, _merge),
    **dict.fromkeys(_INACTIVE, _identity),
}


def layer_options(step: Step) -> tuple[str, Options]:
    """Return the class and the options of the layer that a step called.

    Only a layer whose class is exactly one of the library's is computed by the page: a subclass may compute
    something else.
    """
    cls = type(step.layer)
    if cls in _TABLE:
        return cls.__name__, _TABLE[cls](step)
    return cls.__name__, UNSUPPORTED if step.inputs or cls is not layers.InputLayer else {}


_LOSS_OPTIONS: dict[type, tuple[str, ...]] = {
    losses.BinaryCrossentropy: ("from_logits", "label_smoothing"),
    losses.CategoricalCrossentropy: ("from_logits", "label_smoothing"),
    losses.SparseCategoricalCrossentropy: ("from_logits",),
    losses.MeanSquaredError: (),
    losses.MeanAbsoluteError: (),
    losses.Huber: ("delta",),
}


def loss_options(loss: losses.Loss, output: np.ndarray) -> tuple[str, Options]:
    """Return the class and the options of a loss; one the page cannot compute gets another name."""
    names = _LOSS_OPTIONS.get(type(loss))
    if names is None or output.ndim != 2 or getattr(loss, "ignore_class", None) is not None:
        return f"{type(loss).__name__} (as recorded)", {}
    return type(loss).__name__, {name: getattr(loss, name) for name in names}
