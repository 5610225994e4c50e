"""The small functions around the exercises: loading the data, preparing labels, mini-batches, activations.

Labels are rows, ``(1, N)``, as in the course; ``convert_to_one_hot`` makes columns of them.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

__all__ = [
    "convert_to_one_hot",
    "flatten",
    "load_happy_dataset",
    "load_signs_dataset",
    "random_mini_batches",
    "relu",
    "relu_backward",
    "sigmoid",
    "softmax",
]

DataSet: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def load_happy_dataset() -> DataSet:
    """Load the Happy House: 600 training and 150 test faces, smiling (1) or not (0).

    Returns:
        ``(train_x, train_y, test_x, test_y, classes)``: images ``(N, 64, 64, 3)`` uint8, labels ``(1, N)`` int64.

    Raises:
        OSError: if the files are not found; the message names them and where to put them.
    """
    return _load("happy")


def load_signs_dataset() -> DataSet:
    """Load SIGNS: 1080 training and 120 test photographs of hands that show 0 to 5.

    Returns:
        ``(train_x, train_y, test_x, test_y, classes)``: images ``(N, 64, 64, 3)`` uint8, labels ``(1, N)`` int64.

    Raises:
        OSError: if the files are not found; the message names them and where to put them.
    """
    return _load("signs")


def convert_to_one_hot(Y: np.ndarray, C: int) -> np.ndarray:
    """Turn labels into columns with a single one: ``one_hot[Y[i], i] = 1``.

    Args:
        Y: labels 0 to C - 1, any shape that holds N of them, such as ``(1, N)``.
        C: number of classes.

    Returns:
        ``(C, N)``; the networks want its transpose.

    Raises:
        ValueError: for a label outside the classes.

    >>> convert_to_one_hot(np.array([[1, 2, 0]]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.],
           [0., 1., 0.]])
    """
    labels = np.asarray(Y).reshape(-1)
    if labels.size and not (labels.min() >= 0 and labels.max() < C and np.all(labels == labels.astype(int))):
        raise ValueError(f"labels are whole numbers from 0 to {C - 1}; got {labels.min()} to {labels.max()}.")
    return np.eye(C)[labels.astype(int)].T


def random_mini_batches(
    X: np.ndarray, Y: np.ndarray, mini_batch_size: int = 64, seed: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Shuffle the examples and cut them into batches, with the course's permutation for the seed.

    Images ``(m, H, W, C)`` come with labels ``(m, classes)``. Flat examples ``(features, m)`` come in columns, with
    labels ``(classes, m)``, as in the courses on dense networks. The last batch holds what is left. NumPy's global
    random state stays as it is.

    Args:
        X: the examples.
        Y: their labels, as many.
        mini_batch_size: examples per batch.
        seed: of the permutation.

    Returns:
        A list of ``(mini_batch_X, mini_batch_Y)``.

    Raises:
        ValueError: if ``X`` and ``Y`` hold different numbers of examples, or the batch size is below 1.

    >>> X = np.arange(5.0).reshape(5, 1, 1, 1)
    >>> for x, y in random_mini_batches(X, X.reshape(5, 1), mini_batch_size=2):
    ...     print(x.ravel(), y.ravel())
    [2. 0.] [2. 0.]
    [1. 3.] [1. 3.]
    [4.] [4.]
    """
    axis = 1 if np.ndim(X) == 2 else 0
    m = np.shape(X)[axis]
    if np.ndim(Y) <= axis or np.shape(Y)[axis] != m:
        raise ValueError(
            f"X holds {m} examples along axis {axis}; Y, of shape {np.shape(Y)}, does not: "
            "images go with labels (m, classes), so transpose labels that lie in rows."
        )
    if mini_batch_size < 1:
        raise ValueError(f"mini_batch_size is at least 1; got {mini_batch_size}.")
    order = np.random.RandomState(seed).permutation(m)
    parts = [order[start : start + mini_batch_size] for start in range(0, m, mini_batch_size)]
    return [(np.take(X, part, axis), np.take(Y, part, axis)) for part in parts]


def relu(z: np.ndarray) -> np.ndarray:
    """Return ``max(z, 0)``, cell by cell.

    >>> relu(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 3.])
    """
    return np.maximum(z, 0)


def relu_backward(dA: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """Return ``dZ``: ``dA`` where ``Z > 0``, and 0 elsewhere.

    Args:
        dA: gradient with respect to ``relu(Z)``.
        Z: what ``relu`` was applied to, the same shape.

    >>> relu_backward(np.array([5.0, 6.0, 7.0]), np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 7.])
    """
    return np.where(np.asarray(Z) > 0, dA, np.zeros_like(dA))


def sigmoid(z: np.ndarray) -> np.ndarray:
    """Return ``1 / (1 + exp(-z))``, without overflow for large ``|z|``.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    small = np.exp(-np.abs(z))
    return np.where(np.asarray(z) >= 0, 1, small) / (1 + small)


def softmax(z: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return ``exp(z) / sum(exp(z))`` along an axis, without overflow.

    >>> softmax(np.array([[1000.0, 1000.0], [0.0, np.log(3)]]))
    array([[0.5 , 0.5 ],
           [0.25, 0.75]])
    """
    shifted = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return shifted / np.sum(shifted, axis=axis, keepdims=True)


def flatten(X: np.ndarray) -> np.ndarray:
    """Lay each image out as one row: ``(m, n_H, n_W, n_C)`` becomes ``(m, n_H n_W n_C)``.

    >>> flatten(np.zeros((10, 4, 4, 3))).shape
    (10, 48)
    """
    return np.reshape(X, (np.shape(X)[0], -1))


def _load(name: str) -> DataSet:
    from convolens import datasets

    dataset = datasets.load(name)
    train_x, test_x = dataset.raw
    train_y, test_y = (labels.reshape(1, -1) for labels in (dataset.y_train, dataset.y_test))
    return train_x, train_y, test_x, test_y, np.arange(len(dataset.class_names))
