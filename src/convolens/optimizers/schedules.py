"""Learning rates that change with the number of steps taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convolens.registry import Registry

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]

registry: Registry[LearningRateSchedule] = Registry("learning rate schedule", "keras.optimizers.schedules")


class LearningRateSchedule:
    """A function of the step (0 for the first update) that gives the learning rate.

    A subclass defines ``__call__(step)``, and ``get_config`` to be saved.
    """

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at this step."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(step).")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal schedule."""
        raise NotImplementedError(f"{type(self).__name__} must define get_config() to be saved.")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LearningRateSchedule:
        """Build the schedule from what ``get_config`` returned."""
        return cls(**config)


class _Schedule(LearningRateSchedule):
    """A schedule whose configuration is its fields, and whose number of steps is positive."""

    def __post_init__(self) -> None:
        for name in ("decay_steps", "first_decay_steps"):
            if getattr(self, name, 1) <= 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}.")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal schedule."""
        return dict(vars(self))


@registry.register()
@dataclass
class ExponentialDecay(_Schedule):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: after how many steps the rate has been multiplied by ``decay_rate`` once.
        decay_rate: the factor.
        staircase: decay at multiples of ``decay_steps`` only.
        name: written into configurations.

    >>> float(ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20))
    0.025
    """

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False
    name: str = "ExponentialDecay"

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at this step."""
        progress = np.divide(step, self.decay_steps)
        return self.initial_learning_rate * self.decay_rate ** (np.floor(progress) if self.staircase else progress)


@registry.register()
@dataclass
class InverseTimeDecay(_Schedule):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``; arguments as for ``ExponentialDecay``.

    >>> float(InverseTimeDecay(0.1, decay_steps=10, decay_rate=1.0)(10))
    0.05
    """

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False
    name: str = "InverseTimeDecay"

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at this step."""
        progress = np.divide(step, self.decay_steps)
        return self.initial_learning_rate / (1 + self.decay_rate * (np.floor(progress) if self.staircase else progress))


@registry.register()
@dataclass
class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[i]`` up to and including step ``boundaries[i]``, then the next; the last value after the last boundary.

    Args:
        boundaries: increasing step numbers.
        values: one more than ``boundaries``.
        name: written into configurations.

    >>> schedule = PiecewiseConstantDecay([100, 200], [0.1, 0.01, 0.001])
    >>> [float(schedule(step)) for step in (100, 101, 201)]
    [0.1, 0.01, 0.001]
    """

    boundaries: Sequence[float]
    values: Sequence[float]
    name: str = "PiecewiseConstant"

    def __post_init__(self) -> None:
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                f"values has one entry more than boundaries; got {len(self.values)} values "
                f"and {len(self.boundaries)} boundaries."
            )

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at this step."""
        return np.asarray(self.values, float)[np.searchsorted(self.boundaries, step, side="left")]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal schedule."""
        return {"boundaries": list(self.boundaries), "values": list(self.values), "name": self.name}


@registry.register()
@dataclass
class PolynomialDecay(_Schedule):
    """``(initial - end) * (1 - step / decay_steps) ** power + end``, then constant.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: the number of steps from the initial to the end rate.
        end_learning_rate: the last rate.
        power: 1 for a straight line.
        cycle: start again, with the next multiple of ``decay_steps``, instead of staying at the end rate.
        name: written into configurations.

    >>> float(PolynomialDecay(0.1, decay_steps=10, end_learning_rate=0.0)(5))
    0.05
    """

    initial_learning_rate: float
    decay_steps: int
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False
    name: str = "PolynomialDecay"

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at this step."""
        progress = np.divide(step, self.decay_steps)
        progress = progress / np.maximum(np.ceil(progress), 1) if self.cycle else np.minimum(progress, 1)
        return (self.initial_learning_rate - self.end_learning_rate) * (1 - progress) ** self.power + (
            self.end_learning_rate
        )


@registry.register()
@dataclass
class CosineDecay(_Schedule):
    """Half a cosine from the initial rate to ``alpha`` times it, after a linear warm-up if one is asked for.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2016 (arXiv 1608.03983).

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: the length of the cosine, in steps.
        alpha: the last rate as a fraction of the first (of ``warmup_target`` where that is given).
        name: written into configurations.
        warmup_target: the rate that the warm-up climbs to and the cosine starts from; None for no warm-up.
        warmup_steps: the length of the warm-up, in steps.

    >>> float(CosineDecay(0.1, decay_steps=10)(5))
    0.05
    """

    initial_learning_rate: float
    decay_steps: int
    alpha: float = 0.0
    name: str = "CosineDecay"
    warmup_target: float | None = None
    warmup_steps: int = 0

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at this step."""
        if self.warmup_target is None:
            return self.initial_learning_rate * self._cosine(step)
        climbed = np.divide(step, max(self.warmup_steps, 1))
        warm = self.initial_learning_rate + (self.warmup_target - self.initial_learning_rate) * climbed
        decayed = self.warmup_target * self._cosine(np.subtract(step, self.warmup_steps))
        return np.where(np.less(step, self.warmup_steps), warm, decayed)[()]

    def _cosine(self, step: Any) -> Any:
        progress = np.minimum(np.divide(step, self.decay_steps), 1)
        return (1 - self.alpha) * 0.5 * (1 + np.cos(np.pi * progress)) + self.alpha


@registry.register()
@dataclass
class CosineDecayRestarts(_Schedule):
    """Half cosines that restart, each ``t_mul`` times longer and ``m_mul`` times lower than the one before.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2016 (arXiv 1608.03983).

    Args:
        initial_learning_rate: the rate at step 0.
        first_decay_steps: the length of the first cosine, in steps.
        t_mul: the factor of the length.
        m_mul: the factor of the rate.
        alpha: the lowest rate as a fraction of the initial one.
        name: written into configurations.

    >>> float(CosineDecayRestarts(0.1, first_decay_steps=10)(10))
    0.1
    """

    initial_learning_rate: float
    first_decay_steps: int
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0
    name: str = "SGDRDecay"

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at this step."""
        progress = np.divide(step, self.first_decay_steps)
        if self.t_mul == 1:
            restarts = np.floor(progress)
            progress = progress - restarts
        else:  # cosine i starts at the geometric sum (1 - t_mul ** i) / (1 - t_mul)
            restarts = np.floor(np.log(1 - progress * (1 - self.t_mul)) / np.log(self.t_mul))
            length = self.t_mul**restarts
            progress = (progress - (1 - length) / (1 - self.t_mul)) / length
        cosine = 0.5 * self.m_mul**restarts * (1 + np.cos(np.pi * progress))
        return self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha)


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any] | None:
    """Return the schedule's configuration, as Keras writes it."""
    return registry.serialize(learning_rate_schedule)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> LearningRateSchedule:
    """Build a schedule from its configuration."""
    return registry.deserialize(config, custom_objects)
