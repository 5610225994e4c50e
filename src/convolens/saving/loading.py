"""Reading models and weights, whichever of Keras's formats they are in."""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from convolens import model_config
from convolens.saving import legacy
from convolens.saving.archive import WEIGHTS, member, opened, read_json
from convolens.saving.compiling import compile_from_config
from convolens.saving.upgrade import is_of_keras_2, upgraded, upgraded_training
from convolens.saving.weights import need_built, open_hdf5, read_state

__all__ = ["load_model", "load_weights", "refuse_code"]


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Read a whole model: a ``.keras`` file of this library or of Keras, or a ``.h5`` file of Keras 2 or 3.

    Args:
        filepath: the file.
        custom_objects: your own classes by name, for a model that has any.
        compile: compile it as it was when saved, with the optimiser's state.
        safe_mode: True. Code in files (``Lambda`` layers) is never run here.

    Raises:
        ValueError: if the file names something unknown, holds code, or does not fit together.
        OSError: if it is missing or damaged.
    """
    if not safe_mode:
        raise ValueError("safe_mode=False would run code from the file, which this library never does.")
    path = _existing(filepath)
    if zipfile.is_zipfile(path):
        with opened(path) as archive:
            config = read_json(archive, "config.json", path)
            training = config.pop("compile_config", None)
            model = _made(config, training if compile else None, custom_objects, path)
            with open_hdf5(io.BytesIO(member(archive, WEIGHTS, path)), path) as file:
                read_state(file, model)
        return model
    with open_hdf5(path, path) as file:
        if not legacy.is_whole_model(file):
            raise ValueError(f"{path} holds weights only: build the model and call its load_weights.")
        config, training = legacy.configurations(file, path)
        model = _made(config, training if compile else None, custom_objects, path)
        legacy.read_weights(file, model)
        if model.compiled:
            legacy.read_optimizer(file, model)
    return model


def _made(
    config: dict[str, Any], training: dict[str, Any] | None, custom_objects: Mapping[str, Any] | None, path: Path
) -> Any:
    """Make the model of a configuration, compiled if there is one for that, with fresh weights."""
    try:
        refuse_code(config, custom_objects)
        model = model_config.deserialize(upgraded(config) if is_of_keras_2(config) else config, custom_objects)
        if training:
            refuse_code(training, custom_objects)
            compile_from_config(model, upgraded_training(training), custom_objects)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"{path}: the configuration is broken ({type(error).__name__}: {error}).") from error
    return model


def load_weights(
    model: Any, filepath: str | os.PathLike[str], skip_mismatch: bool = False, by_name: bool = False
) -> None:
    """Read weights into a model of the same architecture, and the optimiser's state if both have one.

    Args:
        model: the model; it is changed only if the whole file fits.
        filepath: ``.weights.h5`` or ``.keras`` of Keras 3, or ``.h5`` of Keras 2.
        skip_mismatch: leave layers alone (with a warning) whose weights do not fit, instead of raising.
        by_name: match the layers of a ``.h5`` file of Keras 2 by their names instead of their order.

    Raises:
        ValueError: if the weights do not fit the model.
        OSError: if the file is missing or damaged.
    """
    need_built(model)
    path = _existing(filepath)
    with _opened_weights(path) as file:
        if legacy.is_legacy(file):
            legacy.read_weights(file, model, by_name=by_name, skip_mismatch=skip_mismatch)
        elif by_name:
            raise ValueError(f"by_name is for the .h5 files of Keras 2; {path} is matched by its structure.")
        else:
            read_state(file, model, skip_mismatch=skip_mismatch)


@contextlib.contextmanager
def _opened_weights(path: Path) -> Iterator[Any]:
    if zipfile.is_zipfile(path):
        with opened(path) as archive, open_hdf5(io.BytesIO(member(archive, WEIGHTS, path)), path) as file:
            yield file
    else:
        with open_hdf5(path, path) as file:
            yield file


def _existing(filepath: str | os.PathLike[str]) -> Path:
    path = Path(filepath)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; expected a .keras, .weights.h5 or .h5 file.")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}.")
    return path


# Where Keras's own classes come from; a class of this library is made in their stead. Functions are "builtins".
_PACKAGES = ("keras", "tf_keras", "builtins")


def refuse_code(config: Any, custom_objects: Mapping[str, Any] | None = None, inside: str = "the model") -> None:
    """Refuse a configuration that holds code or names a class of another package, wherever in it that is.

    Raises:
        ValueError: naming what and where.
    """
    if isinstance(config, list):
        for item in config:
            refuse_code(item, custom_objects, inside)
    if not isinstance(config, dict):
        return
    name, module, own = config.get("class_name"), config.get("module"), config.get("config")
    if isinstance(own, dict) and isinstance(own.get("name"), str):
        inside = repr(own["name"])
    names = [one for one in (name, config.get("registered_name"), own) if isinstance(one, str)]
    if not any(one in (custom_objects or {}) for one in names):
        if name in ("Lambda", "__lambda__"):
            raise ValueError(
                f"{inside} holds a Python function (Lambda), which a file must not run; replace that layer."
            )
        if isinstance(name, str) and isinstance(module, str) and module.split(".")[0] not in _PACKAGES:
            raise ValueError(
                f"{inside} names {module}.{name}, a class of another package; "
                f"pass it as custom_objects={{{name!r}: ...}} if you trust it."
            )
    for value in config.values():
        refuse_code(value, custom_objects, inside)
