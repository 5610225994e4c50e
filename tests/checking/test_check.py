"""What a report says, and what becomes of files that misbehave."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import convolens as cl
from convolens.checking import check
from convolens.checking.arithmetic import write_out
from convolens.checking.calls import call, first_difference
from convolens.checking.cases import cases_of
from convolens.checking.exercises import EXERCISES, all_of
from convolens.checking.hints import HINTS
from convolens.checking.mutants import compiled, mistakes_of
from convolens.checking.page import page
from convolens.checking.templates import template

MASK = "def create_mask_from_window(x):\n    return x == np.max(x)\n"
WRONG_MASK = "def create_mask_from_window(x):\n    return x == np.min(x)\n"


def written(tmp_path: Path, body: str, name: str = "1-work.py") -> Path:
    path = tmp_path / name
    path.write_text("import numpy as np\n" + body)
    return path


def record(report, function):
    return next(result for result in report if result.function == function)


# The material.


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: f"{e.dialect}-{e.name}")
def test_every_element_is_written_out_to_its_right_value(exercise):
    for case in cases_of(exercise):
        for output, expected in zip(exercise.outputs, case.expected, strict=True):
            for index in [*np.ndindex(expected.shape)][:40]:
                sum_of_products = write_out(exercise.name, output.name, index, case)
                assert sum_of_products is not None
                assert sum_of_products.value == pytest.approx(float(expected[index]), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: f"{e.dialect}-{e.name}")
def test_the_plain_solution_is_right_and_every_known_mistake_shows(exercise):
    cases = cases_of(exercise)
    assert not any(first_difference(call(compiled(exercise), exercise, case), exercise, case) for case in cases)
    for mistake in mistakes_of(exercise):
        assert mistake.name in HINTS
        function = compiled(exercise, mistake.edit)
        differences = (first_difference(call(function, exercise, case), exercise, case) for case in cases)
        assert any(differences), f"no case shows {mistake}"


# What is said about a wrong function.


def test_the_first_wrong_element_is_named_and_written_out(tmp_path):
    body = "def zero_pad(X, pad):\n    return np.pad(X, ((0, 0), (pad, pad), (pad, pad), (0, 0)), constant_values=7)\n"
    found = record(check(written(tmp_path, body)), "zero_pad")
    assert found.index == [0, 0, 0, 0]
    assert (found.expected, found.actual) == (0.0, 7.0)
    assert found.place == "image 0, row 0, column 0, channel 0"
    assert found.arithmetic == "0: it lies in the border"
    assert found["diagnosis"] == "padding with another value"
    assert dict(found)["verdict"] == "wrong"


def test_the_answer_is_shown_only_on_request(tmp_path):
    path = written(tmp_path, WRONG_MASK)
    hidden, shown = str(check(path)), str(check(path, reveal=True))
    assert repr(check(path)) == hidden
    assert "hint" in hidden
    assert "np.max" not in hidden
    assert "`mask = x == np.min(x)`" in shown or "np.max" in shown


def test_a_pooling_sum_is_written_with_its_window(tmp_path):
    body = """
