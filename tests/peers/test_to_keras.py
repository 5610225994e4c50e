"""Models become real Keras models and come back."""

import numpy as np
import pytest

import convolens as cl
from golden import saved_networks as networks

pytestmark = pytest.mark.filterwarnings("ignore")

ZOO = {"lenet5": {}, "happy_model": {}, "convolutional_model": {}, "digits_cnn": {"dropout": 0.0}}


def check_same(model, other, name):
    for one, two in zip(networks.predictions(model, name), networks.predictions(other, name), strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", networks.BUILDERS)
def test_to_keras_predicts_and_trains_alike(keras, name):
    model = networks.compiled(cl, name)
    networks.train(model, name, 2)
    other = cl.to_keras(model)
    assert isinstance(other, keras.Model)
    check_same(model, other, name)
    if name in networks.DETERMINISTIC:
        assert networks.train(other, name, 2) == pytest.approx(networks.train(model, name, 2), rel=2e-5)


@pytest.mark.parametrize("name", networks.BUILDERS)
def test_from_keras_predicts_and_trains_alike(keras, name):
    model = networks.compiled(keras, name)
    networks.train(model, name, 2)
    ours = cl.from_keras(model)
    check_same(model, ours, name)
    if name in networks.DETERMINISTIC:
        assert networks.train(ours, name, 2) == pytest.approx(networks.train(model, name, 2), rel=2e-5)


@pytest.mark.parametrize("name", networks.BUILDERS)
def test_there_and_back_changes_no_bit(keras, name):
    model = networks.compiled(cl, name)
    networks.train(model, name, 1)
    back = cl.from_keras(cl.to_keras(model))
    for one, two in zip(model.get_weights(), back.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    for one, two in zip(model.optimizer.variables, back.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.value, two.value)
    assert [layer.name for layer in back.layers] == [layer.name for layer in model.layers]
    assert [layer.trainable for layer in back.layers] == [layer.trainable for layer in model.layers]
    assert networks.train(back, name, 1) is not None


@pytest.mark.parametrize("name", ZOO)
def test_the_networks_of_the_tasks(keras, name):
    build = getattr(cl.zoo, name)
    model = build(**ZOO[name])
    x = np.random.default_rng(0).uniform(size=(5, *model.input_shape[1:])).astype("float32")
    there = cl.to_keras(model)
    np.testing.assert_allclose(there.predict(x, verbose=0), model.predict(x, verbose=0), rtol=2e-5, atol=1e-6)
    theirs = build(keras, **ZOO[name])
    here = cl.from_keras(theirs)
    np.testing.assert_allclose(here.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=2e-5, atol=1e-6)
    assert type(here) is type(model)


def test_a_frozen_part_stays_frozen(keras):
    model = networks.sequential(keras)
    model.get_layer(index=1).trainable = False
    ours = cl.from_keras(model)
    assert len(ours.trainable_weights) == len(model.trainable_weights)
    assert len(cl.to_keras(ours).trainable_weights) == len(model.trainable_weights)


class Mine(cl.layers.Layer):
    def forward(self, x, training=False, rng=None):
        return x * 2, None


class Square(cl.activations.Activation):
    def forward(self, z):
        return z * z, z


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (Mine(name="doubled"), "layer 'doubled' cannot be expressed in Keras: class Mine"),
        (cl.layers.Dense(2, activation=Square(), name="bent"), "layer 'bent' .* class Square"),
        (
            cl.layers.Activation(cl.activations.relu.with_options(negative_slope=0.1), name="leaky"),
            "layer 'leaky' .* activation ReLU with options",
        ),
    ],
)
def test_what_keras_cannot_express_is_refused(keras, layer, reason):
    inside = cl.Sequential([cl.Input((3,)), layer], name="inside")
    with pytest.raises(ValueError, match=reason):
        cl.to_keras(cl.Sequential([cl.Input((3,)), inside]))


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda k: k.layers.Conv1D(2, 2, name="line"), "'line'.*Conv1D"),
        (lambda k: k.layers.Lambda(lambda x: x, name="code"), "'code' .*Lambda"),
        (lambda k: k.layers.Dense(2, kernel_constraint="max_norm", name="bound"), "'bound'.*kernel_constraint"),
        (lambda k: k.layers.Dense(2, dtype="mixed_float16", name="half"), "'half'.*float16"),
        (lambda k: k.layers.Dense(2, activation="sparsemax", name="sparse"), "'sparse'.*sparsemax"),
    ],
)
def test_what_this_library_does_not_have_is_refused(keras, layer, reason):
    inside = keras.Sequential([keras.Input((4, 3)), layer(keras)], name="inside")
    with pytest.raises(ValueError, match=reason):
        cl.from_keras(keras.Sequential([keras.Input((4, 3)), inside]))


def test_models_of_python_code_are_refused(keras):
    class Own(keras.Model):
        pass

    with pytest.raises(ValueError, match="'own' is a Own, whose calls are Python code"):
        cl.from_keras(Own())
    with pytest.raises(ValueError, match=r"takes a keras\.Model; got Sequential"):
        cl.from_keras(cl.Sequential())


@pytest.mark.filterwarnings("default")
def test_training_settings_that_the_other_side_lacks_are_left_out_with_a_warning(keras):
    model = networks.sequential(keras)
    model.compile(keras.optimizers.Lion(), "mse")
    with pytest.warns(UserWarning, match="without its training settings.*Lion"):
        ours = cl.from_keras(model)
    assert not ours.compiled

    class MyLoss(cl.losses.Loss):
        pass

    ours.compile("adam", MyLoss())
    with pytest.warns(UserWarning, match="without its training settings.*MyLoss"):
        assert not cl.to_keras(ours).compiled
