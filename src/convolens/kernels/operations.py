"""What a layer asks of a backend, without the layer: the words between the plan and the native steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Operation"]


@dataclass(frozen=True)
class Operation:
    """One layer's work, or its activation's, in a backend's terms.

    Attributes:
        name: the kernel without its direction: ``"conv2d"``, ``"max_pool2d"``, ``"batch_normalization"``, ``"dense"``,
            ``"relu"``, ``"flatten"``, ...
        parameters: the layer's variables by name (objects with ``.value``); read anew at every call.
        options: the kernel's keyword arguments: ``strides``, ``padding``, ``pool_size``, ...
        trainable: whether gradients of the parameters are wanted.
        update_state: what the train step calls with the cache (moving averages), or None.
    """

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    trainable: bool = True
    update_state: Callable[[Any], None] | None = None
