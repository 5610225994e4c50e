"""What the drawn sets are drawn on: a canvas with antialiasing, backgrounds, noise, and colours.

Every picture is drawn at four times its size and reduced, so that lines are smooth and positions are not whole pixels.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["SIZE", "Canvas", "Color", "hsv", "shade", "skin"]

SIZE = 64
_OVERSAMPLING = 4

Color = tuple[int, int, int]


class Canvas:
    """A picture in the making. Points are given in units of a figure that is placed, turned and scaled on it.

    Args:
        rng: source of every random choice.
        center: where the figure's origin lies, in pixels.
        scale: pixels per unit of the figure.
        angle: rotation of the figure in degrees, clockwise.
        mirror: whether the figure is mirrored left to right.
    """

    def __init__(
        self, rng: np.random.Generator, center: tuple[float, float], scale: float, angle: float, mirror: bool = False
    ) -> None:
        from PIL import Image, ImageDraw

        self.rng = rng
        side = SIZE * _OVERSAMPLING
        self.image = Image.fromarray(_background(rng)).resize((side, side), Image.Resampling.BILINEAR)
        self.pen = ImageDraw.Draw(self.image)
        self.origin = np.array(center) * _OVERSAMPLING
        self.scale = scale * _OVERSAMPLING
        turn = np.deg2rad(angle)
        self.axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        if mirror:
            self.axes[0] *= -1

    def place(self, points: Any) -> list[tuple[float, float]]:
        """Return figure points as canvas points."""
        placed = self.origin + self.scale * (np.asarray(points, dtype=float) @ self.axes)
        return [(float(x), float(y)) for x, y in placed]

    def polygon(self, points: Any, fill: Color) -> None:
        """Fill a closed outline."""
        self.pen.polygon(self.place(points), fill=fill)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Color) -> None:
        """Fill an ellipse with the figure's axes."""
        t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        self.polygon(np.stack([x + rx * np.cos(t), y + ry * np.sin(t)], axis=1), fill)

    def line(self, points: Any, width: float, fill: Color) -> None:
        """Draw a line with round ends and joints."""
        placed = self.place(points)
        radius = width * self.scale / 2
        self.pen.line(placed, fill=fill, width=max(round(2 * radius), 1))
        for x, y in placed:
            self.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)

    def finish(self, noise: float) -> np.ndarray:
        """Reduce the picture to its size, vary brightness and add noise; ``uint8 (64, 64, 3)``."""
        pixels = np.asarray(self.image.reduce(_OVERSAMPLING), dtype=np.float32)
        light = self.rng.uniform(0.8, 1.15) + self.rng.uniform(-0.15, 0.15) * np.linspace(-1, 1, SIZE)[:, None, None]
        pixels = pixels * light.astype(np.float32)
        pixels += noise * self.rng.standard_normal(pixels.shape, dtype=np.float32)
        return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def hsv(hue: float, saturation: float, value: float) -> Color:
    """Return a colour from hue, saturation and value in [0, 1]."""
    r, g, b = colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0), 1), min(max(value, 0), 1))
    return round(255 * r), round(255 * g), round(255 * b)


def shade(color: Sequence[int], factor: float) -> Color:
    """Return a colour made darker (factor below 1) or lighter."""
    r, g, b = (min(round(c * factor), 255) for c in color)
    return r, g, b


def skin(rng: np.random.Generator) -> Color:
    """Return one of many tones of skin."""
    return hsv(rng.uniform(0.04, 0.09), rng.uniform(0.25, 0.6), rng.uniform(0.4, 1.0))


def _background(rng: np.random.Generator) -> np.ndarray:
    """Return a gradient between two muted colours in a random direction, sometimes with stripes, at twice the size."""
    hue = rng.uniform(0.25, 0.95)
    ends = [hsv(hue + turn, rng.uniform(0.05, 0.5), rng.uniform(0.15, 1.0)) for turn in (0, rng.uniform(-0.15, 0.15))]
    palette = np.linspace(ends[0], ends[1], 256).astype(np.uint8)
    direction = rng.uniform(0, 2 * np.pi)
    along = np.linspace(-90, 90, 2 * SIZE, dtype=np.float32)
    level = 127.5 + along[:, None] * np.float32(np.sin(direction)) + along * np.float32(np.cos(direction))
    if rng.random() < 0.3:
        width, height = rng.uniform(14, 40), rng.uniform(30, 80)
        level += np.float32(height) * ((level % np.float32(width)) > width / 2)
    return palette[np.clip(level, 0, 255).astype(np.uint8)]
