"""Likely reasons why a layer of another framework gives something else: what it would then give."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from convolens import activations, kernels, layers
from convolens.exporting.cell_order import flattened_order
from convolens.kernels import geometry
from convolens.layers.base import ActivatedLayer
from convolens.trace import Step

__all__ = ["Hypothesis", "hypotheses"]

#: A reason, and the output that the layer would have for it.
Hypothesis = tuple[str, np.ndarray]
_EPSILONS = (1e-3, 1e-5, 1e-6, 1e-4, 1e-2, 2e-5, 1e-7, 1e-8, 1e-12, 0.0)
_SLOPES = (0.01, 0.2, 0.3, 0.1)


def hypotheses(step: Step, image: tuple[Any, ...] | None) -> Iterator[Hypothesis]:
    """Yield what a call would give if one thing about it were otherwise.

    Args:
        step: the call with its inputs.
        image: the shape of the image whose flattened cells the call sees, or None.
    """
    layer, xs = step.layer, step.inputs
    for reason, array in _before_activation(step, image):
        yield reason, array
        if isinstance(layer, ActivatedLayer) and not layer.is_linear:
            yield reason, layer.activation.forward(array)[0]
    if isinstance(layer, layers.BatchNormalization) and layer.trainable:
        yield (
            "training mode: the other normalises by this batch's mean and variance, not by the moving averages",
            layer.forward(xs[0], training=True)[0],
        )
    yield from _activations(step)


def _before_activation(step: Step, image: tuple[Any, ...] | None) -> Iterator[Hypothesis]:
    layer, xs = step.layer, step.inputs
    if isinstance(layer, layers.Dense):
        yield from _dense(layer, xs[0], step.z, image)
    elif isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D | layers.Conv2DTranspose):
        yield from _padding(layer, xs[0], layer.kernel_size)
        yield from _kernels(layer, xs[0], step.z)
    elif isinstance(layer, layers.MaxPooling2D | layers.AveragePooling2D):
        yield from _padding(layer, xs[0], layer.pool_size)
        yield from _zeros_in_windows(layer, xs[0])
    elif isinstance(layer, layers.BatchNormalization | layers.LayerNormalization):
        yield from _normalization(layer, xs)
    if len(xs) == 1 and xs[0].ndim == 4 and step.output.ndim == 4:
        yield "order of axes: the other has height and width swapped", step.output.swapaxes(1, 2)


def _padding(layer: Any, x: np.ndarray, kernel: tuple[int, int]) -> Iterator[Hypothesis]:
    """Yield other ways to pad: none, Keras's ``same``, the odd cell before, the same on both sides."""
    dilation = getattr(layer, "dilation_rate", (1, 1))
    same = geometry.pads("same", x.shape[1:3], kernel, layer.strides, dilation)
    half = [d * (k - 1) / 2 for k, d in zip(kernel, dilation, strict=True)]
    ways: list[Any] = [
        ((0, 0), (0, 0)),
        same,
        tuple(pair[::-1] for pair in same),
        *(tuple((round_(h), round_(h)) for h in half) for round_ in (lambda h: int(h), lambda h: int(h + 0.5))),
    ]
    transposed = isinstance(layer, layers.Conv2DTranspose)
    own = layer.padding if transposed else geometry.pads(layer.padding, x.shape[1:3], kernel, layer.strides, dilation)
    for pads in dict.fromkeys(ways):
        if pads == own:
            continue
        changed = copy.copy(layer)
        object.__setattr__(changed, "padding", pads)
        try:
            array = (changed.preactivation if isinstance(layer, ActivatedLayer) else changed.forward)(x)[0]
        except ValueError:
            continue  # the window does not fit
        yield f"padding: the other pads {pads} ((top, bottom), (left, right)), this layer {own}", array


def _zeros_in_windows(layer: Any, x: np.ndarray) -> Iterator[Hypothesis]:
    pads = geometry.pads(layer.padding, x.shape[1:3], layer.pool_size, layer.strides)
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    options = {**layer.options(), "padding": "valid"}
    array = getattr(kernels.backend(), f"{layer.kernel_name}_forward")(padded, **options)[0]
    yield "padding: in the other the zeros of the padding count in each window, here they do not", array


