"""``cl.models``: where Keras keeps ``Model``, ``Sequential``, ``load_model`` and what copies a model's structure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from convolens.layers import Input
from convolens.model import Model
from convolens.model_config import deserialize
from convolens.saving import load_model, save_model
from convolens.sequential import Sequential

__all__ = ["Input", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]


def clone_model(model: Model) -> Model:
    """Return a model of the same layers with new weights.

    >>> clone_model(Sequential([Input((8, 8, 1))], name="empty")).name
    'empty'
    """
    copy: Model = type(model).from_config(model.get_config())
    return copy


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """Return a model with new weights from the text of ``to_json()``, Keras's too.

    Raises:
        ValueError: if the text is not JSON of a model.

    >>> model = Sequential([Input((8, 8, 1))], name="empty")
    >>> model_from_json(model.to_json()).name
    'empty'
    """
    try:
        model = deserialize(json.loads(json_string), custom_objects)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not the JSON of a model, as to_json() writes it: {error}.") from error
    if not isinstance(model, Model):
        raise ValueError(f"this is the JSON of a {type(model).__name__}, not of a model.")
    return model
