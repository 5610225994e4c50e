"""One table of named objects per kind (initializers, losses, layers, ...), and their form in a configuration.

A configuration names an object as Keras 3 does, so that files can be exchanged::

    {"module": "keras.initializers", "class_name": "HeNormal", "config": {"seed": None}, "registered_name": None}
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """The classes of one kind, by class name and by Keras's short names.

    Args:
        kind: what the objects are, for messages: ``"initializer"``.
        module: the Keras module written into configurations: ``"keras.initializers"``.
    """

    def __init__(self, kind: str, module: str) -> None:
        self.kind = kind
        self.module = module
        self.classes: dict[str, Callable[..., T]] = {}
        self.aliases: dict[str, str] = {}

    def register(self, *aliases: str) -> Callable[[type], type]:
        """Return a class decorator that files the class under its own name and the given short names."""

        def decorate(cls: type) -> type:
            self.classes[cls.__name__] = cls
            self.aliases.update(dict.fromkeys(aliases, cls.__name__))
            return cls

        return decorate

    def find(self, name: str, custom_objects: Mapping[str, Any] | None = None) -> Callable[..., T]:
        """Return the class of that name; a ``ValueError`` names the nearest known ones."""
        if custom_objects and name in custom_objects:
            return custom_objects[name]
        name_known = self.aliases.get(name, name)
        if name_known in self.classes:
            return self.classes[name_known]
        known = [*self.aliases, *self.classes]
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        if near:
            hint = f"Did you mean {' or '.join(map(repr, near))}?"
        else:
            spelt_out = {cls: alias for alias, cls in sorted(self.aliases.items(), key=lambda pair: len(pair[0]))}
            hint = f"Known: {', '.join(sorted(spelt_out.get(cls, cls) for cls in self.classes))}."
        raise ValueError(f"unknown {self.kind} {name!r}. {hint}")

    def get(self, identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Turn what a user may pass (None, a name, a configuration, a class, an object) into an object, or None."""
        if identifier is None:
            return None
        if isinstance(identifier, str):
            return self.find(identifier, custom_objects)()
        if isinstance(identifier, Mapping):
            return self.deserialize(identifier, custom_objects)
        return identifier() if isinstance(identifier, type) else identifier

    def serialize(self, thing: Any) -> dict[str, Any] | None:
        """Return Keras's configuration of an object of this kind; None for None."""
        if thing is None:
            return None
        name = type(thing).__name__
        known = self.classes.get(name) is type(thing)
        return {
            "module": self.module if known else None,
            "class_name": name,
            "config": thing.get_config(),
            "registered_name": None if known else name,
        }

    def deserialize(self, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> T:
        """Build an object from its configuration. Only classes in this table (or ``custom_objects``) are ever made."""
        if "class_name" not in config:
            raise ValueError(
                f"a configuration of a {self.kind} has 'class_name' and 'config'; got keys {list(config)}."
            )
        cls: Any = self.find(str(config["class_name"]), custom_objects)
        settings = dict(config.get("config") or {})
        try:
            return cls.from_config(settings) if hasattr(cls, "from_config") else cls(**settings)
        except TypeError as error:
            raise ValueError(f"bad configuration of {self.kind} {config['class_name']!r}: {error}.") from error
