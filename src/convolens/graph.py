"""A network's calls in order, and the two loops that run them: forward, and backward with sums at forks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from convolens.layers.base import Layer
from convolens.random import generator
from convolens.symbol import Node, Symbol
from convolens.variable import Variable

__all__ = ["Graph", "Randomness", "Step", "run_backward", "run_forward"]


class Graph:
    """The calls between some input symbols and some output symbols.

    Attributes:
        inputs, outputs: the symbols.
        nodes: the calls, each after those it needs; without the inputs.
        layers: every layer once, in Keras's order.
    """

    def __init__(self, inputs: Sequence[Symbol], outputs: Sequence[Symbol]) -> None:
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        reached, first_seen = _walk(self.inputs, self.outputs)
        self.nodes = [node for node in reached if node.inputs]
        self.layers = _in_keras_order(reached, first_seen, self.inputs)
        names = [layer.name for layer in self.layers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"layer names must differ; used more than once: {', '.join(twice)}. Pass name=... to them."
            )

    def __contains__(self, node: Node) -> bool:
        return node in self.nodes


def _walk(inputs: Sequence[Symbol], outputs: Sequence[Symbol]) -> tuple[list[Node], dict[Layer, int]]:
    """Return the calls behind ``outputs``, each after those it needs, and the order in which layers were met."""
    given = {id(symbol) for symbol in inputs}
    done: list[Node] = []
    finished: set[Node] = set()
    first_seen: dict[Layer, int] = {}
    for output in outputs:
        stack: list[tuple[Symbol, bool]] = [(output, False)]
        while stack:
            symbol, leaving = stack.pop()
            node = symbol.node
            if leaving:
                if node not in finished:
                    finished.add(node)
                    done.append(node)
                continue
            if node in finished or (node.inputs and id(symbol) in given):
                continue
            if not node.inputs and id(symbol) not in given:
                raise ValueError(
                    f"the outputs need the input {node.layer.name!r}, which is not among the model's inputs: "
                    f"{[one.node.layer.name for one in inputs]}. Add it to inputs=."
                )
            first_seen.setdefault(node.layer, len(first_seen))
            stack.append((symbol, True))
            stack.extend((one, False) for one in reversed(node.inputs))
    return done, first_seen


def _in_keras_order(nodes: list[Node], first_seen: dict[Layer, int], inputs: Sequence[Symbol]) -> list[Layer]:
    """Sort layers by their distance from the outputs, farthest first, then by the order in which they were met."""
    depth_of_node: dict[Node, int] = {}
    depth_of_layer: dict[Layer, int] = {}
    known = set(nodes)
    for node in reversed(nodes):
        depth = max(depth_of_node.get(node, 0), depth_of_layer.get(node.layer, 0))
        depth_of_node[node] = depth_of_layer[node.layer] = depth
        for parent in {symbol.node for symbol in node.inputs} & known:
            depth_of_node[parent] = max(depth + 1, depth_of_node.get(parent, 0))
    for symbol in inputs:
        if not symbol.node.inputs and symbol.node.layer not in depth_of_layer:
            depth_of_layer[symbol.node.layer] = 0
            first_seen[symbol.node.layer] = -1
    return sorted(depth_of_layer, key=lambda layer: (-depth_of_layer[layer], first_seen[layer]))


class Randomness:
    """The random numbers of one pass: they depend on the seed, the step and the call, and on nothing else.

    Args:
        seed: the run's seed.
        step: how many train steps came before.
    """

    def __init__(self, seed: int, step: int = 0) -> None:
        self.seed = seed
        self.step = step

    def of_node(self, index: int, own_seed: int | None = None) -> np.random.Generator:
        """Return a fresh generator for the graph's call number ``index``; a layer's own seed counts instead."""
        return generator(self.seed, self.step, index) if own_seed is None else generator(own_seed, self.step)


@dataclass
class Step:
    """One entry of a plan.

    Attributes:
        name: what it does, in words.
        kind: ``"plain"``, ``"native"``, ``"enter"`` or ``"leave"``.
        inputs, outputs: the places of its values.
        node: the number of its (first) call in the graph.
        layers: the layers it stands for.
        parameters: the variables it has gradients of, by their keys.
        forward, backward: the work.
        update_state: what moves state that no gradient moves, or None.
        stochastic: whether it draws random numbers in training.
        need_dx: whether its inputs' gradients are wanted.
        frees: places whose value is not needed after it.
        destinations: a native step's places for gradients.
        takes_rows: whether its input may be ``Rows``, not collected yet.
    """

    name: str
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    node: int
    layers: tuple[Layer, ...]
    parameters: Mapping[str, Variable]
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    update_state: Callable[[Any], None] | None = None
    stochastic: bool = False
    need_dx: bool = True
    frees: tuple[int, ...] = ()
    destinations: dict[str, np.ndarray] = field(default_factory=dict)
    takes_rows: bool = False

    @property
    def seed(self) -> int | None:
        """The own seed of the layer that draws random numbers, if it has one."""
        return next((layer.seed for layer in self.layers if layer.stochastic), None)


def run_forward(
    steps: Iterable[Step],
    values: list[Any],
    *,
    training: bool,
    randomness: Randomness | None = None,
    keep: bool = False,
) -> list[Any]:
    """Run the steps in order. The one forward loop.

    Args:
        steps: what to run.
        values: one place per value of the network, the inputs filled in; the rest is filled here.
        training: whether layers behave as in training.
        randomness: where stochastic layers get their random numbers from.
        keep: whether values stay after their last use.

    Returns:
        The cache of each step.
    """
    caches = []
    for step in steps:
        rng = randomness.of_node(step.node, step.seed) if step.stochastic and training and randomness else None
        output, cache = step.forward(*[values[slot] for slot in step.inputs], training=training, rng=rng)
        caches.append(cache)
        if len(step.outputs) == 1:
            values[step.outputs[0]] = output
        else:
            for slot, one in zip(step.outputs, output, strict=True):
                values[slot] = one
        if not keep:
            for slot in step.frees:
                values[slot] = None
    return caches


def run_backward(
    steps: Sequence[Step],
    caches: list[Any],
    d_values: dict[int, np.ndarray],
    collect: Callable[[int, Mapping[str, np.ndarray]], None],
    *,
    keep: bool = False,
) -> dict[int, np.ndarray]:
    """Run the steps' gradients in reverse order, adding at forks. The one backward loop.

    Args:
        steps: the steps that ran.
        caches: what their forward gave; freed on the way unless ``keep``.
        d_values: the gradients to begin with, by the place of their value.
        collect: called with a step's number and its gradients by parameter.
        keep: whether caches and gradients stay after use.

    Returns:
        The gradients by the place of their value: those of the network's inputs, or all with ``keep``.
    """
    for number in range(len(steps) - 1, -1, -1):
        step = steps[number]
        d_outputs = [d_values.get(slot) for slot in step.outputs]
        cache = caches[number]
        if not keep:
            caches[number] = None
            for slot in step.outputs:
                d_values.pop(slot, None)
        if all(one is None for one in d_outputs):
            continue
        d_output = d_outputs[0] if len(d_outputs) == 1 else tuple(d_outputs)
        d_inputs, gradients = step.backward(d_output, cache, need_dx=step.need_dx)
        if gradients:
            collect(number, gradients)
        if not isinstance(d_inputs, tuple | list):
            d_inputs = (d_inputs,)
        for slot, d_input in zip(step.inputs, d_inputs, strict=False):
            if d_input is not None:
                before = d_values.get(slot)
                d_values[slot] = d_input if before is None else before + d_input
    return d_values
