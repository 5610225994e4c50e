"""``convolens report``: a run's report and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import console, escaped

__all__ = ["command"]


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    data: Annotated[Path | None, typer.Option(help="The folder where data sets are searched first.")] = None,
    cases: Annotated[int, typer.Option(help="How many wrong cases to show at most.", min=0)] = 400,
) -> None:
    """Write a run's report.html: data, network, training, evaluation, errors; and its pictures, images/*.png."""
    from convolens.reporting import write_report

    report = write_report(run, data, cases=cases)
    images = sorted((run / "images").glob("*.png"))
    shown = [f"Report: {escaped(str(report))}", f"Pictures: {escaped(str(run / 'images'))}"]
    console.result({"report": str(report), "images": [str(path) for path in images]}, *shown)
