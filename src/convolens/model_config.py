"""Models as configurations and back, in the form of Keras 3.

Only classes of this library, and those passed as ``custom_objects``, are ever made from a configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convolens import sharing
from convolens.layers.base import Layer
from convolens.layers.base import registry as layer_registry
from convolens.symbol import Node, Symbol

__all__ = [
    "deserialize",
    "functional_config",
    "model_from_config",
    "sequential_config",
    "serialize_layer",
    "serialize_model",
    "to_json",
]

_MODELS = ("Functional", "Model", "Sequential")


def serialize_layer(layer: Layer) -> dict[str, Any]:
    """Return the configuration of a layer or of a model within a model."""
    if hasattr(layer, "graph"):
        return serialize_model(layer)
    config = layer_registry.serialize(layer)
    assert config is not None
    config |= sharing.number_of(layer)
    shape = _build_shape(layer)
    if shape is not None:
        config["build_config"] = {"input_shape": shape}
    return config


def serialize_model(model: Any) -> dict[str, Any]:
    """Return the configuration of a model with its class, as in a ``.keras`` file's ``config.json``."""
    sequential = hasattr(model, "_stack")
    return {
        "module": "keras" if sequential else "keras.src.models.functional",
        "class_name": "Sequential" if sequential else "Functional",
        "config": model.get_config(),
        "registered_name": "Sequential" if sequential else "Functional",
        "build_config": {"input_shape": _build_shape(model) if sequential else None},
        **sharing.number_of(model),
    }


def to_json(config: Mapping[str, Any], **kwargs: Any) -> str:
    """Return a configuration as JSON text.

    Raises:
        ValueError: naming the layer that holds something a file cannot, such as a Python function.
    """
    import json

    try:
        return json.dumps(config, **kwargs)
    except TypeError as error:
        for layer in config["config"].get("layers", ()):
            try:
                json.dumps(layer)
            except TypeError:
                raise ValueError(
                    f"layer {layer['config'].get('name')!r} ({layer['class_name']}) holds Python objects that no "
                    f"file can keep ({error}); use save_weights, and make the model anew before load_weights."
                ) from error
        raise ValueError(f"the configuration cannot be written as JSON: {error}.") from error


def _build_shape(layer: Any) -> Any:
    if hasattr(layer, "_stack"):
        return list(layer.inputs[0].shape) if layer.built else None
    if not layer.nodes or not layer.nodes[0].inputs:
        return None
    shapes = [list(symbol.shape) for symbol in layer.nodes[0].inputs]
    return shapes if layer.nodes[0].as_list else shapes[0]


def sequential_config(model: Any) -> dict[str, Any]:
    """Return the configuration of a ``Sequential``."""
    with sharing.writing(model):
        layers = [serialize_layer(layer) for layer in model._stack]
    return {
        "name": model.name,
        "trainable": model.trainable,
        "dtype": _policy(model.dtype),
        "layers": layers,
        "build_input_shape": _build_shape(model),
    }


def functional_config(model: Any) -> dict[str, Any]:
    """Return the configuration of a functional model: its layers, and every call with where its inputs come from."""
    calls = _calls_by_layer(model)
    layers = []
    with sharing.writing(model):
        for layer in model.graph.layers:
            inbound = [_serialize_call(node, calls) for node in calls[layer] if node.inputs]
            layers.append({**serialize_layer(layer), "name": layer.name, "inbound_nodes": inbound})
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": _map_structure(model.input_structure, lambda symbol: _origin(symbol, calls)),
        "output_layers": _map_structure(model.output_structure, lambda symbol: _origin(symbol, calls)),
    }


def _calls_by_layer(model: Any) -> dict[Layer, list[Node]]:
    inside = set(model.graph.nodes)
    return {layer: [node for node in layer.nodes if node in inside or not node.inputs] for layer in model.graph.layers}


def _origin(symbol: Symbol, calls: Mapping[Layer, list[Node]]) -> list[Any]:
    layer = symbol.node.layer
    if layer not in calls or symbol.node not in calls[layer]:
        raise ValueError(
            f"this model begins inside another one, at the output of layer {layer.name!r}, and cannot be written as a "
            "configuration; make it from cl.Input instead."
        )
    return [layer.name, calls[layer].index(symbol.node), symbol.index]


def _serialize_call(node: Node, calls: Mapping[Layer, list[Node]]) -> dict[str, Any]:
    def place(symbol: Symbol) -> dict[str, Any]:
        config = {"shape": list(symbol.shape), "dtype": symbol.dtype, "keras_history": _origin(symbol, calls)}
        return {"class_name": "__keras_tensor__", "config": config}

    places = [place(symbol) for symbol in node.inputs]
    return {"args": [places] if node.as_list else places, "kwargs": {}}


def _map_structure(structure: Any, function: Any) -> Any:
    if isinstance(structure, Mapping):
        return {key: function(value) for key, value in structure.items()}
    if isinstance(structure, list | tuple):
        return [function(value) for value in structure]
    return function(structure)


