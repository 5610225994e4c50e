import csv
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest

from convolens.optimizers import SGD
from convolens.training import callbacks as C
from convolens.training.trainer import Progress
from convolens.variable import Variable


class FakeModel(SimpleNamespace):
    """As much of a model as callbacks see: one weight, an optimiser, and files that hold the weight."""

    def __init__(self):
        super().__init__(stop_training=False, optimizer=SGD(1.0), progress=Progress(seed=7), saved=[])
        self.w = Variable(np.zeros(1), "w")
        self.trainable_weights = [self.w]

    def get_weights(self):
        return [self.w.numpy()]

    def set_weights(self, weights):
        self.w.assign(weights[0])

    def save_weights(self, path, overwrite=True):
        with open(path, "w") as file:
            json.dump(self.w.value.tolist(), file)
        self.saved.append(str(path))

    save = save_weights

    def load_weights(self, path):
        with open(path) as file:
            try:
                self.w.assign(json.load(file))
            except ValueError as error:
                raise OSError("not readable") from error


def run(callbacks, logs, model=None, epochs=None, batches=1):
    """Play a run of fit: one dictionary of logs per epoch; the weight counts the epochs done."""
    model = model or FakeModel()
    watchers = C.CallbackList(callbacks, add_history=True, model=model, epochs=epochs or len(logs), steps=batches)
    watchers.on_train_begin()
    for epoch in range(model.progress.epoch, len(logs)):
        watchers.on_epoch_begin(epoch)
        for batch in range(model.progress.batch, batches):
            model.w.value += 1
            model.progress.batch += 1
            model.progress.step += 1
            watchers.on_train_batch_end(batch, dict(logs[epoch]))
        model.progress.batch, model.progress.epoch = 0, epoch + 1
        watchers.on_epoch_end(epoch, dict(logs[epoch]))
        if model.stop_training:
            break
    watchers.on_train_end()
    return model, watchers.history


def losses(*values):
    return [{"val_loss": value} for value in values]


def test_only_overridden_hooks_are_called_and_in_order():
    calls = []

    class Mine(C.Callback):
        def on_batch_end(self, batch, logs=None):
            calls.append(("old name", batch))

    other = C.LambdaCallback(on_epoch_end=lambda epoch, logs: calls.append(("lambda", logs.get("added"))))
    adds = C.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(added=3))
    _, history = run([Mine(), [adds, other]], losses(1.0))
    assert calls == [("old name", 0), ("lambda", 3)]
    assert history.history == {"val_loss": [1.0], "added": [3]}
    assert history.epoch == [0]
    assert not C.CallbackList([C.EarlyStopping()], add_history=True).watches_batches
    assert C.CallbackList([Mine()]).watches_batches


def test_a_list_refuses_what_is_no_callback():
    with pytest.raises(ValueError, match=r"cl\.callbacks\.Callback"):
        C.CallbackList([print])
    with pytest.raises(AttributeError):
        C.CallbackList().on_tuesday()
    with pytest.raises(ValueError, match="on_tuesday"):
        C.LambdaCallback(on_tuesday=print)


def test_early_stopping_waits_and_restores_the_best_weights(capsys):
    stopping = C.EarlyStopping(patience=2, restore_best_weights=True, verbose=1)
    model, history = run([stopping], losses(1.0, 0.5, 0.6, 0.7, 0.1))
    assert history.history["val_loss"] == [1.0, 0.5, 0.6, 0.7]
    assert (stopping.stopped_epoch, stopping.best_epoch, stopping.best) == (3, 1, 0.5)
    assert model.w.value[0] == 2
    assert "Epoch 4" in (out := capsys.readouterr().out)
    assert "best epoch, 2" in out


@pytest.mark.parametrize(
    ("options", "values", "ran"),
    [
        ({}, [1.0, 1.0, 0.0], 2),
        ({"min_delta": 0.1}, [1.0, 0.95, 0.0], 2),
        ({"min_delta": 0.1}, [1.0, 0.85, 0.0], 3),
        ({"start_from_epoch": 2}, [1.0, 2.0, 3.0, 4.0, 5.0], 4),
        ({"baseline": 0.5, "patience": 2}, [0.9, 0.8, 0.7, 0.9, 0.1], 4),
        ({"mode": "max"}, [1.0, 2.0, 1.5, 0.0], 3),
        ({"patience": 1}, [float("nan"), float("nan"), 0.5], 2),
        ({"patience": 2}, [float("nan"), 0.5, 0.4, 0.3], 4),
    ],
)
def test_early_stopping_options(options, values, ran):
    _, history = run([C.EarlyStopping(**options)], losses(*values))
    assert len(history.epoch) == ran


