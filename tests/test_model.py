"""Models as a user meets them: graphs, names, data that fits or does not, and the options of fit."""

import pickle

import numpy as np
import pytest

import convolens as cl

RNG = np.random.default_rng(0)


def small(**options):
    model = cl.Sequential(
        [
            cl.Input((4, 4, 1)),
            cl.layers.Conv2D(2, 3, activation="relu"),
            cl.layers.Flatten(),
            cl.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


def images(count=10):
    return RNG.normal(size=(count, 4, 4, 1)).astype("float32"), RNG.integers(0, 3, count)


class TestGraph:
    def test_names_are_numbered_as_in_keras(self):
        x = cl.Input((8, 8, 3))
        y = cl.layers.Conv2D(2, 3)(x)
        y = cl.layers.Conv2D(2, 3)(y)
        model = cl.Model(x, y)
        assert [layer.name for layer in model.layers] == ["input_layer", "conv2d", "conv2d_1"]
        assert [w.path for w in model.weights] == [
            "conv2d/kernel", "conv2d/bias", "conv2d_1/kernel", "conv2d_1/bias",
        ]  # fmt: skip
        assert [w.name for w in model.weights] == ["kernel", "bias", "kernel", "bias"]
        assert cl.Sequential().name == "sequential"
        assert model.name == "functional"

    def test_part_of_a_model(self):
        model = small()
        x, _ = images()
        part = cl.Model(model.inputs, model.get_layer(index=0).output)
        np.testing.assert_array_equal(part.predict(x, verbose=0), model.trace(x)[model.layers[0].name].output)

    def test_shared_layer_counts_once_and_adds_gradients(self):
        a, b = cl.Input((3,)), cl.Input((3,))
        dense = cl.layers.Dense(2, use_bias=False)
        model = cl.Model([a, b], cl.layers.Subtract()([dense(a), dense(b)]))
        assert model.count_params() == 6
        x = [np.array([[1.0, 2, 3]]), np.array([[4.0, 5, 7]])]
        trace = model.trace(x, d_output=np.array([[1.0, 10.0]]))
        # d(a W - b W)/dW = (a - b) for the first column, ten times that for the second
        difference = np.array([1 - 4, 2 - 5, 3 - 7])
        np.testing.assert_allclose(trace.gradients["dense"]["kernel"], np.stack([difference, 10 * difference], 1))
        np.testing.assert_allclose(trace["dense", 0].gradients["kernel"][:, 0], [1, 2, 3])
        np.testing.assert_allclose(trace["dense", 1].gradients["kernel"][:, 0], [-4, -5, -7])

    def test_nested_model_trains_as_its_flat_twin(self):
        def build(nested):
            cl.utils.clear_session()
            cl.utils.set_random_seed(5)
            x = cl.Input((4, 4, 1))
            inner_x = cl.Input((4, 4, 1))
            layers = [cl.layers.Conv2D(2, 3, activation="tanh", name="c"), cl.layers.BatchNormalization(name="n")]
            if nested:
                y = layers[1](layers[0](inner_x))
                z = cl.Model(inner_x, y, name="inner")(x)
            else:
                z = layers[1](layers[0](x))
            out = cl.layers.Dense(3, activation="softmax", name="d")(cl.layers.Flatten()(z))
            model = cl.Model(x, out)
            model.compile("adam", "sparse_categorical_crossentropy")
            return model

        x, y = images()
        models = [build(True), build(False)]
        models[1].set_weights(models[0].get_weights())
        losses = [m.fit(x, y, epochs=3, verbose=0, shuffle=False, batch_size=4).history["loss"] for m in models]
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
        for ours, theirs in zip(*(m.get_weights() for m in models), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
        assert cl.check_gradients(models[0], x[:3], y[:3]).ok

    def test_several_outputs_of_a_nested_model(self):
        inner_x = cl.Input((3,))
        inner = cl.Model(inner_x, [cl.layers.Dense(2)(inner_x), cl.layers.Dense(4)(inner_x)])
        x = cl.Input((3,))
        first, second = inner(x)
        model = cl.Model(x, cl.layers.Concatenate()([first, second]))
        assert model.output_shape == (None, 6)
        assert cl.check_gradients(model, RNG.normal(size=(2, 3))).ok

    def test_open_sizes(self):
        x = cl.Input((None, None, 1))
        model = cl.Model(x, cl.layers.GlobalAveragePooling2D()(cl.layers.Conv2D(2, 3)(x)))
        assert model.predict(np.ones((2, 5, 6, 1)), verbose=0).shape == (2, 2)
        assert model.predict(np.ones((2, 9, 4, 1)), verbose=0).shape == (2, 2)

    def test_dictionary_of_inputs_and_outputs(self):
        a, b = cl.Input((2,), name="a"), cl.Input((2,), name="b")
        model = cl.Model({"a": a, "b": b}, {"sum": cl.layers.Add()([a, b]), "top": cl.layers.Maximum()([a, b])})
        found = model.predict({"a": np.array([[1.0, 2]]), "b": np.array([[3.0, 0]])}, verbose=0)
        assert found["sum"].tolist() == [[4, 2]]
        assert found["top"].tolist() == [[3, 2]]

    def test_sequential_without_input_is_connected_by_the_data(self):
        model = cl.Sequential([cl.layers.Flatten(), cl.layers.Dense(3, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        x, y = images()
        model.fit(x, y, verbose=0)
        assert model.count_params() == 17 * 3

    def test_sequential_add_and_pop(self):
        model = cl.Sequential()
        model.add(cl.layers.Dense(3, input_shape=(2,)))
        model.add(cl.layers.Dense(4))
        assert model.output_shape == (None, 4)
        model.pop()
        assert model.output_shape == (None, 3)
        with pytest.raises(ValueError, match=r"add takes a layer; got str"):
            model.add("dense")

    def test_missing_input_is_named(self):
        a, b = cl.Input((2,), name="left"), cl.Input((2,), name="right")
        with pytest.raises(ValueError, match=r"'right'.*not among the model's inputs"):
            cl.Model(a, cl.layers.Add()([a, b]))

    def test_two_layers_of_one_name(self):
        x = cl.Input((2,))
        with pytest.raises(ValueError, match="more than once: twin"):
            cl.Model(x, cl.layers.Dense(2, name="twin")(cl.layers.Dense(2, name="twin")(x)))

    def test_pickle(self):
        model = small()
        x, y = images()
        model.fit(x, y, verbose=0)
        twin = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(twin.predict(x, verbose=0), model.predict(x, verbose=0))
        model.fit(x, y, verbose=0, shuffle=False)
        twin.fit(x, y, verbose=0, shuffle=False)
        np.testing.assert_array_equal(twin.predict(x, verbose=0), model.predict(x, verbose=0))

    def test_config_round_trip_keeps_branches_and_shared_layers(self):
        x = cl.Input((4, 4, 2))
        conv = cl.layers.Conv2D(2, 3, padding="same", activation="relu")
        y = conv(x)
        model = cl.Model(x, cl.layers.Add()([conv(y), y]))
        twin = cl.Model.from_config(model.get_config())
        twin.set_weights(model.get_weights())
        data = RNG.normal(size=(2, 4, 4, 2))
        np.testing.assert_array_equal(twin.predict(data, verbose=0), model.predict(data, verbose=0))
        assert twin.get_config() == model.get_config()

    def test_summary_says_what_keras_says(self):
        lines = []
        small().summary(print_fn=lines.append)
        text = "\n".join(lines)
        for part in ("conv2d (Conv2D)", "(None, 2, 2, 2)", "Total params: 47 (188.00 B)", "Non-trainable params: 0"):
            assert part in text

    def test_summary_of_a_graph_says_where_inputs_come_from(self):
        x = cl.Input((3,), name="x")
        y = cl.layers.Dense(3, name="d")(x)
        lines = []
        cl.Model(x, cl.layers.Add(name="a")([x, y])).summary(print_fn=lines.append)
        assert "x[0][0]" in lines[0]
        assert "d[0][0]" in lines[0]


class TestData:
    @pytest.mark.parametrize(
        ("x", "y", "message"),
        [
            (np.zeros((5, 4, 5, 1)), np.zeros(5), r"shape \(5, 4, 5, 1\); the model expects \(None, 4, 4, 1\)"),
            (np.zeros((4, 4, 1)), np.zeros(4), r"one sample; add the batch axis"),
            (np.zeros((0, 4, 4, 1)), np.zeros(0), r"the data is empty"),
            (np.zeros((5, 4, 4, 1)), np.zeros(4), r"unequal numbers of samples: x 5, y 4"),
            (np.full((5, 4, 4, 1), "a"), np.zeros(5), r"expected numbers"),
            (np.zeros((5, 4, 4, 1)), None, r"needs targets"),
            (np.zeros((5, 4, 4, 1)), np.full(5, 7), r"7"),
            ([[1, 2], [3]], np.zeros(2), r"not an array of numbers"),
        ],
    )
    def test_what_does_not_fit_is_said(self, x, y, message):
        with pytest.raises(ValueError, match=message):
            small().fit(x, y, verbose=0)

    def test_the_channel_axis_of_grey_images_may_be_left_out(self):
        x, _ = images()
        model = small()
        np.testing.assert_array_equal(model.predict(x[..., 0], verbose=0), model.predict(x, verbose=0))

    def test_integer_images_are_cast(self):
        x = RNG.integers(0, 255, (3, 4, 4, 1), dtype="uint8")
        model = small()
        assert model.predict(x, verbose=0).dtype == np.float32
        np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x.astype("float32"), verbose=0))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"epochs": -1}, "epochs is an integer"),
            ({"batch_size": -1}, "batch_size is a positive integer"),
            ({"validation_split": 1.5}, "validation_split"),
            ({"validation_split": 0.99}, "leaves one side empty"),
            ({"validation_data": (1,)}, "validation_data is"),
        ],
    )
    def test_bad_options_of_fit(self, options, message):
        with pytest.raises(ValueError, match=message):
            small().fit(*images(), verbose=0, **options)

    def test_fit_before_compile(self):
        x = cl.Input((2,))
        with pytest.raises(ValueError, match="not compiled"):
            cl.Model(x, cl.layers.Dense(1)(x)).fit(np.zeros((2, 2)), np.zeros(2))

    def test_options_without_meaning_are_refused(self):
        with pytest.raises(ValueError, match="run_eagerly has no meaning"):
            small(run_eagerly=True)
        model = small()
        with pytest.raises(ValueError, match="loss_weights are numbers"):
            model.compile("sgd", "mse", ["mae"])


