"""``convolens demo``: the shortest way to see the library work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .train import train_and_show

__all__ = ["command"]


def command(
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The run's folder; a new one in runs/ unless set.")] = None,
) -> None:
    """Train a small network on scikit-learn's handwritten digits, in under a minute."""
    train_and_show("digits", seed=seed, out=out)
