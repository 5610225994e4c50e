"""``convolens predict``: classify image files of any size and mode."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import console, table

__all__ = ["command"]


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Image files.")],
) -> None:
    """Classify image files with a run's network; each is brought to the size and colours of the run's data."""
    import pandas as pd

    from convolens.runs import Run

    rows = Run.load(run).predict(images)
    for row in rows:
        for note in row["notes"]:
            console.note(f"{row['file']}: {note}")
    frame = pd.DataFrame([{key: row[key] for key in ("file", "label", "probability")} for row in rows])
    console.result(rows, table("", frame, index=False))
