"""Configurations of Keras 2 in the form of Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convolens import metrics

__all__ = ["is_of_keras_2", "upgraded", "upgraded_training"]

_MODELS = ("Functional", "Model", "Sequential")
_RENAMED = {("InputLayer", "batch_input_shape"): "batch_shape", ("LeakyReLU", "alpha"): "negative_slope"}
# Arguments that say nothing: of a layer that has them only by inheritance, or of how random numbers are drawn.
_DROPPED = {
    "Conv2DTranspose": ("groups",),
    "DepthwiseConv2D": ("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"),
    "SeparableConv2D": ("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"),
    "RandomFlip": ("rng_type",),
    "RandomRotation": ("rng_type",),
    "RandomTranslation": ("rng_type",),
    "RandomZoom": ("rng_type",),
    "SpatialDropout2D": ("trainable", "noise_shape"),
}


def is_of_keras_2(config: Mapping[str, Any]) -> bool:
    """Whether a model's configuration is one of Keras 2: its input's shape has another name."""
    settings = config.get("config", {})
    layers = settings if isinstance(settings, list) else settings.get("layers", [])
    return any("batch_input_shape" in layer["config"] or is_of_keras_2(layer) for layer in layers)


def upgraded(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a layer or a model in the form of Keras 3."""
    name = str(config["class_name"]).split(">")[-1]
    settings = config["config"]
    if isinstance(settings, list):  # a Sequential of the first Keras 2
        settings = {"layers": settings}
    if name in _MODELS:
        settings = _upgraded_model(settings)
    else:
        dropped = _DROPPED.get(name, ())
        settings = {_RENAMED.get((name, key), key): value for key, value in settings.items() if key not in dropped}
        if name != "InputLayer":
            settings.pop("batch_input_shape", None)
        if name in ("BatchNormalization", "LayerNormalization") and isinstance(settings["axis"], list):
            [settings["axis"]] = settings["axis"]
    return {**config, "class_name": "Functional" if name == "Model" else name, "config": settings}


def _upgraded_model(settings: Mapping[str, Any]) -> dict[str, Any]:
    layers = [upgraded(layer) for layer in settings["layers"]]
    first = settings["layers"][0]
    if first["class_name"] != "InputLayer" and "batch_input_shape" in first["config"]:
        layers.insert(0, {"class_name": "InputLayer", "config": {"batch_shape": first["config"]["batch_input_shape"]}})
    result = {**settings, "layers": layers}
    if "input_layers" not in settings:
        return result
    places = [place for layer in layers for call in layer["inbound_nodes"] for place in call]
    places += [*settings["input_layers"], *settings["output_layers"]]
    # The first call of a model within a model is its own making there, which later calls are counted from.
    shifts = {
        layer["name"]: int(
            any(name == layer["name"] and call >= len(layer["inbound_nodes"]) for name, call, *_ in places)
        )
        for layer in layers
        if layer["class_name"] in ("Functional", "Sequential")
    }

    def history(place: list[Any]) -> list[Any]:
        name, call, output = place[:3]
        return [name, call - shifts.get(name, 0), output]

    for layer in layers:
        layer["inbound_nodes"] = [_upgraded_call(call, history) for call in layer["inbound_nodes"]]
    return {
        **result,
        **{side: _single([history(place) for place in settings[side]]) for side in ("input_layers", "output_layers")},
    }


def _single(places: list[Any]) -> Any:
    """Keras 2 writes a list for one input or output too."""
    return places[0] if len(places) == 1 else places


def _upgraded_call(call: list[list[Any]], history: Any) -> dict[str, Any]:
    symbols = [{"class_name": "__keras_tensor__", "config": {"keras_history": history(place)}} for place in call]
    keywords = call[0][3] if len(call[0]) > 3 else {}
    return {"args": [symbols] if len(symbols) > 1 else symbols, "kwargs": keywords}


def upgraded_training(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``compile``, of Keras 2 or 3, in the form of Keras 3."""
    result = dict(training)
    optimizer = result.pop("optimizer_config", result.get("optimizer"))
    result["optimizer"] = _upgraded_optimizer(optimizer) if isinstance(optimizer, Mapping) else optimizer
    for kind in ("loss", "metrics", "weighted_metrics"):
        result[kind] = _upgraded_objects(result.get(kind))
    if isinstance(result["metrics"], list) and len(result["metrics"]) == 1 and isinstance(result["metrics"][0], list):
        [result["metrics"]] = result["metrics"]
    return result


def _upgraded_optimizer(config: Mapping[str, Any]) -> dict[str, Any]:
    settings = {k: v for k, v in config["config"].items() if k not in ("jit_compile", "is_legacy_optimizer")}
    decay = settings.pop("decay", 0.0)
    if decay:  # Keras 2: learning_rate / (1 + decay * step)
        arguments = {"initial_learning_rate": settings["learning_rate"], "decay_steps": 1, "decay_rate": decay}
        settings["learning_rate"] = {"class_name": "InverseTimeDecay", "config": arguments}
    return {**config, "class_name": str(config["class_name"]).split(">")[-1], "config": settings}


def _upgraded_objects(value: Any) -> Any:
    """Upgrade the losses or metrics in a structure of lists and dictionaries."""
    if isinstance(value, list):
        return [_upgraded_objects(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    if "class_name" not in value:
        return {key: _upgraded_objects(one) for key, one in value.items()}
    settings = dict(value.get("config") or {})
    function = settings.pop("fn", None)
    if settings.get("reduction") == "auto":
        settings["reduction"] = "sum_over_batch_size"
    name = value["class_name"]
    if name == "MeanMetricWrapper" and isinstance(function, str):
        name = type(metrics.get(function)).__name__
    return {**value, "class_name": name, "config": settings}
