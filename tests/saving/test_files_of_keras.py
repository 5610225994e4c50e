import json
from pathlib import Path

import numpy as np
import pytest

import convolens as cl
from golden import saved_networks as networks

FOLDER = Path(__file__).parents[1] / "golden" / "saving"
ARRAYS = np.load(FOLDER / "keras3.npz")
FACTS = json.loads(str(ARRAYS["facts"]))
OLD = np.load(FOLDER / "keras2.npz")
OLD_FACTS = json.loads(str(OLD["facts"]))


def check_predictions(model, name):
    for number, found in enumerate(networks.predictions(model, name)):
        np.testing.assert_allclose(found, ARRAYS[f"{name}/{number}"], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", networks.BUILDERS)
def test_a_model_of_keras_predicts_and_evaluates_the_same(name):
    model = cl.saving.load_model(FOLDER / f"{name}.keras")
    check_predictions(model, name)
    score = model.evaluate(**networks.data(name), verbose=0, return_dict=True)
    assert score == pytest.approx(FACTS[name]["evaluate"], rel=1e-5, abs=1e-6)
    assert [w.path.split("/")[-1] for w in model.weights] == [w.split("/")[-1] for w in FACTS[name]["weights"]]


@pytest.mark.parametrize("name", networks.DETERMINISTIC)
def test_training_goes_on_as_it_does_in_keras(name):
    model = cl.saving.load_model(FOLDER / f"{name}.keras")
    assert networks.train(model, name, 3) == pytest.approx(FACTS[name]["losses"], rel=2e-5)


@pytest.mark.parametrize("name", networks.DETERMINISTIC)
def test_weights_of_keras_fit_the_network_built_here(name):
    for build in (networks.BUILDERS[name], lambda api: networks.compiled(api, name)):
        model = build(cl)
        model.load_weights(FOLDER / f"{name}.weights.h5")
        check_predictions(model, name)
    assert networks.train(model, name, 3) == pytest.approx(FACTS[name]["losses"], rel=2e-5)


def test_weights_come_out_of_a_keras_file_too():
    model = networks.sequential(cl)
    model.load_weights(FOLDER / "sequential.keras")
    check_predictions(model, "sequential")


def test_a_model_of_keras_in_hdf5():
    model = cl.saving.load_model(FOLDER / "sequential.h5")
    check_predictions(model, "sequential")
    assert networks.train(model, "sequential", 3) == pytest.approx(FACTS["sequential"]["losses"], rel=2e-5)
    uncompiled = cl.saving.load_model(FOLDER / "sequential.h5", compile=False)
    check_predictions(uncompiled, "sequential")
    assert uncompiled.optimizer is None


@pytest.mark.parametrize("ending", [".h5", ".keras"])
def test_a_model_of_keras_2(ending):
    model = cl.saving.load_model(FOLDER / f"keras2{ending}")
    np.testing.assert_allclose(model.predict(OLD["x"], verbose=0), OLD["every_layer"], rtol=2e-5, atol=2e-6)
    assert model.evaluate(OLD["x"], OLD["y"], verbose=0) == pytest.approx(OLD_FACTS["every_layer"], rel=1e-5)
    assert model.optimizer.iterations == 2
    model.set_weights([w * 0 for w in model.get_weights()])
    model.load_weights(FOLDER / "keras2_weights.h5")
    np.testing.assert_allclose(model.predict(OLD["x"], verbose=0), OLD["every_layer"], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["momentum", "legacy_adam", "legacy_decay"])
def test_training_goes_on_as_it_does_in_keras_2(name):
    model = cl.saving.load_model(FOLDER / f"keras2_{name}.h5")
    arguments = {"x": OLD["x"], "y": (OLD["y"] > 1).astype("float32"), "batch_size": 4, "shuffle": False, "verbose": 0}
    losses = model.fit(**arguments, epochs=3).history["loss"]
    assert losses == pytest.approx(OLD_FACTS[name], rel=2e-5)


def test_weights_of_keras_2_by_layer_names():
    model = cl.saving.load_model(FOLDER / "keras2.h5", compile=False)
    wanted = model.get_layer("shared").get_weights()
    alone = cl.Sequential([cl.Input((4, 4, 2)), cl.layers.Conv2D(2, 1, name="shared")])
    alone.load_weights(FOLDER / "keras2_weights.h5", by_name=True)
    for found, expected in zip(alone.get_weights(), wanted, strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="by_name is for"):
        alone.load_weights(FOLDER / "sequential.weights.h5", by_name=True)


def test_a_lambda_of_keras_is_refused_by_its_name():
    with pytest.raises(ValueError, match=r"'twice' holds a Python function \(Lambda\)"):
        cl.saving.load_model(FOLDER / "lambda.keras")
    with pytest.raises(ValueError, match="never does"):
        cl.saving.load_model(FOLDER / "lambda.keras", safe_mode=False)
