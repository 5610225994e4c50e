"""Initial values of parameters: Keras's distributions, drawn from NumPy's generators.

An initializer is called with a shape. One without a seed takes a seed from the library's sequence at its first call
(``utils.set_random_seed`` repeats the sequence) and keeps it, so that it gives the same array whenever it is
asked for the same shape, as in Keras. Numbers are drawn in float64 and rounded: a float32 and a float64 model
with the same seed start at the same point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from convolens import config as settings
from convolens import random
from convolens.registry import Registry

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "compute_fans",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

registry: Registry[Initializer] = Registry("initializer", "keras.initializers")

# Standard deviation of a standard normal cut off at two standard deviations.
TRUNCATED_STDDEV = 0.87962566103423978


class Initializer:
    """A function of a shape that returns an array; a subclass defines ``__call__`` and ``get_config``."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> np.ndarray:
        """Return a new array of that shape; its type is ``dtype``, or ``config.floatx()`` if None."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the arguments to build it again."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Initializer:
        """Build it from what ``get_config`` returned."""
        return cls(**config)

    def clone(self) -> Initializer:
        """Return a new initializer with the same arguments; without a seed, it will take one of its own."""
        return type(self).from_config(self.get_config())


@registry.register("zeros", "zero")
class Zeros(Initializer):
    """Zeros."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> np.ndarray:
        """Return zeros of that shape."""
        return np.zeros(shape, dtype or settings.floatx())


@registry.register("ones", "one")
class Ones(Initializer):
    """Ones."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> np.ndarray:
        """Return ones of that shape."""
        return np.ones(shape, dtype or settings.floatx())


@registry.register("constant")
class Constant(Initializer):
    """One value everywhere, or an array that broadcasts to the shape.

    Args:
        value: a number or an array.
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> np.ndarray:
        """Return the value in that shape."""
        return np.full(shape, self.value, dtype or settings.floatx())

    def get_config(self) -> dict[str, Any]:
        """Return the value; an array in Keras's form."""
        if isinstance(self.value, np.ndarray | list | tuple):
            array = np.asarray(self.value)
            value = {"class_name": "__numpy__", "config": {"value": array.tolist(), "dtype": array.dtype.name}}
            return {"value": value}
        return {"value": self.value}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Constant:
        """Build it from what ``get_config`` returned."""
        value = config["value"]
        if isinstance(value, Mapping):
            value = np.array(value["config"]["value"], value["config"]["dtype"])
        return cls(value)


class RandomInitializer(Initializer):
    """Base of the random ones: ``draw`` gives float64 numbers from a generator that depends on the seed only.

    Args:
        seed: an integer of at least 0; None takes one from the library's sequence at the first call.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed if seed is None else random.checked(seed)
        self._drawn_seed = self.seed

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> np.ndarray:
        """Return random numbers of that shape: the same each time this initializer is asked for the shape."""
        if self._drawn_seed is None:
            self._drawn_seed = random.next_seed()
        numbers = self.draw(random.generator(self._drawn_seed), tuple(shape))
        return numbers.astype(dtype or settings.floatx(), copy=False)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return float64 numbers of that shape from ``rng``."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the seed that was given."""
        return {"seed": self.seed}