def pool_forward(A_prev, hparameters, mode="max"):
    f, s = hparameters["f"], hparameters["stride"]
    m, H, W, C = A_prev.shape
    A = np.zeros((m, (H - f) // s + 1, (W - f) // s + 1, C))
    for i, h, w, c in np.ndindex(*A.shape):
        window = A_prev[i, h * s : h * s + f, w * s : w * s + f, c]
        A[i, h, w, c] = window.max() if mode == "max" else window.sum()
    return A, (A_prev, hparameters)
"""
    found = record(check(written(tmp_path, body)), "pool_forward")
    assert found.diagnosis == "average not divided"
    assert found.case == "1 image of 2 x 2 x 1, f 2, stride 1, mode average"
    assert found.arithmetic.endswith(f"/ 4 = {found.expected:g}")
    (title, rows, marked) = found.grids[0]
    assert "channel 0" in title
    assert np.mean(rows) == found.expected
    assert marked == [0, 0, 2, 2]


# Files that misbehave.


def test_exceptions_name_the_learners_own_line(tmp_path):
    body = "def helper(x):\n    return x[99]\n\ndef create_mask_from_window(x):\n    return helper(x)\n"
    found = record(check(written(tmp_path, body)), "create_mask_from_window")
    assert found.error == {
        "kind": "IndexError",
        "message": "index 99 is out of bounds for axis 0 with size 2",
        "place": "1-work.py",
        "line": 3,
        "text": "return x[99]",
    }


def test_a_syntax_error_is_named_and_does_not_hide_the_other_functions(tmp_path):
    report = check(written(tmp_path, "def zero_pad(X, pad)\n    return X\n\n" + MASK + "\nx = = 1\n"))
    assert record(report, "create_mask_from_window").verdict == "right"
    found = record(report, "zero_pad")
    assert (found.verdict, found.error["line"], found.error["text"]) == ("wrong", 2, "def zero_pad(X, pad)")
    assert not report.ok


def test_prints_exits_and_errors_at_the_top_level_are_survived(tmp_path):
    body = f"print('x' * 10**6)\nimport sys\n1 / 0\nsys.exit(3)\nsys.stdout.close()\n{MASK}\ninput('name? ')\n"
    report = check(written(tmp_path, body))
    assert record(report, "create_mask_from_window").verdict == "right"
    assert [note.split(":")[1].strip() for note in report.notes][:2] == ["ZeroDivisionError", "SystemExit"]
    assert "1-work.py, line 4" in report.notes[0]
    assert report.ok


@pytest.mark.parametrize(
    "loop",
    ["while True:\n        pass", "while True:\n        try:\n            x = x\n        except:\n            pass"],
)
def test_endless_loops_are_stopped(tmp_path, loop):
    body = f"def zero_pad(X, pad):\n    x = 0\n    {loop}\n\n{MASK}"
    report = check(written(tmp_path, body), timeout=1.5)
    found = record(report, "zero_pad")
    assert found.diagnosis == "does not end"
    assert found.verdict == "wrong"
    assert record(report, "create_mask_from_window").verdict == "right"


@pytest.mark.slow
def test_a_call_that_cannot_be_interrupted_is_killed_and_the_others_are_judged(tmp_path):
    deaf = "def zero_pad(X, pad):\n    import signal\n    signal.signal(2, signal.SIG_IGN)\n    while True: pass\n\n"
    report = check(written(tmp_path, deaf + MASK), timeout=1.5)
    assert record(report, "zero_pad").verdict == "wrong"
    assert record(report, "zero_pad").diagnosis == "does not end"
    assert record(report, "create_mask_from_window").verdict == "right"


def test_a_function_that_ends_the_process_is_wrong_and_the_others_are_judged(tmp_path):
    report = check(written(tmp_path, f"import os\ndef zero_pad(X, pad):\n    os._exit(7)\n\n{MASK}"))
    found = record(report, "zero_pad")
    assert found.verdict == "wrong"
    assert "exit code 7" in found.problem
    assert found.diagnosis == "ends the process"
    assert record(report, "create_mask_from_window").verdict == "right"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a process's memory")
def test_memory_is_limited(tmp_path):
    report = check(written(tmp_path, "def zero_pad(X, pad):\n    return np.ones(10**10)\n"))
    assert record(report, "zero_pad").error["kind"].endswith("MemoryError")


def test_a_stub_is_missing_not_wrong(tmp_path):
    path = tmp_path / "stubs.py"
    for dialect in ("step_by_step", "layer_by_layer"):
        path.write_text(template(dialect))
        report = check(path)
        assert [result.verdict for result in report] == ["missing"] * len(all_of(dialect))
        assert {result.dialect for result in report} == {dialect}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def zero_pad(X):\n    return X\n", "expected (X, pad)"),
        ("def zero_pad(X, pad):\n    X = 1\n", "returns nothing"),
        ("def zero_pad(X, pad):\n    return 'padded'\n", "expected numbers"),
        ("def conv_backward(dZ, cache):\n    return dZ\n", "one ndarray; expected (dA_prev, dW, db)"),
        ("def zero_pad(X, pad):\n    return X[0]\n", "has shape (2, 2, 1); expected (1, 4, 4, 1)"),
    ],
)
def test_the_form_of_a_function_is_part_of_it(tmp_path, body, words):
    found = next(result for result in check(written(tmp_path, body)) if result.verdict != "missing")
    assert found.verdict == "wrong"
    assert words in found.problem


def test_the_librarys_own_functions_are_not_the_learners(tmp_path):
    with pytest.raises(ValueError, match="defines none of the functions"):
        check(written(tmp_path, "from convolens.course.step_by_step import *\n"))


# In a session.


def zero_pad(X, pad):
    return np.pad(X, ((0, 0), (pad, pad), (pad, pad), (0, 0)))


def conv_single_step(a_slice_prev, W, b):
    return np.sum(a_slice_prev * W + b)


def conv_forward(A_prev, W, b, hparameters):
    s, f, A = hparameters["stride"], W.shape[0], zero_pad(A_prev, hparameters["pad"])
    Z = np.zeros((len(A), (A.shape[1] - f) // s + 1, (A.shape[2] - f) // s + 1, W.shape[3]))
    for i, h, w, c in np.ndindex(*Z.shape):
        Z[i, h, w, c] = conv_single_step(A[i, h * s : h * s + f, w * s : w * s + f], W[..., c], b[..., c])
    return Z, (A_prev, W, b, hparameters)


def test_one_function_of_a_session():
    report = cl.check(conv_single_step)
    assert [(r.function, r.diagnosis) for r in report] == [("conv_single_step", "bias added per product")]
    assert "bias added per product" in report._repr_html_()


def test_a_session_is_left_as_it_was():
    own = conv_single_step
    report = cl.check(globals())
    assert conv_single_step is own
    assert "pool_forward" not in globals()
    assert {r.function: r.verdict for r in report if r.verdict != "missing"} == {
        "zero_pad": "right",
        "conv_single_step": "wrong",
        "conv_forward": "right",
    }
    assert record(report, "conv_forward").notes == ["It is right, but calls one that is not: conv_single_step."]
    assert [r.verdict for r in cl.check(conv_forward)] == ["right"]


def test_a_module_and_what_is_no_subject():
    assert cl.check(sys.modules[__name__])[0].verdict == "right"
    with pytest.raises(ValueError, match="none of the functions"):
        cl.check(print)
    with pytest.raises(ValueError, match="takes a path, a module"):
        cl.check(3)


# Output.


def test_the_page_is_one_file_with_the_windows_drawn(tmp_path):
    text = page(check(written(tmp_path, WRONG_MASK)))
    assert text.count("<table") == 1
    assert 'marked">' in text
    assert "http" not in text
    assert "<script" not in text


def test_the_librarys_own_module_is_checked_if_one_asks_for_it():
    report = check(cl.course.step_by_step)
    assert [result.verdict for result in report] == ["right"] * 8
