"""``convolens explain``: the page of a test image and of an image file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from convolens.cli import main
from lookalikes import write_csv


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    rows = write_csv(folder / "rows.csv")
    settings = ["--model", "digits_cnn", "--epochs", "1", "--batch-size", "8", "--no-report", "--quiet"]
    assert main(["train", str(rows), *settings, "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_a_test_image(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(run), "--index", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert Path(result["path"]) == run / "explain.html"
    assert (run / "explain.html").stat().st_size == result["bytes"]
    assert result["loss"] > 0
    assert result["label"] in "012"


def test_an_image_file(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (30, 20), 0).save(tmp_path / "black.png")
    page = str(tmp_path / "page.html")
    assert main(["explain", str(run), "--image", str(tmp_path / "black.png"), "--out", page, "--json"]) == 0
    shown = capsys.readouterr()
    assert f"the network's own answer, {json.loads(shown.out)['label']}" in shown.err
    arguments = ["explain", str(run), "--image", str(tmp_path / "black.png"), "--label", "1", "--out", page, "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["label"] == "1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--index", "500"], "there are 12 test images, 0 to 11"),
        (["--label", "1"], "--label goes with --image"),
        (["--index", "1", "--image", "black.png"], "expected one of them"),
        (["--image", "missing.png"], "missing.png"),
    ],
)
def test_bad_input_is_one_line(run: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(run), *options]) == 2
    assert message in capsys.readouterr().err
