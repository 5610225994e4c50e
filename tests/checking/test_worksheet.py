"""Each answer's working, taken as arithmetic, comes to the answer that the library's kernels give."""

from __future__ import annotations

import json
import re
from fractions import Fraction

import numpy as np
import pytest

from convolens.checking.worksheet import TOPICS, make, show
from convolens.checking.worksheet_page import worksheet_page
from convolens.cli import main


def value_of(expression: str) -> float:
    """Evaluate ``"2·(-1) + 3 (bias)"``."""
    expression = re.sub(r"\(bias\)|²", lambda found: "**2" if found[0] == "²" else "", expression)
    return float(eval(expression.replace("·", "*"), {"__builtins__": {}}, {"max": max}))


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("topic", TOPICS)
def test_the_working_comes_to_the_answer(topic, backward):
    checked = 0
    for exercise in make(topic, backward, seed=5, count=8):
        for table in exercise.answers:
            numbers = [value for row in table.rows for value in row]
            steps = [step for step in table.working if re.match(r"(y|dw|dx|db|dgamma|dbeta|p|dz)(\[|$| =)", step)]
            for step, number in zip(steps, numbers, strict=len(steps) == len(numbers)):
                _, working, shown = step.split(" = ")
                assert shown == show(number)
                if "p[" not in working:
                    assert value_of(working) == pytest.approx(number, abs=1e-9), step
                    checked += 1
    assert checked >= 16


@pytest.mark.parametrize("topic", ["batchnorm", "softmax"])
def test_gradients_are_those_of_finite_differences(topic):
    for exercise in make(topic, backward=True, seed=2, count=4):
        answers = {table.title: np.array(table.rows).ravel() for table in exercise.answers}
        given = {table.title: np.array(table.rows).ravel() for table in exercise.given}
        if topic == "softmax":
            z = np.log(given["e to the power of z"])
            label = int(re.search(r"class (\d)", exercise.task)[1])
            cost = lambda z: -(z[label] - np.log(np.exp(z).sum()))  # noqa: E731
            gradient, at = answers["dz"], z
        else:
            gamma, beta = (float(Fraction(n)) for n in re.search(r"gamma (\S+), beta (\S+),", exercise.task).groups())
            cost = lambda x: given["dy"] @ (gamma * (x - x.mean()) / x.std() + beta)  # noqa: E731
            gradient, at = answers["dx"], given["x"]
        numeric = [(cost(at + step) - cost(at - step)) / 2e-6 for step in 1e-6 * np.eye(4)]
        np.testing.assert_allclose(gradient, numeric, atol=1e-7)


def test_a_seed_makes_the_same_sheet_and_another_seed_another():
    assert make("conv", seed=3) == make("conv", seed=3)
    assert make("conv", seed=3) != make("conv", seed=4)
    assert make("conv", seed=3, count=2) == make("conv", seed=3, count=4)[:2]


@pytest.mark.parametrize(
    ("value", "text"), [(2.0, "2"), (-0.25, "-0.25"), (1 / 3, "1/3"), (1.4, "1.4"), (-2 / 7, "-2/7")]
)
def test_numbers_are_written_as_a_person_would(value, text):
    assert show(value) == text


def test_the_page_has_blanks_and_the_answers_come_on_a_new_page():
    exercises = make("conv", seed=1, count=3)
    page = worksheet_page(exercises, "Convolution")
    tasks, answers = page.split('<section class="answers">')
    cells = sum(len(table.rows) * len(table.rows[0]) for exercise in exercises for table in exercise.answers)
    assert tasks.count("<td></td>") == cells
    assert "<td></td>" not in answers
    assert "break-before: page" in page
    assert "http" not in page


def test_the_command_writes_the_page_and_tells_of_bad_input(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["worksheet", "pool", "--backward", "--seed", "2", "--count", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["path"] == "worksheet-pool-backward.html"
    assert len(told["exercises"]) == 2
    assert "--seed 2 --count 2" in (tmp_path / told["path"]).read_text()
    assert main(["worksheet", "recurrent"]) == 2
    assert main(["worksheet", "conv", "--count", "0"]) == 2
    assert "one of conv, pool" in " ".join(capsys.readouterr().err.split())
