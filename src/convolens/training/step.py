"""What one batch does: forward, loss, backward, optimiser, moving averages, metrics."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from convolens.graph import Randomness
from convolens.plan import Plan
from convolens.trace import Trace
from convolens.training.batches import Batch

__all__ = ["test_step", "train_step"]


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # a loss that is not finite is reported once
def train_step(model: Any, batch: Batch, randomness: Randomness, check_finite: bool = True) -> None:
    """Move a model's weights once.

    Raises:
        FloatingPointError: if the loss is NaN or infinite and ``check_finite``; the weights are then as before.
    """
    if batch.y is None:
        raise ValueError("training needs targets: pass y.")
    variables, optimizer = model.trainable_weights, model.optimizer
    if not optimizer.built:
        optimizer.build(variables)
    xs = model.cast_inputs(batch.x)
    plan = model.plan_for([x.shape for x in xs], training=True, gradients="parameters")
    record = plan.forward(xs, randomness)
    total, per_output, d_values = model.objective(plan, record, batch.y, batch.sample_weight)
    total += model.objective.regularization(variables)
    if check_finite and not math.isfinite(total):
        raise FloatingPointError(_where_not_finite(model, xs, total, randomness))
    outputs = plan.outputs_of(record)
    plan.update_state(record)
    sink = _Sink(plan, optimizer, variables)
    plan.backward(record, d_values, sink)
    sink.finish()
    model.metric_set.update(total, per_output, batch.y, outputs, batch.sample_weight)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def test_step(model: Any, batch: Batch) -> None:
    """Take a batch into a model's loss and metrics, without training."""
    if batch.y is None:
        raise ValueError("evaluation needs targets: pass y.")
    xs = model.cast_inputs(batch.x)
    plan = model.plan_for([x.shape for x in xs], training=False, gradients="none")
    record = plan.forward(xs)
    total, per_output, _ = model.objective(plan, record, batch.y, batch.sample_weight, gradients=False)
    total += model.objective.regularization(model.trainable_weights)
    model.metric_set.update(total, per_output, batch.y, plan.outputs_of(record), batch.sample_weight)


def _where_not_finite(model: Any, xs: list[np.ndarray], loss: float, randomness: Randomness) -> str:
    """Run the batch again, kept, and name the first layer whose output is not finite."""
    progress = model.progress
    where = f"the loss became {loss} in epoch {progress.epoch + 1}, batch {progress.batch + 1}"
    with np.errstate(all="ignore"):
        trace = Trace.of_pass(model, xs, None, None, training=True, randomness=randomness)
    for step in trace:
        for value in (step.z, step.output):
            if value is not None and not np.isfinite(value).all():
                fed = any(not np.isfinite(one).all() for one in step.inputs) or not step.inputs
                hint = "the input holds NaN or infinity" if fed else "lower the learning rate, or clip gradients"
                return f"{where}; first seen in the output of layer {step.layer.name!r}. Mend: {hint}."
    return f"{where}; all layers' outputs are finite, so it arose in the loss. Mend: check y, or the learning rate."


class _Sink:
    """Takes the gradients of one backward pass to the optimiser's vector, adding those of shared layers."""

    def __init__(self, plan: Plan, optimizer: Any, variables: list[Any]) -> None:
        self.steps = plan.steps
        self.optimizer = optimizer
        self.variables = variables
        self.views = optimizer.gradient_view_of
        self.written: set[int] = set()
        uses = Counter(id(variable) for step in plan.steps for variable in step.parameters.values())
        for step in plan.steps:
            if step.kind == "native":
                step.destinations.update(
                    (key, self.views[id(variable)])
                    for key, variable in step.parameters.items()
                    if uses[id(variable)] == 1 and id(variable) in self.views
                )

    def __call__(self, number: int, gradients: Mapping[str, np.ndarray]) -> None:
        parameters = self.steps[number].parameters
        for key, gradient in gradients.items():
            variable = id(parameters[key])
            view = self.views.get(variable)
            if view is None:
                continue
            if variable in self.written:
                view += gradient
            else:
                if gradient is not view:
                    view[...] = gradient
                self.written.add(variable)

    def finish(self) -> None:
        """Add the regularisers' gradients and move the weights."""
        for variable in self.variables:
            view = self.views.get(id(variable))
            if variable.regularizer is not None and view is not None:
                if id(variable) not in self.written:
                    view[...] = 0
                    self.written.add(id(variable))
                view += variable.regularizer.gradient(variable.value)
        moved = [variable for variable in self.variables if id(variable) in self.written]
        if len(moved) == len(self.views):
            self.optimizer.step()
        else:
            self.optimizer.apply([self.views[id(variable)] for variable in moved], moved)
