"""``convolens export`` on a small run."""

import json
import sys

import numpy as np
import pytest

import convolens as cl
from convolens.cli import main
from lookalikes import write_csv


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    few = ["--model", "digits_cnn", "--epochs", "1", "--batch-size", "8", "--quiet", "--no-report"]
    assert main(["train", str(write_csv(folder / "rows.csv")), *few, "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_files_of_keras(run, capsys):
    x = np.random.default_rng(0).uniform(size=(2, 8, 8, 1))
    model = cl.saving.load_model(run / "model.keras")
    assert main(["export", str(run), "--to", "keras", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    (written,) = result["files"]
    assert written == str(run / "exports" / "model.keras")
    np.testing.assert_array_equal(cl.saving.load_model(written)(x), model(x))
    assert main(["export", str(run), "--to", "weights", "--out", str(run / "mine.weights.h5")]) == 0
    other = cl.saving.load_model(run / "model.keras")
    other.set_weights([np.zeros_like(w) for w in other.get_weights()])
    other.load_weights(run / "mine.weights.h5")
    np.testing.assert_array_equal(other(x), model(x))


@pytest.mark.parametrize(
    ("form", "package"), [("onnx", "onnx"), ("torch", "safetensors"), ("safetensors", "safetensors")]
)
def test_says_which_package_is_missing(run, form, package, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package if package == "onnx" else "safetensors.numpy", None)
    assert main(["export", str(run), "--to", form]) == 2
    assert f"pip install convolens[{package}]" in capsys.readouterr().err


def test_bad_usage(run, capsys):
    assert main(["export", str(run), "--to", "tensorflow"]) == 2
    assert "'keras', 'weights', 'onnx', 'safetensors', 'torch'" in capsys.readouterr().err
    assert main(["export", str(run / "nowhere"), "--to", "keras"]) == 2
    assert main(["export", str(run), "--to", "keras", "--out", str(run / "model.pb")]) == 2
    assert "end in '.keras'" in capsys.readouterr().err
