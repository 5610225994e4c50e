"""Work shared out among threads: everything done once, errors handed on, NumPy's error settings kept."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest

from convolens import config
from convolens.kernels.vectorized.threads import by_rows, matrix_product

LARGE = 10**9


@pytest.fixture(autouse=True, params=[1, 2, 3])
def threads(request):
    config.set_num_threads(request.param)
    yield request.param
    config.set_num_threads(None)


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("operations", [0, LARGE])
def test_every_row_is_done_once(rows: int, operations: int) -> None:
    done = np.zeros(rows, int)

    def work(some: slice) -> None:
        done[some] += 1

    by_rows(rows, operations, work)
    assert done.tolist() == [1] * rows


def test_large_work_is_done_by_as_many_threads_as_asked_and_small_work_by_one(threads: int) -> None:
    seen = []
    together = threading.Barrier(threads, timeout=10)

    def work(some: slice) -> None:
        together.wait()
        seen.append(threading.current_thread())

    by_rows(12, LARGE, work)
    assert len(set(seen)) == len(seen) == threads
    seen.clear()
    together = threading.Barrier(1)
    by_rows(12, 10, work)
    assert seen == [threading.current_thread()]


@pytest.mark.parametrize("row", [0, 5])
def test_an_error_in_any_thread_is_raised(row: int) -> None:
    def work(some: slice) -> None:
        if row in range(6)[some]:
            raise ValueError(f"row {row}")

    with pytest.raises(ValueError, match=f"row {row}"):
        by_rows(6, LARGE, work)


def test_numpys_error_settings_hold_in_every_thread() -> None:
    zeros = np.zeros(6)

    def work(some: slice) -> None:
        zeros[some] / zeros[some]

    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        by_rows(6, LARGE, work)
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        by_rows(6, LARGE, work)


@pytest.mark.parametrize("shapes", [((3, 4), (4, 5)), ((300, 90), (90, 7)), ((5, 90), (90, 1000)), ((0, 4), (4, 5))])
def test_matrix_product(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    a, b = (np.random.default_rng(0).standard_normal(shape) for shape in shapes)
    np.testing.assert_allclose(matrix_product(a, b), np.einsum("ij,jk->ik", a, b), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(matrix_product(b.T, a.T), np.einsum("ij,jk->ki", a, b), rtol=1e-10, atol=1e-12)
