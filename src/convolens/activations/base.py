"""What an activation is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from convolens import config as settings
from convolens.registry import Registry

__all__ = ["Activation", "registry"]

registry: Registry[Activation] = Registry("activation", "keras.activations")


class Activation:
    """A function of an array with its gradient.

    A subclass defines ``forward`` and ``backward``; arguments of its constructor go to ``options``::

        class Square(cl.activations.Activation):
            def forward(self, z):
                return z * z, z

            def backward(self, dy, cache):
                return 2 * cache * dy

        cl.layers.Dense(8, activation=Square())

    Attributes:
        name: Keras's name, ``"relu"``; given where the class is made, ``class Square(Activation, name="square")``.
        elementwise: whether each output depends on the input at its own place only (not so for softmax).
        options: the arguments of the constructor.
    """

    name: ClassVar[str]
    elementwise: ClassVar[bool] = True
    options: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, **options: Any) -> None:
        self.options = options

    def __init_subclass__(cls, name: str | None = None) -> None:
        cls.name = name or f"{cls.__name__}"

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return ``y``, of ``z``'s shape and type, and what ``backward`` needs."""
        raise NotImplementedError

    def backward(self, dy: np.ndarray, cache: Any) -> np.ndarray:
        """Return the gradient with respect to ``z``, given the one with respect to ``y``."""
        raise NotImplementedError

    def with_options(self, *args: Any, **options: Any) -> Activation:
        """Return this activation with other options: Keras's arguments after ``x``, in their order."""
        return type(self)(*args, **options)

    def __call__(self, x: Any, *args: Any, **options: Any) -> np.ndarray:
        """Return the activation of an array."""
        chosen = self.with_options(*args, **options) if args or options else self
        x = np.asarray(x)
        return chosen.forward(x if x.dtype.kind == "f" else x.astype(settings.floatx()))[0]

    @property
    def __name__(self) -> str:
        return self.name

    def get_config(self) -> dict[str, Any]:
        """Return the options."""
        return dict(self.options)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Activation:
        """Build it from what ``get_config`` returned."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), repr(self.options)))

    def __repr__(self) -> str:
        options = "".join(f", {key}={value!r}" for key, value in self.options.items())
        return f"<activation {self.name}{options}>"
