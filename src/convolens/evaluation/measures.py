"""The measures of a classifier, on plain arrays: class numbers ``(n,)`` and probabilities ``(n,)``."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

__all__ = [
    "CalibrationBin",
    "RocCurve",
    "area_under_curve",
    "calibration_bins",
    "confusion_matrix",
    "expected_calibration_error",
    "precision_recall_f1",
    "roc_curve",
    "wilson_interval",
]


class CalibrationBin(NamedTuple):
    """The predictions whose confidence lies above ``lower`` and up to ``upper``; means are NaN where there are none."""

    lower: float
    upper: float
    images: int
    confidence: float
    accuracy: float


class RocCurve(NamedTuple):
    """One point per threshold, from the strictest: "positive if the score is at least ``thresholds[i]``"."""

    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray
    thresholds: np.ndarray

    @property
    def best(self) -> int:
        """The point farthest above the diagonal: the largest ``true_positive_rate - false_positive_rate`` (Youden)."""
        return int(np.argmax(self.true_positive_rate - self.false_positive_rate))


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a share: where the true accuracy lies with this confidence.

    With p = correct / total and z the normal quantile the limits are
    ``(p + z²/2n ± z sqrt(p (1 - p) / n + z²/4n²)) / (1 + z²/n)``: E. B. Wilson, "Probable inference, the law of
    succession, and statistical inference", 1927. Unlike ``p ± z sqrt(p (1 - p) / n)`` it stays sensible for few cases
    and for shares near 0 and 1.

    Raises:
        ValueError: if there are no cases, or more correct ones than cases.

    >>> low, high = wilson_interval(114, 120)
    >>> round(low, 4), round(high, 4)
    (0.8952, 0.9769)
    """
    if not 0 <= correct <= total or total < 1:
        raise ValueError(f"an interval needs at least one case and no more correct ones; got {correct} of {total}.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is between 0 and 1; got {confidence!r}.")
    p, z2 = correct / total, NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    centre = p + z2 / (2 * total)
    half = (z2 * (p * (1 - p) / total + z2 / (4 * total**2))) ** 0.5
    low, high = (centre - half) / (1 + z2 / total), (centre + half) / (1 + z2 / total)
    return (0.0 if correct == 0 else low), (1.0 if correct == total else high)


def confusion_matrix(y_true: np.ndarray, y_pred: np.ndarray, classes: int) -> np.ndarray:
    """Return how often each class (row) was taken for each class (column).

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    if len(y_true) != len(y_pred):
        raise ValueError(f"y_true has {len(y_true)} labels and y_pred {len(y_pred)}: expected as many.")
    return np.bincount(np.asarray(y_true) * classes + y_pred, minlength=classes**2).reshape(classes, classes)


def precision_recall_f1(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return precision, recall and F1 of every class; 0 where they are 0 / 0, as scikit-learn has it.

    Args:
        confusion: counts ``(classes, classes)``, true classes in rows.

    >>> [float(one[1]) for one in precision_recall_f1(np.array([[1, 1], [0, 2]]))]
    [0.6666666666666666, 1.0, 0.8]
    """
    hits = np.diag(confusion)
    predicted, actual = confusion.sum(axis=0), confusion.sum(axis=1)
    return _ratio(hits, predicted), _ratio(hits, actual), _ratio(2 * hits, predicted + actual)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def roc_curve(positive: np.ndarray, scores: np.ndarray) -> RocCurve:
    """Return the receiver operating characteristic: what each threshold on the score would give.

    Args:
        positive: whether each case is of the positive class, bool ``(n,)``.
        scores: the higher, the more likely positive, ``(n,)``.

    Returns:
        One point per distinct score, after (0, 0) at an infinite threshold. Rates are NaN for a class without cases.

    >>> curve = roc_curve(np.array([False, True]), np.array([0.2, 0.9]))
    >>> curve.true_positive_rate.tolist(), curve.false_positive_rate.tolist()
    ([0.0, 1.0, 1.0], [0.0, 0.0, 1.0])
    """
    order = np.argsort(-np.asarray(scores, float), kind="stable")
    hits, ordered = np.asarray(positive, bool)[order], np.asarray(scores, float)[order]
    last_of_score = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    true = np.append(0, np.cumsum(hits)[last_of_score])
    false = np.append(0, np.cumsum(~hits)[last_of_score])
    thresholds = np.append(np.inf, ordered[last_of_score])
    rates = [count / count[-1] if count[-1] else np.full(len(count), np.nan) for count in (false, true)]
    return RocCurve(rates[0], rates[1], thresholds)


def area_under_curve(curve: RocCurve) -> float:
    """Return the area under a ROC curve: how often a positive case has a higher score than a negative one."""
    widths = np.diff(curve.false_positive_rate)
    heights = (curve.true_positive_rate[1:] + curve.true_positive_rate[:-1]) / 2
    return float((widths * heights).sum())


def calibration_bins(confidence: np.ndarray, correct: np.ndarray, bins: int = 10) -> list[CalibrationBin]:
    """Group predictions by confidence and compare it, bin by bin, with the share that is right.

    Args:
        confidence: the probability given to the predicted class, ``(n,)``.
        correct: whether it is the true one, ``(n,)``.
        bins: how many bins of equal width divide 0 to 1.
    """
    edges = np.linspace(0, 1, bins + 1)
    number = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    found = []
    for i in range(bins):
        own = number == i
        count = int(own.sum())
        means = [float(np.mean(values[own])) if count else float("nan") for values in (confidence, correct)]
        found.append(CalibrationBin(float(edges[i]), float(edges[i + 1]), count, *means))
    return found


def expected_calibration_error(bins: list[CalibrationBin]) -> float:
    """Return the mean distance of confidence from accuracy over all predictions.

    ``sum over bins of count / n · |accuracy - confidence|``: C. Guo et al., "On calibration of modern neural networks",
    2017.
    """
    total = sum(one.images for one in bins)
    return sum(one.images * abs(one.accuracy - one.confidence) for one in bins if one.images) / total
