"""Metrics of true and false positives and negatives: precision, recall, F-scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from convolens.losses.base import fit_weights, match_ranks, same_shape
from convolens.metrics.base import Metric, registry

__all__ = ["Counts", "F1Score", "FBetaScore", "Precision", "Recall", "confusion_counts", "ratio"]

EPSILON = 1e-7


class Counts(NamedTuple):
    """Weighted counts, one per threshold (and per label): true and false positives, true and false negatives."""

    tp: np.ndarray
    fp: np.ndarray
    tn: np.ndarray
    fn: np.ndarray

    def __add__(self, other: Any) -> Counts:
        """Return the sums of the counts."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


def confusion_counts(
    y_true: np.ndarray, y_pred: np.ndarray, weights: np.ndarray, thresholds: np.ndarray, evenly: bool
) -> Counts:
    """Count at every threshold; a prediction is positive if it is above.

    Each prediction is put into the bin of the thresholds it exceeds; sums over the bins from above give the positives.

    Args:
        y_true: labels, ``(n, labels)``; all but 0 are positive.
        y_pred: predictions, ``(n, labels)``.
        weights: their weights, ``(n, labels)``.
        thresholds: ``(t,)``, rising.
        evenly: whether the thresholds are evenly spaced on [0, 1]: then a prediction's bin is computed by rounding
            ``y_pred * (t - 1)`` up, as Keras does, which decides those that lie on a threshold.

    Returns:
        counts of shape ``(t, labels)``.
    """
    t, labels = len(thresholds), y_pred.shape[1]
    if evenly:
        exceeded = np.ceil(np.clip(y_pred, 0, 1) * (t - 1)).astype(np.intp)
        if thresholds[0] < 0:
            exceeded = np.maximum(exceeded, 1)
    else:
        exceeded = np.searchsorted(thresholds, y_pred, side="left")
    bins = (exceeded + (t + 1) * np.arange(labels)).ravel()

    def positives(amounts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        by_bin = np.bincount(bins, amounts.ravel(), (t + 1) * labels).reshape(labels, t + 1)
        return by_bin[:, :0:-1].cumsum(axis=1)[:, ::-1].T, by_bin.sum(axis=1)

    positive = y_true.astype(bool)
    tp, all_true = positives(np.where(positive, weights, 0))
    fp, all_false = positives(np.where(positive, 0, weights))
    return Counts(tp, fp, all_false - fp, all_true - tp)


def ratio(a: Any, b: Any) -> np.ndarray:
    """Return a / b, and 0 where b is 0."""
    a, b = np.broadcast_arrays(np.asarray(a, np.float64), b)
    return np.divide(a, b, out=np.zeros(a.shape), where=b != 0)


def evenly_spaced(thresholds: Sequence[float]) -> bool:
    """Return whether there are three thresholds or more, evenly spaced from 0 to 1."""
    count = len(thresholds)
    return count >= 3 and np.allclose(thresholds, np.linspace(0, 1, count), atol=EPSILON)


class _ThresholdMetric(Metric):
    """Base of precision and recall, which count alike and differ in one line.

    Args:
        thresholds: a number or several from 0 to 1 that a prediction must exceed to be positive; 0.5 if None.
        top_k: if given, the ``k`` largest predictions of a sample are positive (and above the thresholds, if given).
        class_id: if given, only this class of ``(n, classes)`` counts.
        name: see ``Metric``.
        dtype: see ``Metric``.

    Raises:
        ValueError: for a threshold outside [0, 1].
    """

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        self.init_thresholds = thresholds
        default = 0.5 if top_k is None else -1e10
        self.thresholds = np.atleast_1d(np.asarray(default if thresholds is None else thresholds, float)).tolist()
        if thresholds is not None and not all(0 <= threshold <= 1 for threshold in self.thresholds):
            raise ValueError(f"thresholds are numbers from 0 to 1; got {thresholds!r}.")
        self.top_k, self.class_id = top_k, class_id
        self._evenly = evenly_spaced(self.thresholds)
        super().__init__(dtype, name)

    def reset_state(self) -> None:
        """Forget all batches."""
        self.counts = Counts(*np.zeros((4, len(self.thresholds))))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in labels, 0 or 1, and predictions of one shape, ``(n,)`` or ``(n, classes)``."""
        y_true, y_pred, weights = prepared(y_true, y_pred, sample_weight, self.dtype)
        if self.top_k is not None:
            kept = np.argsort(-y_pred, axis=-1, kind="stable")[..., : self.top_k]
            top = np.full_like(y_pred, -1e10)
            np.put_along_axis(top, kept, np.take_along_axis(y_pred, kept, -1), -1)
            y_pred = top
        if self.class_id is not None:
            if y_pred.ndim < 2:
                raise ValueError(f"class_id needs predictions of shape (n, classes); got shape {y_pred.shape}.")
            y_true, y_pred, weights = (array[..., self.class_id] for array in (y_true, y_pred, weights))
        order = np.argsort(self.thresholds, kind="stable")
        rising = np.asarray(self.thresholds, self.dtype)[order]
        labels, scores, amounts = (array.reshape(-1, 1) for array in (y_true, y_pred, weights))
        counts = confusion_counts(labels, scores, amounts, rising, self._evenly)
        self.counts += Counts(*(count[np.argsort(order), 0] for count in counts))

    def _result(self, other: np.ndarray) -> Any:
        value = ratio(self.counts.tp, self.counts.tp + other)
        return float(value[0]) if len(value) == 1 else value

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        own = {"thresholds": self.init_thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **own}


@registry.register("precision")
class Precision(_ThresholdMetric):
    """How many of the positive predictions are right: ``tp / (tp + fp)``. The arguments are those of ``Recall``."""

    def result(self) -> Any:
        """Return the precision, an array if there are several thresholds; 0 without positive predictions."""
        return self._result(self.counts.fp)


@registry.register("recall")
class Recall(_ThresholdMetric):
    """How many of the positive labels are found: ``tp / (tp + fn)``.

    Args:
        thresholds: a number or several from 0 to 1 that a prediction must exceed to be positive; 0.5 if None.
        top_k: if given, the ``k`` largest predictions of a sample are positive (and above the thresholds, if given).
        class_id: if given, only this class of ``(n, classes)`` counts.
        name: see ``Metric``.
        dtype: see ``Metric``.

    >>> Recall()([0, 1, 1, 1], [1, 0, 1, 1])
    0.6666666666666666
    """

    def result(self) -> Any:
        """Return the recall, an array if there are several thresholds; 0 without positive labels."""
        return self._result(self.counts.fn)


@registry.register("f_beta_score", "fbeta_score")
class FBetaScore(Metric):
    """``(1 + beta**2) * precision * recall / (beta**2 * precision + recall)``, of each class or averaged.

    Args:
        average: None for one number per class, ``"macro"`` for their mean, ``"weighted"`` for their mean by number of
            labels, ``"micro"`` for the score of all classes' counts together.
        beta: how much more recall weighs than precision.
        threshold: what a prediction must exceed to be positive; None makes each sample's largest positive.
        name: see ``Metric``.
        dtype: see ``Metric``.

    Raises:
        ValueError: for an unknown average, or a beta or threshold that is out of range.
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: str | None = None,
    ) -> None:
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(f"average is None, 'micro', 'macro' or 'weighted'; got {average!r}.")
        if not beta > 0:
            raise ValueError(f"beta is a positive number; got {beta!r}.")
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(f"threshold is a number above 0 and up to 1, or None; got {threshold!r}.")
        self.average, self.beta, self.threshold = average, beta, threshold
        super().__init__(dtype, name)

    def reset_state(self) -> None:
        """Forget all batches."""
        self.tp, self.fp, self.fn = np.zeros((3, 1))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in one-hot (or multi-hot) labels and predictions, ``(n, classes)`` both."""
        y_true, y_pred, weights = prepared(y_true, y_pred, sample_weight, self.dtype)
        if y_pred.ndim != 2:
            raise ValueError(f"{self.name}: labels and predictions have shape (n, classes); got {y_pred.shape}.")
        if self.threshold is None:
            positive = (y_pred >= y_pred.max(axis=-1, keepdims=True)) & (np.abs(y_pred) > 1e-9)
        else:
            positive = y_pred > self.threshold
        axis = None if self.average == "micro" else 0
        self.tp = self.tp + (weights * positive * y_true).sum(axis=axis)
        self.fp = self.fp + (weights * positive * (1 - y_true)).sum(axis=axis)
        self.fn = self.fn + (weights * ~positive * y_true).sum(axis=axis)

    def result(self) -> Any:
        """Return the score: a float, or one number per class without average."""
        precision = self.tp / (self.tp + self.fp + EPSILON)
        recall = self.tp / (self.tp + self.fn + EPSILON)
        square = self.beta**2
        score = (1 + square) * precision * recall / (square * precision + recall + EPSILON)
        if self.average is None:
            return score
        if self.average == "weighted":
            labels = self.tp + self.fn
            return float((score * labels).sum() / (labels.sum() + EPSILON))
        return float(score.mean())

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        own = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**super().get_config(), **own}


@registry.register("f1_score")
class F1Score(FBetaScore):
    """The harmonic mean of precision and recall; the arguments are those of ``FBetaScore``, without ``beta``."""

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: str | None = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        config = super().get_config()
        del config["beta"]
        return config


def prepared(y_true: Any, y_pred: Any, sample_weight: Any, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, predictions and weights as float arrays of one shape."""
    y_true, y_pred = match_ranks(np.asarray(y_true), np.asarray(y_pred, dtype))
    y_true = same_shape(y_true, y_pred, "One label, 0 or 1, per prediction is expected.")
    weights = np.ones((), dtype) if sample_weight is None else fit_weights(sample_weight, y_pred)
    return y_true, y_pred, np.broadcast_to(weights, y_pred.shape)
