"""Whole models as ``.keras`` files: a zip of ``config.json``, ``metadata.json`` and ``model.weights.h5``."""

from __future__ import annotations

import datetime
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

from convolens import __version__, model_config
from convolens.files import replacing
from convolens.saving.compiling import compile_config
from convolens.saving.weights import need_built, refuse_overwriting, write_state

__all__ = ["WEIGHTS", "member", "opened", "read_json", "save_model"]

#: The Keras whose format is written.
KERAS_VERSION = "3.15.1"
WEIGHTS = "model.weights.h5"


def save_model(model: Any, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write a whole model: architecture, weights, and how it was compiled with the optimiser's state.

    The file is one of Keras 3, which opens it with ``keras.saving.load_model``.

    Args:
        model: the model.
        filepath: where to; ends in ``.keras``.
        overwrite: whether a file of that name may be replaced.

    Raises:
        ValueError: for another ending, or a model that has no weights yet or cannot be written as a configuration.
        OSError: if it cannot be written; the previous file is then whole.
    """
    import h5py

    path = Path(filepath)
    if path.suffix != ".keras":
        hint = " (whole-model .h5 files are read, not written)" if path.suffix in (".h5", ".hdf5") else ""
        raise ValueError(f"save writes files that end in '.keras'; got {str(path)!r}{hint}.")
    need_built(model)
    refuse_overwriting(path, overwrite)
    config = model_config.serialize_model(model)
    if model.compiled:
        config["compile_config"] = compile_config(model)
    now = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    metadata = {"keras_version": KERAS_VERSION, "date_saved": now, "convolens_version": __version__}
    config_text = model_config.to_json(config)
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        write_state(file, model)
    with replacing(path) as beside, zipfile.ZipFile(beside, "w") as archive:
        archive.writestr("metadata.json", json.dumps(metadata))
        archive.writestr("config.json", config_text)
        archive.writestr(WEIGHTS, weights.getbuffer())


def opened(path: Path) -> zipfile.ZipFile:
    """Open the zip for reading; an ``OSError`` names the file if it is damaged."""
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise OSError(f"{path} is damaged: {error}.") from error


def member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """Return the content of one member, checked against its checksum."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"{path} is no .keras file: it has no {name}.") from None
    if info.file_size > 2**20 and info.file_size > 1000 * info.compress_size:
        raise ValueError(f"{path}: {name} would unpack to {info.file_size} bytes from {info.compress_size}; refused.")
    try:
        return archive.read(info)
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise OSError(f"{path} is damaged: {name} cannot be read ({error}).") from error


def read_json(archive: zipfile.ZipFile, name: str, path: Path) -> dict[str, Any]:
    """Return the dictionary in one member."""
    try:
        content = json.loads(member(archive, name, path))
    except ValueError as error:
        raise ValueError(f"{path}: {name} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: {name} is not a configuration of a model.")
    return content
