"""Right solutions in a dozen styles are right; wrong ones are caught, in the right function and by their name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checking.wrong_solutions import WRONG, Wrong
from convolens.checking import check
from convolens.checking.judging import judge
from convolens.checking.learner import Piece, load

RIGHT = sorted(Path(__file__).with_name("right").glob("*.py"))


def judged(name: str, source: str, seconds: float = 60.0):
    learner = load([Piece(name, source, source)])
    return {r.function: r for r in judge(learner.functions, learner.namespace, seconds, learner.broken)}


def as_notebook(source: str) -> str:
    """The same code in cells, with the magics and the imports that the course's notebook begins with."""
    cells = [
        "%matplotlib inline\n%load_ext autoreload\nfrom public_tests import *\nimport numpy as np",
        source,
        "!ls\nzero_pad?",
    ]
    markdown = {"cell_type": "markdown", "metadata": {}, "source": ["# def conv_forward(:"]}
    code = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": c.splitlines(keepends=True)} for c in cells]
    return json.dumps({"cells": [markdown, *code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
def test_right_solutions_are_right(path):
    results = check(path, timeout=60)
    assert {result.verdict for result in results} <= {"right", "missing"}, str(results)
    assert results.count("right") >= 1
    assert results.ok


def test_a_right_notebook_is_right(tmp_path):
    path = tmp_path / "Convolution step by step.ipynb"
    path.write_text(as_notebook(RIGHT[[p.stem for p in RIGHT].index("course_style")].read_text()))
    results = check(path)
    assert [result.verdict for result in results] == ["right"] * 8
    assert any("public_tests" in note and "cell 1, line 3" in note for note in results.notes)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.file[:-3]}-{wrong.function}-{wrong.diagnosis}")
def test_wrong_solutions_are_caught_in_the_right_function(wrong: Wrong):
    source = wrong.source(Path(__file__).with_name("right").joinpath(wrong.file).read_text())
    results = judged(wrong.file, source, 1.5 if wrong.diagnosis == "does not end" else 60.0)
    assert [name for name, result in results.items() if result.verdict == "wrong"] == [wrong.function]
    found = results[wrong.function]
    assert found.diagnosis is not None
    assert wrong.diagnosis in found.diagnosis, f"{found.diagnosis}: {found.answer}"
    assert found.hint


def test_the_table_of_wrong_solutions_is_large_enough():
    assert len(WRONG) >= 30
    assert len({wrong.diagnosis for wrong in WRONG}) >= 25
    assert len(RIGHT) + 1 >= 12


def test_two_mistakes_at_once_are_both_named():
    source = Path(__file__).with_name("right").joinpath("course_style.py").read_text()
    source = source.replace("weights = W[:, :, :, c]", "weights = W[:, :, :, 0]")
    source = source.replace("int((n_H_prev - f + 2 * pad) / stride) + 1", "int((n_W_prev - f + 2 * pad) / stride) + 1")
    source = source.replace(
        "int((n_W_prev - f + 2 * pad) / stride) + 1\n    Z", "int((n_H_prev - f + 2 * pad) / stride) + 1\n    Z"
    )
    found = judged("two.py", source)["conv_forward"]
    assert found.diagnosis == "height and width swapped; first filter used for every output"


def test_two_outputs_with_a_mistake_each():
    source = Path(__file__).with_name("right").joinpath("im2col.py").read_text()
    source = source.replace("d.sum(axis=(0, 1)).reshape(b.shape)", "-d.sum(axis=(0, 1)).reshape(b.shape)")
    source = source.replace("dW = sum(r.T @ g for r, g in zip(rows, d)).reshape(W.shape)", "dW = rows[0].T @ d[0]")
    source = source.replace("dW = rows[0].T @ d[0]", "dW = (rows[0].T @ d[0]).reshape(W.shape)")
    found = judged("two.py", source)["conv_backward"]
    assert found.diagnosis == "batch not summed (dW); sign is wrong (db)"


def test_an_unknown_mistake_is_caught_and_not_named():
    source = Path(__file__).with_name("right").joinpath("pure_python.py").read_text()
    source = source.replace("Z[i, h, w, k] = total", "Z[i, h, w, k] = total + 0.01 * np.sin(h + 2 * w) * (F > 1)")
    found = judged("odd.py", source)["conv_forward"]
    assert found.verdict == "wrong"
    assert found.diagnosis is None
    assert found.pattern == "It is wrong exactly where there is more than one filter."
