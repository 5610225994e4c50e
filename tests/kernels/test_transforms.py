"""The small matrix products around Winograd's: what is shared between rows, and what becomes zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from convolens.kernels.compiled.lanes import LANES, size  # noqa: E402
from convolens.kernels.compiled.transforms import linear, sums_of  # noqa: E402

MATRICES = {
    3: [[1, 2, 4, 0], [1, -2, 4, 3], [0, 0, 1, 1]],  # no pair
    4: [[1, 2, 4, 0.5], [1, -2, 4, -0.5], [0, 0, -1, 1]],  # a pair of rows
    7: [[1, 1, 1, 0], [3, -3, 0, 0], [9, 9, 0, 1]],  # a pair of columns
}


def product(intrinsic: Any, x: np.ndarray, rows: int, *sizes: int) -> np.ndarray:
    tuples = tuple(map(size, sizes))

    @numba.njit
    def call(y: Any, x: Any, tuples: Any) -> None:
        if len(tuples) == 2:
            intrinsic(y, 0, LANES, x, 0, LANES, tuples[0], tuples[1])
        else:
            intrinsic(y, 0, LANES, x, 0, LANES, tuples[0])

    y = np.empty((rows, LANES), np.float32)
    call(y.reshape(-1), x.reshape(-1), tuples)
    return y


@pytest.mark.parametrize("width", MATRICES)
def test_a_product_is_that_of_its_matrix(width: int) -> None:
    x = np.random.default_rng(width).integers(-9, 9, (4, LANES)).astype(np.float32)
    y = product(linear(MATRICES), x, 3, width)
    np.testing.assert_array_equal(y, (np.array(MATRICES[width]) @ x).astype(np.float32))


def test_only_a_settled_sum_drops_what_rounding_leaves() -> None:
    x = np.zeros((4, LANES), np.float32)
    x[0], x[1] = 1.0, np.float32(-1.0) + np.float32(2.0**-22)
    sums = sums_of(MATRICES)
    assert product(sums, x, 3, 0, 7)[0, 0] == np.float32(2.0**-22)
    assert product(sums, x, 3, 1, 7)[0, 0] == 0
    x[1] = -0.5  # no noise: kept either way
    assert product(sums, x, 3, 1, 7)[0, 0] == 0.5
