"""Where Keras's users look for things: modules to import from, names of the package, models from their structure."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import convolens as cl

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("name", ["backend", "callbacks", "export", "models", "sklearn", "visualize"])
def test_modules_that_stand_for_others_can_be_imported_from(name: str) -> None:
    if name == "sklearn":
        pytest.importorskip("sklearn")
    module = importlib.import_module(f"convolens.{name}")
    assert getattr(cl, name) is module
    for public in module.__all__:
        assert getattr(module, public) is not None


def test_callbacks_are_those_that_fit_calls() -> None:
    from convolens.callbacks import EarlyStopping
    from convolens.training.callbacks import Callback

    assert issubclass(EarlyStopping, Callback)


@pytest.mark.parametrize("name", ["Initializer", "Layer", "Loss", "Metric", "Model", "Optimizer", "Regularizer"])
def test_base_classes_are_found_in_the_package(name: str) -> None:
    assert getattr(cl, name).__name__ == name


def test_a_model_is_made_again_from_its_json_and_cloned() -> None:
    model = cl.zoo.digits_cnn(compile=False)
    for copy in (cl.models.model_from_json(model.to_json()), cl.models.clone_model(model)):
        assert [w.shape for w in copy.weights] == [w.shape for w in model.weights]
        assert not np.array_equal(copy.get_weights()[0], model.get_weights()[0])
        copy.set_weights(model.get_weights())
        x = np.random.default_rng(0).random((2, 8, 8, 1))
        np.testing.assert_array_equal(copy.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"class_name": "Dense"}', "null"])
def test_text_that_is_no_model_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON of a|configuration"):
        cl.models.model_from_json(text)
