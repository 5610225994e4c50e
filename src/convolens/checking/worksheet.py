"""Exercises on paper: small whole numbers, blanks to fill in, and worked answers.

The answers come from the reference kernels; each is written out as the sum, the comparison or the fraction that makes
it, so that a learner can find the step that went wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from convolens.kernels import reference

__all__ = ["TOPICS", "Exercise", "Table", "make"]


@dataclass(frozen=True)
class Table:
    """A grid of numbers: given, to be filled in, or filled in.

    Attributes:
        title: its name.
        rows: the numbers.
        working: how each number comes about, in the order of the rows; only for answers.
    """

    title: str
    rows: list[list[float]]
    working: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        title: what it is about.
        task: what to do.
        given: the tables to start from.
        answers: the tables to fill in, with their right numbers.
    """

    title: str
    task: str
    given: list[Table]
    answers: list[Table]


def make(topic: str, backward: bool = False, seed: int = 0, count: int = 4) -> list[Exercise]:
    """Make exercises.

    Args:
        topic: a key of ``TOPICS``: ``"conv"``, ``"pool"``, ``"batchnorm"``, ``"dense"`` or ``"softmax"``.
        backward: gradients instead of outputs.
        seed: equal seeds give equal exercises.
        count: how many.

    Raises:
        ValueError: for an unknown topic, or a count outside 1 to 100.

    >>> exercise = make("conv", seed=1, count=1)[0]
    >>> exercise.answers[0].working[0].endswith(f"= {exercise.answers[0].rows[0][0]:g}")
    True
    """
    if topic not in TOPICS:
        raise ValueError(f"a worksheet is about one of {', '.join(TOPICS)}; got {topic!r}.")
    if not 1 <= count <= 100:
        raise ValueError(f"a worksheet has 1 to 100 exercises; got {count}.")
    return [TOPICS[topic](np.random.default_rng([seed, number]), backward) for number in range(count)]


def show(value: Any) -> str:
    """Return a number as a person writes it: whole, with up to three decimals, or as a fraction."""
    exact = Fraction(float(value)).limit_denominator(1000)
    if exact.denominator == 1:
        return str(exact.numerator)
    decimal = f"{float(exact):.3f}".rstrip("0")
    return decimal if Fraction(decimal) == exact else str(exact)


def _in_brackets(value: Any) -> str:
    return f"({show(value)})" if value < 0 else show(value)


def _whole(rng: np.random.Generator, shape: Any, low: int = -2, high: int = 3) -> np.ndarray:
    return rng.integers(low, high + 1, shape).astype(float)


def _nonzero(rng: np.random.Generator, shape: Any) -> np.ndarray:
    return rng.choice([-2.0, -1.0, 1.0, 2.0, 3.0], shape)


def _table(title: str, array: np.ndarray, working: list[str] | None = None) -> Table:
    return Table(title, np.atleast_2d(array).tolist(), working or [])


def _sum_of(name: str, terms: list[str], value: Any) -> str:
    return f"{name} = {' + '.join(terms) or '0'} = {show(value)}"


def _products(left: np.ndarray, right: np.ndarray) -> list[str]:
    pairs = zip(np.ravel(left), np.ravel(right), strict=True)
    return [f"{_in_brackets(a)}·{_in_brackets(b)}" for a, b in pairs]


def _convolution(rng: np.random.Generator, backward: bool) -> Exercise:
    size, stride, pad = [(3, 1, 0), (4, 2, 0), (3, 1, 1), (4, 1, 0)][int(rng.integers(4))]
    k = 3 if size == 4 and stride == 1 else 2
    x, w, b = _whole(rng, (1, size, size, 1)), _nonzero(rng, (k, k, 1, 1)), _nonzero(rng, (1,))
    y, cache = reference.conv2d_forward(x, w, b, strides=(stride, stride), padding=((pad, pad), (pad, pad)))
    padded = np.pad(x[0, :, :, 0], pad)
    setting = f"stride {stride}, " + (f"{pad} row of zeros on each side" if pad else "no padding")
    image, kernel = _table("x", x[0, :, :, 0]), _table("kernel w", w[:, :, 0, 0])

    def window(i: int, j: int) -> np.ndarray:
        return padded[i * stride : i * stride + k, j * stride : j * stride + k]

    if not backward:
        working = [
            _sum_of(f"y[{i}, {j}]", [*_products(window(i, j), w), f"{_in_brackets(b[0])} (bias)"], y[0, i, j, 0])
            for i, j in np.ndindex(y.shape[1:3])
        ]
        task = f"Convolve x with the kernel: {setting}, bias {show(b[0])}. The kernel is not flipped."
        return Exercise("Convolution", task, [image, kernel], [_table("y", y[0, :, :, 0], working)])
    dy = _nonzero(rng, y.shape)
    dx, dw, db = reference.conv2d_backward(dy, cache)
    assert dx is not None
    assert db is not None
    steps = [(i, j, dy[0, i, j, 0]) for i, j in np.ndindex(dy.shape[1:3])]
    to_dw = [
        _sum_of(f"dw[{r}, {c}]", _products(np.array([window(i, j)[r, c] for i, j, _ in steps]), dy), dw[r, c, 0, 0])
        for r, c in np.ndindex(k, k)
    ]
    to_dx = []
    for r, c in np.ndindex(size, size):
        met = [(r + pad - i * stride, c + pad - j * stride, d) for i, j, d in steps]
        terms = [f"{_in_brackets(w[p, q, 0, 0])}·{_in_brackets(d)}" for p, q, d in met if 0 <= p < k and 0 <= q < k]
        to_dx.append(_sum_of(f"dx[{r}, {c}]", terms, dx[0, r, c, 0]))
    to_db = [_sum_of("db", [_in_brackets(d) for _, _, d in steps], db[0])]
    answers = [
        _table("dw", dw[:, :, 0, 0], to_dw),
        _table("dx", dx[0, :, :, 0], to_dx),
        _table("db", db, to_db),
    ]
    task = f"y is x convolved with the kernel: {setting}. Given dy, find dw, dx and db."
    return Exercise("Convolution, backward", task, [image, kernel, _table("dy", dy[0, :, :, 0])], answers)


