"""Ways to other frameworks: Keras models there and back, and the layer where two models part."""

from convolens.bridges.comparison import Comparison, compare
from convolens.bridges.keras import from_keras, to_keras

__all__ = ["Comparison", "compare", "from_keras", "to_keras"]
