"""Each example runs from its command line, in small settings, and learns something."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convolens as cl
import lookalikes

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_is_short_and_has_a_test() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {"step_by_step_network", "happy_house", "signs", "lenet5", "mnist_from_scratch"}
    for name in names:
        assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) < 80


def test_step_by_step_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert example("step_by_step_network").main(["--images", "256", "--epochs", "3"]) > 0.6
    said = capsys.readouterr().out
    for layer in ("conv", "pool"):
        assert float(said.split(f"gradient of {layer}: ")[1].split()[0]) < 1e-6


def test_step_by_step_functions_are_right() -> None:
    functions = vars(example("step_by_step_network"))
    report = cl.check({name: functions[name] for name in ("conv_forward", "conv_backward")})
    assert (report.count("right"), report.count("wrong")) == (2, 0)


@pytest.mark.slow
def test_happy_house(capsys: pytest.CaptureFixture[str]) -> None:
    accuracy = example("happy_house").main(["--images", "48", "--epochs", "1"])
    said = capsys.readouterr().out
    assert "Dataset('drawn_smiles'" in said
    assert f"Test accuracy {accuracy:.1%}" in said
    assert "true_probability" in said


def test_happy_house_on_files(tmp_path: Path) -> None:
    lookalikes.write_course_pair(tmp_path / "happy", "happy", 2)
    with pytest.warns(UserWarning, match="checksum"):
        example("happy_house").main(["--data", str(tmp_path), "--epochs", "1"])
    with pytest.raises(FileNotFoundError, match=r"train_smiles\.h5"):
        example("happy_house").main(["--data", str(tmp_path), "--set", "smiles"])


@pytest.mark.slow
def test_signs(capsys: pytest.CaptureFixture[str]) -> None:
    assert example("signs").main(["--epochs", "20"]) > 2 / 6
    assert "Total params: 1,310" in capsys.readouterr().out


def test_signs_on_files_says_what_is_leaked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = lookalikes.digits_like(72, side=64)
    x, y = np.repeat(x[..., None], 3, axis=3), y % 6
    lookalikes.write_h5(tmp_path / "signs" / "train_signs.h5", "train", x[:60], y[:60], np.arange(6))
    lookalikes.write_h5(tmp_path / "signs" / "test_signs.h5", "test", x[57:], y[57:], np.arange(6))
    with pytest.warns(UserWarning, match="checksum"):
        example("signs").main(["--data", str(tmp_path), "--epochs", "1"])
    assert "3 test images are training images too; without them" in capsys.readouterr().out


def test_lenet5(capsys: pytest.CaptureFixture[str]) -> None:
    assert example("lenet5").main(["--images", "320", "--epochs", "3"]) > 0.7
    assert "with native" in capsys.readouterr().out


def test_mnist_from_scratch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert example("mnist_from_scratch").main(["--epochs", "2", "--out", str(tmp_path)]) > 0.7
    assert "What is taken for what" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"digits.csv", "confusion_matrix.png", "misclassified.png"}


def test_mnist_from_scratch_on_files(tmp_path: Path) -> None:
    lookalikes.write_idx(tmp_path / "mnist", train=60)
    with pytest.warns(UserWarning, match="checksum"):
        example("mnist_from_scratch").main(["--data", str(tmp_path), "--epochs", "1", "--out", str(tmp_path)])
    example("mnist_from_scratch").main(["--csv", str(tmp_path / "digits.csv"), "--epochs", "1", "--out", str(tmp_path)])
