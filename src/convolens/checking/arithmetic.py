"""The right value of one element, written out: which numbers are multiplied, added, compared or shared to make it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from convolens.checking.cases import Case, Setting

__all__ = ["Grid", "Written", "write_out"]


@dataclass(frozen=True)
class Grid:
    """A table of numbers to draw, one channel of a window or a kernel.

    Attributes:
        title: what it is.
        rows: the numbers.
        marked: cells to mark, ``[top, left, height, width]``; none if empty.
    """

    title: str
    rows: list[list[float]]
    marked: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Written:
    """One element's arithmetic.

    Attributes:
        text: ``"1·2 + 0·(-1) + 3 (bias) = 5"``.
        value: what it comes to.
        grids: the window and the kernel (or whatever is combined), to be drawn side by side.
    """

    text: str
    value: float
    grids: tuple[Grid, ...] = ()


def write_out(function: str, output: str, index: tuple[int, ...], case: Case) -> Written | None:
    """Write out the right value of an element.

    Args:
        function: the exercise's name; both dialects compute the same.
        output: the output's name: ``"dW"``.
        index: of the element.
        case: the call.

    Returns:
        The arithmetic, or None where there is none to show.
    """
    writer = _WRITERS.get((function, output if function == "conv_backward" else ""))
    return writer(case.setting, index, case) if writer else None


def _show(value: float) -> str:
    text = f"{value:.4g}" if value != round(value) else f"{value:.0f}"
    return f"({text})" if text.startswith("-") else text


def _sum(terms: list[str], value: float, extra: str = "") -> str:
    shown = terms if len(terms) <= 32 else [*terms[:30], f"... ({len(terms) - 30} more)"]
    return " + ".join([*shown, *([extra] if extra else [])] or ["0"]) + f" = {_show(value).strip('()')}"


def _products(pairs: list[tuple[float, float]]) -> tuple[list[str], float]:
    return [f"{_show(a)}·{_show(b)}" for a, b in pairs], float(sum(a * b for a, b in pairs))


def _padded(s: Setting) -> np.ndarray:
    return np.pad(s.x, ((0, 0), (s.pads[0],) * 2, (s.pads[1],) * 2, (0, 0)))


def _window(s: Setting, i: int, h: int, w: int) -> np.ndarray:
    top, left = h * s.strides[0], w * s.strides[1]
    return _padded(s)[i, top : top + s.window[0], left : left + s.window[1]]


def _grids(title: str, volume: np.ndarray) -> list[Grid]:
    many = volume.shape[2] > 1
    return [Grid(f"{title}, channel {c}" if many else title, volume[:, :, c].tolist()) for c in range(volume.shape[2])]


def _image(s: Setting, i: int, h: int, w: int, c: int) -> Grid:
    """One channel of the padded image with the window marked."""
    title = f"image {i}, channel {c}{' (padded)' if any(s.pads) else ''}"
    return Grid(title, _padded(s)[i, :, :, c].tolist(), [h * s.strides[0], w * s.strides[1], *s.window])


def _paired(left: tuple[str, np.ndarray], right: tuple[str, np.ndarray]) -> tuple[Grid, ...]:
    pairs = zip(_grids(*left), _grids(*right), strict=True)
    return tuple(grid for pair in pairs for grid in pair)


def _convolved(s: Setting, index: tuple[int, ...], case: Case) -> Written:
    i, h, w, f = index
    window, kernel = _window(s, i, h, w), s.w[..., f]
    terms, total = _products(list(zip(window.ravel().tolist(), kernel.ravel().tolist(), strict=True)))
    bias = float(s.b[0, 0, 0, f])
    total += bias
    text = _sum(terms, total, f"{_show(bias)} (bias)")
    if "activation" in case.traits:
        text, total = f"relu({text.rsplit(' = ', 1)[0]}) = {_show(max(total, 0)).strip('()')}", max(total, 0.0)
    pictures = _paired(("window", window), (f"filter {f}", kernel))
    images = () if s.x.shape[1:3] == s.window else tuple(_image(s, i, h, w, c) for c in range(s.x.shape[3]))
    return Written(text, total, (*images, *pictures))


def _single_step(s: Setting, index: tuple[int, ...], case: Case) -> Written:
    return _convolved(s, (0, 0, 0, 0), case)


def _weight_gradient(s: Setting, index: tuple[int, ...], case: Case) -> Written:
    row, column, c, f = index
    n, oh, ow = s.d.shape[:3]
    padded = _padded(s)
    met = padded[:, row : row + s.strides[0] * oh : s.strides[0], column : column + s.strides[1] * ow : s.strides[1], c]
    dz = s.d[..., f]
    terms, total = _products(list(zip(met.ravel().tolist(), dz.ravel().tolist(), strict=True)))
    grids = []
    for i in range(n):
        image = f", image {i}" if n > 1 else ""
        grids += [
            Grid(f"inputs this weight meets{image}", met[i].tolist()),
            Grid(f"dZ, filter {f}{image}", dz[i].tolist()),
        ]
    return Written(_sum(terms, total), total, tuple(grids))


def _bias_gradient(s: Setting, index: tuple[int, ...], case: Case) -> Written:
    dz = s.d[..., index[-1]]
    grids = tuple(Grid(f"dZ, filter {index[-1]}, image {i}", one.tolist()) for i, one in enumerate(dz))
    return Written(_sum([_show(v) for v in dz.ravel().tolist()], float(dz.sum())), float(dz.sum()), grids)


def _windows_over(s: Setting, row: int, column: int) -> Iterator[tuple[int, int, int, int]]:
    """Outputs whose window holds an input cell, with the cell's place in the window."""
    for h in range(s.d.shape[1]):
        for w in range(s.d.shape[2]):
            y, x = row + s.pads[0] - h * s.strides[0], column + s.pads[1] - w * s.strides[1]
            if 0 <= y < s.window[0] and 0 <= x < s.window[1]:
                yield h, w, y, x


