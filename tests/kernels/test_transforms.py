"""The small matrix products around Winograd's, and sums over the lanes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from convolens.kernels.compiled import emit  # noqa: E402
from convolens.kernels.compiled.lanes import LANES, size  # noqa: E402
from convolens.kernels.compiled.transforms import linear, squared, squares_of  # noqa: E402

MATRICES = {
    3: [[1, 2, 4, 0], [1, -2, 4, 3], [0, 0, 1, 1]],  # no pair
    4: [[1, 2, 4, 0.5], [1, -2, 4, -0.5], [0, 0, -1, 1]],  # a pair of rows
    7: [[1, 1, 1, 0], [3, -3, 0, 0], [9, 9, 0, 1]],  # a pair of columns
}


def product(intrinsic: Any, x: np.ndarray, rows: int, width: int) -> np.ndarray:
    taps = size(width)

    @numba.njit
    def call(y: Any, x: Any, taps: Any) -> None:
        intrinsic(y, 0, LANES, x, 0, LANES, taps)

    y = np.empty((rows, LANES), np.float32)
    call(y.reshape(-1), x.reshape(-1), taps)
    return y


@pytest.mark.parametrize("width", MATRICES)
def test_a_product_is_that_of_its_matrix(width: int) -> None:
    x = np.random.default_rng(width).integers(-9, 9, (4, LANES)).astype(np.float32)
    y = product(linear(MATRICES), x, 3, width)
    np.testing.assert_array_equal(y, (np.array(MATRICES[width]) @ x).astype(np.float32))


@pytest.mark.parametrize("width", MATRICES)
def test_a_square_is_multiplied_from_both_sides(width: int) -> None:
    x = np.random.default_rng(width).integers(-9, 9, (4, 5, LANES)).astype(np.float32)  # five in memory, four taken
    matrix = np.array(MATRICES[width])
    both = squared(MATRICES[width])
    bounded = squares_of(MATRICES[width])

    @numba.njit
    def call(y: Any, bound: Any, y_of_parts: Any, x: Any, parts: Any, two: Any, zero: Any) -> None:
        both(y, 0, LANES, x, 0, 5 * LANES, LANES)
        bounded(bound, 0, 3 * LANES, LANES, parts, 0, LANES, two, zero)
        bounded(y_of_parts, 0, 3 * LANES, LANES, parts, 0, LANES, two, None)

    y, bound, y_of_parts = np.empty((3, 9 * LANES), np.float32)
    parts = np.ascontiguousarray(x[:, :4]).reshape(-1)
    call(y, bound, y_of_parts, x.reshape(-1), parts, np.float32(2), np.float32(0))
    expected = np.einsum("ij,jkl,mk->iml", matrix, x[:, :4], matrix).astype(np.float32).ravel()
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(y_of_parts, expected)
    np.testing.assert_array_equal(bound, np.maximum(expected + 2, 0))


def test_totals_of_several_vectors_are_those_of_each() -> None:
    x = np.random.default_rng(0).standard_normal((LANES, LANES)).astype(np.float32)

    @emit.intrinsic
    def totals(typingctx: Any, y: Any, x: Any) -> Any:
        def body(builder: Any, vector: Any, y: Any, x: Any) -> None:
            rows = [emit.load(builder, x, emit.number(i * LANES), vector) for i in range(LANES)]
            emit.store(builder, emit.totals(builder, rows), y, emit.number(0))
            for i, row in enumerate(rows):
                builder.store(emit.total(builder, row), builder.gep(y, [emit.number(LANES + i)]))

        return emit.block(body, numba.types.void, y, x)

    @numba.njit
    def call(y: Any, x: Any) -> None:
        totals(y, x)

    y = np.empty(2 * LANES, np.float32)
    call(y, x.reshape(-1))
    np.testing.assert_array_equal(y[:LANES], y[LANES:])
    np.testing.assert_allclose(y[:LANES], x.sum(axis=1), rtol=1e-5, atol=1e-6)
