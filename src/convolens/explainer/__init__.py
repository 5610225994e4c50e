"""The explainer: every multiply-add of a network, forward and backward, in one page."""

from __future__ import annotations

from convolens.explainer.explanation import Explanation, explain
from convolens.explainer.record import FORMAT, VERSION, make_record

__all__ = ["FORMAT", "VERSION", "Explanation", "explain", "make_record"]
