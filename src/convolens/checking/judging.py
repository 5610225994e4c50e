"""Judging functions one by one, each for itself: a wrong helper is not held against the functions that call it."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from convolens.checking.arithmetic import write_out
from convolens.checking.calls import Difference, Outcome, call, first_difference
from convolens.checking.cases import Case, cases_of
from convolens.checking.deadline import OutOfTime, deadline
from convolens.checking.diagnoses import diagnose, pattern
from convolens.checking.exercises import EXERCISES, Exercise, all_of, find
from convolens.checking.learner import Failure, failure_of
from convolens.checking.results import Result

__all__ = ["judge"]

Function = Callable[..., Any]
Run = tuple[list[Outcome], list[Difference | None]]


def judge(
    functions: dict[str, Function],
    namespace: dict[str, Any],
    seconds: float = 10.0,
    broken: dict[str, Failure] | None = None,
    skip: dict[str, Result] | None = None,
    announce: Callable[[str], None] = lambda name: None,
) -> Iterator[Result]:
    """Judge the functions, those that others may call first, and yield the records in the exercise's order.

    Args:
        functions: the learner's, by name.
        namespace: the globals they live in; missing helpers are lent to it meanwhile.
        seconds: time for each function.
        broken: functions whose definition does not compile.
        skip: records of functions not to be run again.
        announce: called with each function's name before it runs.
    """
    broken, skip = broken or {}, skip or {}
    pairs = find(functions) or [(exercise, None) for exercise in _dialect_of(broken)]
    records = dict(skip)
    own = {exercise.name: function for exercise, function in pairs if function is not None}
    for exercise, function in sorted(pairs, key=lambda pair: _rank(pair[0])):
        if exercise.name in records:
            continue
        if exercise.name in broken:
            records[exercise.name] = _uncompiled(exercise, broken[exercise.name])
        elif function is None:
            records[exercise.name] = Result(exercise.name, "missing", dialect=exercise.dialect)
        elif not exercise.accepts(function):
            records[exercise.name] = _misfit(exercise, function)
        else:
            announce(exercise.name)
            records[exercise.name] = _judged(exercise, function, own, records, namespace, seconds)
    yield from (records[exercise.name] for exercise, _ in pairs)


def _rank(exercise: Exercise) -> int:
    """The small functions first, then forward, then backward: none calls a later one."""
    return 1 + exercise.name.endswith("backward") if exercise.name.startswith(("conv_f", "conv_b", "pool")) else 0


def _dialect_of(broken: dict[str, Failure]) -> list[Exercise]:
    return all_of("step_by_step") if any(exercise.name in broken for exercise in EXERCISES) else []


def _judged(
    exercise: Exercise,
    function: Function,
    own: dict[str, Function],
    records: dict[str, Result],
    namespace: dict[str, Any],
    seconds: float,
) -> Result:
    wrong_helpers = [name for name in own if name in records and records[name].verdict != "right"]
    missing = [one.name for one in all_of(exercise.dialect) if one.name not in own]
    scope = getattr(inspect.unwrap(function), "__globals__", namespace)
    with _lent(scope, missing, exercise, only_if_absent=True):
        run = _run(function, exercise, seconds, scope)
        if not any(run[1]):
            return Result(exercise.name, "right", dialect=exercise.dialect)
        with _lent(scope, wrong_helpers, exercise):
            helped = _run(function, exercise, seconds, scope) if wrong_helpers else run
            if not any(helped[1]):
                note = f"It is right, but calls one that is not: {' or '.join(wrong_helpers)}."
                return Result(exercise.name, "right", notes=[note], dialect=exercise.dialect)
            if _works_with_own_cache(exercise, function, own, scope, seconds):
                note = f"It is right with the cache of your own {exercise.name.replace('backward', 'forward')}."
                return Result(exercise.name, "right", notes=[note], dialect=exercise.dialect)
    return _wrong(exercise, helped)


@contextlib.contextmanager
def _lent(scope: dict[str, Any], names: list[str], exercise: Exercise, only_if_absent: bool = False) -> Iterator[None]:
    """Put right helpers in the learner's globals for a while."""
    before = {name: scope[name] for name in names if name in scope}
    references = {one.name: one.reference for one in all_of(exercise.dialect)}
    scope.update({name: references[name] for name in names if not (only_if_absent and name in before)})
    try:
        yield
    finally:
        for name in names:
            scope.pop(name, None)
        scope.update(before)


