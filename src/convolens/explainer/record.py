"""One traced image as a dictionary: the format that the page reads, version 2.

Layers are told apart by their class. ``nodes`` are the calls in order, with the numbers of the calls they read;
arrays are numbers into ``tensors`` (see ``arrays.py``) and have no batch axis. A model within the model is written
out call by call.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import convolens
from convolens import kernels
from convolens.explainer.arrays import ArrayStore
from convolens.explainer.options import activation_record, layer_options, loss_options
from convolens.explainer.sources import PANELS, layer_functions, loss_functions, sources
from convolens.layers import InputLayer
from convolens.layers.base import ActivatedLayer
from convolens.model import Model
from convolens.trace import Step, Trace

__all__ = ["FORMAT", "VERSION", "make_record"]

FORMAT = "convolens.explainer"
VERSION = 2


@dataclass
class Call:
    """A step with its place in the written-out graph.

    Attributes:
        step: the traced call.
        name: the layer's name, with those of the models around it: ``"backbone/conv2d"``.
        inputs: the numbers of the calls it reads.
        gradients: the sums over all calls of its layer.
    """

    step: Step
    name: str
    inputs: list[int]
    gradients: dict[str, np.ndarray]


def make_record(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    class_names: Sequence[str] | None = None,
    training: bool = False,
    seed: int = 0,
    recorder: Any = None,
    certificate: Any = None,
    limit: int = 7_000_000,
) -> dict[str, Any]:
    """Trace one image and return the record of it.

    Args:
        model: the model; compiled if ``y`` is given.
        x: the image with a batch axis of one, or a list of them for a model with several inputs.
        y: its target, batched alike; without it there are no gradients.
        class_names: what the outputs stand for.
        training: whether layers behave as in training.
        seed: what random layers draw from.
        recorder: a ``Recorder`` that watched the training.
        certificate: what ``convolens.certify`` returned.
        limit: the most characters for arrays; beyond it the largest that the page can compute are left out.
    """
    trace = model.trace(x, y, training=training, seed=seed)
    calls: list[Call] = []
    outputs = _write_out(model, trace, calls, "", None)
    store = ArrayStore()
    layers, numbers = _layer_records(calls, store)
    nodes = [_node_record(call, numbers, store) for call in calls]
    losses = _loss_records(model, trace, outputs, store)
    snapshots = _snapshots(recorder, store) if recorder is not None else []

    out = store.left_out(limit)
    _forget(nodes + [p for layer in layers for p in layer["parameters"]], out)
    _forget([item for snapshot in snapshots for item in snapshot["layers"]], out)
    for snapshot in snapshots:
        for item in snapshot["layers"]:
            item["parameters"] = [p for p in item["parameters"] if p["value"] not in out]
    return {
        "format": FORMAT,
        "version": VERSION,
        "model": {"name": model.name, "class": type(model).__name__, "parameters": int(model.count_params())},
        "layers": layers,
        "nodes": nodes,
        "outputs": outputs,
        "losses": losses,
        "loss": _number(trace.loss),
        "data_loss": _number(trace.data_loss),
        "training": training,
        "class_names": [str(name) for name in class_names or []],
        "label": _label(trace),
        "about": _about(model, seed, training),
        "certificate": None if certificate is None else str(certificate.summary),
        "checks": _checks(certificate),
        "recorder": snapshots,
        "functions": PANELS,
        "sources": _sources(layers + losses),
        "thinned": sorted(store.label(number) for number in out),
        "tensors": store.packed(out),
    }


def _write_out(model: Any, trace: Trace, calls: list[Call], prefix: str, outer_inputs: list[int] | None) -> list[int]:
    """Append the calls of a model, models within it included, and return the numbers of its outputs."""
    number_of: dict[int, int] = {}
    for step in trace:
        symbols = step.node.outputs
        if not step.inputs and outer_inputs is not None:
            # The input of a model within: what the outer call read.
            position = next(i for i, one in enumerate(model.graph.inputs) if one.node is step.node)
            number_of[id(symbols[0])] = outer_inputs[position]
            continue
        inputs = [number_of[id(symbol)] for symbol in step.node.inputs]
        name = prefix + step.layer.name
        if isinstance(step.layer, Model):
            arrays = list(step.inputs)
            d_output = list(step.d_output) if isinstance(step.d_output, tuple) else step.d_output
            given = arrays[0] if len(arrays) == 1 else arrays
            inner = step.layer.trace(given, d_output=d_output, training=trace.training, seed=trace.seed)
            found = _write_out(step.layer, inner, calls, f"{name}/", inputs)
            number_of.update({id(symbol): number for symbol, number in zip(symbols, found, strict=True)})
            continue
        gradients = (trace.gradients or {}).get(step.layer.name, {})
        number_of.update({id(symbol): len(calls) for symbol in symbols})
        calls.append(Call(step, name, inputs, gradients))
    return [number_of[id(symbol)] for symbol in model.graph.outputs]


def _layer_records(calls: list[Call], store: ArrayStore) -> tuple[list[dict[str, Any]], dict[int, int]]:
    """Return a record per layer, and by the layer's ``id`` its number."""
    records: list[dict[str, Any]] = []
    numbers: dict[int, int] = {}
    for call in calls:
        layer = call.step.layer
        if id(layer) in numbers:
            continue
        numbers[id(layer)] = len(records)
        cls, options = layer_options(call.step)
        has_own = isinstance(layer, ActivatedLayer) and not layer.is_linear
        parameters = []
        for variable in layer.weights:
            value = call.step.parameters.get(variable.name, variable.value)
            gradient = call.gradients.get(variable.name)
            penalty = variable.regularizer
            parameters.append(
                {
                    "name": variable.name,
                    "value": store.add(value),
                    "gradient": store.add(gradient, f"{call.name}: gradient of {variable.name}"),
                    "trainable": variable.name in layer.parameters,
                    "l1": float(getattr(penalty, "l1", 0)),
                    "l2": float(getattr(penalty, "l2", 0)),
                }
            )
        records.append(
            {
                "name": call.name,
                "class": cls,
                "options": _plain(options),
                "activation": activation_record(layer.activation) if has_own else None,  # type: ignore[attr-defined]
                "parameters": parameters,
                "functions": layer_functions(call.step),
            }
        )
    return records, numbers


