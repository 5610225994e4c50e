"""The whole story in a few seconds: build, fit, trace, check, save, load and predict on real handwritten digits."""

import numpy as np

import convolens as cl


def test_digits_from_build_to_prediction(tmp_path):
    data = cl.datasets.load("digits")
    cl.utils.set_random_seed(1)
    x = cl.Input((8, 8, 1))
    y = cl.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    y = cl.layers.MaxPooling2D()(y)
    y = cl.layers.Flatten()(y)
    model = cl.Model(x, cl.layers.Dense(10, activation="softmax")(y))
    model.compile(cl.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(data.x_train, data.y_train, epochs=12, batch_size=32, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0] / 5
    _, accuracy = model.evaluate(data.x_test, data.y_test, verbose=0)
    assert accuracy > 0.95

    trace = model.trace(data.x_test[:5], data.y_test[:5])
    assert trace["conv2d"].output.shape == (5, 8, 8, 8)
    assert trace["conv2d"].gradients["kernel"].shape == (3, 3, 1, 8)
    assert trace.d_input.shape == (5, 8, 8, 1)
    assert cl.check_gradients(model, data.x_test[:2], data.y_test[:2]).ok

    path = tmp_path / "digits.keras"
    model.save(path)
    twin = cl.saving.load_model(path)
    np.testing.assert_array_equal(twin.predict(data.x_test, verbose=0), model.predict(data.x_test, verbose=0))
    twin.fit(data.x_train, data.y_train, epochs=1, batch_size=64, verbose=0)
    assert twin.evaluate(data.x_test, data.y_test, verbose=0, return_dict=True)["accuracy"] > 0.95
