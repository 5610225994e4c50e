"""Naming a mistake by testing hypotheses: which known mistake gives exactly the learner's results, in every case?"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from convolens.checking.calls import Difference, Outcome, call, same
from convolens.checking.cases import TRAITS, Case, cases_of
from convolens.checking.exercises import Exercise
from convolens.checking.hints import HINTS
from convolens.checking.mutants import Mistake, compiled, mistakes_of

__all__ = ["Diagnosis", "diagnose", "pattern"]


@dataclass(frozen=True)
class Diagnosis:
    """A mistake that explains all results.

    Attributes:
        name: one of the names in ``HINTS``, perhaps with the output it is about.
        hint: a question that leads to it.
        answer: what exactly is wrong, for those who ask; empty if the name says it.
    """

    name: str
    hint: str
    answer: str = ""


@dataclass(frozen=True)
class Evidence:
    """What a function gave in each case, and what it should have given."""

    exercise: Exercise
    cases: tuple[Case, ...]
    outcomes: list[Outcome]
    differences: list[Difference | None]

    @property
    def wrong_cases(self) -> list[int]:
        """The numbers of the cases that it fails."""
        return [number for number, difference in enumerate(self.differences) if difference]

    @property
    def wrong_outputs(self) -> list[int]:
        """The numbers of the outputs that are wrong in some case."""
        return [place for place in range(len(self.exercise.outputs)) if not self.agrees(place, self.expected(place))]

    def expected(self, place: int) -> list[np.ndarray]:
        """The right arrays of one output."""
        return [case.expected[place] for case in self.cases]

    def actual(self, place: int) -> list[np.ndarray] | None:
        """The learner's arrays of one output; None if a call gave none."""
        if any(len(outcome.outputs) <= place for outcome in self.outcomes):
            return None
        return [outcome.outputs[place] for outcome in self.outcomes]

    def agrees(self, place: int, arrays: list[np.ndarray]) -> bool:
        """Say whether the learner's arrays of one output equal these in every case."""
        actual = self.actual(place)
        return actual is not None and all(same(a, b) for a, b in zip(actual, arrays, strict=True))


def diagnose(exercise: Exercise, outcomes: list[Outcome], differences: list[Difference | None]) -> Diagnosis | None:
    """Name the mistake behind a wrong function, or return None if no hypothesis fits.

    Args:
        exercise: what the function should be.
        outcomes: what it gave in each of ``cases_of(exercise)``.
        differences: the first thing wrong with each, or None.
    """
    evidence = Evidence(exercise, cases_of(exercise), outcomes, differences)
    for hypothesis in (
        _by_conduct,
        _by_failure,
        _by_form,
        _by_one_mistake,
        _by_each_output,
        _by_two_mistakes,
        _by_pattern,
        _by_mutation,
    ):
        diagnosis = hypothesis(evidence)
        if diagnosis:
            return diagnosis
    return None


def pattern(exercise: Exercise, differences: list[Difference | None]) -> str:
    """Say in words what the failed cases have in common that no other case has; empty if nothing."""
    trait = _common_trait(exercise, differences)
    return f"It is wrong exactly where {TRAITS[trait]}." if trait else ""


def _common_trait(exercise: Exercise, differences: list[Difference | None]) -> str | None:
    cases = cases_of(exercise)
    wrong = {number for number, difference in enumerate(differences) if difference}
    if len(wrong) == len(cases):
        return None
    for trait in TRAITS:
        if wrong == {number for number, case in enumerate(cases) if trait in case.traits}:
            return trait
    return None


def _named(name: str, answer: str = "", detail: str = "") -> Diagnosis:
    return Diagnosis(f"{name} {detail}".strip(), HINTS[name], answer)


def _by_failure(evidence: Evidence) -> Diagnosis | None:
    failures = [outcome.failure for outcome in evidence.outcomes if outcome.failure]
    kinds = {failure.kind for failure in failures}
    if "OutOfTime" in kinds:
        return _named("does not end")
    if any("Cannot cast ufunc" in failure.message and "to dtype('int" in failure.message for failure in failures):
        return _named("integer result", "make the array with `dtype=float`")
    if any("0-dimensional" in failure.message or "size-1 arrays" in failure.message for failure in failures):
        return _named("float() of an array", "use `b.item()`, or `b[0, 0, 0]`")
    return None


