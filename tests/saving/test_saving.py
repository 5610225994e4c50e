import io
import json
import zipfile

import h5py
import numpy as np
import pytest

import convolens as cl
from convolens.files import replacing
from golden import saved_networks as networks


@pytest.fixture
def trained():
    model = networks.compiled(cl, "sequential")
    networks.train(model, "sequential", 1)
    return model


def rewritten(path, change=None, weights=None):
    """Change the configuration or the weights inside a .keras file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    if change:
        change(config)
        members["config.json"] = json.dumps(config)
    if weights is not None:
        members["model.weights.h5"] = weights
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", networks.BUILDERS)
def test_a_model_comes_back_and_trains_on_bit_for_bit(name, tmp_path):
    model = networks.compiled(cl, name)
    networks.train(model, name, 2)
    model.save(tmp_path / "model.keras")
    again = cl.saving.load_model(tmp_path / "model.keras")
    for a, b in zip(networks.predictions(model, name), networks.predictions(again, name), strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.to_json() == model.to_json()
    assert [w.path for w in again.weights] == [w.path for w in model.weights]
    cl.utils.set_random_seed(1)
    losses = networks.train(model, name, 2)
    cl.utils.set_random_seed(1)
    assert networks.train(again, name, 2) == losses
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_lie_where_keras_puts_them(trained, tmp_path):
    trained.save_weights(tmp_path / "a.weights.h5")
    with h5py.File(tmp_path / "a.weights.h5") as file:
        found = {}
        file.visititems(lambda name, item: found.update({name: item.shape}) if hasattr(item, "shape") else None)
        assert file["layers/conv2d/vars"].attrs["name"] == "conv2d"
    assert {name for name in found if not name.startswith("optimizer")} == {
        *(f"layers/conv2d/vars/{i}" for i in range(2)),
        *(f"layers/batch_normalization/vars/{i}" for i in range(4)),
        *(f"layers/dense/vars/{i}" for i in range(2)),
    }
    assert len([name for name in found if name.startswith("optimizer/vars/")]) == 2 + 3 * 6


def test_the_files_of_a_keras_archive(trained, tmp_path):
    trained.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert sorted(archive.namelist()) == ["config.json", "metadata.json", "model.weights.h5"]
        metadata = json.loads(archive.read("metadata.json"))
        config = json.loads(archive.read("config.json"))
    assert metadata["keras_version"].startswith("3.")
    assert (config["module"], config["class_name"]) == ("keras", "Sequential")
    assert config["compile_config"]["optimizer"]["class_name"] == "Adam"


def test_a_model_that_was_not_compiled(tmp_path):
    model = networks.sequential(cl)
    model.save(tmp_path / "m.keras")
    again = cl.saving.load_model(tmp_path / "m.keras")
    assert not again.compiled
    np.testing.assert_array_equal(model.get_weights()[0], again.get_weights()[0])


def test_a_compiled_model_before_its_first_step(tmp_path):
    model = networks.compiled(cl, "sequential")
    model.optimizer.learning_rate = 0.25
    model.save(tmp_path / "m.keras")
    again = cl.saving.load_model(tmp_path / "m.keras")
    assert again.optimizer.learning_rate == 0.25
    assert networks.train(again, "sequential", 1) == networks.train(model, "sequential", 1)


def test_a_layer_in_several_models_stays_one_layer(tmp_path):
    model = networks.shared_across_models(cl)
    model.save(tmp_path / "m.keras")
    copies = [cl.saving.load_model(tmp_path / "m.keras"), cl.Model.from_config(model.get_config())]
    copies[1].set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 2)).astype("float32")
    for copy in copies:
        np.testing.assert_array_equal(copy(x), model(x))
        assert len(copy.weights) == 2
        assert copy.get_layer("a").get_layer("shared") is copy.get_layer("b").get_layer("shared")
    assert "shared_object_id" not in json.dumps(networks.nested(cl).get_config())


def test_float64_models_keep_their_digits(tmp_path):
    cl.config.set_floatx("float64")
    try:
        model = networks.compiled(cl, "sequential")
        networks.train(model, "sequential", 1)
    finally:
        cl.config.set_floatx("float32")
    model.save(tmp_path / "m.keras")
    again = cl.saving.load_model(tmp_path / "m.keras")
    assert again.dtype == "float64"
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        assert b.dtype == np.float64
        np.testing.assert_array_equal(a, b)


class Scale(cl.layers.Layer):
    def build(self, input_shape):
        self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factor")

    def forward(self, x, training=False, rng=None):
        return x * self.factor, x

    def backward(self, d_output, cache, need_dx=True):
        return d_output * self.factor, {"factor": (d_output * cache).sum(tuple(range(cache.ndim - 1)))}


def test_custom_layers_are_made_only_from_custom_objects(tmp_path):
    model = cl.Sequential([cl.Input((3,)), Scale(name="mine")])
    model.set_weights([np.array([1.0, 2.0, 3.0])])
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="Scale"):
        cl.saving.load_model(tmp_path / "m.keras")
    again = cl.saving.load_model(tmp_path / "m.keras", custom_objects={"Scale": Scale})
    np.testing.assert_array_equal(again(np.ones((1, 3))), [[1, 2, 3]])


def foreign(config):
    config["config"]["layers"][1].update(module="os", class_name="system", registered_name=None)


def foreign_initializer(config):
    config["config"]["layers"][1]["config"]["kernel_initializer"] = {
        "module": "evil",
        "class_name": "Run",
        "config": {},
    }


def hidden_lambda(config):
    config["config"]["layers"][1]["config"]["activation"] = {"class_name": "__lambda__", "config": {"value": "x"}}


def unknown(config):
    config["config"]["layers"][1].update(class_name="Conv9D")


def unknown_optimizer(config):
    config["compile_config"]["optimizer"].update(class_name="Lion")


def broken(config):
    del config["config"]["layers"][1]["config"]["filters"]


def no_layers(config):
    config["config"] = {"name": "m"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (foreign, r"'conv2d' names os\.system, a class of another package"),
        (foreign_initializer, r"evil\.Run"),
        (hidden_lambda, r"'conv2d' holds a Python function"),
        (unknown, r"unknown layer 'Conv9D'"),
        (unknown_optimizer, r"unknown optimizer 'Lion'.*compile=False"),
        (broken, r"filters"),
        (no_layers, r"configuration is broken"),
    ],
)
def test_what_a_file_must_not_hold(trained, tmp_path, change, message):
    trained.save(tmp_path / "m.keras")
    rewritten(tmp_path / "m.keras", change)
    with pytest.raises(ValueError, match=message) as caught:
        cl.saving.load_model(tmp_path / "m.keras")
    assert "m.keras" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_training_settings_do_not_bar_the_model(trained, tmp_path):
    trained.save(tmp_path / "m.keras")
    rewritten(tmp_path / "m.keras", unknown_optimizer)
    assert not cl.saving.load_model(tmp_path / "m.keras", compile=False).compiled


def test_weights_of_another_shape_change_nothing(trained, tmp_path):
    path = tmp_path / "a.weights.h5"
    trained.save_weights(path)
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = np.zeros((5, 3))
    before = networks.sequential(cl)
    kept = before.get_weights()
    with pytest.raises(ValueError, match=r"layer 'dense.*' has weights of shapes \[\(36, 3\), \(3,\)\], the file has"):
        before.load_weights(path)
    for a, b in zip(before.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.warns(UserWarning, match="left alone"):
        before.load_weights(path, skip_mismatch=True)
    np.testing.assert_array_equal(before.get_weights()[0], trained.get_weights()[0])
    np.testing.assert_array_equal(before.get_weights()[-2], kept[-2])


def test_another_optimizers_state_is_left_with_a_warning(trained, tmp_path):
    trained.save_weights(tmp_path / "a.weights.h5")
    other = networks.sequential(cl)
    other.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.warns(UserWarning, match="optimizer's state was not loaded"):
        other.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(other.get_weights()[0], trained.get_weights()[0])


def test_links_out_of_a_file_of_weights_are_refused(trained, tmp_path):
    secret = tmp_path / "secret.h5"
    trained.save_weights(tmp_path / "a.weights.h5")
    with h5py.File(secret, "w") as file:
        file["data"] = np.zeros((36, 3), "float32")
    with h5py.File(tmp_path / "a.weights.h5", "r+") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = h5py.ExternalLink(str(secret), "data")
    with pytest.raises(ValueError, match="link to elsewhere"):
        networks.sequential(cl).load_weights(tmp_path / "a.weights.h5")


def test_damaged_files_are_reported_by_name(trained, tmp_path):
    trained.save(tmp_path / "m.keras")
    trained.save_weights(tmp_path / "a.weights.h5")
    whole, weights = (tmp_path / "m.keras").read_bytes(), (tmp_path / "a.weights.h5").read_bytes()
    cases = {
        "empty.keras": b"",
        "text.keras": b"hello",
        "cut.keras": whole[: len(whole) // 2],
        "flipped.keras": whole[:2000] + bytes([whole[2000] ^ 255]) + whole[2001:],
        "cut.weights.h5": weights[: len(weights) // 2],
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(OSError, match=name):
            cl.saving.load_model(tmp_path / name)
    rewritten(tmp_path / "m.keras", weights=weights[:-5000])
    with pytest.raises(OSError, match=r"m\.keras is damaged"):
        cl.saving.load_model(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match=r"it has no config\.json"):
        cl.saving.load_model(tmp_path / "other.keras")
    with zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * 10_000_000)
    with pytest.raises(ValueError, match="refused"):
        cl.saving.load_model(tmp_path / "bomb.keras")


def test_missing_and_misnamed_files(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        cl.saving.load_model(tmp_path / "none.keras")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        cl.saving.load_model(tmp_path)
    with pytest.raises(ValueError, match=r"end in '\.keras'.*\.h5 files are read"):
        trained.save(tmp_path / "m.h5")
    with pytest.raises(ValueError, match=r"end in '\.weights\.h5'"):
        trained.save_weights(tmp_path / "m.h5")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        trained.save(tmp_path / "none" / "m.keras")
    trained.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="holds weights only"):
        cl.saving.load_model(tmp_path / "m.weights.h5")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        trained.save_weights(tmp_path / "m.weights.h5", overwrite=False)
    unbuilt = cl.Sequential([cl.layers.Dense(1)])
    with pytest.raises(ValueError, match="input's shape"):
        unbuilt.save(tmp_path / "m.keras")


def test_a_failed_write_leaves_the_previous_file_whole(trained, tmp_path, monkeypatch):
    path = tmp_path / "m.keras"
    trained.save(path)
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(OSError, match="no space"):
        trained.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.keras"]
    with pytest.raises(ZeroDivisionError), replacing(path) as beside:
        beside.write_text(str(1 / 0))
    assert path.read_bytes() == before


def test_a_file_in_memory_is_what_h5py_reads(trained, tmp_path):
    trained.save(tmp_path / "m.keras")
    with (
        zipfile.ZipFile(tmp_path / "m.keras") as archive,
        h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file,
    ):
        np.testing.assert_array_equal(file["layers/conv2d/vars/0"][()], trained.get_weights()[0])
