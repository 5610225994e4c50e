"""Constructor arguments that several layers share, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from convolens.kernels.geometry import Pads, Pair

__all__ = ["around", "choice", "number", "pair", "positive", "random_numbers"]


def positive(name: str, value: Any) -> int:
    """Return ``value`` as a positive int.

    >>> positive("units", 3)
    3
    """
    return _integer(name, value, 1)


def pair(name: str, value: Any, least: int = 1) -> Pair:
    """Return one integer for both directions, or two, as ``(vertical, horizontal)``.

    Raises:
        ValueError: if they are not one or two integers of at least ``least``.

    >>> pair("strides", 2), pair("strides", [1, 2])
    ((2, 2), (1, 2))
    """
    values = list(value) if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else [value] * 2
    if len(values) != 2:
        raise ValueError(f"{name} is one integer or a pair of them; got {value!r}.")
    return _integer(name, values[0], least), _integer(name, values[1], least)


def around(name: str, value: Any) -> Pads:
    """Return cells around an image as ``((top, bottom), (left, right))``, from an integer, two, or two pairs.

    >>> around("padding", 1), around("padding", (1, 2)), around("padding", ((0, 1), (2, 3)))
    (((1, 1), (1, 1)), ((1, 1), (2, 2)), ((0, 1), (2, 3)))
    """
    rows, columns = value if isinstance(value, Sequence) and len(value) == 2 else (value, value)
    return pair(name, rows, least=0), pair(name, columns, least=0)


def choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return ``value`` in small letters if it is one of ``choices``.

    >>> choice("padding", "SAME", ("valid", "same"))
    'same'
    """
    if isinstance(value, str) and value.lower() in choices:
        return value.lower()
    raise ValueError(f"{name} is one of {', '.join(map(repr, choices))}; got {value!r}.")


def number(name: str, value: Any, least: float = -np.inf, most: float = np.inf) -> float:
    """Return ``value`` if it is a number from ``least`` to ``most``.

    >>> number("rate", 0.5, 0, 1)
    0.5
    """
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        limits = f" from {least:g} to {most:g}" if np.isfinite(most) else f" of at least {least:g}"
        raise ValueError(f"{name} is a number{limits if np.isfinite(least) else ''}; got {value!r}.")
    return value


def random_numbers(layer: str, rng: np.random.Generator | None) -> np.random.Generator:
    """Return ``rng``, which a layer that draws random numbers needs in training."""
    if rng is None:
        raise ValueError(f"layer {layer!r} needs random numbers in training: pass rng=np.random.default_rng(0).")
    return rng


def _integer(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}; got {value!r}.")
    return int(value)
