"""What every layer is: a configured function with named parameters, and its gradient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from convolens import activations, config, initializers, regularizers
from convolens import random as random_source
from convolens.kernels.operations import Operation
from convolens.naming import unique_name
from convolens.registry import Registry
from convolens.symbol import Node, Shape, Symbol
from convolens.variable import Variable

__all__ = ["ActivatedCache", "ActivatedLayer", "Layer", "registry", "value_of"]

registry: Registry[Layer] = Registry("layer", "keras.layers")
_DTYPES = ("float32", "float64")


class Layer:
    """Base of all layers.

    A subclass defines ``forward`` and ``backward``, and ``build`` where it has parameters::

        class Scale(cl.layers.Layer):
            def build(self, input_shape):
                self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factor")

            def forward(self, x, training=False, rng=None):
                return x * self.factor, x

            def backward(self, d_output, cache, need_dx=True):
                axes = tuple(range(cache.ndim - 1))
                return d_output * self.factor, {"factor": (d_output * cache).sum(axes)}

    ``forward`` changes nothing on the layer and returns the output and whatever ``backward`` needs. ``backward``
    returns the gradient with respect to the input (a tuple of them for a layer of several inputs) and a dictionary
    with the gradient of every parameter by its name.

    Args:
        name: Keras's numbering of the class name if None.
        trainable: whether training moves the parameters.
        dtype: ``"float32"`` or ``"float64"``; ``cl.config.floatx()`` at building time if None.
        input_shape: the shape of one input, for the first layer of a ``Sequential`` without ``Input``.
        input_dim: the same for inputs of one axis.
        activity_regularizer: None; no other value is supported.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    """Constructor arguments that make up the configuration, kept under the same attribute names."""
    fixed: ClassVar[dict[str, Any]] = {}
    """Keras's constructor arguments that have one accepted value here; they stay part of the configuration."""
    elementwise: bool = False
    """Whether each output cell depends only on the same cell of the inputs, so that any array layout will do."""
    stochastic: bool = False
    """Whether ``forward`` draws random numbers in training."""
    seed: int | None = None
    """The seed of these random numbers, whatever the model's is; None to use the model's."""
    input_rank: int | None = None
    """The number of axes of the input, batch axis included; None for any."""

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
        input_shape: Sequence[int | None] | None = None,
        input_dim: int | None = None,
        activity_regularizer: Any = None,
    ) -> None:
        self.accept_only_fixed(activity_regularizer=activity_regularizer)
        self.name = str(name) if name is not None else unique_name(type(self).__name__)
        self._dtype = _dtype_name(dtype)
        self._trainable = bool(trainable)
        self._built = False
        self._calls = 0
        self.nodes: list[Node] = []
        if input_dim is not None:
            input_shape = (input_dim,)
        self.input_spec_shape = None if input_shape is None else tuple(input_shape)
        self.input_axes: dict[int, int] = {}
        self._variables: list[Variable] = []

    def accept_only_fixed(self, **values: Any) -> None:
        """Refuse arguments that Keras has and that make no sense here, unless they are left at their default.

        Raises:
            ValueError: if a value is neither None nor that of ``fixed``.
        """
        for name, value in values.items():
            default = self.fixed.get(name)
            if value is not None and value != default:
                hint = " Images are channels-last: (n, h, w, c)." if name == "data_format" else ""
                raise ValueError(
                    f"{type(self).__name__}: {name}={value!r} is not supported; leave it at {default!r}.{hint}"
                )

    # What a layer defines.

    def build(self, input_shape: Any) -> None:
        """Make the parameters for inputs of this shape (batch axis included); for several inputs, a list of shapes."""

    def forward(self, *inputs: Any, **mode: Any) -> tuple[Any, Any]:
        """Return the output for these arrays, and the cache that ``backward`` needs.

        Args:
            *inputs: one or several arrays of the layer's float type.
            **mode: ``training``, whether to behave as in training, and ``rng``, its random numbers.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no forward(self, x, training=False, rng=None).")

    def backward(self, d_output: Any, cache: Any, need_dx: bool = True) -> tuple[Any, dict[str, np.ndarray]]:
        """Return the gradient by the input (or a tuple of them, or None without ``need_dx``) and those by parameter."""
        raise NotImplementedError(f"{type(self).__name__} defines no backward(self, d_output, cache, need_dx=True).")

    def update_state(self, cache: Any) -> None:
        """Move the state that training moves outside the gradient (moving averages). Called once per train step."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the output's shape for an input's shape, batch axis included; found by a trial run if not defined."""
        several = isinstance(input_shape, list)
        shapes = input_shape if several else [input_shape]
        trials = [np.zeros(tuple(2 if size is None else size for size in shape), self.dtype) for shape in shapes]
        output, _ = self.forward(*trials, training=False, rng=None)
        batch = shapes[0][0]
        return (batch, *output.shape[1:])

    def operation(self) -> Operation | None:
        """Say what this layer is in a backend's words, or None if it only runs as written."""
        return None

    # Parameters and state.

    @property
    def built(self) -> bool:
        """Whether the parameters are made: by a first call, or by ``build(input_shape)``."""
        return self._built or bool(self._variables)

    @built.setter
    def built(self, value: bool) -> None:
        self._built = bool(value)

    def add_weight(
        self,
        shape: Sequence[int] | None = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        regularizer: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Make a parameter (or, with ``trainable=False``, a piece of state) of this layer.

        Args:
            shape: its shape; a scalar if None.
            initializer: how it begins; ``"glorot_uniform"`` if None.
            dtype: the layer's if None.
            trainable: False for state that no gradient moves.
            regularizer: what it adds to the loss.
            name: its key among the gradients; ``variable``, ``variable_1``, ... if None.
        """
        self._dtype = self.dtype  # settled with the first weight
        begin = initializers.get(initializer if initializer is not None else "glorot_uniform")
        value = np.asarray(begin(tuple(shape or ()), dtype=dtype or self.dtype))
        name = name or (f"variable_{len(self._variables)}" if self._variables else "variable")
        if any(name == variable.name for variable in self._variables):
            raise ValueError(f"layer {self.name!r} has a weight named {name!r} already; give each its own name.")
        variable = Variable(value, name, trainable, regularizers.get(regularizer), f"{self.name}/{name}")
        self._variables.append(variable)
        return variable

    @property
    def parameters(self) -> dict[str, Variable]:
        """The variables that have a gradient, by name, whether or not training moves them now."""
        return {variable.name: variable for variable in self._variables if variable.trainable}

    @property
    def weights(self) -> list[Variable]:
        """All variables: parameters first, then state, as Keras orders them."""
        return [*self.parameters.values(), *(v for v in self._variables if not v.trainable)]

    @property
    def variables(self) -> list[Variable]:
        """The same as ``weights``."""
        return self.weights

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that training moves."""
        return list(self.parameters.values()) if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The variables that training leaves to ``update_state``, or alone."""
        moved = {id(variable) for variable in self.trainable_weights}
        return [variable for variable in self.weights if id(variable) not in moved]

    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    @property
    def trainable(self) -> bool:
        """Whether training moves this layer's parameters."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of all weights, in the order of ``weights``."""
        return [variable.numpy() for variable in self.weights]

    def set_weights(self, weights: Iterable[Any]) -> None:
        """Copy these arrays into the weights, in the order of ``weights``.

        Raises:
            ValueError: if the number of arrays or a shape differs.
        """
        arrays = [np.asarray(weight) for weight in weights]
        if len(arrays) != len(self.weights):
            raise ValueError(f"{self.name!r} has {len(self.weights)} weights; got {len(arrays)} arrays.")
        for variable, array in zip(self.weights, arrays, strict=True):
            if variable.shape != array.shape:
                raise ValueError(f"{variable.path} has shape {variable.shape}; got an array of shape {array.shape}.")
        for variable, array in zip(self.weights, arrays, strict=True):
            variable.assign(array)

    def count_params(self) -> int:
        """Return the number of elements of all weights."""
        if not self.built:
            raise ValueError(f"layer {self.name!r} is not built yet: call it on an input first.")
        return sum(variable.size for variable in self.weights)

    @property
    def dtype(self) -> str:
        """The float type of the parameters and of what the layer computes."""
        return self._dtype or config.floatx()

    # Configuration.

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer without its weights, in Keras's form."""
        policy = {
            "module": "keras",
            "class_name": "DTypePolicy",
            "config": {"name": self.dtype},
            "registered_name": None,
        }
        own = {field: _to_config(getattr(self, field)) for field in self.fields}
        return {"name": self.name, "trainable": self.trainable, "dtype": policy, **own, **self.fixed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Rebuild a layer from its configuration."""
        return cls(**config)

    # Calls.

    def __call__(self, *inputs: Any, training: bool | None = None) -> Any:
        """Apply the layer: to symbols, as part of a network; to arrays, at once."""
        as_list = len(inputs) == 1 and isinstance(inputs[0], list | tuple)
        items = tuple(inputs[0]) if as_list else inputs
        if not items:
            raise ValueError(f"layer {self.name!r} was called on no input.")
        symbolic = [isinstance(item, Symbol) for item in items]
        if any(symbolic):
            if not all(symbolic):
                raise ValueError(f"layer {self.name!r} was called on symbols and arrays mixed; pass one kind.")
            return self._call_on_symbols(items, as_list or len(items) > 1)
        arrays = [np.asarray(item) for item in items]
        shapes = [array.shape for array in arrays]
        several = as_list or len(items) > 1
        self.ensure_built(shapes, several)
        if type(self).compute_output_shape is not Layer.compute_output_shape:
            self.compute_output_shape(shapes if several else shapes[0])  # refuses sizes that do not fit
        arrays = [array.astype(self.dtype, copy=False) for array in arrays]
        rng = self._next_generator() if training and self.stochastic else None
        return self.forward(*arrays, training=bool(training), rng=rng)[0]

    def _next_generator(self) -> np.random.Generator:
        """Return the random numbers of the next call on arrays."""
        if self.seed is None:
            return random_source.generator(random_source.next_seed())
        self._calls += 1
        return random_source.generator(self.seed, self._calls)

    def _call_on_symbols(self, symbols: tuple[Symbol, ...], as_list: bool) -> Any:
        shapes = [symbol.shape for symbol in symbols]
        self.ensure_built(shapes, as_list)
        shape = self.compute_output_shape(list(shapes) if as_list else shapes[0])
        node = Node(self, symbols, as_list)
        several = isinstance(shape, list)
        node.outputs = tuple(
            Symbol(tuple(one), self.dtype, node, index) for index, one in enumerate(shape if several else [shape])
        )
        return list(node.outputs) if several else node.outputs[0]

    def ensure_built(self, shapes: list[Shape], as_list: bool = False) -> None:
        """Check the inputs' shapes, and build the layer if it is not built yet; its float type is settled here."""
        for shape in shapes:
            self.check_input(shape)
        if not self.built:
            self._dtype = self.dtype
            self.build(list(shapes) if as_list else shapes[0])
            self.built = True

    def check_input(self, shape: Shape) -> None:
        """Check the shape of one input, batch axis included.

        Raises:
            ValueError: if its rank is not ``input_rank``, or an axis of ``input_axes`` has another size.
        """
        rank = self.input_rank
        if rank is not None and len(shape) != rank:
            like = {2: " (n, c)", 4: " (n, h, w, c)"}.get(rank, "")
            raise ValueError(
                f"layer {self.name!r} expects inputs of {rank} axes{like}; found {len(shape)}: shape {tuple(shape)}."
            )
        for axis, size in self.input_axes.items():
            found = shape[axis] if -len(shape) <= axis < len(shape) else None
            if found is not None and found != size:
                raise ValueError(
                    f"layer {self.name!r} was built for inputs with {size} cells along axis {axis}; "
                    f"found {found}: shape {tuple(shape)}."
                )

    def __setattr__(self, attribute: str, value: Any) -> None:
        if attribute == "name" and "name" in self.__dict__:
            for variable in self._variables:
                variable.path = f"{value}/{variable.name}"
        super().__setattr__(attribute, value)

    @property
    def output(self) -> Any:
        """The symbol of the layer's first call's output."""
        return self._of_first_call("outputs")

    @property
    def input(self) -> Any:
        """The symbol of the layer's first call's input."""
        return self._of_first_call("inputs")

    def _of_first_call(self, side: str) -> Any:
        if not self.nodes:
            raise ValueError(f"layer {self.name!r} has not been called on a symbol, so it has no {side[:-1]} yet.")
        symbols = getattr(self.nodes[0], side)
        return symbols[0] if len(symbols) == 1 else list(symbols)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


class ActivatedCache(NamedTuple):
    """What an activated layer's backward needs.

    Attributes:
        inner: the cache of the part before the activation.
        activation: the activation's cache.
    """

    inner: Any
    activation: Any


class ActivatedLayer(Layer):
    """A layer that ends in an activation: ``output = activation(z)``.

    A subclass defines ``preactivation`` (its ``forward`` up to ``z``) and ``preactivation_backward``, and sets
    ``self.activation`` to what ``activations.get`` returns.
    """

    activation: Any

    def preactivation(self, *inputs: Any, **mode: Any) -> tuple[np.ndarray, Any]:
        """Return ``z``, the output before the activation, and its cache."""
        raise NotImplementedError

    def preactivation_backward(
        self, d_z: np.ndarray, cache: Any, need_dx: bool = True
    ) -> tuple[Any, dict[str, np.ndarray]]:
        """Return the gradients by input and by parameter for the gradient by ``z``."""
        raise NotImplementedError

    @property
    def is_linear(self) -> bool:
        """Whether the activation leaves ``z`` as it is."""
        return self.activation is activations.linear

    def forward(self, *inputs: Any, training: bool = False, rng: np.random.Generator | None = None) -> tuple[Any, Any]:
        """Return ``activation(z)`` and the two caches."""
        z, inner = self.preactivation(*inputs, training=training, rng=rng)
        y, cache = self.activation.forward(z)
        return y, ActivatedCache(inner, cache)

    def backward(self, d_output: Any, cache: ActivatedCache, need_dx: bool = True) -> tuple[Any, dict[str, np.ndarray]]:
        """Return the gradients by input and by parameter: the activation's backward, then the rest."""
        d_z = self.activation.backward(d_output, cache.activation)
        return self.preactivation_backward(d_z, cache.inner, need_dx)


def _dtype_name(dtype: Any) -> str | None:
    if isinstance(dtype, dict):
        dtype = dtype.get("config", {}).get("name")
    if dtype is None:
        return None
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    if name not in _DTYPES:
        raise ValueError(f"dtype is one of {', '.join(_DTYPES)}; got {name!r}.")
    return name


def _to_config(value: Any) -> Any:
    if isinstance(value, initializers.Initializer):
        return initializers.serialize(value)
    if isinstance(value, regularizers.Regularizer):
        return regularizers.serialize(value)
    if isinstance(value, activations.Activation):
        return activations.serialize(value)
    return [_to_config(item) for item in value] if isinstance(value, tuple | list) else value


def value_of(variable: Variable | None) -> np.ndarray | None:
    """Return the array of a variable, or None for a parameter that the layer does without."""
    return None if variable is None else variable.value