def _node_record(call: Call, numbers: dict[int, int], store: ArrayStore) -> dict[str, Any]:
    step = call.step
    first = step.layer.nodes.index(step.node) if step.node in step.layer.nodes else 0
    # Inputs cannot be computed, nor what follows a layer that the page does not know.
    essential = isinstance(step.layer, InputLayer) or layer_options(step)[1].get("unsupported")

    def keep(array: Any, what: str) -> int | None:
        if not isinstance(array, np.ndarray):
            return None
        return store.add(array[0], None if essential else f"{call.name}: {what}")

    return {
        "name": call.name if not first else f"{call.name}:{first}",
        "layer": numbers[id(step.layer)],
        "inputs": call.inputs,
        "shape": list(step.output.shape[1:]),
        "output": keep(step.output, "output"),
        "z": None if step.z is step.output else keep(step.z, "z"),
        "d_output": keep(step.d_output, "gradient of the output"),
        "d_z": None if step.d_z is step.d_output else keep(step.d_z, "gradient of z"),
    }


def _loss_records(model: Any, trace: Trace, outputs: list[int], store: ArrayStore) -> list[dict[str, Any]]:
    if trace.y is None:
        return []
    objective = model.objective
    records = []
    for number, loss in enumerate(objective.losses):
        if loss is None:
            continue
        cls, options = loss_options(loss, trace.outputs[number])
        last = model.graph.outputs[number].node.layer
        inside = isinstance(last, ActivatedLayer) and not last.is_linear
        records.append(
            {
                "node": outputs[number],
                "class": cls,
                "options": _plain(options),
                "weight": float(objective.weights[number]),
                "target": store.add(np.asarray(trace.y[number][0], np.float64).reshape(-1)),
                "fused": bool(objective.fused[number] is not None and inside),
                "functions": loss_functions(loss),
            }
        )
    return records


def _label(trace: Trace) -> int | None:
    """Return the true class of the first output, where its target names one."""
    if trace.y is None:
        return None
    target = np.ravel(trace.y[0][0])
    value = float(target[0]) if target.size == 1 else float(np.argmax(target))
    return int(value) if value.is_integer() and value >= 0 else None


