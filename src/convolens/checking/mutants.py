"""The plain solution with a known mistake made in it: what a learner's results are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from convolens.checking.edits import Edit
from convolens.checking.exercises import Exercise
from convolens.checking.mistakes import MISTAKES

__all__ = ["Mistake", "compiled", "mistakes_of", "solution_of"]


@dataclass(frozen=True)
class Mistake:
    """One known mistake in one function.

    Attributes:
        name: the diagnosis.
        edit: the lines of the plain solution that it changes, old and new.
    """

    name: str
    edit: Edit

    def __str__(self) -> str:
        """The change in words, for ``--reveal``."""
        return "; ".join(
            f"`{' '.join(new.split())}` where it should say `{' '.join(old.split())}`" for old, new in self.edit
        )


@cache
def solution_of(dialect: str) -> str:
    """Return the source of the dialect's plain solution."""
    return resources.files("convolens.checking.solutions").joinpath(f"{dialect}.py").read_text("utf-8")


@cache
def mistakes_of(exercise: Exercise) -> tuple[Mistake, ...]:
    """Return the known mistakes of an exercise whose lines are in its plain solution."""
    return tuple(_mistakes(exercise))


def _mistakes(exercise: Exercise) -> Iterator[Mistake]:
    source = function_source(exercise)
    layered = exercise.dialect == "layer_by_layer"
    for table in MISTAKES[exercise.name]:
        for name, edits in table.items():
            if name == "stride ignored" and exercise.name.endswith("backward"):
                name = "stride ignored in backward"
            for edit in edits:
                fitted = tuple((_fit(old, layered), _fit(new, layered)) for old, new in edit)
                if all(old in source and old != new for old, new in fitted):
                    yield Mistake(name, fitted)
    yield from (Mistake("returned inside the loop", edit) for edit in _early_returns(source))


def _fit(text: str, layered: bool) -> str:
    names = ("sh", "sw", "kh", "kw", "ph", "pw")
    for name, plain in zip(names, ("stride", "stride", "f", "f", "pad", "pad"), strict=True):
        text = text.replace(f"{{{name}}}", name if layered else plain)
    return text


def _early_returns(source: str) -> Iterator[Edit]:
    """The final return, moved behind the innermost line, at the depth of each loop."""
    lines = source.rstrip().splitlines()
    depths = [len(line) - len(line.lstrip()) for line in lines]
    if max(depths) < 20:
        return
    last = max(number for number, depth in enumerate(depths) if depth >= 20)
    result = lines[-1].strip().replace("return Z, cache", "return Z, (A_prev, W, b, hparameters)")
    result = result.replace("return A, cache", "return A, (A_prev, hparameters)")
    innermost = lines[last]
    for depth in (20, 16, 12, 8):
        yield ((innermost, f"{innermost}\n{' ' * depth}{result}"),)


@cache
def function_source(exercise: Exercise) -> str:
    """Return the lines of one function of the plain solution."""
    source = solution_of(exercise.dialect)
    start = source.index(f"def {exercise.name}(")
    end = source.find("\n\n\ndef ", start)
    return source[start : end if end > 0 else len(source)].rstrip() + "\n"


def compiled(exercise: Exercise, *edits: Edit) -> Any:
    """Return the plain solution's function with these edits made in it."""
    changed = function_source(exercise)
    for edit in edits:
        for old, new in edit:
            changed = changed.replace(old, new)
    namespace = dict(_namespace(exercise.dialect))
    exec(compile(changed, "<solution>", "exec", dont_inherit=True), namespace)
    return namespace[exercise.name]


@cache
def _namespace(dialect: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "convolens.checking.solutions"}
    exec(compile(solution_of(dialect), "<solution>", "exec", dont_inherit=True), namespace)
    return namespace
