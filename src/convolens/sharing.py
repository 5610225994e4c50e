"""Layers that lie in several models at once: written with a number, and made once when read.

Keras 3 writes ``"shared_object_id"`` into the configuration of an object it meets more than once.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

__all__ = ["found_before", "number_of", "reading", "remember", "writing"]

_numbers: ContextVar[dict[int, int] | None] = ContextVar("numbers", default=None)
_made: ContextVar[dict[Any, Any] | None] = ContextVar("made", default=None)


@contextlib.contextmanager
def writing(model: Any) -> Iterator[None]:
    """Number the layers that the outermost model holds in several places."""
    if _numbers.get() is not None:
        yield
        return
    met = Counter(id(layer) for layer in _places(model))
    repeated = (key for key, count in met.items() if count > 1)
    token = _numbers.set({key: number for number, key in enumerate(repeated, start=1)})
    try:
        yield
    finally:
        _numbers.reset(token)


def _places(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        yield layer
        if hasattr(layer, "graph"):
            yield from _places(layer)


def number_of(layer: Any) -> dict[str, int]:
    """Return the entry that marks a layer's configuration as shared; empty if it is in one place only."""
    number = (_numbers.get() or {}).get(id(layer))
    return {} if number is None else {"shared_object_id": number}


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Remember the shared layers made until the outermost configuration is read."""
    if _made.get() is not None:
        yield
        return
    token = _made.set({})
    try:
        yield
    finally:
        _made.reset(token)


def found_before(config: Mapping[str, Any]) -> Any:
    """Return the layer made for an equal mark, or None."""
    return (_made.get() or {}).get(config.get("shared_object_id"))


def remember(config: Mapping[str, Any], layer: Any) -> Any:
    """Keep a layer for its mark, if it has one, and return it."""
    made = _made.get()
    if made is not None and config.get("shared_object_id") is not None:
        made[config["shared_object_id"]] = layer
    return layer
