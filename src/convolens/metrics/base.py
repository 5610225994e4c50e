"""What a metric is, and the mean that most metrics are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from convolens import config as settings
from convolens import losses
from convolens.losses.base import match_ranks
from convolens.naming import unique_name
from convolens.registry import Registry

__all__ = ["Mean", "MeanMetricWrapper", "Metric", "RunningMean", "registry"]

registry: Registry[Metric] = Registry("metric", "keras.metrics")


class Metric:
    """A number gathered over batches.

    A subclass defines ``reset_state``, ``update_state(y_true, y_pred, sample_weight=None)`` and ``result``. Sums are
    kept in float64 whatever the ``dtype``, which is that of the comparisons.

    Args:
        dtype: the type of the computations; ``config.floatx()`` if None.
        name: what to call it; made from the class's name if None.
    """

    def __init__(self, dtype: str | None = None, name: str | None = None) -> None:
        self.name = name or unique_name(type(self).__name__)
        self.dtype = dtype or settings.floatx()
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all batches."""
        raise NotImplementedError

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take in one batch."""
        raise NotImplementedError

    def result(self) -> Any:
        """Return the metric of the batches so far: a float, or an array for a metric of several numbers."""
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take in one batch and return the metric of the batches so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """Return the arguments to build it again."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Metric:
        """Build it from what ``get_config`` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


class RunningMean(Metric):
    """Base of the means: the sum of values and the number of samples, so that a small batch weighs less."""

    def reset_state(self) -> None:
        """Forget all batches."""
        self.total = 0.0
        self.count = 0.0

    def add(self, values: Any, sample_weight: Any = None) -> None:
        """Take in values, ``(n, ...)``: each sample's mean counts once, or as often as its weight says.

        Raises:
            ValueError: if the weights' shape does not go with the values'.
        """
        values = np.asarray(values)
        if sample_weight is not None:
            values, weights = match_ranks(values, np.asarray(sample_weight, self.dtype))
            if values.ndim > weights.ndim:
                values = values.mean(axis=tuple(range(weights.ndim, values.ndim)))
            try:
                weights = np.broadcast_to(weights, values.shape)
            except ValueError:
                raise ValueError(
                    f"{self.name}: sample_weight has shape {np.shape(sample_weight)} where there are values of shape "
                    f"{values.shape}: give one weight per sample, shape {values.shape[:1]}."
                ) from None
            values = values * weights
        samples = len(values) if values.ndim else 1
        if not values.size:
            return
        places = values.size // samples
        hits = np.count_nonzero(values) if values.dtype.kind == "b" else values.sum(dtype=np.float64)
        self.total += float(hits) / places
        self.count += samples if sample_weight is None else float(weights.sum(dtype=np.float64)) / places

    def result(self) -> float:
        """Return the mean; 0 before the first batch."""
        return self.total / self.count if self.count else 0.0


@registry.register("mean")
class Mean(RunningMean):
    """The weighted mean of values.

    >>> mean = Mean()
    >>> mean.update_state([1.0, 3.0])
    >>> mean.update_state([8.0])
    >>> mean.result()
    4.0
    """

    def __init__(self, name: str | None = "mean", dtype: str | None = None) -> None:
        super().__init__(dtype, name)

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take in values, ``(n, ...)``, and one weight per sample."""
        self.add(values, sample_weight)


@registry.register("mean_metric_wrapper")
class MeanMetricWrapper(RunningMean):
    """The weighted mean of a function of truth and predictions.

    Args:
        fn: a function ``fn(y_true, y_pred, **kwargs)`` that returns one number per sample, or one for the batch.
        name: see ``Metric``.
        dtype: see ``Metric``.
        **kwargs: further arguments of ``fn``.
    """

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(dtype, name)
        self._fn = fn
        self._fn_kwargs = kwargs

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in one batch."""
        self.add(self._fn(y_true, y_pred, **self._fn_kwargs), sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, the function by its name."""
        fn = {
            "module": "builtins",
            "class_name": "function",
            "config": getattr(self._fn, "__name__", type(self._fn).__name__),
            "registered_name": "function",
        }
        return {**super().get_config(), "fn": fn, **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> MeanMetricWrapper:
        """Build it from what ``get_config`` returned; the function must be one of this library's."""
        fn = config.get("fn")
        name = fn.get("config") if isinstance(fn, Mapping) else fn
        if name not in FUNCTIONS:
            raise ValueError(f"unknown metric function {name!r}; known: {', '.join(sorted(FUNCTIONS))}.")
        return cls(**{**config, "fn": FUNCTIONS[name]})


class NamedMean(MeanMetricWrapper):
    """Base of the means whose class fixes the function: the configuration holds the other arguments only."""

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**Metric.get_config(self), **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NamedMean:
        """Build it from what ``get_config`` returned."""
        return cls(**config)


# The functions a configuration may name; metrics of accuracy add theirs.
FUNCTIONS: dict[str, Callable[..., Any]] = {function.__name__: function for function in losses.FUNCTIONS}