def _by_form(evidence: Evidence) -> Diagnosis | None:
    """Right numbers in another order or shape."""
    actual = [evidence.actual(place) for place in range(len(evidence.exercise.outputs))]
    if any(arrays is None for arrays in actual) or not evidence.wrong_outputs:
        return None
    for order in itertools.permutations(range(len(actual))):
        if order != tuple(range(len(actual))) and all(
            evidence.agrees(place, evidence.expected(other)) for place, other in enumerate(order)
        ):
            names = ", ".join(output.name for output in evidence.exercise.outputs)
            return _named("outputs in the wrong order", f"return {names}")
    for place in evidence.wrong_outputs:
        pairs = list(zip(actual[place] or [], evidence.expected(place), strict=True))
        reshaped = all(a.size == e.size and same(a.reshape(e.shape), e) for a, e in pairs)
        if not reshaped or all(a.shape == e.shape for a, e in pairs):
            return None
    if not evidence.exercise.outputs[0].axes:
        return _named("a number expected, an array returned", "use `b.item()`, or `b[0, 0, 0]`")
    shapes = " and ".join(evidence.exercise.outputs[place].name for place in evidence.wrong_outputs)
    return _named("right numbers in the wrong shape", detail=f"({shapes})")


def _matches(outcome: Outcome, mutant: Outcome, expected: tuple[np.ndarray, ...]) -> bool:
    """Say whether the outcomes are equal. Where the learner's call failed, it is enough that the mutant is wrong."""
    if outcome.problem:
        return False
    if outcome.failure:
        return mutant.failure is not None or not all(map(same, mutant.outputs, expected))
    if mutant.failure or len(outcome.outputs) != len(mutant.outputs):
        return False
    return all(same(a, m) for a, m in zip(outcome.outputs, mutant.outputs, strict=True))


def _is_telling(outcome: Outcome, mutant: Outcome) -> bool:
    """An error tells little by itself: only equal wrong numbers, an equal message or a failed check of a shape do."""
    if not outcome.failure:
        return True
    if outcome.failure.kind == "AssertionError":  # The learner's own check.
        return mutant.failure is None
    return mutant.failure is not None and outcome.failure.message == mutant.failure.message


@lru_cache(maxsize=4096)
def _outcome(exercise: Exercise, number: int, *mistakes: Mistake) -> Outcome:
    """What the plain solution with these mistakes gives in a case."""
    function = compiled(exercise, *(mistake.edit for mistake in mistakes))
    return call(function, exercise, cases_of(exercise)[number])


def _explains(evidence: Evidence, *mistakes: Mistake) -> bool:
    """Say whether the mistakes give the learner's outcomes in every case; the first failed case decides most often."""
    first = evidence.wrong_cases[0]
    if evidence.outcomes[first].problem:
        return False
    numbers = [first, *(number for number in range(len(evidence.cases)) if number != first)]
    telling = False
    for number in numbers:
        outcome, mutant = evidence.outcomes[number], _outcome(evidence.exercise, number, *mistakes)
        if not _matches(outcome, mutant, evidence.cases[number].expected):
            return False
        telling = telling or (evidence.differences[number] is not None and _is_telling(outcome, mutant))
    return telling


def _by_one_mistake(evidence: Evidence) -> Diagnosis | None:
    for mistake in mistakes_of(evidence.exercise):
        if _explains(evidence, mistake):
            return _named(mistake.name, f"your function computes what it would with {mistake}")
    return None