def test_the_direction_is_told_by_the_name():
    _, history = run([C.EarlyStopping("val_accuracy")], [{"val_accuracy": v} for v in (0.5, 0.6, 0.4, 0.9)])
    assert len(history.epoch) == 3
    _, history = run([C.EarlyStopping("mean_squared_error")], [{"mean_squared_error": v} for v in (2, 1, 3, 0)])
    assert len(history.epoch) == 3
    with pytest.raises(ValueError, match="mode='max' or mode='min'"):
        C.EarlyStopping("happiness")
    with pytest.raises(ValueError, match="'sideways'"):
        C.EarlyStopping(mode="sideways")
    with pytest.warns(UserWarning, match="no 'val_loss' here"):
        run([C.EarlyStopping()], [{"loss": 1.0}])


def test_the_learning_rate_falls_on_a_plateau(capsys):
    reduce = C.ReduceLROnPlateau(factor=0.5, patience=2, cooldown=1, min_lr=0.3, verbose=1)
    _, history = run([reduce], losses(1, 1, 1, 1, 1, 1, 1, 1))
    # waits 2 epochs, halves, cools down for one, waits 2 again and stops at min_lr
    assert history.history["learning_rate"] == pytest.approx([1, 1, 1, 0.5, 0.5, 0.3, 0.3, 0.3])
    assert "Epoch 3: val_loss is on a plateau, learning rate 0.5." in capsys.readouterr().out
    with pytest.raises(ValueError, match="below 1"):
        C.ReduceLROnPlateau(factor=1.0)


def test_the_learning_rate_follows_a_function():
    _, history = run([C.LearningRateScheduler(lambda epoch, rate: rate / 2)], losses(1, 1, 1))
    assert history.history["learning_rate"] == [0.5, 0.25, 0.125]
    _, history = run([C.LearningRateScheduler(lambda epoch: 1 / 2**epoch)], losses(1, 1))
    assert history.history["learning_rate"] == [1.0, 0.5]
    with pytest.raises(ValueError, match="gives a number; got 'fast'"):
        run([C.LearningRateScheduler(lambda epoch: "fast")], losses(1))


def test_nan_ends_training(capsys):
    model, history = run([C.TerminateOnNaN()], [{"loss": 1.0}, {"loss": float("nan")}, {"loss": 1.0}])
    assert model.stop_training
    assert len(history.epoch) == 2
    assert "became nan" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="became inf in batch 1"):
        run([C.TerminateOnNaN(raise_error=True)], [{"loss": float("inf")}])


def test_csv_rows_and_appending(tmp_path):
    path = tmp_path / "log.csv"
    run([C.CSVLogger(path)], [{"loss": 1.0, "accuracy": 0.5}, {"loss": 0.5, "accuracy": 0.6, "val_loss": 0.7}])
    run([C.CSVLogger(str(path), append=True)], [{"loss": 0.25, "learning_rate": 0.1}])
    rows = list(csv.reader(path.read_text().splitlines()))
    assert rows == [
        ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"],
        ["0", "0.5", "1.0", "NA", "NA"],
        ["1", "0.6", "0.5", "NA", "0.7"],
        ["0", "NA", "0.25", "NA", "NA"],
    ]
    run([C.CSVLogger(path, separator=";")], [{"loss": 1.0}])
    assert path.read_text().splitlines() == ["epoch;loss;val_loss", "0;1.0;NA"]


def test_checkpoints_of_the_best_epoch_only(tmp_path, capsys):
    best = C.ModelCheckpoint(tmp_path / "new" / "best.keras", save_best_only=True, verbose=1)
    model, _ = run([best], losses(1.0, 0.5, 0.8, 0.2))
    assert len(model.saved) == 3
    assert json.loads((tmp_path / "new" / "best.keras").read_text()) == [4.0]
    assert "Epoch 2: saved" in capsys.readouterr().out
    worse = C.ModelCheckpoint(tmp_path / "b.keras", save_best_only=True, initial_value_threshold=0.1)
    assert run([worse], losses(1.0, 0.5))[0].saved == []


