"""Small inputs that separate mistakes, from the smallest up, with the results they should give.

Each case differs from the plainest one in as few ways as it can (its *traits*), so that the set of cases a function
fails on says something about its mistake. Values are small whole numbers where they are to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from convolens.checking.exercises import Exercise
from convolens.course import layer_by_layer, step_by_step
from convolens.kernels.geometry import Pair

__all__ = ["TRAITS", "Case", "Setting", "cases_of"]

TRAITS = {
    "pad": "there is padding",
    "no pad": "there is no padding",
    "stride": "the stride is more than 1",
    "batch": "there is more than one image",
    "channels": "there is more than one input channel",
    "filters": "there is more than one filter",
    "oblong": "height and width differ",
    "oblong window": "the window's height and width differ",
    "oblong stride": "the vertical and horizontal strides differ",
    "ties": "a window has several equal maxima",
    "average": "the mode is average pooling",
    "max": "the mode is max pooling",
    "overlap": "windows overlap",
    "remainder": "the stride does not divide the image evenly",
    "negative": "all values are negative",
    "activation": "the activation is not the identity",
    "float32": "the arrays are float32",
}


@dataclass(frozen=True)
class Setting:
    """Everything that a case is made of.

    Attributes:
        x: images, ``(n, h, w, c)``.
        w: kernel, ``(kh, kw, c, f)``; empty in pooling.
        b: bias, ``(1, 1, 1, f)``; empty in pooling.
        d: gradient of the cost with respect to the output; empty where there is none.
        window: ``(kh, kw)``.
        strides: ``(vertical, horizontal)``.
        pads: cells added on each side, ``(rows, columns)``.
        mode: ``"max"`` or ``"average"`` in pooling, else empty.
    """

    x: np.ndarray
    w: np.ndarray = field(default_factory=lambda: np.zeros(0))
    b: np.ndarray = field(default_factory=lambda: np.zeros(0))
    d: np.ndarray = field(default_factory=lambda: np.zeros(0))
    window: Pair = (1, 1)
    strides: Pair = (1, 1)
    pads: Pair = (0, 0)
    mode: str = ""


@dataclass(frozen=True)
class Case:
    """One call.

    Attributes:
        words: the case in a line.
        arguments: what the function is called with; copied for each call.
        expected: the right outputs.
        traits: how the case differs from the plainest one; keys of ``TRAITS``.
        setting: what the arguments were made of.
    """

    words: str
    arguments: tuple[Any, ...]
    expected: tuple[np.ndarray, ...]
    traits: frozenset[str]
    setting: Setting


@cache
def cases_of(exercise: Exercise) -> tuple[Case, ...]:
    """Return the cases of an exercise, the smallest first."""
    rng = np.random.default_rng(sum(map(ord, exercise.name)))
    return tuple(_MAKERS[exercise.name](exercise, rng))


def _whole(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = float) -> np.ndarray:
    """Small whole numbers other than 0, no two neighbours equal in the plainest cases."""
    values = np.array([-3, -2, -1, 1, 2, 3, 4, 5])
    return rng.choice(values, shape).astype(dtype)


def _distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Different whole numbers around 0, so that no window has a tie."""
    size = int(np.prod(shape))
    return (rng.permutation(size) - size // 3).reshape(shape).astype(float)


def _size(n: int, k: int, s: int, p: int) -> int:
    return (n + 2 * p - k) // s + 1


def _traits(x: np.ndarray, strides: Pair, window: Pair, pads: Pair | None, filters: int = 1) -> set[str]:
    n, h, w, c = x.shape
    tests = {
        "pad": pads is not None and any(pads),
        "no pad": pads is not None and not all(pads),
        "stride": max(strides) > 1,
        "batch": n > 1,
        "channels": c > 1,
        "filters": filters > 1,
        "oblong": h != w,
        "oblong window": window[0] != window[1],
        "oblong stride": strides[0] != strides[1],
        "overlap": window[0] > strides[0] or window[1] > strides[1],
        "remainder": pads is not None
        and any((n + 2 * p - k) % s for n, k, s, p in zip((h, w), window, strides, pads, strict=True)),
        "negative": bool(np.all(x < 0)),
        "float32": x.dtype == np.float32,
    }
    return {trait for trait, holds in tests.items() if holds}


def _cells(shape: tuple[int, ...]) -> str:
    n, h, w, c = shape
    return f"{n} {'image' if n == 1 else 'images'} of {h} x {w} x {c}"


# Convolution. One row: images, height, width, channels, window, filters, stride, pad, kind of values.

_STEP_BY_STEP: tuple[tuple[Any, ...], ...] = (
    (1, 3, 3, 1, 2, 1, 1, 0, "whole"),
    (1, 3, 3, 1, 2, 1, 1, 1, "whole"),
    (1, 4, 4, 1, 2, 1, 2, 0, "whole"),
    (1, 3, 3, 2, 2, 1, 1, 0, "whole"),
    (1, 3, 3, 1, 2, 2, 1, 0, "whole"),
    (2, 3, 3, 1, 2, 1, 1, 0, "whole"),
    (1, 3, 5, 1, 2, 1, 1, 0, "whole"),
    (1, 5, 3, 1, 2, 1, 1, 0, "whole"),
    (1, 5, 5, 1, 2, 1, 2, 0, "whole"),
    (1, 4, 4, 1, 3, 1, 1, 2, "whole"),
    (1, 4, 4, 1, 2, 1, 2, 1, "whole"),
    (3, 5, 4, 3, 3, 2, 2, 1, "normal"),
    (2, 4, 6, 2, 3, 4, 3, 2, "float32"),
    (2, 4, 4, 2, 2, 2, 1, 0, "equal"),
    (2, 6, 5, 2, 3, 3, 1, 1, "negative"),
)
# Images, height, width, channels, window, filters, strides, padding, kind.
_LAYER_BY_LAYER: tuple[tuple[Any, ...], ...] = (
    (1, 3, 3, 1, (2, 2), 1, (1, 1), "valid", "whole"),
    (1, 3, 3, 1, (3, 3), 1, (1, 1), "same", "whole"),
    (1, 4, 4, 1, (2, 2), 1, (2, 2), "valid", "whole"),
    (1, 3, 3, 2, (2, 2), 1, (1, 1), "valid", "whole"),
    (1, 3, 3, 1, (2, 2), 2, (1, 1), "valid", "whole"),
    (2, 3, 3, 1, (2, 2), 1, (1, 1), "valid", "whole"),
    (1, 3, 5, 1, (2, 2), 1, (1, 1), "valid", "whole"),
    (1, 4, 4, 1, (2, 3), 1, (1, 1), "valid", "whole"),
    (1, 5, 5, 1, (2, 2), 1, (2, 1), "valid", "whole"),
    (1, 3, 3, 1, (2, 2), 1, (1, 1), "same", "whole"),
    (1, 4, 4, 1, (3, 3), 1, (2, 2), "same", "whole"),
    (3, 5, 4, 3, (3, 2), 2, (1, 2), "same", "normal"),
    (2, 4, 6, 2, (3, 2), 3, (2, 3), "valid", "float32"),
    (2, 4, 4, 2, (2, 1), 2, (1, 1), "same", "equal"),
    (2, 6, 5, 2, (3, 3), 3, (1, 2), "valid", "negative"),
)


def _values(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    match kind:
        case "whole":
            return _whole(rng, shape)
        case "equal":
            return np.full(shape, 2.0)
        case "negative":
            return -np.abs(rng.normal(size=shape)) - 0.1
        case "float32":
            return rng.normal(size=shape).astype(np.float32)
    return rng.normal(size=shape)


def _convolutions(exercise: Exercise, rng: np.random.Generator) -> Iterator[tuple[Setting, str, set[str]]]:
    step = exercise.dialect == "step_by_step"
    for n, h, w, c, k, f, s, padding, kind in _STEP_BY_STEP if step else _LAYER_BY_LAYER:
        window, strides = ((k, k), (s, s)) if step else (k, s)
        x = _values(rng, kind, (n, h, w, c))
        kernel = _values(rng, kind if kind in ("float32", "whole") else "normal", (*window, c, f))
        bias = _whole(rng, (1, 1, 1, f), x.dtype)
        pads: Pair = (padding, padding)
        if not step:
            (ph, _), (pw, _) = layer_by_layer.pads((h, w), window, padding, strides)
            pads = (ph, pw)
        out = [_size(n, k, s, p) for n, k, s, p in zip((h, w), window, strides, pads, strict=True)]
        d = _values(rng, "whole" if kind == "whole" else "normal", (n, *out, f)).astype(x.dtype)
        words = f"{_cells(x.shape)}, {f} {'filter' if f == 1 else 'filters'} of {window[0]} x {window[1]}, "
        words += f"stride {s}, pad {padding}" if step else f"stride {s}, padding {padding!r}"
        yield Setting(x, kernel, bias, d, window, strides, pads), words, _traits(x, strides, window, pads, f)


def _conv_forward(exercise: Exercise, rng: np.random.Generator) -> Iterator[Case]:
    for number, (s, words, traits) in enumerate(_convolutions(exercise, rng)):
        if exercise.dialect == "step_by_step":
            arguments: tuple[Any, ...] = (s.x, s.w, s.b, {"stride": s.strides[0], "pad": s.pads[0]})
            expected = step_by_step.conv_forward(*arguments)[0]
        else:
            rectified = number in (11, 12)
            activation: Callable[[Any], Any] = _rectify if rectified else _identity
            arguments = (s.x, s.w, s.b, activation, "same" if any(s.pads) else "valid", s.strides)
            expected = layer_by_layer.conv_forward(*arguments)
            if rectified:
                words, traits = f"{words}, activation relu", traits | {"activation"}
        yield Case(words, arguments, (expected,), frozenset(traits), s)


def _identity(z: Any) -> Any:
    return z


def _rectify(z: Any) -> Any:
    return np.maximum(z, 0)


def _conv_backward(exercise: Exercise, rng: np.random.Generator) -> Iterator[Case]:
    for s, words, traits in _convolutions(exercise, rng):
        if exercise.dialect == "step_by_step":
            arguments: tuple[Any, ...] = (s.d, (s.x, s.w, s.b, {"stride": s.strides[0], "pad": s.pads[0]}))
        else:
            arguments = (s.d, s.x, s.w, s.b, "same" if any(s.pads) else "valid", s.strides)
        yield Case(words, arguments, exercise.reference(*arguments), frozenset(traits), s)


# Pooling. One row: images, height, width, channels, window, strides, kind of values.

_POOLING = (
    (1, 2, 2, 1, (2, 2), (1, 1), "distinct"),
    (1, 3, 3, 1, (2, 2), (1, 1), "distinct"),
    (1, 4, 4, 1, (2, 2), (2, 2), "distinct"),
    (1, 3, 3, 2, (2, 2), (1, 1), "distinct"),
    (2, 3, 3, 1, (2, 2), (1, 1), "distinct"),
    (1, 3, 5, 1, (2, 2), (1, 1), "distinct"),
    (1, 5, 3, 1, (2, 2), (1, 1), "distinct"),
    (1, 5, 5, 1, (2, 2), (2, 2), "distinct"),
    (1, 5, 5, 1, (3, 3), (2, 2), "distinct"),
    (1, 4, 4, 1, (2, 2), (1, 1), "negative"),
    (1, 4, 4, 1, (2, 3), (1, 1), "distinct"),
    (1, 5, 5, 1, (2, 2), (2, 1), "distinct"),
    (3, 6, 5, 3, (3, 3), (2, 2), "normal"),
    (2, 7, 5, 2, (2, 2), (3, 3), "float32"),
    (1, 3, 3, 1, (2, 2), (1, 1), "ties"),
    (2, 4, 4, 2, (2, 2), (2, 2), "equal"),
)


def _poolings(exercise: Exercise, rng: np.random.Generator) -> Iterator[tuple[Setting, str, set[str]]]:
    step = exercise.dialect == "step_by_step"
    for n, h, w, c, window, strides, kind in _POOLING:
        if step and (window[0] != window[1] or strides[0] != strides[1]):
            continue
        shape = (n, h, w, c)
        for mode in ("max", "average"):
            x = _distinct(rng, shape) if kind == "distinct" else _values(rng, kind, shape)
            if kind == "ties":
                x = np.array([[1.0, 4, 2], [4, 3, 4], [0, 4, 4]]).reshape(shape)
            out = [_size(n, k, s, 0) for n, k, s in zip((h, w), window, strides, strict=True)]
            d = _whole(rng, (n, *out, c)).astype(x.dtype)
            shown = (f"f {window[0]}, stride {strides[0]}") if step else f"kernel_shape {window}, stride {strides}"
            traits = _traits(x, strides, window, None) | {mode}
            words = mode if step or mode == "max" else "avg"
            traits |= {"ties"} if mode == "max" and kind in ("ties", "equal") else set()
            yield (
                Setting(x, d=d, window=window, strides=strides, mode=mode),
                f"{_cells(shape)}, {shown}, mode {words}",
                traits,
            )


def _pool_forward(exercise: Exercise, rng: np.random.Generator) -> Iterator[Case]:
    for s, words, traits in _poolings(exercise, rng):
        if exercise.dialect == "step_by_step":
            arguments: tuple[Any, ...] = (s.x, {"f": s.window[0], "stride": s.strides[0]}, s.mode)
            expected = step_by_step.pool_forward(*arguments)[0]
        else:
            arguments = (s.x, s.window, s.strides, "max" if s.mode == "max" else "avg")
            expected = layer_by_layer.pool_forward(*arguments)
        yield Case(words, arguments, (expected,), frozenset(traits), s)


def _pool_backward(exercise: Exercise, rng: np.random.Generator) -> Iterator[Case]:
    for s, words, traits in _poolings(exercise, rng):
        if exercise.dialect == "step_by_step":
            arguments: tuple[Any, ...] = (s.d, (s.x, {"f": s.window[0], "stride": s.strides[0]}), s.mode)
        else:
            arguments = (s.d, s.x, s.window, s.strides, "max" if s.mode == "max" else "avg")
        yield Case(words, arguments, (exercise.reference(*arguments),), frozenset(traits), s)


# The small functions.


def _zero_pad(exercise: Exercise, rng: np.random.Generator) -> Iterator[Case]:
    rows = [((1, 2, 2, 1), 1), ((1, 2, 2, 1), 0), ((1, 2, 3, 1), 2), ((2, 3, 2, 3), 1), ((2, 4, 3, 2), 2)]
    for number, (shape, pad) in enumerate(rows):
        x = _whole(rng, shape, np.float32 if number == 4 else float)
        traits = _traits(x, (1, 1), (1, 1), (pad, pad)) - {"overlap", "remainder"}
        setting = Setting(x, pads=(pad, pad))
        yield Case(
            f"{_cells(shape)}, pad {pad}", (x, pad), (step_by_step.zero_pad(x, pad),), frozenset(traits), setting
        )


def _conv_single_step(exercise: Exercise, rng: np.random.Generator) -> Iterator[Case]:
    rows = [(2, 1, "whole"), (2, 2, "whole"), (3, 1, "whole"), (1, 1, "whole"), (3, 3, "normal"), (4, 2, "float32")]
    for f, c, kind in rows:
        window, w = _values(rng, kind, (f, f, c)), _values(rng, kind, (f, f, c))
        b = _values(rng, kind, (1, 1, 1))
        traits = {trait for trait, holds in (("channels", c > 1), ("float32", kind == "float32")) if holds}
        expected = np.asarray(step_by_step.conv_single_step(window, w, b))
        setting = Setting(window[None], w[..., None], b[None], window=(f, f))
        yield Case(f"a window of {f} x {f} x {c}", (window, w, b), (expected,), frozenset(traits), setting)


def _create_mask(exercise: Exercise, rng: np.random.Generator) -> Iterator[Case]:
    windows = [
        ([[1, 3], [4, 2]], set()),
        ([[-5, -3], [-4, -2]], {"negative"}),
        ([[-1, 2, 3], [2, -3, 2], [1, 5, -2]], set()),
        ([[1, 9, 3], [4, 5, 6]], {"oblong"}),
        ([[7, 2], [7, 1]], {"ties"}),
        ([[0, 0, 0], [0, 0, 0], [0, 0, 0]], {"ties"}),
    ]
    for rows, traits in windows:
        x = np.array(rows, float)
        words = f"the window {rows}"
        yield Case(words, (x,), (step_by_step.create_mask_from_window(x),), frozenset(traits), Setting(x))


def _distribute_value(exercise: Exercise, rng: np.random.Generator) -> Iterator[Case]:
    rows: list[tuple[Any, Pair, set[str]]] = [
        (2, (2, 2), set()),
        (6.0, (3, 3), set()),
        (5.0, (2, 3), {"oblong window"}),
        (-1.5, (3, 1), {"oblong window"}),
        (np.float32(7), (2, 2), {"float32"}),
    ]
    for dz, shape, traits in rows:
        words = f"dz {dz:g}, shape {shape}"
        setting = Setting(np.asarray(dz), window=shape)
        yield Case(words, (dz, shape), (step_by_step.distribute_value(dz, shape),), frozenset(traits), setting)


_MAKERS: dict[str, Callable[[Exercise, np.random.Generator], Iterator[Case]]] = {
    "zero_pad": _zero_pad,
    "conv_single_step": _conv_single_step,
    "conv_forward": _conv_forward,
    "pool_forward": _pool_forward,
    "conv_backward": _conv_backward,
    "create_mask_from_window": _create_mask,
    "distribute_value": _distribute_value,
    "pool_backward": _pool_backward,
}
