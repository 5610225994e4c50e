"""Numbers small enough to work by hand, for every backend; the arithmetic is beside them.

x = 1 2 3      w = 1 -1      b = 10
    4 5 6          2  3
    7 8 9
"""

from __future__ import annotations

import numpy as np
import pytest

from convolens import kernels

pytestmark = pytest.mark.parametrize(
    "k", [kernels.backend(name) for name in kernels.available()], ids=kernels.available()
)

X = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)
W = np.array([[1.0, -1.0], [2.0, 3.0]]).reshape(2, 2, 1, 1)
B = np.array([10.0])
DY = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)


def test_convolution(k) -> None:
    y, cache = k.conv2d_forward(X, W, B)
    # 1 - 2 + 2*4 + 3*5 + 10 = 32      2 - 3 + 2*5 + 3*6 + 10 = 37
    # 4 - 5 + 2*7 + 3*8 + 10 = 47      5 - 6 + 2*8 + 3*9 + 10 = 52
    assert y[0, :, :, 0].tolist() == [[32, 37], [47, 52]]
    dx, dw, db = k.conv2d_backward(DY, cache)
    # dy * w stamped at each place: [[1,-1],[2,3]] at (0,0), twice at (0,1), thrice at (1,0), four times at (1,1)
    # row 0:  1               -1 + 2*1             2*-1
    # row 1:  2 + 3*1          3 + 2*2 + 3*-1 + 4   2*3 + 4*-1
    # row 2:  3*2              3*3 + 4*2            4*3
    assert dx[0, :, :, 0].tolist() == [[1, 1, -2], [5, 8, 2], [6, 17, 12]]
    # 1*1 + 2*2 + 3*4 + 4*5 = 37       1*2 + 2*3 + 3*5 + 4*6 = 47
    # 1*4 + 2*5 + 3*7 + 4*8 = 67       1*5 + 2*6 + 3*8 + 4*9 = 77
    assert dw[:, :, 0, 0].tolist() == [[37, 47], [67, 77]]
    assert db.tolist() == [1 + 2 + 3 + 4]


def test_convolution_padded_same_puts_the_odd_cell_after(k) -> None:
    y, _ = k.conv2d_forward(X, W, padding="same")
    # The last column's window hangs over the right edge: 3 - 0 + 2*6 + 3*0 = 15; the last row's below: 7 - 8 = -1.
    assert y[0, :, :, 0].tolist() == [[22, 27, 15], [37, 42, 24], [-1, -1, 9]]


def test_transposed_convolution(k) -> None:
    y, cache = k.conv2d_transpose_forward(DY, W, B)
    # The stamps of the convolution's dx above, plus the bias.
    assert y[0, :, :, 0].tolist() == [[11, 11, 8], [15, 18, 12], [16, 27, 22]]
    dx, dw, db = k.conv2d_transpose_backward(X, cache)
    # A convolution of the gradient, without the bias: 1 - 2 + 8 + 15 = 22, ...
    assert dx[0, :, :, 0].tolist() == [[22, 27], [37, 42]]
    assert dw[:, :, 0, 0].tolist() == [[37, 47], [67, 77]]
    assert db.tolist() == [45]


def test_depthwise_convolution_keeps_channels_apart(k) -> None:
    x = np.concatenate([X, 10 * X], axis=3)
    w = np.concatenate([W, W], axis=2) * np.array([1.0, 2.0])  # the same kernel for both channels; filter 1 is doubled
    y, cache = k.depthwise_conv2d_forward(x, w)
    # Filters of a channel lie side by side: channel 0 by filters 0 and 1, then channel 1.
    assert y[0, 0, 0].tolist() == [22, 44, 220, 440]
    dx, dw, _ = k.depthwise_conv2d_backward(np.ones_like(y), cache)
    # Each channel gets (1 + 2) times the stamps of ones: the corner 1, the middle 1 - 1 + 2 + 3 = 5.
    assert dx[0, 0, 0].tolist() == [3, 3]
    assert dx[0, 1, 1].tolist() == [15, 15]
    assert dw[0, 0].tolist() == [[1 + 2 + 4 + 5] * 2, [120] * 2]


def test_max_pooling_gives_a_tie_to_the_first(k) -> None:
    x = np.array([[5.0, 5.0, 1.0], [2.0, 5.0, 7.0], [0.0, 7.0, 7.0]]).reshape(1, 3, 3, 1)
    y, cache = k.max_pool2d_forward(x, pool_size=(2, 2), strides=(1, 1))
    assert y[0, :, :, 0].tolist() == [[5, 7], [7, 7]]
    dx = k.max_pool2d_backward(DY, cache)
    # Window (0,0): 5 at (0,0) is the first. (0,1): 7 at (1,2). (1,0): 7 at (2,1). (1,1): 7 at (1,2) is before (2,1).
    assert dx[0, :, :, 0].tolist() == [[1, 0, 0], [0, 0, 2 + 4], [0, 3, 0]]


