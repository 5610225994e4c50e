"""Grading a class: every file under a folder, and a table of marks."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from convolens.checking.exercises import all_of
from convolens.checking.results import Report
from convolens.checking.subjects import check

__all__ = ["grade", "marks_csv"]


def grade(
    folder: Path, timeout: float = 10.0, report_of: Callable[[Path], None] = lambda path: None, reveal: bool = False
) -> dict[str, Report | str]:
    """Check every ``.py`` and ``.ipynb`` file under a folder.

    Args:
        folder: one file or one folder per learner.
        timeout: seconds for each function.
        report_of: called with each path before it is checked, to show progress.
        reveal: whether the reports show the answers too.

    Returns:
        For each file, by its path within the folder, its report; or, in a sentence, why there is none.

    Raises:
        ValueError: if the folder holds no such file.
    """
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in (".py", ".ipynb")
        and not any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)
    )
    if not paths:
        raise ValueError(f"{folder} holds no .py or .ipynb file.")
    graded: dict[str, Report | str] = {}
    for path in paths:
        report_of(path)
        try:
            graded[path.relative_to(folder).as_posix()] = check(path, reveal=reveal, timeout=timeout)
        except (OSError, ValueError) as error:
            graded[path.relative_to(folder).as_posix()] = str(error)
    return graded


def marks_csv(graded: dict[str, Report | str]) -> str:
    """Return the marks as CSV: a row per file, a column per function, the share that is right, the diagnoses.

    A function that is missing counts as not right. Of the two exercises each file is graded by its own.
    """
    names = list(
        dict.fromkeys(exercise.name for dialect in ("step_by_step", "layer_by_layer") for exercise in all_of(dialect))
    )
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "exercise", *names, "right", "of", "percent", "diagnoses"])
    for name, report in graded.items():
        if isinstance(report, str):
            table.writerow([name, "", *[""] * len(names), 0, "", "", report])
            continue
        verdicts = {result.function: result.verdict for result in report}
        right, total = report.count("right"), len(report)
        diagnoses = "; ".join(f"{r.function}: {r.diagnosis or r.problem}" for r in report if r.verdict == "wrong")
        row = [name, report[0].dialect, *(verdicts.get(n, "") for n in names)]
        table.writerow([*row, right, total, f"{100 * right / total:.0f}", diagnoses])
    return text.getvalue()
