"""``convolens check``: exit codes, JSON, pages, marks and templates."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from convolens.cli import main

RIGHT = Path(__file__).with_name("right")
MASK = "import numpy as np\n\ndef create_mask_from_window(x):\n    return x == np.max(x)\n"
WRONG = MASK.replace("max(x)", "min(x)")


@pytest.fixture
def work(tmp_path):
    path = tmp_path / "work.py"
    path.write_text(WRONG)
    return path


def test_exit_codes(tmp_path, work, capsys):
    assert main(["check", str(RIGHT / "two_small_ones.py")]) == 0
    assert main(["check", str(work)]) == 1
    for name, text in (("empty.py", ""), ("data.py", "x = 1\n"), ("broken.ipynb", "{}")):
        (tmp_path / name).write_text(text)
        assert main(["check", str(tmp_path / name)]) == 2
    (tmp_path / "image.py").write_bytes(b"\x89PNG\xff\xfe")
    assert main(["check", str(tmp_path / "image.py")]) == 2
    assert main(["check", str(tmp_path / "none.py")]) == 2
    assert main(["check"]) == 2
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    assert "not a text file" in errors


def test_what_a_person_reads(work, capsys):
    assert main(["check", str(work)]) == 1
    out = capsys.readouterr().out
    assert "create_mask_from_window: wrong" in out
    assert "diagnosis  minimum instead of maximum" in out
    assert "--reveal shows the answers" in out
    assert "np.max" not in out
    main(["check", str(work), "--reveal"])
    assert "np.max" in capsys.readouterr().out


def test_json_is_a_list_of_records(work, capsys):
    assert main(["check", str(work), "--json"]) == 1
    records = json.loads(capsys.readouterr().out)
    found = next(record for record in records if record["verdict"] == "wrong")
    assert {"function", "verdict", "index", "expected", "actual", "diagnosis"} <= found.keys()
    assert (found["function"], found["index"], found["expected"], found["actual"]) == (
        "create_mask_from_window", [0, 0], False, True,
    )  # fmt: skip


def test_a_class_is_graded(tmp_path, capsys):
    for learner, text in (
        ("ada", MASK),
        ("bob", WRONG),
        ("cyd", "def zero_pad(X, pad):\n    return X[\n"),
        ("dan", ""),
    ):
        (tmp_path / learner).mkdir()
        (tmp_path / learner / "work.py").write_text(text)
    assert (
        main(["check", str(tmp_path), "--csv", str(tmp_path / "marks.csv"), "--html", str(tmp_path / "all.html")]) == 1
    )
    with open(tmp_path / "marks.csv") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["ada/work.py", "bob/work.py", "cyd/work.py", "dan/work.py"]
    assert (rows["ada/work.py"]["right"], rows["ada/work.py"]["of"]) == ("1", "8")
    assert rows["bob/work.py"]["diagnoses"] == "create_mask_from_window: minimum instead of maximum"
    assert rows["cyd/work.py"]["zero_pad"] == "wrong"
    assert "defines none" in rows["dan/work.py"]["diagnoses"]
    assert (tmp_path / "all.html").read_text().count("<h1>") == 3


def test_a_template_is_written_once(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--template", "layer_by_layer"]) == 0
    stubs = (tmp_path / "layer_by_layer.py").read_text()
    assert stubs.count("raise NotImplementedError") == 4
    assert main(["check", "layer_by_layer.py"]) == 1
    assert main(["check", "--template", "layer_by_layer"]) == 2
    assert main(["check", "--template", "another"]) == 2
    assert (tmp_path / "layer_by_layer.py").read_text() == stubs