def test_checkpoint_names_and_frequencies(tmp_path):
    named = C.ModelCheckpoint(str(tmp_path / "{epoch:02d}-{val_loss:.2f}.weights.h5"), save_weights_only=True)
    model, _ = run([named], losses(1.0, 0.5))
    assert model.saved == [str(tmp_path / "01-1.00.weights.h5"), str(tmp_path / "02-0.50.weights.h5")]
    by_batch = C.ModelCheckpoint(str(tmp_path / "{epoch}-{batch}.keras"), save_freq=3)
    model, _ = run([by_batch], losses(1.0, 0.5), batches=4)
    assert [path.rsplit("/", 1)[1] for path in model.saved] == ["1-3.keras", "2-2.keras"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: C.ModelCheckpoint("a.h5"), r"end in '\.keras'"),
        (lambda: C.ModelCheckpoint("a.keras", save_weights_only=True), r"end in '\.weights\.h5'"),
        (lambda: C.ModelCheckpoint("a.keras", save_freq="batch"), "save_freq"),
        (lambda: C.BackupAndRestore("", "epoch"), "backup_dir is empty"),
        (lambda: C.BackupAndRestore("b", save_freq=0), "save_freq"),
        (lambda: C.Recorder(np.zeros(1), every=0), "every"),
        (lambda: run([C.ModelCheckpoint("{wrong}.keras")], losses(1.0)), "'{wrong}.keras' names 'wrong'"),
    ],
)
def test_bad_arguments_get_one_clear_line(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class Interrupt(C.Callback):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if self.model.progress.step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("save_freq", ["epoch", 2, 3])
@pytest.mark.parametrize("double", [False, True])
def test_a_backup_is_taken_up_where_it_was_and_removed_at_the_end(tmp_path, save_freq, double):
    folder = tmp_path / "backup"
    make = lambda: C.BackupAndRestore(folder, save_freq, double_checkpoint=double)  # noqa: E731
    with pytest.raises(KeyboardInterrupt):
        run([make(), Interrupt(9)], losses(*[1.0] * 4), batches=4)
    assert len(list(folder.glob("*.weights.h5"))) == (2 if double else 1)
    model, history = run([make()], losses(*[1.0] * 4), batches=4)
    assert model.progress == Progress(seed=7, epoch=4, batch=0, step=16)
    assert model.w.value[0] == 16
    assert history.epoch == [2, 3]
    assert not folder.exists()


def test_a_broken_backup_falls_back_to_the_one_before(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run([C.BackupAndRestore(tmp_path, double_checkpoint=True), Interrupt(3)], losses(1, 1, 1))
    (tmp_path / "step-2.weights.h5").write_text("broken")
    model, history = run([C.BackupAndRestore(tmp_path, delete_checkpoint=False)], losses(1, 1, 1))
    assert (history.epoch, model.w.value[0]) == ([1, 2], 3)
    assert tmp_path.exists()
    (tmp_path / "training_metadata.json").write_text("{")
    with pytest.raises(OSError, match="remove it to begin anew"):
        run([C.BackupAndRestore(tmp_path)], losses(1))


def test_a_plain_line_per_epoch_where_there_is_no_terminal(capsys):
    model = FakeModel()
    watchers = C.CallbackList(add_progbar=True, model=model, verbose=1, epochs=2, steps=1)
    watchers.on_train_begin()
    for epoch in range(2):
        watchers.on_epoch_begin(epoch)
        watchers.on_train_batch_end(0, {"loss": 1.0})
        watchers.on_test_begin()
        watchers.on_test_end({"loss": 2.0})
        watchers.on_epoch_end(epoch, {"loss": 0.5, "accuracy": np.float32(0.75), "learning_rate": 1e-4})
    watchers.on_train_end()
    watchers.on_test_begin()
    watchers.on_test_end({"loss": 2.0})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("Epoch 2/2  0.0 s  loss 0.5000  accuracy 0.7500  learning_rate 1.00e-04")
    assert lines[2].startswith("Evaluate")
    C.CallbackList(add_progbar=False, model=model, verbose=0).on_epoch_end(0, {})
    assert capsys.readouterr().out == ""


def test_a_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    terminal = Terminal()
    watchers = C.CallbackList(C.ProgressBar(terminal), model=FakeModel(), verbose=1, epochs=1, steps=3)
    monkeypatch.setattr("convolens.training.callbacks.progress.SECONDS_BETWEEN_PICTURES", 0)
    watchers.on_train_begin()
    watchers.on_epoch_begin(0)
    for batch in range(3):
        watchers.on_train_batch_end(batch, {"loss": 1.0 - batch / 4})
    watchers.on_epoch_end(0, {"loss": 0.25, "val_loss": 0.125})
    watchers.on_train_end()
    text = terminal.getvalue()
    assert "Epoch 1/1" in text
    assert "2/3" in text
    assert "loss 0.7500" in text
    assert text.rstrip("\n\x1b[?25h").splitlines()[-1].count("val_loss 0.1250")