class TestFit:
    def test_a_seed_makes_a_run_bit_identical(self):
        def run():
            cl.utils.clear_session()
            cl.utils.set_random_seed(3)
            model = cl.Sequential(
                [cl.Input((4, 4, 1)), cl.layers.Flatten(), cl.layers.Dropout(0.5), cl.layers.Dense(3, "softmax")]
            )
            model.compile("adam", "sparse_categorical_crossentropy")
            model.fit(x, y, epochs=3, batch_size=4, verbose=0)
            return model.get_weights()

        x, y = images()
        for first, second in zip(run(), run(), strict=True):
            np.testing.assert_array_equal(first, second)

    def test_iterables_of_batches(self):
        x, y = images(12)

        def batches():
            for start in range(0, 12, 4):
                yield x[start : start + 4], y[start : start + 4]

        whole, parts = small(), small()
        parts.set_weights(whole.get_weights())
        whole.fit(x, y, batch_size=4, shuffle=False, verbose=0)
        parts.fit(batches(), verbose=0)
        for first, second in zip(whole.get_weights(), parts.get_weights(), strict=True):
            np.testing.assert_array_equal(first, second)

    def test_steps_per_epoch_goes_on_where_it_was(self):
        x, y = images(12)
        seen = []
        model = small()

        def forever():
            number = 0
            while True:
                seen.append(number)
                number += 1
                yield x[:4], y[:4]

        model.fit(forever(), epochs=2, steps_per_epoch=3, verbose=0)
        assert seen == [0, 1, 2, 3, 4, 5]

    def test_class_weight_zero_silences_a_class(self):
        x, y = images(30)
        model, twin = small(), small()
        twin.set_weights(model.get_weights())
        model.fit(x, y, class_weight={0: 0.0}, batch_size=30, verbose=0)
        changed = x.copy()
        changed[y == 0] += 1  # what the silenced class looks like must not matter
        twin.fit(changed, y, class_weight={0: 0.0}, batch_size=30, verbose=0)
        for first, second in zip(model.get_weights(), twin.get_weights(), strict=True):
            np.testing.assert_allclose(first, second, atol=1e-7)

    def test_frozen_layers_stay(self):
        model = small()
        model.layers[0].trainable = False
        model.compile("sgd", "sparse_categorical_crossentropy")
        before = model.get_weights()
        model.fit(*images(), verbose=0)
        after = model.get_weights()
        np.testing.assert_array_equal(before[0], after[0])
        assert not np.array_equal(before[2], after[2])

    def test_freezing_after_compile(self):
        model = small()
        x, y = images()
        model.fit(x, y, verbose=0)
        model.layers[0].trainable = False
        before = model.get_weights()
        model.fit(x, y, verbose=0)
        np.testing.assert_array_equal(before[0], model.get_weights()[0])

    def test_nan_names_epoch_batch_and_layer(self):
        x, y = images(12)
        model = small()
        weights = model.get_weights()
        weights[2][0, 0] = np.inf
        model.set_weights(weights)
        with pytest.raises(FloatingPointError, match=r"epoch 1, batch 1; first seen in the output of layer 'dense'"):
            model.fit(x, y, batch_size=4, verbose=0)

    def test_nan_pixels_are_blamed_on_the_input(self):
        x, y = images(8)
        x[5] = np.nan
        with pytest.raises(FloatingPointError, match=r"batch 2; .*the input holds NaN"):
            small().fit(x, y, batch_size=4, shuffle=False, verbose=0)

    def test_terminate_on_nan_stops_quietly(self):
        x, y = images(8)
        x[5] = np.nan
        model = small()
        history = model.fit(
            x, y, batch_size=4, epochs=3, shuffle=False, verbose=0, callbacks=[cl.callbacks.TerminateOnNaN()]
        )
        assert len(history.history["loss"]) == 1

    def test_float64_on_request(self):
        cl.config.set_floatx("float64")
        try:
            model = small()
        finally:
            cl.config.set_floatx("float32")
        x, y = images()
        model.fit(x, y, verbose=0)
        assert {w.dtype for w in model.weights} == {"float64"}
        assert model.predict(x, verbose=0).dtype == np.float64

    def test_float32_throughout(self):
        model = small()
        x, y = images()
        trace = model.trace(x.astype("float64"), y)
        for step in trace:
            assert step.output.dtype == np.float32, step.layer.name
            assert step.d_output.dtype == np.float32, step.layer.name

    def test_regularization_is_in_the_loss(self):
        x = cl.Input((2,))
        y = cl.layers.Dense(1, kernel_regularizer="l2", kernel_initializer="ones")(x)
        model = cl.Model(x, y)
        model.compile("sgd", "mse")
        data, target = np.array([[1.0, 2.0]]), np.array([[3.0]])
        assert model.evaluate(data, target, verbose=0) == pytest.approx(0.01 * 2)
        trace = model.trace(data, target)
        assert trace.data_loss == pytest.approx(0)
        assert trace.loss == pytest.approx(0.02)
        np.testing.assert_allclose(trace["dense"].gradients["kernel"], [[0.02], [0.02]])

    def test_train_on_batch_and_test_on_batch(self):
        x, y = images()
        model = small()
        first = model.train_on_batch(x, y, return_dict=True)
        assert set(first) == {"loss", "accuracy"}
        for _ in range(50):
            last = model.train_on_batch(x, y, return_dict=True)
        assert last["loss"] < first["loss"]
        assert model.test_on_batch(x, y)[0] == pytest.approx(model.evaluate(x, y, verbose=0)[0], rel=1e-5)

    def test_validation_split_takes_the_end(self):
        x, y = images(10)
        model = small()
        history = model.fit(x, y, validation_split=0.2, verbose=0).history
        assert history["val_loss"][0] == pytest.approx(model.evaluate(x[8:], y[8:], verbose=0)[0], rel=1e-5)

    def test_predict_in_batches_equals_one_batch(self):
        x, _ = images(37)
        model = small()
        np.testing.assert_allclose(
            model.predict(x, batch_size=8, verbose=0), model.predict(x, batch_size=37, verbose=0), rtol=1e-5
        )
        np.testing.assert_allclose(model(x), model.predict_on_batch(x), rtol=1e-5)

    def test_plan_in_words(self):
        text = small().plan(batch_size=5)
        assert "5x2x2x2" in text  # the convolution's output
        for name in ("conv2d", "flatten", "dense"):
            assert any(line.endswith(name) for line in text.splitlines())


def test_results_as_a_dictionary_are_in_keras_order():
    model = cl.Sequential([cl.Input((2,)), cl.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = np.ones((4, 2)), np.array([0, 1, 0, 1])
    for results in (
        model.evaluate(x, y, verbose=0, return_dict=True),
        model.train_on_batch(x, y, return_dict=True),
        model.test_on_batch(x, y, return_dict=True),
    ):
        assert list(results) == ["accuracy", "loss"]
    assert model.evaluate(x, y, verbose=0)[0] == pytest.approx(results["loss"])
