"""Weights as HDF5, laid out as Keras 3 does: ``layers/conv2d/vars/0``, ``optimizer/vars/0``.

The groups of layers are named by class, not by the layers' own names: the second ``Conv2D`` of a model lies in
``layers/conv2d_1``. A model within a model has a ``layers`` group of its own, and a layer met twice is stored once.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convolens.files import replacing
from convolens.naming import to_snake_case
from convolens.variable import Variable

__all__ = [
    "Entry",
    "entries",
    "local",
    "matched",
    "need_built",
    "open_hdf5",
    "optimizer_state",
    "read_state",
    "refuse_overwriting",
    "save_weights",
    "write_state",
]


class Entry(NamedTuple):
    """What lies in one group: the variables of a layer or of an optimiser."""

    path: str
    owner: Any
    variables: Sequence[Variable]


def entries(model: Any) -> Iterator[Entry]:
    """Yield every group of a model's file, in Keras's order."""
    yield from _walk(model, "", set())


def _walk(thing: Any, path: str, seen: set[int]) -> Iterator[Entry]:
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if not hasattr(thing, "graph"):
        yield Entry(path, thing, thing.weights)
        return
    yield Entry(path, thing, [])
    used: Counter[str] = Counter()
    for layer in thing.layers:
        name = _class_name(layer)
        number = used[name]
        used[name] += 1
        yield from _walk(layer, _join(path, "layers", f"{name}_{number}" if number else name), seen)
    if getattr(thing, "compiled", False) and thing.optimizer is not None:
        yield Entry(_join(path, "optimizer"), thing.optimizer, thing.optimizer.variables)


def _class_name(layer: Any) -> str:
    name = type(layer).__name__
    return "functional" if name == "Model" else to_snake_case(name)


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)


# Writing.


def save_weights(model: Any, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write the weights, and the optimiser's state if the model is compiled, to a ``.weights.h5`` file of Keras 3.

    Raises:
        ValueError: if the name does not end in ``.weights.h5``.
        OSError: if it cannot be written, or exists and ``overwrite`` is False.
    """
    path = Path(filepath)
    if not path.name.endswith(".weights.h5"):
        raise ValueError(f"save_weights writes files that end in '.weights.h5'; got {str(path)!r}.")
    need_built(model)
    refuse_overwriting(path, overwrite)
    import h5py

    with replacing(path) as beside, h5py.File(beside, "w") as file:
        write_state(file, model)


def need_built(model: Any) -> None:
    """Raise ``ValueError`` if the model has no weights because it does not know its input's shape."""
    if not model.built:
        raise ValueError(f"model {model.name!r} has no weights yet: it does not know its input's shape.")


def refuse_overwriting(path: Path, overwrite: bool) -> None:
    """Raise ``FileExistsError`` if there is a file already and it must not be replaced."""
    if not overwrite and path.exists():
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it.")


def write_state(file: Any, model: Any) -> None:
    """Write a model's variables into an open HDF5 file."""
    for entry in entries(model):
        group = file.create_group(_join(entry.path, "vars"))
        group.attrs["name"] = entry.owner.name
        for number, variable in enumerate(entry.variables):
            group[str(number)] = variable.value


# Reading.


def open_hdf5(source: Any, name: Any) -> Any:
    """Open HDF5 for reading, from a path or from a file in memory.

    Raises:
        OSError: naming the file, if it is damaged.
    """
    import h5py

    try:
        return h5py.File(source, "r")
    except OSError as error:
        kind = "is neither a .keras archive nor HDF5" if str(name).endswith(".keras") else "is no HDF5 file"
        raise OSError(f"{name} is damaged, or {kind} ({error}). Write it again, or restore a copy.") from error


def read_state(file: Any, model: Any, skip_mismatch: bool = False) -> None:
    """Copy the variables of an open HDF5 file into a model; nothing is changed unless everything fits."""
    found: list[tuple[Variable, np.ndarray]] = []
    problems: list[str] = []
    for entry in entries(model):
        if entry.owner is getattr(model, "optimizer", None):
            found += optimizer_state(_arrays(file, entry.path), model)
            continue
        arrays = _arrays(file, entry.path)
        try:
            found += matched(entry.owner, entry.variables, arrays)
        except ValueError as error:
            problems.append(str(error))
    if problems and not skip_mismatch:
        raise ValueError(f"the weights do not fit the model: {problems[0]}" + _and_more(problems))
    for problem in problems:
        warnings.warn(f"left alone: {problem}", stacklevel=4)
    for variable, array in found:
        variable.assign(array)


def _and_more(problems: list[str]) -> str:
    return f" (and {len(problems) - 1} more layers)" if len(problems) > 1 else ""


def matched(owner: Any, variables: Sequence[Variable], arrays: list[Any]) -> list[tuple[Variable, np.ndarray]]:
    """Pair a layer's variables with the arrays of a file, which are read only if their shapes fit."""
    shapes = [tuple(array.shape) for array in arrays]
    expected = [variable.shape for variable in variables]
    if shapes != expected:
        raise ValueError(f"layer {owner.name!r} has weights of shapes {expected}, the file has {shapes}.")
    return [(variable, _read(array)) for variable, array in zip(variables, arrays, strict=True)]


def _read(dataset: Any) -> np.ndarray:
    try:
        return np.asarray(dataset[()])
    except (OSError, RuntimeError) as error:
        raise OSError(f"the file is damaged: {dataset.name} cannot be read ({error}).") from error


def _arrays(file: Any, path: str) -> list[Any]:
    """Return the datasets ``vars/0``, ``vars/1``, ... of a group, none if there is no such group."""
    group = local(file, _join(path, "vars"))
    return [] if group is None else [local(group, str(number)) for number in range(len(group))]


def local(group: Any, path: str) -> Any:
    """Return what lies at a path within this very file, or None; links that lead to other files are refused."""
    import h5py

    for part in path.split("/"):
        link = group.get(part, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{group.name}/{part} is a link to elsewhere, which a file of weights must not hold.")
        group = group[part]
    if isinstance(group, h5py.Dataset) and (group.external or group.is_virtual):
        raise ValueError(f"{group.name} keeps its data in another file, which a file of weights must not do.")
    return group


def optimizer_state(arrays: list[Any], model: Any) -> list[tuple[Variable, np.ndarray]]:
    """Pair the optimiser's variables with the arrays of a file if they fit, else warn and return nothing.

    Before the first step a file may hold the step and the learning rate alone; Keras 2 leaves the learning rate out.
    """
    optimizer = model.optimizer
    if not arrays or (not optimizer.built and len(arrays) == len(optimizer.variables)):
        return matched(optimizer, optimizer.variables[: len(arrays)], arrays)
    optimizer.build(model.trainable_weights)
    targets = optimizer.variables
    if len(arrays) == len(targets) - 1:
        targets = [variable for variable in targets if variable.name != "learning_rate"]
    try:
        return matched(optimizer, targets, arrays)
    except ValueError:
        warnings.warn(
            f"the optimizer's state was not loaded: {optimizer.name!r} has {len(optimizer.variables)} variables, "
            f"the file {len(arrays)}, or their shapes differ.",
            stacklevel=5,
        )
        return []