@registry.register("random_normal", "normal")
class RandomNormal(RandomInitializer):
    """Normal numbers.

    Args:
        mean: their mean.
        stddev: their standard deviation.
        seed: see ``RandomInitializer``.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return normal numbers."""
        return rng.normal(self.mean, self.stddev, shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {"seed": self.seed, "mean": self.mean, "stddev": self.stddev}


@registry.register("truncated_normal")
class TruncatedNormal(RandomNormal):
    """Normal numbers; those more than two ``stddev`` from the mean are drawn again."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return truncated normal numbers."""
        return self.mean + self.stddev * _truncated(rng, shape)


@registry.register("random_uniform", "uniform")
class RandomUniform(RandomInitializer):
    """Uniform numbers in ``[minval, maxval)``.

    Args:
        minval: the least.
        maxval: the bound above.
        seed: see ``RandomInitializer``.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval, self.maxval = minval, maxval

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return uniform numbers."""
        return rng.uniform(self.minval, self.maxval, shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {"seed": self.seed, "minval": self.minval, "maxval": self.maxval}


@registry.register("variance_scaling")
class VarianceScaling(RandomInitializer):
    """Numbers of mean 0 and variance ``scale / n``, where ``n`` is fan-in, fan-out or their mean.

    A truncated normal is widened by 1 / 0.8796, so that what is left after the cut has that variance.

    Args:
        scale: a positive number.
        mode: ``"fan_in"``, ``"fan_out"`` or ``"fan_avg"``.
        distribution: ``"truncated_normal"`` (or ``"normal"``), ``"untruncated_normal"`` or ``"uniform"``.
        seed: see ``RandomInitializer``.
        input_axes: the axes whose sizes make up fan-in, if not those of ``compute_fans``.
        output_axes: the axes whose sizes make up fan-out; goes with ``input_axes``.

    Raises:
        ValueError: for an unknown mode or distribution or a scale that is not positive.
    """

    _MODES: ClassVar = ("fan_in", "fan_out", "fan_avg")
    _DISTRIBUTIONS: ClassVar = ("truncated_normal", "untruncated_normal", "uniform")

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed)
        distribution = "truncated_normal" if distribution.lower() == "normal" else distribution.lower()
        if not scale > 0:
            raise ValueError(f"scale is a positive number; got {scale!r}.")
        if mode not in self._MODES:
            raise ValueError(f"mode is one of {', '.join(self._MODES)}; got {mode!r}.")
        if distribution not in self._DISTRIBUTIONS:
            raise ValueError(f"distribution is one of {', '.join(self._DISTRIBUTIONS)}; got {distribution!r}.")
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return numbers of mean 0 and the scaled variance."""
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return rng.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return rng.normal(0.0, math.sqrt(variance), shape)
        return math.sqrt(variance) / TRUNCATED_STDDEV * _truncated(rng, shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {
            "seed": self.seed,
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _NamedScaling(VarianceScaling):
    """Base of the variance scalings that have a name: the class fixes scale, mode and distribution."""

    scaling: ClassVar[tuple[float, str, str]]

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(*self.scaling, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {"seed": self.seed, "input_axes": self.input_axes, "output_axes": self.output_axes}


@registry.register("glorot_uniform")
class GlorotUniform(_NamedScaling):
    """Uniform numbers of variance ``2 / (fan_in + fan_out)`` (Glorot and Bengio, 2010)."""

    scaling = (1.0, "fan_avg", "uniform")


@registry.register("glorot_normal")
class GlorotNormal(_NamedScaling):
    """Truncated normal numbers of variance ``2 / (fan_in + fan_out)`` (Glorot and Bengio, 2010)."""

    scaling = (1.0, "fan_avg", "truncated_normal")


@registry.register("he_uniform")
class HeUniform(_NamedScaling):
    """Uniform numbers of variance ``2 / fan_in`` (He et al., 2015)."""

    scaling = (2.0, "fan_in", "uniform")


@registry.register("he_normal")
class HeNormal(_NamedScaling):
    """Truncated normal numbers of variance ``2 / fan_in`` (He et al., 2015)."""

    scaling = (2.0, "fan_in", "truncated_normal")


@registry.register("lecun_uniform")
class LecunUniform(_NamedScaling):
    """Uniform numbers of variance ``1 / fan_in`` (LeCun et al., 1998)."""

    scaling = (1.0, "fan_in", "uniform")


@registry.register("lecun_normal")
class LecunNormal(_NamedScaling):
    """Truncated normal numbers of variance ``1 / fan_in`` (LeCun et al., 1998)."""

    scaling = (1.0, "fan_in", "truncated_normal")


@registry.register("orthogonal", "OrthogonalInitializer")
class Orthogonal(RandomInitializer):
    """A random matrix with orthonormal columns (or rows, where there are fewer of them), times ``gain``.

    All axes but the last make up the rows. The matrix is uniform over such matrices: the Q of a QR
    decomposition of normal numbers, its signs fixed by R's diagonal (Saxe et al., 2014; Mezzadri, 2007).

    Args:
        gain: a factor.
        seed: see ``RandomInitializer``.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return the matrix in that shape."""
        if len(shape) < 2:
            raise ValueError(f"an orthogonal array has at least two axes; got shape {shape}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.sign(np.diag(r))
        return self.gain * (q if rows >= columns else q.T).reshape(shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {"seed": self.seed, "gain": self.gain}


def compute_fans(
    shape: Sequence[int], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """Return fan-in and fan-out of a parameter: how many numbers an output depends on, and an input acts on.

    The last two axes of a kernel are channels in and out; the axes before them, its cells, multiply both.

    >>> compute_fans((3, 3, 16, 32))
    (144, 288)
    """
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    cells = math.prod(shape[:-2])
    return cells * shape[-2], cells * shape[-1]


def _truncated(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return standard normal numbers in [-2, 2]: those outside are drawn again until none is."""
    numbers = rng.standard_normal(shape)
    flat = numbers.reshape(-1)
    outside = np.flatnonzero(np.abs(flat) > 2)
    while outside.size:
        flat[outside] = rng.standard_normal(outside.size)
        outside = outside[np.abs(flat[outside]) > 2]
    return numbers


zeros, ones, constant = Zeros, Ones, Constant
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling, orthogonal = VarianceScaling, Orthogonal
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal = HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal


def get(identifier: Any) -> Any:
    """Return the initializer that a name, a configuration, a class, an array or an object stands for; None for None.

    A function of ``(shape, dtype)`` is returned as it is.
    """
    if isinstance(identifier, np.ndarray):
        return Constant(identifier)
    found = registry.get(identifier)
    if found is None or callable(found):
        return found
    raise ValueError(
        f"an initializer is a name such as 'he_normal', an Initializer, an array or a function of (shape, dtype); "
        f"got {identifier!r}."
    )


def serialize(initializer: Initializer | None) -> dict[str, Any] | None:
    """Return Keras's configuration of an initializer."""
    return registry.serialize(initializer)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Initializer:
    """Build an initializer from its configuration."""
    return registry.deserialize(config, custom_objects)
