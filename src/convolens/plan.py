"""What runs: the steps of a network for one backend, one batch shape and one mode.

A step is *plain* (a layer as written, on channels-last arrays) or *native* (one operation or a fused chain of them, on
the backend's own array layout). A backend that has native steps defines three functions::

    native_step(chain, shape, *, layout, training, gradients, need_dx, dtype) -> NativeStep | None
    enter_step(shape, *, dtype) -> step     # channels-last array -> native array, and its gradient back
    leave_step(shape, *, dtype) -> step     # native array -> fresh channels-last array, and its gradient back

``chain`` is the longest run of operations that feed only each other, ``shape`` the channels-last shape ``(n, h, w, c)``
of its input, ``layout`` (``"plain"`` or ``"native"``) what that input is at hand in, and ``gradients`` whether
``backward`` may be called. The backend answers with a step for the first ``step.count`` of them, or None if the first
has to run as written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from convolens.graph import Graph, Randomness, Step, run_backward, run_forward
from convolens.kernels.operations import Operation
from convolens.layers.base import ActivatedLayer, Layer
from convolens.variable import Variable

__all__ = ["NativeStep", "Plan", "Record"]


class NativeStep(Protocol):
    """What a backend gives the plan.

    Attributes:
        count: how many operations of the chain it does.
        name: what it does, in words: ``"conv2d + relu + max_pool2d"``.
        input_layout, output_layout: ``"plain"`` or ``"native"``.
        takes_rows: whether the input may be ``Rows``, not collected yet.
        parameters: the variables it has gradients of, by the keys that ``backward`` uses.
        destinations: where the trainer wants a gradient written, by the same keys; ``backward`` may write there and
            return that very array, or return another.
    """

    count: int
    name: str
    input_layout: str
    output_layout: str
    takes_rows: bool
    parameters: Mapping[str, Variable]
    destinations: dict[str, np.ndarray]

    def forward(self, x: Any, *, training: bool, rng: Any) -> tuple[Any, Any]:
        """Return the output and the cache; both may lie in buffers that the next call overwrites."""

    def backward(self, d_output: Any, cache: Any, need_dx: bool = True) -> tuple[Any, dict[str, np.ndarray]]:
        """Return the gradient by the input and those by parameter."""

    def update_state(self, cache: Any) -> None:
        """Move moving averages; called between forward and backward of a train step."""


@dataclass
class Record:
    """What one pass left: the values (those still needed) and every step's cache."""

    values: list[Any]
    caches: list[Any]


@dataclass
class _Action:
    """One call, or the part of it before or after ``z``, before it is known who runs it."""

    node: int
    layer: Layer
    part: str  # "layer", "preactivation" or "activation"
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_shapes: list[tuple[int, ...]]
    operation: Operation | None
    need_dx: bool


