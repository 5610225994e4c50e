"""Cross-entropies, of probabilities or of logits.

With logits (``from_logits=True``) the loss is taken in log-softmax form and never overflows. Probabilities are first
cut off at 1e-7 and 1 - 1e-7, as in Keras; where that changes one, it gets no gradient.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from convolens.losses.base import Loss, registry, same_shape

__all__ = ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"]

EPSILON = 1e-7


class _Crossentropy(Loss):
    """Base of the three: the arguments they share.

    Args:
        from_logits: whether ``y_pred`` are logits, not probabilities.
        label_smoothing: how much of each label is spread evenly over the classes, from 0 to 1.
        axis: the axis of the classes.
        reduction: see ``Loss``.
        name: see ``Loss``.
        dtype: see ``Loss``.
    """

    def __init__(
        self,
        from_logits: bool,
        label_smoothing: float,
        axis: int,
        reduction: str | None,
        name: str | None,
        dtype: str | None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing is a number from 0 to 1; got {label_smoothing!r}.")
        if isinstance(axis, bool) or not isinstance(axis, int):
            raise ValueError(f"axis is an integer; got {axis!r}.")
        self.from_logits = bool(from_logits)
        self.label_smoothing = label_smoothing
        self.axis = axis

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        own = {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing, "axis": self.axis}
        return {**super().get_config(), **own}


class BinaryCache(NamedTuple):
    """Labels after smoothing, the predictions, and those after the cut (None for logits)."""

    t: np.ndarray
    y_pred: np.ndarray
    clipped: np.ndarray | None


@registry.register("binary_crossentropy", "bce", "BCE")
class BinaryCrossentropy(_Crossentropy):
    """``-t * log(p) - (1 - t) * log(1 - p)``, averaged along the last axis.

    With logits ``z``: ``max(z, 0) - t * z + log(1 + exp(-|z|))``, whose derivative is ``sigmoid(z) - t``.
    The arguments are those of ``CategoricalCrossentropy``.

    >>> round(BinaryCrossentropy()([1, 0], [0.9, 0.2]), 6)
    0.164252
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)

    def call(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, BinaryCache]:
        """Return the mean cross-entropy along the axis."""
        t = same_shape(y_true, y_pred, "One number from 0 to 1 per prediction is expected.")
        if t.size and not (t.min() >= 0 and t.max() <= 1):
            wrong = t[~((t >= 0) & (t <= 1))].flat[0]
            raise ValueError(f"binary labels are numbers from 0 to 1; got {wrong:g}.")
        if self.label_smoothing:
            t = t * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        if self.from_logits:
            losses = np.maximum(y_pred, 0) - t * y_pred + np.log1p(np.exp(-np.abs(y_pred)))
            clipped = None
        else:
            clipped = np.clip(y_pred, EPSILON, 1 - EPSILON)
            losses = -(t * np.log(clipped) + (1 - t) * np.log(1 - clipped))
        return np.asarray(losses.mean(axis=self.axis)), BinaryCache(t, y_pred, clipped)

    def call_backward(self, d_losses: np.ndarray, cache: BinaryCache) -> np.ndarray:
        """Return ``sigmoid(z) - t`` for logits, ``(p - t) / (p * (1 - p))`` for probabilities, by the axis's length."""
        t, y_pred, p = cache
        if p is None:
            e = np.exp(-np.abs(y_pred))
            slope = np.where(y_pred >= 0, y_pred.dtype.type(1), e) / (1 + e) - t
        else:
            slope = ((1 - t) / (1 - p) - t / p) * _kept(y_pred)
        return slope * np.expand_dims(d_losses / y_pred.shape[self.axis], self.axis)


class CategoricalCache(NamedTuple):
    """Labels after smoothing, logarithms of the probabilities, the probabilities and their sums (None for logits)."""

    t: np.ndarray
    log_p: np.ndarray
    p: np.ndarray | None
    total: np.ndarray | None


