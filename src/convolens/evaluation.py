"""How good a classifier is on images it has not seen, and where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation", "class_probabilities", "evaluate_classifier", "wilson_interval"]

_CALIBRATION_BINS = 10


@dataclass
class Evaluation:
    """The result of ``evaluate_classifier``.

    Attributes:
        accuracy: the share of images whose most probable class is the true one.
        interval: 95 % confidence interval of the accuracy (Wilson's score interval).
        table: per class: precision, recall, F1 and support; a class that is never predicted has precision 0.
        confusion_matrix: images of class ``row`` that were taken for class ``column``.
        misclassified: a row per wrong answer, the most confident first: index, true and predicted class, the
            probabilities of both.
        calibration: per tenth of confidence: mean confidence, accuracy, count. Empty tenths are left out.
        class_names: the classes, in order.
        binary: for two classes: area under the ROC curve, the curve, and the threshold with the greatest sum of
            sensitivity and specificity; else empty.
    """

    accuracy: float
    interval: tuple[float, float]
    table: pd.DataFrame
    confusion_matrix: np.ndarray
    misclassified: pd.DataFrame
    calibration: pd.DataFrame
    class_names: list[str]
    binary: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "images": int(self.confusion_matrix.sum()),
            "class_names": self.class_names,
            "classes": {str(name): row.to_dict() for name, row in self.table.iterrows()},
            "confusion_matrix": self.confusion_matrix.tolist(),
            "misclassified": self.misclassified.to_dict(orient="records"),
            "calibration": self.calibration.to_dict(orient="records"),
            **({"binary": self.binary} if self.binary else {}),
        }

    def to_html(self) -> str:
        """Return the accuracy and the table as HTML; class names are escaped."""
        low, high = self.interval
        line = f"<p>Accuracy {self.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%}).</p>"
        return line + self.table.to_html(float_format="{:.4f}".format, escape=True)

    _repr_html_ = to_html

    def __str__(self) -> str:
        low, high = self.interval
        return f"accuracy {self.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%})\n{self.table.to_string()}"


def evaluate_classifier(model: Any, x: Any, y: Any, class_names: Sequence[str] | None = None) -> Evaluation:
    """Evaluate a classifier on images that it has not seen.

    Args:
        model: anything with ``predict(x)`` that gives ``(n, classes)`` probabilities, or ``(n, 1)`` for the second of
            two classes.
        x: images.
        y: true classes, integers ``(n,)`` or ``(n, 1)``, or one-hot ``(n, classes)``.
        class_names: names in order; the class numbers if None.

    Raises:
        ValueError: if there are no images, or the labels do not fit them or the classes.
    """
    import pandas as pd

    probabilities = class_probabilities(model, x)
    classes = probabilities.shape[1]
    y = np.asarray(y)
    truth = (y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)).astype(np.int64)
    names = [str(name) for name in class_names] if class_names is not None else [str(i) for i in range(classes)]
    if len(names) != classes:
        raise ValueError(f"the model tells {classes} classes apart, but there are {len(names)} class names.")
    if len(truth) != len(probabilities):
        raise ValueError(f"{len(probabilities)} images but {len(truth)} labels; expected one for each.")
    if not len(truth) or truth.min() < 0 or truth.max() >= classes:
        found = f"{truth.min()} to {truth.max()}" if len(truth) else "none"
        raise ValueError(f"labels are {found}; expected at least one, from 0 to {classes - 1}.")
    predicted = (
        (probabilities[:, 1] > 0.5).astype(np.int64) if classes == 2 else probabilities.argmax(axis=1)
    )  # a probability of exactly one half is not a yes
    matrix = np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)
    right = np.diag(matrix)
    precision = _share(right, matrix.sum(axis=0))
    recall = _share(right, matrix.sum(axis=1))
    columns = {
        "precision": precision,
        "recall": recall,
        "F1": _share(2 * right, matrix.sum(axis=0) + matrix.sum(axis=1)),
        "support": matrix.sum(axis=1),
    }
    rows = np.arange(len(truth))
    wrong = np.flatnonzero(predicted != truth)
    confidence = probabilities[rows, predicted]
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    misclassified = pd.DataFrame(
        {
            "index": wrong,
            "true": [names[i] for i in truth[wrong]],
            "predicted": [names[i] for i in predicted[wrong]],
            "probability": confidence[wrong],
            "probability of true": probabilities[wrong, truth[wrong]],
        }
    )
    return Evaluation(
        accuracy=float(right.sum() / len(truth)),
        interval=wilson_interval(int(right.sum()), len(truth)),
        table=pd.DataFrame(columns, index=pd.Index(names, name="class")),
        confusion_matrix=matrix,
        misclassified=misclassified,
        calibration=_calibration(confidence, predicted == truth),
        class_names=names,
        binary=_binary(probabilities[:, 1], truth) if classes == 2 and 0 < truth.sum() < len(truth) else {},
    )


def class_probabilities(model: Any, x: Any) -> np.ndarray:
    """Return a model's probabilities as ``(n, classes)``; one sigmoid output becomes two columns."""
    outputs = np.asarray(model.predict(x, verbose=0), dtype=np.float64)
    if outputs.ndim != 2:
        raise ValueError(f"the model gives outputs of shape {outputs.shape}; expected (n, classes) or (n, 1).")
    return np.concatenate([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (E. B. Wilson, Probable inference, 1927).

    >>> low, high = wilson_interval(95, 100)
    >>> round(low, 4), round(high, 4)
    (0.8882, 0.9785)
    """
    z = 1.959963984540054
    p = successes / trials
    middle = p + z * z / (2 * trials)
    spread = z * float(np.sqrt(p * (1 - p) / trials + z * z / (4 * trials**2)))
    scale = 1 + z * z / trials
    return max((middle - spread) / scale, 0.0), min((middle + spread) / scale, 1.0)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _calibration(confidence: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    tenth = np.minimum((confidence * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1)
    count = np.bincount(tenth, minlength=_CALIBRATION_BINS)
    table = pd.DataFrame(
        {
            "confidence": _share(np.bincount(tenth, confidence, _CALIBRATION_BINS), count),
            "accuracy": _share(np.bincount(tenth, right, _CALIBRATION_BINS), count),
            "count": count,
        }
    )
    return table[table["count"] > 0].reset_index(drop=True)


def _binary(score: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Return the ROC curve: the share of true and of false alarms when everything from a threshold up is a yes."""
    order = np.argsort(-score, kind="stable")
    score, truth = score[order], truth[order]
    last = np.flatnonzero(np.append(np.diff(score) != 0, True))  # equal scores fall on one side together
    hits, alarms = np.cumsum(truth)[last], np.cumsum(1 - truth)[last]
    true_rate, false_rate = np.append(0, hits / hits[-1]), np.append(0, alarms / alarms[-1])
    area = float(np.sum(np.diff(false_rate) * (true_rate[1:] + true_rate[:-1]) / 2))
    best = int(np.argmax(true_rate[1:] - false_rate[1:]))
    return {
        "area_under_roc": area,
        "threshold": float(score[last[best]]),
        "roc": {"false_positive_rate": false_rate.tolist(), "true_positive_rate": true_rate.tolist()},
    }
