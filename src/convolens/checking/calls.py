"""Calling a learner's function on a case, and finding the first thing that differs from what it should give."""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from convolens.checking.cases import Case
from convolens.checking.deadline import OutOfTime
from convolens.checking.exercises import Exercise
from convolens.checking.learner import Failure, failure_of

__all__ = ["Difference", "Outcome", "call", "first_difference", "same"]


@dataclass(frozen=True)
class Outcome:
    """What a call gave.

    Attributes:
        outputs: the arrays, in the exercise's order; empty if it failed or returned something else.
        cache: the cache that it returned, if the exercise has one.
        problem: what is wrong with the form of what it returned, in a sentence; empty if nothing is.
        failure: the exception that ended it, or None.
        mutated: names of the arguments whose arrays it changed.
    """

    outputs: tuple[np.ndarray, ...] = ()
    cache: Any = None
    problem: str = ""
    failure: Failure | None = None
    mutated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """The first thing that is wrong with an outcome.

    Attributes:
        kind: ``"value"``, ``"shape"``, ``"form"``, ``"cache"``, ``"mutated"`` or ``"failure"``.
        output: the place of the output among the exercise's; 0 where it does not apply.
        index: of the first wrong element, for a value.
        expected: the right element or shape.
        actual: the learner's.
        words: the difference in a sentence.
    """

    kind: str
    output: int = 0
    index: tuple[int, ...] | None = None
    expected: Any = None
    actual: Any = None
    words: str = ""


def call(
    function: Callable[..., Any],
    exercise: Exercise,
    case: Case,
    namespace: dict[str, Any] | None = None,
    arguments: tuple[Any, ...] | None = None,
) -> Outcome:
    """Call a function on copies of a case's arguments; whatever it does, an outcome comes back.

    Args:
        function: the learner's.
        exercise: what it should be.
        case: the case.
        namespace: the globals by which the learner's lines are known.
        arguments: to use instead of the case's.
    """
    given = copy.deepcopy(case.arguments if arguments is None else arguments)
    before = copy.deepcopy(given)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            result = function(*given)
    except KeyboardInterrupt:
        raise
    except (Exception, SystemExit, OutOfTime) as error:
        return Outcome(failure=failure_of(error, namespace if namespace is not None else {}, exercise.name))
    outputs, cache, problem = _unpack(result, exercise)
    return Outcome(outputs, cache, problem, None, _mutated(exercise, before, given))


def _unpack(result: Any, exercise: Exercise) -> tuple[tuple[np.ndarray, ...], Any, str]:
    count = len(exercise.outputs) + bool(exercise.cache)
    values = (result,) if count == 1 else result
    if result is None:
        return (), None, f"it returns nothing; expected {exercise.returns}."
    if count > 1 and not (isinstance(values, tuple | list) and len(values) == count):
        got = f"{len(values)} values" if isinstance(values, tuple | list) else f"one {type(values).__name__}"
        return (), None, f"it returns {got}; expected {exercise.returns}."
    arrays = []
    for value, output in zip(values, exercise.outputs, strict=False):
        array = _as_numbers(value)
        if array is None:
            return (), None, f"{output.name} is a {type(value).__name__}; expected numbers."
        arrays.append(array)
    return tuple(arrays), values[-1] if exercise.cache else None, ""


def _as_numbers(value: Any) -> np.ndarray | None:
    try:
        array = np.array(value)  # A copy: a view of an argument must not change with it.
        return array if array.dtype.kind in "biuf" else array.astype(float)
    except (ValueError, TypeError):
        return None


def _mutated(exercise: Exercise, before: Any, after: Any) -> tuple[str, ...]:
    changed = []
    for name, old, new in zip(exercise.parameters, before, after, strict=True):
        for part, (x, y) in enumerate(zip(_parts(old), _parts(new), strict=False)):
            if isinstance(x, np.ndarray) and not (x.shape == y.shape and np.array_equal(x, y, equal_nan=True)):
                names = ("A_prev", "W", "b") if isinstance(old, tuple) else (name,)
                changed.append(names[part])
    return tuple(changed)


def _parts(argument: Any) -> tuple[Any, ...]:
    return tuple(argument) if isinstance(argument, tuple) else (argument,)


def same(actual: np.ndarray, expected: np.ndarray) -> bool:
    """Say whether two arrays are equal but for rounding in float32."""
    return actual.shape == expected.shape and not np.any(_wrong(actual, expected))


def _wrong(actual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    a, e = np.asarray(actual, float), np.asarray(expected, float)
    tolerance = 1e-4 * max(1.0, float(np.max(np.abs(e), initial=0.0)))
    return ~((np.abs(a - e) <= tolerance) | (np.isnan(a) & np.isnan(e)))


def first_difference(outcome: Outcome, exercise: Exercise, case: Case) -> Difference | None:
    """Return the first thing that is wrong with an outcome, or None."""
    if outcome.failure:
        return Difference("failure", words=f"{outcome.failure.kind}: {outcome.failure.message}")
    if outcome.problem:
        return Difference("form", words=outcome.problem)
    for place, (output, actual, expected) in enumerate(
        zip(exercise.outputs, outcome.outputs, case.expected, strict=True)
    ):
        if actual.shape != expected.shape:
            words = f"{output.name} has shape {actual.shape}; expected {expected.shape}."
            if not expected.shape:
                words = f"{output.name} is an array of shape {actual.shape}; expected one number."
            return Difference("shape", place, None, list(expected.shape), list(actual.shape), words)
        wrong = _wrong(actual, expected)
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            right, found = _number(expected[index]), _number(actual[index])
            return Difference("value", place, index, right, found, f"{wrong.sum()} of {wrong.size} elements are wrong")
    if outcome.mutated:
        return Difference("mutated", words=f"it changes {' and '.join(outcome.mutated)}, which belongs to the caller.")
    if exercise.cache and not _cache_is_right(outcome.cache, case):
        return Difference("cache", words=f"the cache should be ({', '.join(exercise.cache)}), with A_prev unpadded.")
    return None


def _cache_is_right(cache: Any, case: Case) -> bool:
    """The exercise's values in its order; a learner may store more behind them."""
    wanted = case.arguments[:-1] if isinstance(case.arguments[-1], str) else case.arguments
    if not isinstance(cache, tuple | list) or len(cache) < len(wanted):
        return False
    return all(_equal(found, expected) for found, expected in zip(cache, wanted, strict=False))


def _equal(found: Any, expected: Any) -> bool:
    if isinstance(expected, np.ndarray):
        array = _as_numbers(found)
        return array is not None and same(array, expected)
    try:
        return bool(found == expected)
    except ValueError:  # An array compared with a dictionary.
        return False


def _number(value: Any) -> Any:
    number = value.item()
    return number if isinstance(number, bool | int) else float(f"{number:.7g}")
