"""Activations: against Keras's values and gradients, numeric gradients, and the laws layers rely on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convolens import activations
from convolens.activations import Activation

GOLDEN = Path(__file__).parent / "golden"
CASES = json.loads((GOLDEN / "functions.json").read_text())["activations"]
ARRAYS = np.load(GOLDEN / "functions.npz")
NAMES = [
    *("relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus", "softsign", "sigmoid"),
    *("hard_sigmoid", "tanh", "softmax", "log_softmax", "exponential", "linear"),
]
OPTIONS = [
    activations.relu.with_options(0.1, 2.0, 0.5),
    activations.relu.with_options(negative_slope=0.3),
    activations.leaky_relu.with_options(0.01),
    activations.elu.with_options(0.5),
    activations.gelu.with_options(approximate=True),
    activations.softmax.with_options(axis=1),
    activations.softmax.with_options(axis=(1, 2)),
    activations.log_softmax.with_options(axis=0),
]
ALL = [*map(activations.get, NAMES), *OPTIONS]


class Square(Activation, name="square"):
    def forward(self, z):
        return z * z, z

    def backward(self, dy, cache):
        return 2 * cache * dy


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{c['name']}-{c['options']}" for c in CASES])
def test_values_and_gradients_are_those_of_keras(number: int) -> None:
    case = CASES[number]
    x, y, dy, dx = (ARRAYS[f"activations/{number}/{name}"] for name in ("x", "y", "dy", "dx"))
    activation = activations.get(case["name"]).with_options(**case["options"])
    found, cache = activation.forward(x)
    np.testing.assert_allclose(found, y, rtol=2e-6, atol=5e-7)
    np.testing.assert_allclose(activation.backward(dy, cache), dx, rtol=2e-6, atol=2e-6)
    np.testing.assert_array_equal(getattr(activations, case["name"])(x, **case["options"]), found)


@pytest.mark.parametrize("activation", ALL, ids=repr)
def test_backward_is_the_gradient_of_forward(activation: Activation) -> None:
    rng = np.random.default_rng(3)
    z, dy = rng.normal(scale=2, size=(2, 4, 3, 5)), rng.normal(size=(2, 4, 3, 5))
    kinks = np.array([-3, 0, 0.5, 2, 3, 6])
    z += 0.01 * (np.abs(z[..., None] - kinks).min(axis=-1) < 1e-3)
    dz = activation.backward(dy, activation.forward(z)[1])
    step = 1e-5
    for _ in range(5):
        direction = rng.normal(size=z.shape)
        ahead, behind = (activation.forward(z + sign * step * direction)[0] for sign in (1, -1))
        numeric = ((ahead - behind) * dy).sum() / (2 * step)
        assert (dz * direction).sum() == pytest.approx(numeric, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("activation", ALL, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_type_and_shape_stay_and_no_argument_is_written(activation: Activation, dtype: str) -> None:
    rng = np.random.default_rng(4)
    z, dy = (rng.normal(size=(3, 4, 2)).astype(dtype) for _ in range(2))
    z.flags.writeable = dy.flags.writeable = False
    y, cache = activation.forward(z)
    before = y.copy()
    dz = activation.backward(dy, cache)
    assert y.dtype == dz.dtype == dtype
    assert y.shape == dz.shape == z.shape
    np.testing.assert_array_equal(y, before)
    np.testing.assert_array_equal(activation.backward(dy, cache), dz)


@pytest.mark.parametrize("activation", ALL, ids=repr)
def test_elementwise_says_what_an_output_depends_on(activation: Activation) -> None:
    z = np.random.default_rng(5).normal(size=(2, 4, 3))
    changed = z.copy()
    changed[0, 0, 0] += 1
    others = activation(z) != activation(changed)
    others[0, 0, 0] = False
    assert others.any() != activation.elementwise


@pytest.mark.parametrize("name", NAMES)
def test_nothing_overflows(name: str) -> None:
    activation = activations.get(name)
    z = np.array([-1e4, -100, 0, 100, 1e4], np.float32)
    y, cache = activation.forward(z)
    dz = activation.backward(np.ones_like(z), cache)
    if name == "exponential":
        assert y.tolist() == dz.tolist() == [0, pytest.approx(np.exp(-100, dtype=np.float32)), 1, np.inf, np.inf]
    else:
        assert np.isfinite(y).all()
        assert np.isfinite(dz).all()


def test_tails_keep_their_digits() -> None:
    z = np.array([-30.0, -80.0], np.float32)
    np.testing.assert_allclose(activations.sigmoid(z), np.exp(z.astype(float)), rtol=1e-6)
    np.testing.assert_allclose(activations.softplus(z), np.exp(z.astype(float)), rtol=1e-6)
    assert activations.log_softmax(np.array([0.0, 200.0], np.float32)).tolist() == [-200, 0]


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=8), st.floats(-100, 100))
def test_softmax_is_a_distribution_that_a_shift_does_not_change(logits: list[float], shift: float) -> None:
    z = np.array(logits)
    p = activations.softmax(z)
    assert (p >= 0).all()
    assert p.sum() == pytest.approx(1)
    np.testing.assert_allclose(activations.softmax(z + shift), p, atol=1e-9)
    np.testing.assert_allclose(np.exp(activations.log_softmax(z)), p, atol=1e-12)


def test_a_call_takes_anything_like_an_array_and_kerass_arguments() -> None:
    assert activations.relu([-2, 3]).tolist() == [0, 3]
    assert activations.relu([-2, 3]).dtype == np.float32
    assert activations.relu(np.array([-2.0, 3.0])).dtype == np.float64
    assert activations.relu([-2.0, 0.5, 3.0], 0.5, 2.0).tolist() == [-1, 0.5, 2]
    assert activations.softmax([[1.0, 5.0], [1.0, 5.0]], axis=0).tolist() == [[0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stands_for_one_object_and_is_its_configuration(name: str) -> None:
    activation = activations.get(name)
    assert activation is getattr(activations, name)
    assert activation is activations.get(activation) is activations.deserialize(name)
    assert activation.name == activation.__name__ == activations.serialize(activation) == name
    function = {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    assert activations.deserialize(function) is activation


def test_none_is_linear_and_swish_is_silu() -> None:
    assert activations.get(None) is activations.linear
    assert activations.get("swish") is activations.swish is activations.silu


@pytest.mark.parametrize("activation", OPTIONS, ids=repr)
def test_options_go_through_a_configuration(activation: Activation) -> None:
    config = json.loads(json.dumps(activations.serialize(activation)))
    again = activations.get(config)
    z = np.random.default_rng(6).normal(size=(2, 3, 4))
    np.testing.assert_array_equal(again(z), activation(z))
    assert again == activation
    assert again != activations.get(activation.name)


def test_options_that_are_the_defaults_make_an_equal_activation() -> None:
    assert activations.relu.with_options(negative_slope=0) == activations.relu
    assert activations.serialize(activations.elu.with_options(1)) == "elu"
    assert len({activations.elu.with_options(1.0), activations.elu, activations.selu}) == 2


def test_a_users_own_activation() -> None:
    square = Square()
    assert activations.get(square) is square
    assert activations.get(Square) == square
    assert square([3.0]).tolist() == [9]
    config = activations.serialize(square)
    assert config["class_name"] == config["registered_name"] == "Square"
    assert activations.deserialize(config, {"Square": Square}) == square
    with pytest.raises(ValueError, match="unknown activation 'Square'"):
        activations.deserialize(config)


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        (lambda z: z, "plain function, which has no gradient.*subclass activations.Activation"),
        (np.tanh, "'tanh' is a plain function"),
        ("rellu", "unknown activation 'rellu'. Did you mean 'relu'"),
        (3, "name such as 'relu' or an Activation object; got 3"),
        ({"class_name": "Evil", "config": {}}, "unknown activation 'Evil'"),
        ({"name": "relu"}, "'class_name' and 'config'"),
    ],
)
def test_what_is_no_activation_is_refused(identifier: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        activations.get(identifier)
