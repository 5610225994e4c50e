"""The results printed in the exercise's notebook, in its 2017 version and its 2021 version."""

from __future__ import annotations

import numpy as np
import pytest

from convolens.course import step_by_step as course

DIGITS = 5e-9  # The notebooks print eight decimals.


def test_zero_pad_puts_the_images_in_the_middle():
    np.random.seed(1)
    x = np.random.randn(4, 3, 3, 2)
    padded = course.zero_pad(x, 2)
    assert padded.shape == (4, 7, 7, 2)
    assert np.array_equal(padded[1, 1], np.zeros((7, 2)))
    assert np.array_equal(padded[:, 2:5, 2:5], x)
    np.testing.assert_allclose(x[1, 1, 0], [0.90085595, -0.68372786], atol=DIGITS)


@pytest.mark.parametrize(
    ("seed", "shape", "published"), [(1, (4, 4, 3), -6.99908945068), (3, (5, 5, 3), -3.5443670581382474)]
)
def test_conv_single_step(seed, shape, published):
    np.random.seed(seed)
    window, W, b = np.random.randn(*shape), np.random.randn(*shape), np.random.randn(1, 1, 1)
    Z = course.conv_single_step(window, W, b)
    assert type(Z) is np.float64
    np.testing.assert_allclose(Z, published, rtol=1e-11)


def first_version():
    np.random.seed(1)
    A_prev, W, b = np.random.randn(10, 4, 4, 3), np.random.randn(2, 2, 3, 8), np.random.randn(1, 1, 1, 8)
    return course.conv_forward(A_prev, W, b, {"pad": 2, "stride": 2})


def test_conv_forward_of_2017():
    Z, cache = first_version()
    assert np.mean(Z) == pytest.approx(0.0489952035289, rel=1e-11)
    row = [-0.61490741, -6.7439236, -2.55153897, 1.75698377, 3.56208902, 0.53036437, 5.18531798, 8.75898442]
    np.testing.assert_allclose(Z[3, 2, 1], row, atol=DIGITS)
    np.testing.assert_allclose(cache[0][1][2][3], [-0.20075807, 0.18656139, 0.41005165], atol=DIGITS)


def test_conv_forward_of_2021():
    np.random.seed(1)
    A_prev, W, b = np.random.randn(2, 5, 7, 4), np.random.randn(3, 3, 4, 8), np.random.randn(1, 1, 1, 8)
    Z, cache = course.conv_forward(A_prev, W, b, {"pad": 1, "stride": 2})
    assert np.mean(Z) == pytest.approx(0.5511276474566768, rel=1e-12)
    row = [-2.17796037, 8.07171329, -0.5772704, 3.36286738, 4.48113645, -2.89198428, 10.99288867, 3.03171932]
    np.testing.assert_allclose(Z[0, 2, 1], row, atol=DIGITS)
    np.testing.assert_allclose(cache[0][1][2][3], [-1.1191154, 1.9560789, -0.3264995, -1.34267579], atol=DIGITS)


def test_conv_forward_with_much_padding():
    np.random.seed(3)
    A_prev = np.random.randn(2, 5, 7, 4)
    np.random.randn(3, 3, 4, 8), np.random.randn(1, 1, 1, 8)
    W, b = np.random.randn(5, 5, 4, 8), np.random.randn(1, 1, 1, 8)
    Z, _ = course.conv_forward(A_prev, W, b, {"pad": 6, "stride": 1})
    assert Z.shape == (2, 13, 15, 8)
    assert np.mean(Z) == pytest.approx(-0.5384027772160062, rel=1e-12)


def test_conv_backward():
    Z, cache = first_version()
    dA, dW, db = course.conv_backward(Z, cache)
    assert (dA.shape, dW.shape, db.shape) == ((10, 4, 4, 3), (2, 2, 3, 8), (1, 1, 1, 8))
    assert np.mean(dA) == pytest.approx(1.4524377775388075, rel=1e-12)
    assert np.mean(dW) == pytest.approx(1.7269914583139097, rel=1e-12)
    assert np.mean(db) == pytest.approx(7.839232564616838, rel=1e-12)


def test_pool_forward_of_2017():
    np.random.seed(1)
    A_prev, hparameters = np.random.randn(2, 4, 4, 3), {"stride": 2, "f": 3}
    A, _ = course.pool_forward(A_prev, hparameters)
    np.testing.assert_allclose(
        A, [[[[1.74481176, 0.86540763, 1.13376944]]], [[[1.13162939, 1.51981682, 2.18557541]]]], atol=DIGITS
    )
    A, _ = course.pool_forward(A_prev, hparameters, mode="average")
    np.testing.assert_allclose(
        A, [[[[0.02105773, -0.20328806, -0.40389855]]], [[[-0.22154621, 0.51716526, 0.48155844]]]], atol=DIGITS
    )


def test_pool_forward_of_2021():
    np.random.seed(1)
    A_prev = np.random.randn(2, 5, 5, 3)
    A, cache = course.pool_forward(A_prev, {"stride": 1, "f": 3}, mode="max")
    rows = [
        [1.96710175, 0.84616065, 1.27375593],
        [1.96710175, 0.84616065, 1.23616403],
        [1.62765075, 1.12141771, 1.2245077],
    ]
    np.testing.assert_allclose(A[1, 1], rows, atol=DIGITS)
    assert cache[0] is A_prev
    A, _ = course.pool_forward(A_prev, {"stride": 2, "f": 3}, mode="average")
    rows = [[[-0.17313416, 0.32377198, -0.34317572], [0.02030094, 0.14141479, -0.01231585]],
            [[0.42944926, 0.08446996, -0.27290905], [0.15077452, 0.28911175, 0.00123239]]]  # fmt: skip
    np.testing.assert_allclose(A[1], rows, atol=DIGITS)


def test_create_mask_from_window():
    np.random.seed(1)
    mask = course.create_mask_from_window(np.random.randn(2, 3))
    assert mask.tolist() == [[True, False, False], [False, False, False]]


def test_distribute_value():
    assert course.distribute_value(2, (2, 2)).tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_pool_backward():
    np.random.seed(1)
    A_prev = np.random.randn(5, 5, 3, 2)
    _, cache = course.pool_forward(A_prev, {"stride": 1, "f": 2})
    dA = np.random.randn(5, 4, 2, 2)
    assert np.mean(dA) == pytest.approx(0.14571390272918056, rel=1e-12)
    by_max = course.pool_backward(dA, cache, mode="max")
    np.testing.assert_allclose(by_max[1, 1], [[0, 0], [5.05844394, -1.68282702], [0, 0]], atol=DIGITS)
    by_average = course.pool_backward(dA, cache, mode="average")
    rows = [[0.08485462, 0.2787552], [1.26461098, -0.25749373], [1.17975636, -0.53624893]]
    np.testing.assert_allclose(by_average[1, 1], rows, atol=DIGITS)