def _by_each_output(evidence: Evidence) -> Diagnosis | None:
    """Each wrong output may have its own mistake."""
    found = []
    for place in evidence.wrong_outputs:
        name = evidence.exercise.outputs[place].name
        shown = f"({name})" if len(evidence.exercise.outputs) > 1 else ""
        diagnosis = _by_arithmetic(evidence, place, shown) or _by_mistake_in(evidence, place, shown)
        if diagnosis:
            found.append(diagnosis)
    if not found:
        return None
    name, hint, answer = (
        "; ".join(filter(None, parts)) for parts in zip(*((d.name, d.hint, d.answer) for d in found), strict=True)
    )
    return Diagnosis(name, found[0].hint if len({d.hint for d in found}) == 1 else hint.replace("; ", " "), answer)


def _by_mistake_in(evidence: Evidence, place: int, shown: str) -> Diagnosis | None:
    actual = evidence.actual(place)
    if actual is None or len(evidence.exercise.outputs) == 1:
        return None
    first = next(n for n, (a, e) in enumerate(zip(actual, evidence.expected(place), strict=True)) if not same(a, e))
    order = [first, *(number for number in range(len(actual)) if number != first)]
    for mistake in mistakes_of(evidence.exercise):
        mutants = (_outcome(evidence.exercise, number, mistake) for number in order)
        if all(
            len(mutant.outputs) > place and same(actual[number], mutant.outputs[place])
            for number, mutant in zip(order, mutants, strict=True)
        ):
            return _named(mistake.name, f"{shown} as with {mistake}".strip(), shown)
    return None


def _by_arithmetic(evidence: Evidence, place: int, shown: str) -> Diagnosis | None:
    """Fractions cut off, one sign or factor throughout, a share of the batch, padding at the wrong axes."""
    actual, expected = evidence.actual(place), evidence.expected(place)
    if actual is None:
        return None
    if any(a.shape != e.shape for a, e in zip(actual, expected, strict=True)):
        return _by_shape(evidence, place, shown)
    if evidence.exercise.name == "zero_pad" and all(map(_only_the_border_is_wrong, actual, evidence.cases)):
        return _named("padding with another value")
    for cut in (np.trunc, np.floor, np.round):
        if evidence.agrees(place, [cut(e.astype(float)) for e in expected]):
            return _named("integer result", "make the array with `dtype=float`, and divide with `/`", shown)
    if evidence.agrees(place, [-e.astype(float) for e in expected]):
        return _named("sign is wrong", detail=shown)
    for words, counts in _counts(evidence).items():
        for power, verb in ((-1.0, "divided by"), (1.0, "multiplied by")):
            factors = np.array(counts) ** power
            if len(set(counts)) > 1 and evidence.agrees(place, [e * f for e, f in zip(expected, factors, strict=True)]):
                name = f"off by a factor{f' {shown}' if shown else ''}: {verb} the number of {words}"
                return Diagnosis(name, "Are all shares added up, or averaged?")
    factor = _factor(actual, expected)
    if factor is not None:
        return Diagnosis(
            f"off by a factor of {factor:.4g} {shown}".strip(),
            "Divide one of your numbers by the right one. And another.",
        )
    return None


def _counts(evidence: Evidence) -> dict[str, list[float]]:
    """What a sum may have been divided by, in each case."""
    images = [float(case.setting.x.shape[0]) for case in evidence.cases]
    places = [float(np.prod(case.setting.d.shape[1:3])) for case in evidence.cases]
    return {
        "images": images,
        "places": places,
        "images and places": [m * n for m, n in zip(images, places, strict=True)],
    }


def _only_the_border_is_wrong(actual: np.ndarray, case: Case) -> bool:
    x, pad = case.setting.x, case.setting.pads[0]
    return same(actual[:, pad : pad + x.shape[1], pad : pad + x.shape[2]], x)


def _factor(actual: list[np.ndarray], expected: list[np.ndarray]) -> float | None:
    a = np.concatenate([x.astype(float).ravel() for x in actual])
    e = np.concatenate([x.astype(float).ravel() for x in expected])
    if not np.all(np.isfinite(a)) or not np.any(e):
        return None
    factor = float(a @ e / (e @ e))
    fits = abs(factor) > 1e-3 and abs(factor - 1) > 1e-2 and same(a, factor * e)
    return factor if fits else None


