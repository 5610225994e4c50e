"""Losses: against Keras's values and gradients, numeric gradients, numbers worked by hand, and bad input."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convolens import activations, losses

GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "functions.json").read_text())
ARRAYS = np.load(GOLDEN / "functions.npz")
LABELS = np.array([1, 0, 3])
ONE_HOT = np.eye(4)[LABELS]


class Cubed(losses.Loss):
    def call(self, y_true, y_pred):
        error = y_pred - y_true
        return (abs(error) ** 3).mean(-1), error

    def call_backward(self, d_losses, cache):
        return d_losses[..., None] * 3 * cache * abs(cache) / cache.shape[-1]


def golden(section: str, number: int) -> dict[str, np.ndarray]:
    return {name: ARRAYS[f"{section}/{number}/{name}"] for name in FACTS[section][number]["arrays"]}


@pytest.mark.parametrize("number", range(len(FACTS["losses"])))
def test_values_and_gradients_are_those_of_keras(number: int) -> None:
    values = golden("losses", number)
    loss = losses.deserialize(FACTS["losses"][number])
    value, cache = loss.forward(values["y_true"], values["y_pred"], values.get("sample_weight"))
    np.testing.assert_allclose(value, values["value"], rtol=2e-6, atol=1e-6)
    d_pred = loss.backward(cache)
    assert d_pred.dtype == np.float32
    assert d_pred.shape == values["y_pred"].shape
    np.testing.assert_allclose(d_pred, values["d_pred"], rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("number", range(len(FACTS["fused"])))
def test_a_loss_after_its_activation_is_that_of_keras(number: int) -> None:
    values = golden("fused", number)
    loss = losses.fused(
        losses.deserialize(FACTS["fused"][number]), activations.get(FACTS["fused"][number]["activation"])
    )
    value, cache = loss.forward(values["y_true"], values["z"], values["sample_weight"])
    assert value == pytest.approx(values["value"], rel=2e-6)
    np.testing.assert_allclose(loss.backward(cache), values["d_z"], rtol=2e-6, atol=1e-7)


def cases():
    for logits in (True, False):
        yield losses.CategoricalCrossentropy(logits, 0.1), ONE_HOT, logits
        yield losses.SparseCategoricalCrossentropy(logits), LABELS, logits
        yield losses.SparseCategoricalCrossentropy(logits, ignore_class=3), LABELS, logits
        yield losses.BinaryCrossentropy(logits, 0.2), ONE_HOT, logits
    for loss in (losses.MeanSquaredError(), losses.MeanAbsoluteError(), losses.Huber(0.7), Cubed()):
        yield loss, ONE_HOT, True


@pytest.mark.parametrize(("loss", "y_true", "logits"), list(cases()), ids=lambda v: getattr(v, "name", ""))
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight", None])
@pytest.mark.parametrize("weights", [None, np.array([0.5, 2, 1.5])])
def test_backward_is_the_gradient_of_forward(loss, y_true, logits, reduction, weights) -> None:
    rng = np.random.default_rng(8)
    y_pred = rng.normal(size=(3, 4)) if logits else rng.uniform(0.1, 0.9, size=(3, 4))
    loss = type(loss).from_config({**loss.get_config(), "reduction": reduction})
    y_pred.flags.writeable = False
    _, cache = loss.forward(y_true, y_pred, weights)
    d_pred = loss.backward(cache)
    numeric = np.zeros_like(y_pred)
    for place in np.ndindex(y_pred.shape):
        step = np.zeros_like(y_pred)
        step[place] = 1e-6
        ahead, behind = (np.sum(loss(y_true, y_pred + sign * step, weights)) for sign in (1, -1))
        numeric[place] = (ahead - behind) / 2e-6
    np.testing.assert_allclose(d_pred, numeric, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(loss.backward(cache), d_pred)


@given(st.lists(st.floats(-6, 6), min_size=3, max_size=3), st.integers(0, 2), st.floats(0, 1))
def test_fused_is_the_pair_where_nothing_is_cut_off(row: list[float], label: int, smoothing: float) -> None:
    z = np.array([row, row[::-1]])
    one_hot = np.eye(3)[[label, 1]]
    for loss, activation, y_true in [
        (losses.CategoricalCrossentropy(label_smoothing=smoothing), activations.softmax, one_hot),
        (losses.SparseCategoricalCrossentropy(), activations.softmax, [label, 1]),
        (losses.BinaryCrossentropy(label_smoothing=smoothing), activations.sigmoid, one_hot),
    ]:
        p, activation_cache = activation.forward(z)
        value, cache = loss.forward(y_true, p)
        direct = losses.fused(loss, activation)
        direct_value, direct_cache = direct.forward(y_true, z)
        assert direct_value == pytest.approx(value, rel=1e-9)
        d_z = activation.backward(loss.backward(cache), activation_cache)
        np.testing.assert_allclose(direct.backward(direct_cache), d_z, rtol=1e-6, atol=1e-9)


def test_fused_gradient_is_p_minus_y_by_n() -> None:
    z = np.random.default_rng(1).normal(size=(3, 4))
    loss = losses.fused(losses.SparseCategoricalCrossentropy(), activations.softmax)
    d_z = loss.backward(loss.forward(LABELS, z)[1])
    np.testing.assert_allclose(d_z, (activations.softmax(z) - ONE_HOT) / 3, rtol=1e-12, atol=1e-15)


def test_saturated_values_differ_between_the_pair_and_the_fused_loss() -> None:
    z = np.array([[40.0, -40.0]], np.float32)
    p = activations.softmax(z)
    loss = losses.SparseCategoricalCrossentropy()
    value, cache = loss.forward([1], p)
    assert value == pytest.approx(-math.log(1e-7), rel=1e-6)
    assert loss.backward(cache).tolist() == [[0, 0]]
    fused = losses.fused(loss, activations.softmax)
    value, cache = fused.forward([1], z)
    assert value == 80
    assert fused.backward(cache).tolist() == [[1, -1]]


def test_what_is_not_fused() -> None:
    class Mine(losses.CategoricalCrossentropy):
        pass

    softmax, sigmoid = activations.softmax, activations.sigmoid
    for loss, activation in [
        (losses.CategoricalCrossentropy(), sigmoid),
        (losses.SparseCategoricalCrossentropy(), activations.linear),
        (losses.BinaryCrossentropy(), softmax),
        (losses.CategoricalCrossentropy(from_logits=True), softmax),
        (losses.CategoricalCrossentropy(), softmax.with_options(axis=1)),
        (losses.MeanSquaredError(), sigmoid),
        (Mine(), softmax),
    ]:
        assert losses.fused(loss, activation) is None


def test_fused_keeps_the_other_arguments() -> None:
    loss = losses.CategoricalCrossentropy(label_smoothing=0.2, reduction="sum", name="mine", dtype="float64")
    fused = losses.fused(loss, activations.softmax)
    assert fused.get_config() == {**loss.get_config(), "from_logits": True}
    assert fused.dtype == "float64"


def test_reductions_by_hand() -> None:
    y_true, y_pred, weights = np.zeros((3, 2)), np.array([[1.0, 3], [2, 2], [0, 4]]), np.array([1, 0, 3.0])
    # The rows' mean squares are 5, 4 and 8; weighted 5, 0 and 24.
    expected = {
        "sum_over_batch_size": (17 / 3, 29 / 3),
        "mean": (17 / 3, 29 / 3),
        "sum": (17, 29),
        "mean_with_sample_weight": (17 / 3, 29 / 4),
    }
    for reduction, (plain, weighted) in expected.items():
        loss = losses.MeanSquaredError(reduction)
        assert loss(y_true, y_pred) == pytest.approx(plain)
        assert loss(y_true, y_pred, weights) == pytest.approx(weighted)
        assert isinstance(loss(y_true, y_pred), float)
    for reduction in ("none", None):
        assert losses.MeanSquaredError(reduction)(y_true, y_pred, weights).tolist() == [5, 0, 24]
    zeros = losses.MeanSquaredError("mean_with_sample_weight")
    value, cache = zeros.forward(y_true, y_pred, np.zeros(3))
    assert value == 0
    assert not zeros.backward(cache).any()


def test_a_samples_weight_counts_for_all_its_places() -> None:
    y_true, y_pred = np.zeros((2, 2, 2), int), np.random.default_rng(2).normal(size=(2, 2, 2, 3))
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
    once, thrice = loss(y_true, y_pred), loss(y_true, y_pred, [1, 3])
    np.testing.assert_allclose(thrice, once * np.array([1, 3])[:, None, None])


def test_float64_predictions_stay_float64_and_dtype_decides() -> None:
    loss = losses.CategoricalCrossentropy(from_logits=True)
    assert loss.backward(loss.forward(ONE_HOT, np.zeros((3, 4)))[1]).dtype == np.float64
    assert loss.backward(loss.forward(ONE_HOT, np.zeros((3, 4), np.float32))[1]).dtype == np.float32
    loss = losses.CategoricalCrossentropy(from_logits=True, dtype="float64")
    assert loss.backward(loss.forward(ONE_HOT, np.zeros((3, 4), np.float32))[1]).dtype == np.float64


def test_functions_give_the_losses_of_the_samples() -> None:
    p = np.array([[0.1, 0.7, 0.1, 0.1], [0.4, 0.2, 0.2, 0.2], [0.25, 0.25, 0.25, 0.25]])
    expected = -np.log([0.7, 0.4, 0.25])
    np.testing.assert_allclose(losses.categorical_crossentropy(ONE_HOT, p), expected)
    np.testing.assert_allclose(losses.sparse_categorical_crossentropy(LABELS, p), expected)
    assert losses.binary_crossentropy([[1.0, 0.0]], [[0.5, 0.5]]) == pytest.approx(math.log(2))
    assert losses.mean_squared_error([[1.0, 2.0]], [[2.0, 4.0]]) == pytest.approx(2.5)
    assert losses.mean_absolute_error([[1.0, 2.0]], [[2.0, 4.0]]) == pytest.approx(1.5)
    assert losses.huber([[0.0, 0.0]], [[0.5, 3.0]]) == pytest.approx((0.125 + 2.5) / 2)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mse", losses.MeanSquaredError),
        ("MAE", losses.MeanAbsoluteError),
        ("huber", losses.Huber),
        ("bce", losses.BinaryCrossentropy),
        ("categorical_crossentropy", losses.CategoricalCrossentropy),
        ("SparseCategoricalCrossentropy", losses.SparseCategoricalCrossentropy),
        (losses.mean_squared_error, losses.MeanSquaredError),
        (losses.Huber, losses.Huber),
        ({"class_name": "function", "config": "mean_absolute_error"}, losses.MeanAbsoluteError),
    ],
)
def test_what_a_loss_may_be_given_as(name: object, kind: type) -> None:
    assert type(losses.get(name)) is kind


def test_crossentropy_is_chosen_by_the_shapes() -> None:
    assert losses.get(None) is None
    assert isinstance(losses.resolve("crossentropy", (None,), (None, 1)), losses.BinaryCrossentropy)
    assert isinstance(losses.resolve("ce", (8,), (8, 10)), losses.SparseCategoricalCrossentropy)
    assert isinstance(losses.resolve("ce", (8, 1), (8, 10)), losses.SparseCategoricalCrossentropy)
    assert isinstance(losses.resolve("ce", (8, 10), (8, 10)), losses.CategoricalCrossentropy)
    assert isinstance(losses.resolve("mse", (8,), (8, 1)), losses.MeanSquaredError)


def test_configurations_build_the_same_loss() -> None:
    for loss in (
        losses.CategoricalCrossentropy(True, 0.1, 1, "sum", "mine"),
        losses.SparseCategoricalCrossentropy(ignore_class=-1, axis=1),
        losses.BinaryCrossentropy(label_smoothing=0.5),
        losses.Huber(2.5),
    ):
        again = losses.deserialize(json.loads(json.dumps(losses.serialize(loss))))
        assert type(again) is type(loss)
        assert vars(again) == vars(loss)
    assert losses.deserialize(losses.serialize(Cubed()), {"Cubed": Cubed}).name.startswith("cubed")


@pytest.mark.parametrize("facts", [c for c in FACTS["configs"] if c["module"] == "losses"], ids=lambda c: c["name"])
def test_configurations_are_those_of_keras(facts: dict) -> None:
    assert losses.serialize(getattr(losses, facts["name"])()) == facts["serialized"]


Z = np.zeros((3, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: losses.SparseCategoricalCrossentropy()([0, 4, 1], Z),
            "label 4 found, but y_pred has 4 classes.*0 to 3",
        ),
        (lambda: losses.SparseCategoricalCrossentropy()([0, -1, 1], Z), "label -1 found"),
        (lambda: losses.SparseCategoricalCrossentropy()([0, 1.5, 1], Z), "class numbers are whole; got 1.5"),
        (lambda: losses.SparseCategoricalCrossentropy()([0, np.nan, 1], Z), "label nan found"),
        (lambda: losses.SparseCategoricalCrossentropy()([0, 1], Z), r"got y_true of shape \(2,\)"),
        (lambda: losses.SparseCategoricalCrossentropy()(ONE_HOT, Z), "One-hot labels go with categorical_crossentropy"),
        (lambda: losses.CategoricalCrossentropy()(LABELS, Z), r"shape \(3,\) and y_pred \(3, 4\).*sparse"),
        (lambda: losses.BinaryCrossentropy()([0, 1, 2], Z[:, :1]), "binary labels are numbers from 0 to 1; got 2"),
        (lambda: losses.BinaryCrossentropy()([0, 1], Z[:, :1]), "must be the same"),
        (lambda: losses.MeanSquaredError()(Z[:, :2], Z), "must be the same"),
        (lambda: losses.MeanSquaredError()(Z, Z, [1, 2]), r"sample_weight has shape \(2,\).*shape \(3,\)"),
        (lambda: losses.MeanSquaredError("average"), "reduction is one of"),
        (lambda: losses.CategoricalCrossentropy(label_smoothing=2), "label_smoothing is a number from 0 to 1; got 2"),
        (lambda: losses.CategoricalCrossentropy(axis=True), "axis is an integer"),
        (lambda: losses.Huber(0), "delta is a positive number; got 0"),
        (
            lambda: losses.get("mean_square_error"),
            "unknown loss 'mean_square_error'. Did you mean 'mean_squared_error'",
        ),
        (lambda: losses.get(lambda t, p: 0), "a plain function has no gradient"),
        (lambda: losses.get(3), "a loss is a name such as 'mse'"),
    ],
)
def test_bad_input_is_one_clear_line(call, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_one_class_is_warned_of() -> None:
    with pytest.warns(SyntaxWarning, match="binary_crossentropy"):
        losses.CategoricalCrossentropy()(np.ones((2, 1)), np.ones((2, 1)))
