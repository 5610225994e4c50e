"""Whole models as ONNX files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from convolens import __version__
from convolens.bridges.extras import needed
from convolens.files import replacing
from convolens.saving.weights import need_built

from .onnx_graph import GraphBuilder, Value
from .onnx_layers import convert

__all__ = ["OPSET", "onnx"]

#: The version of ONNX's set of operators, and the version of the file format that came with it.
OPSET, _IR_VERSION = 18, 8


def onnx(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a model as it predicts (no dropout, no augmentation) to an ONNX file of opset 18, in float32.

    Inputs and outputs keep this library's shapes. Inside, images are ``(n, c, h, w)``: each image input is transposed
    once and each image output once; ``Flatten`` moves nothing, the weights after it are permuted instead. The batch
    size stays open. Tensors are named by layer and call, ``conv2d:0``.

    Args:
        model: a ``Model`` or ``Sequential``.
        path: the file; ends in ``.onnx``.

    Raises:
        ValueError: for another ending, or naming the layer that ONNX cannot express and why.
        ImportError: if the package ``onnx`` is not installed.
        OSError: if the file cannot be written.
    """
    target = Path(path)
    if target.suffix != ".onnx":
        raise ValueError(f"export.onnx writes files that end in '.onnx'; got {str(target)!r}.")
    package = needed("onnx", "onnx", "cl.export.onnx")
    need_built(model)
    made = _model_proto(package, model)
    package.checker.check_model(made, full_check=True)
    with replacing(target) as beside:
        beside.write_bytes(made.SerializeToString())


def _model_proto(package: Any, model: Any) -> Any:
    helper, kind = package.helper, package.TensorProto.FLOAT
    graph = GraphBuilder(package)
    graph.scope = "input"
    inputs, values = [], {}
    for name, symbol in zip(model.input_names, model.inputs, strict=True):
        name = graph.unique(name)
        inputs.append(helper.make_tensor_value_info(name, kind, _dimensions(symbol.shape, name)))
        values[id(symbol)] = graph.enter(name, symbol.shape)
    names = [graph.unique(name) for name in model.output_names]
    _run(graph, model, values, "")
    outputs = []
    for name, symbol in zip(names, model.outputs, strict=True):
        graph.scope = name
        graph.leave(values[id(symbol)], name)
        outputs.append(helper.make_tensor_value_info(name, kind, _dimensions(symbol.shape, name)))
    made = helper.make_graph(graph.nodes, model.name, inputs, outputs, list(graph.constants.values()))
    return helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="convolens",
        producer_version=__version__,
    )


def _run(graph: GraphBuilder, model: Any, values: dict[int, Value], prefix: str) -> None:
    """Add all calls of a model; models within it are written out in place."""
    calls: dict[str, int] = {}
    for node in model.graph.nodes:
        layer = node.layer
        number = calls[layer.name] = calls.get(layer.name, -1) + 1
        given = [values[id(symbol)] for symbol in node.inputs]
        graph.scope = f"{prefix}{layer.name}"
        if hasattr(layer, "graph"):
            inside = {id(symbol): value for symbol, value in zip(layer.inputs, given, strict=True)}
            _run(graph, layer, inside, f"{prefix}{layer.name}/")
            results = [inside[id(symbol)] for symbol in layer.outputs]
        else:
            results = [_named(graph, convert(graph, layer, given, node.outputs[0].shape), number)]
        values.update({id(symbol): value for symbol, value in zip(node.outputs, results, strict=True)})


def _named(graph: GraphBuilder, value: Value, number: int) -> Value:
    """Name the last node's output after its layer and the number of the call."""
    last = graph.nodes[-1]
    if value.name != last.output[0] or not last.name.startswith(f"{graph.scope}/"):
        return value  # the layer added nothing
    last.output[0] = last.name = graph.unique(f"{graph.scope}:{number}")
    return value._replace(name=last.output[0])


def _dimensions(shape: tuple[int | None, ...], name: str) -> list[int | str]:
    batch, *others = shape
    return ["batch" if batch is None else batch, *(f"{name}_{i}" if n is None else n for i, n in enumerate(others, 1))]
