"""Convolutions: numbers worked by hand, the beginnings of weights, and bad input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import convolens as cl

L = cl.layers


def test_three_by_three_worked_by_hand() -> None:
    """[1 2 3; 4 5 6; 7 8 9] with the kernel [1 0; 0 -1] and bias 10: each cell minus its lower right neighbour."""
    layer = L.Conv2D(1, 2, dtype="float64")
    x = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    layer.ensure_built([x.shape])
    layer.set_weights([np.array([[1.0, 0.0], [0.0, -1.0]]).reshape(2, 2, 1, 1), [10.0]])
    y, cache = layer.forward(x)
    assert y[0, :, :, 0].tolist() == [[6.0, 6.0], [6.0, 6.0]]
    dx, gradients = layer.backward(np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2, 1), cache)
    # dw[p, q] = sum of dy[i, j] * x[i + p, j + q]: 1*1 + 2*2 + 3*4 + 4*5 = 37 at [0, 0].
    assert gradients["kernel"][:, :, 0, 0].tolist() == [[37.0, 47.0], [67.0, 77.0]]
    assert gradients["bias"].tolist() == [10.0]
    assert dx[0, :, :, 0].tolist() == [[1.0, 2.0, 0.0], [3.0, 3.0, -2.0], [0.0, -3.0, -4.0]]


def test_same_padding_puts_the_odd_cell_after() -> None:
    layer = L.Conv2D(1, 2, padding="same", kernel_initializer="ones", dtype="float64")
    y = layer(np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1))
    assert y[0, :, :, 0].tolist() == [[10.0, 6.0], [7.0, 4.0]]


def test_depthwise_keeps_channels_apart() -> None:
    layer = L.DepthwiseConv2D(1, depth_multiplier=2, dtype="float64")
    x = np.array([2.0, 3.0]).reshape(1, 1, 1, 2)
    layer.ensure_built([x.shape])
    layer.set_weights([np.array([[1.0, 10.0], [100.0, 1000.0]]).reshape(1, 1, 2, 2), np.zeros(4)])
    assert layer(x).ravel().tolist() == [2.0, 20.0, 300.0, 3000.0]


def test_transposed_spreads_each_cell_over_the_kernel() -> None:
    layer = L.Conv2DTranspose(1, 2, strides=2, dtype="float64")
    x = np.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    layer.ensure_built([x.shape])
    layer.set_weights([np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(2, 2, 1, 1), [0.0]])
    assert layer(x)[0, :, :, 0].tolist() == [[1.0, 2.0, 2.0, 4.0], [3.0, 4.0, 6.0, 8.0]]


def test_separable_is_depthwise_then_pointwise() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 3))
    layer = L.SeparableConv2D(4, 3, depth_multiplier=2, dtype="float64")
    y = layer(x)
    depthwise = L.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, dtype="float64")
    pointwise = L.Conv2D(4, 1, dtype="float64")
    depthwise.ensure_built([x.shape])
    pointwise.ensure_built([(2, 3, 3, 6)])
    depthwise.set_weights(layer.get_weights()[:1])
    pointwise.set_weights(layer.get_weights()[1:])
    np.testing.assert_allclose(y, pointwise(depthwise(x)), rtol=1e-12)


@pytest.mark.parametrize(
    ("layer", "fan_in", "fan_out"),
    [
        (L.Conv2D(16, 3), 9 * 8, 9 * 16),
        (L.Conv2D(16, 3, groups=2), 9 * 4, 9 * 16),
        (L.DepthwiseConv2D(5, depth_multiplier=4), 25 * 8, 25 * 4),
        (L.Conv2DTranspose(16, 3), 9 * 16, 9 * 8),
    ],
)
def test_kernels_begin_glorot_uniform_and_biases_zero(layer: Any, fan_in: int, fan_out: int) -> None:
    layer.ensure_built([(None, 9, 9, 8)])
    limit = math.sqrt(6 / (fan_in + fan_out))
    assert 0.97 * limit < np.abs(layer.kernel.value).max() <= limit
    assert not layer.bias.value.any()


def test_sizes_may_be_open() -> None:
    assert L.Conv2D(4, 3, strides=2).compute_output_shape((None, None, 9, 3)) == (None, None, 4, 4)
    assert L.Conv2DTranspose(4, 3, strides=2).compute_output_shape((None, None, 4, 3)) == (None, None, 9, 4)


def test_first_layer_needs_no_input_gradient() -> None:
    layer = L.Conv2D(2, 3)
    x = np.ones((1, 4, 4, 1), np.float32)
    layer.ensure_built([x.shape])
    y, cache = layer.forward(x)
    dx, gradients = layer.backward(y, cache, need_dx=False)
    assert dx is None
    assert set(gradients) == {"kernel", "bias"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: L.Conv2D(0, 3), "filters must be an integer of at least 1; got 0"),
        (lambda: L.Conv2D(2.5, 3), "filters must be an integer"),
        (lambda: L.Conv2D(4, (1, 2, 3)), "kernel_size is one integer or a pair"),
        (lambda: L.Conv2D(4, 3, strides=0), "strides must be an integer of at least 1"),
        (lambda: L.Conv2D(4, 3, padding="full"), "padding is one of 'valid', 'same'; got 'full'"),
        (lambda: L.Conv2D(4, 3, strides=2, dilation_rate=2), "strides above 1 do not go with a dilation_rate"),
        (lambda: L.Conv2D(4, 3, groups=3), "filters must be a multiple of groups=3"),
        (lambda: L.Conv2D(4, 3, data_format="channels_first"), "data_format='channels_first' is not supported"),
        (lambda: L.Conv2D(4, 3, kernel_constraint="max_norm"), "kernel_constraint='max_norm' is not supported"),
        (lambda: L.Conv2D(4, 3, activity_regularizer="l2"), "activity_regularizer='l2' is not supported"),
        (lambda: L.Conv2D(4, 3, activation="rilu"), "unknown activation 'rilu'. Did you mean"),
        (lambda: L.DepthwiseConv2D(3, depth_multiplier=0), "depth_multiplier must be an integer"),
        (lambda: L.Conv2DTranspose(4, 3, output_padding=-1), "output_padding must be an integer of at least 0"),
        (
            lambda: L.Conv2D(4, 3, name="a")(np.zeros((2, 8, 8))),
            "layer 'a' expects inputs of 4 axes (n, h, w, c); found 3",
        ),
        (
            lambda: L.Conv2D(4, 5, name="a")(np.zeros((2, 4, 8, 1))),
            "layer 'a' on input of shape (2, 4, 8, 1): a kernel",
        ),
        (
            lambda: L.Conv2D(4, 3, groups=2, name="a")(np.zeros((2, 4, 8, 3))),
            "layer 'a' expects a multiple of groups=2",
        ),
        (lambda: L.Conv2D(4, 3, name="a")(cl.Input((8, 8, None))), "layer 'a' needs the number of channels"),
        (lambda: L.Conv2DTranspose(4, 3, strides=2, output_padding=2)(np.zeros((1, 4, 4, 1))), "less than the strides"),
    ],
)
def test_bad_input_is_one_clear_line(make: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        make()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_built_layer_refuses_other_channels() -> None:
    layer = L.Conv2D(4, 3, name="a")
    layer(np.zeros((1, 5, 5, 3)))
    with pytest.raises(ValueError, match=r"layer 'a' was built for inputs with 3 cells along axis -1; found 1"):
        layer(np.zeros((1, 5, 5, 1)))
