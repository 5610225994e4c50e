"""Activations as modules of ``torch.nn``."""

from __future__ import annotations

from typing import Any

__all__ = ["activation_source"]

_SOURCES = {
    "elu": "nn.ELU({a.alpha})",
    "gelu": "nn.GELU()",
    "hard_sigmoid": "nn.Hardsigmoid()",
    "leaky_relu": "nn.LeakyReLU({a.negative_slope})",
    "linear": "nn.Identity()",
    "log_softmax": "nn.LogSoftmax(dim={dim})",
    "mish": "nn.Mish()",
    "relu": "nn.ReLU()",
    "relu6": "nn.ReLU6()",
    "selu": "nn.SELU()",
    "sigmoid": "nn.Sigmoid()",
    "silu": "nn.SiLU()",
    "softmax": "nn.Softmax(dim={dim})",
    "softplus": "nn.Softplus()",
    "softsign": "nn.Softsign()",
    "tanh": "nn.Tanh()",
}


def activation_source(activation: Any, rank: int) -> str | None:
    """Return what makes the module for an array of so many axes; None if ``torch.nn`` has none."""
    source = _SOURCES.get(activation.name)
    if activation.name == "relu" and not activation.plain:
        kinds = (bool(activation.negative_slope), activation.max_value is not None, bool(activation.threshold))
        bent = {
            (True, False, False): "nn.LeakyReLU({a.negative_slope})",
            (False, True, False): "nn.Hardtanh(0.0, {a.max_value})",
        }
        source = bent.get(kinds)
    elif activation.name == "gelu" and activation.options.get("approximate"):
        source = 'nn.GELU(approximate="tanh")'
    elif activation.name in ("softmax", "log_softmax") and activation.axis != -1:
        source = None
    # Softmax is along the channels.
    return None if source is None else source.format(a=activation, dim=1 if rank in (2, 4) else -1)