def _input_gradient(s: Setting, index: tuple[int, ...], case: Case) -> Written:
    i, row, column, c = index
    pairs, weights, sources = [], [], []
    for h, w, y, x in _windows_over(s, row, column):
        kernel, dz = s.w[y, x, c], s.d[i, h, w]
        pairs += list(zip(kernel.tolist(), dz.tolist(), strict=True))
        weights.append(kernel.tolist())
        sources.append(dz.tolist())
    terms, total = _products(pairs)
    grids = (Grid("weights that meet this input (a row per window)", weights), Grid("dZ of these windows", sources))
    return Written(_sum(terms, total), total, grids if pairs else ())


def _pooled(s: Setting, index: tuple[int, ...], case: Case) -> Written:
    i, h, w, c = index
    window = _window(s, i, h, w)[..., c]
    grid = (_image(s, i, h, w, c),)
    cells = [_show(v) for v in window.ravel().tolist()]
    if s.mode == "max":
        value = float(window.max())
        return Written(f"max({', '.join(cells)}) = {_show(value).strip('()')}", value, grid)
    value = float(window.mean())
    return Written(f"({' + '.join(cells)}) / {window.size} = {_show(value).strip('()')}", value, grid)


def _pool_gradient(s: Setting, index: tuple[int, ...], case: Case) -> Written:
    i, row, column, c = index
    terms, total, grids = [], 0.0, []
    for h, w, _, _ in _windows_over(s, row, column):
        window, d = _window(s, i, h, w)[..., c], float(s.d[i, h, w, c])
        if s.mode == "average":
            terms.append(f"{_show(d)}/{window.size}")
            total += d / window.size
        elif s.x[index] == window.max():
            terms.append(f"{_show(d)} (a maximum of the window of dA[{i}, {h}, {w}, {c}])")
            total += d
        grids.append(_image(s, i, h, w, c))
    text = (
        _sum(terms, total)
        if terms
        else "0: it is the maximum of no window"
        if s.mode == "max"
        else "0: it is in no window"
    )
    return Written(text, total, tuple(grids))


def _zero_padded(s: Setting, index: tuple[int, ...], case: Case) -> Written:
    i, row, column, c = index
    value = float(case.expected[0][index])
    y, x = row - s.pads[0], column - s.pads[1]
    inside = 0 <= y < s.x.shape[1] and 0 <= x < s.x.shape[2]
    text = f"X[{i}, {y}, {x}, {c}] = {_show(value).strip('()')}" if inside else "0: it lies in the border"
    return Written(text, value, (Grid(f"X_pad, image {i}, channel {c}", case.expected[0][i, :, :, c].tolist()),))


def _masked(s: Setting, index: tuple[int, ...], case: Case) -> Written:
    biggest, cell = float(s.x.max()), float(s.x[index])
    relation = "=" if biggest == cell else "<"
    text = f"{_show(cell)} {relation} max = {_show(biggest).strip('()')}, so {biggest == cell}"
    return Written(text, float(biggest == cell), (Grid("window", s.x.tolist(), [*index, 1, 1]),))


def _distributed(s: Setting, index: tuple[int, ...], case: Case) -> Written:
    value = float(case.expected[0][index])
    text = f"{_show(float(s.x))} / ({s.window[0]}·{s.window[1]}) = {_show(value).strip('()')}"
    return Written(text, value, (Grid("a", case.expected[0].tolist()),))


_WRITERS: dict[tuple[str, str], Callable[[Setting, tuple[int, ...], Any], Written]] = {
    ("zero_pad", ""): _zero_padded,
    ("conv_single_step", ""): _single_step,
    ("conv_forward", ""): _convolved,
    ("conv_backward", "dA_prev"): _input_gradient,
    ("conv_backward", "dW"): _weight_gradient,
    ("conv_backward", "db"): _bias_gradient,
    ("pool_forward", ""): _pooled,
    ("pool_backward", ""): _pool_gradient,
    ("create_mask_from_window", ""): _masked,
    ("distribute_value", ""): _distributed,
}
