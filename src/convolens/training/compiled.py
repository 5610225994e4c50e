"""What ``compile`` makes of its arguments: a loss per output, and metrics per output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convolens import losses, metrics

__all__ = ["MetricSet", "loss_per_output", "weight_per_output"]


def _per_output(value: Any, names: Sequence[str], what: str) -> list[Any]:
    """Spread one value, a list, or a dictionary by output name over the outputs."""
    if isinstance(value, Mapping) and "class_name" not in value:
        unknown = [name for name in value if name not in names]
        if unknown:
            raise ValueError(f"{what} has a key {unknown[0]!r}; the model's outputs are {list(names)}.")
        return [value.get(name) for name in names]
    if isinstance(value, list | tuple):
        if len(value) != len(names):
            raise ValueError(f"{what} has {len(value)} entries for {len(names)} outputs: {list(names)}.")
        return list(value)
    return [value] * len(names)


def loss_per_output(loss: Any, names: Sequence[str]) -> list[losses.Loss | None]:
    """Return the loss object (or None) of every output."""
    return [losses.get(one) for one in _per_output(loss, names, "loss")]


def weight_per_output(loss_weights: Any, names: Sequence[str]) -> list[float]:
    """Return what every output's loss counts; 1 where nothing is said."""
    given = _per_output(loss_weights, names, "loss_weights")
    for weight in given:
        if weight is not None and not isinstance(weight, int | float | np.number):
            raise ValueError(f"loss_weights are numbers; got {weight!r}. (Metrics go by name: metrics=[...].)")
    return [1.0 if weight is None else float(weight) for weight in given]


class MetricSet:
    """The metrics of a compiled model: the loss's means and what the user asked for.

    Every mean runs over the samples seen since ``reset``, so that a smaller last batch counts less.

    Args:
        asked: ``metrics`` as given to ``compile``.
        weighted: ``weighted_metrics`` as given to ``compile``; these see the sample weights.
        names: the model's output names.
        with_losses: which outputs have a loss.
    """

    def __init__(self, asked: Any, weighted: Any, names: Sequence[str], with_losses: Sequence[bool]) -> None:
        self.asked, self.weighted, self.names = asked, weighted, list(names)
        for identifier in [one for spread in (asked, weighted) for ours in self._spread(spread) for one in ours]:
            if isinstance(identifier, str):
                metrics.resolve(identifier, (1, 1), (1, 1))  # an unknown name is said now, not at the first batch
        several_losses = len(names) > 1 and sum(with_losses) > 1
        self._loss_names = [
            f"{name}_loss" if several_losses and has else None for name, has in zip(names, with_losses, strict=True)
        ]
        self._sums = np.zeros(1 + len(names))
        self._samples = 0
        self._found: list[tuple[str, int, bool, metrics.Metric]] | None = None

    def reset(self) -> None:
        """Begin all means anew."""
        self._sums[:] = 0
        self._samples = 0
        for *_, metric in self._found or ():
            metric.reset_state()

    def update(
        self,
        total: float,
        per_output: Sequence[float | None],
        targets: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
        sample_weights: Sequence[Any] | None,
    ) -> None:
        """Take in one batch."""
        size = len(outputs[0])
        self._samples += size
        self._sums[0] += total * size
        if len(per_output) > 1:
            self._sums[1:] += [0.0 if loss is None else loss * size for loss in per_output]
        if self._found is None:
            self._found = self._resolve(targets, outputs)
        for _, number, is_weighted, metric in self._found:
            if is_weighted and sample_weights is not None:
                metric.update_state(targets[number], outputs[number], sample_weights[number])
            else:
                metric.update_state(targets[number], outputs[number])

    def result(self) -> dict[str, float]:
        """Return all means by name: the loss, then the metrics in the order asked for."""
        samples = max(self._samples, 1)
        logs: dict[str, float] = {"loss": float(self._sums[0] / samples)}
        for number, name in enumerate(self._loss_names, start=1):
            if name is not None:
                logs[name] = float(self._sums[number] / samples)
        for name, _, _, metric in self._found or ():
            value = metric.result()
            logs[name] = float(value) if np.ndim(value) == 0 else value
        return logs

    @property
    def metric_names(self) -> list[str]:
        """The names of the user's metrics, known once a batch was seen."""
        return [name for name, *_ in self._found or ()]

    def _resolve(
        self, targets: Sequence[np.ndarray], outputs: Sequence[np.ndarray]
    ) -> list[tuple[str, int, bool, metrics.Metric]]:
        found: list[tuple[str, int, bool, metrics.Metric]] = []
        taken: dict[str, int] = {}
        for asked, is_weighted in ((self.asked, False), (self.weighted, True)):
            for number, ours in enumerate(self._spread(asked)):
                for identifier in ours:
                    metric = metrics.resolve(identifier, targets[number].shape, outputs[number].shape)
                    name = metric.name if len(self.names) == 1 else f"{self.names[number]}_{metric.name}"
                    if name in taken and is_weighted:
                        name = f"weighted_{name}"
                    count = taken[name] = taken.get(name, 0) + 1
                    found.append((name if count == 1 else f"{name}_{count - 1}", number, is_weighted, metric))
        return found

    def _spread(self, asked: Any) -> list[list[Any]]:
        if not asked:
            return [[] for _ in self.names]
        if len(self.names) == 1 and not isinstance(asked, Mapping):
            return [_flat(asked)]
        return [_flat(one) for one in _per_output(asked, self.names, "metrics")]


def _flat(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [one for part in value for one in _flat(part)]
    return [value]
