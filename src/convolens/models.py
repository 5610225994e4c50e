"""``cl.models``: where Keras keeps ``Model``, ``Sequential`` and ``load_model``."""

from convolens.model import Model
from convolens.saving import load_model, save_model
from convolens.sequential import Sequential

__all__ = ["Model", "Sequential", "load_model", "save_model"]
