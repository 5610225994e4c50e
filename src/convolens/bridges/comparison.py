"""Where two models part: the same input goes through both, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from convolens import layers
from convolens.exporting.cell_order import flattened_order
from convolens.saving.weights import need_built
from convolens.symbol import Node
from convolens.trace import Step

from .hypotheses import hypotheses
from .probes import Probe, probes_of

__all__ = ["Comparison", "compare"]

Image = tuple[Any, ...]
_SIZE_OF_OPEN_AXES, _BATCH = 16, 4
_NEAR = 8  # how many of the other's layers are looked at for the counterpart of one


@dataclass(frozen=True)
class Comparison:
    """Whether two models give the same, and if not, where they part.

    Attributes:
        equal: whether the outputs agree.
        layer: the first layer of this library's model after which they do not; None if they agree.
        difference: the largest difference of any cell there (of the outputs, if they agree); infinite if the shapes
            differ.
        reason: what explains it, found by trying; empty if they agree.
    """

    equal: bool
    layer: str | None
    difference: float
    reason: str

    def __str__(self) -> str:
        if self.equal:
            return f"The models agree to {self.difference:.2g}."
        return f"The models part at layer {self.layer!r}, by {self.difference:.3g}: {self.reason}."


def compare(model: Any, other: Any, x: Any = None, *, seed: int = 0, tolerance: float = 1e-4) -> Comparison:
    """Run the same input through a model and its port, and name the first layer where they part.

    The other model runs in the mode it is in, and is not changed.

    Args:
        model: a ``Model`` or ``Sequential`` of this library.
        other: a model of this library or of Keras, a PyTorch module (images go in as ``(n, c, h, w)``), or the path of
            an ONNX file.
        x: the input, as for ``predict``; drawn if None.
        seed: of the drawn input, uniform in [0, 1).
        tolerance: the largest difference that counts as rounding, relative to the largest value (at least 1).

    Raises:
        ValueError: if the other model cannot be run on such an input.
        ImportError: if the other's framework is not installed.
    """
    need_built(model)
    xs = model.cast_inputs(model.standardize_inputs(x)) if x is not None else _drawn(model, seed)
    trace = model.trace(xs if len(xs) > 1 else xs[0])
    probes, outputs, kind = probes_of(other, [np.asarray(one, np.float32) for one in xs])
    if len(outputs) != len(trace.outputs):
        raise ValueError(f"the model has {len(trace.outputs)} outputs, the {kind} {len(outputs)}.")
    differences = [_nearest(ours, theirs) for ours, theirs in zip(trace.outputs, outputs, strict=True)]
    agree = all(d <= tolerance * _scale(ours) for d, ours in zip(differences, trace.outputs, strict=True))

    steps = [step for step in trace if step.inputs]
    images = _flattened_images([step.node for step in steps], {})
    matches = [_matches(step, images[id(step.node.outputs[0])], probes, tolerance) for step in steps]
    parted = _first_parted(steps, matches, probes)
    if parted is None and agree:
        return Comparison(True, None, max(differences), "")
    number, last = parted or (len(steps) - 1, len(probes) - 2)
    step = steps[number]
    inner = _within(step, other, tolerance)
    if inner is not None:
        return inner
    difference, reason = _explain(step, images.get(id(step.node.inputs[0])), probes, last, tolerance, kind)
    if getattr(other, "training", False) and isinstance(step.layer, layers.Dropout | layers.BatchNormalization):
        reason = "training mode: the PyTorch module is in training mode; call its eval()"
    return Comparison(False, step.layer.name, difference, reason)


def _drawn(model: Any, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = [(_BATCH, *(size or _SIZE_OF_OPEN_AXES for size in symbol.shape[1:])) for symbol in model.inputs]
    return model.cast_inputs([rng.random(shape) for shape in shapes])


def _scale(array: np.ndarray) -> float:
    return max(1.0, float(np.abs(array).max(initial=0)))


def _nearest(ours: np.ndarray, theirs: list[np.ndarray]) -> float:
    """Return the largest difference of any cell, in the layout that fits best; infinite if none has the shape."""
    fitting = [np.abs(ours - array) for array in theirs if array.shape == ours.shape]
    return min((float(np.nan_to_num(d, nan=math.inf).max(initial=0)) for d in fitting), default=math.inf)


def _flattened_images(nodes: Iterable[Node], known: Mapping[int, Image | None]) -> dict[int, Image | None]:
    """Return, by symbol, the shape of the image whose flattened cells it holds; None or nothing if it does not."""
    found = dict(known)
    for node in nodes:
        layer: Any = node.layer
        symbol = node.inputs[0]
        image = found.get(id(symbol)) if node.outputs[0].shape == symbol.shape else None
        if hasattr(layer, "graph"):
            inside = _flattened_images(layer.graph.nodes, {id(layer.inputs[0]): found.get(id(symbol))})
            image = inside[id(layer.outputs[0])]
        elif isinstance(layer, layers.Flatten | layers.Reshape) and len(symbol.shape) == 4:
            image = None if None in symbol.shape[1:] else symbol.shape[1:]
        elif isinstance(layer, layers.Dense):
            image = None
        found.update((id(one), image) for one in node.outputs)
    return found


class _Matches(NamedTuple):
    """Where the other model has the same arrays as a call: its output, and what its activation sees."""

    outputs: list[int]
    insides: list[int]


def _matches(step: Step, image: Image | None, probes: list[Probe], tolerance: float) -> _Matches:
    def places(arrays: list[Any]) -> list[int]:
        return [
            place
            for place, probe in enumerate(probes)
            if any(_nearest(ours, probe.arrays) <= tolerance * _scale(ours) for ours in arrays)
        ]

    if not isinstance(step.output, np.ndarray):
        return _Matches([], [])
    return _Matches(places(_meanings(step, image)), [] if step.z is step.output else places([step.z]))


def _first_parted(steps: list[Step], matches: list[_Matches], probes: list[Probe]) -> tuple[int, int] | None:
    """Return the first call that parts, and the place of what it starts from in the other model; None if none does.

    A call without a counterpart does not part if the other merely lacks it: if something after it agrees, and the
    other has nothing of its shape there that agrees with none of this model's arrays.
    """
    known = {place for found in matches for place in (*found.outputs, *found.insides)}
    agrees: set[int] = set()
    lacking: set[int] = set()
    for number in range(len(steps) - 1, -1, -1):
        node = steps[number].node
        later = any(id(symbol) in agrees for symbol in node.outputs)
        if matches[number].outputs or later:
            agrees.update(id(symbol) for symbol in (*node.outputs, *node.inputs))
        if later:
            lacking.add(number)
    reached: dict[int, int] = {}
    for number, step in enumerate(steps):
        before = max(reached.get(id(symbol), -1) for symbol in step.node.inputs)
        here = [place for place in matches[number].outputs if place > before] or matches[number].outputs
        following = [
            probe.arrays for place, probe in enumerate(probes[before + 1 :][:1], before + 1) if place not in known
        ]
        if isinstance(step.layer, layers.Dropout) and any(_drops(step.inputs[0], arrays) for arrays in following):
            return number, before
        if not here:
            after = [place for found in matches[number + 1 :] for place in found.outputs if place > before]
            between = range(before + 1, min(after, default=len(probes)))
            shape = getattr(step.output, "shape", None)
            unknown = any(p not in known and any(a.shape == shape for a in probes[p].arrays) for p in between)
            if unknown or number not in lacking:
                return number, max([before, *(place for place in matches[number].insides if place > before)][:2])
        reached.update((id(symbol), min(here, default=before)) for symbol in step.node.outputs)
    return None


def _meanings(step: Step, image: Image | None) -> list[np.ndarray]:
    """Return a call's output, with the cells of a flattened image also in the order of channels first."""
    if image is None or step.output.ndim != 2 or step.output.shape[1] != math.prod(image):
        return [step.output]
    order = flattened_order(*image)
    return [step.output] if order is None else [step.output, step.output[:, np.argsort(order)]]


