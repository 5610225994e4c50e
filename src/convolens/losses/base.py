"""What a loss is: numbers per sample, sample weights, and a reduction, with the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from convolens import config as settings
from convolens.naming import unique_name
from convolens.registry import Registry

__all__ = ["Loss", "LossCache", "binary_or_sparse", "match_ranks", "registry", "same_shape"]

registry: Registry[Loss] = Registry("loss", "keras.losses")

REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)


class LossCache(NamedTuple):
    """What ``Loss.backward`` needs.

    Attributes:
        inner: the cache of ``Loss.call``.
        d_losses: the derivative of the value by each of the losses.
        shape: the shape of ``y_pred``.
    """

    inner: Any
    d_losses: np.ndarray
    shape: tuple[int, ...]


class Loss:
    """A number that says how far predictions are from the truth, with its gradient.

    A subclass defines ``call`` and ``call_backward``::

        class Cubed(cl.losses.Loss):
            def call(self, y_true, y_pred):
                error = y_pred - y_true
                return (abs(error) ** 3).mean(-1), error

            def call_backward(self, d_losses, cache):
                return d_losses[..., None] * 3 * cache * abs(cache) / cache.shape[-1]

    The losses ``l`` of a batch become one value by the reduction, where ``w`` are the sample weights (1 if none):

    - ``"sum_over_batch_size"``, ``"mean"``: ``sum(w * l) / count(l)``, whatever the weights add up to
    - ``"mean_with_sample_weight"``: ``sum(w * l) / sum(w)``
    - ``"sum"``: ``sum(w * l)``
    - ``"none"``, None: ``w * l``, an array; ``backward`` then gives the gradient of its sum

    Args:
        name: what to call it; made from the class's name if None.
        reduction: one of the above.
        dtype: the type to compute in; that of ``y_pred`` if None.

    Raises:
        ValueError: for an unknown reduction.
    """

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: str | None = None
    ) -> None:
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction is one of {', '.join(map(repr, REDUCTIONS))}; got {reduction!r}.")
        self.name = name or unique_name(type(self).__name__)
        self.reduction = reduction
        self.dtype = dtype

    def call(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return one loss per sample (or per place of it), and what ``call_backward`` needs."""
        raise NotImplementedError

    def call_backward(self, d_losses: np.ndarray, cache: Any) -> np.ndarray:
        """Return the gradient with respect to ``y_pred``, given the one with respect to the losses."""
        raise NotImplementedError

    def valid(self, cache: Any) -> np.ndarray | None:
        """Return which of the losses count, as booleans of their shape, from the cache of ``call``; None if all do."""
        return None

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the value: a float, or an array without reduction."""
        return self.forward(y_true, y_pred, sample_weight)[0]

    def forward(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Any, LossCache]:
        """Return the value and what ``backward`` needs.

        Args:
            y_true: the truth, of ``y_pred``'s shape but for a last axis of size 1; class numbers lack the class axis.
            y_pred: the predictions, ``(n, ...)``.
            sample_weight: one weight per sample, ``(n,)``, or per loss.

        Raises:
            ValueError: if the shapes do not go together, or for a label that is no class.
        """
        y_pred = np.asarray(y_pred)
        shape = y_pred.shape
        dtype = self.dtype or (y_pred.dtype if y_pred.dtype.kind == "f" else settings.floatx())
        y_true, y_pred = match_ranks(np.asarray(y_true), y_pred.astype(dtype, copy=False))
        losses, inner = self.call(y_true, y_pred)
        valid = self.valid(inner)
        weights = None if sample_weight is None else fit_weights(sample_weight, losses)
        if valid is not None:
            weights = valid.astype(losses.dtype) if weights is None else weights * valid
        return self._reduce(losses, weights, valid, inner, shape)

    def backward(self, cache: LossCache) -> np.ndarray:
        """Return the gradient of the value with respect to ``y_pred``, of its shape."""
        return self.call_backward(cache.d_losses, cache.inner).reshape(cache.shape)

    def _reduce(
        self, losses: np.ndarray, weights: np.ndarray | None, valid: np.ndarray | None, inner: Any, shape: Any
    ) -> tuple[Any, LossCache]:
        weighted = losses if weights is None else losses * weights
        if self.reduction in ("none", None):
            value, divisor = weighted, 1.0
        else:
            if self.reduction == "sum":
                divisor = 1.0
            elif self.reduction == "mean_with_sample_weight" and weights is not None:
                divisor = float(weights.sum())
            else:
                divisor = float(losses.size if valid is None else np.count_nonzero(valid))
            value = float(weighted.sum()) / divisor if divisor else 0.0
        slope = 1.0 / divisor if divisor else 0.0
        d_losses = np.full(losses.shape, slope, losses.dtype)
        if weights is not None:
            d_losses *= weights
        return value, LossCache(inner, d_losses, shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments to build it again."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Loss:
        """Build it from what ``get_config`` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def match_ranks(y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring two arrays to the same rank where one has a last axis of size 1 more, as ``(n, 1)`` beside ``(n,)``."""
    if y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
        return (y_true, y_pred[:, None]) if y_pred.ndim == 1 else (y_true[..., 0], y_pred)
    if y_pred.ndim == y_true.ndim + 1 and y_pred.shape[-1] == 1:
        return (y_true[:, None], y_pred) if y_true.ndim == 1 else (y_true, y_pred[..., 0])
    return y_true, y_pred


def same_shape(y_true: np.ndarray, y_pred: np.ndarray, hint: str = "") -> np.ndarray:
    """Return ``y_true`` in the type of ``y_pred``; a ``ValueError`` with the hint if their shapes differ."""
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"y_true has shape {y_true.shape} and y_pred {y_pred.shape}: they must be the same. {hint}".rstrip()
        )
    return y_true.astype(y_pred.dtype, copy=False)


def fit_weights(sample_weight: Any, losses: np.ndarray) -> np.ndarray:
    """Return the weights in the losses' type and rank: the weights' first axis meets the losses' first axis."""
    weights = np.asarray(sample_weight, losses.dtype)
    if weights.ndim == losses.ndim + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    leading = losses.shape[: weights.ndim]
    if weights.ndim > losses.ndim or any(a not in (1, b) for a, b in zip(weights.shape, leading, strict=True)):
        raise ValueError(
            f"sample_weight has shape {np.shape(sample_weight)} where there are losses of shape {losses.shape}: "
            f"give one weight per sample, shape {losses.shape[:1]}."
        )
    return weights.reshape(weights.shape + (1,) * (losses.ndim - weights.ndim))


def binary_or_sparse(y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]) -> str:
    """Return which accuracy or cross-entropy is meant: ``"binary"``, ``"sparse_categorical"`` or ``"categorical"``."""
    if y_pred_shape[-1] == 1:
        return "binary"
    sparse = len(y_true_shape) < len(y_pred_shape) or y_true_shape[-1] == 1
    return "sparse_categorical" if sparse else "categorical"
