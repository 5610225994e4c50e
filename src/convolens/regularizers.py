"""Penalties on parameters that are added to the loss, with their gradients.

>>> L2(0.1)([1.0, -2.0])
0.5
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from convolens.registry import Registry

__all__ = ["L1", "L1L2", "L2", "Regularizer", "deserialize", "get", "l1", "l1_l2", "l2", "serialize"]

registry: Registry[Regularizer] = Registry("regularizer", "keras.regularizers")


class Regularizer:
    """A penalty on an array; a subclass defines ``__call__``, ``gradient`` and ``get_config``."""

    def __call__(self, w: Any) -> float:
        """Return the penalty of ``w``."""
        raise NotImplementedError

    def gradient(self, w: Any) -> np.ndarray:
        """Return the gradient of the penalty: an array like ``w``."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the arguments to build it again."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Regularizer:
        """Build it from what ``get_config`` returned."""
        return cls(**config)


@registry.register("l1_l2", "l1l2")
class L1L2(Regularizer):
    """``l1 * sum(|w|) + l2 * sum(w**2)``.

    The gradient is ``l1 * sign(w) + 2 * l2 * w``, with ``sign(0) = 0``.

    Args:
        l1: weight of the absolute values, at least 0.
        l2: weight of the squares, at least 0.

    Raises:
        ValueError: for a negative or non-finite weight.
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = _weight("l1", l1, default=0.0)
        self.l2 = _weight("l2", l2, default=0.0)

    def __call__(self, w: Any) -> float:
        """Return the penalty of ``w``."""
        w = np.asarray(w)
        total = 0.0
        if self.l1:
            total += self.l1 * float(np.abs(w).sum())
        if self.l2:
            total += self.l2 * float(np.vdot(w, w))
        return total

    def gradient(self, w: Any) -> np.ndarray:
        """Return the gradient of the penalty: an array like ``w``."""
        w = np.asarray(w)
        dw = (2 * self.l2) * w
        if self.l1:
            dw += self.l1 * np.sign(w)
        return dw

    def get_config(self) -> dict[str, Any]:
        """Return the weights."""
        return {"l1": self.l1, "l2": self.l2}


@registry.register("l1")
class L1(L1L2):
    """``l1 * sum(|w|)``."""

    def __init__(self, l1: float | None = 0.01) -> None:
        super().__init__(l1=_weight("l1", l1, default=0.01))

    def get_config(self) -> dict[str, Any]:
        """Return the weight."""
        return {"l1": self.l1}


@registry.register("l2")
class L2(L1L2):
    """``l2 * sum(w**2)``."""

    def __init__(self, l2: float | None = 0.01) -> None:
        super().__init__(l2=_weight("l2", l2, default=0.01))

    def get_config(self) -> dict[str, Any]:
        """Return the weight."""
        return {"l2": self.l2}


l1, l2, l1_l2 = L1, L2, L1L2


def get(identifier: Any) -> Regularizer | None:
    """Return the regularizer that a name, a configuration, a class or an object stands for; None for None."""
    found = registry.get(identifier)
    if found is None or isinstance(found, Regularizer):
        return found
    raise ValueError(
        f"a regularizer is a name such as 'l2' or an object of a subclass of Regularizer; got {identifier!r}."
    )


def serialize(regularizer: Regularizer | None) -> dict[str, Any] | None:
    """Return Keras's configuration of a regularizer."""
    return registry.serialize(regularizer)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Regularizer:
    """Build a regularizer from its configuration."""
    return registry.deserialize(config, custom_objects)


def _weight(name: str, value: float | None, default: float) -> float:
    number = default if value is None else value
    if isinstance(number, bool) or not isinstance(number, int | float | np.number) or not 0 <= number < math.inf:
        raise ValueError(f"{name} is a finite number of at least 0; got {value!r}.")
    return float(number)
