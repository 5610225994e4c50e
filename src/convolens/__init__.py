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
        "activations", "bridges", "config", "course", "datasets", "evaluation", "exporting", "initializers", "kernels",
        "layers", "losses", "metrics", "optimizers", "regularizers", "saving", "utils", "zoo",
    )
}  # fmt: skip
_MODULES |= {
    "backend": "convolens.config",
    "callbacks": "convolens.training.callbacks",
    "export": "convolens.exporting",
    "models": "convolens.models",
    "sklearn": "convolens.bridges.sklearn",
    "visualize": "convolens.pictures",
}
_NAMES = {
    "Input": "convolens.layers",
    "Model": "convolens.model",
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