class Plan:
    """The steps that run a graph.

    Args:
        graph: the network.
        input_shapes: the channels-last shape of every input, batch size included.
        backend: the kernels' module; only plain steps if it has no native ones or ``fused`` is False.
        training: whether layers behave as in training.
        gradients: ``"none"``, ``"parameters"`` (of those that training moves) or ``"all"`` (also of the inputs).
        fused: whether native steps are wanted.
        with_loss: whether ``z`` before the last activation must be at hand, for a loss that works on it.

    Attributes:
        steps: what runs, in order.
        outputs: the places of the network's outputs.
        preactivations: for every output, the place of ``z`` before its last activation, or None.
        places: for every call of the graph, the places of ``z`` (or None) and of its outputs.
    """

    def __init__(
        self,
        graph: Graph,
        input_shapes: Sequence[tuple[int, ...]],
        *,
        backend: ModuleType,
        training: bool,
        gradients: str = "none",
        fused: bool = True,
        with_loss: bool = True,
    ) -> None:
        self.graph = graph
        self.training = training
        self.gradients = gradients
        self._backend = backend if fused and hasattr(backend, "native_step") else None
        self._dtype = graph.outputs[0].dtype
        self._slots: list[tuple[int, ...]] = []  # the shape of each place's value
        self._slot_of: dict[int, int] = {}
        self.inputs = tuple(self._new_slot(shape) for shape in input_shapes)
        self._slot_of.update({id(symbol): slot for symbol, slot in zip(graph.inputs, self.inputs, strict=True)})
        self._wanted = dict.fromkeys(self.inputs, gradients == "all")
        self.places: list[tuple[int | None, tuple[int, ...]]] = []
        actions = [action for number in range(len(graph.nodes)) for action in self._actions(number)]
        self.outputs = tuple(self._slot_of[id(symbol)] for symbol in graph.outputs)
        self.preactivations = tuple(_preactivation(slot, actions) if with_loss else None for slot in self.outputs)
        self._kept = {*self.outputs, *(slot for slot in self.preactivations if slot is not None)}
        self.steps: list[Step] = []
        self._layouts: dict[int, dict[str, int]] = {slot: {"plain": slot} for slot in self.inputs}
        self._schedule(actions)
        self._mark_frees()
        collected = {slot for step in self.steps if not step.takes_rows for slot in step.inputs}
        self._collects = [slot in collected or slot in self._kept for slot in self.inputs]
        self._with_state = [(n, s.update_state) for n, s in enumerate(self.steps) if s.update_state is not None]

    # Making the plan.

    def _new_slot(self, shape: tuple[int, ...]) -> int:
        self._slots.append(tuple(shape))
        return len(self._slots) - 1

    def _actions(self, number: int) -> list[_Action]:
        """Split one call into what may run apart: all of it, or the part up to ``z`` and the activation."""
        node = self.graph.nodes[number]
        layer = node.layer
        inputs = tuple(self._slot_of[id(symbol)] for symbol in node.inputs)
        shapes = [self._slots[slot] for slot in inputs]
        shape = layer.compute_output_shape(list(shapes) if node.as_list else shapes[0])
        output_shapes = shape if isinstance(shape, list) else [shape]
        outputs = tuple(self._new_slot(tuple(one)) for one in output_shapes)
        self._slot_of.update({id(symbol): slot for symbol, slot in zip(node.outputs, outputs, strict=True)})
        need_dx = any(self._wanted[slot] for slot in inputs) and self.gradients != "none"
        moved = self.gradients == "all" or bool(layer.trainable_weights)
        self._wanted.update(dict.fromkeys(outputs, need_dx or moved))
        if not isinstance(layer, ActivatedLayer) or layer.is_linear:
            self.places.append((None, outputs))
            return [_Action(number, layer, "layer", inputs, outputs, shapes, layer.operation(), need_dx)]
        z = self._new_slot(self._slots[outputs[0]])
        self._wanted[z] = need_dx or moved
        self.places.append((z, outputs))
        activation = Operation(layer.activation.name, {}, layer.activation.get_config())
        return [
            _Action(number, layer, "preactivation", inputs, (z,), shapes, layer.operation(), need_dx),
            _Action(number, layer, "activation", (z,), outputs, [self._slots[z]], activation, self._wanted[z]),
        ]

    def _schedule(self, actions: list[_Action]) -> None:
        used_by: dict[int, int] = {}
        for action in actions:
            for slot in action.inputs:
                used_by[slot] = used_by.get(slot, 0) + 1
        by_input = {action.inputs[0]: action for action in actions if len(action.inputs) == 1}
        done: set[int] = set()
        for action in actions:
            if id(action) in done:
                continue
            chain = [action]
            while True:
                slot = chain[-1].outputs[0]
                after = by_input.get(slot)
                if after is None or used_by[slot] > 1 or slot in self._kept or len(chain[-1].outputs) > 1:
                    break
                chain.append(after)
            native = self._native(chain)
            if native is None:
                self._add_plain(action)
                done.add(id(action))
            else:
                self._add_native(chain[: native.count], native)
                done.update(id(one) for one in chain[: native.count])

    def _native(self, chain: list[_Action]) -> NativeStep | None:
        operations = []
        for action in chain:
            if action.operation is None or len(action.inputs) > 1:
                break
            operations.append(action.operation)
        if self._backend is None or not operations:
            return None
        first = chain[0]
        layout = "native" if "native" in self._layouts[first.inputs[0]] else "plain"
        return self._backend.native_step(
            tuple(operations),
            first.input_shapes[0],
            layout=layout,
            training=self.training,
            gradients=self.gradients != "none",
            need_dx=first.need_dx,
            dtype=self._dtype,
        )

    def _add_native(self, chain: list[_Action], native: NativeStep) -> None:
        last = chain[-1]
        slot = self._in_layout(chain[0].inputs[0], native.input_layout, chain[0].node)
        output = last.outputs[0]
        self._layouts[output] = {native.output_layout: output}
        states = any(action.operation and action.operation.update_state for action in chain)
        self._add(
            Step(
                name=native.name,
                kind="native",
                inputs=(slot,),
                outputs=(output,),
                node=chain[0].node,
                layers=tuple(dict.fromkeys(action.layer for action in chain)),
                parameters=native.parameters,
                forward=native.forward,
                backward=native.backward,
                update_state=native.update_state if states and self.training else None,
                stochastic=any(action.layer.stochastic for action in chain),
                need_dx=chain[0].need_dx,
                destinations=native.destinations,
                takes_rows=native.takes_rows,
            )
        )
        if output in self._kept and native.output_layout == "native":
            self._in_layout(output, "plain", last.node)

    def _add_plain(self, action: _Action) -> None:
        layer: Any = action.layer
        cell_by_cell = layer.activation.elementwise if action.part == "activation" else layer.elementwise
        at_hand = [self._layouts[slot] for slot in action.inputs]
        stays = cell_by_cell and all("native" in layouts for layouts in at_hand)
        layout = "native" if stays else "plain"
        inputs = tuple(self._in_layout(slot, layout, action.node) for slot in action.inputs)
        for slot in action.outputs:
            self._layouts[slot] = {layout: slot}
        forward, backward = _plain_work(action)
        moves_state = type(layer).update_state is not Layer.update_state and action.part != "activation"
        self._add(
            Step(
                name=layer.activation.name if action.part == "activation" else type(layer).__name__,
                kind="plain",
                inputs=inputs,
                outputs=action.outputs,
                node=action.node,
                layers=(layer,),
                parameters={} if action.part == "activation" else layer.parameters,
                forward=forward,
                backward=backward,
                update_state=layer.update_state if moves_state and self.training else None,
                stochastic=layer.stochastic and action.part != "activation",
                need_dx=action.need_dx,
            )
        )
        for slot in action.outputs:
            if slot in self._kept and layout == "native":
                self._in_layout(slot, "plain", action.node)

    def _in_layout(self, slot: int, layout: str, node: int) -> int:
        """Return the place of this value in that layout; add the step that brings it there if need be."""
        layouts = self._layouts[slot]
        if layout not in layouts:
            shape = self._slots[slot]
            there = self._new_slot(shape)
            assert self._backend is not None
            make = self._backend.enter_step if layout == "native" else self._backend.leave_step
            work = make(shape, dtype=self._dtype)
            kind = "enter" if layout == "native" else "leave"
            source = next(iter(layouts.values()))
            need_dx = self._wanted[slot] and self.gradients != "none"
            self._add(Step(kind, kind, (source,), (there,), node, (), {}, work.forward, work.backward, need_dx=need_dx))
            layouts[layout] = there
        return layouts[layout]

    def _add(self, step: Step) -> None:
        self.steps.append(step)

    def _mark_frees(self) -> None:
        self.outputs = tuple(self._layouts[slot]["plain"] for slot in self.outputs)
        self.preactivations = tuple(
            None if slot is None else self._layouts[slot]["plain"] for slot in self.preactivations
        )
        seen = {*self.outputs, *self.inputs, *(slot for slot in self.preactivations if slot is not None)}
        for step in reversed(self.steps):
            last_use = {*step.inputs, *step.outputs} - seen
            step.frees = tuple(sorted(last_use))
            seen |= last_use

    # Running it.

    def forward(self, inputs: Sequence[Any], randomness: Randomness | None = None, keep: bool = False) -> Record:
        """Run the network on these arrays, one per input, of the shapes and the type the plan was made for."""
        values: list[Any] = [None] * len(self._slots)
        for slot, array, collect in zip(self.inputs, inputs, self._collects, strict=True):
            values[slot] = np.asarray(array) if collect else array
        caches = run_forward(self.steps, values, training=self.training, randomness=randomness, keep=keep)
        return Record(values, caches)

    def outputs_of(self, record: Record) -> list[Any]:
        """Return the network's outputs of a pass."""
        return [record.values[slot] for slot in self.outputs]

    def backward(
        self,
        record: Record,
        d_values: dict[int, np.ndarray],
        collect: Callable[[int, Mapping[str, np.ndarray]], None],
        keep: bool = False,
    ) -> dict[int, np.ndarray]:
        """Run the gradients back from those given by place; ``collect`` gets each step's gradients by parameter."""
        return run_backward(self.steps, record.caches, d_values, collect, keep=keep)

    def update_state(self, record: Record) -> None:
        """Move the moving averages of every call, in graph order."""
        for number, update in self._with_state:
            update(record.caches[number])

    def __str__(self) -> str:
        lines = []
        for number, step in enumerate(self.steps):
            layers = ", ".join(layer.name for layer in step.layers)
            shape = "x".join(map(str, self._slots[step.outputs[0]]))
            lines.append(f"{number:3d}  {step.kind:<6}  {step.name:<40}  {shape:<18}  {layers}".rstrip())
        return "\n".join(lines)


def _plain_work(action: _Action) -> tuple[Callable[..., Any], Callable[..., Any]]:
    layer = action.layer
    if action.part == "layer":
        return layer.forward, layer.backward
    assert isinstance(layer, ActivatedLayer)
    if action.part == "preactivation":
        return layer.preactivation, layer.preactivation_backward
    activation = layer.activation

    def forward(z: Any, training: bool, rng: Any) -> tuple[Any, Any]:
        return activation.forward(z)

    def backward(d_output: Any, cache: Any, need_dx: bool = True) -> tuple[Any, dict[str, np.ndarray]]:
        return activation.backward(d_output, cache), {}

    return forward, backward


def _preactivation(slot: int, actions: list[_Action]) -> int | None:
    """Return the place before the last activation that made this value, if an activation made it."""
    for action in actions:
        if slot in action.outputs:
            ends_in_activation = action.part == "activation" or (
                action.part == "layer"
                and getattr(action.layer, "activation", None) is not None
                and not isinstance(action.layer, ActivatedLayer)
            )
            return action.inputs[0] if ends_in_activation else None
    return None