def _pooling(rng: np.random.Generator, backward: bool) -> Exercise:
    size, stride = [(4, 2), (3, 1)][int(rng.integers(2))]
    average = bool(rng.integers(2))
    x = (rng.permutation(size * size) - 3.0).reshape(1, size, size, 1)
    forward: Any = reference.average_pool2d_forward if average else reference.max_pool2d_forward
    gradient: Any = reference.average_pool2d_backward if average else reference.max_pool2d_backward
    y, cache = forward(x, pool_size=(2, 2), strides=(stride, stride))
    kind = "average" if average else "max"
    image = _table("x", x[0, :, :, 0])
    places = list(np.ndindex(y.shape[1:3]))

    def cells(i: int, j: int) -> list[tuple[int, int]]:
        return [(i * stride + r, j * stride + c) for r in range(2) for c in range(2)]

    if not backward:
        working = []
        for i, j in places:
            shown = [_in_brackets(x[0, r, c, 0]) for r, c in cells(i, j)]
            rule = f"({' + '.join(shown)}) / 4" if average else f"max({', '.join(shown)})"
            working.append(f"y[{i}, {j}] = {rule} = {show(y[0, i, j, 0])}")
        task = f"Take the {kind} of each 2 x 2 window: stride {stride}, no padding."
        return Exercise(f"{kind.capitalize()} pooling", task, [image], [_table("y", y[0, :, :, 0], working)])
    dy = _nonzero(rng, y.shape) * (4 if average else 1)
    dx = gradient(dy, cache)
    working = []
    for r, c in np.ndindex(size, size):
        over = [(i, j) for i, j in places if (r, c) in cells(i, j)]
        if not average:
            over = [(i, j) for i, j in over if x[0, r, c, 0] == y[0, i, j, 0]]
        shares = [_in_brackets(dy[0, i, j, 0]) + ("/4" if average else "") for i, j in over]
        working.append(_sum_of(f"dx[{r}, {c}]", shares, dx[0, r, c, 0]))
    task = f"y is the {kind} of each 2 x 2 window of x: stride {stride}, no padding. Given dy, find dx."
    answer = _table("dx", dx[0, :, :, 0], working)
    return Exercise(f"{kind.capitalize()} pooling, backward", task, [image, _table("dy", dy[0, :, :, 0])], [answer])


