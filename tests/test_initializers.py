"""Initializers: Keras's distributions and configurations, and what a seed repeats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from convolens import initializers, random

GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "functions.json").read_text())
ARRAYS = np.load(GOLDEN / "functions.npz")
NAMES = ["random_normal", "random_uniform", "truncated_normal", "variance_scaling", "orthogonal"]
NAMES += [f"{who}_{what}" for who in ("glorot", "he", "lecun") for what in ("uniform", "normal")]


@pytest.mark.parametrize("number", range(len(FACTS["initializers"])))
def test_moments_and_bounds_are_those_of_keras(number: int) -> None:
    case = FACTS["initializers"][number]
    mean, std, low, high = ARRAYS[f"initializers/{number}/moments"].tolist()
    numbers = initializers.deserialize(case)(case["shape"])
    n = numbers.size
    assert numbers.dtype == np.float32
    assert numbers.shape == tuple(case["shape"])
    assert numbers.mean() == pytest.approx(mean, abs=8 * std / np.sqrt(n))
    assert numbers.std() == pytest.approx(std, rel=8 / np.sqrt(2 * n))
    if "ntruncated" not in str(case["config"]) and case["class_name"] != "RandomNormal":
        # Uniform and truncated normal numbers come near their bounds and never pass them.
        assert numbers.min() == pytest.approx(low, abs=2e-2 * std)
        assert numbers.max() == pytest.approx(high, abs=2e-2 * std)


@pytest.mark.parametrize(
    ("shape", "fans"),
    [((), (1, 1)), ((7,), (7, 7)), ((5, 3), (5, 3)), ((3, 3, 16, 32), (144, 288)), ((4, 6, 8), (24, 32))],
)
def test_fans(shape: tuple, fans: tuple) -> None:
    assert initializers.compute_fans(shape) == fans


def test_he_normal_by_hand() -> None:
    numbers = initializers.HeNormal(seed=0)((3, 3, 50, 200), "float64")
    assert numbers.std() == pytest.approx(np.sqrt(2 / 450), rel=0.01)
    assert np.abs(numbers).max() <= 2 * np.sqrt(2 / 450) / 0.8796


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_the_same_array_in_either_type(name: str) -> None:
    kind = type(initializers.get(name))
    array = kind(seed=3)((6, 5))
    assert array.dtype == np.float32
    np.testing.assert_array_equal(kind(seed=3)((6, 5)), array)
    np.testing.assert_array_equal(kind(seed=3)((6, 5), "float64").astype("float32"), array)
    assert (kind(seed=4)((6, 5)) != array).any()


@pytest.mark.parametrize("name", NAMES)
def test_without_a_seed_the_librarys_seed_decides(name: str) -> None:
    random.set_seed(11)
    first, second = (initializers.get(name)((6, 5)) for _ in range(2))
    assert (first != second).any()
    random.set_seed(11)
    np.testing.assert_array_equal(initializers.get(name)((6, 5)), first)
    np.testing.assert_array_equal(initializers.get(name)((6, 5)), second)


def test_an_initializer_repeats_itself_and_its_clone_does_not() -> None:
    initializer = initializers.GlorotUniform()
    np.testing.assert_array_equal(initializer((4, 4)), initializer((4, 4)))
    assert initializer.get_config()["seed"] is None
    assert (initializer.clone()((4, 4)) != initializer((4, 4))).any()


@pytest.mark.parametrize("shape", [(6, 6), (8, 3), (3, 8), (2, 2, 3, 5)])
def test_orthogonal(shape: tuple) -> None:
    matrix = initializers.Orthogonal(gain=2.0, seed=1)(shape, "float64").reshape(-1, shape[-1])
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


def test_constants() -> None:
    assert initializers.Zeros()((2,)).tolist() == [0, 0]
    assert initializers.Ones()((2,), "float64").dtype == np.float64
    assert initializers.get("constant")((2,)).tolist() == [0, 0]
    constant = initializers.Constant(np.array([1.0, 2.0], np.float32))
    assert constant((3, 2)).tolist() == [[1, 2]] * 3
    config = json.loads(json.dumps(initializers.serialize(constant)))
    assert config["config"]["value"] == {"class_name": "__numpy__", "config": {"value": [1, 2], "dtype": "float32"}}
    assert initializers.deserialize(config)((2,)).tolist() == [1, 2]


def test_what_an_initializer_may_be_given_as() -> None:
    assert initializers.get(None) is None
    assert isinstance(initializers.get("he_normal"), initializers.HeNormal)
    assert isinstance(initializers.get(initializers.Zeros), initializers.Zeros)
    assert isinstance(initializers.get("GlorotUniform"), initializers.glorot_uniform)
    assert initializers.get(np.eye(2))((2, 2)).tolist() == [[1, 0], [0, 1]]

    def threes(shape, dtype=None):
        return np.full(shape, 3, dtype)

    assert initializers.get(threes) is threes


@pytest.mark.parametrize(
    "facts", [c for c in FACTS["configs"] if c["module"] == "initializers"], ids=lambda c: c["name"]
)
def test_configurations_are_those_of_keras(facts: dict) -> None:
    initializer = getattr(initializers, facts["name"])()
    assert initializers.serialize(initializer) == facts["serialized"]
    assert vars(initializers.deserialize(facts["serialized"])) == vars(initializer)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: initializers.get("he_norml"), "unknown initializer 'he_norml'. Did you mean 'he_normal'"),
        (lambda: initializers.get(3), "an initializer is a name such as 'he_normal'"),
        (lambda: initializers.HeNormal(seed=-1), "a seed is an integer of at least 0; got -1"),
        (lambda: initializers.HeNormal(seed=0.5), "a seed is an integer of at least 0; got 0.5"),
        (lambda: initializers.VarianceScaling(0), "scale is a positive number; got 0"),
        (lambda: initializers.VarianceScaling(mode="fan"), "mode is one of fan_in, fan_out, fan_avg; got 'fan'"),
        (lambda: initializers.VarianceScaling(distribution="gauss"), "distribution is one of"),
        (lambda: initializers.Orthogonal()((3,)), r"at least two axes; got shape \(3,\)"),
    ],
)
def test_bad_input_is_one_clear_line(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
