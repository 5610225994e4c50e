"""``convolens certify``: prove a run's network right, number by number."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import console, escaped

__all__ = ["command"]


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    examples: Annotated[int, typer.Option(help="Test images to recompute the network for.", min=1)] = 2,
    budget: Annotated[float, typer.Option(help="Multiply-adds for each layer's element-by-element check.")] = 4e10,
    data: Annotated[Path | None, typer.Option(help="Where the data are, if not where they were.")] = None,
) -> int:
    """Check a run's network: gradients element by element, and against other frameworks.

    Writes certificate.json and certificate.html into the run's folder. Exit code 1 if something is wrong.
    """
    from convolens.checking.certificate import certify
    from convolens.files import replacing
    from convolens.runs import Run

    if not 0 <= budget < float("inf"):
        raise ValueError(f"--budget {budget:g}: expected a number of multiply-adds, 0 or more.")
    opened = Run.load(run)
    dataset = opened.dataset(data)
    if examples > len(dataset.x_test):
        raise ValueError(f"--examples {examples}: there are {len(dataset.x_test)} test images.")
    model = opened.model
    y = dataset.y_test[:examples]
    if model.output_shape[-1] == 1:
        y = y[:, None].astype("float32")
    console.say("Checking each gradient; a minute or so for a small network.")
    certificate = certify(model, dataset.x_test[:examples], y, examples=examples, budget=budget)
    page = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Certificate of {run.name}</title>'
    page += f"<style>:root {{ color-scheme: light dark; }}</style></head><body>{certificate.to_html()}</body></html>\n"
    for name, text in (("certificate.json", certificate.to_json()), ("certificate.html", page)):
        with replacing(opened.folder / name) as beside:
            beside.write_text(text, "utf-8")
    console.result(certificate.to_dict(), escaped(certificate.text))
    return 0 if certificate.ok else 1
