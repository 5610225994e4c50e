"""Activations with their derivatives.

Each is an object that can be called, ``relu(x)``, also with Keras's further arguments, ``relu(x, negative_slope=0.1)``.
Layers use its two halves: ``forward(z) -> (y, cache)`` and ``backward(dy, cache) -> dz``. At a kink the derivative is
TensorFlow's: 0 for ``relu`` at 0.

>>> relu([-1.0, 0.0, 2.0]).tolist()
[0.0, 0.0, 2.0]
>>> leaky = relu.with_options(negative_slope=0.1)
>>> import numpy as np
>>> y, cache = leaky.forward(np.array([-1.0, 2.0]))
>>> leaky.backward(np.ones(2), cache).tolist()
[0.1, 1.0]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convolens.activations.base import Activation, registry
from convolens.activations.rectifiers import ELU, SELU, HardSigmoid, LeakyReLU, Linear, ReLU, ReLU6
from convolens.activations.smooth import (
    GELU,
    Exponential,
    LogSoftmax,
    Mish,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)

__all__ = [
    "Activation",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "hard_sigmoid",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]

linear, exponential = Linear(), Exponential()
relu, relu6, leaky_relu = ReLU(), ReLU6(), LeakyReLU()
elu, selu, gelu = ELU(), SELU(), GELU()
sigmoid, hard_sigmoid, tanh = Sigmoid(), HardSigmoid(), Tanh()
silu, mish, softplus, softsign = SiLU(), Mish(), Softplus(), Softsign()
softmax, log_softmax = Softmax(), LogSoftmax()
swish = silu

_SHARED = {type(item): item for item in list(vars().values()) if isinstance(item, Activation)}


def get(identifier: Any) -> Activation:
    """Return the activation that a name, a configuration or an object stands for; ``linear`` for None.

    Raises:
        ValueError: for an unknown name, or a plain function, which has no gradient.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        identifier = registry.find(identifier)
        return _SHARED.get(identifier) or identifier()
    found = registry.get(identifier)
    if isinstance(found, Activation):
        return found
    if callable(found):
        raise ValueError(
            f"activation {getattr(found, '__name__', found)!r} is a plain function, which has no gradient: subclass "
            "activations.Activation with forward(z) -> (y, cache) and backward(dy, cache) -> dz, and pass an object."
        )
    raise ValueError(f"an activation is a name such as 'relu' or an Activation object; got {identifier!r}.")


def serialize(activation: Activation) -> str | dict[str, Any] | None:
    """Return the name of an activation, as Keras writes it; a configuration if it has options or is a user's."""
    if activation == _SHARED.get(type(activation)):
        return activation.name
    return registry.serialize(activation)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Activation:
    """Build an activation from its name or configuration."""
    if isinstance(config, str):
        return get((custom_objects or {}).get(config, config))
    if config.get("class_name") == "function":
        return deserialize(config["config"], custom_objects)
    return registry.deserialize(config, custom_objects)
