"""A task's training: what its folder holds, that it repeats, and that an interruption leaves no trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convolens.runs import Run, find_task, train_task
from convolens.training.callbacks import Callback
from lookalikes import digits_like, write_course_pair, write_csv


def train(tmp_path: Path, out: str, **options: Any) -> Run:
    task = write_csv(tmp_path / "rows.csv")
    settings = {"model": "digits_cnn", "epochs": 4, "batch_size": 8, "validation": 0.25, "verbose": 0}
    return train_task(task, out=tmp_path / out, **{**settings, **options})


class Interrupt(Callback):
    """Ctrl-C in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch
        self.current = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.current = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.current == self.epoch and batch == 2:
            raise KeyboardInterrupt


class WeightsByEpoch(Callback):
    """The network after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[list[np.ndarray]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.weights.append(self.model.get_weights())


@pytest.mark.parametrize("augment", [False, True])
def test_networks_side_by_side_are_kept_as_their_mean(tmp_path: Path, augment: bool) -> None:
    task = write_csv(tmp_path / "rows.csv", side=16, classes=2)
    run = train_task(
        task, out=tmp_path / "run", model="smile_trio", epochs=3, batch_size=8, validation=0.25, augment=augment,
        learning_rate=1e-3, verbose=0,
    )  # fmt: skip
    assert run.model.output_shape == (None, 1)
    assert run.model.name == "smile_trio"
    data = run.dataset()
    predicted = run.model.predict(data.x_test, verbose=0)[:, 0] > 0.5
    assert run.metrics["accuracy"] == (predicted == data.y_test).mean()
    history = run.history
    assert all(0 <= value <= 1 for value in history["val_accuracy"])
    longer = train_task(resume=run.folder, epochs=4, verbose=0).history
    assert longer["epoch"] == [1, 2, 3, 4]
    assert longer["loss"][:3] == history["loss"]


def test_folder_and_figures(tmp_path: Path) -> None:
    run = train(tmp_path, "one", epochs=6)
    assert {path.name for path in run.folder.iterdir()} == {
        "config.json", "model.keras", "history.csv", "metrics.json", "checkpoints",
    }  # fmt: skip
    data = find_task(tmp_path / "rows.csv")
    predicted = run.model.predict(data.x_test, verbose=0).argmax(axis=1)
    assert run.metrics["accuracy"] == (predicted == data.y_test).mean() == 1
    assert run.history["epoch"] == [1, 2, 3, 4, 5, 6]
    scores = sorted(zip(run.history["val_accuracy"], (-loss for loss in run.history["val_loss"]), strict=True))
    kept = run.config["kept"]
    assert (kept["val_accuracy"], -kept["val_loss"]) == scores[-1]
    assert kept["val_loss"] == run.history["val_loss"][kept["epoch"] - 1]
    again = Run.load(run.folder)
    assert again.config == run.config
    assert again.config["state"] == "done"
    assert list(again.config["data"]["files"]) == [str(tmp_path / "rows.csv")]
    assert "--batch-size 8" in again.config["command"]


def test_without_validation_the_last_epoch_is_kept(tmp_path: Path) -> None:
    """Also where an earlier one did better on the training images: that says nothing about other images."""
    seen = WeightsByEpoch()
    run = train(tmp_path, "run", validation=0.0, dropout=0.97, epochs=6, callbacks=[seen])
    accuracies = run.history["accuracy"]
    assert max(accuracies) > accuracies[-1]
    assert run.config["kept"] == {name: values[-1] for name, values in run.history.items()}
    for kept, last in zip(run.model.get_weights(), seen.weights[-1], strict=True):
        np.testing.assert_array_equal(kept, last)
    assert run.metrics["protocol"].startswith("The last epoch was kept;")


def test_dropout_is_an_option_of_the_run(tmp_path: Path) -> None:
    run = train(tmp_path, "run", dropout=0.125, epochs=1)
    assert [layer.rate for layer in run.model.layers if layer.name.startswith("dropout")] == [0.125]
    assert "--dropout 0.125" in run.config["command"]
    assert "--dropout" not in train(tmp_path, "own", epochs=1).config["command"]


def test_same_seed_same_bits_and_another_seed_others(tmp_path: Path) -> None:
    one, two, other = (train(tmp_path, name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert one.history == two.history
    assert one.history != other.history
    for a, b in zip(one.model.get_weights(), two.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("augment", [False, True])
def test_interrupted_and_resumed_is_bit_identical(tmp_path: Path, augment: bool) -> None:
    whole = train(tmp_path, "whole", augment=augment)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, "parts", augment=augment, callbacks=[Interrupt(2)])
    broken = Run.load(tmp_path / "parts")
    assert broken.config["state"] == "interrupted"
    assert broken.config["kept"]["epoch"] <= 2
    assert len(broken.history["loss"]) == 2
    broken.model.predict(np.zeros((1, 8, 8, 1)), verbose=0)  # the best network was kept
    with pytest.raises(KeyboardInterrupt):
        train_task(resume=tmp_path / "parts", verbose=0, callbacks=[Interrupt(3)])
    resumed = train_task(resume=tmp_path / "parts", verbose=0)
    assert resumed.history == whole.history
    assert resumed.metrics == whole.metrics
    assert resumed.config["state"] == "done"
    for a, b in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_interrupted_before_the_first_epoch_ended(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, "early", callbacks=[Interrupt(0)])
    run = Run.load(tmp_path / "early")
    with pytest.raises(FileNotFoundError, match="convolens train --resume"):
        _ = run.model
    assert train_task(resume=run.folder, verbose=0).history == train(tmp_path, "whole").history


def test_resume_refuses_other_data(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, "run", callbacks=[Interrupt(1)])
    write_csv(tmp_path / "rows.csv", count=63)
    with pytest.raises(ValueError, match="the data files are not those that the run was trained on"):
        train_task(resume=tmp_path / "run")


def test_saved_network_has_no_augmentation(tmp_path: Path) -> None:
    run = train(tmp_path, "run", augment=True, epochs=1)
    assert not [layer for layer in run.model.layers if layer.name.startswith("random")]
    assert run.config["options"]["augment"] is True


def test_two_classes_take_the_smile_network_and_more_the_other(tmp_path: Path) -> None:
    write_course_pair(tmp_path / "two", "own", 2)
    pair = [tmp_path / "two" / f"{part}_own.h5" for part in ("train", "test")]
    run = train_task(pair, epochs=2, out=tmp_path / "a", verbose=0)
    assert run.config["options"]["network"] == "happy_model"
    assert run.model.output_shape[-1] == 1
    assert {"accuracy", "auc"} <= set(run.metrics)
    write_course_pair(tmp_path / "six", "own", 6)
    pair = [tmp_path / "six" / f"{part}_own.h5" for part in ("train", "test")]
    run = train_task(pair, epochs=1, out=tmp_path / "b", verbose=0)
    assert run.config["options"]["network"] == "convolutional_model"
    with pytest.raises(ValueError, match=r"happy_model tells two classes apart, but .* has 6"):
        train_task(pair, model="happy_model", out=tmp_path / "c")


def test_predict_converts_any_image_as_the_data_were(tmp_path: Path) -> None:
    run = train(tmp_path, "run", epochs=12)
    data = find_task(tmp_path / "rows.csv")
    i = int(np.flatnonzero(data.y_test == 1)[0])
    small = Image.fromarray(data.raw.x_test[i, ..., 0])
    small.save(tmp_path / "exact.png")
    small.resize((80, 120), Image.Resampling.NEAREST).convert("RGBA").save(tmp_path / "large.png")
    Image.fromarray(255 - data.raw.x_test[i, ..., 0]).resize((64, 64)).save(tmp_path / "ink.png")
    rows = run.predict([tmp_path / name for name in ("exact.png", "large.png", "ink.png")])
    assert [row["label"] for row in rows] == ["1", "1", "1"]
    assert [bool(row["notes"]) for row in rows] == [False, False, True]
    assert "inverted" in rows[2]["notes"][0]
    exact = run.model.predict(data.x_test[i : i + 1], verbose=0)[0]
    np.testing.assert_allclose(list(rows[0]["probabilities"].values()), exact, rtol=1e-5)
    assert rows[0]["probability"] == max(rows[0]["probabilities"].values())
    with pytest.raises(ValueError, match="no image files"):
        run.predict([])


def test_evaluate_repeats_the_metrics(tmp_path: Path) -> None:
    run = train(tmp_path, "run", epochs=2)
    before = run.metrics
    (run.folder / "metrics.json").unlink()
    assert Run.load(run.folder).evaluate().accuracy == before["accuracy"]
    assert run.metrics == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs is 0; expected a whole number of at least 1"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; expected a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"dropout": 1.0}, "dropout is 1.0; expected a share from 0 to below 1"),
        ({"dropout": 0.5, "model": "lenet5"}, "lenet5 has no dropout"),
        ({"validation": 1.0}, "validation is 1.0; expected a share from 0 to below 1"),
        ({"seed": -1}, "a seed is an integer of at least 0; got -1"),
        ({"model": "vgg"}, "network is 'vgg'; expected one of lenet5"),
        ({"optimizer": "adamm"}, "unknown optimizer 'adamm'. Did you mean 'adam'"),
    ],
)
def test_wrong_option(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        train(tmp_path, "run", **options)
    assert not (tmp_path / "run").exists()


def test_folder_in_use_and_folders_that_are_no_run(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="the folder is not empty"):
        train(tmp_path, "full")
    with pytest.raises(FileNotFoundError, match=r"no run: it has no config\.json"):
        Run.load(tmp_path / "full")
    with pytest.raises(FileNotFoundError, match="no such run folder"):
        Run.load(tmp_path / "none")
    (tmp_path / "full" / "config.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        Run.load(tmp_path / "full")
    (tmp_path / "full" / "config.json").write_text(json.dumps({"task": []}))
    with pytest.raises(ValueError, match="lacks options, data"):
        Run.load(tmp_path / "full")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nan_loss_ends_the_run_and_says_where(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="epoch"):
        train(tmp_path, "run", optimizer="sgd", learning_rate=1e30)
    assert not (tmp_path / "run").exists()  # no epoch was done


@pytest.mark.slow
def test_digits_reach_98_5_percent_in_the_mean_of_five_seeds(tmp_path: Path) -> None:
    accuracies = [
        train_task("digits", seed=seed, out=tmp_path / str(seed), verbose=0).metrics["accuracy"] for seed in range(5)
    ]
    assert min(accuracies) >= 0.975
    assert np.mean(accuracies) >= 0.985


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("drawn_smiles", 0.87), ("drawn_signs", 0.87)])
def test_drawn_sets_can_be_learnt(tmp_path: Path, name: str, least: float) -> None:
    assert train_task(name, out=tmp_path / "run", verbose=0).metrics["accuracy"] >= least


def test_leaked_test_images_are_found_and_left_out(tmp_path: Path) -> None:
    x, y = digits_like(60, side=8)
    np.savetxt(tmp_path / "train.csv", np.column_stack([y[:48], x[:48].reshape(48, -1)]), "%d", ",")
    np.savetxt(tmp_path / "test.csv", np.column_stack([y[45:], x[45:].reshape(15, -1)]), "%d", ",")
    run = train_task(
        [tmp_path / "train.csv", tmp_path / "test.csv"],
        model="digits_cnn", epochs=2, validation=0.0, out=tmp_path / "run", verbose=0,
    )  # fmt: skip
    metrics = run.metrics
    assert metrics["leaked_test_images"] == [0, 1, 2]
    predicted = run.model.predict(x[48:, ..., None] / np.float32(255), verbose=0).argmax(axis=1)
    assert metrics["without_leaked"]["accuracy"] == pytest.approx((predicted == y[48:]).mean())
    assert metrics["without_leaked"]["count"] == 12
    assert metrics["protocol"].startswith("The last epoch was kept; the test images took no part")
    assert "without_leaked" not in train(tmp_path, "other", epochs=1).metrics


def test_pixels_from_0_to_16_are_not_all_near_duplicates(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    np.savetxt(tmp_path / "dark.csv", np.column_stack([y, rng.integers(0, 17, (60, 64))]), "%d", ",")
    run = train_task(tmp_path / "dark.csv", model="digits_cnn", epochs=1, out=tmp_path / "run", verbose=0)
    assert "val_loss" in run.history
    assert run.metrics["leaked_test_images"] == []


def test_a_resumed_run_keeps_its_options_and_its_record(tmp_path: Path) -> None:
    run = train(tmp_path, "run")
    config = (run.folder / "config.json").read_bytes()
    for change, message in (
        ({"learning_rate": 0.5}, r"keeps its learning_rate \(.*\); got 0\.5"),
        ({"optimizer": "sgd"}, "keeps its optimizer"),
        ({"dropout": 0.9}, "keeps its dropout"),
        ({"epochs": 3}, "has 4 epochs already; expected more than that, got 3"),
    ):
        with pytest.raises(ValueError, match=message):
            train_task(resume=run.folder, verbose=0, **change)
    assert (run.folder / "config.json").read_bytes() == config
    longer = train_task(resume=run.folder, verbose=0, epochs=5)
    assert longer.history["epoch"] == [1, 2, 3, 4, 5]
    assert (run.folder / "history.csv").read_text().splitlines()[1].startswith("1,")


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("checkpoints/training_metadata.json", "has 4 epochs but no checkpoint to go on from"),
        ("history.csv", "history.csv: no such file"),
        ("model.keras", "model.keras: no such file, and only the end of an epoch writes it"),
    ],
)
def test_a_run_that_lacks_a_part_is_not_overwritten(tmp_path: Path, gone: str, message: str) -> None:
    run = train(tmp_path, "run")
    (run.folder / gone).unlink()
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    with pytest.raises(FileNotFoundError, match=message):
        train_task(resume=run.folder, verbose=0, epochs=6)
    assert {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("damage", ["junk{\n1\n", "epoch,loss\n1,0.5\n2\n", "epoch,loss\n1,0.5\n3,0.4\n"])
def test_a_damaged_history_is_named(tmp_path: Path, damage: str) -> None:
    run = train(tmp_path, "run", epochs=1)
    (run.folder / "history.csv").write_text(damage)
    with pytest.raises(ValueError, match=r"history\.csv: damaged"):
        _ = run.history


def test_data_that_changed_are_not_split_anew(tmp_path: Path) -> None:
    run = train(tmp_path, "run", epochs=1)
    metrics = (run.folder / "metrics.json").read_bytes()
    (tmp_path / "moved").mkdir()
    (tmp_path / "rows.csv").rename(tmp_path / "moved" / "rows.csv")
    with pytest.raises(FileNotFoundError, match=r"the run.s data are not there\. Name their place with --data"):
        Run.load(run.folder).evaluate()
    Run.load(run.folder).evaluate(tmp_path / "moved")
    assert (run.folder / "metrics.json").read_bytes() == metrics
    write_csv(tmp_path / "rows.csv", count=63)
    with pytest.raises(ValueError, match="not those that the run was trained on"):
        Run.load(run.folder).evaluate()
    assert (run.folder / "metrics.json").read_bytes() == metrics


def test_an_end_between_a_first_epochs_row_and_its_network_begins_again(tmp_path: Path) -> None:
    run = train(tmp_path, "run", epochs=1)
    (run.folder / "model.keras").unlink()
    for part in (run.folder / "checkpoints").iterdir():
        part.unlink()
    assert train_task(resume=run.folder, verbose=0, epochs=4).history == train(tmp_path, "whole").history


def test_a_csv_file_is_not_looked_for_in_the_folder_of_named_sets(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, "run", data_dir=tmp_path, callbacks=[Interrupt(1)])
    (tmp_path / "elsewhere").mkdir()
    assert train_task(resume=tmp_path / "run", verbose=0).config["state"] == "done"
    assert Run.load(tmp_path / "run").dataset(tmp_path / "elsewhere").name == "rows.csv"
