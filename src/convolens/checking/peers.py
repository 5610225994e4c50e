"""The same layers in PyTorch, by its own gradients: a witness that shares no code with this library."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from convolens.kernels import geometry

__all__ = ["keras_difference", "torch_difference", "torch_is_there"]


def torch_is_there() -> bool:
    """Whether PyTorch is installed."""
    return find_spec("torch") is not None


def torch_difference(step: Any) -> float | None:
    """Return the largest relative difference between a traced call and PyTorch, forward and backward.

    Args:
        step: a call of a float64 trace that went back.

    Returns:
        The difference, or None for a layer that has no counterpart here.
    """
    import torch

    make = _LAYERS.get(type(step.layer).__name__)
    if make is None or step.d_output is None or len(step.inputs) != 1:
        return None
    x = torch.tensor(np.array(step.inputs[0]), requires_grad=True)
    parameters = {name: torch.tensor(np.array(value), requires_grad=True) for name, value in step.parameters.items()}
    z = make(torch, step.layer, x, parameters)
    z.backward(torch.tensor(np.array(step.d_z)))
    pairs = [(step.z, z.detach()), (step.d_inputs[0], x.grad)]
    pairs += [(step.gradients[name], tensor.grad) for name, tensor in parameters.items() if _is_plain(step, name)]
    return max(relative_difference(ours, theirs.numpy()) for ours, theirs in pairs if theirs is not None)


def _is_plain(step: Any, name: str) -> bool:
    """A regulariser's part of the gradient is not the layer's."""
    return step.layer.parameters[name].regularizer is None


def relative_difference(ours: Any, theirs: Any, least: float = 1e-30) -> float:
    """Return the largest difference, in parts of the largest magnitude, or of ``least`` where that is more."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    if ours.shape != theirs.shape:
        return float("inf")
    largest = max(float(np.max(np.abs(theirs), initial=0.0)), least, 1e-30)
    return float(np.max(np.abs(ours - theirs), initial=0.0)) / largest


def _convolution(torch: Any, layer: Any, x: Any, p: dict[str, Any]) -> Any:
    images = _padded(torch, layer, x.permute(0, 3, 1, 2), layer.kernel_size, layer.dilation_rate, 0.0)
    kernel = p["kernel"]
    groups = getattr(layer, "groups", 1)
    if type(layer).__name__ == "DepthwiseConv2D":
        groups = x.shape[-1]
        kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
    y = torch.nn.functional.conv2d(
        images, kernel.permute(3, 2, 0, 1), p.get("bias"), layer.strides, 0, layer.dilation_rate, groups
    )
    return y.permute(0, 2, 3, 1)


def _padded(torch: Any, layer: Any, images: Any, window: Any, dilation: Any, value: float) -> Any:
    size = (images.shape[2], images.shape[3])
    (top, bottom), (left, right) = geometry.pads(layer.padding, size, window, layer.strides, dilation)
    return torch.nn.functional.pad(images, (left, right, top, bottom), value=value)


def _max_pool(torch: Any, layer: Any, x: Any, p: dict[str, Any]) -> Any:
    images = _padded(torch, layer, x.permute(0, 3, 1, 2), layer.pool_size, (1, 1), -np.inf)
    return torch.nn.functional.max_pool2d(images, layer.pool_size, layer.strides).permute(0, 2, 3, 1)


def _average_pool(torch: Any, layer: Any, x: Any, p: dict[str, Any]) -> Any:
    images, ones = x.permute(0, 3, 1, 2), torch.ones_like(x).permute(0, 3, 1, 2)
    sums, counts = (
        torch.nn.functional.avg_pool2d(
            _padded(torch, layer, one, layer.pool_size, (1, 1), 0.0), layer.pool_size, layer.strides
        )
        for one in (images, ones)
    )
    return (sums / counts).permute(0, 2, 3, 1)


def _dense(torch: Any, layer: Any, x: Any, p: dict[str, Any]) -> Any:
    return torch.nn.functional.linear(x, p["kernel"].T, p.get("bias"))


def _batch_normalization(torch: Any, layer: Any, x: Any, p: dict[str, Any]) -> Any:
    moved = x.movedim(layer.axis, 1)
    mean, variance = (torch.tensor(v.value, dtype=x.dtype) for v in (layer.moving_mean, layer.moving_variance))
    y = torch.nn.functional.batch_norm(moved, mean, variance, p.get("gamma"), p.get("beta"), False, 0.0, layer.epsilon)
    return y.movedim(1, layer.axis)


def _flatten(torch: Any, layer: Any, x: Any, p: dict[str, Any]) -> Any:
    return torch.flatten(x, 1)


_LAYERS: dict[str, Callable[..., Any]] = {
    "Conv2D": _convolution,
    "DepthwiseConv2D": _convolution,
    "MaxPooling2D": _max_pool,
    "AveragePooling2D": _average_pool,
    "Dense": _dense,
    "BatchNormalization": _batch_normalization,
    "Flatten": _flatten,
}


def keras_difference(model: Any, inputs: list[np.ndarray], trace: Any) -> dict[str, float]:
    """Return each layer's largest relative difference from Keras's output on the same input.

    Args:
        model: a model of this library.
        inputs: its inputs.
        trace: its trace on them.

    Raises:
        ImportError: if Keras is not installed.
        ValueError: if the model has no counterpart in Keras.
    """
    from convolens.bridges.keras import import_keras, to_keras

    keras = import_keras("certify")
    twin = to_keras(model)
    names = [layer.name for layer in model.layers if len(trace.calls(layer.name)) == 1 and layer.name in _names(twin)]
    inner = keras.Model(twin.inputs, [twin.get_layer(name).output for name in names])
    outputs = inner(list(inputs))
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    ours = [trace[name].output for name in names]
    return {
        name: relative_difference(mine, keras.ops.convert_to_numpy(theirs))
        for name, mine, theirs in zip(names, ours, outputs, strict=True)
    }


def _names(keras_model: Any) -> set[str]:
    return {layer.name for layer in keras_model.layers}
