"""What a model of another framework gives after each of its layers, images brought to channels-last."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .extras import needed
from .keras import import_keras

__all__ = ["Probe", "probes_of"]


class Probe(NamedTuple):
    """The output of one layer of the other model.

    Attributes:
        name: of the layer, as the other framework has it.
        arrays: the output in every layout that it may be meant in.
    """

    name: str
    arrays: list[np.ndarray]


def probes_of(other: Any, xs: Sequence[np.ndarray]) -> tuple[list[Probe], list[list[np.ndarray]], str]:
    """Run the other model on the same input.

    Args:
        other: a model of this library or of Keras, a PyTorch module, or the path of an ONNX file.
        xs: the inputs, images ``(n, h, w, c)``.

    Returns:
        What each layer gave in order, what the model gave, and the name of its kind.

    Raises:
        ValueError: if it is none of these, or cannot be run on such an input.
    """
    runner = _runner_of(other)
    try:
        return runner(other, list(xs))
    except (RuntimeError, TypeError, AttributeError, IndexError) as error:
        shapes = [x.shape for x in xs]
        raise ValueError(f"the other model cannot be run on inputs of shapes {shapes}: {_first_line(error)}") from error


def _runner_of(other: Any) -> Callable[[Any, list[np.ndarray]], Any]:
    if isinstance(other, str | os.PathLike):
        return _run_onnx
    ancestors = {f"{cls.__module__.split('.')[0]}.{cls.__name__}" for cls in type(other).__mro__}
    if "torch.Module" in ancestors:
        return _run_torch
    if "keras.Model" in ancestors:
        return _run_keras
    if "convolens.Model" in ancestors:
        return _run_own
    raise ValueError(
        f"compare takes a model of this library or of Keras, a PyTorch module or the path of an ONNX file; "
        f"got {type(other).__name__}."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _run_own(model: Any, xs: list[np.ndarray]) -> Any:
    trace = model.trace(xs if len(xs) > 1 else xs[0])
    probes = [Probe(step.layer.name, [step.output]) for step in trace if step.inputs]
    return probes, [[output] for output in trace.outputs], "other model"


def _run_keras(model: Any, xs: list[np.ndarray]) -> Any:
    keras = import_keras("cl.compare")
    made: list[tuple[str, Any]] = []
    seen: set[int] = set()

    def visit(tensor: Any) -> None:
        operation, node_index, _ = tensor._keras_history
        node = operation._inbound_nodes[node_index]
        if id(node) in seen or id(tensor) in inputs:
            return
        seen.add(id(node))
        for one in node.arguments.keras_tensors:
            visit(one)
        made.extend((operation.name, output) for output in node.outputs)

    inputs = set(map(id, model.inputs))
    for output in model.outputs:
        visit(output)
    several = keras.Model(model.inputs, [tensor for _, tensor in made])
    results = several(xs if len(xs) > 1 else xs[0], training=False)
    arrays = [keras.ops.convert_to_numpy(one) for one in (results if isinstance(results, list) else [results])]
    probes = [Probe(name, [array]) for (name, _), array in zip(made, arrays, strict=True)]
    places = [next(i for i, (_, tensor) in enumerate(made) if tensor is output) for output in model.outputs]
    return probes, [probes[i].arrays for i in places], "Keras model"


def _run_torch(module: Any, xs: list[np.ndarray]) -> Any:
    import torch

    module = copy.deepcopy(module)  # in training mode a pass would move its averages
    probes: list[Probe] = []

    def note(name: str) -> Any:
        def hook(_: Any, inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                probes.append(Probe(name, [_channels_last(output.detach().cpu().numpy())]))

        return hook

    for name, part in module.named_modules():
        if not list(part.children()):
            part.register_forward_hook(note(name))
    with torch.no_grad():
        results = module(*[torch.from_numpy(np.ascontiguousarray(_channels_first(x))) for x in xs])
    outputs = results if isinstance(results, list | tuple) else [results]
    return probes, [[_channels_last(one.cpu().numpy())] for one in outputs], "PyTorch module"


def _run_onnx(path: Any, xs: list[np.ndarray]) -> Any:
    onnx = needed("onnx", "onnx", "cl.compare with an ONNX file")
    if not os.path.exists(path):
        raise ValueError(f"there is no file {os.fspath(path)}.")
    model = onnx.load(path)
    outputs = [one.name for one in model.graph.output]
    inside = [name for node in model.graph.node for name in node.output if name and name not in outputs]
    typed = onnx.shape_inference.infer_shapes(model)
    floats = {one.name for one in typed.graph.value_info if one.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    constants = {one.name for one in model.graph.initializer}
    names = [name for name in inside if name in floats]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    given = [one for one in model.graph.input if one.name not in constants]
    feeds = {one.name: _as_declared(one, x) for one, x in zip(given, xs, strict=True)}
    results = dict(zip([*outputs, *names], _evaluate(onnx, model, feeds, [*outputs, *names]), strict=True))
    order = [name for node in model.graph.node for name in node.output if name in results]
    probes = [Probe(name, _both_layouts(results[name])) for name in order]
    return probes, [_both_layouts(results[name]) for name in outputs], "ONNX file"


def _evaluate(onnx: Any, model: Any, feeds: dict[str, np.ndarray], names: list[str]) -> list[np.ndarray]:
    """Run an ONNX model in ONNX Runtime, or without it in ONNX's own evaluator."""
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        return ReferenceEvaluator(model).run(names, feeds)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers).run(names, feeds)


def _as_declared(declared: Any, x: np.ndarray) -> np.ndarray:
    """Return images as the file declares them: ``(n, c, h, w)`` if only that fits."""
    sizes = [dim.dim_value for dim in declared.type.tensor_type.shape.dim]

    def fits(shape: tuple[int, ...]) -> bool:
        return all(size in (0, found) for size, found in zip(sizes[1:], shape[1:], strict=False))

    return _channels_first(x) if not fits(x.shape) and fits(_channels_first(x).shape) else x


def _both_layouts(array: np.ndarray) -> list[np.ndarray]:
    return [array, _channels_last(array)] if array.ndim == 4 else [array]


def _channels_first(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x


def _channels_last(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x
