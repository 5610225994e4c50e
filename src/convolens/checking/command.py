"""``convolens check``: the checker on the command line."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import Annotated

import typer

from convolens.checking.grading import grade, marks_csv
from convolens.checking.page import page
from convolens.checking.results import Report
from convolens.checking.subjects import check as check_subject
from convolens.checking.templates import template as stubs
from convolens.files import replacing

__all__ = ["check"]

_STYLES = {"right": "green", "wrong": "bold red", "missing": "dim"}


def check(
    path: Annotated[Path | None, typer.Argument(help="A .py or .ipynb file, or a folder of them.")] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the answers too, not only the hints.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds for each function.", min=0.1)] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as JSON.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with the windows drawn.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Grade a folder: write a table of marks.")] = None,
    template: Annotated[
        str | None, typer.Option(help="Write a file of stubs to start from: step_by_step or layer_by_layer.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the verdicts only.")] = False,
) -> None:
    """Say what is right and what is wrong in hand-written convolution functions, and why.

    The functions of the two exercises are known by name. The file runs in a process of its own, with limits on time and
    memory: they guard against mistakes, not against malice. Exit code 0: all right; 1: something is wrong; 2: the file
    cannot be read or holds no known function.
    """
    if template:
        _write_template(template, path)
        return
    if path is None:
        raise ValueError("check needs a file: convolens check FILE.py (or --template step_by_step to start one).")
    if path.is_dir():
        reports = _grade(path, timeout, reveal, as_json or quiet, csv)
    else:
        if csv:
            raise ValueError(f"--csv grades a folder; {path} is a file. Give its folder.")
        reports = {str(path): check_subject(path, reveal=reveal, timeout=timeout)}
    if html:
        with replacing(html) as beside:
            beside.write_text(page(*(report for report in reports.values() if isinstance(report, Report))), "utf-8")
    if as_json:
        print(json_format.dumps(_to_json(reports, path.is_dir()), indent=2))
    elif not path.is_dir():
        _print(next(iter(reports.values())), quiet)
    good = all(isinstance(report, Report) and report.ok for report in reports.values())
    if not good:
        raise typer.Exit(1)


def _grade(folder: Path, timeout: float, reveal: bool, silent: bool, csv: Path | None) -> dict[str, Report | str]:
    graded = grade(folder, timeout, lambda path: None if silent else print(f"checking {path}", file=sys.stderr), reveal)
    if csv:
        with replacing(csv) as beside:
            beside.write_text(marks_csv(graded), "utf-8")
    if not silent:
        _print_marks(graded)
    return graded


def _to_json(reports: dict[str, Report | str], several: bool) -> object:
    """One file's records are a list; a folder's are such lists by file."""
    shown = {
        name: report.to_json() if isinstance(report, Report) else {"error": report} for name, report in reports.items()
    }
    return shown if several else next(iter(shown.values()))


def _print(report: Report | str, quiet: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    assert isinstance(report, Report)
    for note in [] if quiet else report.notes:
        console.print(Text(f"note: {note}", "yellow"))
    for result in report:
        first, *rest = result.lines(report.reveal)
        name, verdict = first.rsplit(": ", 1)
        console.print(Text.assemble((name, "bold"), ": ", (verdict, _STYLES[verdict])))
        for line in [] if quiet else rest:
            console.print(Text(line, "bold" if line.startswith("  diagnosis") else ""))
    counts = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in _STYLES)
    console.print(f"{counts}.")
    if report.count("wrong") and not report.reveal and not quiet and any(result.answer for result in report):
        console.print("--reveal shows the answers.", style="dim")


def _print_marks(graded: dict[str, Report | str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("file", "right", "wrong", "missing", "diagnoses")
    for name, report in graded.items():
        if isinstance(report, str):
            table.add_row(name, "", "", "", report)
            continue
        diagnoses = "\n".join(f"{r.function}: {r.diagnosis or r.problem}" for r in report if r.verdict == "wrong")
        table.add_row(name, *(str(report.count(verdict)) for verdict in _STYLES), diagnoses)
    Console().print(table)


def _write_template(dialect: str, path: Path | None) -> None:
    text = stubs(dialect)
    target = path or Path(f"{dialect}.py")
    if target.exists():
        raise FileExistsError(
            f"{target} exists already; give another name: convolens check --template {dialect} NAME.py"
        )
    with replacing(target) as beside:
        beside.write_text(text, "utf-8")
    print(f"wrote {target}; check it with: convolens check {target}")
