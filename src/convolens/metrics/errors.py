"""Losses as metrics: their weighted means over all batches."""

from __future__ import annotations

import math
from typing import Any

from convolens import losses
from convolens.metrics.base import NamedMean, registry

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "RootMeanSquaredError",
    "SparseCategoricalCrossentropy",
]


@registry.register("mean_squared_error", "mse", "MSE")
class MeanSquaredError(NamedMean):
    """The mean of the squared errors."""

    def __init__(self, name: str | None = "mean_squared_error", dtype: str | None = None) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)


@registry.register("root_mean_squared_error")
class RootMeanSquaredError(NamedMean):
    """The root of the mean of the squared errors of all batches."""

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: str | None = None) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)

    def result(self) -> float:
        """Return the root; 0 before the first batch."""
        return math.sqrt(super().result())


@registry.register("mean_absolute_error", "mae", "MAE")
class MeanAbsoluteError(NamedMean):
    """The mean of the absolute errors."""

    def __init__(self, name: str | None = "mean_absolute_error", dtype: str | None = None) -> None:
        super().__init__(losses.mean_absolute_error, name, dtype)


@registry.register("binary_crossentropy", "bce", "BCE")
class BinaryCrossentropy(NamedMean):
    """The mean of ``losses.BinaryCrossentropy``."""

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        options: dict[str, Any] = {"from_logits": from_logits, "label_smoothing": label_smoothing}
        super().__init__(losses.binary_crossentropy, name, dtype, **options)


@registry.register("categorical_crossentropy")
class CategoricalCrossentropy(NamedMean):
    """The mean of ``losses.CategoricalCrossentropy``."""

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        options: dict[str, Any] = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(losses.categorical_crossentropy, name, dtype, **options)


@registry.register("sparse_categorical_crossentropy")
class SparseCategoricalCrossentropy(NamedMean):
    """The mean of ``losses.SparseCategoricalCrossentropy``."""

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        options: dict[str, Any] = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(losses.sparse_categorical_crossentropy, name, dtype, **options)
