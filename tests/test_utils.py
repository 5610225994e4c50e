"""``cl.utils``: seeds, one-hot labels, names."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import convolens as cl


def weights() -> np.ndarray:
    layer = cl.layers.Dense(4)
    layer.ensure_built([(None, 3)])
    return layer.kernel.numpy()


def test_a_seed_repeats_everything() -> None:
    drawn = []
    for _ in range(2):
        cl.utils.set_random_seed(7)
        dropped = cl.layers.Dropout(0.5)(np.ones((3, 9)), training=True)
        drawn.append((weights(), dropped, np.random.random(), random.random()))
    for first, second in zip(*drawn, strict=True):
        np.testing.assert_array_equal(first, second)
    cl.utils.set_random_seed(8)
    assert not np.array_equal(weights(), drawn[0][0])


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "seven", True])
def test_bad_seeds(seed: Any) -> None:
    with pytest.raises(ValueError, match="a seed is"):
        cl.utils.set_random_seed(seed)


def test_clear_session_begins_the_names_anew() -> None:
    assert [cl.layers.Conv2D(1, 1).name for _ in range(2)] == ["conv2d", "conv2d_1"]
    cl.utils.clear_session()
    assert cl.layers.Conv2D(1, 1).name == "conv2d"


def test_to_categorical_as_keras() -> None:
    labels = cl.utils.to_categorical([[1], [0], [3]])
    assert labels.dtype == np.float64
    assert labels.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert cl.utils.to_categorical([[0, 1], [1, 1]], 2).shape == (2, 2, 2)
    assert cl.utils.to_categorical(np.array([1.0, 0.0])).tolist() == [[0, 1], [1, 0]]
    assert cl.utils.to_categorical([], 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0, 3], 3, "class numbers run from 0 to num_classes - 1 = 2; found 0 to 3"),
        ([-1, 0], 3, "found -1 to 0"),
        ([0.5], 3, "class numbers are integers"),
        (["cat"], 3, "class numbers are integers"),
    ],
)
def test_bad_labels(labels: list, classes: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cl.utils.to_categorical(labels, classes)


def test_normalize() -> None:
    assert cl.utils.normalize([[0.0, 0.0], [0.0, 2.0]]).tolist() == [[0.0, 0.0], [0.0, 1.0]]
    assert cl.utils.normalize(np.array([[3.0, 1.0], [1.0, 1.0]]), axis=0, order=1).tolist() == [
        [0.75, 0.5],
        [0.25, 0.5],
    ]
