"""How often the predictions are right. Each metric is the mean of a function that says which are: 1 or 0 each."""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.losses.base import match_ranks
from convolens.metrics.base import FUNCTIONS, NamedMean, registry

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]


def accuracy(y_true: Any, y_pred: Any) -> np.ndarray:
    """Return where ``y_pred`` equals ``y_true``."""
    y_true, y_pred = match_ranks(np.asarray(y_true), np.asarray(y_pred))
    _check(y_true, y_pred.shape, y_pred)
    return y_true.astype(y_pred.dtype, copy=False) == y_pred


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> np.ndarray:
    """Return where ``y_pred > threshold`` is what ``y_true``, 0 or 1, says."""
    y_true, y_pred = match_ranks(np.asarray(y_true), np.asarray(y_pred))
    _check(y_true, y_pred.shape, y_pred)
    return y_true == (y_pred > threshold)


def categorical_accuracy(y_true: Any, y_pred: Any) -> np.ndarray:
    """Return where the largest prediction is at the place of the largest, ``(n, classes)`` both; the first of a tie."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    _check(y_true, y_pred.shape, y_pred)
    return y_true.argmax(axis=-1) == y_pred.argmax(axis=-1)


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> np.ndarray:
    """Return where the largest prediction, ``(n, classes)``, is at the class number, ``(n,)`` or ``(n, 1)``."""
    y_pred = np.asarray(y_pred)
    return _class_numbers(y_true, y_pred) == y_pred.argmax(axis=-1)


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> np.ndarray:
    """Return where the class of the one-hot label is among the ``k`` largest predictions."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    _check(y_true, y_pred.shape, y_pred)
    return sparse_top_k_categorical_accuracy(y_true.argmax(axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> np.ndarray:
    """Return where the class number is among the ``k`` largest predictions.

    Fewer than ``k`` predictions are larger than the label's: of several that tie for place ``k``, each counts as in.

    Args:
        y_true: class numbers, ``(n,)``.
        y_pred: scores, ``(n, classes)``; class numbers in falling order of score if ``from_sorted_ids``.
        k: how many places count.
        from_sorted_ids: what ``y_pred`` holds.
    """
    y_pred = np.asarray(y_pred)
    labels = _class_numbers(y_true, y_pred)[..., None]
    if from_sorted_ids:
        return (labels == y_pred[..., :k]).any(axis=-1)
    known = (labels >= 0) & (labels < y_pred.shape[-1])
    own = np.take_along_axis(y_pred, np.where(known, labels, 0).astype(np.intp), axis=-1)
    larger = np.count_nonzero(y_pred > own, axis=-1)
    return known[..., 0] & np.isfinite(y_pred).all(axis=-1) & (larger < k)


@registry.register("accuracy", "acc")
class Accuracy(NamedMean):
    """How often predictions equal labels. (In ``compile``, "accuracy" chooses one of the others by the shapes.)"""

    def __init__(self, name: str | None = "accuracy", dtype: str | None = None) -> None:
        super().__init__(accuracy, name, dtype)


@registry.register("binary_accuracy")
class BinaryAccuracy(NamedMean):
    """How often predictions above the threshold meet labels 1.

    >>> BinaryAccuracy()([1, 0, 0, 1], [0.9, 0.4, 0.6, 0.7])
    0.75
    """

    def __init__(self, name: str | None = "binary_accuracy", dtype: str | None = None, threshold: float = 0.5) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


@registry.register("categorical_accuracy")
class CategoricalAccuracy(NamedMean):
    """How often the largest prediction is the one-hot label's."""

    def __init__(self, name: str | None = "categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


@registry.register("sparse_categorical_accuracy")
class SparseCategoricalAccuracy(NamedMean):
    """How often the largest prediction is the class number's."""

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


@registry.register("top_k_categorical_accuracy")
class TopKCategoricalAccuracy(NamedMean):
    """How often the one-hot label's class is among the ``k`` largest predictions."""

    def __init__(self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)


@registry.register("sparse_top_k_categorical_accuracy")
class SparseTopKCategoricalAccuracy(NamedMean):
    """How often the class number is among the ``k`` largest predictions."""

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: str | None = None,
        from_sorted_ids: bool = False,
    ) -> None:
        options = {"from_sorted_ids": True} if from_sorted_ids else {}
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, **options)


FUNCTIONS.update(
    accuracy=accuracy,
    binary_accuracy=binary_accuracy,
    categorical_accuracy=categorical_accuracy,
    sparse_categorical_accuracy=sparse_categorical_accuracy,
    top_k_categorical_accuracy=top_k_categorical_accuracy,
    sparse_top_k_categorical_accuracy=sparse_top_k_categorical_accuracy,
)


def _class_numbers(y_true: Any, y_pred: np.ndarray) -> np.ndarray:
    """Return the labels without a last axis of size 1 that ``y_pred``'s class axis stands for."""
    labels = np.asarray(y_true)
    if labels.ndim == y_pred.ndim and labels.shape[-1] == 1:
        labels = labels[..., 0]
    _check(labels, y_pred.shape[:-1], y_pred)
    return labels


def _check(y_true: np.ndarray, expected: tuple[int, ...], y_pred: np.ndarray) -> None:
    if y_true.shape != expected:
        raise ValueError(
            f"y_true has shape {y_true.shape} and y_pred {y_pred.shape}: y_true of shape {expected} is expected."
        )
