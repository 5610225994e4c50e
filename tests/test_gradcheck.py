"""The gradient checker finds what is wrong, where it is, and tells kinks from errors."""

import numpy as np
import pytest

import convolens as cl

RNG = np.random.default_rng(1)


class Scale(cl.layers.Layer):
    """y = x * w, with mistakes to plant."""

    def __init__(self, mistake="", **options):
        super().__init__(**options)
        self.mistake = mistake

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1],), initializer="random_normal", name="w")

    def forward(self, x, training=False, rng=None):
        if self.mistake == "raises":
            raise IndexError("list index out of range")
        return x * self.w, x

    def backward(self, d_output, cache, need_dx=True):
        dw = (d_output * cache).sum(axis=tuple(range(cache.ndim - 1)))
        dx = d_output * self.w
        if self.mistake == "one element":
            dw = dw.copy()
            dw[1] *= 1.001
        if self.mistake == "sign":
            dx = -dx
        if self.mistake == "shape":
            dw = dw[None]
        if self.mistake == "nan":
            dx = dx * np.nan
        if self.mistake == "missing":
            return dx, {}
        if self.mistake == "unknown":
            return dx, {"w": dw, "v": dw}
        return dx, {"w": dw}


class Kinked(cl.layers.Layer):
    """y = |x|, honest away from zero."""

    elementwise = True

    def forward(self, x, training=False, rng=None):
        return np.abs(x), x

    def backward(self, d_output, cache, need_dx=True):
        return d_output * np.sign(cache), {}


class TestLayer:
    def test_right_layer(self):
        report = cl.check_gradients(Scale(), RNG.normal(size=(3, 4)))
        assert report.ok
        assert report.worst < 1e-7
        assert report.failures == []
        assert report.checked == 12 + 4

    def test_one_wrong_element_is_located(self):
        report = cl.check_gradients(Scale("one element", name="mine"), RNG.normal(size=(3, 4)))
        assert not report.ok
        [failure] = report.failures
        assert (failure.layer, failure.parameter, failure.index) == ("mine", "w", (1,))
        assert failure.actual == pytest.approx(1.001 * failure.expected)
        assert failure.error == pytest.approx(1e-3, rel=0.01)
        assert report.worst == failure.error
        assert "mine/w[1]: expected" in str(report)

    @pytest.mark.parametrize(
        ("mistake", "parameter", "message"),
        [
            ("sign", "input", ""),
            ("nan", "input", ""),
            ("shape", "w", r"the gradient has shape (1, 4); expected (4,)"),
            ("missing", "w", "backward gives no gradient for it"),
            ("unknown", "v", "the parameters are ['w']"),
            ("raises", "", "IndexError: list index out of range"),
        ],
    )
    def test_other_mistakes(self, mistake, parameter, message):
        report = cl.check_gradients(Scale(mistake), RNG.normal(size=(3, 4)))
        assert not report.ok
        assert {failure.parameter for failure in report.failures} == {parameter}
        assert message in str(report)

    def test_a_kink_is_neither_error_nor_pass(self):
        report = cl.check_gradients(Kinked(), np.array([[0.0, 1.0, -2.0]]))
        assert report.failures == []
        assert [kink.index for kink in report.kinks] == [(0, 0)]

    def test_beside_a_kink_is_none(self):
        report = cl.check_gradients(Kinked(), np.array([[2e-5, -3e-5, 5e-6]]))
        assert report.ok
        assert report.kinks == []

    def test_a_wrong_slope_beside_a_kink_is_an_error(self):
        class Wrong(Kinked):
            def backward(self, d_output, cache, need_dx=True):
                return 3 * d_output * np.sign(cache), {}

        report = cl.check_gradients(Wrong(), np.array([[2e-5, -1.0]]))
        assert len(report.failures) == 2

    def test_all_ties_of_max_pooling_are_kinks(self):
        report = cl.check_gradients(cl.layers.MaxPooling2D(), np.ones((1, 4, 4, 1)))
        assert report.failures == []
        assert len(report.kinks) == 16

    def test_dropout_in_training(self):
        assert cl.check_gradients(cl.layers.Dropout(0.5), RNG.normal(size=(4, 5))).ok

    def test_the_layer_is_left_alone(self):
        layer = cl.layers.Dense(2)
        cl.check_gradients(layer, RNG.normal(size=(3, 4)))
        assert layer.kernel.dtype == "float32"
        assert layer.nodes == []
        before = layer.get_weights()
        cl.check_gradients(layer, RNG.normal(size=(3, 4)))
        np.testing.assert_array_equal(before[0], layer.get_weights()[0])

    def test_nonsense_is_reported_not_raised(self):
        assert not cl.check_gradients(cl.layers.Dense(2), "nonsense").ok
        assert "takes a model or a layer" in str(cl.check_gradients("nonsense", np.zeros(3)))


class TestModel:
    def build(self, mistake=""):
        x = cl.Input((6, 6, 2))
        y = cl.layers.Conv2D(3, 3, padding="same", activation="relu", kernel_regularizer="l2")(x)
        z = cl.layers.Add()([y, Scale(mistake, name="planted")(y)])
        z = cl.layers.BatchNormalization()(z)
        out = cl.layers.Dense(4, activation="softmax")(cl.layers.Flatten()(z))
        model = cl.Model(x, out)
        model.compile("adam", "sparse_categorical_crossentropy")
        return model, RNG.normal(size=(3, 6, 6, 2)).astype("float32"), np.array([0, 1, 2])

    @pytest.mark.parametrize("training", [True, False])
    def test_right_model(self, training):
        model, x, y = self.build()
        before = model.get_weights()
        report = cl.check_gradients(model, x, y, training=training)
        assert report.ok, report
        for first, second in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(first, second)
        assert model.weights[0].dtype == "float32"

    @pytest.mark.parametrize("mistake", ["one element", "sign", "missing", "shape"])
    def test_only_the_wrong_layer_is_blamed(self, mistake):
        model, x, y = self.build(mistake)
        report = cl.check_gradients(model, x, y)
        assert not report.ok
        alone = {failure.layer for failure in report.failures if not failure.layer.endswith("in the whole")}
        assert alone <= {"planted", model.name}
        assert "planted" in str(report)

    def test_a_wrong_loss_is_found(self):
        class Wrong(cl.losses.MeanSquaredError):
            def call_backward(self, d_losses, cache):
                return 1.5 * super().call_backward(d_losses, cache)

        x = cl.Input((3,))
        model = cl.Model(x, cl.layers.Dense(2)(x))
        model.compile("sgd", Wrong())
        report = cl.check_gradients(model, RNG.normal(size=(4, 3)), RNG.normal(size=(4, 2)))
        assert not report.ok
        assert all(failure.layer.endswith("in the whole") for failure in report.failures)

    def test_two_inputs_without_targets(self):
        a, b = cl.Input((3,)), cl.Input((3,))
        model = cl.Model([a, b], cl.layers.Multiply()([a, b]))
        assert cl.check_gradients(model, [RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))]).ok
