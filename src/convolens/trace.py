"""The record of every number of one pass: outputs, gradients and caches of every call, kept and read-only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from convolens.graph import Graph, Randomness
from convolens.layers.base import ActivatedCache, ActivatedLayer, Layer
from convolens.symbol import Node
from convolens.variable import Variable

__all__ = ["Step", "Trace"]


@dataclass
class Step:
    """One call of a layer in a traced pass. All arrays are channels-last and read-only.

    Attributes:
        layer: the layer called.
        node: the call in the graph.
        inputs: the arrays it was called on.
        output: what it gave.
        z: the output before the layer's own activation; the output itself if it has none.
        cache: what its backward needs.
        parameters: copies of its parameters by name.
        d_output: the gradient of the loss by the output, or None without ``y`` and ``d_output``.
        d_z: the gradient by ``z``.
        gradients: the gradient by every parameter. For a layer called once it includes its regularisers'.
    """

    layer: Layer
    node: Node
    inputs: tuple[np.ndarray, ...]
    output: Any
    z: Any
    cache: Any
    parameters: dict[str, np.ndarray]
    d_output: Any = None
    d_z: Any = None
    gradients: dict[str, np.ndarray] | None = None

    @property
    def d_inputs(self) -> tuple[Any, ...] | None:
        """What this call sends back to each of its inputs; at a fork the senders add up."""
        if self.d_output is None or not self.inputs:
            return None
        if isinstance(self.cache, ActivatedCache) and isinstance(self.layer, ActivatedLayer):
            d_inputs, _ = self.layer.preactivation_backward(self.d_z, self.cache.inner)
        else:
            d_inputs, _ = self.layer.backward(self.d_output, self.cache)
        return tuple(d_inputs) if isinstance(d_inputs, tuple | list) else (d_inputs,)


class Trace:
    """Every number of one pass through a model, in the order it was made.

    ``trace["conv2d"]`` is the ``Step`` of that layer's call; a layer called more than once has ``trace["conv2d", 0]``,
    ``trace["conv2d", 1]``, ... and the sums of its gradients in ``trace.gradients["conv2d"]``. Iterating gives the
    steps in order.

    Attributes:
        steps: all calls, the inputs first.
        outputs: the model's outputs.
        y: the targets, or None.
        loss: what ``evaluate`` reports for this data, or None without ``y``.
        data_loss: the loss without what regularisers add.
        gradients: the gradient of ``loss`` by every parameter, by layer name and parameter name.
        d_inputs: the gradient by every input of the model.
        training: whether layers behaved as in training.
        seed: what random layers drew from.
    """

    def __init__(self, steps: list[Step], outputs: list[Any], training: bool, seed: int) -> None:
        self.steps = steps
        self.outputs = outputs
        self.training = training
        self.seed = seed
        self.y: list[np.ndarray] | None = None
        self.loss: float | None = None
        self.data_loss: float | None = None
        self.d_inputs: list[np.ndarray] | None = None
        self.gradients: dict[str, dict[str, np.ndarray]] | None = None

    @property
    def output(self) -> Any:
        """The model's output; the first of several."""
        return self.outputs[0]

    @property
    def d_input(self) -> np.ndarray | None:
        """The gradient by the model's input; of the first of several."""
        return self.d_inputs[0] if self.d_inputs else None

    def calls(self, name: str) -> list[Step]:
        """Return all calls of the layer of that name."""
        return [step for step in self.steps if step.layer.name == name]

    def __getitem__(self, key: str | tuple[str, int]) -> Step:
        name, index = key if isinstance(key, tuple) else (key, None)
        calls = self.calls(name)
        if not calls:
            raise KeyError(f"no layer {name!r} in this trace; it has {list(dict.fromkeys(self.layer_names))}.")
        if index is None and len(calls) > 1:
            raise KeyError(f"layer {name!r} is called {len(calls)} times: ask for trace[{name!r}, i].")
        if index is not None and not -len(calls) <= index < len(calls):
            raise KeyError(f"layer {name!r} is called {len(calls)} times; there is no call {index}.")
        return calls[index or 0]

    @property
    def layer_names(self) -> list[str]:
        """The name of every call's layer, in order."""
        return [step.layer.name for step in self.steps]

    def __contains__(self, name: object) -> bool:
        return name in self.layer_names

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        loss = "" if self.loss is None else f", loss={self.loss:.6g}"
        return f"<Trace of {len(self.steps)} calls{loss}>"

    @classmethod
    def of_pass(
        cls,
        model: Any,
        xs: list[np.ndarray],
        ys: list[np.ndarray] | None,
        d_outputs: list[np.ndarray] | None,
        *,
        training: bool,
        randomness: Randomness,
    ) -> Trace:
        """Run a model's graph once, unfused and in fresh memory, and keep everything.

        Args:
            model: what has ``graph``, ``objective`` and ``plan_for``.
            xs: the inputs.
            ys: the targets, to go back from the loss.
            d_outputs: gradients by the outputs, to go back from them instead.
            training: whether layers behave as in training.
            randomness: where random layers draw from.
        """
        graph: Graph = model.graph
        inputs = [np.array(x) for x in xs]
        with _copied_parameters(graph.layers) as parameters:
            plan = model.plan_for(
                [x.shape for x in inputs], training=training, gradients="all", fused=False, with_loss=True
            )
            record = plan.forward(inputs, randomness, keep=True)
            values: list[Any] = record.values
            d_values: dict[int, Any] = {}
            collected: dict[int, dict[str, np.ndarray]] = {}
            losses = None
            if ys is not None:
                objective = model.objective
                losses = objective(plan, record, ys)
                d_values = dict(losses[2])
            elif d_outputs is not None:
                for slot, d_output in zip(plan.outputs, d_outputs, strict=True):
                    d_values[slot] = d_values[slot] + d_output if slot in d_values else d_output
            if d_values:
                plan.backward(record, d_values, lambda n, g: collected.__setitem__(n, dict(g)), keep=True)
            if ys is not None:
                _fill_fused(objective, plan, values, ys, d_values)

        caches: dict[int, list[Any]] = {}
        gradients: dict[int, dict[str, np.ndarray]] = {}
        for number, step in enumerate(plan.steps):
            caches.setdefault(step.node, []).append(record.caches[number])
            gradients.setdefault(step.node, {}).update(collected.get(number, {}))
        went_back = bool(d_values)
        steps = [
            _input_step(symbol.node, values[slot], d_values.get(slot))
            for symbol, slot in zip(graph.inputs, plan.inputs, strict=True)
        ]
        slot_of = {id(symbol): slot for symbol, slot in zip(graph.inputs, plan.inputs, strict=True)}
        for number, node in enumerate(graph.nodes):
            z, outputs = plan.places[number]
            slot_of.update({id(symbol): slot for symbol, slot in zip(node.outputs, outputs, strict=True)})
            output, d_output = _read_only(values, outputs), _read_only(d_values, outputs)
            parts = caches[number]
            steps.append(
                Step(
                    layer=node.layer,
                    node=node,
                    inputs=tuple(_frozen(values[slot_of[id(symbol)]]) for symbol in node.inputs),
                    output=output,
                    z=output if z is None else _frozen(values[z]),
                    cache=parts[0] if len(parts) == 1 else ActivatedCache(*parts),
                    parameters={name: _frozen(parameters[id(v)]) for name, v in node.layer.parameters.items()},
                    d_output=d_output,
                    d_z=d_output if z is None else _frozen(d_values.get(z)),
                    gradients={k: _frozen(g) for k, g in gradients[number].items()} if went_back else None,
                )
            )
        trace = cls(steps, [_frozen(values[slot]) for slot in plan.outputs], training, randomness.seed)
        if losses is not None:
            trace.y = ys
            trace.data_loss = losses[0]
            trace.loss = losses[0] + objective.regularization(model.trainable_weights)
        if went_back:
            trace.d_inputs = [_frozen(d_values.get(slot)) for slot in plan.inputs]
            trace.gradients = _summed(steps, model.trainable_weights if ys is not None else [])
        return trace


