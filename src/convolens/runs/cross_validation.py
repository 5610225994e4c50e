"""How good a recipe is, asked of the training images alone: cross-validation, with the test images unread."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convolens.datasets import Dataset, stratified_folds
from convolens.datasets.dataset import Raw
from convolens.evaluation import wilson_interval

from .recipes import Recipe, recipe_for
from .training import complete, train_dataset, training_groups

__all__ = ["CrossValidation", "cross_validate", "fold_dataset"]


@dataclass(frozen=True)
class CrossValidation:
    """The result of a cross-validation.

    Attributes:
        options: what was trained: network, epochs, learning rate, ...
        augmentation: how training images were varied: names of layers, each with its arguments.
        folds: into how many parts the training images were split.
        fold_seed: what decided the folds.
        accuracies: on each part that was held out, in order.
        correct: images classified correctly, over these parts.
        count: images held out, over these parts.
        processor_seconds: how long it took, all threads together.
    """

    options: dict[str, Any]
    augmentation: list[list[Any]]
    folds: int
    fold_seed: int
    accuracies: list[float]
    correct: int
    count: int
    processor_seconds: float

    @property
    def accuracy(self) -> float:
        """The share of held-out images whose class was found."""
        return self.correct / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy (Wilson)."""
        return wilson_interval(self.correct, self.count)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {"accuracy": self.accuracy, "interval": list(self.interval), **dataclasses.asdict(self)}


def cross_validate(
    dataset: Dataset,
    recipe: Recipe | None = None,
    *,
    folds: int = 5,
    use: int | None = None,
    fold_seed: int = 0,
    **given: Any,
) -> CrossValidation:
    """Train a recipe on all folds but one and classify that one, for each fold in turn.

    The folds are parts of the training images, with the same share of each class; near duplicates lie in one fold.
    Training is that of ``train_task``: if it chooses the epoch, then on a part of *its* images. The fold is read once,
    at the end. The test images are not used.

    Args:
        dataset: whose training images are split.
        recipe: what to judge; the task's own if None.
        folds: how many folds.
        use: hold out only so many of them in turn; None for all.
        fold_seed: decides the folds, so that recipes are compared on the same ones.
        **given: options of ``train_task`` that change the recipe: ``epochs``, ``learning_rate``, ``seed``, ...

    Raises:
        ValueError: for a wrong option, or fewer than two folds.
    """
    if folds < 2 or not 1 <= (folds if use is None else use) <= folds:
        raise ValueError(f"folds is {folds} and use is {use}; expected two folds or more, and to use 1 to all of them.")
    fold_of = stratified_folds(dataset.y_train, folds, fold_seed, training_groups(dataset))
    recipe = recipe or recipe_for(dataset)
    options = complete(recipe, given)
    started = time.process_time()
    accuracies, counts = [], []
    for fold in range(folds if use is None else use):
        part = fold_dataset(dataset, fold_of == fold)
        with tempfile.TemporaryDirectory() as folder:
            run = train_dataset(part, recipe, options, Path(folder) / "run")
            accuracies.append(run.metrics["accuracy"])
        counts.append(len(part.y_test))
    correct = sum(round(accuracy * count) for accuracy, count in zip(accuracies, counts, strict=True))
    return CrossValidation(
        options=dataclasses.asdict(options),
        augmentation=recipe.variations if options.augment else [],
        folds=folds,
        fold_seed=fold_seed,
        accuracies=accuracies,
        correct=correct,
        count=sum(counts),
        processor_seconds=round(time.process_time() - started, 1),
    )


def fold_dataset(dataset: Dataset, held_out: np.ndarray) -> Dataset:
    """Return a data set whose test images are the training images held out, and whose own test images are gone."""
    x, raw, y = dataset.x_train, dataset.raw.x_train, dataset.y_train
    return dataclasses.replace(
        dataset,
        x_train=x[~held_out],
        y_train=y[~held_out],
        x_test=x[held_out],
        y_test=y[held_out],
        raw=Raw(raw[~held_out], raw[held_out]),
    )
