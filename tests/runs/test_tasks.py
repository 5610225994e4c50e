"""What ``train`` and ``data describe`` take for a task."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from convolens.runs import find_task
from lookalikes import write_course_pair, write_csv


def test_every_kind_of_task(tmp_path: Path) -> None:
    assert find_task("digits").name == "digits"
    rows = write_csv(tmp_path / "rows.csv")
    assert len(find_task(rows).x_test) == 12
    assert len(find_task([rows, rows]).x_test) == 60
    write_course_pair(tmp_path, "own", 2)
    assert find_task([tmp_path / "train_own.h5", tmp_path / "test_own.h5"]).image_shape == (64, 64, 3)
    for name in ("cats", "dogs"):
        (tmp_path / "animals" / name).mkdir(parents=True)
        for i in range(5):
            Image.new("RGB", (9, 9), (i, i, i)).save(tmp_path / "animals" / name / f"{i}.png")
    assert find_task(str(tmp_path / "animals")).class_names == ["cats", "dogs"]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("digitz", "Did you mean 'digits'"),
        ("set.zip", "no task. Expected a data set"),
        (["a.csv", "b.csv", "c.csv"], "no task. Expected"),
        ("a.h5", "one .h5 file; expected two"),
    ],
)
def test_no_task(task: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        find_task(task)