def _by_shape(evidence: Evidence, place: int, shown: str) -> Diagnosis | None:
    """What the wrong shapes have to do with the pads."""
    name = evidence.exercise.outputs[place].name
    if name != "dA_prev" or evidence.exercise.name != "conv_backward":
        return _named("wrong output size", detail=shown)
    too_large = cropped_elsewhere = True
    actual = evidence.actual(place) or []
    for array, case in zip(actual, evidence.cases, strict=True):
        right, pads = case.expected[place].shape, (0, *case.setting.pads, 0)
        if array.ndim != 4:
            return _named("wrong output size", detail=shown)
        too_large &= array.shape == tuple(n + 2 * p for n, p in zip(right, pads, strict=True))
        if all(case.setting.pads):
            smaller = any(n < r for n, r in zip(array.shape, right, strict=True))
            cropped_elsewhere &= smaller and any(n > r for n, r in zip(array.shape, right, strict=True))
    if too_large:
        return _named("padding not cropped", detail=shown)
    return _named("padding cropped on the wrong axes" if cropped_elsewhere else "wrong output size", detail=shown)


def _by_two_mistakes(evidence: Evidence) -> Diagnosis | None:
    first = evidence.outcomes[evidence.wrong_cases[0]]
    if first.failure or first.problem:  # An error has too few features to tell pairs apart.
        return None
    for one, two in _pairs(evidence.exercise):
        if _explains(evidence, one, two):
            name = one.name if one.name == two.name else f"{one.name}; {two.name}"
            return Diagnosis(
                name, f"{HINTS[one.name]} {HINTS[two.name]}", f"your function computes what it would with {one}; {two}"
            )
    return None


def _pairs(exercise: Exercise) -> Iterator[tuple[Mistake, Mistake]]:
    """Pairs of mistakes that change different lines."""
    candidates = [mistake for mistake in mistakes_of(exercise) if mistake.name != "returned inside the loop"]
    for one, two in itertools.combinations(candidates, 2):
        lines = [{old for old, _ in mistake.edit} for mistake in (one, two)]
        if one.name != two.name and not any(a in b or b in a for a in lines[0] for b in lines[1]):
            yield one, two


def _by_pattern(evidence: Evidence) -> Diagnosis | None:
    """Which cases end in an error, and what it says."""
    trait = _common_trait(evidence.exercise, evidence.differences)
    failures = [outcome.failure for outcome in evidence.outcomes if outcome.failure]
    if trait == "no pad" and evidence.exercise.name == "conv_backward":
        return _named("[pad:-pad] with pad 0", "write `[pad : pad + n_H_prev, pad : pad + n_W_prev]`")
    if trait == "pad" and failures and evidence.exercise.name.startswith("conv"):
        if any(re.search(r":\s*-", failure.text) for failure in failures):
            return _named("padding cropped on the wrong axes")
        layered = evidence.exercise.dialect == "layer_by_layer"
        return _named("padding ignored" if layered else "unpadded input used")
    for failure in failures:
        if failure.kind == "AssertionError" and "shape" in failure.text:
            return _named("wrong output size", f"the check in line {failure.line} of {failure.place} fails")
    first = next(difference for difference in evidence.differences if difference)
    if first.kind == "shape" and not evidence.exercise.name.endswith("backward"):
        return _named("wrong output size")
    for failure in failures:
        if failure.message.startswith("cannot reshape array of size"):
            return _named(
                "wrong output size", f"what line {failure.line} of {failure.place} is given does not fill the shape"
            )
    return None


def _by_conduct(evidence: Evidence) -> Diagnosis | None:
    """Right numbers all over, but something else is not as it should be."""
    kinds = {difference.kind for difference in evidence.differences if difference}
    if kinds == {"cache"}:
        return _named("cache is wrong", f"cache = ({', '.join(evidence.exercise.cache)})")
    return _by_mutation(evidence) if kinds == {"mutated"} else None


def _by_mutation(evidence: Evidence) -> Diagnosis | None:
    if any(outcome.mutated for outcome in evidence.outcomes):
        return _named("input mutated", "work on a copy: `x = x.copy()`")
    return None
