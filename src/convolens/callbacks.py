"""``cl.callbacks``: Keras's name for ``convolens.training.callbacks``."""

from convolens.training.callbacks import *
from convolens.training.callbacks import __all__ as __all__
