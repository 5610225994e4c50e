"""``check``: a file, a folder's file, a module, a function or ``globals()``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from convolens.checking.exercises import EXERCISES
from convolens.checking.isolation import GIGABYTE, check_isolated
from convolens.checking.judging import judge
from convolens.checking.learner import own_functions, pieces_of
from convolens.checking.results import Report

__all__ = ["check"]


def check(
    subject: str | os.PathLike[str] | ModuleType | Callable[..., Any] | Mapping[str, Any],
    reveal: bool = False,
    timeout: float = 10.0,
    memory: int = 4 * GIGABYTE,
) -> Report:
    """Judge a learner's own versions of the exercises' functions, and say what is wrong with them.

    Both dialects of ``convolens.course`` are known; names and signatures tell which. Each function runs on small cases
    that separate mistakes, is compared with the reference, and a wrong one gets the smallest failing case, the first
    wrong element with its right value written out, and, where a known mistake gives exactly the same results, a
    diagnosis with a hint. A wrong helper is not held against the functions that call it.

    Args:
        subject: a ``.py`` or ``.ipynb`` file, which runs in a process of its own with limits on time and memory
            (against mistakes, not malice); or a module, one function or ``globals()``, which run here and now.
        reveal: whether the report shows the answers too.
        timeout: seconds for each function (and for running the file).
        memory: bytes that the file's process may use, where the system can limit it.

    Returns:
        A list of records with ``function``, ``verdict`` (``"right"``, ``"wrong"`` or ``"missing"``), ``index``,
        ``expected``, ``actual`` and ``diagnosis``, which prints and displays as a report.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if there is no known function, or the subject is of no known kind.

    >>> import numpy as np
    >>> def create_mask_from_window(x):
    ...     mask = np.zeros(x.shape)
    ...     mask[np.unravel_index(np.argmax(x), x.shape)] = 1
    ...     return mask
    >>> for result in check(create_mask_from_window):
    ...     print(result.verdict, result.index, result.expected, result.actual, result.diagnosis)
    wrong [1, 0] True 0.0 only one of the tied maxima
    """
    if timeout <= 0:
        raise ValueError(f"timeout is a number of seconds above 0; got {timeout}.")
    if isinstance(subject, str | os.PathLike):
        return _check_file(Path(subject), reveal, timeout, memory)
    if isinstance(subject, ModuleType):
        namespace, title = vars(subject), subject.__name__
        functions = own_functions(namespace, library=title.startswith("convolens."))
    elif isinstance(subject, Mapping):
        namespace, title = dict(subject) if not isinstance(subject, dict) else subject, ""
        functions = own_functions(namespace)
    elif callable(subject):
        name = getattr(subject, "__name__", "")
        namespace, title = getattr(subject, "__globals__", {}), ""
        functions = {**own_functions(namespace), name: subject}
    else:
        raise ValueError(f"check takes a path, a module, a function or globals(); got a {type(subject).__name__}.")
    results = list(judge(functions, namespace, timeout))
    if callable(subject):
        results = [result for result in results if result.function == name]
    if not results:
        raise ValueError(_nothing_known(title or getattr(subject, "__name__", "this")))
    return Report(results, title, reveal=reveal)


def _check_file(path: Path, reveal: bool, timeout: float, memory: int) -> Report:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; expected a .py or .ipynb file.")
    if path.is_dir():
        raise IsADirectoryError(
            f"{path} is a folder; pass one file, or grade a class with: convolens check {path} --csv marks.csv"
        )
    pieces_of(path)
    report = check_isolated(path, timeout, memory)
    report.reveal = reveal
    if not report:
        reason = f" {report.notes[-1]}" if report.notes else ""
        raise ValueError(_nothing_known(str(path)) + reason)
    return report


def _nothing_known(subject: str) -> str:
    names = ", ".join(dict.fromkeys(exercise.name for exercise in EXERCISES))
    return f"{subject} defines none of the functions that can be checked: {names}."
