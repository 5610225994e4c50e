"""Losses with their gradients, Keras's names and reductions.

Each is an object, ``CategoricalCrossentropy()(y_true, y_pred)``, and has a function of the same name in snake case that
returns the losses of the samples. ``forward`` and ``backward`` are the two halves that training uses.

>>> loss = MeanSquaredError()
>>> value, cache = loss.forward([[0.0], [0.0]], [[1.0], [3.0]])
>>> value, loss.backward(cache).tolist()
(5.0, [[1.0], [3.0]])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convolens.activations import Activation, Sigmoid, Softmax
from convolens.losses.base import Loss, LossCache, binary_or_sparse, registry
from convolens.losses.crossentropy import BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy
from convolens.losses.regression import Huber, MeanAbsoluteError, MeanSquaredError

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Huber",
    "Loss",
    "LossCache",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "categorical_crossentropy",
    "deserialize",
    "fused",
    "get",
    "huber",
    "mean_absolute_error",
    "mean_squared_error",
    "resolve",
    "serialize",
    "sparse_categorical_crossentropy",
]


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> np.ndarray:
    """Return ``BinaryCrossentropy`` of each sample."""
    return BinaryCrossentropy(from_logits, label_smoothing, axis, reduction=None)(y_true, y_pred)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> np.ndarray:
    """Return ``CategoricalCrossentropy`` of each sample."""
    return CategoricalCrossentropy(from_logits, label_smoothing, axis, reduction=None)(y_true, y_pred)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> np.ndarray:
    """Return ``SparseCategoricalCrossentropy`` of each sample."""
    return SparseCategoricalCrossentropy(from_logits, ignore_class, reduction=None, axis=axis)(y_true, y_pred)


def mean_squared_error(y_true: Any, y_pred: Any) -> np.ndarray:
    """Return ``MeanSquaredError`` of each sample."""
    return MeanSquaredError(reduction=None)(y_true, y_pred)


def mean_absolute_error(y_true: Any, y_pred: Any) -> np.ndarray:
    """Return ``MeanAbsoluteError`` of each sample."""
    return MeanAbsoluteError(reduction=None)(y_true, y_pred)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> np.ndarray:
    """Return ``Huber`` of each sample."""
    return Huber(delta, reduction=None)(y_true, y_pred)


FUNCTIONS = (
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
    mean_squared_error,
    mean_absolute_error,
    huber,
)


def fused(loss: Loss, activation: Activation) -> Loss | None:
    """Return the same loss on logits if the model's last activation belongs to it, else None.

    Softmax belongs to the categorical cross-entropies, sigmoid to the binary one. The loss on logits never overflows,
    is not cut off at 1e-7, and its gradient is ``p - t``: what Keras computes on TensorFlow for such a model.

    Args:
        loss: a loss on probabilities.
        activation: the last activation of the model.
    """
    if type(loss) is BinaryCrossentropy:
        belongs = type(activation) is Sigmoid
    elif isinstance(loss, CategoricalCrossentropy | SparseCategoricalCrossentropy):
        belongs = type(activation) is Softmax and activation.axis == loss.axis
    else:
        return None
    if loss.from_logits or not belongs or registry.classes.get(type(loss).__name__) is not type(loss):
        return None
    return type(loss).from_config({**loss.get_config(), "from_logits": True, "dtype": loss.dtype})


def resolve(identifier: Any, y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]) -> Loss | None:
    """Return what ``compile(loss=identifier)`` stands for: ``get``, and ``"crossentropy"`` by the shapes."""
    if isinstance(identifier, str) and identifier.lower() in ("crossentropy", "ce"):
        identifier = f"{binary_or_sparse(y_true_shape, y_pred_shape)}_crossentropy"
    return get(identifier)


def get(identifier: Any) -> Loss | None:
    """Return the loss that a name, a configuration, a class, a function of this module or an object stands for.

    Raises:
        ValueError: for an unknown name, or a function of the user's, which has no gradient.
    """
    if identifier in FUNCTIONS:
        identifier = identifier.__name__
    elif isinstance(identifier, Mapping):
        return deserialize(identifier)
    found = registry.get(identifier)
    if found is None or isinstance(found, Loss):
        return found
    raise ValueError(
        f"a loss is a name such as 'mse' or an object of a subclass of losses.Loss with call(y_true, y_pred) and "
        f"call_backward(d_losses, cache), as a plain function has no gradient; got {identifier!r}."
    )


def serialize(loss: Loss | None) -> dict[str, Any] | None:
    """Return Keras's configuration of a loss."""
    return registry.serialize(loss)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Loss:
    """Build a loss from its configuration or name."""
    if isinstance(name, Mapping) and name.get("class_name") == "function":
        name = name["config"]
    return (
        registry.find(name, custom_objects)() if isinstance(name, str) else registry.deserialize(name, custom_objects)
    )