@registry.register("categorical_crossentropy")
class CategoricalCrossentropy(_Crossentropy):
    """``-sum(t * log(p))`` over the classes, for one-hot labels ``t``; probabilities are first divided by their sum.

    With logits ``z``: ``p = softmax(z)``, and the derivative is ``p - t``.

    Args:
        from_logits: whether ``y_pred`` are logits, not probabilities.
        label_smoothing: how much of each label is spread evenly over the classes, from 0 to 1.
        axis: the axis of the classes.
        reduction: see ``Loss``.
        name: see ``Loss``.
        dtype: see ``Loss``.

    >>> round(CategoricalCrossentropy()([[0, 1]], [[0.25, 0.75]]), 6)
    0.287682
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)

    def call(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, CategoricalCache]:
        """Return the cross-entropy of each sample."""
        t = same_shape(y_true, y_pred, "One-hot labels are expected; class numbers go with a sparse cross-entropy.")
        if y_pred.shape[self.axis] == 1:
            warnings.warn(
                f"a categorical cross-entropy of one class is always 0 (y_pred has shape {y_pred.shape}); "
                "two classes on one output go with binary_crossentropy.",
                SyntaxWarning,
                stacklevel=2,
            )
        if self.label_smoothing:
            t = t * (1 - self.label_smoothing) + self.label_smoothing / y_pred.shape[self.axis]
        p = total = None
        if self.from_logits:
            log_p = _log_softmax(y_pred, self.axis)
        else:
            total = y_pred.sum(axis=self.axis, keepdims=True)
            with np.errstate(invalid="ignore", divide="ignore"):
                p = y_pred / total
            log_p = np.log(np.clip(p, EPSILON, 1 - EPSILON))
        return -(t * log_p).sum(axis=self.axis), CategoricalCache(t, log_p, p, total)

    def call_backward(self, d_losses: np.ndarray, cache: CategoricalCache) -> np.ndarray:
        """Return ``p - t`` for logits; ``-t / p`` taken back through the division by the sum for probabilities."""
        t, log_p, p, total = cache
        d_losses = np.expand_dims(d_losses, self.axis)
        if p is None:
            return d_losses * (np.exp(log_p) * t.sum(axis=self.axis, keepdims=True) - t)
        d_p = -d_losses * t / np.clip(p, EPSILON, 1 - EPSILON) * _kept(p)
        return (d_p - (d_p * p).sum(axis=self.axis, keepdims=True)) / total


class SparseCache(NamedTuple):
    """Class numbers and which count, both with an axis for the classes; ``log(p)``; ``y_pred`` (None for logits)."""

    labels: np.ndarray
    valid: np.ndarray | None
    log_p: np.ndarray
    y_pred: np.ndarray | None


@registry.register("sparse_categorical_crossentropy")
class SparseCategoricalCrossentropy(_Crossentropy):
    """``-log(p[label])`` for labels that are class numbers; probabilities are first divided by their sum.

    Args:
        from_logits: whether ``y_pred`` are logits, not probabilities.
        ignore_class: a label whose samples do not count, or None.
        reduction: see ``Loss``.
        axis: the axis of the classes.
        name: see ``Loss``.
        dtype: see ``Loss``.

    >>> round(SparseCategoricalCrossentropy()([1], [[0.25, 0.75]]), 6)
    0.287682
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(from_logits, 0.0, axis, reduction, name, dtype)
        self.ignore_class = ignore_class

    def call(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, SparseCache]:
        """Return the cross-entropy of each label."""
        labels, valid = self._labels(y_true, y_pred)
        if valid is not None:
            y_pred = np.where(valid, y_pred, y_pred.dtype.type(0))
        if self.from_logits:
            cache = SparseCache(labels, valid, _log_softmax(y_pred, self.axis), None)
        else:
            p = np.clip(y_pred, EPSILON, 1 - EPSILON)
            cache = SparseCache(labels, valid, np.log(p) - np.log(p.sum(axis=self.axis, keepdims=True)), y_pred)
        return -cache.log_p[_along(labels, self.axis)].squeeze(self.axis), cache

    def call_backward(self, d_losses: np.ndarray, cache: SparseCache) -> np.ndarray:
        """Return ``p - onehot(label)`` for logits, and that over ``p`` for probabilities."""
        labels, _, log_p, y_pred = cache
        d = np.exp(log_p)
        d[_along(labels, self.axis)] -= 1
        if y_pred is not None:
            d *= _kept(y_pred) / np.clip(y_pred, EPSILON, 1 - EPSILON)
        return d * np.expand_dims(d_losses, self.axis)

    def valid(self, cache: SparseCache) -> np.ndarray | None:
        """Return which labels are not ``ignore_class``; None without one."""
        return None if cache.valid is None else cache.valid.squeeze(self.axis)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments. ``axis``, which Keras reads but does not write, is among them if it is not -1."""
        config = super().get_config()
        del config["label_smoothing"]
        if self.axis == -1:
            del config["axis"]
        return {**config, "ignore_class": self.ignore_class}

    def _labels(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the class numbers with an axis of size 1 for the classes, 0 where they do not count, and which do."""
        labels = np.expand_dims(y_true, self.axis) if y_true.ndim == y_pred.ndim - 1 else y_true
        classes = y_pred.shape[self.axis]
        expected = tuple(1 if a == self.axis % y_pred.ndim else size for a, size in enumerate(y_pred.shape))
        if labels.shape != expected:
            hint = " One-hot labels go with categorical_crossentropy." if y_true.shape == y_pred.shape else ""
            raise ValueError(
                f"class numbers have y_pred's shape {y_pred.shape} without the axis of the {classes} classes; "
                f"got y_true of shape {y_true.shape}.{hint}"
            )
        valid = None
        if self.ignore_class is not None:
            valid = labels != self.ignore_class
            labels = np.where(valid, labels, 0)
        if labels.size and not (labels.min() >= 0 and labels.max() < classes):
            wrong = labels[~((labels >= 0) & (labels < classes))].flat[0]
            raise ValueError(
                f"label {wrong:g} found, but y_pred has {classes} classes: labels are expected from 0 to {classes - 1}."
            )
        numbers = labels.astype(np.intp, copy=False)
        if labels.dtype.kind == "f" and (numbers != labels).any():
            raise ValueError(f"class numbers are whole; got {labels[numbers != labels].flat[0]:g}.")
        return numbers, valid


def _along(labels: np.ndarray, axis: int) -> tuple[np.ndarray, ...]:
    """Return the index of the places that class numbers, with an axis of size 1 for the classes, stand for."""
    places = [np.arange(n).reshape(-1, *[1] * (labels.ndim - 1 - a)) for a, n in enumerate(labels.shape)]
    places[axis] = labels
    return tuple(places)


def _log_softmax(z: np.ndarray, axis: int) -> np.ndarray:
    """Return z - log(sum(exp(z))); the largest z is taken off first, so nothing overflows."""
    z = z - z.max(axis=axis, keepdims=True)
    z -= np.log(np.exp(z).sum(axis=axis, keepdims=True))
    return z


def _kept(p: np.ndarray) -> np.ndarray:
    """Return where the cut at EPSILON and 1 - EPSILON leaves p as it is: the places that get a gradient."""
    return (p >= EPSILON) & (p <= 1 - EPSILON)
