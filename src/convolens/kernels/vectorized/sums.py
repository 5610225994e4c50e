"""Sums over all axes but the channels'."""

from __future__ import annotations

import numpy as np

from convolens.kernels.vectorized.threads import one_blas_thread

__all__ = ["sum_by_channel"]


def sum_by_channel(x: np.ndarray) -> np.ndarray:
    """Sum over all axes but the last.

    As a product with ones: NumPy's own sum along a leading axis works through rows of only ``c`` elements.
    """
    rows = x.reshape(-1, x.shape[-1])
    with one_blas_thread():
        return np.ones(len(rows), x.dtype) @ rows
