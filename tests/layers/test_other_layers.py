"""Hand-worked numbers, properties and bad input of the layers that are not convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import convolens as cl

L = cl.layers


def image(*values: float, width: int = 2) -> np.ndarray:
    return np.array(values, float).reshape(1, -1, width, 1)


def run(layer: Any, *xs: np.ndarray, d_output: Any = None, training: bool = False) -> tuple[np.ndarray, Any, dict]:
    """Output, input gradient and parameter gradients, in float64."""
    layer.ensure_built([x.shape for x in xs], len(xs) > 1)
    y, cache = layer.forward(*xs, training=training, rng=np.random.default_rng(0))
    d_output = np.ones_like(y) if d_output is None else np.asarray(d_output, float).reshape(y.shape)
    return y, *layer.backward(d_output, cache)


class TestDense:
    def test_worked_by_hand(self) -> None:
        layer = L.Dense(2, activation="relu", dtype="float64")
        x = np.array([[1.0, 2.0]])
        layer.ensure_built([x.shape])
        layer.set_weights([[[1.0, -1.0], [2.0, 0.5]], [0.5, -1.0]])
        y, dx, gradients = run(layer, x, d_output=[[10.0, 100.0]])
        assert y.tolist() == [[5.5, 0.0]]
        assert dx.tolist() == [[10.0, 20.0]]
        assert gradients["kernel"].tolist() == [[10.0, 0.0], [20.0, 0.0]]
        assert gradients["bias"].tolist() == [10.0, 0.0]

    def test_input_dim_is_kept_for_sequential(self) -> None:
        assert L.Dense(3, input_dim=5).input_spec_shape == (5,)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: L.Dense(-1), "units must be an integer of at least 1; got -1"),
            (lambda: L.Dense(2, lora_rank=2), "lora_rank=2 is not supported; leave it at None"),
            (lambda: L.Dense(2, name="d")(np.zeros(3)), "layer 'd' expects inputs (n, ..., features)"),
            (lambda: L.Dense(2, dtype="int8"), "dtype is one of float32, float64"),
        ],
    )
    def test_bad_input(self, make: Any, message: str) -> None:
        with pytest.raises(ValueError) as error:
            make()
        assert message in str(error.value)

    def test_other_number_of_features(self) -> None:
        layer = L.Dense(2, name="d")
        layer(np.zeros((1, 3)))
        with pytest.raises(ValueError, match=r"'d' was built for inputs with 3 cells along axis -1; found 4"):
            layer(np.zeros((1, 4)))


class TestPooling:
    def test_a_tie_goes_to_the_first_maximum(self) -> None:
        y, dx, _ = run(L.MaxPooling2D(2, dtype="float64"), image(7, 7, 7, 3))
        assert y.ravel().tolist() == [7.0]
        assert dx.ravel().tolist() == [1.0, 0.0, 0.0, 0.0]

    def test_a_tie_over_the_whole_image_goes_to_the_first_maximum(self) -> None:
        _, dx, _ = run(L.GlobalMaxPooling2D(dtype="float64"), image(3, 7, 7, 7))
        assert dx.ravel().tolist() == [0.0, 1.0, 0.0, 0.0]

    def test_padding_is_no_maximum_and_does_not_count(self) -> None:
        x = image(-1, -2, -3, -4, -5, -6, -7, -8, -9, width=3)
        y, _, _ = run(L.MaxPooling2D(2, padding="same", dtype="float64"), x)
        assert y.ravel().tolist() == [-1.0, -3.0, -7.0, -9.0]
        y, dx, _ = run(L.AveragePooling2D(2, padding="same", dtype="float64"), x)
        assert y.ravel().tolist() == [-3.0, -4.5, -7.5, -9.0]
        assert dx.ravel().tolist() == [0.25, 0.25, 0.5, 0.25, 0.25, 0.5, 0.5, 0.5, 1.0]

    def test_overlapping_windows_add_their_gradients(self) -> None:
        _, dx, _ = run(L.MaxPooling2D(2, strides=1, dtype="float64"), image(0, 9, 0, width=3).repeat(2, axis=1))
        assert dx.ravel().tolist() == [0.0, 2.0, 0.0, 0.0, 0.0, 0.0]

    def test_global_average(self) -> None:
        y, dx, _ = run(L.GlobalAveragePooling2D(dtype="float64"), image(1, 2, 3, 6), d_output=8)
        assert y.tolist() == [[3.0]]
        assert dx.ravel().tolist() == [2.0] * 4

    def test_window_larger_than_image(self) -> None:
        with pytest.raises(ValueError, match=r"layer 'p' on input of shape \(1, 2, 2, 1\): a kernel spanning \(3, 3\)"):
            L.MaxPooling2D(3, name="p")(image(1, 2, 3, 4)).shape
        with pytest.raises(ValueError, match="does not fit"):
            L.MaxPooling2D(3)(cl.Input((2, 2, 1)))


class TestNormalization:
    def test_batch_worked_by_hand(self) -> None:
        """The batch (1, 3) has mean 2 and variance 1; the moving averages keep three quarters of 0 and 1."""
        layer = L.BatchNormalization(momentum=0.75, epsilon=0.0, dtype="float64")
        x = np.array([[1.0], [3.0]])
        layer.ensure_built([x.shape])
        y, cache = layer.forward(x, training=True)
        assert y.tolist() == [[-1.0], [1.0]]
        assert [w.value.tolist() for w in layer.weights] == [[1.0], [0.0], [0.0], [1.0]]
        layer.update_state(cache)
        assert [w.value.tolist() for w in layer.weights] == [[1.0], [0.0], [0.5], [1.0]]
        assert layer.forward(x)[0].tolist() == [[0.5], [2.5]]

    def test_variance_is_the_biased_one(self) -> None:
        layer = L.BatchNormalization(momentum=0.0, dtype="float64")
        x = np.array([[0.0], [4.0]])
        layer.ensure_built([x.shape])
        layer.update_state(layer.forward(x, training=True)[1])
        assert layer.moving_variance.value.tolist() == [4.0]

    def test_not_trainable_means_inference(self) -> None:
        layer = L.BatchNormalization(dtype="float64")
        x = np.array([[1.0], [3.0]])
        layer.ensure_built([x.shape])
        layer.trainable = False
        y, cache = layer.forward(x, training=True)
        np.testing.assert_allclose(y, x / np.sqrt(1.001), rtol=1e-15)
        layer.update_state(cache)
        assert layer.moving_mean.value.tolist() == [0.0]
        assert layer.trainable_weights == []

    def test_inference_moves_nothing(self) -> None:
        layer = L.BatchNormalization(dtype="float64")
        layer.ensure_built([(2, 1)])
        layer.update_state(layer.forward(np.array([[1.0], [3.0]]))[1])
        assert layer.moving_mean.value.tolist() == [0.0]

    def test_layer_normalization_worked_by_hand(self) -> None:
        y, dx, gradients = run(
            L.LayerNormalization(epsilon=0.0, dtype="float64"), np.array([[1.0, 3.0]]), d_output=[[2.0, 1.0]]
        )
        assert y.tolist() == [[-1.0, 1.0]]
        # With two cells the normalised values cannot move: they are -1 and 1 whatever the input.
        assert dx.tolist() == [[0.0, 0.0]]
        assert gradients["gamma"].tolist() == [-2.0, 1.0]
        assert gradients["beta"].tolist() == [2.0, 1.0]

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (
                lambda: L.BatchNormalization(axis=4)(np.zeros((2, 3))),
                "works along axis [4], which inputs of shape (2, 3)",
            ),
            (lambda: L.BatchNormalization(axis=1)(cl.Input((None, 3))), "needs a known size along axis [1]"),
            (lambda: L.BatchNormalization(renorm=True), "renorm=True is not supported; leave it at False"),
            (lambda: L.BatchNormalization(synchronized=True), "synchronized=True is not supported"),
            (lambda: L.BatchNormalization(momentum=2), "momentum is a number from 0 to 1; got 2"),
            (lambda: L.LayerNormalization(epsilon="small"), "epsilon is a number of at least 0; got 'small'"),
        ],
    )
    def test_bad_input(self, make: Any, message: str) -> None:
        with pytest.raises(ValueError) as error:
            make()
        assert message in str(error.value)


class TestActivations:
    def test_relu_by_keras_definition(self) -> None:
        layer = L.ReLU(max_value=2.0, negative_slope=0.5, threshold=1.0, dtype="float64")
        y, dx, _ = run(layer, np.array([[-1.0, 0.0, 1.5, 3.0]]))
        assert y.tolist() == [[-1.0, -0.5, 1.5, 2.0]]
        assert dx.tolist() == [[0.5, 0.5, 1.0, 0.0]]

    def test_softmax_is_not_cell_by_cell(self) -> None:
        assert not L.Softmax().elementwise
        assert not L.Activation("softmax").elementwise
        assert L.Activation("relu").elementwise

    @pytest.mark.parametrize("arguments", [{"max_value": -1}, {"negative_slope": -0.1}, {"threshold": None}])
    def test_bad_input(self, arguments: dict) -> None:
        with pytest.raises(ValueError, match=f"{next(iter(arguments))} is a number of at least 0"):
            L.ReLU(**arguments)


class TestMerging:
    def test_maximum_gives_a_tie_to_the_first(self) -> None:
        a, b, c = np.array([[1.0, 5.0]]), np.array([[1.0, 7.0]]), np.array([[0.0, 7.0]])
        y, d_inputs, _ = run(L.Maximum(dtype="float64"), a, b, c)
        assert y.tolist() == [[1.0, 7.0]]
        assert [d.tolist() for d in d_inputs] == [[[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 0.0]]]

    def test_multiply_with_zeros(self) -> None:
        a, b, c = np.array([[0.0]]), np.array([[0.0]]), np.array([[5.0]])
        _, d_inputs, _ = run(L.Multiply(dtype="float64"), a, b, c)
        assert [d.item() for d in d_inputs] == [0.0, 0.0, 0.0]
        _, d_inputs, _ = run(L.Multiply(dtype="float64"), a, np.array([[2.0]]), c)
        assert [d.item() for d in d_inputs] == [10.0, 0.0, 0.0]

    def test_only_equal_shapes_are_cell_by_cell(self) -> None:
        for shapes, expected in [(((2, 3), (2, 3)), True), (((2, 3), (2, 1)), False)]:
            layer = L.Add()
            layer.ensure_built([*shapes], True)
            assert layer.elementwise is expected

    def test_functions_are_the_layers(self) -> None:
        a, b = np.array([[6.0, 1.0]], np.float32), np.array([[2.0, 4.0]], np.float32)
        assert L.add([a, b]).tolist() == [[8.0, 5.0]]
        assert L.subtract([a, b]).tolist() == [[4.0, -3.0]]
        assert L.multiply([a, b]).tolist() == [[12.0, 4.0]]
        assert L.average([a, b]).tolist() == [[4.0, 2.5]]
        assert L.maximum([a, b]).tolist() == [[6.0, 4.0]]
        assert L.minimum([a, b]).tolist() == [[2.0, 1.0]]
        assert L.concatenate([a, b], axis=1).tolist() == [[6.0, 1.0, 2.0, 4.0]]

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: L.Add(name="m")([np.zeros((1, 2)), np.zeros((1, 3))]), "'m' expects inputs of equal shapes"),
            (
                lambda: L.Add(name="m")(np.zeros((1, 2))),
                "'m' expects a list of inputs; found one input of shape (1, 2)",
            ),
            (lambda: L.Subtract()([np.zeros((1, 2))] * 3), "expects two inputs; found 3"),
            (lambda: L.Concatenate()([np.zeros((1, 2)), np.zeros((2, 2))]), "equal shapes except along axis -1"),
            (lambda: L.Concatenate(axis=3)([np.zeros((1, 2)), np.zeros((1, 2))]), "equal shapes except along axis 3"),
        ],
    )
    def test_bad_input(self, make: Any, message: str) -> None:
        with pytest.raises(ValueError) as error:
            make()
        assert message in str(error.value)


class TestReshaping:
    def test_padding_forms(self) -> None:
        assert L.ZeroPadding2D(2).padding == ((2, 2), (2, 2))
        assert L.ZeroPadding2D((1, 2)).padding == ((1, 1), (2, 2))
        assert L.ZeroPadding2D([[0, 1], [2, 3]]).padding == ((0, 1), (2, 3))

    def test_cropping_undoes_padding(self) -> None:
        x = np.random.default_rng(0).normal(size=(2, 3, 4, 2)).astype(np.float32)
        np.testing.assert_array_equal(L.Cropping2D(((1, 2), (0, 3)))(L.ZeroPadding2D(((1, 2), (0, 3)))(x)), x)

    def test_nearest_repeats_cells(self) -> None:
        y, dx, _ = run(L.UpSampling2D((1, 2), dtype="float64"), image(1, 2, 3, 4), d_output=[1, 10, 100, 1000] * 2)
        assert y[0, :, :, 0].tolist() == [[1, 1, 2, 2], [3, 3, 4, 4]]
        assert dx.ravel().tolist() == [11.0, 1100.0, 11.0, 1100.0]

    def test_bilinear_worked_by_hand(self) -> None:
        """Cells at -1/4, 1/4, 3/4, 5/4 of the way from 0 to 4; beyond the centres the edge goes on."""
        layer = L.UpSampling2D((1, 2), interpolation="bilinear", dtype="float64")
        y, dx, _ = run(layer, image(0, 4), d_output=[1, 10, 100, 1000])
        assert y.ravel().tolist() == [0.0, 1.0, 3.0, 4.0]
        assert dx.ravel().tolist() == [1 + 7.5 + 25, 2.5 + 75 + 1000]

    def test_open_sizes(self) -> None:
        assert L.Flatten().compute_output_shape((None, None, 3)) == (None, None)
        assert L.Reshape((-1, 3)).compute_output_shape((None, None, 3)) == (None, None, 3)
        assert L.UpSampling2D(3).compute_output_shape((None, None, 4, 1)) == (None, None, 12, 1)
        assert L.Flatten()(cl.Input((4, 5))).shape == (None, 20)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: L.Cropping2D(2)(np.zeros((1, 4, 9, 1))), "leaves nothing of shape (1, 4, 9, 1)"),
            (lambda: L.Reshape((-1, -1)), "only one size of target_shape may be -1"),
            (lambda: L.Reshape((4, -1))(np.zeros((1, 6))), "which have 6 cells each"),
            (lambda: L.Reshape((4,))(cl.Input((6,))), "which have 6 cells each"),
            (lambda: L.UpSampling2D(interpolation="bicubic"), "interpolation is one of 'nearest', 'bilinear'"),
            (lambda: L.ZeroPadding2D(-1), "padding must be an integer of at least 0; got -1"),
            (lambda: L.Flatten(data_format="channels_first"), "Images are channels-last: (n, h, w, c)"),
        ],
    )
    def test_bad_input(self, make: Any, message: str) -> None:
        with pytest.raises(ValueError) as error:
            make()
        assert message in str(error.value)


class TestDropout:
    def test_part_dropped_and_the_rest_scaled(self) -> None:
        y, dx, _ = run(L.Dropout(0.25, dtype="float64"), np.ones((100, 100)), training=True)
        assert set(np.unique(y)) == {0.0, 1 / 0.75}
        assert np.mean(y == 0) == pytest.approx(0.25, abs=0.02)
        np.testing.assert_array_equal(dx, y)

    def test_masks_are_the_same_in_both_float_types(self) -> None:
        masks = [
            L.Dropout(0.5, dtype=t).forward(np.ones((4, 9), t), training=True, rng=np.random.default_rng(3))[0]
            for t in ("float32", "float64")
        ]
        np.testing.assert_array_equal(*masks)

    def test_spatial_drops_whole_channels_of_an_image(self) -> None:
        y, _, _ = run(L.SpatialDropout2D(0.5, dtype="float64"), np.ones((20, 3, 3, 10)), training=True)
        assert np.all(y == y[:, :1, :1])
        assert np.mean(y == 0) == pytest.approx(0.5, abs=0.1)

    def test_noise_shape_chooses_along_whole_axes(self) -> None:
        y, _, _ = run(L.Dropout(0.5, noise_shape=(None, 1), dtype="float64"), np.ones((50, 4)), training=True)
        assert np.all(y == y[:, :1])
        assert 0 < np.mean(y == 0) < 1

    def test_rate_one_leaves_nothing(self) -> None:
        y, dx, _ = run(L.Dropout(1, dtype="float64"), np.ones((2, 3)), training=True)
        assert not y.any()
        assert not dx.any()

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: L.Dropout(1.5), "rate is a number from 0 to 1; got 1.5"),
            (lambda: L.Dropout(0.5, seed=-1), "a seed is an integer of at least 0; got -1"),
            (
                lambda: L.Dropout(0.5, noise_shape=(1,))(np.zeros((2, 3)), training=True),
                "noise_shape (1,) has not as many",
            ),
            (
                lambda: L.Dropout(0.5, name="d").forward(np.zeros(3), training=True),
                "'d' needs random numbers in training",
            ),
        ],
    )
    def test_bad_input(self, make: Any, message: str) -> None:
        with pytest.raises(ValueError) as error:
            make()
        assert message in str(error.value)


class TestRescalingAndInput:
    def test_bytes_to_unit_interval(self) -> None:
        y = L.Rescaling(1 / 255)(np.array([[0, 51, 255]], np.uint8))
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, [[0, 0.2, 1]], rtol=1e-6)

    def test_arrays_by_channel_in_keras_form(self) -> None:
        stored = {"class_name": "__numpy__", "config": {"value": [1.0, 2.0], "dtype": "float32"}}
        layer = L.Rescaling.from_config({"scale": stored, "offset": 1.0})
        assert layer(np.ones((1, 2))).tolist() == [[2.0, 3.0]]
        assert not layer.elementwise

    def test_scale_must_broadcast_to_the_input(self) -> None:
        with pytest.raises(ValueError, match=r"of shape \(2,\), which does not broadcast to inputs of shape \(1, 3\)"):
            L.Rescaling([1.0, 2.0])(np.ones((1, 3)))
        with pytest.raises(ValueError, match="scale is a number or an array of numbers; got 'big'"):
            L.Rescaling("big")

    def test_input_gives_a_symbol(self) -> None:
        symbol = cl.Input((28, 28, 1), batch_size=8)
        assert (symbol.shape, symbol.dtype, symbol.name) == ((8, 28, 28, 1), "float32", "input_layer")
        assert cl.Input(batch_shape=(None, 3), dtype="float64").dtype == "float64"
        assert symbol.node.layer.output is symbol

    def test_symbols_in_symbols_out(self) -> None:
        symbol = L.MaxPooling2D()(L.Conv2D(4, 3, padding="same")(cl.Input((28, 28, 1))))
        assert symbol.shape == (None, 14, 14, 4)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({}, "either shape="),
            ({"shape": (3,), "batch_shape": (1, 3)}, "either shape="),
            ({"shape": 28}, "a shape is a tuple of positive integers and None, such as (28, 28, 1); got 28"),
            ({"shape": (28, -1)}, "got (28, -1)"),
            ({"shape": (3,), "dtype": "uint8"}, "dtype is one of float32, float64"),
            ({"shape": (3,), "sparse": True}, "sparse=True is not supported"),
        ],
    )
    def test_bad_input(self, arguments: dict, message: str) -> None:
        with pytest.raises(ValueError) as error:
            cl.Input(**arguments)
        assert message in str(error.value)


def test_aliases_are_the_same_classes() -> None:
    assert L.MaxPool2D is L.MaxPooling2D
    assert L.AvgPool2D is L.AveragePooling2D
    assert L.GlobalMaxPool2D is L.GlobalMaxPooling2D
    assert L.GlobalAvgPool2D is L.GlobalAveragePooling2D
    assert L.Convolution2D is L.Conv2D
    assert L.Convolution2DTranspose is L.Conv2DTranspose
    assert L.SeparableConvolution2D is L.SeparableConv2D


def test_deserialize_makes_known_layers_only() -> None:
    with pytest.raises(ValueError, match=r"unknown layer 'Convv2D'. Did you mean 'Conv2D'"):
        cl.layers.deserialize({"class_name": "Convv2D", "config": {}})
    evil = {"module": "builtins", "class_name": "eval", "config": {"source": "1"}}
    dense = {"class_name": "Dense", "config": {"units": 2, "kernel_initializer": evil}}
    with pytest.raises(ValueError, match="unknown initializer 'eval'"):
        cl.layers.deserialize(dense)
    with pytest.raises(ValueError, match="bad configuration of layer 'Dense'"):
        cl.layers.deserialize({"class_name": "Dense", "config": {"units": 2, "colour": "red"}})


def test_build_may_be_called_by_hand() -> None:
    layer = L.Conv2D(3, 3)
    layer.build((None, 5, 5, 2))
    assert layer.built
    assert layer.count_params() == 57
    kernel = layer.kernel.numpy()
    layer(np.zeros((1, 5, 5, 2)))
    np.testing.assert_array_equal(layer.kernel.value, kernel)


def test_a_layers_own_seed_counts_instead_of_the_models() -> None:
    model = cl.Sequential([cl.Input((50,)), L.Dropout(0.5, seed=3), L.Dropout(0.5)])
    x = np.ones((1, 50), np.float32)
    first, second = (model.trace(x, training=True, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(first["dropout"].output, second["dropout"].output)
    assert not np.array_equal(first["dropout_1"].output, second["dropout_1"].output)
    one, other = L.Dropout(0.5, seed=1), L.Dropout(0.5, seed=1)
    calls = [one(x, training=True) for _ in range(2)]
    np.testing.assert_array_equal(calls, [other(x, training=True) for _ in range(2)])
    assert not np.array_equal(*calls)
