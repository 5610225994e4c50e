"""The pictures of a run: as files, and as data inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from convolens import pictures

from .findings import Findings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Picture", "Pictures", "encoded", "pixels_png"]


class Picture(NamedTuple):
    """A figure for light pages and the same for dark ones, as PNG data in text form."""

    light: str
    dark: str
    alt: str
    width: int
    height: int


class Pictures:
    """The figures of a run, each drawn once for light and once for dark pages."""

    def __init__(self, findings: Findings) -> None:
        self.figures = _figures_of(findings)
        self._drawn: dict[tuple[str, str], tuple[bytes, tuple[float, float]]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def png(self, name: str, theme: str = "light") -> bytes:
        """Return a figure as the content of a PNG file."""
        return self._draw(name, theme)[0]

    def themed(self, name: str) -> Picture:
        """Return a figure as a page needs it."""
        shots = [encoded(self.png(name, theme)) for theme in ("light", "dark")]
        # 80 dots to the inch: text of 14 points is 15.5 dots high.
        width, height = (round(80 * inches) for inches in self._draw(name, "light")[1])
        return Picture(shots[0], shots[1], self.figures[name][0], width, height)

    def _draw(self, name: str, theme: str) -> tuple[bytes, tuple[float, float]]:
        if (name, theme) not in self._drawn:
            with pictures.theme(theme):
                figure = self.figures[name][1]()
                width, height = figure.get_size_inches()
                self._drawn[name, theme] = pictures.style.png(figure), (float(width), float(height))
        return self._drawn[name, theme]


def _figures_of(findings: Findings) -> dict[str, tuple[str, Callable[[], Figure]]]:
    """Return the figures that a run has: by file name, what they show and how they are drawn."""
    f = findings
    found: dict[str, tuple[str, Callable[[], Figure]]] = {
        "architecture": ("the network as volumes to scale", lambda: pictures.architecture(f.model)),
        "curves": ("loss and metrics by epoch", lambda: pictures.history(f.history)),
        "confusion_matrix": (
            "how often each class was taken for each other",
            lambda: pictures.confusion_matrix(f.evaluation.y_true, f.evaluation.y_pred, f.class_names),
        ),
        "calibration": ("confidence against accuracy", lambda: pictures.calibration(f.evaluation)),
        "misclassified": (
            "the test images most confidently classified wrong",
            lambda: pictures.misclassified(f.model, f.dataset.x_test, f.dataset.y_test, f.class_names),
        ),
        "feature_maps": (
            "what each layer makes of a test image",
            lambda: pictures.feature_maps(f.model, f.dataset.x_test[f.example]),
        ),
    }
    if not f.history:
        del found["curves"]
    if f.evaluation.roc is not None:
        found["roc"] = ("true against false positive rate", lambda: pictures.roc(f.evaluation))
    if f.first_convolution is not None:
        found["filters"] = (
            f"the kernels of {f.first_convolution.name}",
            lambda: pictures.filters(f.model, f.first_convolution),
        )
    return found


def encoded(data: bytes) -> str:
    """Return PNG data as an address inside a page."""
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def pixels_png(pixels: np.ndarray) -> str:
    """Return pixels ``(h, w)``, ``(h, w, 1)`` or ``(h, w, 3)`` as PNG, a cell to a dot; floats are from 0 to 1."""
    from PIL import Image

    if pixels.dtype != np.uint8:
        pixels = np.rint(255 * pictures.style.picture(pixels)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels).save(buffer, "PNG")
    return encoded(buffer.getvalue())
