"""Layers that prepare images for a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from convolens.layers.base import Layer, registry

__all__ = ["Rescaling"]


@registry.register()
class Rescaling(Layer):
    """``y = scale * x + offset``: ``Rescaling(1 / 255)`` brings bytes into [0, 1].

    Args:
        scale: a number, or an array that broadcasts to the input: one number per channel.
        offset: the same.
        **kwargs: ``name``, ``trainable``, ``dtype``, ``input_shape``.

    >>> Rescaling(1 / 127.5, offset=-1.0)(np.array([0, 255], np.uint8)).tolist()
    [-1.0, 1.0]
    """

    fields = ("scale", "offset")

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = _plain("scale", scale)
        self.offset = _plain("offset", offset)
        self.elementwise = not isinstance(self.scale, list) and not isinstance(self.offset, list)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input's shape, if scale and offset broadcast to it."""
        sizes = tuple(input_shape)
        for array in map(np.asarray, (self.scale, self.offset)):
            pairs = zip(array.shape[::-1], sizes[::-1], strict=False)
            if array.ndim > len(sizes) or any(one not in (1, size) and size is not None for one, size in pairs):
                raise ValueError(
                    f"layer {self.name!r} has a scale or offset of shape {array.shape}, which does not broadcast to "
                    f"inputs of shape {sizes}."
                )
        return sizes

    def build(self, input_shape: Any) -> None:
        """Check that scale and offset broadcast to the input."""
        self.compute_output_shape(input_shape)

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, None]:
        """Return the rescaled array."""
        return x * np.asarray(self.scale, x.dtype) + np.asarray(self.offset, x.dtype), None

    def backward(self, d_output: np.ndarray, cache: None, need_dx: bool = True) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the gradient times the scale."""
        return d_output * np.asarray(self.scale, d_output.dtype), {}


def _plain(name: str, value: Any) -> Any:
    """Return a number, or nested lists of them, from a number, an array or Keras's configuration of an array."""
    if isinstance(value, Mapping):
        value = (value.get("config") or {}).get("value")
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} is a number or an array of numbers; got {value!r}.")
    return array.tolist()