def _policy(dtype: str) -> dict[str, Any]:
    return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": dtype}, "registered_name": None}


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make the layer or model of a configuration, with fresh weights.

    Raises:
        ValueError: for a class that is neither this library's nor among ``custom_objects``, or a broken configuration.
    """
    if not isinstance(config, Mapping) or "class_name" not in config:
        raise ValueError(f"a layer's configuration has 'class_name' and 'config'; got {str(config)[:80]}.")
    shared = sharing.found_before(config)
    if shared is not None:
        return shared
    name = config["class_name"]
    if name in _MODELS and not (custom_objects and name in custom_objects):
        from convolens.model import Model
        from convolens.sequential import Sequential

        cls = Sequential if name == "Sequential" else Model
        return sharing.remember(config, model_from_config(cls, config["config"], custom_objects))
    _refuse_code(config, custom_objects)
    try:
        made = layer_registry.deserialize(config, custom_objects)
    except ValueError as error:
        layer = (config.get("config") or {}).get("name", name)
        raise ValueError(f"layer {layer!r} of the configuration: {error}") from error
    return sharing.remember(config, made)


def _refuse_code(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> None:
    name, registered, module = config["class_name"], config.get("registered_name"), config.get("module")
    if custom_objects and (name in custom_objects or registered in custom_objects):
        return
    if name == "Lambda" or "__lambda__" in str(config.get("config")):
        layer = (config.get("config") or {}).get("name", name)
        raise ValueError(f"layer {layer!r} holds a Python function (Lambda), which a file must not run; replace it.")
    if module is not None and module != "keras" and not str(module).startswith("keras."):
        raise ValueError(f"the file names a class of another package, {module}.{name}; pass it in custom_objects.")


def model_from_config(cls: Any, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make a model from what its ``get_config`` gave."""
    with sharing.reading():
        return _model_from_config(cls, config, custom_objects)


def _model_from_config(cls: Any, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> Any:
    from convolens.sequential import Sequential

    if "input_layers" not in config:
        maker = cls if issubclass(cls, Sequential) else Sequential
        made = [deserialize(one, custom_objects) for one in config["layers"]]
        model = maker(made, name=config.get("name"), trainable=config.get("trainable", True))
        shape = config.get("build_input_shape")
        if not model.built and shape:
            model.build(tuple(shape))
        return model
    layers: dict[str, Layer] = {}
    symbols: dict[tuple[str, int, int], Symbol] = {}
    waiting: list[tuple[Layer, int, Mapping[str, Any]]] = []
    for entry in config["layers"]:
        layer = deserialize(entry, custom_objects)
        name = entry.get("name", layer.name)
        layer.name = name
        layers[name] = layer
        if not entry["inbound_nodes"]:
            symbols[name, 0, 0] = layer.nodes[-1].outputs[0]
        waiting += [(layer, number, call) for number, call in enumerate(entry["inbound_nodes"])]
    while waiting:
        left = [(layer, number, call) for layer, number, call in waiting if not _call(layer, number, call, symbols)]
        if len(left) == len(waiting):
            raise ValueError(f"the configuration's layer {left[0][0].name!r} needs an input that nothing makes.")
        waiting = left

    def symbol_of(place: Any) -> Any:
        key = tuple(place)
        if key not in symbols:
            raise ValueError(f"the configuration names {list(place)} as an input or output, but no layer makes it.")
        return symbols[key]

    def rebuild(structure: Any) -> Any:
        if isinstance(structure, Mapping):
            return {key: rebuild(value) for key, value in structure.items()}
        if structure and isinstance(structure[0], str):
            return symbol_of(structure)
        return [rebuild(value) for value in structure]

    inputs, outputs = rebuild(config["input_layers"]), rebuild(config["output_layers"])
    model = cls(inputs, outputs, name=config.get("name"))
    if config.get("trainable") is False:
        model.trainable = False
    return model


def _call(layer: Layer, number: int, call: Any, symbols: dict[tuple[str, int, int], Symbol]) -> bool:
    """Repeat a call once all its inputs are there; say whether they were. Calls of one layer keep their order."""
    if number and (layer.name, number - 1, 0) not in symbols:
        return False
    arguments = call["args"] if isinstance(call, Mapping) else call
    extra = [v for v in (call.get("kwargs") or {}).values() if v is not None] if isinstance(call, Mapping) else []
    if any(not isinstance(value, bool) for value in extra):
        raise ValueError(f"layer {layer.name!r} is called with keyword arguments, which is not supported.")
    several = isinstance(arguments[0], list)
    places = arguments[0] if several else arguments
    keys = [tuple(place["config"]["keras_history"]) for place in places]
    if not all(key in symbols for key in keys):
        return False
    given = [symbols[key] for key in keys]
    result = layer(given) if several else layer(*given)
    for index, symbol in enumerate(result if isinstance(result, list) else [result]):
        symbols[layer.name, number, index] = symbol
    return True
