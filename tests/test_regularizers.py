"""Regularizers: Keras's values, gradients and configurations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from convolens import regularizers

GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "functions.json").read_text())
ARRAYS = np.load(GOLDEN / "functions.npz")


@pytest.mark.parametrize("number", range(len(FACTS["regularizers"])))
def test_values_and_gradients_are_those_of_keras(number: int) -> None:
    w, value, gradient = (ARRAYS[f"regularizers/{number}/{name}"] for name in ("w", "value", "gradient"))
    regularizer = regularizers.deserialize(FACTS["regularizers"][number])
    w.flags.writeable = False
    assert regularizer(w) == pytest.approx(value, rel=1e-6)
    assert regularizer.gradient(w).dtype == np.float32
    np.testing.assert_allclose(regularizer.gradient(w), gradient, rtol=1e-6)


def test_by_hand() -> None:
    w = np.array([[1.0, -2.0], [0.0, 3.0]])
    assert regularizers.l1(0.5)(w) == 3.0
    assert regularizers.l1(0.5).gradient(w).tolist() == [[0.5, -0.5], [0, 0.5]]
    assert regularizers.l2(0.5)(w) == 7.0
    assert regularizers.l2(0.5).gradient(w).tolist() == [[1, -2], [0, 3]]
    assert regularizers.l1_l2(0.5, 0.5)(w) == 10.0
    assert regularizers.l1_l2(0.5, 0.5).gradient(w).tolist() == [[1.5, -2.5], [0, 3.5]]


def test_what_a_regularizer_may_be_given_as() -> None:
    assert regularizers.get(None) is None
    assert regularizers.get("l2").get_config() == {"l2": 0.01}
    assert regularizers.get(regularizers.L1).get_config() == {"l1": 0.01}
    assert regularizers.get("l1_l2").get_config() == regularizers.get("L1L2").get_config() == {"l1": 0, "l2": 0}
    own = regularizers.L2(0.3)
    assert regularizers.get(own) is own
    assert regularizers.get(regularizers.serialize(own)).get_config() == {"l2": 0.3}


@pytest.mark.parametrize(
    "facts", [c for c in FACTS["configs"] if c["module"] == "regularizers"], ids=lambda c: c["name"]
)
def test_configurations_are_those_of_keras(facts: dict) -> None:
    found = regularizers.serialize(getattr(regularizers, facts["name"])())
    # Keras keeps L1's weight in float32.
    assert found.pop("config") == pytest.approx(facts["serialized"].pop("config"), rel=1e-7)
    assert found == facts["serialized"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: regularizers.L2(-0.1), "l2 is a finite number of at least 0; got -0.1"),
        (lambda: regularizers.L1L2(l1=float("nan")), "l1 is a finite number"),
        (lambda: regularizers.L1("much"), "l1 is a finite number of at least 0; got 'much'"),
        (lambda: regularizers.get("l3"), "unknown regularizer 'l3'"),
        (lambda: regularizers.get(0.01), "a regularizer is a name such as 'l2'"),
    ],
)
def test_bad_input_is_one_clear_line(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
