"""Reading a learner's file and running it piece by piece, so that one broken piece does not hide the others."""

from __future__ import annotations

import ast
import json
import linecache
import re
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from convolens.checking.deadline import OutOfTime, deadline
from convolens.checking.exercises import EXERCISES

__all__ = ["Failure", "Learner", "Piece", "failure_of", "load", "own_functions", "pieces_of"]

_MAGIC = re.compile(r"^\s*(%|!|\?|[\w.]+\?\??\s*$)")
_BLOCK = re.compile(r"(?!(?:else|elif|except|finally)\b)[\w@'\"]")


@dataclass(frozen=True)
class Piece:
    """A part of a file that compiles by itself: a notebook's cell, or what lies between two top-level functions.

    Attributes:
        place: what it is called in messages and tracebacks: ``"cell 3"`` or the file's name.
        source: its lines, at their line numbers.
        whole: all lines of the place.
    """

    place: str
    source: str
    whole: str


@dataclass(frozen=True)
class Failure:
    """What went wrong where, in the learner's own code.

    Attributes:
        kind: the exception's class: ``"IndexError"``, ``"SyntaxError"``, ``"OutOfTime"``.
        message: what it said.
        place: the file's name or the notebook's cell.
        line: the line's number in there; 0 if no line of the learner's is to blame.
        text: that line.
    """

    kind: str
    message: str
    place: str
    line: int
    text: str

    def __str__(self) -> str:
        said = f"{self.kind}: {self.message}" if self.message else self.kind
        return f"{self.place}, line {self.line}: {said}\n    {self.text}" if self.line else f"{self.place}: {said}"

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dictionary."""
        return asdict(self)


@dataclass
class Learner:
    """What a file defines, after running it.

    Attributes:
        functions: the exercises' functions that it defines, by name.
        namespace: all its names.
        notes: what failed while it ran.
        broken: functions whose very definition does not compile.
    """

    functions: dict[str, Callable[..., Any]]
    namespace: dict[str, Any]
    notes: list[Failure]
    broken: dict[str, Failure]


def pieces_of(path: Path) -> list[Piece]:
    """Read a ``.py`` file or the code cells of an ``.ipynb``, magics dropped.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not text, or not a notebook.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not a text file: {error.reason} at byte {error.start}; expected Python or a notebook."
        ) from error
    if path.suffix != ".ipynb":
        return _blocks(path.name, text)
    try:
        cells = json.loads(text)["cells"]
        codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a Jupyter notebook of version 4: {error!r}.") from error
    return [Piece(f"cell {number}", _without_magics(code), code) for number, code in enumerate(codes, 1)]


def _compiles(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError):
        return False
    return True


def _without_magics(code: str) -> str:
    """Blank out what only a notebook understands, where there is any."""
    lines = code.splitlines()
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%") and not re.match(r"%%(time|timeit|capture|prun)\b", first):
        return ""
    if _compiles(code):
        return code
    return "\n".join(re.sub(r"\S.*", "pass", line, count=1) if _MAGIC.match(line) else line for line in lines)


def _blocks(place: str, text: str) -> list[Piece]:
    """The whole file if it compiles, else its top-level functions and what lies between them, one by one."""
    code = _without_magics(text)
    if _compiles(code):
        return [Piece(place, code, text)]
    lines = code.splitlines()
    starts = [n for n, line in enumerate(lines) if n and _BLOCK.match(line) and not lines[n - 1].startswith("@")]
    bounds = [0, *starts, len(lines)]
    pieces, first = [], 0
    while first < len(bounds) - 1:
        ends = range(first + 1, min(first + 12, len(bounds)))  # A string may hold lines that look like a beginning.
        sources = {end: "\n" * bounds[first] + "\n".join(lines[bounds[first] : bounds[end]]) for end in ends}
        end = next((end for end in ends if _compiles(sources[end])), first + 1)
        pieces.append(Piece(place, sources[end], text))
        first = end
    return pieces


def load(pieces: list[Piece], seconds: float = 10.0) -> Learner:
    """Run the pieces statement by statement. What fails is noted with its line, and the rest runs on.

    Args:
        pieces: from ``pieces_of``.
        seconds: time for the whole file; a statement that exceeds it is stopped.
    """
    learner = Learner({}, {"__name__": "learner"}, [], {})
    end = time.monotonic() + seconds
    for piece in pieces:
        linecache.cache[piece.place] = (len(piece.whole), None, piece.whole.splitlines(keepends=True), piece.place)
        try:
            statements = ast.parse(piece.source, piece.place).body
        except (SyntaxError, ValueError) as error:
            failure = failure_of(error, learner.namespace, piece.place)
            learner.notes.append(failure)
            learner.broken.update(dict.fromkeys(re.findall(r"^def\s+(\w+)", piece.source, re.MULTILINE), failure))
            continue
        for statement in statements:
            code = compile(ast.Module([statement], []), piece.place, "exec", dont_inherit=True)
            try:
                with deadline(max(end - time.monotonic(), 0.1)):
                    exec(code, learner.namespace)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                learner.notes.append(failure_of(error, learner.namespace, piece.place))
    learner.functions = own_functions(learner.namespace)
    for name in learner.functions:
        learner.broken.pop(name, None)
    return learner


def own_functions(namespace: dict[str, Any], library: bool = False) -> dict[str, Callable[..., Any]]:
    """Return the exercises' functions among the names; those that this library itself provides only if asked to."""
    found = {exercise.name: namespace.get(exercise.name) for exercise in EXERCISES}
    return {
        name: function
        for name, function in found.items()
        if callable(function) and (library or not str(getattr(function, "__module__", "")).startswith("convolens."))
    }


def failure_of(error: BaseException, namespace: dict[str, Any], place: str) -> Failure:
    """Say what an exception was, with the last of the learner's own lines that it went through.

    Args:
        error: the exception.
        namespace: the globals by which the learner's code is known.
        place: where to say it was if none of the learner's lines was involved.
    """
    kind, message = type(error).__name__, _message(error)
    if isinstance(error, SyntaxError) and error.filename == place:
        line = error.lineno or 0
        return Failure(kind, error.msg, place, line, linecache.getline(place, line).strip())
    own = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals is namespace
    ]
    if not own:
        return Failure(kind, message, place, 0, "")
    filename, line = own[-1]
    return Failure(kind, message, Path(filename).name, line, linecache.getline(filename, line).strip())


def _message(error: BaseException) -> str:
    match error:
        case OutOfTime():
            return "it did not end in time"
        case SystemExit():
            return "it ends the program"
        case _:
            return " ".join(str(error).split())[:300]
