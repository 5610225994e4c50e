"""Fashion-MNIST as Keras's ``load_data`` returns it."""

from __future__ import annotations

from .catalog import load_arrays
from .formats import Arrays

__all__ = ["load_data"]


def load_data() -> tuple[Arrays, Arrays]:
    """Return ``(x_train, y_train), (x_test, y_test)``: ``uint8``, images ``(60000, 28, 28)`` and ``(10000, 28, 28)``.

    The files are searched as ``load("fashion_mnist")`` does.
    """
    return load_arrays("fashion_mnist")
