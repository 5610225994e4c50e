"""The functions of the two well-known convolution exercises, and layers over a learner's own versions of them.

``step_by_step`` and ``layer_by_layer`` are two dialects of one exercise; ``helpers`` loads its data and prepares it;
``Conv`` and ``Pool`` put functions that a learner has just written into a network that trains.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["Conv", "Pool", "helpers", "layer_by_layer", "step_by_step"]

_HOMES = {"Conv": "convolens.course.own_layers", "Pool": "convolens.course.own_layers"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
