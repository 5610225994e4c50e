"""The functions that can be checked: names, dialects, what they return, and how an index reads in words."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from convolens.course import layer_by_layer, step_by_step

__all__ = ["DIALECTS", "EXERCISES", "Exercise", "Output", "all_of", "find"]

IMAGES = ("image", "row", "column", "channel")
KERNEL = ("kernel row", "kernel column", "input channel", "filter")
BIAS = ("axis 0", "axis 1", "axis 2", "filter")
WINDOW = ("row", "column")


@dataclass(frozen=True)
class Output:
    """One array that a function returns.

    Attributes:
        name: as the exercise calls it: ``"dW"``.
        axes: what each axis counts, in words.
    """

    name: str
    axes: tuple[str, ...]

    def words(self, index: tuple[int, ...]) -> str:
        """Return an index in words: ``"image 0, row 1, column 2, channel 0"``."""
        shown = [f"{axis} {i}" for axis, i in zip(self.axes, index, strict=True) if not axis.startswith("axis")]
        return ", ".join(shown)


@dataclass(frozen=True)
class Exercise:
    """One function of one dialect.

    Attributes:
        name: ``"conv_forward"``.
        dialect: ``"step_by_step"`` or ``"layer_by_layer"``.
        parameters: the names in the exercise; they are passed by position.
        outputs: what it returns, in order.
        cache: the names in the cache that it returns as well, if it does.
    """

    name: str
    dialect: str
    parameters: tuple[str, ...]
    outputs: tuple[Output, ...]
    cache: tuple[str, ...] = ()

    @property
    def reference(self) -> Callable[..., Any]:
        """The function of ``convolens.course``."""
        return getattr(step_by_step if self.dialect == "step_by_step" else layer_by_layer, self.name)

    @property
    def returns(self) -> str:
        """What it returns, as a learner would write it."""
        values = [output.name for output in self.outputs] + (["cache"] if self.cache else [])
        return values[0] if len(values) == 1 else f"({', '.join(values)})"

    def accepts(self, function: Callable[..., Any]) -> bool:
        """Say whether the function can be called with this exercise's arguments."""
        try:
            inspect.signature(function).bind(*self.parameters)
        except TypeError:
            return False
        except ValueError:  # A built-in without a signature: the call will tell.
            return True
        return True


def _output(name: str, axes: tuple[str, ...] = IMAGES) -> Output:
    return Output(name, axes)


_GRADIENTS = (_output("dA_prev"), _output("dW", KERNEL), _output("db", BIAS))
_STEP, _LAYER = "step_by_step", "layer_by_layer"

EXERCISES = (
    Exercise("zero_pad", _STEP, ("X", "pad"), (_output("X_pad"),)),
    Exercise("conv_single_step", _STEP, ("a_slice_prev", "W", "b"), (_output("Z", ()),)),
    Exercise(
        "conv_forward",
        _STEP,
        ("A_prev", "W", "b", "hparameters"),
        (_output("Z"),),
        ("A_prev", "W", "b", "hparameters"),
    ),
    Exercise("pool_forward", _STEP, ("A_prev", "hparameters", "mode"), (_output("A"),), ("A_prev", "hparameters")),
    Exercise("conv_backward", _STEP, ("dZ", "cache"), _GRADIENTS),
    Exercise("create_mask_from_window", _STEP, ("x",), (_output("mask", WINDOW),)),
    Exercise("distribute_value", _STEP, ("dz", "shape"), (_output("a", WINDOW),)),
    Exercise(
        "pool_backward",
        _STEP,
        ("dA", "cache", "mode"),
        (_output("dA_prev"),),
    ),
    Exercise("conv_forward", _LAYER, ("A_prev", "W", "b", "activation", "padding", "stride"), (_output("A"),)),
    Exercise("pool_forward", _LAYER, ("A_prev", "kernel_shape", "stride", "mode"), (_output("A"),)),
    Exercise("conv_backward", _LAYER, ("dZ", "A_prev", "W", "b", "padding", "stride"), _GRADIENTS),
    Exercise("pool_backward", _LAYER, ("dA", "A_prev", "kernel_shape", "stride", "mode"), (_output("dA_prev"),)),
)
DIALECTS = (_STEP, _LAYER)


def all_of(dialect: str) -> list[Exercise]:
    """Return the exercises of a dialect, in its order."""
    return [exercise for exercise in EXERCISES if exercise.dialect == dialect]


def find(functions: dict[str, Callable[..., Any]]) -> list[tuple[Exercise, Callable[..., Any] | None]]:
    """Tell the dialect from names and signatures, and pair its exercises with the functions.

    Args:
        functions: the callables found, by name.

    Returns:
        Every exercise of the dialect with the learner's function, or None where it is missing; empty if no name of
        either dialect is among them.
    """
    fits = {
        dialect: sum(
            exercise.name in functions and exercise.accepts(functions[exercise.name]) for exercise in all_of(dialect)
        )
        for dialect in DIALECTS
    }
    known = any(exercise.name in functions for exercise in EXERCISES)
    dialect = max(DIALECTS, key=lambda name: fits[name])  # The first, step by step, if none or both fit.
    return [(exercise, functions.get(exercise.name)) for exercise in all_of(dialect)] if known else []
