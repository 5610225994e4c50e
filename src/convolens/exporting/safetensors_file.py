"""Weights as safetensors files, under this library's names or under PyTorch's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convolens import __version__
from convolens.bridges.extras import needed
from convolens.files import replacing
from convolens.saving.weights import need_built

from .torch_modules import modules_of

__all__ = ["safetensors", "torch_state_dict"]


def safetensors(model: Any, path: str | os.PathLike[str]) -> None:
    """Write all weights to a safetensors file, as they are here: ``conv2d/kernel`` with shape ``(kh, kw, c, f)``.

    Args:
        model: a ``Model`` or ``Sequential``; a layer of a model within it is ``tower/conv2d/kernel``.
        path: the file; ends in ``.safetensors``.

    Raises:
        ValueError: for another ending.
        ImportError: if the package ``safetensors`` is not installed.
        OSError: if the file cannot be written.
    """
    need_built(model)
    _write(dict(_named_weights(model, "")), path, "convolens", "cl.export.safetensors")


def _named_weights(model: Any, prefix: str) -> Iterator[tuple[str, np.ndarray]]:
    for layer in model.layers:
        if hasattr(layer, "graph"):
            yield from _named_weights(layer, f"{prefix}{layer.name}/")
        else:
            yield from ((f"{prefix}{layer.name}/{variable.name}", variable.value) for variable in layer.weights)


def torch_state_dict(model: Any, path: str | os.PathLike[str]) -> None:
    """Write the weights as the state dictionary of the matching PyTorch model, in a safetensors file.

    Names are PyTorch's under the layers' names (``conv2d.weight``, ``batch_normalization.running_mean``), and so are
    the layouts: convolutions ``(f, c, kh, kw)``, transposed ones ``(c, f, kh, kw)``, linear layers ``(out, in)``. The
    rows of what follows a ``Flatten`` are put into the order in which PyTorch flattens ``(n, c, h, w)``.
    ``torch_sequential(model)`` writes the matching ``nn.Sequential``::

        model.load_state_dict(safetensors.torch.load_file("weights.safetensors"))

    Args:
        model: a ``Model`` or ``Sequential``.
        path: the file; ends in ``.safetensors``.

    Raises:
        ValueError: for another ending, or naming the layer that PyTorch cannot express and why.
        ImportError: if the package ``safetensors`` is not installed.
        OSError: if the file cannot be written.
    """
    need_built(model)
    tensors = {f"{m.name}.{key}": array for m in modules_of(model) for key, array in m.tensors.items()}
    _write(tensors, path, "pt", "cl.export.torch_state_dict")


def _write(tensors: Mapping[str, np.ndarray], path: str | os.PathLike[str], form: str, purpose: str) -> None:
    target = Path(path)
    if target.suffix != ".safetensors":
        raise ValueError(f"{purpose} writes files that end in '.safetensors'; got {str(target)!r}.")
    package = needed("safetensors.numpy", "safetensors", purpose)
    whole = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    with replacing(target) as beside:
        beside.write_bytes(package.save(whole, metadata={"format": form, "producer": f"convolens {__version__}"}))
