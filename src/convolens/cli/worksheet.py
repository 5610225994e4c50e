"""``convolens worksheet``: exercises on paper with worked answers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from convolens.checking.worksheet import TOPICS, make
from convolens.checking.worksheet_page import worksheet_page
from convolens.files import replacing

from .console import console, escaped, page_target

__all__ = ["command"]

_TITLES = {
    "conv": "Convolution",
    "pool": "Pooling",
    "batchnorm": "Batch normalisation",
    "dense": "Dense layers",
    "softmax": "Softmax and cross-entropy",
}


def command(
    topic: Annotated[str | None, typer.Argument(help=f"One of {', '.join(TOPICS)}.")] = None,
    backward: Annotated[bool, typer.Option("--backward", help="Gradients instead of outputs.")] = False,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal sheets.", min=0)] = 0,
    count: Annotated[int, typer.Option(help="How many exercises.")] = 4,
    out: Annotated[Path | None, typer.Option(help="The HTML file; worksheet-TOPIC.html unless given.")] = None,
) -> None:
    """Write a sheet of small exercises with blanks, and worked answers on pages of their own."""
    if topic is None:
        raise ValueError(f"no topic: one of {', '.join(TOPICS)}.")
    exercises = make(topic, backward, seed, count)
    target = page_target(out) if out else Path(f"worksheet-{topic}{'-backward' if backward else ''}.html")
    note = f"convolens worksheet {topic}{' --backward' if backward else ''} --seed {seed} --count {count}"
    title = _TITLES[topic] + (", backward" if backward else "")
    with replacing(target) as beside:
        beside.write_text(worksheet_page(exercises, title, note), "utf-8")
    value = {"path": str(target), "exercises": [asdict(exercise) for exercise in exercises]}
    console.result(value, f"Wrote {escaped(str(target))}: {count} exercises, and their answers on pages of their own.")
