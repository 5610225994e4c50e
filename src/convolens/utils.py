"""Small tools: seeds, one-hot labels, names."""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

from convolens import naming, random

__all__ = ["clear_session", "normalize", "set_random_seed", "to_categorical"]


def set_random_seed(seed: int) -> None:
    """Make what follows repeatable bit for bit: initial weights, shuffling, dropout.

    As in Keras it also seeds Python's ``random`` and NumPy's global generator, for code that uses them.

    Raises:
        ValueError: if ``seed`` is not an integer from 0 to 2**32 - 1.
    """
    if random.checked(seed) >= 2**32:
        raise ValueError(f"a seed is below 2**32; got {seed!r}.")
    random.set_seed(seed)
    python_random.seed(seed)
    np.random.seed(seed)


def clear_session(free_memory: bool = True) -> None:
    """Begin the numbering of layers and models anew: the next ``Conv2D`` is ``conv2d`` again.

    Args:
        free_memory: no effect: nothing is held that Python would not free.
    """
    naming.reset()


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Return class numbers as one-hot vectors.

    Args:
        x: integers from 0, of any shape; a last axis of size 1 is dropped.
        num_classes: the length of the vectors; the largest class plus one if None.

    Returns:
        Zeros and ones of shape ``(*x.shape, num_classes)``.

    Raises:
        ValueError: if a class is no integer, negative, or not below ``num_classes``.

    >>> to_categorical([0, 2, 1], num_classes=3).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    labels = np.asarray(x)
    if labels.dtype.kind not in "iub" and (labels.dtype.kind != "f" or np.any(labels != np.trunc(labels))):
        raise ValueError(f"class numbers are integers; got {x!r}, an array of {labels.dtype}.")
    labels = labels.astype(np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None:
        num_classes = int(labels.max(initial=-1)) + 1
    if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(
            f"class numbers run from 0 to num_classes - 1 = {num_classes - 1}; found {labels.min()} to {labels.max()}."
        )
    return np.eye(num_classes)[labels]


def normalize(x: Any, axis: int = -1, order: float = 2) -> np.ndarray:
    """Return ``x`` divided by its norm along an axis; a norm of zero counts as one.

    >>> normalize([[3.0, 4.0]]).tolist()
    [[0.6, 0.8]]
    """
    array = np.atleast_1d(x)
    norm = np.linalg.norm(array, ord=order, axis=axis, keepdims=True)
    return array / np.where(norm == 0, 1, norm)
