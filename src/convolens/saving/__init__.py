"""Models in files: Keras 3's ``.keras`` and ``.weights.h5`` both ways, and the older HDF5 files of Keras for reading.

Keras need not be installed. Nothing in a file is ever executed: classes are found by name among this library's own and
those passed as ``custom_objects``, and everything else is refused.
"""

from convolens.saving.archive import save_model
from convolens.saving.loading import load_model, load_weights
from convolens.saving.weights import save_weights

__all__ = ["load_model", "load_weights", "save_model", "save_weights"]
