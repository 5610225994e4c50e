"""The commands on look-alike files: what they print, write and return."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convolens import cli
from convolens.cli import COMMANDS, main
from lookalikes import write_course_pair, write_csv, write_idx


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_csv(tmp_path / "rows.csv")


FEW = ["--model", "digits_cnn", "--epochs", "3", "--batch-size", "8", "--no-report"]


def test_train_evaluate_predict(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(rows), *FEW, "--out", "run"]) == 0
    shown = capsys.readouterr()
    assert "48 training and 12 test images of 8x8x1, 3 classes" in shown.out
    assert "Epoch 3/3" in shown.out
    assert "precision" in shown.out
    assert "Run: run" in shown.out
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert f"Accuracy {metrics['accuracy']:.2%} on 12 test images" in shown.out
    assert main(["evaluate", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == metrics["accuracy"]
    Image.new("L", (50, 40), 0).save("black.png")
    Image.new("RGB", (8, 8), "white").save("white.png")
    assert main(["predict", "run", "black.png", "white.png", "--json"]) == 0
    shown = capsys.readouterr()
    first, second = json.loads(shown.out)
    assert first["label"] in "012"
    assert second["probabilities"] == pytest.approx(first["probabilities"])  # white was inverted to black, and said so
    assert "white.png: inverted" in shown.err


def test_json_has_one_value_on_standard_output(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(rows), *FEW, "--json"]) == 0
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    assert Path(result["run"]).parent == Path("runs")
    assert 0 <= result["accuracy"] <= 1
    assert "Epoch 3/3" in shown.err


def test_quiet_gives_the_result_only(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(rows), *FEW, "--quiet"]) == 0
    shown = capsys.readouterr()
    assert "Epoch" not in shown.out + shown.err
    assert "Accuracy" in shown.out
    assert main(["--quiet", "train", str(rows), *FEW, "--json"]) == 0
    shown = capsys.readouterr()
    json.loads(shown.out)
    assert shown.err == ""


def test_signs_stand_in_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_course_pair(tmp_path / "signs", "signs", 6, jpeg=True)
    monkeypatch.setenv("CONVOLENS_DATA", str(tmp_path))
    assert main(["train", "signs", "--epochs", "1", "--out", str(tmp_path / "run")]) == 0
    shown = capsys.readouterr().err
    assert shown.count("train_signs_jpeg.h5 stands in for train_signs.h5") == 1
    assert "checksum is not the published one" in shown
    notes = json.loads((tmp_path / "run" / "config.json").read_text())["data"]["notes"]
    assert any("stands in" in note for note in notes)


def test_mnist_from_look_alikes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_idx(tmp_path / "mnist")
    command = ["train", "mnist", "--data", str(tmp_path), "--epochs", "1", "--batch-size", "20"]
    assert main([*command, "--out", str(tmp_path / "run"), "--validation", "0"]) == 0
    assert "40 training and 20 test images of 28x28x1, 10 classes" in capsys.readouterr().out


def test_data_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_idx(tmp_path / "mnist")
    assert main(["data", "list", "--data", str(tmp_path), "--json"]) == 0
    where = {row["name"]: row["where"] for row in json.loads(capsys.readouterr().out)}
    assert where["digits"] == "built in"
    assert where["mnist"] == str(tmp_path / "mnist")
    assert where["happy"] == "missing"
    assert where["fashion_mnist"] == "to be fetched"
    assert main(["data", "fetch", "mnist", "--data", str(tmp_path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["files"]) == 4
    assert main(["data", "describe", "digits", "--samples", str(tmp_path / "grid.png")]) == 0
    assert "Images per class" in capsys.readouterr().out
    assert np.asarray(Image.open(tmp_path / "grid.png")).shape == (89, 89)
    assert main(["data", "describe", "digits", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["counts"]["train"]["0"] == 134
    assert described["leaked_test_images"] == []


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["train", "digitz"], "Did you mean 'digits'"),
        (["train"], "no TASK"),
        (["train", "digits", "--epochs", "0"], "epochs is 0"),
        (["train", "digits", "--epochs", "many"], "--epochs"),
        (["train", "digits", "--model", "vgg"], "network is 'vgg'"),
        (["train", "digits", "--kernels", "fast"], "kernels are one of reference, vectorized, compiled; got 'fast'"),
        (["train", "digits", "--engine", "abacus"], "abacus"),
        (["train", "digits", "--color", "red"], "--color"),
        (["train", "nothing.csv"], "nothing.csv: no such file"),
        (["train", "happy"], "train_happy.h5 (sha256 65cbc8a1"),
        (["train", "digits", "extra"], "no task"),
        (["train", "--resume", "none"], "none: no such run folder"),
        (["evaluate", "none"], "none: no such run folder"),
        (["predict", "none", "a.png"], "none: no such run folder"),
        (["predict", "none"], "IMAGE"),
        (["data", "describe", "digits", "--threshold", "0"], "threshold is 0"),
        (["data", "fetch", "digitz"], "Did you mean"),
        (["fly"], "fly"),
        (["train", "./nowhere"], "nowhere is no file or folder here"),
        (["train", "digits", "--against", "none"], "none: no such run folder"),
        (
            ["data", "describe", "digits", "--samples", "grid.html"],
            "grid.html: expected the name of an image",
        ),
        (["worksheet", "conv", "--out", "marks.csv"], "expected a name that ends in .html"),
        (["bench", "--profile", "lenet5", "--growth"], "choose one"),
        (["certify", "none", "--budget", "nan"], "--budget nan"),
        (["certify", "none", "--budget", "-5"], "--budget -5"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    command: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("Error: ")
    assert message in shown.err
    assert not list(tmp_path.iterdir())


def test_damaged_image_and_run(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(rows), *FEW, "--out", "run", "--quiet"]) == 0
    Path("note.png").write_text("not an image")
    capsys.readouterr()
    assert main(["predict", "run", "note.png"]) == 2
    assert "note.png: cannot be read as an image" in capsys.readouterr().err
    model = Path("run/model.keras")
    model.write_bytes(model.read_bytes()[:500])
    assert main(["evaluate", "run"]) == 2
    shown = capsys.readouterr().err
    assert "model.keras" in shown
    assert shown.count("\n") == 1


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "none", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_diverging_training_is_exit_code_1(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(rows), *FEW, "--optimizer", "sgd", "--learning-rate", "1e30"]) == 1
    assert "epoch" in capsys.readouterr().err


def test_interrupt_is_exit_code_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("convolens.runs.train_task", interrupt)
    assert main(["train", "digits"]) == 130
    assert capsys.readouterr().err == "Error: stopped.\n"


@pytest.mark.slow
def test_ctrl_c_keeps_the_best_network_and_resumes(rows: Path) -> None:
    # A job of the shell's background has SIGINT ignored, and so have the processes that it starts.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{heeding}; import sys; from convolens.cli import main; sys.exit(main())"]
    arguments = ["train", str(rows), *FEW[:2], "--epochs", "100000", "--batch-size", "8", "--out", "run"]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 120
    while not Path("run/metrics.json").exists() and time.time() < deadline:
        if Path("run/history.csv").exists() and len(Path("run/history.csv").read_text().splitlines()) > 3:
            break
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "Go on with: convolens train --resume run" in out
    assert Path("run/model.keras").is_file()
    done = len(Path("run/history.csv").read_text().splitlines()) - 1
    again = ["train", "--resume", "run", "--epochs", str(done + 2), "--quiet"]
    subprocess.run([*command, *again], check=True, capture_output=True, timeout=120)
    assert len(Path("run/history.csv").read_text().splitlines()) == done + 3


def test_help_lists_the_commands_that_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    folder = Path(cli.__file__).parent
    for name in COMMANDS:
        there = (folder / f"{name}.py").is_file()
        assert (f"│ {name} " in shown) == there
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("convolens ")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from convolens.cli import main; main(['--help']); print('numpy' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "False"


def test_train_leaves_a_report_pictures_and_every_number(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = [word for word in FEW if word != "--no-report"]
    assert main(["train", str(rows), *few, "--out", "run"]) == 0
    shown = capsys.readouterr().out
    assert "Report: run/report.html" in shown
    assert "run/explain.html" in shown
    for name in ("report.html", "explain.html"):
        assert Path("run", name).read_text("utf-8").lower().startswith("<!doctype html>")
    assert Path("run/images/curves.png").is_file()


def test_a_missing_topic_and_a_missing_command_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worksheet"]) == 2
    assert "Error: no topic: one of conv, pool" in capsys.readouterr().err
    assert main(["data"]) == 2
    assert "Error: no command: choose one of those above." in capsys.readouterr().err


@pytest.mark.skipif(find_spec("keras") is not None, reason="Keras is installed")
def test_an_engine_that_is_not_installed_leaves_no_folder(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(rows), *FEW, "--engine", "keras", "--out", "run"]) == 2
    assert "pip install convolens[keras]" in capsys.readouterr().err
    assert not Path("run").exists()


def test_results_are_not_measured_for_a_folder_that_is_a_file(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--quick", "--out", str(rows)]) == 2
    assert "rows.csv: is a file; expected a folder" in capsys.readouterr().err


def test_a_diverging_run_names_a_layer_that_its_network_has(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--model", "digits_cnn", "--epochs", "3", "--batch-size", "8", "--no-report", "--augment"]
    assert main(["train", str(rows), *few, "--learning-rate", "1e30", "--out", "run"]) == 1
    shown = capsys.readouterr().err
    assert "layer 'conv2d" in shown or "layer 'dense" in shown
    assert "_2'" not in shown
    assert "_3'" not in shown
    assert not Path("run").exists()  # no epoch was done, so the mended command may have the folder
    assert main(["train", str(rows), *few, "--out", "run", "--quiet"]) == 0