def _input_step(node: Node, value: np.ndarray, d_value: Any) -> Step:
    frozen, d_frozen = _frozen(value), _frozen(d_value)
    return Step(node.layer, node, (), frozen, frozen, None, {}, d_frozen, d_frozen, {} if d_value is not None else None)


def _fill_fused(objective: Any, plan: Any, values: list[Any], ys: list[np.ndarray], d_values: dict[int, Any]) -> None:
    """Give outputs whose loss was computed from ``z`` the gradient of the loss on the output itself, to be shown."""
    for number, (loss, fused) in enumerate(zip(objective.losses, objective.fused, strict=True)):
        if loss is None or fused is None or plan.preactivations[number] is None:
            continue
        slot = plan.outputs[number]
        _, cache = loss.forward(ys[number], values[slot], None)
        d_output = loss.backward(cache)
        d_output = d_output * np.asarray(objective.weights[number], d_output.dtype)
        d_values[slot] = d_values[slot] + d_output if d_values.get(slot) is not None else d_output


def _summed(steps: list[Step], regularized: list[Variable]) -> dict[str, dict[str, np.ndarray]]:
    """Add up the gradients of each layer's calls, and what its regularisers add."""
    sums: dict[str, dict[str, np.ndarray]] = {}
    moved = {id(variable) for variable in regularized}
    for step in steps:
        into = sums.setdefault(step.layer.name, {})
        for key, gradient in (step.gradients or {}).items():
            into[key] = into[key] + gradient if key in into else gradient
    calls = [step.layer.name for step in steps]
    for step in steps:
        into = sums[step.layer.name]
        for key, variable in step.layer.parameters.items():
            if variable.regularizer is None or id(variable) not in moved or key not in into:
                continue
            moved.discard(id(variable))
            into[key] = into[key] + variable.regularizer.gradient(step.parameters[key])
            if calls.count(step.layer.name) == 1 and step.gradients is not None:
                step.gradients[key] = _frozen(into[key])
    return {name: {key: _frozen(total) for key, total in own.items()} for name, own in sums.items()}


def _frozen(array: Any) -> Any:
    if not isinstance(array, np.ndarray):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def _read_only(values: Any, slots: tuple[int, ...]) -> Any:
    found = [_frozen(values.get(slot) if isinstance(values, dict) else values[slot]) for slot in slots]
    return found[0] if len(found) == 1 else tuple(found)


@contextlib.contextmanager
def _copied_parameters(layers: list[Layer]) -> Iterator[dict[int, np.ndarray]]:
    """Let the layers work on copies of their variables, so that later training does not change what caches hold."""
    variables = {id(variable): variable for layer in layers for variable in layer.weights}
    before = {key: variable.value for key, variable in variables.items()}
    copies = {key: value.copy() for key, value in before.items()}
    for key, variable in variables.items():
        variable.value = copies[key]
    try:
        yield copies
    finally:
        for key, variable in variables.items():
            variable.value = before[key]
