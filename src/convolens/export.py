"""``cl.export``: the public name of ``convolens.exporting``."""

from convolens.exporting import *
from convolens.exporting import __all__ as __all__
