"""How good a classifier is: accuracy with its uncertainty, every class's figures, and where it fails."""

from .classifier import Evaluation, evaluate_classifier
from .measures import (
    area_under_curve,
    calibration_bins,
    confusion_matrix,
    expected_calibration_error,
    precision_recall_f1,
    roc_curve,
    wilson_interval,
)
from .predictions import class_numbers, class_probabilities

__all__ = [
    "Evaluation",
    "area_under_curve",
    "calibration_bins",
    "class_numbers",
    "class_probabilities",
    "confusion_matrix",
    "evaluate_classifier",
    "expected_calibration_error",
    "precision_recall_f1",
    "roc_curve",
    "wilson_interval",
]
