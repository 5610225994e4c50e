"""What a model says and what is true, as probabilities ``(n, classes)`` and class numbers ``(n,)``."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["class_numbers", "class_probabilities"]

_ROUNDING = 1e-3


def class_numbers(y: Any, classes: int, name: str = "y") -> np.ndarray:
    """Return labels as class numbers, int64 ``(n,)``.

    Args:
        y: class numbers ``(n,)``, ``(n, 1)`` or ``(1, n)``, or one-hot rows ``(n, classes)``.
        classes: how many classes there are.
        name: what to call the labels in messages.

    Raises:
        ValueError: for anything else, with what was found.

    >>> class_numbers([[0, 1], [1, 0]], 2).tolist(), class_numbers([[1.0], [0.0]], 2).tolist()
    ([1, 0], [1, 0])
    """
    labels = np.asarray(y)
    if labels.dtype.kind not in "iufb":
        raise ValueError(f"{name} holds {labels.dtype}; labels are class numbers or one-hot rows.")
    if labels.ndim == 2 and labels.shape[1] == classes and classes > 1:
        if not np.all(((labels == 0) | (labels == 1)).all(axis=1) & (labels.sum(axis=1) == 1)):
            raise ValueError(f"{name} of shape {labels.shape} is not one-hot: each row has a single 1 and else 0.")
        return labels.argmax(axis=1).astype(np.int64)
    if labels.ndim == 2 and 1 in labels.shape:
        labels = labels.reshape(-1)
    if labels.ndim != 1:
        raise ValueError(f"{name} has shape {labels.shape}; expected (n,), (n, 1) or one-hot (n, {classes}).")
    wrong = np.flatnonzero(~((labels >= 0) & (labels < classes) & (labels == np.floor(labels))))
    if len(wrong):
        raise ValueError(
            f"{name}[{wrong[0]}] is {labels[wrong[0]]}; with {classes} classes labels are whole numbers from 0 to "
            f"{classes - 1}."
        )
    return labels.astype(np.int64)


def class_probabilities(model: Any, x: Any, batch_size: int = 128) -> np.ndarray:
    """Return the probability of each class for each image, float64 ``(n, classes)``.

    A single sigmoid output p becomes the two columns 1 - p and p. Outputs of a model that was compiled with a loss with
    ``from_logits=True`` go through softmax or sigmoid first.

    Args:
        model: anything with ``predict``.
        x: the images.
        batch_size: how many go through the network at a time.

    Raises:
        ValueError: if the outputs are no probabilities.
    """
    outputs = np.asarray(model.predict(x, batch_size=batch_size, verbose=0), dtype=np.float64)
    if outputs.ndim != 2:
        raise ValueError(f"a classifier gives one row of class probabilities per image; got shape {outputs.shape}.")
    if _gives_logits(model):
        outputs = np.exp(-np.logaddexp(0, -outputs)) if outputs.shape[1] == 1 else _softmax(outputs)
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    sums = outputs.sum(axis=1)
    if not np.all(outputs >= -_ROUNDING) or not np.all(np.abs(sums - 1) <= _ROUNDING):
        raise ValueError(
            f"the model's outputs are no probabilities: values from {outputs.min():.4g} to {outputs.max():.4g}, rows "
            f"that add up to {sums.min():.4g} to {sums.max():.4g}. End the network with softmax (or one sigmoid unit), "
            "or compile it with a loss with from_logits=True."
        )
    return outputs


def _gives_logits(model: Any) -> bool:
    objective = getattr(model, "objective", None)
    loss = objective.losses[0] if objective is not None else getattr(model, "loss", None)
    return bool(getattr(loss, "from_logits", False))


def _softmax(z: np.ndarray) -> np.ndarray:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