def _within(step: Step, other: Any, tolerance: float) -> Comparison | None:
    """Look into a model within the model, if the other has one of that name."""
    if not hasattr(step.layer, "graph"):
        return None
    parts = [getattr(other, "get_layer", None), getattr(other, "get_submodule", None)]
    for part in parts:
        try:
            found = part(step.layer.name) if part else None
        except (ValueError, AttributeError):
            continue
        if found is not None and (hasattr(found, "layers") or hasattr(found, "named_children")):
            inner = compare(step.layer, found, list(step.inputs), tolerance=tolerance)
            if not inner.equal:
                return Comparison(False, f"{step.layer.name}/{inner.layer}", inner.difference, inner.reason)
    return None


def _explain(
    step: Step, image: Image | None, probes: list[Probe], last: int, tolerance: float, kind: str
) -> tuple[float, str]:
    """Return how far the counterpart of a call is off, and the reason that explains it best."""
    following = probes[last + 1 : last + 1 + _NEAR]
    ours = step.output
    if not isinstance(ours, np.ndarray):
        return math.inf, "the layer has several outputs, which cannot be told apart in the other"
    differences = [_nearest(ours, probe.arrays) for probe in following]
    difference = next((found for found in differences if math.isfinite(found)), math.inf)
    best: tuple[float, str, float] | None = None
    # What comes next in the other, and, as it may lack an activation, what came last.
    for probe in [*following, *probes[max(last, 0) : last + 1]]:
        for reason, array in hypotheses(step, image):
            off = _nearest(array, probe.arrays)
            if off <= tolerance * _scale(array) and (best is None or off < best[0]):
                best = (off, reason, _nearest(ours, probe.arrays))
        if best is not None:
            return best[2], best[1]
        if isinstance(step.layer, layers.Dropout) and _drops(step.inputs[0], probe.arrays):
            return _nearest(ours, probe.arrays), "training mode: the other drops cells"
    if math.isinf(difference):
        shapes = [probe.arrays[-1].shape for probe in following[:2]]
        return difference, f"shapes: this layer gives {ours.shape}, what follows in the {kind} {shapes or 'nothing'}"
    if step.layer.weights:
        return difference, "weights: nothing else that was tried explains it, so the other's weights are not these"
    return difference, "unknown: padding, order of axes, epsilon, activation and training mode do not explain it"


def _drops(x: np.ndarray, arrays: list[np.ndarray]) -> bool:
    return any(array.shape == x.shape and (array == 0).mean() > (x == 0).mean() + 0.01 for array in arrays)
