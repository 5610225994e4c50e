"""Cross-validation: every training image is held out once, duplicates together, and the test images are not read."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from convolens.datasets import Dataset, duplicate_groups, stratified_folds
from convolens.datasets.dataset import assemble
from convolens.runs import Recipe, cross_validate, recipe_for
from convolens.runs.cross_validation import fold_dataset
from lookalikes import digits_like

RECIPE = Recipe("digits_cnn", 6, 8, 3e-3, validation=0.0)


def rows(count: int = 90) -> Dataset:
    """Three classes, told apart by the bright row."""
    x, y = digits_like(4 * count, side=16)
    few = y < 3
    x, y = x[few][:count], y[few][:count]
    return assemble("rows", (x[:-9], y[:-9]), (x[-9:], y[-9:]), ["0", "1", "2"])


def test_a_learnable_set_is_learnt_on_every_fold() -> None:
    data = rows()
    found = cross_validate(data, RECIPE, folds=3)
    assert (len(found.accuracies), found.count) == (3, len(data.x_train))
    assert found.accuracy > 0.9
    assert found.interval[0] < found.accuracy <= found.interval[1]
    assert found.options["network"] == "digits_cnn"
    one = cross_validate(data, RECIPE, folds=3, use=1)
    assert one.accuracies == found.accuracies[:1]
    assert one.count == one.to_dict()["count"] == 27


def test_labels_without_meaning_are_not_learnt() -> None:
    """A leak from the held-out fold into training would show: the images are copies, only their labels are random."""
    data = rows()
    random = dataclasses.replace(data, y_train=np.random.default_rng(0).permutation(data.y_train))
    assert cross_validate(random, RECIPE, folds=3).accuracy < 0.6


def test_the_test_images_are_not_read() -> None:
    data = rows()
    part = fold_dataset(data, np.arange(81) < 27)
    assert (len(part.x_train), len(part.x_test), len(part.raw.x_train), len(part.raw.x_test)) == (54, 27, 54, 27)
    np.testing.assert_array_equal(np.concatenate([part.x_test, part.x_train]), data.x_train)
    np.testing.assert_array_equal(np.concatenate([part.y_test, part.y_train]), data.y_train)
    spoilt = dataclasses.replace(data, x_test=data.x_test * np.nan, y_test=data.y_test[::-1])
    assert cross_validate(spoilt, RECIPE, use=1).accuracies == cross_validate(data, RECIPE, use=1).accuracies


def test_duplicates_lie_in_one_fold() -> None:
    data = rows()
    doubled = np.concatenate([data.raw.x_train] * 2)
    folds = stratified_folds(np.concatenate([data.y_train] * 2), 3, groups=duplicate_groups(doubled))
    np.testing.assert_array_equal(folds[:81], folds[81:])


def test_options_change_the_recipe() -> None:
    found = cross_validate(rows(), RECIPE, use=1, epochs=1, learning_rate=0.5, seed=3)
    assert (found.options["epochs"], found.options["learning_rate"], found.options["seed"]) == (1, 0.5, 3)


@pytest.mark.parametrize(("folds", "use"), [(1, None), (3, 4), (3, 0)])
def test_too_few_folds(folds: int, use: int | None) -> None:
    with pytest.raises(ValueError, match="expected two folds or more"):
        cross_validate(rows(), RECIPE, folds=folds, use=use)


def test_a_network_takes_its_own_recipe_or_the_task_s() -> None:
    signs = dataclasses.replace(rows(), name="signs")
    assert recipe_for(signs).network == "convolutional_model"
    assert recipe_for(signs, "signs_cnn").augment
    assert recipe_for(signs, "lenet5") == dataclasses.replace(recipe_for(signs), network="lenet5")
    assert recipe_for(rows(), "smile_cnn").network == "smile_cnn"
