"""The networks of the tasks have the layers and parameters of their descriptions."""

import numpy as np
import pytest

import convolens as cl

# Four convolutions without biases, each with 4 numbers per channel of batch normalisation; 4*4*64 features to 64.
NORMALISED = sum(
    taps * after + 4 * after for taps, after in ((5 * 5 * 3, 16), (9 * 16, 32), (9 * 32, 64), (9 * 64, 64))
)
NORMALISED += 4 * 4 * 64 * 64 + 64


@pytest.mark.parametrize(
    ("name", "shape", "outputs", "parameters"),
    [
        ("lenet5", (28, 28, 1), 10, 61_706),
        # conv 7*7*3*32 + 32, batch normalisation 4*32, dense 32*32*32 + 1
        ("happy_model", (64, 64, 3), 1, 7 * 7 * 3 * 32 + 32 + 4 * 32 + 32 * 32 * 32 + 1),
        # conv 4*4*3*8 + 8, conv 2*2*8*16 + 16, dense 2*2*16*6 + 6
        ("convolutional_model", (64, 64, 3), 6, 4 * 4 * 3 * 8 + 8 + 2 * 2 * 8 * 16 + 16 + 2 * 2 * 16 * 6 + 6),
        ("digits_cnn", (8, 8, 1), 10, 38_282),
        ("signs_cnn", (64, 64, 3), 6, NORMALISED + 64 * 6 + 6),
        ("smile_cnn", (64, 64, 3), 1, NORMALISED + 64 + 1),
        ("smile_trio", (64, 64, 3), 1, 3 * (NORMALISED + 64 + 1)),
    ],
)
def test_the_named_networks(name, shape, outputs, parameters):
    model = getattr(cl.zoo, name)()
    assert model.name == name
    assert model.input_shape == (None, *shape)
    assert model.output_shape == (None, outputs)
    assert model.count_params() == parameters
    assert model.compiled
    probabilities = model.predict(np.zeros((2, *shape)), verbose=0)
    assert probabilities.shape == (2, outputs)
    assert not getattr(cl.zoo, name)(compile=False).compiled


def test_happy_model_is_sequential_and_the_sign_classifier_functional():
    assert isinstance(cl.zoo.happy_model(), cl.Sequential)
    assert not isinstance(cl.zoo.convolutional_model(), cl.Sequential)


@pytest.mark.parametrize("name", ["digits_cnn", "signs_cnn", "smile_cnn", "smile_trio"])
def test_the_share_dropped_can_be_chosen(name):
    build = getattr(cl.zoo, name)
    rates = [layer.rate for layer in build(dropout=0.125).layers if isinstance(layer, cl.layers.Dropout)]
    assert rates == [0.125] * (3 if name == "smile_trio" else 1)


def test_the_three_smile_networks_are_trained_apart_and_judged_together():
    shape, rng = (16, 16, 3), np.random.default_rng(0)
    x, y = rng.random((12, *shape)), rng.integers(0, 2, (12, 1)).astype(np.float32)

    apart = cl.zoo.smile_trio(input_shape=shape, dropout=0.0, apart=True)
    together = cl.zoo.smile_trio(input_shape=shape, dropout=0.0)
    together.set_weights(apart.get_weights())
    singles = [cl.zoo.smile_cnn(input_shape=shape, dropout=0.0) for _ in range(3)]
    for number, single in enumerate(singles):
        layers, theirs = ([layer for layer in model.layers if layer.weights] for model in (apart, single))
        for layer, other in zip(layers[number::3], theirs, strict=True):
            other.set_weights(layer.get_weights())
    alone = np.concatenate([single.predict(x, verbose=0) for single in singles], axis=1)
    np.testing.assert_allclose(apart.predict(x, verbose=0), alone, rtol=1e-5)
    np.testing.assert_allclose(together.predict(x, verbose=0), alone.mean(axis=1, keepdims=True), rtol=1e-5)

    apart.compile(cl.optimizers.SGD(3e-2), "binary_crossentropy")  # its loss is the mean of the three
    apart.fit(x, np.repeat(y, 3, axis=1), batch_size=12, verbose=0)
    for single in singles:
        single.compile(cl.optimizers.SGD(1e-2), "binary_crossentropy")
        single.fit(x, y, batch_size=12, verbose=0)
    alone = np.concatenate([single.predict(x, verbose=0) for single in singles], axis=1)
    np.testing.assert_allclose(apart.predict(x, verbose=0), alone, rtol=1e-4)