def _run(function: Function, exercise: Exercise, seconds: float, scope: dict[str, Any], arguments: Any = None) -> Run:
    """Call the function in every case; they share its time."""
    cases = cases_of(exercise)
    outcomes: list[Outcome] = []
    try:
        with deadline(seconds):
            for number, case in enumerate(cases):
                outcomes.append(call(function, exercise, case, scope, arguments[number] if arguments else None))
                if _is_out_of_time(outcomes[-1]):
                    break
    except OutOfTime as error:  # It struck between two calls.
        outcomes.append(Outcome(failure=failure_of(error, scope, exercise.name)))
    if _is_out_of_time(outcomes[-1]):
        outcomes = [*outcomes, *[outcomes[-1]] * len(cases)][: len(cases)]
    return outcomes, [first_difference(outcome, exercise, case) for outcome, case in zip(outcomes, cases, strict=True)]


def _is_out_of_time(outcome: Outcome) -> bool:
    return outcome.failure is not None and outcome.failure.kind == "OutOfTime"


def _works_with_own_cache(
    exercise: Exercise, function: Function, own: dict[str, Function], scope: dict[str, Any], seconds: float
) -> bool:
    """A backward function may rely on what the learner's forward function puts into the cache."""
    forward = exercise.name.replace("backward", "forward")
    if exercise.parameters[1:2] != ("cache",) or forward not in own:
        return False
    ahead = next(one for one in all_of(exercise.dialect) if one.name == forward)
    arguments = []
    with contextlib.suppress(OutOfTime), deadline(seconds):
        for case in cases_of(exercise):
            d, (*cached,), *mode = case.arguments
            given = copy.deepcopy((*cached, *mode))
            outcome = call(own[forward], ahead, Case("", given, (), frozenset(), case.setting), scope)
            if outcome.cache is None:
                return False
            arguments.append((d, outcome.cache, *mode))
    if len(arguments) < len(cases_of(exercise)):
        return False
    return not any(_run(function, exercise, seconds, scope, arguments)[1])


def _wrong(exercise: Exercise, run: Run) -> Result:
    outcomes, differences = run
    first = next(number for number, difference in enumerate(differences) if difference)
    case, difference, outcome = cases_of(exercise)[first], differences[first], outcomes[first]
    assert difference is not None
    if outcome.failure and outcome.failure.kind == "NotImplementedError":
        return Result(exercise.name, "missing", notes=["It is not written yet."], dialect=exercise.dialect)
    diagnosis = diagnose(exercise, outcomes, differences)
    written = None
    if difference.kind == "value" and difference.index is not None:
        written = write_out(exercise.name, exercise.outputs[difference.output].name, difference.index, case)
    output = exercise.outputs[difference.output]
    return Result(
        exercise.name,
        "wrong",
        index=None if difference.index is None else list(difference.index),
        expected=difference.expected,
        actual=difference.actual,
        diagnosis=diagnosis.name if diagnosis else None,
        output=output.name if difference.kind in ("value", "shape") else None,
        place=output.words(difference.index) if difference.index else "",
        case=case.words,
        problem=difference.words,
        arithmetic=written.text if written else "",
        grids=[[grid.title, grid.rows, grid.marked] for grid in written.grids] if written else [],
        pattern=pattern(exercise, differences),
        hint=diagnosis.hint if diagnosis else "",
        answer=diagnosis.answer if diagnosis else "",
        error=outcome.failure.to_json() if outcome.failure else None,
        dialect=exercise.dialect,
    )


def _misfit(exercise: Exercise, function: Function) -> Result:
    found = str(inspect.signature(function))
    wanted = f"({', '.join(exercise.parameters)})"
    problem = f"it takes {found}; expected {wanted}."
    return Result(exercise.name, "wrong", problem=problem, diagnosis="wrong parameters", dialect=exercise.dialect)


def _uncompiled(exercise: Exercise, failure: Failure) -> Result:
    problem = f"{failure.kind}: {failure.message}"
    return Result(
        exercise.name,
        "wrong",
        diagnosis="syntax error",
        problem=problem,
        error=failure.to_json(),
        dialect=exercise.dialect,
    )
