"""Both dialects: numeric gradients, padding, ties, dtypes and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from convolens.course import layer_by_layer, step_by_step


def numeric_gradient(function, x, step=1e-6):
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize(("stride", "pad"), [(1, 0), (2, 0), (1, 1), (2, 2), (3, 1)])
def test_conv_backward_is_the_gradient_of_conv_forward(rng, stride, pad):
    A, W, b = rng.normal(size=(2, 5, 4, 2)), rng.normal(size=(3, 3, 2, 2)), rng.normal(size=(1, 1, 1, 2))
    parameters = {"stride": stride, "pad": pad}
    Z, cache = step_by_step.conv_forward(A, W, b, parameters)
    assert cache[0] is A
    dZ = rng.normal(size=Z.shape)
    gradients = step_by_step.conv_backward(dZ, cache)
    for index, gradient in enumerate(gradients):

        def cost(value, index=index):
            arguments = [A, W, b]
            arguments[index] = value
            return np.sum(step_by_step.conv_forward(*arguments, parameters)[0] * dZ)

        np.testing.assert_allclose(gradient, numeric_gradient(cost, (A, W, b)[index]), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (1, 3)])
def test_layer_by_layer_backward_is_the_gradient_of_its_forward(rng, padding, stride):
    A, W, b = rng.normal(size=(2, 5, 4, 2)), rng.normal(size=(3, 2, 2, 2)), rng.normal(size=(1, 1, 1, 2))
    Z = layer_by_layer.conv_forward(A, W, b, lambda z: z, padding, stride)
    dZ = rng.normal(size=Z.shape)
    gradients = layer_by_layer.conv_backward(dZ, A, W, b, padding, stride)
    for index, gradient in enumerate(gradients):

        def cost(value, index=index):
            arguments = [A, W, b]
            arguments[index] = value
            return np.sum(layer_by_layer.conv_forward(*arguments, lambda z: z, padding, stride) * dZ)

        np.testing.assert_allclose(gradient, numeric_gradient(cost, (A, W, b)[index]), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("mode", ["max", "avg"])
def test_pool_backward_is_the_gradient_of_pool_forward(rng, mode):
    A = rng.permutation(60).astype(float).reshape(1, 5, 6, 2)
    pooled = layer_by_layer.pool_forward(A, (3, 2), (2, 1), mode)
    assert pooled.shape == (1, 2, 5, 2)
    dA = rng.normal(size=pooled.shape)
    gradient = layer_by_layer.pool_backward(dA, A, (3, 2), (2, 1), mode)

    def cost(value):
        return np.sum(layer_by_layer.pool_forward(value, (3, 2), (2, 1), mode) * dA)

    np.testing.assert_allclose(gradient, numeric_gradient(cost, A), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "rows"), [(5, 3, 1, 5), (5, 3, 2, 5), (4, 5, 3, 4), (5, 2, 1, 6), (5, 2, 2, 5)]
)
def test_same_keeps_the_size_at_any_stride(size, kernel, stride, rows):
    A, W, b = np.ones((1, size, 3, 1)), np.ones((kernel, 1, 1, 1)), np.zeros((1, 1, 1, 1))
    assert layer_by_layer.conv_forward(A, W, b, lambda z: z, "same", (stride, 1)).shape == (1, rows, 3, 1)


def test_the_activation_is_applied_after_the_bias():
    A, W, b = np.ones((1, 2, 2, 1)), np.ones((1, 1, 1, 1)), np.full((1, 1, 1, 1), -3.0)
    assert np.all(layer_by_layer.conv_forward(A, W, b, lambda z: np.maximum(z, 0), "valid") == 0)


@pytest.mark.parametrize("module", [step_by_step, layer_by_layer])
def test_a_tie_sends_the_full_gradient_to_each_maximum(module):
    A, dA = np.zeros((1, 2, 2, 1)), np.full((1, 1, 1, 1), 5.0)
    if module is step_by_step:
        gradient = module.pool_backward(dA, (A, {"f": 2, "stride": 2}), mode="max")
    else:
        gradient = module.pool_backward(dA, A, (2, 2), (2, 2), "max")
    assert np.all(gradient == 5.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_have_the_type_of_the_input(rng, dtype):
    A, W, b = (rng.normal(size=shape).astype(dtype) for shape in [(1, 4, 4, 2), (2, 2, 2, 3), (1, 1, 1, 3)])
    Z, cache = step_by_step.conv_forward(A, W, b, {"stride": 1, "pad": 1})
    pooled, pool_cache = step_by_step.pool_forward(Z, {"f": 2, "stride": 2}, mode="average")
    results = [Z, *step_by_step.conv_backward(Z, cache), pooled, step_by_step.pool_backward(pooled, pool_cache, "max")]
    assert {result.dtype for result in results} == {np.dtype(dtype)}
    assert type(step_by_step.conv_single_step(A[0, :2, :2], W[..., 0], b[..., 0])) is dtype


def test_whole_numbers_are_not_cut():
    A = np.arange(9).reshape(1, 3, 3, 1)
    assert step_by_step.pool_forward(A, {"f": 2, "stride": 1}, mode="average")[0].ravel().tolist() == [2, 3, 5, 6]
    half = step_by_step.conv_forward(A, np.full((1, 1, 1, 1), 0.5), np.zeros((1, 1, 1, 1)), {"stride": 1, "pad": 0})[0]
    assert half.max() == 4.0
    assert half[0, 0, 1, 0] == 0.5


A, W, B = np.zeros((1, 3, 3, 2)), np.zeros((2, 2, 2, 4)), np.zeros((1, 1, 1, 4))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: step_by_step.conv_forward(A, W, B, {"stride": 1}), "'pad' is missing"),
        (lambda: step_by_step.conv_forward(A[0], W, B, {"stride": 1, "pad": 0}), "A_prev has shape"),
        (lambda: step_by_step.conv_forward(A[..., :1], W, B, {"stride": 1, "pad": 0}), "channels"),
        (lambda: step_by_step.conv_forward(A, W, B[..., :3], {"stride": 1, "pad": 0}), "one bias per filter"),
        (lambda: step_by_step.conv_backward(np.zeros((1, 3, 3, 4)), (A, W, B, {"stride": 1, "pad": 0})), "dZ has"),
        (lambda: step_by_step.pool_forward(A, {"f": 2, "stride": 1}, mode="avg"), "'max' or 'average'"),
        (lambda: step_by_step.pool_forward(A, {"f": 4, "stride": 1}), "does not fit"),
        (lambda: step_by_step.pool_backward(np.zeros((1, 1, 1, 2)), (A, {"f": 2, "stride": 1})), "dA has"),
        (lambda: step_by_step.zero_pad(A, -1), "0 or more"),
        (lambda: step_by_step.conv_single_step(A[0], W[..., 0], B), "one shape"),
        (lambda: layer_by_layer.conv_forward(A, W, B, abs, padding="full"), "'same' or 'valid'"),
        (lambda: layer_by_layer.conv_forward(A, W, B, abs, stride=1), "pair"),
        (lambda: layer_by_layer.pool_forward(A, (2, 2), mode="average"), "'max' or 'avg'"),
    ],
)
def test_bad_input_is_one_clear_line(call, words):
    with pytest.raises(ValueError, match=words):
        call()
