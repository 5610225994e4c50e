"""``convolens evaluate``: how good a run's network is on the test images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .train import show_evaluation

__all__ = ["command"]


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    data: Annotated[Path | None, typer.Option(help="The folder where data sets are searched first.")] = None,
) -> None:
    """Evaluate a run's network on the test images and write metrics.json."""
    from convolens.runs import Run

    found = Run.load(run)
    found.evaluate(data)
    show_evaluation(found, {"run": str(found.folder), **found.metrics})
