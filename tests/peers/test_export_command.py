"""``convolens export`` with the packages installed: every file can be used."""

import json
from pathlib import Path

import numpy as np
import pytest

import convolens as cl
from convolens.cli import main
from lookalikes import write_csv

runtime = pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")


def test_every_form(keras, tmp_path, capsys):
    few = ["--model", "digits_cnn", "--epochs", "1", "--batch-size", "8", "--quiet", "--no-report"]
    run = tmp_path / "run"
    assert main(["train", str(write_csv(tmp_path / "rows.csv")), *few, "--out", str(run)]) == 0
    capsys.readouterr()
    x = np.random.default_rng(0).uniform(size=(2, 8, 8, 1)).astype("float32")
    expected = cl.saving.load_model(run / "model.keras").predict(x, verbose=0)
    files = {}
    for form in ("keras", "weights", "onnx", "safetensors", "torch"):
        assert main(["export", str(run), "--to", form, "--json"]) == 0
        files[form] = json.loads(capsys.readouterr().out)["files"]

    def same(y):
        np.testing.assert_allclose(y, expected, rtol=2e-5, atol=1e-6)

    theirs = keras.saving.load_model(files["keras"][0])
    same(theirs.predict(x, verbose=0))
    theirs.load_weights(files["weights"][0])
    same(theirs.predict(x, verbose=0))
    session = runtime.InferenceSession(files["onnx"][0])
    same(session.run(None, {session.get_inputs()[0].name: x})[0])
    weights, source = files["torch"]
    scope = {}
    exec(Path(source).read_text(), scope)
    scope["model"].load_state_dict(safetensors.load_file(weights))
    with torch.no_grad():
        same(scope["model"].eval()(torch.from_numpy(x).permute(0, 3, 1, 2)).numpy())
    assert "conv2d/kernel" in safetensors.load_file(files["safetensors"][0])
