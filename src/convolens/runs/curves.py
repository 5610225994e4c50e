"""How far the curves of two runs are apart."""

from __future__ import annotations

from .run import Run

__all__ = ["curve_differences"]


def curve_differences(run: Run, other: Run) -> dict[str, float]:
    """Return the largest difference of every curve over the epochs that both runs have, relative to the larger value.

    Args:
        run: a run, of one engine say.
        other: the same task and options with the other engine.

    Raises:
        ValueError: if they have no curve or no epoch in common.
    """
    ours, theirs = run.history, other.history
    names = [name for name in ours if name in theirs and name != "epoch"]
    epochs = min((len(ours[name]) for name in names), default=0)
    epochs = min(epochs, min((len(theirs[name]) for name in names), default=0))
    if not epochs:
        raise ValueError(f"{run.folder} and {other.folder} have no curve in common.")
    return {
        name: max(
            abs(a - b) / (max(abs(a), abs(b)) or 1.0)
            for a, b in zip(ours[name][:epochs], theirs[name][:epochs], strict=True)
        )
        for name in names
    }
