"""Gradients against finite differences in float64, with kinks told from errors and every failure located."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from convolens import kernels
from convolens.graph import Graph, Randomness
from convolens.layers.base import Layer
from convolens.layers.core import Input
from convolens.plan import Plan
from convolens.slopes import WIDTHS, relative_error, slope_at
from convolens.variable import Variable

__all__ = ["Difference", "GradientReport", "check_gradients", "in_float64"]

_DIRECTIONS = 2


@dataclass(frozen=True)
class Difference:
    """One derivative looked at.

    Attributes:
        layer: the layer's name; the model's for derivatives of the whole loss.
        parameter: ``"kernel"``, ``"bias"``, ..., or ``"input"`` (``"input 1"`` for the second).
        index: which element; None for a random direction through all of them.
        expected: what finite differences give.
        actual: what ``backward`` gives.
        error: the relative error.
        message: what is wrong where it is not a number (a missing gradient, a wrong shape, an exception).
    """

    layer: str
    parameter: str
    index: tuple[int, ...] | None
    expected: float | None
    actual: float | None
    error: float
    message: str = ""

    def __str__(self) -> str:
        where = f"{self.layer}/{self.parameter}" if self.parameter else self.layer
        at = " along a random direction" if self.index is None else f"[{', '.join(map(str, self.index))}]"
        if self.message:
            return f"{where}: {self.message}"
        return f"{where}{at}: expected {self.expected:.9g}, got {self.actual:.9g} (relative error {self.error:.2g})"


@dataclass
class GradientReport:
    """What ``check_gradients`` found.

    Attributes:
        failures: derivatives that are wrong.
        kinks: derivatives that do not exist, for the two sides have different slopes.
        checked: how many derivatives were compared.
        tolerance: the largest relative error let pass.
        worst_at: the derivative with the largest relative error that is not at a kink.
        worst_of: the same for each tensor, by layer and parameter.
    """

    failures: list[Difference] = field(default_factory=list)
    kinks: list[Difference] = field(default_factory=list)
    checked: int = 0
    tolerance: float = 1e-5
    worst_at: Difference | None = None
    worst_of: dict[tuple[str, str], Difference] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether something was compared and nothing was wrong."""
        return self.checked > 0 and not self.failures

    @property
    def worst(self) -> float:
        """The largest relative error that is not at a kink."""
        return self.worst_at.error if self.worst_at else 0.0

    def add(self, found: Difference, kink: bool) -> None:
        """Take in one compared derivative."""
        self.checked += 1
        if kink:
            self.kinks.append(found)
            return
        if self.worst_at is None or found.error > self.worst_at.error:
            self.worst_at = found
        before = self.worst_of.setdefault((found.layer, found.parameter), found)
        if found.error > before.error:
            self.worst_of[found.layer, found.parameter] = found
        if not found.error <= self.tolerance:
            self.failures.append(found)

    def __str__(self) -> str:
        head = f"{'ok' if self.ok else 'WRONG'}: {self.checked - len(self.kinks)} derivatives compared"
        worst = f", worst relative error {self.worst:.2g}" if self.worst_at else ""
        kinks = f", {len(self.kinks)} at kinks" if self.kinks else ""
        lines = [f"{head}{worst}{kinks}", *(f"  {failure}" for failure in self.failures[:10])]
        if len(self.failures) > 10:
            lines.append(f"  and {len(self.failures) - 10} more")
        return "\n".join(lines)

    __repr__ = __str__


