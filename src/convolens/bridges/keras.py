"""Models of this library as real Keras models, and back, in memory.

Both sides describe a model by the same configuration; weights are copied layer by layer, by name.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from convolens import model_config
from convolens.saving.compiling import compile_config, compile_from_config
from convolens.saving.loading import refuse_code
from convolens.saving.weights import need_built, optimizer_state

from .extras import needed

__all__ = ["copy_weights_from_keras", "copy_weights_to_keras", "from_keras", "import_keras", "to_keras"]


def import_keras(purpose: str) -> Any:
    """Import Keras 3, quietly.

    Raises:
        ImportError: if it is not installed, or older.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras = needed("keras", "keras", purpose)
    if not keras.__version__.startswith("3."):
        raise ImportError(f"{purpose} needs Keras 3; found {keras.__version__}: pip install convolens[keras]")
    return keras


def to_keras(model: Any) -> Any:
    """Return the same model in Keras: layers, weights, and how it is compiled, with the optimiser's state.

    Args:
        model: a ``Model`` or ``Sequential`` of this library.

    Returns:
        A ``keras.Model`` (or ``keras.Sequential``) on the backend that ``KERAS_BACKEND`` names.

    Raises:
        ValueError: naming the layer and the reason, if Keras has no counterpart. Training settings that Keras cannot
            express are left out with a warning.
        ImportError: if Keras 3 is not installed.
    """
    keras = import_keras("cl.to_keras")
    need_built(model)
    config = model_config.serialize_model(model)
    refuse_own_classes(config)
    made = keras.saving.deserialize_keras_object(config)
    copy_weights_to_keras(model, made)
    if model.compiled:
        settings = compile_config(model)
        reason = own_class(settings)
        if reason is not None:
            _warn_uncompiled(f"{reason} is not one of Keras's")
            return made
        made.compile_from_config(settings)
        if model.optimizer.built:
            made.optimizer.build(made.trainable_variables)
            for theirs, ours in zip(made.optimizer.variables, model.optimizer.variables, strict=True):
                theirs.assign(ours.value)
    return made


def from_keras(keras_model: Any) -> Any:
    """Return a model of Keras 3 in this library: layers, weights, and how it is compiled, with the optimiser's state.

    Args:
        keras_model: a functional or ``Sequential`` model of Keras, on any backend.

    Raises:
        ValueError: naming the layer and the reason, if this library has no counterpart. Training settings that it
            does not have are left out with a warning.
        ImportError: if Keras 3 is not installed.
    """
    keras = import_keras("cl.from_keras")
    if not isinstance(keras_model, keras.Model):
        raise ValueError(f"from_keras takes a keras.Model; got {type(keras_model).__name__}.")
    if type(keras_model).__name__ not in ("Functional", "Sequential"):
        raise ValueError(
            f"model {keras_model.name!r} is a {type(keras_model).__name__}, whose calls are Python code; "
            "only functional and Sequential models can be taken over."
        )
    if not keras_model.built:
        raise ValueError(f"model {keras_model.name!r} has no weights yet: call it on an input first.")
    config = keras.saving.serialize_keras_object(keras_model)
    config.pop("compile_config", None)
    refuse_code(config)
    made = model_config.deserialize(config)
    copy_weights_from_keras(keras_model, made)
    if keras_model.compiled:
        _compile_like(made, keras_model)
    return made


def _compile_like(made: Any, keras_model: Any) -> None:
    try:
        settings = keras_model.get_compile_config()
        refuse_code(settings)
        compile_from_config(made, settings)
    except (ValueError, TypeError) as error:
        _warn_uncompiled(str(error))
        return
    arrays = [np.asarray(variable) for variable in keras_model.optimizer.variables]
    for variable, array in optimizer_state(arrays, made):
        variable.assign(array)


def _warn_uncompiled(reason: str) -> None:
    warnings.warn(f"the model comes without its training settings, compile it anew: {reason}", stacklevel=4)


# Weights. A model's own order of layers differs from Keras's where it was built otherwise, names do not.


def copy_weights_to_keras(model: Any, keras_model: Any) -> None:
    """Copy all weights into the Keras model of the same layers."""
    for ours, theirs in _pairs(model, keras_model):
        theirs.set_weights(ours.get_weights())


def copy_weights_from_keras(keras_model: Any, model: Any) -> None:
    """Copy all weights of a Keras model into the model of the same layers."""
    for ours, theirs in _pairs(model, keras_model):
        try:
            ours.set_weights([np.asarray(weight) for weight in theirs.get_weights()])
        except ValueError as error:
            raise ValueError(f"layer {ours.name!r}: {error}") from error


def _pairs(model: Any, keras_model: Any) -> Iterator[tuple[Any, Any]]:
    for ours in model.layers:
        theirs = keras_model.get_layer(ours.name)
        if hasattr(ours, "graph"):
            yield from _pairs(ours, theirs)
        elif ours.weights:
            yield ours, theirs


# What Keras cannot express.


def refuse_own_classes(config: Any, inside: str = "the model") -> None:
    """Refuse the configuration of a model that has anything Keras does not know.

    Raises:
        ValueError: naming the layer and what it is.
    """
    settings = config["config"]
    if "layers" in settings:
        for layer in settings["layers"]:
            refuse_own_classes(layer, repr(layer["config"].get("name", layer.get("name"))))
        return
    reason = own_class({key: value for key, value in config.items() if key != "inbound_nodes"})
    if reason is not None:
        raise ValueError(f"layer {inside} cannot be expressed in Keras: {reason} is not one of Keras's.")


def own_class(config: Any) -> str | None:
    """Return the first class in a configuration that Keras does not have, or None."""
    if isinstance(config, Mapping):
        if "class_name" in config and config.get("module") in (None, "keras.activations"):
            name = str(config["class_name"])
            return f"activation {name} with options" if config.get("module") else f"class {name}"
        config = list(config.values())
    if isinstance(config, list | tuple):
        return next((found for found in map(own_class, config) if found), None)
    return None
