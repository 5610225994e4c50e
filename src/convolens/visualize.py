"""``cl.visualize``: the public name of ``convolens.pictures``."""

from convolens.pictures import *
from convolens.pictures import __all__ as __all__