def check_gradients(
    model_or_layer: Any,
    x: Any,
    y: Any = None,
    *,
    training: bool = True,
    tolerance: float = 1e-5,
    elements: int | None = 40,
    seed: int = 0,
) -> GradientReport:
    """Compare the hand-written gradients of a layer or a model with finite differences.

    Each layer is checked by itself on the values it meets in the network, so that a wrong ``backward`` is blamed and
    not the layers before it; then the whole loss is. The work is done on float64 copies: the model stays as it is.

    Args:
        model_or_layer: a model, or a layer (built here for the shape of ``x`` if it is not yet).
        x: the input, or a list of inputs.
        y: the targets, for a compiled model; the gradient of a random projection of the output is checked without.
        training: whether layers behave as in training.
        tolerance: the largest relative error let pass.
        elements: how many elements of each tensor are checked one by one (drawn by ``seed``); None for all.
        seed: what random directions and random layers draw from.

    Returns:
        The report. Problems are in it; nothing is raised.

    >>> import convolens as cl, numpy as np
    >>> report = cl.check_gradients(cl.layers.Conv2D(2, 3), np.random.default_rng(0).normal(size=(2, 5, 5, 1)))
    >>> report.ok, report.worst < 1e-8
    (True, True)
    """
    report = GradientReport(tolerance=tolerance)
    name = getattr(model_or_layer, "name", type(model_or_layer).__name__)
    try:
        with np.errstate(all="ignore"), _subject(model_or_layer, x) as (graph, inputs, layers), in_float64(layers):
            _Checker(report, graph, inputs, training, elements, seed).check(model_or_layer, y)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        report.failures.append(Difference(str(name), "", None, None, None, np.inf, message))
    return report


@contextlib.contextmanager
def in_float64(layers: list[Layer]) -> Iterator[None]:
    """Let these layers work on float64 copies of their variables."""
    variables = {id(variable): variable for layer in layers for variable in layer.weights}
    values = {key: variable.value for key, variable in variables.items()}
    dtypes = [layer._dtype for layer in layers]
    for variable in variables.values():
        variable.value = variable.value.astype("float64")
    for layer in layers:
        layer._dtype = "float64"
    try:
        yield
    finally:
        for key, variable in variables.items():
            variable.value = values[key]
        for layer, dtype in zip(layers, dtypes, strict=True):
            layer._dtype = dtype


@contextlib.contextmanager
def _subject(model_or_layer: Any, x: Any) -> Iterator[tuple[Graph, list[np.ndarray], list[Layer]]]:
    """Give the graph of a model, or one made of the layer alone; and the inputs in float64."""
    if hasattr(model_or_layer, "graph"):
        inputs = [array.astype("float64") for array in model_or_layer.standardize_inputs(x)]
        yield model_or_layer.graph, inputs, list(_with_nested(model_or_layer))
        return
    layer: Layer = model_or_layer
    if not isinstance(layer, Layer):
        raise TypeError(f"check_gradients takes a model or a layer; got {type(layer).__name__}")
    several = isinstance(x, list | tuple)
    inputs = [np.array(one, dtype="float64") for one in (x if several else [x])]
    if not several:
        layer.ensure_built([inputs[0].shape])
    nodes = list(layer.nodes)
    symbols = [Input(one.shape[1:], dtype="float64") for one in inputs]
    try:
        output = layer(symbols) if several else layer(symbols[0])
        outputs = output if isinstance(output, list) else [output]
        yield Graph(symbols, outputs), inputs, [layer]
    finally:
        layer.nodes[:] = nodes


def _with_nested(layer: Any) -> Iterator[Layer]:
    yield layer
    for inner in layer.graph.layers:
        if hasattr(inner, "graph"):
            yield from _with_nested(inner)
        else:
            yield inner


