"""The code beside the numbers: by name the library's functions that compute what a panel shows, and their source.

A function is known by its address, the name under which it can be imported: ``convolens.layers.Add.merge``.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import convolens
from convolens import layers
from convolens.layers.base import ActivatedLayer
from convolens.layers.merging import Merge
from convolens.losses import Loss
from convolens.trace import Step

__all__ = ["PANELS", "layer_functions", "loss_functions", "sources"]

#: Of panels that are about the whole network.
PANELS = {
    "network": ["convolens.graph.run_forward"],
    "fork": ["convolens.graph.run_backward"],
    "walk": ["convolens.graph.run_backward"],
    "saliency": ["convolens.pictures.attribution.saliency_maps"],
    "gradcam": ["convolens.pictures.attribution.grad_cam_maps"],
    "occlusion": ["convolens.pictures.attribution.occlusion_map"],
    "receptive": ["convolens.pictures.reach.theoretical_field"],
    "training": ["convolens.callbacks.Recorder.on_epoch_end"],
    "trust": ["convolens.certify"],
}

#: The reference loops of the layers that have them.
_KERNELS: dict[type, tuple[str, ...]] = {
    layers.Conv2D: ("conv2d",),
    layers.DepthwiseConv2D: ("depthwise_conv2d",),
    layers.SeparableConv2D: ("depthwise_conv2d", "conv2d"),
    layers.Conv2DTranspose: ("conv2d_transpose",),
    layers.Dense: ("dense",),
    layers.MaxPooling2D: ("max_pool2d",),
    layers.AveragePooling2D: ("average_pool2d",),
    layers.BatchNormalization: ("batch_normalization",),
    layers.Softmax: ("softmax",),
}


def layer_functions(step: Step) -> dict[str, list[str]]:
    """Return what computes a layer ``forward`` and ``backward``, and the ``gate`` of the activation inside it."""
    layer: Any = step.layer
    cls = type(layer)
    found: dict[str, list[str]] = {"forward": [], "backward": [], "gate": []}
    if not step.inputs or not _is_ours(cls):
        return found
    own = ("merge", "split") if isinstance(layer, Merge) else ("forward", "backward")
    for way, method in zip(("forward", "backward"), own, strict=True):
        if cls in _KERNELS:
            found[way] = [f"convolens.kernels.reference.{kernel}_{way}" for kernel in _KERNELS[cls]]
        elif isinstance(layer, layers.Activation | layers.ReLU | layers.LeakyReLU | layers.ELU):
            found[way] = _of_activation(layer.activation, way)
        else:
            found[way] = [f"convolens.layers.{cls.__name__}.{method}"]
    if isinstance(layer, ActivatedLayer) and not layer.is_linear:
        found["forward"] += _of_activation(layer.activation, "forward")
        found["gate"] = _of_activation(layer.activation, "backward")
    return found


def loss_functions(loss: Loss) -> dict[str, list[str]]:
    """Return what computes a loss, and its gradient."""
    cls = type(loss)
    ways = {"forward": "call", "backward": "call_backward"}
    return {way: [f"convolens.losses.{cls.__name__}.{name}"] if _is_ours(cls) else [] for way, name in ways.items()}


def sources(addresses: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the file, the first line and the code of each function."""
    root = Path(convolens.__file__).parents[1]
    found = {}
    for address in dict.fromkeys(addresses):
        function = inspect.unwrap(resolve_name(address))
        lines, first = inspect.getsourcelines(function)
        file = Path(inspect.getsourcefile(function) or "").relative_to(root).as_posix()
        found[address] = {"file": file, "line": first, "code": textwrap.dedent("".join(lines))}
    return found


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith("convolens.")


def _of_activation(activation: Any, way: str) -> list[str]:
    cls = type(activation)
    return [f"{cls.__module__}.{cls.__name__}.{way}"] if _is_ours(cls) else []
