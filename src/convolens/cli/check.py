"""``convolens check``: what is right and what is wrong in hand-written convolution functions, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convolens.checking.grading import grade, marks_csv
from convolens.checking.page import page
from convolens.checking.results import Report
from convolens.checking.subjects import check
from convolens.checking.templates import template as stubs
from convolens.files import replacing

from .console import console, escaped

__all__ = ["command"]

_STYLES = {"right": "green", "wrong": "bold red", "missing": "dim"}


def command(
    path: Annotated[Path | None, typer.Argument(help="A .py or .ipynb file, or a folder of them.")] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the answers too, not only the hints.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds for each function.", min=0.1)] = 10.0,
    html: Annotated[Path | None, typer.Option(help="Write a page with the windows drawn.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Grade a folder: write a table of marks.")] = None,
    template: Annotated[
        str | None, typer.Option(help="Write a file of stubs to start from: step_by_step or layer_by_layer.")
    ] = None,
) -> int:
    """Check your own convolution functions: what is right, what is wrong, and why.

    The functions of the two exercises are known by their names. The file runs in a process of its own, with limits on
    time and memory: they guard against mistakes, not against malice. Exit code 0: all right; 1: something is wrong;
    2: the file cannot be read or holds no known function.
    """
    if template:
        return _write_template(template, path)
    if path is None:
        raise ValueError("check needs a file: convolens check FILE.py (or --template step_by_step to start one).")
    if path.is_dir():
        reports = grade(path, timeout, lambda one: console.say(f"checking {escaped(str(one))}"), reveal)
        shown = _marks(reports)
    elif csv:
        raise ValueError(f"--csv grades a folder; {path} is a file. Give its folder.")
    else:
        report = check(path, reveal=reveal, timeout=timeout)
        reports, shown = {str(path): report}, _lines(report)
    if csv:
        _write(csv, marks_csv(reports))
    if html:
        _write(html, page(*(report for report in reports.values() if isinstance(report, Report))))
    records = {name: one.to_json() if isinstance(one, Report) else {"error": one} for name, one in reports.items()}
    console.result(records if path.is_dir() else records[str(path)], *shown)
    return 0 if all(isinstance(report, Report) and report.ok for report in reports.values()) else 1


def _lines(report: Report) -> list[Any]:
    from rich.text import Text

    lines: list[Any] = [] if console.quiet else [Text(f"note: {note}", "yellow") for note in report.notes]
    for result in report:
        lines.append(Text.assemble((result.function, "bold"), ": ", (result.verdict, _STYLES[result.verdict])))
        rest = [] if console.quiet else result.lines(report.reveal)[1:]
        lines += [Text(line, "bold" if line.startswith("  diagnosis") else "") for line in rest]
    lines.append(f"{', '.join(f'{report.count(verdict)} {verdict}' for verdict in _STYLES)}.")
    if not report.reveal and not console.quiet and any(result.answer for result in report):
        lines.append(Text("--reveal shows the answers.", "dim"))
    return lines


def _marks(graded: dict[str, Report | str]) -> list[Any]:
    from rich.table import Table

    table = Table("file", *_STYLES, "diagnoses")
    for name, report in graded.items():
        if isinstance(report, str):
            table.add_row(escaped(name), "", "", "", escaped(report))
            continue
        wrong = (
            f"{result.function}: {result.diagnosis or result.problem}" for result in report if result.verdict == "wrong"
        )
        counts = (str(report.count(verdict)) for verdict in _STYLES)
        table.add_row(escaped(name), *counts, escaped("\n".join(wrong)))
    return [table]


def _write_template(dialect: str, path: Path | None) -> int:
    target = path or Path(f"{dialect}.py")
    text = stubs(dialect)
    if target.exists():
        raise FileExistsError(
            f"{target} exists already; give another name: convolens check --template {dialect} NAME.py"
        )
    _write(target, text)
    console.result({"path": str(target)}, f"Check it with: convolens check {escaped(str(target))}")
    return 0


def _write(path: Path, text: str) -> None:
    with replacing(path) as beside:
        beside.write_text(text, "utf-8")
    console.say(f"Wrote {escaped(str(path))}.")
