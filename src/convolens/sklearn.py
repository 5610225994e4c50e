"""``cl.sklearn``: the public name of ``convolens.bridges.sklearn``."""

from convolens.bridges.sklearn import *
from convolens.bridges.sklearn import __all__ as __all__
