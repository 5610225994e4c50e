"""Cartoon faces that smile or do not."""

from __future__ import annotations

import numpy as np

from .canvas import SIZE, Canvas, Color, hsv, shade, skin

__all__ = ["draw_face"]


def draw_face(rng: np.random.Generator, smiling: int) -> np.ndarray:
    """Draw a face, smiling (1) or not (0): ``uint8 (64, 64, 3)``.

    Position, size, tilt, skin, hair, glasses, brows, beard and background vary. Smiles are closed, open with teeth, or
    half (one corner up); the others are straight, frowning, or round with surprise.
    """
    scale = rng.uniform(24, 28)
    center = (SIZE / 2 + rng.uniform(-4, 4), SIZE / 2 + rng.uniform(-4, 4))
    canvas = Canvas(rng, center, scale, rng.uniform(-14, 14), mirror=bool(rng.random() < 0.5))
    tone = skin(rng)
    hair = hsv(rng.uniform(0.0, 0.12), rng.uniform(0.2, 0.8), rng.uniform(0.08, 0.75))
    width = rng.uniform(0.78, 0.92)
    _hair_behind(canvas, width, hair)
    for side in (-1, 1):
        canvas.ellipse(side * width, 0.05, 0.14, 0.2, shade(tone, 0.85))
    canvas.ellipse(0, 0, width, 1, tone)
    _fringe(canvas, width, hair)
    _eyes(canvas, hair)
    canvas.line([(0.0, -0.05), (rng.uniform(0.04, 0.1), 0.17), (-0.03, 0.2)], 0.05, shade(tone, 0.72))
    lips = _lips(rng, tone)
    if smiling and rng.random() < 0.5:
        _blush(canvas, tone)
    (_smile if smiling else _no_smile)(canvas, lips)
    return canvas.finish(noise=rng.uniform(2, 9))


def _lips(rng: np.random.Generator, tone: Color) -> Color:
    """Return a red, lighter or darker than the face, that can be seen on it."""
    while True:
        lips = hsv(rng.uniform(0.96, 1.02), rng.uniform(0.5, 0.85), rng.uniform(0.25, 0.95))
        if sum(abs(a - b) for a, b in zip(lips, tone, strict=True)) > 120:
            return lips


def _hair_behind(canvas: Canvas, width: float, hair: Color) -> None:
    if canvas.rng.random() < 0.45:  # long
        length = canvas.rng.uniform(0.2, 0.9)
        canvas.ellipse(0, -0.15, width * 1.22, 1.0, hair)
        canvas.polygon([(-width * 1.2, -0.1), (width * 1.2, -0.1), (width * 1.1, length), (-width * 1.1, length)], hair)
    else:
        canvas.ellipse(0, -0.22, width * 1.08, 0.88, hair)


def _fringe(canvas: Canvas, width: float, hair: Color) -> None:
    low = canvas.rng.uniform(-0.72, -0.5)
    t = np.linspace(np.pi + 0.45, 2 * np.pi - 0.45, 20)
    cap = np.stack([width * 1.02 * np.cos(t), 1.02 * np.sin(t)], axis=1)
    parting = canvas.rng.uniform(-0.5, 0.5)
    canvas.polygon(
        np.vstack([cap, [(width * 0.7, low + 0.05), (parting, low - 0.2), (-width * 0.7, low + 0.05)]]), hair
    )


def _eyes(canvas: Canvas, hair: Color) -> None:
    rng = canvas.rng
    iris = hsv(rng.uniform(0.05, 0.65), 0.6, rng.uniform(0.2, 0.5))
    apart, height = rng.uniform(0.32, 0.4), rng.uniform(-0.26, -0.14)
    look = rng.uniform(-0.05, 0.05)
    brow = rng.uniform(-0.08, 0.08)
    for side in (-1, 1):
        x = side * apart
        canvas.ellipse(x, height, 0.17, 0.12, (245, 245, 245))
        canvas.ellipse(x + look, height, 0.1, 0.1, iris)
        canvas.ellipse(x + look, height, 0.045, 0.05, (15, 15, 15))
        top = height - 0.24
        canvas.line([(x - side * 0.16, top + brow), (x + side * 0.18, top - brow)], 0.06, shade(hair, 0.8))
    if rng.random() < 0.25:
        frame = hsv(rng.uniform(0, 1), 0.5, 0.25)
        t = np.linspace(0, 2 * np.pi, 25)
        for side in (-1, 1):
            canvas.line(np.stack([side * apart + 0.25 * np.cos(t), height + 0.2 * np.sin(t)], axis=1), 0.045, frame)
        canvas.line([(-apart + 0.25, height), (apart - 0.25, height)], 0.045, frame)


def _blush(canvas: Canvas, tone: Color) -> None:
    for side in (-1, 1):
        canvas.ellipse(
            side * 0.5, 0.25, 0.16, 0.11, (min(tone[0] + 12, 255), round(tone[1] * 0.88), round(tone[2] * 0.88))
        )


def _curve(half: float, y: float, bend: float, tilt: float = 0.0) -> np.ndarray:
    """Return a mouth line: a parabola whose corners are ``bend`` above its middle (positive: up)."""
    t = np.linspace(-1, 1, 15)
    return np.stack([half * t, y - bend * (t**2 - 0.4) + tilt * t], axis=1)


def _smile(canvas: Canvas, lips: Color) -> None:
    rng = canvas.rng
    half, y = rng.uniform(0.34, 0.5), rng.uniform(0.44, 0.58)
    kind = rng.random()
    if kind < 0.4:  # closed
        canvas.line(_curve(half, y, rng.uniform(0.2, 0.32)), 0.1, lips)
    elif kind < 0.75:  # open, with teeth
        bend = rng.uniform(0.34, 0.46)
        lower, upper = _curve(half, y, bend), _curve(half, y - 0.08, rng.uniform(0.04, 0.1))[::-1]
        upper[:, 1] += lower[0, 1] - upper[-1, 1]
        canvas.polygon(np.vstack([lower, upper]), shade(lips, 0.5))
        teeth = np.vstack([upper, upper[::-1] + np.array([0, 0.1])])
        canvas.polygon(teeth * (0.94, 1), (248, 246, 240))
        canvas.line(np.vstack([lower, upper, lower[:1]]), 0.06, lips)
    else:  # half: one corner goes up
        t = np.linspace(-1, 1, 15)
        rise = rng.uniform(0.24, 0.36)
        canvas.line(np.stack([half * t, y + 0.06 - rise * np.clip((t + 0.5) / 1.5, 0, 1) ** 2], axis=1), 0.1, lips)


def _no_smile(canvas: Canvas, lips: Color) -> None:
    rng = canvas.rng
    half, y = rng.uniform(0.26, 0.46), rng.uniform(0.44, 0.58)
    kind = rng.random()
    if kind < 0.35:  # straight
        canvas.line(_curve(half, y, rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.03)), 0.1, lips)
    elif kind < 0.7:  # frown
        canvas.line(_curve(half, y + 0.04, -rng.uniform(0.14, 0.3)), 0.1, lips)
    elif kind < 0.85:  # surprise
        canvas.ellipse(0, y, rng.uniform(0.13, 0.2), rng.uniform(0.16, 0.24), lips)
        canvas.ellipse(0, y, 0.09, 0.12, shade(lips, 0.4))
    else:  # open, but level: speaking
        canvas.ellipse(0, y, half * 0.8, rng.uniform(0.09, 0.14), lips)
        canvas.ellipse(0, y, half * 0.6, 0.05, shade(lips, 0.4))