class _Checker:
    """The checks of one network on one input."""

    def __init__(
        self,
        report: GradientReport,
        graph: Graph,
        inputs: list[np.ndarray],
        training: bool,
        elements: int | None,
        seed: int,
    ) -> None:
        self.report, self.graph, self.inputs = report, graph, inputs
        self.training, self.elements = training, elements
        self.randomness = Randomness(seed)
        self.rng = np.random.default_rng(seed)
        shapes = [one.shape for one in inputs]
        self.plan = Plan(graph, shapes, backend=kernels.backend(), training=training, gradients="all", fused=False)

    def check(self, subject: Any, y: Any) -> None:
        """Check every call by itself, then the whole."""
        values = self.plan.forward(self.inputs, self.randomness, keep=True).values
        slots = {id(symbol): slot for symbol, slot in zip(self.graph.inputs, self.plan.inputs, strict=True)}
        for number, node in enumerate(self.graph.nodes):
            arrays = [np.array(values[slots[id(symbol)]]) for symbol in node.inputs]
            slots.update({id(s): slot for s, slot in zip(node.outputs, self.plan.places[number][1], strict=True)})
            self._check_call(number, node.layer, arrays)
        if len(self.graph.nodes) > 1 or y is not None:
            self._check_whole(subject, y)

    def _check_call(self, number: int, layer: Layer, arrays: list[np.ndarray]) -> None:
        def run() -> tuple[Any, Any]:
            rng = self.randomness.of_node(number, layer.seed) if layer.stochastic and self.training else None
            return layer.forward(*arrays, training=self.training, rng=rng)

        output, cache = run()
        several = isinstance(output, tuple | list)
        weights = [self.rng.normal(size=one.shape) for one in (output if several else [output])]

        def value() -> float:
            found, _ = run()
            return float(sum(np.sum(w * one) for w, one in zip(weights, found if several else [found], strict=True)))

        def terms() -> np.ndarray:
            found, _ = run()
            return np.concatenate(
                [np.ravel(w * one) for w, one in zip(weights, found if several else [found], strict=True)]
            )

        d_inputs, gradients = layer.backward(tuple(weights) if several else weights[0], cache)
        d_inputs = list(d_inputs) if isinstance(d_inputs, tuple | list) else [d_inputs]
        if len(d_inputs) != len(arrays):
            self._fail(layer.name, "input", f"backward gives {len(d_inputs)} input gradients for {len(arrays)} inputs")
        targets: list[tuple[str, np.ndarray, Any]] = []
        for i, (array, d_input) in enumerate(zip(arrays, d_inputs, strict=False)):
            targets.append(("input" if i == 0 else f"input {i}", array, d_input))
        parameters = layer.parameters
        for key in gradients.keys() - parameters.keys():
            self._fail(layer.name, key, f"backward gives a gradient {key!r}; the parameters are {list(parameters)}")
        targets += [(key, variable.value, gradients.get(key)) for key, variable in parameters.items()]
        for key, array, gradient in targets:
            if gradient is None:
                self._fail(layer.name, key, "backward gives no gradient for it")
            elif np.shape(gradient) != array.shape:
                self._fail(layer.name, key, f"the gradient has shape {np.shape(gradient)}; expected {array.shape}")
            else:
                self._compare(layer.name, key, array, np.asarray(gradient), value, terms)

    def _fail(self, layer: str, parameter: str, message: str) -> None:
        self.report.failures.append(Difference(layer, parameter, None, None, None, np.inf, message))

    def _compare(
        self,
        layer: str,
        parameter: str,
        array: np.ndarray,
        gradient: np.ndarray,
        value: Callable[[], float],
        terms: Callable[[], np.ndarray],
    ) -> None:
        """Compare elements of one gradient, then random directions through all of it."""
        largest = float(np.abs(gradient).max(initial=0.0))
        everything = np.arange(array.size)
        chosen = everything
        if self.elements is not None and array.size > self.elements:
            chosen = np.sort(self.rng.choice(array.size, self.elements, replace=False))
        for flat in chosen:
            index = tuple(int(i) for i in np.unravel_index(flat, array.shape))
            self._compare_along(
                layer, parameter, index, array, index, float(gradient[index]), 1.0, largest, value, terms
            )
        if len(chosen) < array.size:
            for _ in range(_DIRECTIONS):
                direction = self.rng.normal(size=array.shape)
                slope = float(np.vdot(direction, gradient))
                norm = float(np.linalg.norm(gradient))
                self._compare_along(layer, parameter, None, array, ..., slope, direction, norm, value, terms)

    def _compare_along(
        self,
        layer: str,
        parameter: str,
        index: tuple[int, ...] | None,
        array: np.ndarray,
        place: Any,
        actual: float,
        direction: Any,
        largest: float,
        value: Callable[[], float],
        terms: Callable[[], np.ndarray] | None = None,
    ) -> None:
        """Compare one slope; ``terms`` gives the parts that ``value`` adds up, where they are at hand."""
        before = array[place].copy() if index is None else array[place]
        here = value()

        def at(t: float) -> float:
            array[place] = before + t * direction
            return value()

        kink = False
        try:
            for h in WIDTHS:
                slope = slope_at(at, here, h, largest)
                mismatch = abs(actual - slope.value)
                error = relative_error(actual, slope.value, largest)
                if slope.is_flat and mismatch <= slope.noise:
                    error = min(error, self.report.tolerance)
                if slope.is_flat and (error <= self.report.tolerance or not slope.explains(mismatch)):
                    break
            else:
                kink = slope.explains(mismatch)
            if terms is not None and not kink and not error <= self.report.tolerance:
                kink = self._is_at_kinks(array, place, before, direction, terms, mismatch)
        finally:
            array[place] = before
        if not np.isfinite(mismatch):
            kink, error = False, np.inf
        self.report.add(Difference(layer, parameter, index, slope.value, actual, error), kink)

    @staticmethod
    def _is_at_kinks(
        array: np.ndarray, place: Any, before: Any, direction: Any, terms: Callable[[], np.ndarray], mismatch: float
    ) -> bool:
        """Say whether the bends of the single terms, which may cancel in their sum, explain a mismatch."""
        h = WIDTHS[-1]
        sides = []
        for t in (h, 0.0, -h):
            array[place] = before + t * direction
            sides.append(terms())
        after, here, ahead = sides
        bends = np.abs(after - 2 * here + ahead) / h
        noise = 40 * np.finfo(float).eps * np.maximum(np.abs(here), 1e-3) / h
        kinked = bends[bends > 4 * noise]
        return bool(kinked.size and mismatch <= 2 * kinked.sum())

    def _check_whole(self, subject: Any, y: Any) -> None:
        """Compare directions of the loss (or of a projection of the outputs) by every variable and input."""
        plan, objective = self.plan, None
        targets: list[Any] = []
        if y is not None:
            objective = subject.objective
            if objective is None:
                raise ValueError("checking with y needs a loss: call compile(optimizer, loss) first.")
            targets = [np.asarray(one) for one in (y if isinstance(y, list | tuple) and len(plan.outputs) > 1 else [y])]
        inputs = [one.copy() for one in self.inputs]
        record = plan.forward(inputs, self.randomness, keep=True)
        weights = [self.rng.normal(size=one.shape) for one in plan.outputs_of(record)]

        def value() -> float:
            found = plan.forward(inputs, self.randomness)
            if objective is not None:
                return objective(plan, found, targets, gradients=False)[0]
            return float(sum(np.vdot(w, one) for w, one in zip(weights, plan.outputs_of(found), strict=True)))

        d_values: dict[int, np.ndarray] = {}
        if objective is not None:
            d_values = objective(plan, record, targets)[2]
        else:
            for slot, w in zip(plan.outputs, weights, strict=True):
                d_values[slot] = d_values[slot] + w if slot in d_values else w
        sums: dict[int, tuple[str, str, Variable, np.ndarray]] = {}

        def collect(number: int, gradients: Any) -> None:
            step = plan.steps[number]
            for key, gradient in gradients.items():
                variable = step.parameters[key]
                before = sums.get(id(variable))
                total = gradient if before is None else before[3] + gradient
                sums[id(variable)] = (step.layers[0].name, key, variable, total)

        found = plan.backward(record, dict(d_values), collect, keep=True)
        for layer, key, variable, gradient in sums.values():
            self._compare_direction(f"{layer} in the whole", key, variable.value, gradient, value)
        for symbol, slot, array in zip(self.graph.inputs, plan.inputs, inputs, strict=True):
            if slot in found:
                self._compare_direction(f"{symbol.node.layer.name} in the whole", "input", array, found[slot], value)

    def _compare_direction(
        self, layer: str, parameter: str, array: np.ndarray, gradient: np.ndarray, value: Callable[[], float]
    ) -> None:
        direction = self.rng.normal(size=array.shape)
        slope, norm = float(np.vdot(direction, gradient)), float(np.linalg.norm(gradient))
        self._compare_along(layer, parameter, None, array, ..., slope, direction, norm, value)
