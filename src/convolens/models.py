"""``cl.models``: where Keras keeps ``Model``, ``Sequential`` and ``load_model``."""

from convolens.layers import Input
from convolens.model import Model
from convolens.saving import load_model, save_model
from convolens.sequential import Sequential

__all__ = ["Input", "Model", "Sequential", "load_model", "save_model"]
