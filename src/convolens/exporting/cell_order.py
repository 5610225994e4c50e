"""Where the cells of an image stand once it is flattened, channels-last here and channels-first elsewhere."""

from __future__ import annotations

import numpy as np

__all__ = ["flattened_order", "unless_sorted"]


def flattened_order(h: int, w: int, c: int) -> np.ndarray | None:
    """Return where each cell of a flattened ``(h, w, c)`` stands in the flattened ``(c, h, w)``; None if at its place.

    >>> flattened_order(1, 2, 2).tolist()
    [0, 2, 1, 3]
    """
    return unless_sorted(np.arange(h * w * c).reshape(c, h, w).transpose(1, 2, 0).ravel())


def unless_sorted(order: np.ndarray) -> np.ndarray | None:
    """Return an order, None if it is ``0, 1, 2, ...``."""
    return None if np.array_equal(order, np.arange(order.size)) else order
