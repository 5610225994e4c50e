"""``convolens data``: list, fetch and describe data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import console, escaped, table

__all__ = ["command"]

command = typer.Typer()

_PAIRS_SHOWN = 15

DataOption = Annotated[Path | None, typer.Option("--data", help="The folder where data sets are searched first.")]


@command.command("list")
def list_sets(data: DataOption = None) -> None:
    """List the named data sets and where they are."""
    import pandas as pd

    from convolens.datasets import catalog

    rows = [
        {"name": name, "where": catalog.whereabouts(name, data), "what": catalog.ENTRIES[name].description}
        for name in catalog.names()
    ]
    console.result(rows, table("Data sets", pd.DataFrame(rows), index=False))


@command.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A named data set.")], data: DataOption = None
) -> None:
    """Make sure that a data set is on this machine: search it, else fetch it, and check it."""
    from convolens.datasets import load

    found = load(name, data)
    files = found.source.files
    lines = [f"{escaped(path)}  sha256 {digest}" for path, digest in files.items()]
    console.result({"name": found.name, "files": files, "notes": found.source.notes}, escaped(repr(found)), *lines)


@command.command("describe")
def describe(
    task: Annotated[list[str], typer.Argument(metavar="TASK", help="As for convolens train.")],
    data: DataOption = None,
    threshold: Annotated[float, typer.Option(help="Images nearer than this (of 255) are near duplicates.")] = 5.0,
    samples: Annotated[Path | None, typer.Option(help="Write a grid of samples to this image file.")] = None,
) -> None:
    """Describe a data set: counts, pixel statistics, duplicates within and across splits."""
    from convolens.datasets import describe as describe_dataset
    from convolens.runs import find_task

    if not 0 < threshold <= 255:
        raise ValueError(f"threshold is {threshold:g}; expected a number above 0 and at most 255.")
    dataset = find_task(task, data)
    found = describe_dataset(dataset, threshold)
    if samples is not None:
        from PIL import Image

        from convolens.files import replacing

        kind = Image.registered_extensions().get(samples.suffix.lower())
        if kind not in Image.SAVE:
            raise ValueError(f"--samples {samples}: expected the name of an image file, such as samples.png.")
        with replacing(samples) as beside:
            Image.fromarray(found.samples.squeeze()).save(beside, kind)
    shown = [
        f"[bold]{escaped(repr(dataset))}[/]",
        escaped(found.description),
        table("Images per class", found.counts),
        table("Pixels, 0 to 1", found.pixels, index=False),
        table(f"Duplicates (near: root mean square difference below {threshold:g} of 255)", found.summary, index=False),
    ]
    if len(found.duplicates):
        pairs = found.duplicates.sort_values("split_b", kind="stable").head(_PAIRS_SHOWN)  # across the splits first
        shown.append(table(f"Pairs, at most {_PAIRS_SHOWN}", pairs, index=False, digits=2))
    console.result(found.to_json(), *shown, *(f"[yellow]Note:[/] {escaped(note)}" for note in found.notes))
