"""The area under a curve of true against false positives, or of precision against recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from convolens.activations import sigmoid
from convolens.metrics.base import Metric, registry
from convolens.metrics.confusion import EPSILON, Counts, confusion_counts, evenly_spaced, prepared, ratio

__all__ = ["AUC"]


@registry.register("auc")
class AUC(Metric):
    """The area under a curve, by a sum over thresholds.

    Args:
        num_thresholds: how many thresholds, at least 2.
        curve: ``"ROC"`` (recall over false positive rate), ``"PR"`` (precision over recall) or ``"PRGAIN"``
            (precision gain over recall gain; Flach and Kull, 2015).
        summation_method: ``"interpolation"`` (trapezoids; for PR the interpolation of Davis and Goadrich, 2006),
            ``"minoring"`` or ``"majoring"`` (the lower or higher end of each interval).
        name: see ``Metric``.
        dtype: see ``Metric``.
        thresholds: thresholds in (0, 1) to use in place of evenly spaced ones; 0 and 1 are added.
        multi_label: whether ``y_pred``, ``(n, labels)``, is of independent labels whose areas are averaged.
        num_labels: the number of labels; found in the first batch if None.
        label_weights: the weights of the labels.
        from_logits: whether ``y_pred`` are logits, of which the sigmoid is taken.

    Raises:
        ValueError: for an unknown curve or method, or fewer than two thresholds.

    >>> round(AUC(num_thresholds=3)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]), 4)
    0.75
    """

    _CURVES: ClassVar = ("ROC", "PR", "PRGAIN")
    _METHODS: ClassVar = ("interpolation", "minoring", "majoring")

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: str | None = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        if curve.upper() not in self._CURVES:
            raise ValueError(f"curve is one of {', '.join(self._CURVES)}; got {curve!r}.")
        if summation_method.lower() not in self._METHODS:
            raise ValueError(f"summation_method is one of {', '.join(self._METHODS)}; got {summation_method!r}.")
        if thresholds is None and num_thresholds < 2:
            raise ValueError(f"num_thresholds is an integer of at least 2; got {num_thresholds!r}.")
        if num_labels and not multi_label:
            raise ValueError("num_labels goes with multi_label=True only.")
        inner = np.linspace(0, 1, num_thresholds)[1:-1].tolist() if thresholds is None else sorted(thresholds)
        self._given = None if thresholds is None else inner
        # The ends lie just outside [0, 1], so that every prediction is positive at the first and none at the last.
        self._thresholds = np.array([-EPSILON, *inner, 1 + EPSILON])
        self._evenly = evenly_spaced([0.0, *inner, 1.0]) if self._given is not None else True
        self.num_thresholds = len(self._thresholds)
        self.curve, self.summation_method = curve.upper(), summation_method.lower()
        self.multi_label, self.num_labels, self.from_logits = multi_label, num_labels, from_logits
        self.label_weights = None if label_weights is None else list(label_weights)
        super().__init__(dtype, name)

    @property
    def thresholds(self) -> list[float]:
        """All thresholds, with the two ends."""
        return self._thresholds.tolist()

    def reset_state(self) -> None:
        """Forget all batches."""
        self.counts = Counts(*np.zeros((4, self.num_thresholds, 1)))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in labels, 0 or 1, and predictions of one shape."""
        if self.from_logits:
            y_pred = sigmoid(y_pred)
        y_true, y_pred, weights = prepared(y_true, y_pred, sample_weight, self.dtype)
        if self.multi_label:
            if y_pred.ndim != 2 or self.num_labels not in (None, y_pred.shape[1]):
                labels = "labels" if self.num_labels is None else self.num_labels
                raise ValueError(f"with multi_label, y_pred has shape (n, {labels}); got {y_pred.shape}.")
        else:
            if self.label_weights is not None:
                weights = weights * np.asarray(self.label_weights, self.dtype)
            y_true, y_pred, weights = (array.reshape(-1, 1) for array in (y_true, y_pred, weights))
        self.counts += confusion_counts(y_true, y_pred, weights, self._thresholds.astype(self.dtype), self._evenly)

    def result(self) -> float:
        """Return the area; 0 before the first batch."""
        areas = self._increments().sum(axis=0)
        if self.multi_label and self.label_weights is not None:
            return float(ratio((areas * self.label_weights).sum(), np.sum(self.label_weights)))
        return float(areas.mean())

    def _increments(self) -> np.ndarray:
        """Return the area between neighbouring thresholds, ``(t - 1, labels)``."""
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._interpolated_precision()
        x, y = self._curve()
        low, high = np.minimum(y[:-1], y[1:]), np.maximum(y[:-1], y[1:])
        heights = {"interpolation": (low + high) / 2, "minoring": low, "majoring": high}
        return (x[:-1] - x[1:]) * heights[self.summation_method]

    def _curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y of the curve at each threshold."""
        tp, fp, tn, fn = self.counts
        recall = ratio(tp, tp + fn)
        if self.curve == "ROC":
            return ratio(fp, fp + tn), recall
        if self.curve == "PR":
            return recall, ratio(tp, tp + fp)
        odds = ratio(tp + fn, tn + fp)
        recall_gain = np.where(tp == 0, 0.0, np.maximum(1 - odds * ratio(fn, tp), 0))
        return recall_gain, np.where(tp == 0, 1.0, 1 - odds * ratio(fp, tp))

    def _interpolated_precision(self) -> np.ndarray:
        """Return the areas where true positives grow linearly with all positives between two thresholds.

        With ``p = tp + fp`` and ``tp = slope * p + intercept``, precision is ``slope + intercept / p``, whose
        integral over recall, ``tp / (tp + fn)``, is ``slope * (dtp + intercept * log(p[i] / p[i + 1])) / (tp + fn)``.
        """
        tp, fp, _, fn = self.counts
        p = tp + fp
        dtp = tp[:-1] - tp[1:]
        slope = ratio(dtp, np.maximum(p[:-1] - p[1:], 0))
        intercept = tp[1:] - slope * p[1:]
        growth = np.where((p[:-1] > 0) & (p[1:] > 0), ratio(p[:-1], p[1:]), 1.0)
        return ratio(slope * (dtp + intercept * np.log(growth)), tp[1:] + fn[1:])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        config = {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": self.label_weights,
            "from_logits": self.from_logits,
        }
        return config if self._given is None else {**config, "thresholds": self._given}
