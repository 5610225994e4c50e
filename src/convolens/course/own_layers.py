"""Layers over a learner's own functions, so that the code just written trains in a network at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from convolens import activations, initializers
from convolens.course import layer_by_layer
from convolens.kernels import geometry
from convolens.kernels.geometry import Pads, Pair
from convolens.layers.base import ActivatedLayer, Layer

__all__ = ["Conv", "OwnCache", "Pool"]

Function = Callable[..., Any]


class OwnCache(NamedTuple):
    """What the learner's backward function gets.

    Attributes:
        x: the input of the forward function.
        own: the cache that the forward function returned; None in the dialect that has none.
    """

    x: np.ndarray
    own: Any


class Conv(ActivatedLayer):
    """A convolution that runs the two functions it is given, in either dialect.

    In the dialect of ``step_by_step`` they are ``conv_forward(A_prev, W, b, hparameters) -> (Z, cache)`` and
    ``conv_backward(dZ, cache) -> (dA_prev, dW, db)``; in that of ``layer_by_layer``
    ``conv_forward(A_prev, W, b, activation, padding, stride) -> A`` and
    ``conv_backward(dZ, A_prev, W, b, padding, stride) -> (dA_prev, dW, db)``. The number of their parameters tells
    which. Arguments are passed by position, so their names are free. What the functions return is used as it is: a
    wrong gradient trains badly, ``cl.check_gradients`` finds it and ``cl.check`` says what is wrong with it.

    Args:
        forward: the learner's ``conv_forward``.
        backward: the learner's ``conv_backward``.
        filters: number of filters.
        kernel_size: cells on a side; ``(height, width)`` too in the layer-by-layer dialect.
        strides: cells the window moves by; ``(vertical, horizontal)`` too in the layer-by-layer dialect.
        padding: ``"valid"`` or ``"same"``, or, step by step, cells of zeros on each side. ``"same"`` is
            ``(kernel_size - 1) / 2`` cells step by step, and what ``course.layer_by_layer`` says in the other dialect.
        activation: a name or function from ``cl.activations``.
        kernel_initializer: how the filters begin.
        bias_initializer: how the biases begin.

    Raises:
        ValueError: if the functions fit no dialect, or an option does not exist in theirs.
    """

    fields = ("filters", "kernel_size", "strides", "padding", "activation", "kernel_initializer", "bias_initializer")

    def __init__(
        self,
        forward: Function,
        backward: Function,
        filters: int,
        kernel_size: int | Pair,
        strides: int | Pair = 1,
        padding: int | str = "valid",
        activation: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.functions = (forward, backward)
        self.step_by_step = _is_step_by_step((forward, 4, 6), (backward, 2, 6))
        self.filters = int(filters)
        self.kernel_size = _pair(kernel_size)
        self.strides = _pair(strides)
        self.padding = padding
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        if self.step_by_step:
            self.hparameters = {"stride": _one(self.strides, "strides"), "pad": self._pad()}
        elif padding not in ("valid", "same"):
            raise ValueError(f"padding is 'valid' or 'same' in the layer-by-layer dialect; got {padding!r}.")

    def _pad(self) -> int:
        f = _one(self.kernel_size, "kernel_size")
        pad = {"valid": 0, "same": (f - 1) / 2}.get(str(self.padding), self.padding)
        if not isinstance(pad, int | float) or pad < 0 or pad != int(pad):
            raise ValueError(
                f"padding is a number of cells, 'valid', or 'same' with an odd kernel; got {self.padding!r} "
                f"with kernel_size={f}."
            )
        return int(pad)

    def build(self, input_shape: Any) -> None:
        """Make the kernel ``(kh, kw, c, f)`` and the bias ``(f,)``."""
        shape = (*self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(shape, self.kernel_initializer, name="kernel")
        self.bias = self.add_weight((self.filters,), self.bias_initializer, name="bias")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return ``(n, oh, ow, filters)``."""
        size = input_shape[1], input_shape[2]
        return (
            input_shape[0],
            *geometry.output_size(size, self.kernel_size, self.strides, self._pads(size)),
            self.filters,
        )

    def _pads(self, size: Any) -> Pads:
        if self.step_by_step:
            pad = self.hparameters["pad"]
            return (pad, pad), (pad, pad)
        return layer_by_layer.pads(size, self.kernel_size, str(self.padding), self.strides)

    def preactivation(
        self, *inputs: Any, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, OwnCache]:
        """Run the learner's forward function."""
        (x,) = inputs
        w, b = self.kernel.value, self.bias.value.reshape(1, 1, 1, -1)
        if self.step_by_step:
            z, own = _several(self.functions[0](x, w, b, self.hparameters), 2, "conv_forward", "(Z, cache)")
        else:
            z, own = self.functions[0](x, w, b, lambda z: z, self.padding, self.strides), None
        return _shaped(z, self.compute_output_shape(x.shape), x.dtype, "conv_forward's Z"), OwnCache(x, own)

    def preactivation_backward(
        self, d_z: np.ndarray, cache: OwnCache, need_dx: bool = True
    ) -> tuple[Any, dict[str, np.ndarray]]:
        """Run the learner's backward function."""
        x, w, b = cache.x, self.kernel.value, self.bias.value.reshape(1, 1, 1, -1)
        arguments = (cache.own,) if self.step_by_step else (x, w, b, self.padding, self.strides)
        results = _several(self.functions[1](d_z, *arguments), 3, "conv_backward", "(dA_prev, dW, db)")
        names, shapes = ("dA_prev", "dW", "db"), (x.shape, w.shape, b.shape)
        dx, dw, db = (
            _shaped(result, shape, x.dtype, f"conv_backward's {name}")
            for result, shape, name in zip(results, shapes, names, strict=True)
        )
        return dx if need_dx else None, {"kernel": dw, "bias": db.reshape(-1)}

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer in this process: the functions themselves are part of it."""
        forward, backward = self.functions
        return {**super().get_config(), "forward": forward, "backward": backward}


class Pool(Layer):
    """Pooling that runs the two functions it is given, in either dialect.

    In the dialect of ``step_by_step`` they are ``pool_forward(A_prev, hparameters, mode) -> (A, cache)`` and
    ``pool_backward(dA, cache, mode) -> dA_prev``; in that of ``layer_by_layer``
    ``pool_forward(A_prev, kernel_shape, stride, mode) -> A`` and
    ``pool_backward(dA, A_prev, kernel_shape, stride, mode) -> dA_prev``. See ``Conv``.

    Args:
        forward: the learner's ``pool_forward``.
        backward: the learner's ``pool_backward``.
        pool_size: cells on a side of the window; ``(height, width)`` too in the layer-by-layer dialect.
        strides: cells the window moves by; the window's size if None.
        mode: ``"max"`` or ``"average"``.

    Raises:
        ValueError: if the functions fit no dialect, or an option does not exist in theirs.
    """

    fields = ("pool_size", "strides", "mode")

    def __init__(
        self,
        forward: Function,
        backward: Function,
        pool_size: int | Pair = 2,
        strides: int | Pair | None = None,
        mode: str = "max",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if mode not in ("max", "average", "avg"):
            raise ValueError(f"mode is 'max' or 'average'; got {mode!r}.")
        self.functions = (forward, backward)
        self.step_by_step = _is_step_by_step((forward, 3, 4), (backward, 3, 5))
        self.pool_size = _pair(pool_size)
        self.strides = _pair(pool_size if strides is None else strides)
        self.mode = mode
        self.settings: tuple[Any, ...]
        if self.step_by_step:
            self.settings = ({"f": _one(self.pool_size, "pool_size"), "stride": _one(self.strides, "strides")},)
        else:
            self.settings = (self.pool_size, self.strides)
        self.mode_of_dialect = "max" if mode == "max" else "average" if self.step_by_step else "avg"

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return ``(n, oh, ow, c)``."""
        size = geometry.output_size((input_shape[1], input_shape[2]), self.pool_size, self.strides, "valid")
        return (input_shape[0], *size, input_shape[3])

    def forward(
        self, *inputs: Any, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Any, OwnCache]:
        """Run the learner's forward function."""
        (x,) = inputs
        result = self.functions[0](x, *self.settings, self.mode_of_dialect)
        y, own = _several(result, 2, "pool_forward", "(A, cache)") if self.step_by_step else (result, None)
        return _shaped(y, self.compute_output_shape(x.shape), x.dtype, "pool_forward's A"), OwnCache(x, own)

    def backward(self, d_output: Any, cache: OwnCache, need_dx: bool = True) -> tuple[Any, dict[str, np.ndarray]]:
        """Run the learner's backward function."""
        if not need_dx:
            return None, {}
        arguments = (cache.own,) if self.step_by_step else (cache.x, *self.settings)
        result = self.functions[1](d_output, *arguments, self.mode_of_dialect)
        return _shaped(result, cache.x.shape, cache.x.dtype, "pool_backward's dA_prev"), {}

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer in this process: the functions themselves are part of it."""
        forward, backward = self.functions
        return {**super().get_config(), "forward": forward, "backward": backward}


def _is_step_by_step(*functions: tuple[Function, int, int]) -> bool:
    """Tell the dialects apart by how many arguments each function takes in the one and in the other.

    Where both fit, the later arguments have defaults: that is layer by layer, which has more of them.
    """
    one = all(_takes(function, count) for function, count, _ in functions)
    other = all(_takes(function, count) for function, _, count in functions)
    if not one and not other:
        wanted = [" and ".join(str(function[which]) for function in functions) for which in (1, 2)]
        found = " and ".join(str(inspect.signature(function)) for function, _, _ in functions)
        raise ValueError(
            f"the forward and backward functions take {wanted[0]} arguments (step by step) or {wanted[1]} "
            f"(layer by layer); got {found}."
        )
    return not other


def _takes(function: Function, count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    return True


def _pair(value: Any) -> Pair:
    height, width = value if np.ndim(value) else (value, value)
    return int(height), int(width)


def _one(pair: Pair, name: str) -> int:
    if pair[0] != pair[1]:
        raise ValueError(f"{name} is one number in the step-by-step dialect; got {pair}.")
    return pair[0]


def _several(result: Any, count: int, function: str, names: str) -> Any:
    if not isinstance(result, tuple | list) or len(result) != count:
        got = f"{len(result)} values" if isinstance(result, tuple | list) else f"a {type(result).__name__}"
        raise ValueError(f"{function} returns {names}; yours returned {got}.")
    return result


def _shaped(array: Any, shape: Any, dtype: Any, name: str) -> np.ndarray:
    array = np.asarray(array, dtype)
    if array.shape != tuple(shape):
        raise ValueError(f"{name} should have shape {tuple(shape)}; yours has {array.shape}. cl.check finds out why.")
    return array
