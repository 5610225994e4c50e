"""A learner's functions as layers: equal to the library's own layers, in a network that trains."""

from __future__ import annotations

import numpy as np
import pytest

import convolens as cl
from convolens.course import Conv, Pool, layer_by_layer, step_by_step

DIALECTS = {"step_by_step": step_by_step, "layer_by_layer": layer_by_layer}


def network(functions, padding="valid"):
    return cl.Sequential([
        cl.Input((6, 6, 2)),
        Conv(functions.conv_forward, functions.conv_backward, 3, 3, padding=padding, activation="relu"),
        Pool(functions.pool_forward, functions.pool_backward, 2),
        cl.layers.Flatten(),
        cl.layers.Dense(2, activation="softmax"),
    ])  # fmt: skip


def built_in(padding="valid"):
    return cl.Sequential([
        cl.Input((6, 6, 2)),
        cl.layers.Conv2D(3, 3, padding=padding, activation="relu"),
        cl.layers.MaxPooling2D(2),
        cl.layers.Flatten(),
        cl.layers.Dense(2, activation="softmax"),
    ])  # fmt: skip


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 6, 6, 2)).astype("float32")
    return x, (x[:, :3].mean((1, 2, 3)) > x[:, 3:].mean((1, 2, 3))).astype("int64")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_network_of_own_functions_trains_as_the_built_in_one(data, dialect, padding):
    x, y = data
    own, ours = network(DIALECTS[dialect], padding), built_in(padding)
    ours.set_weights(own.get_weights())
    np.testing.assert_allclose(own.predict(x, verbose=0), ours.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    histories = []
    for model in (own, ours):
        model.compile("sgd", "sparse_categorical_crossentropy")
        histories.append(model.fit(x, y, epochs=2, batch_size=8, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(*histories, rtol=1e-4)
    for mine, other in zip(own.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("mode", ["max", "average"])
def test_their_gradients_hold(dialect, mode):
    functions = DIALECTS[dialect]
    x = np.random.default_rng(1).permutation(100).reshape(1, 5, 5, 4) / 10
    conv = Conv(functions.conv_forward, functions.conv_backward, 2, 2, strides=2, activation="tanh")
    assert cl.check_gradients(conv, x / 10).ok
    assert cl.check_gradients(Pool(functions.pool_forward, functions.pool_backward, 2, 1, mode), x).ok


def test_a_wrong_backward_is_found():
    def backward(dZ, cache):
        dA, dW, db = step_by_step.conv_backward(dZ, cache)
        return dA, dW / len(dZ), db

    conv = Conv(step_by_step.conv_forward, backward, 2, 2)
    report = cl.check_gradients(conv, np.random.default_rng(1).normal(size=(3, 4, 4, 1)))
    assert not report.ok
    assert {failure.parameter for failure in report.failures} == {"kernel"}


def test_a_layer_comes_back_from_its_configuration(data):
    conv = Conv(step_by_step.conv_forward, step_by_step.conv_backward, 3, 3, padding=1, activation="relu")
    expected = conv(data[0])
    twin = Conv.from_config(conv.get_config())
    twin.ensure_built([data[0].shape])
    twin.set_weights(conv.get_weights())
    assert expected.shape == (24, 6, 6, 3)
    assert np.array_equal(twin(data[0]), expected)


def test_functions_of_double_precision_keep_the_models_type(data):
    def forward(A_prev, W, b, hparameters):
        Z, cache = step_by_step.conv_forward(A_prev.astype(float), W.astype(float), b, hparameters)
        return Z, cache

    assert Conv(forward, step_by_step.conv_backward, 3, 3)(data[0]).dtype == np.float32


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Conv(lambda x, w: x, step_by_step.conv_backward, 2, 2), "4 and 2 arguments"),
        (lambda: Conv(step_by_step.conv_forward, layer_by_layer.conv_backward, 2, 2), "arguments"),
        (lambda: Conv(step_by_step.conv_forward, step_by_step.conv_backward, 2, (2, 3)), "one number"),
        (lambda: Conv(step_by_step.conv_forward, step_by_step.conv_backward, 2, 2, padding="same"), "odd kernel"),
        (lambda: Conv(layer_by_layer.conv_forward, layer_by_layer.conv_backward, 2, 2, padding=1), "'valid' or 'same'"),
        (lambda: Pool(step_by_step.pool_forward, step_by_step.pool_backward, 2, mode="min"), "'max' or 'average'"),
    ],
)
def test_what_does_not_fit_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_result_of_the_wrong_form_is_explained(data):
    one = Conv(lambda A, W, b, h: step_by_step.conv_forward(A, W, b, h)[0], step_by_step.conv_backward, 2, 2)
    with pytest.raises(ValueError, match=r"conv_forward returns \(Z, cache\)"):
        one(data[0])
    flipped = Conv(lambda A, W, b, h: (A, (A, W, b, h)), step_by_step.conv_backward, 2, 2)
    with pytest.raises(ValueError, match="should have shape"):
        flipped(data[0])


def test_a_file_cannot_hold_functions_and_says_so(tmp_path):
    model = network(step_by_step)
    for write in (lambda: model.save(tmp_path / "own.keras"), model.to_json):
        with pytest.raises(ValueError, match=r"layer 'conv' \(Conv\) holds Python objects.*save_weights"):
            write()
    assert not (tmp_path / "own.keras").exists()
    model.save_weights(tmp_path / "own.weights.h5")
    twin = network(step_by_step)
    twin.load_weights(tmp_path / "own.weights.h5")
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), twin.get_weights(), strict=True))
