"""Activations as nodes of an ONNX graph."""

from __future__ import annotations

import math
from typing import Any

from convolens import activations

from .onnx_graph import GraphBuilder, Value

__all__ = ["activate"]

# Those that are one node, with their attributes.
_NODES: dict[str, tuple[str, dict[str, float]]] = {
    "exponential": ("Exp", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "mish": ("Mish", {}),
    "selu": ("Selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}),
    "sigmoid": ("Sigmoid", {}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "tanh": ("Tanh", {}),
}


def activate(graph: GraphBuilder, activation: Any, value: Value) -> Value:
    """Apply an activation.

    Raises:
        ValueError: for an activation of the user's, which ONNX does not have.
    """
    x = value.name
    if activation.name == "linear":
        return value
    if activations.registry.classes.get(type(activation).__name__) is not type(activation):
        raise ValueError(f"ONNX has no activation {activation.name!r}")
    if activation.name in _NODES:
        operator, attributes = _NODES[activation.name]
        y = graph.add(operator, x, **attributes)
    elif activation.name in ("relu", "relu6"):
        y = _relu(graph, activation, x)
    elif activation.name == "leaky_relu":
        y = graph.add("LeakyRelu", x, alpha=activation.negative_slope)
    elif activation.name == "elu":
        y = graph.add("Elu", x, alpha=activation.alpha)
    elif activation.name == "silu":
        y = graph.add("Mul", x, graph.add("Sigmoid", x))
    elif activation.name == "gelu":
        y = _gelu(graph, activation, x)
    else:
        y = _softmax(graph, activation, value)
    return value._replace(name=y)


def _relu(graph: GraphBuilder, relu: Any, x: str) -> str:
    if relu.plain:
        return graph.add("Relu", x)
    if relu.negative_slope and relu.max_value is None and not relu.threshold:
        return graph.add("LeakyRelu", x, alpha=relu.negative_slope)
    y, zero = x, graph.number(0, "zero")
    threshold = graph.number(relu.threshold, "threshold")
    if relu.threshold or relu.max_value is None:
        y = graph.add("Where", graph.add("Greater", x, threshold), x, zero)
    if relu.max_value is not None:
        y = graph.add("Clip", y, zero, graph.number(relu.max_value, "max_value"))
    elif not relu.threshold:
        y = graph.add("Relu", x)
    if relu.negative_slope:
        below = graph.add("Relu", graph.add("Sub", threshold, x))
        y = graph.add("Sub", y, graph.add("Mul", below, graph.number(relu.negative_slope, "slope")))
    return y


def _gelu(graph: GraphBuilder, gelu: Any, x: str) -> str:
    """Add ``x / 2 * (1 + erf(x / sqrt(2)))``, or with ``tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))`` for ``erf``."""
    if gelu.options.get("approximate"):
        cube = graph.add("Mul", graph.add("Mul", x, graph.add("Mul", x, x)), graph.number(0.044715, "cubic"))
        inner = graph.add("Mul", graph.add("Add", x, cube), graph.number(math.sqrt(2 / math.pi), "scale"))
        bent = graph.add("Tanh", inner)
    else:
        bent = graph.add("Erf", graph.add("Mul", x, graph.number(math.sqrt(0.5), "scale")))
    half = graph.add("Mul", x, graph.number(0.5, "half"))
    return graph.add("Mul", half, graph.add("Add", bent, graph.number(1, "one")))


def _softmax(graph: GraphBuilder, softmax: Any, value: Value) -> str:
    logarithmic = softmax.name == "log_softmax"
    if not isinstance(softmax.axis, tuple) or len(softmax.axis) == 1:
        axis = softmax.axis[0] if isinstance(softmax.axis, tuple) else softmax.axis
        return graph.add("LogSoftmax" if logarithmic else "Softmax", value.name, axis=value.axis(axis))
    axes = graph.integers([value.axis(axis) for axis in softmax.axis], "axes")
    shifted = graph.add("Sub", value.name, graph.add("ReduceMax", value.name, axes))
    if logarithmic:
        return graph.add("Sub", shifted, graph.add("ReduceLogSumExp", shifted, axes))
    powers = graph.add("Exp", shifted)
    return graph.add("Div", powers, graph.add("ReduceSum", powers, axes))