def _kernels(layer: Any, x: np.ndarray, z: np.ndarray) -> Iterator[Hypothesis]:
    """Yield what other axes of the kernel, and the lack of a bias, would give."""
    kernel = layer.kernel.value
    changes = {
        "the other's kernel is turned by 180 degrees (a true convolution)": kernel[::-1, ::-1],
        "the other's kernel has height and width swapped": kernel.swapaxes(0, 1),
        "the other's kernel has input and output channels swapped": kernel.swapaxes(2, 3),
        "the other's kernel is the same memory read as (f, c, kh, kw)": kernel.reshape(
            kernel.shape[3], kernel.shape[2], *kernel.shape[:2]
        ).transpose(2, 3, 1, 0),
    }
    for what, changed in changes.items():
        if changed.shape == kernel.shape:
            yield f"order of axes: {what}", _with_kernel(layer, changed, x)
    if x.shape[-1] > 1:
        yield "order of axes: the other sees the channels in reverse order", layer.preactivation(x[..., ::-1])[0]
    if layer.bias is not None:
        yield "the other adds no bias", z - layer.bias.value


def _with_kernel(layer: Any, kernel: np.ndarray, x: np.ndarray) -> np.ndarray:
    variable = copy.copy(layer.kernel)
    variable.value = np.ascontiguousarray(kernel)
    changed = copy.copy(layer)
    object.__setattr__(changed, "kernel", variable)
    return changed.preactivation(x)[0]


def _dense(layer: Any, x: np.ndarray, z: np.ndarray, image: tuple[Any, ...] | None) -> Iterator[Hypothesis]:
    kernel = layer.kernel.value
    order = None if image is None or x.ndim != 2 else flattened_order(*image)
    if order is not None:
        for places in (order, np.argsort(order)):
            yield (
                "flatten order: this layer's rows are in the order (h, w, c), the other's cells come as (c, h, w); "
                "permute the rows (cl.export.torch_state_dict does)",
                _with_kernel(layer, kernel[places], x),
            )
    if kernel.shape[0] == kernel.shape[1]:
        yield "order of axes: the other's kernel is transposed", _with_kernel(layer, kernel.T, x)
    if layer.bias is not None:
        yield "the other adds no bias", z - layer.bias.value


def _normalization(layer: Any, xs: tuple[np.ndarray, ...]) -> Iterator[Hypothesis]:
    for epsilon in _EPSILONS:
        if epsilon != layer.epsilon:
            changed = copy.copy(layer)
            object.__setattr__(changed, "epsilon", epsilon)
            reason = f"epsilon: the other uses {epsilon:g}, this layer {layer.epsilon:g}"
            with np.errstate(all="ignore"):
                yield reason, changed.forward(*xs, training=False, rng=None)[0]
    for name, variable in (("gamma", layer.gamma), ("beta", layer.beta)):
        if variable is not None:
            changed, kept = copy.copy(layer), copy.copy(variable)
            kept.value = np.full_like(variable.value, name == "gamma")
            object.__setattr__(changed, name, kept)
            yield f"the other leaves out {name}", changed.forward(*xs, training=False, rng=None)[0]


def _activations(step: Step) -> Iterator[Hypothesis]:
    """Yield every other activation of what the layer's own sees."""
    own = getattr(step.layer, "activation", None)
    if own is None:
        return
    z = step.z if isinstance(step.layer, ActivatedLayer) else step.inputs[0]
    others: Iterator[Any] = itertools.chain(
        (activations.get(name) for name in sorted(activations.registry.aliases)),
        (activations.leaky_relu.with_options(slope) for slope in _SLOPES),
        (activations.gelu.with_options(approximate=True), activations.elu.with_options(0.5)),
    )
    name = _named(own)
    for other in others:
        if _named(other) == name:
            continue
        with np.errstate(all="ignore"):
            array = other.forward(z)[0]
        if other is activations.linear:
            yield f"activation: the other applies none, this layer {name}", array
        else:
            yield f"activation: the other applies {_named(other)}, this layer {name}", array


def _named(activation: Any) -> str:
    options = ", ".join(f"{key}={value}" for key, value in activation.get_config().items() if value)
    return f"{activation.name}({options})" if options else activation.name
