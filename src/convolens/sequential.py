"""Layers one after the other: a thin builder of a ``Model``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from convolens import model_config
from convolens.graph import Graph
from convolens.layers.base import Layer
from convolens.layers.core import Input, InputLayer
from convolens.model import Model, distinct
from convolens.naming import unique_name
from convolens.symbol import Symbol
from convolens.variable import Variable

__all__ = ["Sequential"]


class Sequential(Model):
    """Layers one after the other.

    Args:
        layers: the layers, the first optionally ``cl.Input(shape)``; without it the model is connected at the first
            call or ``fit``.
        name: Keras's numbering if None.
    """

    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        Layer.__init__(self, name=name or unique_name(type(self).__name__))
        self._stack: list[Layer] = []
        self._set_trainable_later = trainable
        self._plans = OrderedDict()
        self.graph = Graph([], [])
        for layer in layers or []:
            self.add(layer)

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer at the end."""
        if isinstance(layer, Symbol):
            layer = layer.node.layer
        if not isinstance(layer, Layer):
            raise ValueError(f"Sequential.add takes a layer; got {type(layer).__name__}.")
        if any(layer.name == other.name for other in self._stack):
            raise ValueError(f"there is a layer named {layer.name!r} already; give each layer its own name.")
        if isinstance(layer, InputLayer) and self._stack:
            raise ValueError("the input is the first layer of a Sequential; this one has layers already.")
        if not self._stack and not isinstance(layer, InputLayer) and layer.input_spec_shape is not None:
            self._stack.append(Input(layer.input_spec_shape).node.layer)
        elif not self._stack and isinstance(layer, Model) and layer.built:
            self._stack.append(Input(layer.inputs[0].shape[1:]).node.layer)
        self._stack.append(layer)
        self._reconnect()

    def pop(self, rebuild: bool = True) -> Layer:
        """Take the last layer off and return it."""
        layer = self._stack.pop()
        self._reconnect()
        return layer

    def build(self, input_shape: Any = None) -> None:
        """Connect the layers for inputs of this shape, batch axis included."""
        if input_shape is not None and self._stack and not isinstance(self._stack[0], InputLayer):
            self._stack.insert(0, Input(tuple(input_shape)[1:]).node.layer)
            self._reconnect()

    def _reconnect(self) -> None:
        self.built = False
        if len(self._stack) < 2 or not isinstance(self._stack[0], InputLayer):
            return
        x = self._stack[0].nodes[0].outputs[0]
        y = x
        for layer in self._stack[1:]:
            known = next((node for node in layer.nodes if node.inputs == (y,)), None)
            y = known.outputs[0] if known else layer(y)
        compiled = self._compile_arguments
        self._connect(x, y)
        if not self._set_trainable_later:
            self.trainable = False
        if compiled is not None:
            self.compile(**compiled)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Say how the model is trained; see ``Model.compile``."""
        if not self.built:
            names = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
            self._compile_arguments = dict(zip(names, args, strict=False)) | kwargs
            return
        super().compile(*args, **kwargs)

    def _need_built(self) -> None:
        if not self.built:
            raise ValueError(
                "this Sequential does not know its input's shape yet: begin it with cl.Input(shape) or call it."
            )

    def standardize_inputs(self, x: Any) -> list[np.ndarray]:
        """Return the input array; the layers are connected for its shape if they are not yet."""
        if not self.built:
            if not self._stack:
                raise ValueError("this Sequential has no layers: add some first.")
            self.build(np.shape(x))
        return super().standardize_inputs(x)

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    @property
    def weights(self) -> list[Variable]:
        """All variables, layer by layer."""
        return list(distinct(variable for layer in self._stack for variable in layer.weights))

    def __call__(self, *inputs: Any, training: bool | None = None) -> Any:
        """Apply the model; the layers are connected for the input's shape if they are not yet."""
        if not self.built and inputs and isinstance(inputs[0], Symbol):
            self.build(inputs[0].shape)
        return super().__call__(*inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the model without its weights, in Keras's form."""
        return model_config.sequential_config(self)
