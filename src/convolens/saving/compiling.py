"""How a model was compiled, as a configuration and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from convolens import losses, metrics, optimizers

__all__ = ["compile_config", "compile_from_config"]

# Keras's execution options: they have one value here and none in the numbers.
_EXECUTION = {"run_eagerly": False, "steps_per_execution": 1, "jit_compile": "auto"}


def compile_config(model: Any) -> dict[str, Any]:
    """Return the arguments of ``compile`` in Keras's form."""
    given = model._compile_arguments
    return {
        "optimizer": optimizers.serialize(model.optimizer),
        "loss": _mapped(given["loss"], _serialized),
        "loss_weights": given["loss_weights"],
        "metrics": _mapped(given["metrics"], _serialized),
        "weighted_metrics": _mapped(given["weighted_metrics"], _serialized),
        **_EXECUTION,
    }


def _serialized(thing: Any) -> Any:
    if isinstance(thing, losses.Loss):
        return losses.serialize(thing)
    if isinstance(thing, metrics.Metric):
        return metrics.serialize(thing)
    if isinstance(thing, type):
        return _serialized(thing())
    if callable(thing):
        return {"module": "builtins", "class_name": "function", "config": thing.__name__, "registered_name": "function"}
    return thing


def compile_from_config(model: Any, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> None:
    """Compile a model as the configuration says.

    Raises:
        ValueError: for an optimiser, loss or metric that this library does not have.
    """

    def loss(one: Any) -> Any:
        return losses.deserialize(one, custom_objects)

    def metric(one: Any) -> Any:
        return metrics.deserialize(one, custom_objects) if isinstance(one, Mapping) else one

    try:
        optimizer = config.get("optimizer") or "rmsprop"
        if isinstance(optimizer, Mapping):
            optimizer = optimizers.deserialize(optimizer, custom_objects)
        model.compile(
            optimizer=optimizer,
            loss=_mapped(config.get("loss"), loss),
            loss_weights=config.get("loss_weights"),
            metrics=_mapped(config.get("metrics"), metric),
            weighted_metrics=_mapped(config.get("weighted_metrics"), metric),
        )
    except ValueError as error:
        raise ValueError(f"{error} Load with compile=False to use the model without its training settings.") from error


def _mapped(structure: Any, function: Callable[[Any], Any]) -> Any:
    """Apply a function to the leaves of lists and dictionaries; a configuration of an object is a leaf."""
    if structure is None:
        return None
    if isinstance(structure, Mapping) and "class_name" not in structure:
        return {key: _mapped(value, function) for key, value in structure.items()}
    if isinstance(structure, list | tuple):
        return [_mapped(value, function) for value in structure]
    return function(structure)
