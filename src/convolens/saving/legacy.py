"""The older HDF5 files of Keras 2, which Keras 3 still writes as ``.h5``: read only.

A whole model has its configuration in the attribute ``model_config`` and its weights in the group ``model_weights``; a
file of weights has them at the top. Layers are listed in the attribute ``layer_names``, and the arrays of each in
``weight_names``: the trainable ones first.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convolens.saving.weights import local, matched, optimizer_state
from convolens.variable import Variable

__all__ = ["configurations", "is_legacy", "is_whole_model", "read_optimizer", "read_weights"]


def is_legacy(file: Any) -> bool:
    """Whether an open HDF5 file is one of the older kind."""
    return "layer_names" in file.attrs or "model_weights" in file


def is_whole_model(file: Any) -> bool:
    """Whether it holds a model's configuration too."""
    return "model_config" in file.attrs and "model_weights" in file


def configurations(file: Any, path: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the configurations of the model and of its training (None if it was not compiled)."""
    try:
        config, training = (json.loads(file.attrs.get(name, "null")) for name in ("model_config", "training_config"))
    except ValueError as error:
        raise ValueError(f"{path}: the configuration cannot be read: {error}") from error
    return config, training


def read_weights(file: Any, model: Any, by_name: bool = False, skip_mismatch: bool = False) -> None:
    """Copy the weights of an open file into a model, layer by layer in order, or by the layers' names."""
    group = file.get("model_weights", file)
    stored = {name: _arrays(local(group, name)) for name in _names(group, "layer_names")}
    stored = {name: arrays for name, arrays in stored.items() if arrays}
    layers = [layer for layer in model.layers if _variables(layer)]
    if by_name:
        pairs = [(layer, stored[layer.name]) for layer in layers if layer.name in stored]
    elif len(layers) == len(stored):
        pairs = list(zip(layers, stored.values(), strict=True))
    else:
        raise ValueError(
            f"the model has {len(layers)} layers with weights, the file {len(stored)}: {', '.join(stored)}."
        )
    found: list[tuple[Variable, np.ndarray]] = []
    for layer, arrays in pairs:
        try:
            found += matched(layer, _variables(layer), arrays)
        except ValueError as error:
            if not skip_mismatch:
                raise ValueError(f"the weights do not fit the model: {error}") from error
            warnings.warn(f"left alone: {error}", stacklevel=4)
    for variable, array in found:
        variable.assign(array)


def _variables(layer: Any) -> Sequence[Variable]:
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _names(group: Any, attribute: str) -> list[str]:
    """Return a list of names; one too long for HDF5 is cut into ``layer_names0``, ``layer_names1``, ..."""
    parts = [attribute] if attribute in group.attrs else []
    while not parts or parts[-1] != attribute:
        if f"{attribute}{len(parts)}" not in group.attrs:
            break
        parts.append(f"{attribute}{len(parts)}")
    return [name.decode() if isinstance(name, bytes) else str(name) for part in parts for name in group.attrs[part]]


def _arrays(group: Any) -> list[Any]:
    arrays = [] if group is None else [local(group, name) for name in _names(group, "weight_names")]
    if any(array is None for array in arrays):
        raise ValueError(f"the file is broken: {group.name} does not hold all the weights it lists.")
    return arrays


def read_optimizer(file: Any, model: Any) -> None:
    """Copy the optimiser's state of an open whole-model file, if it has one that fits."""
    group = file.get("optimizer_weights")
    if group is None:
        return
    arrays, names = _arrays(group), _names(group, "weight_names")
    if names and names[0].endswith("/iter:0"):
        arrays = [arrays[0], *_interleaved(arrays[1:], model.optimizer, len(model.trainable_weights))]
    for variable, array in optimizer_state(arrays, model):
        variable.assign(array)


def _interleaved(arrays: list[Any], optimizer: Any, count: int) -> list[Any]:
    """Put slots in today's order: the first optimisers of Keras 2 list them slot by slot, not variable by variable."""
    ordered: list[Any] = []
    for group in optimizer.slots():
        block, arrays = arrays[: len(group) * count], arrays[len(group) * count :]
        ordered += [block[at] for variable in range(count) for at in range(variable, len(block), count)]
    return ordered + arrays
