"""The evaluation of a classifier on images it has not seen, as tables, as JSON and as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import measures
from .predictions import class_numbers, class_probabilities

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation", "evaluate_classifier"]


@dataclass(frozen=True)
class Evaluation:
    """What a classifier did on some images. Everything follows from the labels and the probabilities.

    Attributes:
        class_names: the name of each class.
        y_true: the true classes, int64 ``(n,)``.
        probabilities: the model's, ``(n, classes)``.
        bins: how many bins the calibration table has.
    """

    class_names: list[str]
    y_true: np.ndarray
    probabilities: np.ndarray
    bins: int = 10

    @cached_property
    def y_pred(self) -> np.ndarray:
        """The most probable classes, ``(n,)``; for two classes, the second from probability 0.5."""
        if len(self.class_names) == 2:
            return (self.probabilities[:, 1] >= 0.5).astype(np.int64)
        return self.probabilities.argmax(axis=1)

    @property
    def count(self) -> int:
        """How many images there are."""
        return len(self.y_true)

    @cached_property
    def accuracy(self) -> float:
        """The share of images whose class was found."""
        return float(np.mean(self.y_true == self.y_pred))

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy (Wilson)."""
        return measures.wilson_interval(int(np.sum(self.y_true == self.y_pred)), self.count)

    @cached_property
    def confusion_matrix(self) -> np.ndarray:
        """How often each true class (row) was taken for each class (column), ``(classes, classes)``."""
        return measures.confusion_matrix(self.y_true, self.y_pred, len(self.class_names))

    @cached_property
    def table(self) -> pd.DataFrame:
        """Precision, recall, F1 and support (the number of images) of every class."""
        import pandas as pd

        precision, recall, f1 = measures.precision_recall_f1(self.confusion_matrix)
        columns = {"precision": precision, "recall": recall, "F1": f1, "support": self.confusion_matrix.sum(axis=1)}
        return pd.DataFrame(columns, index=pd.Index(self.class_names, name="class"))

    @cached_property
    def averages(self) -> pd.DataFrame:
        """The means of the table's columns: of the classes (macro), and of the classes weighted by support."""
        import pandas as pd

        figures, support = self.table[["precision", "recall", "F1"]], self.table["support"]
        rows = {
            "macro average": figures.mean(),
            "weighted average": figures.mul(support, axis=0).sum() / support.sum(),
        }
        return pd.DataFrame(rows).T.assign(support=self.count)

    @cached_property
    def misclassified(self) -> pd.DataFrame:
        """The wrong cases, most confidently wrong first.

        Columns: ``index`` of the image, ``true`` and ``predicted`` class names, ``confidence`` (the probability given
        to the predicted class) and ``true_probability`` (that of the true class).
        """
        import pandas as pd

        wrong = np.flatnonzero(self.y_true != self.y_pred)
        wrong = wrong[np.argsort(-self._confidence[wrong], kind="stable")]
        names = np.array(self.class_names, dtype=object)
        return pd.DataFrame(
            {
                "index": wrong,
                "true": names[self.y_true[wrong]],
                "predicted": names[self.y_pred[wrong]],
                "confidence": self._confidence[wrong],
                "true_probability": self.probabilities[wrong, self.y_true[wrong]],
            }
        )

    @cached_property
    def _confidence(self) -> np.ndarray:
        return self.probabilities[np.arange(self.count), self.y_pred]

    @cached_property
    def _calibration_bins(self) -> list[measures.CalibrationBin]:
        return measures.calibration_bins(self._confidence, self.y_true == self.y_pred, self.bins)

    @cached_property
    def calibration(self) -> pd.DataFrame:
        """How confident the model was and how often it was right, per bin of confidence."""
        import pandas as pd

        return pd.DataFrame(self._calibration_bins)

    @cached_property
    def expected_calibration_error(self) -> float:
        """The mean distance of confidence from accuracy, over the bins."""
        return measures.expected_calibration_error(self._calibration_bins)

    @cached_property
    def _roc_curve(self) -> measures.RocCurve | None:
        if len(self.class_names) != 2 or len(np.unique(self.y_true)) < 2:
            return None
        return measures.roc_curve(self.y_true == 1, self.probabilities[:, 1])

    @cached_property
    def roc(self) -> pd.DataFrame | None:
        """For two classes: false and true positive rate at each threshold on the second's probability; else None."""
        import pandas as pd

        return None if self._roc_curve is None else pd.DataFrame(self._roc_curve._asdict())

    @property
    def auc(self) -> float | None:
        """For two classes: the area under the ROC curve; else None."""
        return None if self._roc_curve is None else measures.area_under_curve(self._roc_curve)

    @property
    def best_threshold(self) -> float | None:
        """For two classes: the threshold with the largest true minus false positive rate on *these* images; else None.

        To use it for decisions choose it on validation images: chosen and judged on the same ones it flatters.
        """
        curve = self._roc_curve
        return None if curve is None else float(curve.thresholds[curve.best])

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values; the content of a run's ``metrics.json``."""
        low, high = self.interval
        classes = [
            {"class": name, "precision": p, "recall": r, "f1": f, "support": int(s)}
            for name, (p, r, f, s) in zip(self.class_names, self.table.to_numpy().tolist(), strict=True)
        ]
        figures: dict[str, Any] = {
            "accuracy": self.accuracy,
            "accuracy_interval": [low, high],
            "count": self.count,
            "misclassified_count": len(self.misclassified),
            "classes": classes,
            "averages": {
                name.split()[0]: {"precision": p, "recall": r, "f1": f}
                for name, (p, r, f, _) in zip(self.averages.index, self.averages.to_numpy().tolist(), strict=True)
            },
            "confusion_matrix": self.confusion_matrix.tolist(),
            "expected_calibration_error": self.expected_calibration_error,
            "calibration": [
                {key: None if value != value else value for key, value in one._asdict().items()}
                for one in self._calibration_bins
            ],
            "misclassified": self.misclassified.to_dict(orient="records"),
        }
        if self._roc_curve is not None:
            figures |= {"auc": self.auc, "best_threshold": _finite(self.best_threshold)}
        return figures

    def to_json(self, indent: int | None = 2) -> str:
        """Return the figures as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def to_html(self) -> str:
        """Return the figures as a part of an HTML page that needs nothing else."""
        from .page import evaluation_html

        return evaluation_html(self)

    _repr_html_ = to_html

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"<Evaluation on {self.count} images: accuracy {self.accuracy:.4f} "
            f"(95% interval {low:.4f} to {high:.4f}), {len(self.misclassified)} wrong>"
        )


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def evaluate_classifier(
    model: Any, x: Any, y: Any, class_names: Sequence[str] | None = None, *, batch_size: int = 128, bins: int = 10
) -> Evaluation:
    """Evaluate a classifier on labelled images.

    Args:
        model: a model (or anything with ``predict``) that gives class probabilities ``(n, classes)``, or those of the
            second of two classes ``(n, 1)``.
        x: the images ``(n, h, w, c)``.
        y: their classes: numbers ``(n,)`` or ``(n, 1)``, or one-hot ``(n, classes)``.
        class_names: the name of each class; their numbers if None.
        batch_size: how many images go through the network at a time.
        bins: how many bins the calibration table has.

    Raises:
        ValueError: if there are no images, if labels or names do not fit, or if the outputs are no probabilities.
    """
    if len(x) == 0:
        raise ValueError("there are no images to evaluate on.")
    probabilities = class_probabilities(model, x, batch_size)
    classes = probabilities.shape[1]
    y_true = class_numbers(y, classes)
    if len(y_true) != len(probabilities):
        raise ValueError(f"there are {len(probabilities)} images and {len(y_true)} labels.")
    names = [str(name) for name in (range(classes) if class_names is None else class_names)]
    if len(names) != classes:
        raise ValueError(f"the model tells {classes} classes apart and there are {len(names)} class names: {names}.")
    return Evaluation(names, y_true, probabilities, bins)
