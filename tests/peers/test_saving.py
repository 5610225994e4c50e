"""Files go to real Keras and come back."""

import os
import warnings

import numpy as np
import pytest

import convolens as cl
from golden import saved_networks as networks

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    keras = pytest.importorskip("keras")

pytestmark = pytest.mark.filterwarnings("ignore")
DIRECTIONS = [pytest.param(keras, cl, id="from_keras"), pytest.param(cl, keras, id="to_keras")]


@pytest.fixture(autouse=True)
def numbered_from_zero():
    keras.utils.clear_session()
    keras.utils.set_random_seed(2)


def check_same(a, b, name):
    for one, other in zip(networks.predictions(a, name), networks.predictions(b, name), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("writer", "reader"), DIRECTIONS)
@pytest.mark.parametrize("name", networks.BUILDERS)
def test_a_model_predicts_the_same_on_the_other_side(writer, reader, name, tmp_path):
    model = networks.compiled(writer, name)
    networks.train(model, name, 2)
    model.save(tmp_path / "m.keras")
    other = reader.saving.load_model(tmp_path / "m.keras")
    check_same(model, other, name)
    scores = [one.evaluate(**networks.data(name), verbose=0, return_dict=True) for one in (model, other)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)
    if name in networks.DETERMINISTIC:
        assert networks.train(other, name, 3) == pytest.approx(networks.train(model, name, 3), rel=2e-5)


@pytest.mark.parametrize(("writer", "reader"), DIRECTIONS)
@pytest.mark.parametrize("name", networks.BUILDERS)
def test_weights_fit_the_network_on_the_other_side(writer, reader, name, tmp_path):
    model = networks.compiled(writer, name)
    networks.train(model, name, 1)
    model.save_weights(tmp_path / "m.weights.h5")
    other = networks.BUILDERS[name](reader)
    other.load_weights(tmp_path / "m.weights.h5")
    check_same(model, other, name)


def test_a_layer_in_several_models_of_keras(tmp_path):
    model = networks.shared_across_models(keras)
    model.save(tmp_path / "m.keras")
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 2)).astype("float32")
    found = cl.saving.load_model(tmp_path / "m.keras")(x)
    np.testing.assert_allclose(found, np.asarray(model(x)), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", networks.BUILDERS)
def test_there_and_back_changes_no_bit(name, tmp_path):
    model = networks.compiled(cl, name)
    networks.train(model, name, 1)
    model.save(tmp_path / "ours.keras")
    keras.saving.load_model(tmp_path / "ours.keras").save(tmp_path / "theirs.keras")
    back = cl.saving.load_model(tmp_path / "theirs.keras")
    for a, b in zip(model.get_weights(), back.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(model.optimizer.variables, back.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.value, b.value)
    assert back.optimizer.get_config() == model.optimizer.get_config()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("RMSprop", {"centered": True, "momentum": 0.5, "use_ema": True, "ema_overwrite_frequency": 2}),
        ("Adagrad", {"learning_rate": 0.1}),
        ("Adam", {"amsgrad": True, "gradient_accumulation_steps": 2}),
        ("AdamW", {"global_clipnorm": 0.5}),
        ("Nadam", {"weight_decay": 0.01}),
    ],
)
@pytest.mark.parametrize(("writer", "reader"), DIRECTIONS)
def test_every_optimizer_goes_on_where_it_was(writer, reader, name, options, tmp_path):
    model = networks.sequential(writer)
    model.compile(getattr(writer.optimizers, name)(**options), "sparse_categorical_crossentropy")
    networks.train(model, "sequential", 1)
    model.save(tmp_path / "m.keras")
    other = reader.saving.load_model(tmp_path / "m.keras")
    assert networks.train(other, "sequential", 3) == pytest.approx(networks.train(model, "sequential", 3), rel=5e-5)
    check_same(model, other, "sequential")


@pytest.mark.parametrize(("writer", "reader"), DIRECTIONS)
@pytest.mark.parametrize(
    ("name", "options"),
    [("lenet5", {}), ("happy_model", {}), ("convolutional_model", {}), ("digits_cnn", {"dropout": 0.0})],
)
def test_the_networks_of_the_tasks(writer, reader, name, options, tmp_path):
    model = getattr(cl.zoo, name)(writer, **options)
    x = np.random.default_rng(0).random((8, *model.input_shape[1:]), "float32")
    y = np.arange(8) % 2
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "m.keras")
    other = reader.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(model.predict(x, verbose=0), other.predict(x, verbose=0), rtol=2e-5, atol=2e-6)
    histories = [m.fit(x, y, epochs=2, shuffle=False, verbose=0).history["loss"] for m in (model, other)]
    assert histories[0] == pytest.approx(histories[1], rel=1e-3)
