from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from convolens.course import helpers
from lookalikes import write_course_pair


def course_batches(X, Y, size, seed):
    """The course's procedure: one legacy permutation, whole batches, then the rest."""
    np.random.seed(seed)
    order = list(np.random.permutation(len(X)))
    X, Y = X[order], Y[order]
    batches = [(X[k * size : (k + 1) * size], Y[k * size : (k + 1) * size]) for k in range(math.floor(len(X) / size))]
    return batches + ([(X[len(batches) * size :], Y[len(batches) * size :])] if len(X) % size else [])


@pytest.mark.parametrize(("m", "size"), [(10, 4), (8, 4), (3, 64)])
def test_mini_batches_use_the_courses_permutation(m, size):
    X, Y = np.arange(m * 6.0).reshape(m, 2, 1, 3), np.eye(m)
    ours, theirs = helpers.random_mini_batches(X, Y, size, seed=3), course_batches(X, Y, size, 3)
    assert len(ours) == len(theirs)
    for (x, y), (x_course, y_course) in zip(ours, theirs, strict=True):
        assert np.array_equal(x, x_course)
        assert np.array_equal(y, y_course)


def test_flat_examples_lie_in_columns():
    X, Y = np.arange(12.0).reshape(2, 6), np.arange(6.0).reshape(1, 6)
    batches = helpers.random_mini_batches(X, Y, 4, seed=0)
    assert [x.shape for x, _ in batches] == [(2, 4), (2, 2)]
    assert all(np.array_equal(x[0], y[0]) for x, y in batches)


def test_mini_batches_leave_the_global_random_state_alone():
    np.random.seed(5)
    expected = np.random.rand()
    np.random.seed(5)
    helpers.random_mini_batches(np.zeros((4, 1, 1, 1)), np.zeros((4, 1)))
    assert np.random.rand() == expected


def test_row_labels_with_images_are_refused():
    with pytest.raises(ValueError, match="transpose"):
        helpers.random_mini_batches(np.zeros((4, 1, 1, 1)), np.zeros((1, 4)))


def test_one_hot_refuses_labels_outside_the_classes():
    assert helpers.convert_to_one_hot(np.array([[0, 2]]), 3).shape == (3, 2)
    with pytest.raises(ValueError, match="0 to 2"):
        helpers.convert_to_one_hot(np.array([[0, 3]]), 3)


def test_activations_at_their_ends():
    z = np.array([-800.0, -1.0, 0.0, 800.0])
    assert helpers.sigmoid(z)[[0, 2, 3]].tolist() == [0, 0.5, 1]
    assert helpers.softmax(z[None])[0].tolist() == [0, 0, 0, 1]
    assert helpers.relu_backward(np.ones(4), z).tolist() == [0, 0, 0, 1]
    assert helpers.flatten(np.zeros((2, 3, 4, 5))).shape == (2, 60)


@pytest.mark.parametrize(("name", "classes"), [("happy", 2), ("signs", 6)])
def test_the_data_come_in_the_courses_form(tmp_path, monkeypatch, name, classes):
    write_course_pair(tmp_path / name, name, classes)
    monkeypatch.setenv("CONVOLENS_DATA", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a look-alike has another checksum
        train_x, train_y, test_x, test_y, names = getattr(helpers, f"load_{name}_dataset")()
    assert train_x.dtype == test_x.dtype == np.uint8
    assert train_x.shape[1:] == (64, 64, 3)
    assert (train_y.shape, test_y.shape) == ((1, len(train_x)), (1, len(test_x)))
    assert names.tolist() == list(range(classes))
    monkeypatch.setenv("CONVOLENS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(OSError, match=r"train_happy.h5|train_signs"):
        getattr(helpers, f"load_{name}_dataset")()
