"""The checks behind a certificate, layer by layer and as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

from convolens import kernels
from convolens.checking import peers
from convolens.checking.peers import relative_difference
from convolens.checking.records import GRADIENT, GradientRecord, LayerRecord
from convolens.gradcheck import Difference, GradientReport, check_gradients, in_float64
from convolens.graph import Randomness
from convolens.layers.base import Layer

__all__ = ["Examiner"]

KERNELS = 1e-9  # relative difference between kernels in float64
OWN = {"float32": 1e-2, "float64": 1e-9}  # relative difference of the model's own arithmetic
PEERS = {"PyTorch": 1e-8, "Keras": 1e-3}  # float64 and float32


class Examiner:
    """The checks of one model on a few examples.

    Attributes:
        examples: how many examples are used.
        kernels: the kernels that are compared.
        own_kernels: those that the model runs on.
        peers: what is said about other frameworks.
    """

    def __init__(self, model: Any, x: Any, y: Any, examples: int, seed: int, budget: float) -> None:
        xs = model.standardize_inputs(x)
        if examples < 1 or len(xs[0]) < 1:
            raise ValueError(f"certify needs at least one example; got examples={examples} and {len(xs[0])} in x.")
        self.model, self.seed, self.budget = model, seed, budget
        self.dtype = str(model.dtype)
        self.inputs = [array[:examples] for array in xs]
        self.examples = len(self.inputs[0])
        several = isinstance(y, list | tuple | dict)
        self.targets = y if y is None or several else np.asarray(y)[:examples]
        if several:
            parts = list(y.values()) if isinstance(y, dict) else y
            self.targets = [np.asarray(part)[:examples] for part in parts]
        self.kernels, self.own_kernels = kernels.available(), kernels.active()
        self.layers = list(_with_nested(model))
        self.failures: list[str] = []
        try:
            self._trace(**self._backward())
        except Exception as error:
            self.failures.append(f"going back through the network fails: {type(error).__name__}: {error}")
            self._trace()
        self.peers: dict[str, str] = {}
        self.keras = self._keras()
        self.peers["PyTorch"] = "compared layer by layer" if peers.torch_is_there() else "not installed"

    def _x(self, arrays: list[np.ndarray]) -> Any:
        return arrays if len(arrays) > 1 else arrays[0]

    def _trace(self, **backward: Any) -> None:
        """Record the model as it is, and by the reference loops in float64."""
        self.own = self.model.trace(self._x(self.inputs), **backward)
        with in_float64(self.layers), kernels.use("reference"):
            self.reference = self.model.trace(self._x([a.astype(float) for a in self.inputs]), **backward)

    def _backward(self) -> dict[str, Any]:
        """The targets to go back from; without them, a random gradient by the outputs."""
        if self.targets is not None:
            return {"y": self.targets}
        rng = np.random.default_rng(self.seed)
        drawn = [rng.normal(size=one.shape) for one in _arrays(self.model(self._x(self.inputs)))]
        return {"d_output": drawn if len(drawn) > 1 else drawn[0]}

    def _keras(self) -> dict[str, float]:
        if not find_spec("keras"):
            self.peers["Keras"] = "not installed"
            return {}
        try:
            found = peers.keras_difference(self.model, self.inputs, self.own)
        except (ImportError, ValueError) as error:
            self.peers["Keras"] = f"not compared: {error}"
            return {}
        self.peers["Keras"] = "outputs compared layer by layer"
        return found

    def examine_layers(self) -> list[LayerRecord]:
        """Check every call by itself."""
        seen: set[str] = set()
        records = []
        with in_float64(self.layers):
            for own, reference in zip(self.own.steps, self.reference.steps, strict=True):
                if not reference.inputs:
                    continue
                record = LayerRecord(reference.layer.name, type(reference.layer).__name__)
                self._compare_own(record, own, reference)
                self._compare_kernels(record, reference)
                self._compare_peers(record, reference)
                for training in (False, True) if _depends_on_mode(reference.layer) else (False,):
                    self._check_gradients(record, reference, training, first=record.name not in seen)
                    seen.add(record.name)
                records.append(record)
        return records

    def _compare_own(self, record: LayerRecord, own: Any, reference: Any) -> None:
        pairs = list(zip(_arrays(own.output), _arrays(reference.output), strict=True))
        record.forward_difference = max(float(np.max(np.abs(a - b), initial=0.0)) for a, b in pairs)
        record.own_error = max(relative_difference(a, b) for a, b in pairs)
        if own.d_output is not None and reference.d_output is not None:
            gradients = zip(_arrays(own.d_output), _arrays(reference.d_output), strict=True)
            record.own_gradient_error = max(relative_difference(a, b) for a, b in gradients)
        if not record.own_error <= OWN[self.dtype]:
            record.failures.append(f"its output is off by {record.own_error:.1e} from the reference loops in float64.")

    def _compare_kernels(self, record: LayerRecord, step: Any) -> None:
        """One layer, forward and backward, on the reference's own inputs."""
        went_back = None
        if step.d_output is not None and step.cache is not None:
            try:
                with kernels.use("reference"):
                    went_back = step.layer.backward(step.d_output, step.cache)
            except Exception as error:
                record.failures.append(f"its backward fails: {type(error).__name__}: {error}")
        for name in self.kernels[1:]:
            try:
                with kernels.use(name):
                    record.kernels[name] = _difference_of_kernels(step, went_back)
            except Exception as error:
                record.failures.append(f"the {name} kernels fail: {type(error).__name__}: {error}")
                continue
            if not record.kernels[name] <= KERNELS:
                record.failures.append(f"the {name} kernels differ from the reference by {record.kernels[name]:.1e}.")

    def _compare_peers(self, record: LayerRecord, step: Any) -> None:
        if record.name in self.keras:
            record.peers["Keras"] = self.keras[record.name]
        if peers.torch_is_there():
            with kernels.use("reference"):
                difference = peers.torch_difference(step)
            if difference is not None:
                record.peers["PyTorch"] = difference
        for name, difference in record.peers.items():
            if not difference <= PEERS[name]:
                record.failures.append(f"it differs from {name} by {difference:.1e}.")

    def _check_gradients(self, record: LayerRecord, step: Any, training: bool, first: bool) -> None:
        """Finite differences on the fast kernels, which the comparison of kernels ties to the reference."""
        sizes = {name: array.size for name, array in step.parameters.items()}
        if not hasattr(step.layer, "graph"):  # The layers inside a nested model are checked on their own inputs.
            sizes.update({f"input {i}" if i else "input": array.size for i, array in enumerate(step.inputs)})
        limit = self._affordable(step, sum(sizes.values()))
        inputs = [np.array(array) for array in step.inputs]
        as_list = len(inputs) > 1 or step.node.as_list

        def check(arrays: list[np.ndarray], elements: int | None) -> GradientReport:
            return check_gradients(
                step.layer,
                arrays if as_list else arrays[0],
                training=training,
                tolerance=GRADIENT,
                elements=elements,
                seed=self.seed,
            )

        with kernels.use("vectorized"):
            report = self._sure(check(inputs, limit), lambda: check(self._jittered(inputs), 0))
        mode = "training" if training else "inference"
        for name, size in sizes.items():
            compared = size if limit is None else min(size, limit)
            record.gradients.append(
                _gradient_record(report, record.name, name, mode, size, compared, first and not training)
            )
        record.failures += [f"in {mode}, {failure}" for failure in report.failures[:3]]
        if len(report.failures) > 3:
            record.failures.append(f"in {mode}, {len(report.failures) - 3} more derivatives are wrong.")

    def _jittered(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """The arrays a little moved, so that no cells are tied and none is exactly 0."""
        rng = np.random.default_rng(self.seed)
        return [a + 0.05 * max(float(np.max(np.abs(a), initial=0)), 1e-3) * rng.normal(size=a.shape) for a in arrays]

    def _sure(self, report: GradientReport, again: Callable[[], GradientReport]) -> GradientReport:
        """Repeat random directions that pass through kinks beside them, and keep what that says.

        Where many cells are tied or exactly 0, as in a flat background, a direction through all of them has two slopes
        and says nothing about the gradient.
        """
        doubtful = [one for one in (*report.failures, *report.kinks) if one.index is None and not one.message]
        if not doubtful:
            return report
        repeated = again()
        report.failures = [one for one in report.failures if one not in doubtful]
        report.failures += [one for one in repeated.failures if one not in report.failures]
        report.kinks = [one for one in report.kinks if one not in doubtful]
        for one in doubtful:
            place = (one.layer, one.parameter)
            if report.worst_of.get(place) == one and place in repeated.worst_of:
                report.worst_of[place] = repeated.worst_of[place]
        return report

    def _affordable(self, step: Any, elements: int) -> int | None:
        """How many elements of each tensor to compare one by one; None for all."""
        weights = [array for array in step.parameters.values() if array.ndim > 1]
        fan_in = max((array.size // array.shape[-1] for array in weights), default=1)
        moved = sum(array.size for array in _arrays(step.output)) * fan_in + sum(array.size for array in step.inputs)
        evaluation = 5 * (moved + 30_000)  # a derivative is up to five evaluations; a call costs some by itself
        if elements * evaluation <= self.budget:
            return None
        return max(20, int(self.budget / evaluation / (len(step.parameters) + len(step.inputs))))

    def examine_whole(self) -> list[str]:
        """Check the gradient of the whole, and what training runs against the reference."""

        def check(arrays: list[np.ndarray]) -> GradientReport:
            return check_gradients(
                self.model, self._x(arrays), self.targets, training=False, elements=0, seed=self.seed
            )

        with in_float64(self.layers), kernels.use("vectorized"):
            report = self._sure(check(self.inputs), lambda: check(self._jittered(self.inputs)))
        self.failures += [str(failure) for failure in report.failures if _is_of_the_whole(failure, self.model.name)]
        if self.targets is not None and self.reference.gradients is not None:
            try:
                self._compare_fused()
            except Exception as error:
                self.failures.append(f"what training runs fails: {type(error).__name__}: {error}")
        return self.failures

    def _compare_fused(self) -> None:
        """The steps that training runs, fused, on the backend's own layout and in the model's own float type.

        They are held against plain layers in float64 on kernels that were compared with the reference by then.
        """
        model = self.model
        inputs = model.cast_inputs(self.inputs)
        plan = model.plan_for([a.shape for a in inputs], training=True, gradients="parameters")
        record = plan.forward(inputs, Randomness(self.seed))
        targets = self.targets if isinstance(self.targets, list) else [self.targets]
        found: dict[int, Any] = {}

        def collect(number: int, gradients: Any) -> None:
            for key, gradient in gradients.items():
                variable = plan.steps[number].parameters[key]
                found[id(variable)] = found.get(id(variable), 0) + np.array(gradient)

        plan.backward(record, dict(model.objective(plan, record, targets)[2]), collect)
        with in_float64(self.layers), kernels.use("vectorized"):
            x = self._x([a.astype(float) for a in self.inputs])
            reference = model.trace(x, self.targets, training=True, seed=self.seed).gradients
        by_name = {layer.name: layer for layer in self.layers}
        sizes = [np.max(np.abs(gradient), initial=0.0) for one in reference.values() for gradient in one.values()]
        least = 1e-3 * float(
            max(sizes, default=0.0)
        )  # A gradient that is 0 in theory has rounding errors all the same.
        for layer, gradients in reference.items():
            for key, gradient in gradients.items():
                variable, expected = by_name[layer].parameters[key], np.array(gradient)
                if variable.regularizer is not None and any(variable is one for one in model.trainable_weights):
                    expected = expected - variable.regularizer.gradient(variable.value.astype(float))
                actual = found.get(id(variable))
                difference = 0.0 if actual is None else relative_difference(actual, expected, least)
                if not difference <= OWN[self.dtype]:
                    self.failures.append(f"{layer}/{key}: what training runs differs from float64 by {difference:.1e}.")


def _difference_of_kernels(step: Any, went_back: Any) -> float:
    output, cache = step.layer.forward(*step.inputs, training=False, rng=None)
    differences = [relative_difference(a, b) for a, b in zip(_arrays(output), _arrays(step.output), strict=True)]
    if went_back is not None:
        d_inputs, gradients = step.layer.backward(step.d_output, cache)
        pairs = list(zip(_arrays(d_inputs), _arrays(went_back[0]), strict=True))
        pairs += [(gradient, went_back[1][key]) for key, gradient in gradients.items()]
        differences += [relative_difference(a, b) for a, b in pairs]
    return max(differences)


def _gradient_record(
    report: GradientReport, layer: str, name: str, mode: str, size: int, compared: int, counts: bool
) -> GradientRecord:
    """The part of a layer's report that is about one parameter or input."""
    is_parameter = not name.startswith("input")
    place = tuple(name.rsplit("/", 1)) if "/" in name else (layer, name)  # a nested model's layers report themselves
    kinks, wrong = (
        sum((found.layer, found.parameter) == place and found.index is not None for found in differences)
        for differences in (report.kinks, report.failures)
    )
    how = (
        "every element" if compared == size else f"a sample of {compared:,} of {size:,} elements, and random directions"
    )
    worst = report.worst_of.get((place[0], place[1]))
    return GradientRecord(
        name,
        is_parameter and counts,
        mode,
        size if counts else 0,
        compared if counts else 0,
        kinks,
        wrong,
        how,
        worst.error if worst else 0.0,
        _place(worst) if worst else "",
    )


def _place(found: Difference) -> str:
    at = " along a random direction" if found.index is None else f"[{','.join(map(str, found.index))}]"
    return f"{found.layer}/{found.parameter}{at}"


def _is_of_the_whole(failure: Difference, model: str) -> bool:
    return failure.layer.endswith(" in the whole") or failure.layer == model


def _depends_on_mode(layer: Layer) -> bool:
    return bool(layer.stochastic) or any(not variable.trainable for variable in layer.weights)


def _arrays(value: Any) -> list[np.ndarray]:
    if value is None:
        return []
    if isinstance(value, dict):
        value = list(value.values())
    return [np.asarray(one) for one in value] if isinstance(value, tuple | list) else [np.asarray(value)]


def _with_nested(layer: Any) -> Iterator[Layer]:
    yield layer
    for inner in layer.graph.layers if hasattr(layer, "graph") else ():
        yield from _with_nested(inner)
