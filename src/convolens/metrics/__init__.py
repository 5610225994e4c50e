"""Metrics: numbers gathered over batches, with Keras's names and weights.

>>> metric = SparseCategoricalAccuracy()
>>> metric.update_state([2, 0], [[0.1, 0.2, 0.7], [0.3, 0.6, 0.1]])
>>> metric.update_state([1], [[0.1, 0.8, 0.1]])
>>> round(metric.result(), 4)
0.6667
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convolens.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    huber,
    mean_absolute_error,
    mean_squared_error,
    sparse_categorical_crossentropy,
)
from convolens.losses.base import binary_or_sparse
from convolens.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from convolens.metrics.auc import AUC
from convolens.metrics.base import FUNCTIONS, Mean, MeanMetricWrapper, Metric, registry
from convolens.metrics.confusion import F1Score, FBetaScore, Precision, Recall
from convolens.metrics.errors import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
)

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "F1Score",
    "FBetaScore",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "binary_accuracy",
    "binary_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "deserialize",
    "get",
    "huber",
    "mean_absolute_error",
    "mean_squared_error",
    "resolve",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]


def get(identifier: Any) -> Metric | None:
    """Return the metric that a name, a configuration, a class, an object or a function stands for; None for None.

    A function ``f(y_true, y_pred)`` becomes the mean of what it returns.
    """
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    found = registry.get(identifier)
    if found is None or isinstance(found, Metric):
        return found
    if callable(found):
        return MeanMetricWrapper(found, name=getattr(found, "name", None) or getattr(found, "__name__", None))
    raise ValueError(f"a metric is a name such as 'accuracy', a Metric or a function; got {identifier!r}.")


def resolve(identifier: Any, y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]) -> Metric:
    """Return what one entry of ``compile(metrics=[...])`` stands for.

    ``"accuracy"`` (or ``"acc"``) and ``"crossentropy"`` (or ``"ce"``) choose the binary, categorical or sparse
    categorical one by the shapes. A metric given by a name bears that name.

    Args:
        identifier: a name, a metric, a class, a configuration or a function.
        y_true_shape: the shape of the labels.
        y_pred_shape: the shape of the model's output.
    """
    short = {"accuracy": "accuracy", "acc": "accuracy", "crossentropy": "crossentropy", "ce": "crossentropy"}
    kind = short.get(identifier.lower()) if isinstance(identifier, str) else None
    metric = get(f"{binary_or_sparse(y_true_shape, y_pred_shape)}_{kind}" if kind else identifier)
    if metric is None:
        raise ValueError("a metric is a name such as 'accuracy', a Metric or a function; got None.")
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


def serialize(metric: Metric | None) -> dict[str, Any] | None:
    """Return Keras's configuration of a metric."""
    return registry.serialize(metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Metric | None:
    """Build a metric from its configuration or name."""
    if isinstance(config, Mapping) and config.get("class_name") == "function":
        name = config["config"]
        config = (custom_objects or {}).get(name) or FUNCTIONS.get(name, name)
    return registry.deserialize(config, custom_objects) if isinstance(config, Mapping) else get(config)
