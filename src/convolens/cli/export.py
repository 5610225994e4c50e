"""``convolens export``: a run's network in the files of other programs."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from .console import console, escaped

__all__ = ["command"]


def _torch(model: Any, path: Path) -> list[Path]:
    """Write the state dictionary and beside it, for a chain of layers, the matching ``nn.Sequential``."""
    import convolens as cl

    cl.export.torch_state_dict(model, path)
    try:
        source = cl.export.torch_sequential(model)
    except ValueError as error:
        console.note(f"no nn.Sequential is written beside the weights: {error}")
        return [path]
    beside = path.with_suffix(".py")
    beside.write_text(source + "\n", encoding="utf-8")
    return [path, beside]


def _alone(name: str) -> Callable[[Any, Path], list[Path]]:
    def write(model: Any, path: Path) -> list[Path]:
        import convolens as cl

        getattr(cl.export, name)(model, path)
        return [path]

    return write


def _saved(method: str) -> Callable[[Any, Path], list[Path]]:
    def write(model: Any, path: Path) -> list[Path]:
        getattr(model, method)(path)
        return [path]

    return write


#: The name of the file, and what writes it and returns all that it wrote.
_WRITERS: dict[str, tuple[str, Callable[[Any, Path], list[Path]]]] = {
    "keras": ("model.keras", _saved("save")),
    "weights": ("model.weights.h5", _saved("save_weights")),
    "onnx": ("model.onnx", _alone("onnx")),
    "safetensors": ("model.safetensors", _alone("safetensors")),
    "torch": ("model_torch.safetensors", _torch),
}
_Form = Enum("_Form", {name: name for name in _WRITERS})  # type: ignore[misc]


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    to: Annotated[_Form, typer.Option("--to", help="The kind of file.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; one in RUN/exports unless set.")] = None,
) -> None:
    """Write a run's network for other programs: Keras, ONNX, safetensors or PyTorch."""
    from convolens.runs import Run

    found = Run.load(run)
    name, write = _WRITERS[to.value]
    path = out
    if path is None:
        path = found.folder / "exports" / name
        path.parent.mkdir(exist_ok=True)
    files = [str(file) for file in write(found.model, path)]
    console.result({"run": str(found.folder), "form": to.value, "files": files}, *map(escaped, files))
