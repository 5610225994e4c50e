import csv

import numpy as np
import pytest

import convolens as cl


def network(dropout=0.3):
    layers = cl.layers
    return cl.Sequential(
        [
            cl.Input((6, 6, 1)),
            layers.RandomFlip(),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(3, activation="softmax", name="out"),
        ]
    )


def compiled(optimizer="adam"):
    model = network()
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def data(count=40):
    rng = np.random.default_rng(1)
    y = np.arange(count) % 3
    return (rng.normal(size=(count, 6, 6, 1)) + y[:, None, None, None]).astype("float32"), y


class Interrupt(cl.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if self.model.progress.step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("save_freq", ["epoch", 1, 4])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "nadam"])
def test_an_interrupted_fit_ends_with_the_weights_of_an_undisturbed_one(tmp_path, save_freq, optimizer):
    x, y = data()
    fit = {"batch_size": 8, "epochs": 4, "verbose": 0}

    def begin():
        cl.utils.set_random_seed(5)
        return compiled(optimizer)

    straight = begin()
    wanted = straight.fit(x, y, **fit).history
    broken = begin()
    backup = lambda: cl.callbacks.BackupAndRestore(tmp_path / "backup", save_freq)  # noqa: E731
    with pytest.raises(KeyboardInterrupt):
        broken.fit(x, y, **fit, callbacks=[backup(), Interrupt(13)])
    cl.utils.set_random_seed(99)  # another process knows nothing of the first one's random numbers
    resumed = compiled(optimizer)
    history = resumed.fit(x, y, **fit, callbacks=[backup()])
    for a, b in zip(straight.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(straight.optimizer.variables, resumed.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.value, b.value)
    assert history.epoch == [2, 3]
    assert history.history["loss"][-1] == wanted["loss"][-1]
    assert not (tmp_path / "backup").exists()


def test_the_recorder_keeps_what_every_layer_made_of_the_images():
    x, y = data()
    model = compiled()
    begin = model.get_layer("conv").kernel.numpy()
    recorder = cl.callbacks.Recorder(x[:2], y[:2], every=2)
    history = model.fit(x, y, batch_size=8, epochs=4, verbose=0, callbacks=[recorder])
    assert [record["epoch"] for record in recorder.epochs] == [0, 2, 4]
    first, _, last = recorder.epochs
    np.testing.assert_array_equal(first["parameters"]["conv"]["kernel"], begin)
    np.testing.assert_array_equal(last["parameters"]["conv"]["kernel"], model.get_layer("conv").kernel.value)
    np.testing.assert_array_equal(last["outputs"]["out"], model.predict(x[:2], verbose=0))
    assert last["outputs"]["conv"].shape == (2, 4, 4, 4)
    assert last["logs"]["loss"] == history.history["loss"][-1]
    assert last["loss"] == pytest.approx(model.evaluate(x[:2], y[:2], verbose=0)[0], rel=1e-6)
    assert first["update_ratio"] == {}
    before, now = (record["parameters"]["conv"]["kernel"] for record in recorder.epochs[1:])
    ratio = np.linalg.norm(now - before) / np.linalg.norm(before)
    assert last["update_ratio"]["conv"]["kernel"] == pytest.approx(ratio, rel=1e-6)


def test_the_recorder_counts_dead_relus():
    model = compiled()
    conv = model.get_layer("conv")
    conv.set_weights([conv.kernel.numpy(), np.array([-1e6, -1e6, -1e6, 1e6])])
    recorder = cl.callbacks.Recorder(data()[0][:3])
    model.fit(*data(), epochs=1, verbose=0, callbacks=[recorder])
    assert recorder.epochs[0]["dead_relu"] == {"conv": 0.75}
    assert recorder.epochs[0]["loss"] is None


def test_checkpoints_early_stopping_and_logs_in_one_run(tmp_path, capsys):
    x, y = data()
    model = compiled()
    callbacks = [
        cl.callbacks.ModelCheckpoint(tmp_path / "best.keras", "val_accuracy", save_best_only=True),
        cl.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True),
        cl.callbacks.EarlyStopping("loss", patience=1, min_delta=100.0),
        cl.callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.5, min_delta=100.0),
        cl.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    history = model.fit(x, y, epochs=9, validation_split=0.25, callbacks=callbacks)
    assert len(history.epoch) == 2
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert cl.saving.load_model(tmp_path / "best.keras").compiled
    assert model.optimizer.learning_rate == pytest.approx(5e-4)
    model.load_weights(tmp_path / "1.weights.h5")  # brings back the state after the first epoch, the rate too
    assert model.optimizer.learning_rate == pytest.approx(1e-3)
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [float(row["val_accuracy"]) for row in rows] == history.history["val_accuracy"]
    assert history.history["learning_rate"] == pytest.approx([1e-3, 1e-3])


def test_nan_ends_training_in_order_only_with_its_callback(capsys):
    x, y = data()
    model = compiled()
    history = model.fit(x * np.inf, y, epochs=3, verbose=0, callbacks=[cl.callbacks.TerminateOnNaN()])
    assert len(history.epoch) == 1
    assert "the loss became nan" in capsys.readouterr().out
    with pytest.raises(FloatingPointError, match="epoch 1, batch 1"):
        compiled().fit(x * np.inf, y, epochs=3, verbose=0)


def test_averages_of_the_weights_are_in_the_model_after_fit():
    x, y = data()
    model = compiled(cl.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    model.fit(x, y, epochs=2, verbose=0)
    kernel = model.get_layer("out").kernel
    average = next(v for v in model.optimizer.variables if v.name == "out_kernel_average")
    np.testing.assert_array_equal(kernel.value, average.value)


def test_every_hook_gets_a_dictionary():
    """As in Keras, whose guide lists the keys of ``logs`` in every hook, some declared without a default."""
    seen = {}

    class Keys(cl.callbacks.Callback):
        pass

    def listener(hook):
        if "epoch" in hook or "batch" in hook:
            return lambda self, number, logs: seen.setdefault(hook, sorted(logs))
        return lambda self, logs: seen.setdefault(hook, sorted(logs))

    for hook in [name for name in vars(cl.callbacks.Callback) if name.startswith("on_")]:
        setattr(Keys, hook, listener(hook))
    x, y = data()
    model = compiled()
    model.fit(x, y, validation_data=(x, y), callbacks=[Keys()], verbose=0)
    model.predict(x, callbacks=[Keys()], verbose=0)
    means = ["accuracy", "loss"]
    begins = {hook: [] for hook in seen if hook.endswith("begin")}
    assert len(begins) == 7
    assert seen == begins | {
        "on_train_batch_end": means,
        "on_test_batch_end": means,
        "on_predict_batch_end": ["outputs"],
        "on_test_end": means,
        "on_predict_end": [],
        "on_epoch_end": [*means, "val_accuracy", "val_loss"],
        "on_train_end": [*means, "val_accuracy", "val_loss"],
    }


def test_a_batch_of_no_samples_is_refused():
    x, y = data()
    model = compiled()
    for arguments in ({"batch_size": 0}, {"validation_batch_size": 0}):
        with pytest.raises(ValueError, match="batch_size is a positive integer; got 0"):
            model.fit(x, y, validation_data=(x, y), verbose=0, **arguments)