_MOST_SNAPSHOTS = 16
_MOST_NUMBERS = 20_000


def _snapshots(recorder: Any, store: ArrayStore) -> list[dict[str, Any]]:
    """Return some of a recorder's epochs, evenly spread, with the arrays that are not too large."""
    epochs = recorder.epochs
    chosen = np.unique(np.linspace(0, len(epochs) - 1, min(len(epochs), _MOST_SNAPSHOTS)).round().astype(int))

    def keep(array: Any, what: str, first: bool = False) -> int | None:
        if array is None or not isinstance(array, np.ndarray):
            return None
        array = array[0] if first else array
        return store.add(np.array(array), what) if array.size <= _MOST_NUMBERS else None

    records = []
    for epoch in (epochs[i] for i in chosen):
        names = dict.fromkeys([*epoch["outputs"], *epoch["parameters"]])
        when = f"epoch {epoch['epoch']}"
        layers = []
        for name in names:
            parameters = epoch["parameters"].get(name, {})
            kept = {key: keep(value, f"{when}, {name}: {key}") for key, value in parameters.items()}
            changes = [ratio for ratio in epoch["update_ratio"].get(name, {}).values() if np.isfinite(ratio)]
            layers.append(
                {
                    "name": name,
                    "parameters": [{"name": key, "value": ref} for key, ref in kept.items() if ref is not None],
                    "output": keep(epoch["outputs"].get(name), f"{when}, {name}: output", first=True),
                    "d_output": keep(epoch["d_outputs"].get(name), f"{when}, {name}: gradient", first=True),
                    "dead": _number(epoch["dead_relu"].get(name)),
                    "update_ratio": float(max(changes)) if changes else None,
                }
            )
        measured = {**epoch["logs"], "loss of the image": epoch["loss"]}
        metrics = {key: float(value) for key, value in measured.items() if value is not None and np.isfinite(value)}
        records.append({"epoch": int(epoch["epoch"]), "metrics": metrics, "layers": layers})
    return records


def _checks(certificate: Any) -> list[dict[str, Any]]:
    """Return a certificate's findings, one line per check, differences in parts of the largest magnitude."""
    lines: list[tuple[str, str, float | None, bool]] = []
    for layer in certificate.layers if certificate is not None else []:
        name = layer.name
        lines.append((name, "output beside the reference loops in float64", layer.own_error, layer.ok))
        if layer.own_gradient_error is not None:
            lines.append((name, "its gradient beside them", layer.own_gradient_error, layer.ok))
        for one in layer.gradients:
            counted = f"{one.how}, {one.kinks} at kinks" if one.kinks else one.how
            difference = one.worst if one.worst_at else None
            lines.append((name, f"numeric gradient of {one.name} ({one.mode}; {counted})", difference, one.wrong == 0))
        lines += [(name, f"beside {peer}", difference, layer.ok) for peer, difference in layer.peers.items()]
    return [
        {"layer": layer, "quantity": quantity, "difference": _number(difference), "ok": bool(ok)}
        for layer, quantity, difference, ok in lines
    ]


def _about(model: Any, seed: int, training: bool) -> list[dict[str, str]]:
    facts = {
        "convolens": convolens.__version__,
        "kernels": kernels.active(),
        "NumPy": np.__version__,
        "Python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "numbers": str(getattr(model, "dtype", "float32")),
        "parameters": f"{model.count_params():,}",
        "mode": "training" if training else "inference",
        "seed": str(seed),
    }
    return [{"name": name, "value": value} for name, value in facts.items()]


def _sources(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the code of all functions that the records of layers and losses, and the panels, name."""
    tables = [PANELS, *(record["functions"] for record in records)]
    return sources(address for table in tables for names in table.values() for address in names)


def _forget(records: list[dict[str, Any]], out: set[int]) -> None:
    """Replace the numbers of arrays that were left out by None."""
    for record in records:
        for key in ("output", "z", "d_output", "d_z", "gradient"):
            if record.get(key) in out:
                record[key] = None


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with lists for tuples and plain numbers, as JSON has them."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return [plain(one) for one in value]
        return value.item() if isinstance(value, np.generic) else value

    return {key: plain(value) for key, value in options.items()}
