"""What training makes small: the losses of a model's outputs, weighted and added, and the regularisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from convolens import losses
from convolens.graph import Graph
from convolens.plan import Plan, Record
from convolens.variable import Variable

__all__ = ["Objective"]


class Objective:
    """The loss of a model and its gradient by the model's outputs.

    Where an output's last activation matches its loss (softmax or sigmoid with its cross-entropy), the loss is
    computed from ``z`` in log-softmax form, as Keras on TensorFlow does; ``losses.fused`` decides.

    Args:
        graph: the network.
        per_output: a loss, or None, for every output.
        weights: what each loss counts.
    """

    def __init__(self, graph: Graph, per_output: Sequence[losses.Loss | None], weights: Sequence[float]) -> None:
        self.losses = list(per_output)
        self.weights = list(weights)
        lasts = [getattr(symbol.node.layer, "activation", None) for symbol in graph.outputs]
        self.fused = [
            None if loss is None or last is None else losses.fused(loss, last)
            for loss, last in zip(self.losses, lasts, strict=True)
        ]

    def __call__(
        self,
        plan: Plan,
        record: Record,
        targets: Sequence[Any],
        sample_weights: Sequence[Any] | None = None,
        gradients: bool = True,
    ) -> tuple[float, list[float | None], dict[int, np.ndarray]]:
        """Return the weighted sum, every output's own loss, and the gradients to begin backward with, by place."""
        total = 0.0
        per_output: list[float | None] = []
        d_values: dict[int, np.ndarray] = {}
        for number, loss in enumerate(self.losses):
            if loss is None:
                per_output.append(None)
                continue
            fused, z = self.fused[number], plan.preactivations[number]
            slot = z if fused is not None and z is not None else plan.outputs[number]
            work = fused if fused is not None and z is not None else loss
            sample_weight = sample_weights[number] if sample_weights is not None else None
            value, cache = work.forward(targets[number], record.values[slot], sample_weight)
            per_output.append(float(value))
            total += self.weights[number] * float(value)
            if gradients:
                d_value = work.backward(cache)
                if self.weights[number] != 1:
                    d_value = d_value * np.asarray(self.weights[number], d_value.dtype)
                d_values[slot] = d_values[slot] + d_value if slot in d_values else d_value
        return total, per_output, d_values

    @staticmethod
    def regularization(variables: Sequence[Variable]) -> float:
        """Return what the regularisers of these variables add to the loss."""
        return float(sum(one.regularizer(one.value) for one in variables if one.regularizer is not None))
