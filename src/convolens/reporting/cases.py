"""The cases that a network gets wrong, each with its image, its probabilities and its saliency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from convolens import pictures
from convolens.pictures.heatmaps import overlay_pixels

from .findings import Findings
from .images import pixels_png

__all__ = ["Bar", "Case", "cases_of"]

_AT_A_TIME = 32
_BARS = 3


class Bar(NamedTuple):
    """A class's probability; ``role`` is ``"said"``, ``"true"`` or empty."""

    name: str
    probability: float
    role: str


@dataclass(frozen=True)
class Case:
    """A wrong case. ``saliency`` is None for networks that it is not defined for."""

    index: int
    image: str
    saliency: str | None
    true: str
    said: str
    bars: list[Bar]


def cases_of(findings: Findings, most: int) -> list[Case]:
    """Return the wrong cases, most confidently wrong first, at most so many."""
    evaluation, images = findings.evaluation, findings.dataset.x_test
    indices = evaluation.misclassified["index"].to_numpy()[:most]
    maps = _saliency(findings, indices)
    cases = []
    for place, index in enumerate(indices):
        p, true, said = evaluation.probabilities[index], evaluation.y_true[index], evaluation.y_pred[index]
        shown = list(dict.fromkeys([*np.argsort(-p, kind="stable")[:_BARS], true]))
        bars = [
            Bar(findings.class_names[c], float(p[c]), "said" if c == said else "true" if c == true else "")
            for c in shown
        ]
        overlay = None if maps is None else pixels_png(overlay_pixels(images[index], maps[place]))
        names = findings.class_names[true], findings.class_names[said]
        cases.append(Case(int(index), pixels_png(images[index]), overlay, *names, bars))
    return cases


def _saliency(findings: Findings, indices: np.ndarray) -> np.ndarray | None:
    """Return the saliency of the class that the network named, for each image."""
    parts = []
    for start in range(0, len(indices), _AT_A_TIME):
        chunk = indices[start : start + _AT_A_TIME]
        said = findings.evaluation.y_pred[chunk]
        try:
            parts.append(pictures.saliency_maps(findings.model, findings.dataset.x_test[chunk], said))
        except ValueError:
            return None
    return np.concatenate(parts) if parts else None
