"""What all optimisers share: Keras's face, clipping, weight decay, averages, and the pass over the flat vectors."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from convolens import config, kernels
from convolens.naming import to_snake_case
from convolens.optimizers import schedules
from convolens.parameters import ParameterVector, pack
from convolens.variable import Variable

__all__ = ["Optimizer"]

# Elements handled at a time: parameters, gradients, slots and scratch of one block stay in the second-level cache,
# so that the several operations of a rule read main memory once.
BLOCK = 1 << 15


class _Part(NamedTuple):
    """The variables of one vector that an update moves."""

    vector: ParameterVector
    slots: list[np.ndarray]
    slices: list[slice]
    runs: list[slice]
    decayed: list[slice]


class Optimizer:
    """Moves variables against their gradients. Subclasses define the rule.

    An optimiser sees one flat vector per dtype (``ParameterVector``). A rule declares its state in ``slots``, its
    numbers of one step in ``coefficients``, and changes a stretch of the vectors in place in ``update``.

    Args:
        learning_rate: a number, a ``LearningRateSchedule``, or a function without arguments.
        weight_decay: each step takes ``learning_rate * weight_decay * w`` off every weight, apart from the gradient.
        clipnorm: the longest Euclidean norm of each variable's gradient.
        clipvalue: the largest magnitude of each element of the gradients.
        global_clipnorm: the longest Euclidean norm of all gradients together.
        use_ema: keep an exponential moving average of the weights; ``finalize_variable_values`` puts it into the model.
        ema_momentum: ``average = ema_momentum * average + (1 - ema_momentum) * w``.
        ema_overwrite_frequency: put the averages into the model every so many steps.
        loss_scale_factor: for half-precision training, which this library does not have: None.
        gradient_accumulation_steps: move the weights every so many steps, by the mean gradient of those steps.
        name: written into configurations.

    Attributes:
        built: whether the variables are known.
        gradient_view_of: where to write d loss / d variable before ``step``, by ``id(variable)``.

    Raises:
        ValueError: for options out of their range.
    """

    #: Name of a function ``(values, gradients, *slots, **coefficients)`` that updates flat vectors in place;
    #: kernels that have it are used instead of ``update``.
    kernel: str | None = None
    #: The rule's own arguments besides the learning rate, for ``get_config``.
    arguments: tuple[str, ...] = ()
    __signature__: inspect.Signature

    def __init__(
        self,
        learning_rate: float | schedules.LearningRateSchedule | Callable[[], float],
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
    ) -> None:
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        given = [f"{name}={value}" for name, value in clips.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"only one of clipnorm, clipvalue and global_clipnorm can be set; got {', '.join(given)}.")
        if loss_scale_factor is not None:
            raise ValueError(
                f"loss_scale_factor serves half-precision training, and convolens trains in float32 or float64: "
                f"leave it None; got {loss_scale_factor}."
            )
        if gradient_accumulation_steps is not None and gradient_accumulation_steps < 2:
            raise ValueError(f"gradient_accumulation_steps is at least 2 or None; got {gradient_accumulation_steps}.")
        if not 0 <= ema_momentum <= 1:
            raise ValueError(f"ema_momentum is between 0 and 1; got {ema_momentum}.")
        if ema_overwrite_frequency is not None and ema_overwrite_frequency < 1:
            raise ValueError(f"ema_overwrite_frequency is at least 1 or None; got {ema_overwrite_frequency}.")
        self.name = name or to_snake_case(type(self).__name__)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.built = False
        self.vectors: list[ParameterVector] = []
        self.gradient_view_of: dict[int, np.ndarray] = {}
        self._variables: list[Variable] = []
        self._slot_variables: list[Variable] = []
        self._not_decayed: tuple[list[Variable], re.Pattern[str] | None] = ([], None)
        self._iterations = Variable(np.int64(0), "iteration", trainable=False, path=f"{self.name}/iteration")
        self._learning_rate = self._checked_rate(learning_rate)

    def __init_subclass__(cls) -> None:
        """Show the common arguments in the signature, where a rule takes them as ``*common, **options``."""
        own = [p for p in inspect.signature(cls.__init__).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        common = inspect.signature(Optimizer.__init__).parameters
        shared = [p for name, p in common.items() if name not in {q.name for q in own}]
        cls.__signature__ = inspect.Signature([*own[1:], *shared])

    # The rule

    def slots(self) -> list[dict[str, float]]:
        """Return the rule's state as groups of ``{name: initial value}``; files list a group variable by variable."""
        return []

    def coefficients(self, step: int, learning_rate: float) -> dict[str, Any]:
        """Return the numbers of this step; ``step`` is 1 for the first update."""
        return {"learning_rate": learning_rate}

    def update(self, *arrays: Any, **coefficients: Any) -> None:
        """Change weights and slots in place: ``update(w, g, *slots, scratch=scratch, **coefficients)``.

        All arrays are stretches of the vectors, ``(size,)``; ``scratch`` is two more that the rule may overwrite.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update().")

    # The learning rate

    def _checked_rate(self, rate: Any) -> Any:
        if callable(rate):
            return rate
        if isinstance(rate, bool) or not isinstance(rate, int | float | np.floating) or not math.isfinite(rate):
            raise ValueError(f"learning_rate is a number, a LearningRateSchedule or a function; got {rate!r}.")
        return Variable(
            np.array(rate, config.floatx()), "learning_rate", trainable=False, path=f"{self.name}/learning_rate"
        )

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        rate = self._learning_rate
        if isinstance(rate, Variable):
            return float(rate.value)
        return float(rate(int(self._iterations.value)) if isinstance(rate, schedules.LearningRateSchedule) else rate())

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        if isinstance(self._learning_rate, schedules.LearningRateSchedule) and not callable(rate):
            raise TypeError(
                "this optimizer was made with a LearningRateSchedule, so its learning rate cannot be set to a number; "
                "make it with a number as learning_rate, or set another schedule."
            )
        self._learning_rate = self._checked_rate(rate)

    @property
    def iterations(self) -> int:
        """The number of updates made."""
        return int(self._iterations.value) // (self.gradient_accumulation_steps or 1)

    # Variables

    def build(self, variables: Iterable[Variable]) -> None:
        """Pack the variables and make the rule's state for them; once built, do nothing."""
        if self.built:
            return
        self._variables = list(variables)
        self.vectors = pack(self._variables)
        self._average, self._accumulated = [], []  # one array per vector, like each slot
        self._slots: list[list[np.ndarray]] = [[] for _ in self.vectors]
        if self.use_ema:
            self._average = self._add_slots({"average": 0.0})
        if self.gradient_accumulation_steps:
            self._accumulated = self._add_slots({"gradient_accumulator": 0.0})
        for group in self.slots():
            for arrays, slot in zip(self._slots, self._add_slots(group), strict=True):
                arrays.extend(slot)
        self._scratch = [np.empty((2, min(BLOCK, vector.values.size)), vector.values.dtype) for vector in self.vectors]
        for vector in self.vectors:
            self.gradient_view_of.update(zip(map(id, vector.variables), vector.gradient_views, strict=True))
        self._everything = self._parts(self.gradient_view_of)
        self.built = True

    def _add_slots(self, group: dict[str, float]) -> list[list[np.ndarray]]:
        """Make a group of slots for every vector, and the variables that show them in files."""
        flats = [[np.full_like(vector.values, value) for value in group.values()] for vector in self.vectors]
        views = {
            (id(variable), name): view
            for vector, arrays in zip(self.vectors, flats, strict=True)
            for name, flat in zip(group, arrays, strict=True)
            for variable, view in zip(vector.variables, vector.views(flat), strict=True)
        }
        for variable in self._variables:
            for name in group:
                slot_name = f"{variable.path.replace('/', '_')}_{name}"
                slot = Variable(0.0, slot_name, trainable=False, path=f"{self.name}/{slot_name}")
                slot.value = views[id(variable), name]
                self._slot_variables.append(slot)
        return flats

    @property
    def variables(self) -> list[Variable]:
        """The optimiser's own variables in Keras's order: iteration, learning rate, then the slots."""
        rate = [self._learning_rate] if isinstance(self._learning_rate, Variable) else []
        return [self._iterations, *rate, *self._slot_variables]

    def exclude_from_weight_decay(
        self, var_list: Sequence[Variable] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Exempt variables from weight decay, given themselves or by a part of their names (``["bias"]``).

        Raises:
            ValueError: if the optimiser is built already.
        """
        if self.built:
            raise ValueError("exclude_from_weight_decay() must be called before the optimizer is built.")
        self._not_decayed = (list(var_list or []), re.compile("|".join(var_names)) if var_names else None)

    def _decays(self, variable: Variable) -> bool:
        excluded, pattern = self._not_decayed
        return not any(variable is other for other in excluded) and not (pattern and pattern.search(variable.name))

    # Updating

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> int:
        """Apply ``(gradient, variable)`` pairs and return the number of steps taken."""
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])
        return int(self._iterations.value)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Apply one gradient per variable; a variable whose gradient is None stays as it is.

        Raises:
            ValueError: if gradients and variables do not match, or the optimiser was built for other variables.
        """
        if not self.built and trainable_variables is None:
            raise ValueError("the optimizer is not built: pass the variables too, or call build(variables) first.")
        variables = self._variables if trainable_variables is None else list(trainable_variables)
        if len(grads) != len(variables):
            raise ValueError(f"one gradient per variable is needed; got {len(grads)} for {len(variables)} variables.")
        self.build(variables)
        given = {}
        for gradient, variable in zip(grads, variables, strict=True):
            if id(variable) not in self.gradient_view_of:
                raise ValueError(f"{variable.path} is unknown to this optimizer, which was built for other variables.")
            if gradient is None:
                continue
            if np.shape(gradient) != variable.shape:
                raise ValueError(
                    f"the gradient of {variable.path} has shape {variable.shape}; got {np.shape(gradient)}."
                )
            self.gradient_view_of[id(variable)][...] = gradient
            given[id(variable)] = variable
        if grads and not given:
            raise ValueError("there is no gradient for any variable.")
        self._step(self._parts(given))

    def step(self) -> None:
        """Apply the gradients that lie in ``gradients`` to all variables: one update."""
        self._step(self._everything)

    def _parts(self, given: Mapping[int, Any]) -> list[_Part]:
        parts = []
        for vector, slots in zip(self.vectors, self._slots, strict=True):
            chosen = [id(variable) in given for variable in vector.variables]
            decayed = [wanted and self._decays(v) for wanted, v in zip(chosen, vector.variables, strict=True)]
            slices = [at for at, wanted in zip(vector.slices, chosen, strict=True) if wanted]
            parts.append(_Part(vector, slots, slices, vector.runs(chosen), vector.runs(decayed)))
        return parts

    def _step(self, parts: list[_Part]) -> None:
        for vector in self.vectors:
            vector.attach()
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # the training loop reports bad numbers
            if self._accumulate(parts):
                self._clip(parts)
                learning_rate = self.learning_rate
                if self.weight_decay is not None:
                    self._decay(parts, learning_rate * self.weight_decay)
                self._apply_rule(parts, self.coefficients(self.iterations + 1, learning_rate))
            if self.use_ema:
                self._move_average()
        self._iterations.value += 1

    def _blocks(self, run: slice) -> Iterator[slice]:
        for start in range(run.start, run.stop, BLOCK):
            yield slice(start, min(start + BLOCK, run.stop))

    def _apply_rule(self, parts: list[_Part], coefficients: dict[str, Any]) -> None:
        fused = getattr(kernels.backend(), self.kernel, None) if self.kernel else None
        for part, scratch in zip(parts, self._scratch, strict=True):
            arrays = [part.vector.values, part.vector.gradients, *part.slots]
            for run in part.runs:
                if fused:
                    fused(*(array[run] for array in arrays), **coefficients)
                    continue
                for at in self._blocks(run):
                    self.update(
                        *(array[at] for array in arrays), scratch=scratch[:, : at.stop - at.start], **coefficients
                    )

    def _accumulate(self, parts: list[_Part]) -> bool:
        """Return whether this step moves the weights; with accumulation, the gradients then become the mean."""
        steps = self.gradient_accumulation_steps
        if not steps:
            return True
        last = (int(self._iterations.value) + 1) % steps == 0
        for part, [total] in zip(parts, self._accumulated, strict=True):
            for run in part.runs:
                total[run] += part.vector.gradients[run]
                if last:
                    np.divide(total[run], steps, out=part.vector.gradients[run])
            if last:
                total.fill(0)
        return last

    def _clip(self, parts: list[_Part]) -> None:
        if self.clipvalue:
            for part in parts:
                for run in part.runs:
                    g = part.vector.gradients[run]
                    np.clip(g, -self.clipvalue, self.clipvalue, out=g)
        elif self.clipnorm:
            for part in parts:
                for at in part.slices:
                    self._shorten([part.vector.gradients[at]], self.clipnorm)
        elif self.global_clipnorm:
            self._shorten([part.vector.gradients[run] for part in parts for run in part.runs], self.global_clipnorm)

    def _shorten(self, gradients: list[np.ndarray], longest: float) -> None:
        """Scale gradients so that their common norm is at most ``longest``; a NaN norm makes all of them NaN."""
        blocks = (g[at] for g in gradients for at in self._blocks(slice(0, g.size)))
        norm = math.sqrt(sum(float(np.square(g, dtype=np.float64).sum()) for g in blocks))
        if not norm <= longest:
            for g in gradients:
                g *= longest / norm

    def _decay(self, parts: list[_Part], rate: float) -> None:
        for part, scratch in zip(parts, self._scratch, strict=True):
            for run in part.decayed:
                for at in self._blocks(run):
                    w, s = part.vector.values[at], scratch[0, : at.stop - at.start]
                    np.multiply(w, rate, out=s)  # not w *= 1 - rate: float32 would lose the digits of a small rate
                    w -= s

    def _move_average(self) -> None:
        momentum = self.ema_momentum if self.iterations else 0.0
        overwrite = self.ema_overwrite_frequency and (self.iterations + 1) % self.ema_overwrite_frequency == 0
        for vector, [average], scratch in zip(self.vectors, self._average, self._scratch, strict=True):
            average *= momentum
            for at in self._blocks(slice(0, average.size)):
                average[at] += np.multiply(vector.values[at], 1 - momentum, out=scratch[0, : at.stop - at.start])
            if overwrite:
                vector.values[:] = average

    def finalize_variable_values(self, var_list: Sequence[Variable] | None = None) -> None:
        """With ``use_ema``, put the averages into the model; ``fit`` does so after its last epoch."""
        if self.use_ema and self.built:
            for vector, [average] in zip(self.vectors, self._average, strict=True):
                vector.attach()
                vector.values[:] = average

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal optimiser, as Keras writes them."""
        rate = self._learning_rate
        if callable(rate) and not isinstance(rate, schedules.LearningRateSchedule):
            raise ValueError("an optimizer whose learning rate is a function has no configuration; use a schedule.")
        return {
            "name": self.name,
            "learning_rate": float(rate.value) if isinstance(rate, Variable) else schedules.serialize(rate),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
            **{name: getattr(self, name) for name in self.arguments},
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
        """Build an optimiser from what ``get_config`` returned."""
        settings = dict(config)
        if isinstance(settings.get("learning_rate"), Mapping):
            settings["learning_rate"] = schedules.deserialize(settings["learning_rate"], custom_objects)
        return cls(**settings)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what lies in the flat vectors or goes by identity: it is made anew from the variables."""
        derived = ("vectors", "gradient_view_of", "_slot_variables", "_slots", "_average", "_accumulated", "_scratch")
        kept = {key: value for key, value in self.__dict__.items() if key not in (*derived, "_everything")}
        return {**kept, "slot_values": [variable.numpy() for variable in self._slot_variables]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        values = state.pop("slot_values")
        was_built = state.pop("built")
        self.__dict__.update(state, built=False, vectors=[], gradient_view_of={}, _slot_variables=[])
        if was_built:
            self.build(self._variables)
            for variable, value in zip(self._slot_variables, values, strict=True):
                variable.assign(value)
