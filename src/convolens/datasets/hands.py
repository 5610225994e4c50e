"""Cartoon hands that show 0 to 5 fingers."""

from __future__ import annotations

import numpy as np

from .canvas import SIZE, Canvas, Color, hsv, shade, skin

__all__ = ["draw_hand"]

# Root of each finger on the palm, length and direction in degrees from upright (index to little finger).
_ROOTS = ((-0.33, -0.38), (-0.11, -0.46), (0.12, -0.44), (0.33, -0.34))
_LENGTHS = (0.82, 0.92, 0.86, 0.66)
_DIRECTIONS = (-9.0, -2.0, 4.0, 13.0)
_WIDTH = 0.2
# Which fingers stand for each number; the thumb is out for 5, sometimes for the last of each list.
_SHOWN: dict[int, tuple[tuple[int, ...], ...]] = {
    0: ((),),
    1: ((0,),),
    2: ((0, 1), (0, 1), (0, 3)),
    3: ((0, 1, 2), (1, 2, 3)),
    4: ((0, 1, 2, 3),),
    5: ((0, 1, 2, 3),),
}


def draw_hand(rng: np.random.Generator, number: int) -> np.ndarray:
    """Draw a hand that shows a number from 0 to 5: ``uint8 (64, 64, 3)``.

    Left and right hands, position, size, rotation, skin, sleeve, the spread and bend of the fingers and the background
    vary; the two fingers of a 2 are sometimes crossed.
    """
    scale = rng.uniform(24, 27)
    middle = -0.25 if number else 0.0
    angle = rng.uniform(-14, 14)
    turn = np.deg2rad(angle)
    center = (
        SIZE / 2 + rng.uniform(-4, 4) + scale * middle * np.sin(turn),
        SIZE / 2 + rng.uniform(-4, 4) - scale * middle * np.cos(turn),
    )
    canvas = Canvas(rng, center, scale, angle, mirror=bool(rng.random() < 0.5))
    tone = (
        skin(rng) if rng.random() < 0.6 else hsv(rng.random(), rng.uniform(0.2, 0.8), rng.uniform(0.4, 1.0))
    )  # a glove
    edge = shade(tone, rng.uniform(0.3, 0.45))
    _arm(canvas, tone, edge)
    choices = _SHOWN[number]
    shown = choices[int(rng.integers(len(choices)))]
    _thumb(canvas, tone, edge, out=number == 5)
    _palm(canvas, tone, edge)
    crossed = number == 2 and shown == (0, 1) and rng.random() < 0.3
    spread = rng.uniform(0.7, 1.5)
    for i in range(4):
        if i not in shown:
            _folded(canvas, i, tone, edge)
    for i in shown:
        lean = (14.0 if i == 0 else -12.0) if crossed else spread * _DIRECTIONS[i] + rng.uniform(-2, 2)
        _finger(canvas, i, lean, tone, edge)
    if number < 5:
        _folded_thumb(canvas, tone, edge)
    return canvas.finish(noise=rng.uniform(2, 6))


def _arm(canvas: Canvas, tone: Color, edge: Color) -> None:
    rng = canvas.rng
    half = rng.uniform(0.26, 0.32)
    outline = [(-half, 0.2), (half, 0.2), (half * 1.1, 2.5), (-half * 1.1, 2.5)]
    canvas.polygon([(x * 1.12, y) for x, y in outline], edge)
    canvas.polygon(outline, tone)
    if rng.random() < 0.5:  # a sleeve
        cuff = rng.uniform(0.75, 1.0)
        color = (int(rng.integers(30, 220)), int(rng.integers(30, 220)), int(rng.integers(30, 220)))
        canvas.polygon([(-0.42, cuff), (0.42, cuff), (0.5, 2.6), (-0.5, 2.6)], color)


def _palm(canvas: Canvas, tone: Color, edge: Color) -> None:
    outline = np.array(
        [
            (-0.42, -0.36),
            (-0.1, -0.44),
            (0.2, -0.42),
            (0.42, -0.3),
            (0.42, 0.2),
            (0.26, 0.5),
            (-0.26, 0.5),
            (-0.42, 0.2),
        ]
    )
    for points, color in ((outline * 1.08, edge), (outline, tone)):
        canvas.polygon(points, color)


def _stroke(canvas: Canvas, points: np.ndarray, width: float, tone: Color, edge: Color) -> None:
    canvas.line(points, width + 0.07, edge)
    canvas.line(points, width, tone)


def _finger(canvas: Canvas, i: int, lean: float, tone: Color, edge: Color) -> None:
    """Draw an upright finger in three joints that bend a little."""
    direction = np.deg2rad(lean)
    bend = np.deg2rad(canvas.rng.uniform(-5, 5))
    length = _LENGTHS[i] * canvas.rng.uniform(0.92, 1.05)
    points = [np.array(_ROOTS[i])]
    for part in (0.42, 0.31, 0.27):
        points.append(points[-1] + part * length * np.array([np.sin(direction), -np.cos(direction)]))
        direction += bend
    _stroke(canvas, np.array(points), _WIDTH, tone, edge)
    root = np.array([points[0] + (0, 0.15), points[0]])
    canvas.line(root, _WIDTH, tone)  # no edge where the finger leaves the palm


def _folded(canvas: Canvas, i: int, tone: Color, edge: Color) -> None:
    """Draw a folded finger: its knuckle on top and its end on the palm."""
    x, y = _ROOTS[i]
    _stroke(canvas, np.array([(x, y + 0.0), (x * 0.96, y + 0.32)]), _WIDTH, shade(tone, 0.96), edge)


def _thumb(canvas: Canvas, tone: Color, edge: Color, out: bool) -> None:
    if out:
        lean = canvas.rng.uniform(-0.08, 0.1)
        _stroke(canvas, np.array([(-0.3, 0.25), (-0.62, 0.0), (-0.86, -0.3 + lean)]), _WIDTH * 1.1, tone, edge)


def _folded_thumb(canvas: Canvas, tone: Color, edge: Color) -> None:
    _stroke(canvas, np.array([(-0.36, 0.22), (-0.12, 0.1), (0.14, 0.06)]), _WIDTH, shade(tone, 1.03), edge)
