"""Names for layers and models that were given none: ``conv2d``, ``conv2d_1``, as Keras numbers them."""

from __future__ import annotations

import re
from collections import Counter

__all__ = ["reset", "to_snake_case", "unique_name"]

_counts: Counter[str] = Counter()


def to_snake_case(name: str) -> str:
    """Return a class name as Keras writes it in layer names.

    >>> to_snake_case("MaxPooling2D"), to_snake_case("ReLU"), to_snake_case("Conv2DTranspose")
    ('max_pooling2d', 're_lu', 'conv2d_transpose')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def unique_name(class_name: str) -> str:
    """Return the next unused name for an object of this class."""
    prefix = to_snake_case(class_name)
    count = _counts[prefix]
    _counts[prefix] += 1
    return f"{prefix}_{count}" if count else prefix


def reset() -> None:
    """Begin the numbering anew."""
    _counts.clear()
