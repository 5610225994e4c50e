"""Rules that move parameters against their gradients, and learning-rate schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convolens.optimizers import schedules
from convolens.optimizers.adam import Adam, AdamW, Nadam
from convolens.optimizers.base import Optimizer
from convolens.optimizers.descent import SGD, Adagrad, RMSprop
from convolens.registry import Registry

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

registry: Registry[Optimizer] = Registry("optimizer", "keras.optimizers")
for _rule in (SGD, RMSprop, Adagrad, Adam, AdamW, Nadam):
    registry.register(_rule.__name__.lower())(_rule)


def get(identifier: Any) -> Optimizer | None:
    """Return an optimiser from an optimiser, a name (``"adam"``), a class or a configuration; None for None.

    Raises:
        ValueError: for anything else.
    """
    found = registry.get(identifier)
    if found is not None and not isinstance(found, Optimizer):
        raise ValueError(f"an optimizer is a name such as 'adam', a configuration or an Optimizer; got {identifier!r}.")
    return found


def serialize(optimizer: Optimizer) -> dict[str, Any] | None:
    """Return the optimiser's configuration, as Keras writes it."""
    return registry.serialize(optimizer)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
    """Build an optimiser, without state, from its configuration."""
    settings = dict(config.get("config") or {})
    if isinstance(settings.get("learning_rate"), Mapping):
        settings["learning_rate"] = schedules.deserialize(settings["learning_rate"], custom_objects)
    return registry.deserialize({**config, "config": settings}, custom_objects)
