"""Finite differences that notice kinks.

The derivative at 0 is (f(h) - f(-h)) / 2h. At a kink (ReLU at 0, a tie in max pooling) the slopes of the two sides
differ however small h is; beside a kink they agree once h is small enough. So (f(h) - f(0)) / h and (f(0) - f(-h)) / h
are compared at several h, and a mismatch that the jump between them can explain is called a kink.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["WIDTHS", "Slope", "relative_error", "slope_at"]

WIDTHS = (1e-4, 1e-5, 1e-6)
"""The widths tried in turn, in float64."""
_EPSILON = sys.float_info.epsilon


def relative_error(actual: float, expected: float, largest: float) -> float:
    """Return ``|a - n| / max(|a|, |n|, 1e-3 largest)``, ``largest`` the greatest magnitude in the gradient's tensor.

    >>> relative_error(2.0, 1.0, 1.0)
    0.5
    """
    scale = max(abs(actual), abs(expected), 1e-3 * largest)
    return abs(actual - expected) / scale if scale > 0 else 0.0


@dataclass(frozen=True)
class Slope:
    """The slope at 0 as finite differences of one width see it.

    Attributes:
        value: the central difference, with the error of order h^2 taken out.
        bend: how far the slopes of the two sides differ.
        noise: how far rounding alone may move the slope.
        is_flat: whether the two sides agree.
    """

    value: float
    bend: float
    noise: float
    is_flat: bool

    def explains(self, mismatch: float) -> bool:
        """Whether a kink inside the width can be the reason for a mismatch."""
        return self.bend > 4 * self.noise and mismatch <= 2 * self.bend


def slope_at(at: Callable[[float], float], here: float, h: float, largest: float) -> Slope:
    """Return the slope of ``at`` at 0 from differences of width ``h``.

    Args:
        at: the function.
        here: its value at 0.
        h: the width.
        largest: the greatest magnitude among the slopes that this one belongs to.
    """
    after, before = at(h), at(-h)
    right, left = (after - here) / h, (here - before) / h
    noise = 40 * _EPSILON * max(abs(after), abs(before), abs(here), 1e-3) / h
    bend = abs(right - left)
    # A smooth f bends by h f'', which vanishes with h; a jump of the slope does not.
    is_flat = bool(bend <= 1e-4 * max(abs(right), abs(left), 1e-3 * largest) + 4 * noise)
    slope = (after - before) / (2 * h)
    if is_flat:
        slope = (4 * (at(h / 2) - at(-h / 2)) / h - slope) / 3
    return Slope(slope, bend, noise, is_flat)