def _batch_normalization(rng: np.random.Generator, backward: bool) -> Exercise:
    small, large, deviation = [(1, 7, 5), (1, 1, 1), (2, 14, 10), (2, 2, 2)][int(rng.integers(4))]
    mean, (gamma, beta) = float(rng.integers(-2, 6)), _nonzero(rng, 2)
    x = rng.permutation([mean - large, mean - small, mean + small, mean + large])
    normal = (x - mean) / deviation
    y = gamma * normal + beta
    given = [_table("x", x)]
    setting = f"one channel, four examples; gamma {show(gamma)}, beta {show(beta)}, epsilon 0"
    sums = [
        f"mean = ({' + '.join(map(_in_brackets, x))}) / 4 = {show(mean)}",
        f"variance = ({' + '.join(f'{_in_brackets(v - mean)}²' for v in x)}) / 4 = {deviation**2}",
        f"deviation = root of {deviation**2} = {deviation}",
    ]
    if not backward:
        steps = [
            f"y[{n}] = {_in_brackets(gamma)}·({show(v)} - {_in_brackets(mean)}) / {deviation} + {_in_brackets(beta)}"
            f" = {show(y[n])}"
            for n, v in enumerate(x)
        ]
        answers = [_table("normalised x", normal, sums), _table("y", y, steps)]
        return Exercise("Batch normalisation", f"Normalise in training mode: {setting}.", given, answers)
    dy = _nonzero(rng, 4)
    mean_dy, mean_product = dy.mean(), (dy * normal).mean()
    dx = gamma / deviation * (dy - mean_dy - normal * mean_product)
    to_gamma = [_sum_of("dgamma", _products(dy, normal), float(dy @ normal))]
    to_beta = [_sum_of("dbeta", list(map(_in_brackets, dy)), dy.sum())]
    to_dx = [f"mean of dy = {show(mean_dy)}; mean of dy·normalised x = {show(mean_product)}"] + [
        f"dx[{n}] = {_in_brackets(gamma)} / {deviation} · ({show(d)} - {_in_brackets(mean_dy)} - "
        f"{_in_brackets(normal[n])}·{_in_brackets(mean_product)}) = {show(dx[n])}"
        for n, d in enumerate(dy)
    ]
    answers = [
        _table("normalised x", normal, sums),
        _table("dgamma", np.array([dy @ normal]), to_gamma),
        _table("dbeta", np.array([dy.sum()]), to_beta),
        _table("dx", dx, to_dx),
    ]
    task = f"x is normalised in training mode: {setting}. Given dy, find dgamma, dbeta and dx."
    return Exercise("Batch normalisation, backward", task, [*given, _table("dy", dy)], answers)


def _dense(rng: np.random.Generator, backward: bool) -> Exercise:
    x, w, b = _whole(rng, (2, 3)), _nonzero(rng, (3, 2)), _nonzero(rng, (2,))
    y, cache = reference.dense_forward(x, w, b)
    given = [_table("x (a row per example)", x), _table("w", w), _table("b", b)]
    if not backward:
        working = [
            _sum_of(f"y[{n}, {f}]", [*_products(x[n], w[:, f]), f"{_in_brackets(b[f])} (bias)"], y[n, f])
            for n, f in np.ndindex(y.shape)
        ]
        return Exercise("Dense layer", "Compute y = x w + b.", given, [_table("y", y, working)])
    dy = _nonzero(rng, y.shape)
    dx, dw, db = reference.dense_backward(dy, cache)
    assert dx is not None
    assert db is not None
    to_dw = [_sum_of(f"dw[{c}, {f}]", _products(x[:, c], dy[:, f]), dw[c, f]) for c, f in np.ndindex(dw.shape)]
    to_dx = [_sum_of(f"dx[{n}, {c}]", _products(dy[n], w[c]), dx[n, c]) for n, c in np.ndindex(dx.shape)]
    to_db = [_sum_of(f"db[{f}]", list(map(_in_brackets, dy[:, f])), db[f]) for f in range(2)]
    answers = [_table("dw", dw, to_dw), _table("dx", dx, to_dx), _table("db", db, to_db)]
    task = "y = x w + b. Given dy, find dw, dx and db."
    return Exercise("Dense layer, backward", task, [*given[:2], _table("dy", dy)], answers)


def _softmax(rng: np.random.Generator, backward: bool) -> Exercise:
    powers = rng.choice([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 4)
    total, label = powers.sum(), int(rng.integers(4))
    p = powers / total
    given = [_table("e to the power of z", powers)]
    working = [f"p[{c}] = {show(v)} / ({' + '.join(map(show, powers))}) = {show(p[c])}" for c, v in enumerate(powers)]
    if not backward:
        loss = f"loss = -ln p[{label}] = ln {show(1 / p[label])} = {-np.log(p[label]):.3f}"
        answers = [
            _table("p", p, working),
            _table("loss (three decimals)", np.array([round(-np.log(p[label]), 3)]), [loss]),
        ]
        task = (
            f"z has four logits. Find their softmax p, and the cross-entropy loss for class {label} (counted from 0)."
        )
        return Exercise("Softmax and cross-entropy", task, given, answers)
    dz = p - np.eye(4)[label]
    to_dz = [f"dz[{c}] = p[{c}] - {int(c == label)} = {show(dz[c])}" for c in range(4)]
    task = f"The loss is the cross-entropy of p = softmax(z) for class {label} (counted from 0). Find p, then dz."
    return Exercise(
        "Softmax and cross-entropy, backward", task, given, [_table("p", p, working), _table("dz", dz, to_dz)]
    )


TOPICS: dict[str, Callable[[np.random.Generator, bool], Exercise]] = {
    "conv": _convolution,
    "pool": _pooling,
    "batchnorm": _batch_normalization,
    "dense": _dense,
    "softmax": _softmax,
}
