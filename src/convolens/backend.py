"""``cl.backend``: Keras's old name for ``convolens.config``."""

from convolens.config import *
from convolens.config import __all__ as __all__
