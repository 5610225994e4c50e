"""``convolens explain``: every multiply-add of a run's network on one image, in one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import console, escaped, page_target

__all__ = ["command"]


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    index: Annotated[int | None, typer.Option(help="Which test image; 0 unless given.", min=0)] = None,
    image: Annotated[Path | None, typer.Option(help="An image file instead of a test image.")] = None,
    label: Annotated[
        str | None, typer.Option(help="The class of the image file; the network's own answer if not given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The HTML file; explain.html in the run's folder unless given.")
    ] = None,
    certify: Annotated[
        bool, typer.Option("--certify", help="Check the network first, for the page's trust panel.")
    ] = False,
    data: Annotated[Path | None, typer.Option(help="The folder where data sets are searched first.")] = None,
) -> None:
    """Write a page in which every number of the network can be seen being made, forward and backward."""
    import numpy as np

    import convolens as cl
    from convolens.evaluation import class_probabilities
    from convolens.explainer import explain
    from convolens.runs import Run

    if image is not None and index is not None:
        raise ValueError("--index names a test image, --image a file; expected one of them.")
    found = Run.load(run)
    target = page_target(out) if out else found.folder / "explain.html"
    model, names = found.model, found.class_names
    if image is None:
        if label is not None:
            raise ValueError("--label goes with --image: test images have their labels.")
        dataset = found.dataset(data)
        index = index or 0
        if index >= len(dataset.x_test):
            raise ValueError(
                f"--index {index}: there are {len(dataset.x_test)} test images, 0 to {len(dataset.x_test) - 1}."
            )
        x, y = dataset.x_test[index], int(dataset.y_test[index])
    else:
        x, notes = found.prepare(image)
        for note in notes:
            console.note(f"{image}: {note}")
        answer = int(np.argmax(class_probabilities(model, x[None])[0]))
        y = answer if label is None else _class_number(label, names)
        if label is None:
            console.note(f"no --label: the gradients are those of the network's own answer, {names[answer]}.")
    certificate = cl.certify(model, x[None], np.array([y])) if certify else None
    explanation = explain(model, x, y, class_names=names, certificate=certificate)
    explanation.save(target)
    value = {"path": str(target), "label": names[y], "loss": explanation.record["loss"], "bytes": target.stat().st_size}
    console.result(value, f"Wrote {escaped(str(target))} ({value['bytes'] / 1e6:.1f} MB): open it in any browser.")


def _class_number(label: str, names: list[str]) -> int:
    if label in names:
        return names.index(label)
    if label.isdigit() and int(label) < len(names):
        return int(label)
    raise ValueError(f"--label {label!r}: the classes are {', '.join(names)}.")
