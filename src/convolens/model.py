"""Keras's face over a graph: ``Model``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from convolens import kernels, model_config
from convolens import random as random_source
from convolens.graph import Graph, Randomness
from convolens.layers.base import Layer
from convolens.naming import unique_name
from convolens.plan import Plan
from convolens.symbol import Symbol
from convolens.trace import Trace
from convolens.training.batches import as_arrays
from convolens.training.trainer import Trainer
from convolens.variable import Variable

__all__ = ["Model"]

_PLANS_KEPT = 8


class Model(Trainer, Layer):
    """A network between some inputs and some outputs. It is a layer too, so models nest.

    Args:
        inputs: a symbol (``cl.Input(shape)`` or any layer's output), a list or a dictionary of them.
        outputs: a symbol made from the inputs, a list or a dictionary of them.
        name: Keras's numbering if None.
        trainable: whether training moves the parameters.

    Raises:
        ValueError: if an output needs an input that is not given, or two layers share a name.

    >>> import convolens as cl
    >>> x = cl.Input((8, 8, 1))
    >>> y = cl.layers.Dense(10, activation="softmax")(cl.layers.Flatten()(x))
    >>> cl.Model(x, y).count_params()
    650
    """

    def __init__(
        self, inputs: Any, outputs: Any, name: str | None = None, trainable: bool = True, **kwargs: Any
    ) -> None:
        kind = "Functional" if type(self) is Model else type(self).__name__
        Layer.__init__(self, name=name or unique_name(kind), **kwargs)
        self._connect(inputs, outputs)
        if not trainable:
            self.trainable = False

    def _connect(self, inputs: Any, outputs: Any) -> None:
        self.input_structure, self.output_structure = inputs, outputs
        self.inputs = _flat(inputs, "inputs")
        self.outputs = _flat(outputs, "outputs")
        self.graph = Graph(self.inputs, self.outputs)
        self.input_names = list(inputs) if isinstance(inputs, Mapping) else [s.node.layer.name for s in self.inputs]
        self.output_names = (
            list(outputs) if isinstance(outputs, Mapping) else _numbered([s.node.layer.name for s in self.outputs])
        )
        self._plans: OrderedDict[Any, Plan] = OrderedDict()
        self._dtype = self.outputs[0].dtype
        self.built = True

    # Structure.

    @property
    def layers(self) -> list[Layer]:
        """All layers, the inputs among them, in Keras's order."""
        return list(self.graph.layers)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return the layer of that name, or with that index in ``layers``."""
        if (name is None) == (index is None):
            raise ValueError("get_layer needs a name or an index, and not both.")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"the model has {len(self.layers)} layers; there is no layer {index}.")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"no such layer: {name!r}. The model has {[layer.name for layer in self.layers]}.")

    @property
    def weights(self) -> list[Variable]:
        """All variables, layer by layer."""
        return list(distinct(variable for layer in self.graph.layers for variable in layer.weights))

    @property
    def parameters(self) -> dict[str, Variable]:
        """The variables that have a gradient, by layer name and variable name: ``"conv2d/kernel"``."""
        return {
            f"{layer.name}/{key}": variable for layer in self.graph.layers for key, variable in layer.parameters.items()
        }

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that training moves."""
        if not self._trainable:
            return []
        return list(distinct(variable for layer in self.graph.layers for variable in layer.trainable_weights))

    @property
    def trainable_variables(self) -> list[Variable]:
        """The same as ``trainable_weights``."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The same as ``non_trainable_weights``."""
        return self.non_trainable_weights

    @property
    def trainable(self) -> bool:
        """Whether training moves the parameters; setting it sets it for all layers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self.graph.layers:
            layer.trainable = value

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        """Whether any layer draws random numbers in training."""
        return any(layer.stochastic for layer in self.graph.layers)

    @property
    def input_shape(self) -> Any:
        """The shape of the input, batch axis included; a list of them for several."""
        return self.inputs[0].shape if len(self.inputs) == 1 else [symbol.shape for symbol in self.inputs]

    @property
    def output_shape(self) -> Any:
        """The shape of the output, batch axis included; a list of them for several."""
        return self.outputs[0].shape if len(self.outputs) == 1 else [symbol.shape for symbol in self.outputs]

    @property
    def input(self) -> Any:
        """The symbols of the model's inputs, as they were given."""
        return self.input_structure

    @property
    def output(self) -> Any:
        """The symbols of the model's outputs, as they were given."""
        return self.output_structure

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Print a table of the layers, their output shapes and their parameters."""
        from convolens.summary import print_summary

        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    # A model as a layer of another.

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the output's shape (a list for several outputs) for the input's (a list for several inputs)."""
        shapes = list(input_shape) if isinstance(input_shape, list) else [input_shape]
        known = {id(symbol): tuple(shape) for symbol, shape in zip(self.inputs, shapes, strict=True)}
        for node in self.graph.nodes:
            given = [known[id(symbol)] for symbol in node.inputs]
            shape = node.layer.compute_output_shape(given if node.as_list else given[0])
            for symbol, one in zip(node.outputs, shape if isinstance(shape, list) else [shape], strict=True):
                known[id(symbol)] = tuple(one)
        found = [known[id(symbol)] for symbol in self.outputs]
        return found[0] if len(found) == 1 else found

    def forward(self, *inputs: Any, training: bool = False, rng: np.random.Generator | None = None) -> tuple[Any, Any]:
        """Return the outputs, and the record of the pass as the cache."""
        plan = self.plan_for(
            [x.shape for x in inputs], training=training, gradients="all", fused=False, with_loss=False
        )
        randomness = Randomness(int(rng.integers(2**32))) if rng is not None else None
        record = plan.forward(inputs, randomness)
        outputs = plan.outputs_of(record)
        return outputs[0] if len(outputs) == 1 else tuple(outputs), (plan, record)

    def backward(self, d_output: Any, cache: Any, need_dx: bool = True) -> tuple[Any, dict[str, np.ndarray]]:
        """Return the gradients by the inputs, and those by parameter: ``"conv2d/kernel"``."""
        plan, record = cache
        sums: dict[str, np.ndarray] = {key: np.zeros_like(v.value) for key, v in self.parameters.items()}

        def collect(number: int, gradients: Mapping[str, np.ndarray]) -> None:
            layer = plan.steps[number].layers[0]
            for key, gradient in gradients.items():
                sums[f"{layer.name}/{key}"] = sums[f"{layer.name}/{key}"] + gradient

        d_values: dict[int, np.ndarray] = {}
        for slot, d_one in zip(plan.outputs, d_output if isinstance(d_output, tuple) else (d_output,), strict=True):
            if d_one is not None:
                d_values[slot] = d_values[slot] + d_one if slot in d_values else d_one
        given = dict(d_values)
        record.caches, caches = list(record.caches), record.caches
        found = plan.backward(record, d_values, collect)
        record.caches = caches
        d_inputs = tuple(found.get(slot, given.get(slot)) for slot in plan.inputs)
        return (d_inputs[0] if len(d_inputs) == 1 else d_inputs), sums

    def update_state(self, cache: Any) -> None:
        """Move the moving averages of all layers."""
        plan, record = cache
        plan.update_state(record)

    # Running.

    def plan_for(
        self,
        shapes: Sequence[tuple[int, ...]],
        *,
        training: bool = False,
        gradients: str = "none",
        fused: bool = True,
        with_loss: bool = True,
    ) -> Plan:
        """Return the plan for inputs of these shapes; a few are kept."""
        name = kernels.active()
        frozen = tuple(layer.trainable for layer in self.graph.layers) if training else ()
        key = (name, tuple(shapes), training, gradients, fused, with_loss, frozen)
        plan = self._plans.get(key)
        if plan is None:
            plan = Plan(
                self.graph, shapes, backend=kernels.backend(name), training=training, gradients=gradients, fused=fused,
                with_loss=with_loss,
            )  # fmt: skip
            self._plans[key] = plan
            if len(self._plans) > _PLANS_KEPT:
                self._plans.popitem(last=False)
        return plan

    def plan(self, batch_size: int = 32, training: bool = True) -> str:
        """Say in words what runs for a batch of this size with the kernels in use."""
        shapes = [_concrete(symbol.shape, batch_size) for symbol in self.inputs]
        return str(self.plan_for(shapes, training=training, gradients="parameters" if training else "none"))

    def standardize_inputs(self, x: Any) -> list[np.ndarray]:
        """Return one array per input, of the right rank and shape; ``fit`` and its kin call it.

        Raises:
            ValueError: with what was found and expected.
        """
        arrays = as_arrays(x, self.input_names, "x")
        return [_fitted(a, s.shape, n) for a, s, n in zip(arrays, self.inputs, self.input_names, strict=True)]

    def pack_outputs(self, outputs: list[Any]) -> Any:
        """Return the outputs in the form the model was made with: one, a list, or a dictionary."""
        if isinstance(self.output_structure, Mapping):
            return dict(zip(self.output_names, outputs, strict=True))
        return outputs if isinstance(self.output_structure, list | tuple) else outputs[0]

    def __call__(self, *inputs: Any, training: bool | None = None) -> Any:
        """Apply the model: to symbols, as a part of another model; to arrays, at once."""
        x = inputs[0] if len(inputs) == 1 else list(inputs)
        items = list(x.values()) if isinstance(x, Mapping) else x if isinstance(x, list | tuple) else [x]
        if items and isinstance(items[0], Symbol):
            ordered = [x[name] for name in self.input_names] if isinstance(x, Mapping) else items
            return self._call_on_symbols(tuple(ordered), len(ordered) > 1)
        arrays = self.cast_inputs(self.standardize_inputs(x))
        plan = self.plan_for([a.shape for a in arrays], training=bool(training), with_loss=False)
        randomness = Randomness(random_source.next_seed()) if training else None
        record = plan.forward(arrays, randomness)
        return self.pack_outputs([np.array(one) for one in plan.outputs_of(record)])

    def cast_inputs(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the arrays in the model's float type."""
        return [array.astype(self.dtype, copy=False) for array in arrays]

    def trace(self, x: Any, y: Any = None, d_output: Any = None, training: bool = False, seed: int = 0) -> Trace:
        """Run once and keep every number: outputs, gradients of outputs and of parameters.

        Args:
            x: the inputs, as for ``predict``.
            y: the targets; the gradients are then of the loss that ``evaluate`` reports.
            d_output: instead of ``y``, the gradient by the output to go back from.
            training: whether layers behave as in training.
            seed: what random layers draw from.

        Raises:
            ValueError: if data does not fit, or ``y`` is given to a model without a loss.
        """
        if y is not None and d_output is not None:
            raise ValueError("trace takes y or d_output, not both.")
        if y is not None and self.objective is None:
            raise ValueError("trace with y needs a loss: call compile(optimizer, loss) first.")
        xs = self.cast_inputs(self.standardize_inputs(x))
        ys = None if y is None else as_arrays(y, self.output_names, "y")
        d_outputs = None
        if d_output is not None:
            d_outputs = self.cast_inputs(as_arrays(d_output, self.output_names, "d_output"))
        for which, arrays in (("y", ys), ("d_output", d_outputs)):
            if arrays is not None and any(len(array) != len(xs[0]) for array in arrays):
                raise ValueError(f"x has {len(xs[0])} samples and {which} {[len(array) for array in arrays]}.")
        return Trace.of_pass(self, xs, ys, d_outputs, training=training, randomness=Randomness(seed))

    # Files.

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the model without its weights, in Keras's form."""
        return model_config.functional_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Rebuild a model from its configuration, with fresh weights."""
        return model_config.model_from_config(cls, config, custom_objects)

    def to_json(self, **kwargs: Any) -> str:
        """Return the configuration as JSON text."""
        return model_config.to_json(model_config.serialize_model(self), **kwargs)

    def save(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Write the whole model to a ``.keras`` file."""
        from convolens import saving

        saving.save_model(self, filepath, overwrite=overwrite, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Write the weights to a ``.weights.h5`` file."""
        from convolens import saving

        saving.save_weights(self, filepath, overwrite=overwrite)

    def load_weights(self, filepath: Any, **kwargs: Any) -> None:
        """Read the weights from a ``.weights.h5`` or ``.keras`` file."""
        from convolens import saving

        saving.load_weights(self, filepath, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_plans": OrderedDict()}


def _flat(structure: Any, what: str) -> list[Symbol]:
    if isinstance(structure, Mapping):
        symbols = list(structure.values())
    else:
        symbols = list(structure) if isinstance(structure, list | tuple) else [structure]
    for symbol in symbols:
        if not isinstance(symbol, Symbol):
            raise ValueError(
                f"{what} are symbols (cl.Input(shape), or a layer called on one); got {type(symbol).__name__}."
            )
    if not symbols:
        raise ValueError(f"a model needs {what}; got none.")
    return symbols


def _numbered(names: list[str]) -> list[str]:
    """Tell outputs of one layer apart: ``dense``, ``dense_1``."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        count = seen[name] = seen.get(name, 0) + 1
        found.append(name if count == 1 else f"{name}_{count - 1}")
    return found


def distinct(variables: Iterator[Variable]) -> Iterator[Variable]:
    seen: set[int] = set()
    for variable in variables:
        if id(variable) not in seen:
            seen.add(id(variable))
            yield variable


def _concrete(shape: Sequence[int | None], batch_size: int) -> tuple[int, ...]:
    if any(size is None for size in shape[1:]):
        raise ValueError(f"the model's input has open sizes {shape}; there is a plan for each size only.")
    return (batch_size, *(int(size) for size in shape[1:] if size is not None))


def _fitted(array: np.ndarray, shape: Sequence[int | None], name: str) -> np.ndarray:
    """Return the array if its shape fits; an axis of length 1 at the end may be left out."""
    given = array.shape
    if given == tuple(shape[1:]):
        raise ValueError(f"input {name!r} has shape {given}, one sample; add the batch axis: x[np.newaxis].")
    if array.ndim == len(shape) - 1 and shape[-1] == 1:
        array = array[..., np.newaxis]
    elif array.ndim == len(shape) + 1 and array.shape[-1] == 1:
        array = array[..., 0]
    fits = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape[1:], array.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(f"input {name!r} has shape {given}; the model expects {tuple(shape)}.")
    return array
