"""Convolutional networks from scratch on NumPy that you can see through.

``import convolens as cl`` imports NumPy and nothing heavier: every name below is found when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    name: f"convolens.{name}"
    for name in (
        "activations", "backend", "bridges", "callbacks", "config", "course", "datasets", "evaluation", "export",
        "exporting", "initializers", "kernels", "layers", "losses", "metrics", "models", "optimizers", "regularizers",
        "saving", "sklearn", "utils", "visualize", "zoo",
    )
}  # fmt: skip
_NAMES = {
    "Initializer": "convolens.initializers",
    "Input": "convolens.layers",
    "Layer": "convolens.layers",
    "Loss": "convolens.losses",
    "Metric": "convolens.metrics",
    "Model": "convolens.model",
    "Optimizer": "convolens.optimizers",
    "Regularizer": "convolens.regularizers",
    "Sequential": "convolens.sequential",
    "certify": "convolens.checking",
    "check": "convolens.checking",
    "check_gradients": "convolens.gradcheck",
    "compare": "convolens.bridges",
    "explain": "convolens.explainer",
    "from_keras": "convolens.bridges",
    "to_keras": "convolens.bridges",
}

__all__ = ["__version__", *sorted({*_MODULES, *_NAMES})]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        found: Any = importlib.import_module(_MODULES[name])
    elif name in _NAMES:
        found = getattr(importlib.import_module(_NAMES[name]), name)
    else:
        raise AttributeError(f"module 'convolens' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_NAMES})
