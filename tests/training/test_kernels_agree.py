"""Whole runs on the fast kernels' native steps end as on the textbook loops, in corners that a plan can get wrong."""

import numpy as np
import pytest

import convolens as cl

FAST = ["vectorized", pytest.param("compiled", marks=pytest.mark.compiled)]


def run(build, kernels):
    if kernels not in cl.kernels.available():
        pytest.skip("needs Numba")
    cl.utils.clear_session()
    cl.utils.set_random_seed(3)
    model = build()
    model.compile(cl.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(17, 8, 8, 2)), rng.integers(0, 3, 17)
    with cl.kernels.use(kernels):
        losses = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"]
    return losses, model.get_weights()


def frozen_normalization():
    layers, x = cl.layers, cl.Input((8, 8, 2))
    normalization = layers.BatchNormalization()
    y = layers.ReLU()(normalization(layers.Conv2D(4, 3, use_bias=False)(x)))
    model = cl.Model(x, layers.Dense(3, activation="softmax")(layers.Flatten()(layers.MaxPooling2D()(y))))
    normalization.set_weights([np.full(4, 1.3), np.full(4, 0.2), np.linspace(-0.3, 0.4, 4), np.linspace(0.5, 2, 4)])
    normalization.trainable = False
    return model


def merge_of_equal_and_of_broadcast_shapes():
    layers, x = cl.layers, cl.Input((8, 8, 2))
    a, b = (layers.Conv2D(3, 3, padding="same", activation="relu")(x) for _ in range(2))
    multiply = layers.Multiply()
    y = multiply([multiply([a, b]), layers.Conv2D(3, 8)(x)])
    return cl.Model(x, layers.Dense(3, activation="softmax")(layers.Flatten()(y)))


@pytest.mark.parametrize("kernels", FAST)
@pytest.mark.parametrize("build", [frozen_normalization, merge_of_equal_and_of_broadcast_shapes])
def test_as_on_the_loops(build, kernels):
    expected_losses, expected = run(build, "reference")
    losses, weights = run(build, kernels)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_rows_of_a_kernel_that_meet_only_padding():
    """With a stride of 3 and an image two rows high, some rows of the kernel send nothing back, on threads too."""
    layers, rng = cl.layers, np.random.default_rng(0)
    x, y = rng.normal(size=(32, 2, 20, 8)), rng.integers(0, 3, 32)

    def losses(threads, kernels):
        cl.utils.clear_session()
        cl.utils.set_random_seed(3)
        model = cl.Sequential([cl.Input((2, 20, 8)), layers.Conv2D(8, 1)])
        model.add(layers.Conv2D(16, 3, strides=3, padding="same", activation="relu"))
        model.add(layers.Flatten())
        model.add(layers.Dense(3, activation="softmax"))
        model.compile(cl.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        cl.config.set_num_threads(threads)
        try:
            with cl.kernels.use(kernels):
                return model.fit(x, y, epochs=3, verbose=0).history["loss"]
        finally:
            cl.config.set_num_threads(None)

    expected = losses(1, "reference")
    for threads in (1, 2, 3):
        np.testing.assert_allclose(losses(threads, "vectorized"), expected, rtol=1e-5)


@pytest.mark.compiled
@pytest.mark.parametrize("pooled", [False, True])
def test_windows_without_any_ink_let_no_gradient_pass(pooled):
    """A sum of zeros is zero also where neighbours are computed together: on a digit most of a rectifier's gates hang
    on it, and with them the curves."""
    if "compiled" not in cl.kernels.available():
        pytest.skip("needs Numba")
    data = cl.datasets.load("digits")
    x, y = data.x_train[:320], data.y_train[:320]

    def losses(kernels, floatx):
        cl.utils.clear_session()
        cl.utils.set_random_seed(1)
        layers, initial = cl.layers, cl.config.floatx()
        cl.config.set_floatx(floatx)
        try:
            model = cl.Sequential([cl.Input((8, 8, 1)), layers.Conv2D(16, 3, padding="same", activation="relu")])
            model.add(layers.Conv2D(16, 3, padding="same", activation="relu"))
            model.add(layers.MaxPooling2D() if pooled else layers.Conv2D(16, 3, padding="same", activation="relu"))
            model.add(layers.Flatten())
            model.add(layers.Dense(10, activation="softmax"))
            model.set_weights([w.astype("float32") for w in model.get_weights()])
            model.compile("adam", "sparse_categorical_crossentropy")
            with cl.kernels.use(kernels):
                return [
                    model.train_on_batch(x[at : at + 32], y[at : at + 32], return_dict=True)["loss"]
                    for at in range(0, 320, 32)
                ]
        finally:
            cl.config.set_floatx(initial)

    np.testing.assert_allclose(losses("compiled", "float32"), losses("vectorized", "float64"), rtol=3e-6)