def test_average_pooling_does_not_count_the_padding(k) -> None:
    y, cache = k.average_pool2d_forward(X, pool_size=(2, 2), strides=(2, 2), padding="same")
    # (1 + 2 + 4 + 5) / 4 = 3       (3 + 6) / 2 = 4.5
    # (7 + 8) / 2 = 7.5             9
    assert y[0, :, :, 0].tolist() == [[3, 4.5], [7.5, 9]]
    dx = k.average_pool2d_backward(DY, cache)
    assert dx[0, :, :, 0].tolist() == [[0.25, 0.25, 1], [0.25, 0.25, 1], [1.5, 1.5, 4]]


def test_batch_normalization(k) -> None:
    x = np.array([[1.0], [3.0], [5.0], [7.0]])
    gamma, beta, unused = np.array([3.0]), np.array([1.0]), np.zeros(1)
    # mean 4, deviations -3 -1 1 3, biased variance (9 + 1 + 1 + 9) / 4 = 5; with epsilon 4: sqrt(9) = 3
    y, cache = k.batch_normalization_forward(x, gamma, beta, unused, unused, epsilon=4.0, training=True)
    assert (cache.mean.tolist(), cache.variance.tolist()) == ([4], [5])
    np.testing.assert_allclose(y[:, 0], [-2, 0, 2, 4], rtol=1e-14)
    dx, dgamma, dbeta = k.batch_normalization_backward(np.array([[1.0], [0.0], [0.0], [0.0]]), cache)
    # g = 3 0 0 0: mean 3/4; xhat = -1 -1/3 1/3 1; mean(g xhat) = -3/4
    # dx = (g - 3/4 + 3/4 xhat) / 3 = (3 - 3/4 - 3/4, -3/4 - 1/4, -3/4 + 1/4, -3/4 + 3/4) / 3
    np.testing.assert_allclose(dx[:, 0], [1.5 / 3, -1 / 3, -0.5 / 3, 0], atol=1e-15)
    np.testing.assert_allclose([dgamma.item(), dbeta.item()], [-1, 1], rtol=1e-15)


def test_batch_normalization_outside_training_uses_the_moving_statistics(k) -> None:
    x, gamma, beta = np.array([[5.0], [7.0]]), np.array([3.0]), np.array([1.0])
    y, cache = k.batch_normalization_forward(
        x, gamma, beta, np.array([1.0]), np.array([3.0]), epsilon=1.0, training=False
    )
    # 3 * (5 - 1) / sqrt(3 + 1) + 1 = 7       3 * (7 - 1) / 2 + 1 = 10
    assert y[:, 0].tolist() == [7, 10]
    dx, dgamma, dbeta = k.batch_normalization_backward(np.ones((2, 1)), cache)
    assert (dx[:, 0].tolist(), dgamma.tolist(), dbeta.tolist()) == ([1.5, 1.5], [2 + 3], [2])


def test_dense(k) -> None:
    x, w, b = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]), np.array([0.0, 10.0, 20.0])
    y, cache = k.dense_forward(x, w, b)
    assert y.tolist() == [[3 + 12, 4 + 14 + 10, 5 + 16 + 20]]
    dx, dw, db = k.dense_backward(np.array([[1.0, 0.0, 2.0]]), cache)
    assert dx.tolist() == [[3 + 10, 6 + 16]]
    assert dw.tolist() == [[1, 0, 2], [2, 0, 4]]
    assert db.tolist() == [1, 0, 2]


def test_softmax(k) -> None:
    y, cache = k.softmax_forward(np.log(np.array([[1.0, 2.0, 5.0]])))
    np.testing.assert_allclose(y, [[1 / 8, 2 / 8, 5 / 8]], rtol=1e-15)
    # y * (dy - sum(dy y)) with dy = 8 0 0: sum = 1, so 1/8 * 7, 2/8 * -1, 5/8 * -1
    np.testing.assert_allclose(
        k.softmax_backward(np.array([[8.0, 0, 0]]), cache), [[7 / 8, -2 / 8, -5 / 8]], rtol=1e-15
    )


def test_softmax_of_large_scores_does_not_overflow(k) -> None:
    y, _ = k.softmax_forward(np.array([[1000.0, 1000.0, -1000.0]]))
    assert y.tolist() == [[0.5, 0.5, 0]]
