"""Saliency, Grad-CAM, occlusion and receptive fields against numbers worked out another way."""

from __future__ import annotations

import numpy as np
import pytest

import convolens as cl
from convolens.pictures import attribution, reach


def small_cnn(classes=3, activation="softmax", size=8, channels=2, api="functional"):
    cl.utils.set_random_seed(1)
    layers = [
        cl.layers.Conv2D(4, 3, padding="same", activation="tanh"),
        cl.layers.Conv2D(5, 3, activation="relu"),
        cl.layers.MaxPooling2D(),
        cl.layers.Flatten(),
        cl.layers.Dense(classes, activation=activation),
    ]
    if api == "sequential":
        return cl.Sequential([cl.Input((size, size, channels)), *layers])
    x = inputs = cl.Input((size, size, channels))
    for layer in layers:
        x = layer(x)
    return cl.Model(inputs, x)


def image(seed=0, n=1, size=8, channels=2):
    return np.random.default_rng(seed).uniform(size=(n, size, size, channels)).astype("float32")


@pytest.mark.parametrize("api", ["functional", "sequential"])
def test_saliency_is_the_numeric_gradient_of_the_score(api, monkeypatch):
    monkeypatch.setattr(cl.config, "floatx", lambda: "float64")
    model = small_cnn(api=api)
    x = image().astype("float64")
    scores = attribution.score_model(model)
    np.testing.assert_allclose(
        np.exp(scores.predict(x, verbose=0)) / np.exp(scores.predict(x, verbose=0)).sum(), model.predict(x, verbose=0),
        rtol=1e-5,
    )  # fmt: skip
    found = cl.visualize.saliency_maps(model, x, target=1)
    expected = np.zeros((8, 8, 2))
    for at in np.ndindex(8, 8, 2):
        above, below = x.copy(), x.copy()
        above[(0, *at)] += 1e-6
        below[(0, *at)] -= 1e-6
        up, down = (scores.predict(one, verbose=0)[0, 1] for one in (above, below))
        expected[at] = abs(up - down) / 2e-6
    np.testing.assert_allclose(found[0], expected.max(axis=-1), rtol=1e-5, atol=1e-9)


def test_saliency_of_a_batch_is_that_of_its_images():
    model, x = small_cnn(), image(n=3)
    together = cl.visualize.saliency_maps(model, x)
    for one, expected in zip(x, together, strict=True):
        np.testing.assert_allclose(cl.visualize.saliency_maps(model, one)[0], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("ending", ["activation", "softmax layer", "activation layer"])
def test_scores_are_what_goes_into_the_last_softmax(ending):
    inputs = cl.Input((4, 4, 1))
    x = cl.layers.Flatten()(inputs)
    z = cl.layers.Dense(3, activation="softmax" if ending == "activation" else None)(x)
    if ending == "softmax layer":
        z = cl.layers.Softmax()(z)
    if ending == "activation layer":
        z = cl.layers.Activation("softmax")(z)
    model = cl.Model(inputs, z)
    kernel, bias = model.get_weights()
    x = image(size=4, channels=1)
    np.testing.assert_allclose(
        attribution.score_model(model).predict(x, verbose=0), x.reshape(1, -1) @ kernel + bias, rtol=1e-5, atol=1e-6
    )


def test_making_a_score_model_changes_neither_the_model_nor_the_random_numbers():
    model = small_cnn()
    before = [len(layer.nodes) for layer in model.layers]
    cl.utils.set_random_seed(3)
    expected = cl.layers.Dense(2)(np.ones((1, 3)))
    cl.utils.set_random_seed(3)
    cl.visualize.saliency_maps(model, image())
    np.testing.assert_array_equal(cl.layers.Dense(2)(np.ones((1, 3))), expected)
    assert [len(layer.nodes) for layer in model.layers] == before


def test_a_lone_sigmoid_scores_its_class_and_the_other_one_negatively():
    model, x = small_cnn(1, "sigmoid"), image()
    ours = cl.visualize.saliency_maps(model, x, target=1)
    np.testing.assert_allclose(ours, cl.visualize.saliency_maps(model, x, target=0))
    cam = [cl.visualize.grad_cam_maps(model, x, target=c, layer=model.layers[2].name) for c in (0, 1)]
    assert not np.allclose(cam[0], cam[1])
    predicted = int(model.predict(x, verbose=0)[0, 0] > 0.5)
    np.testing.assert_array_equal(cl.visualize.grad_cam_maps(model, x), cam[predicted])


def test_grad_cam_by_its_formula():
    model, x = small_cnn(), image(4)
    found = cl.visualize.grad_cam_maps(model, x, target=2)
    conv, dense = model.layers[2], model.layers[-1]
    maps = cl.Model(model.inputs, conv.output).predict(x, verbose=0)  # (1, 6, 6, 5), pooled to (3, 3, 5), then dense
    weights = dense.get_weights()[0][:, 2].reshape(3, 3, 5)
    alpha = weights.sum(axis=(0, 1)) / 36  # max pooling hands each gradient to one cell of its window
    np.testing.assert_allclose(found[0], np.maximum((maps[0] * alpha).sum(axis=-1), 0), rtol=1e-4, atol=1e-6)


def test_grad_cam_looks_at_what_follows_the_last_convolution_at_its_size():
    cl.utils.clear_session()
    model = cl.zoo.happy_model(input_shape=(16, 16, 3))
    assert attribution.last_maps(model.trace(np.zeros((1, 16, 16, 3)))) == "re_lu"
    with pytest.raises(ValueError, match="needs the maps of a convolution"):
        cl.visualize.grad_cam_maps(cl.Sequential([cl.Input((4, 4, 1)), cl.layers.Flatten(), cl.layers.Dense(2)]),
                                   image(size=4, channels=1))  # fmt: skip


def bright_corner_model(size=6):
    """A model whose probability depends on the mean of the upper left 2 x 2 cells alone."""
    model = cl.Sequential(
        [cl.Input((size, size, 1)), cl.layers.Cropping2D(((0, size - 2), (0, size - 2))), cl.layers.Flatten(),
         cl.layers.Dense(1, activation="sigmoid")]
    )  # fmt: skip
    model.set_weights([np.full((4, 1), 2.0), np.array([-3.0])])
    return model


def test_occlusion_by_hand():
    model, x = bright_corner_model(), np.zeros((1, 6, 6, 1))
    x[0, :2, :2] = 1.0
    fill = 4 / 36
    whole, covered = (1 / (1 + np.exp(-(8 * v - 3))) for v in (1.0, fill))
    found = cl.visualize.occlusion_map(model, x, target=1, patch=2, stride=2)
    expected = np.zeros((6, 6))
    expected[:2, :2] = whole - covered
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(cl.visualize.occlusion_map(model, x, target=0, patch=2, stride=2), -expected, atol=1e-6)
    overlapping = cl.visualize.occlusion_map(model, x, target=1, patch=2, stride=1)
    half = 1 / (1 + np.exp(-(4 + 4 * fill - 3)))
    np.testing.assert_allclose(overlapping[0, 1], (2 * whole - covered - half) / 2, atol=1e-6)


def test_occlusion_covers_every_cell_also_where_the_stride_does_not_divide():
    assert np.isfinite(cl.visualize.occlusion_map(bright_corner_model(7), np.ones((7, 7, 1)), patch=3, stride=3)).all()


def test_occlusion_at_a_layer_covers_its_maps():
    model = small_cnn()
    name = model.layers[1].name
    found = cl.visualize.occlusion_map(model, image(), layer=name, patch=8)
    maps = cl.Model(model.inputs, model.get_layer(name).output).predict(image(), verbose=0)
    rest = cl.Model(model.get_layer(name).output, model.outputs[0])
    p = [rest.predict(one, verbose=0)[0] for one in (maps, np.broadcast_to(maps.mean(axis=(1, 2)), maps.shape))]
    c = p[0].argmax()
    np.testing.assert_allclose(found, np.full((8, 8), p[0][c] - p[1][c]), atol=1e-6)


def test_resize_keeps_constants_and_the_mean_of_whole_multiples():
    maps = np.random.default_rng(0).uniform(size=(2, 3, 4))
    np.testing.assert_allclose(attribution.resize(np.full((1, 3, 4), 2.0), (7, 9)), np.full((1, 7, 9), 2.0))
    np.testing.assert_allclose(attribution.resize(maps, (3, 4)), maps)
    larger = cl.layers.UpSampling2D(3, interpolation="bilinear")(maps[..., None])[..., 0]
    np.testing.assert_allclose(attribution.resize(maps, (9, 12)), larger, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cl.Sequential([cl.Input((4,)), cl.layers.Dense(2)]), "one image"),
        (lambda: cl.Sequential([cl.Input((8, 8, 2)), cl.layers.Conv2D(1, 3)]), "one row of class scores"),
        (lambda: cl.Sequential([cl.Input((8, 8, 2)), small_cnn()]), "is a model itself"),
    ],
)
def test_models_out_of_reach_are_refused(make, message):
    model = make()
    with pytest.raises(ValueError, match=message):
        cl.visualize.saliency_maps(model, image())


def test_bad_targets_and_layers_are_named():
    model = small_cnn()
    with pytest.raises(ValueError, match="class number from 0 to 2; got 3"):
        cl.visualize.saliency_maps(model, image(), target=3)
    with pytest.raises(ValueError, match="no maps"):
        cl.visualize.grad_cam_maps(model, image(), layer=model.layers[-1].name)
    with pytest.raises(ValueError, match="nowhere"):
        cl.visualize.grad_cam_maps(model, image(), layer="nowhere")
    with pytest.raises(ValueError, match="does not fit"):
        cl.visualize.occlusion_map(model, image(), patch=9)


# Receptive fields: the theoretical box is where a network of positive weights has a gradient.


def positive(layers, size=(12, 11)):
    model = cl.Sequential([cl.Input((*size, 1)), *layers])
    model.set_weights([np.abs(w) + 0.1 for w in model.get_weights()])
    return model


CHAINS = {
    "valid": lambda: [cl.layers.Conv2D(2, 3), cl.layers.Conv2D(1, (2, 3))],
    "same": lambda: [cl.layers.Conv2D(2, 3, padding="same"), cl.layers.Conv2D(1, 5, padding="same")],
    "strides": lambda: [cl.layers.Conv2D(2, 3, strides=2, padding="same"), cl.layers.Conv2D(1, 2, strides=(1, 2))],
    "dilation": lambda: [cl.layers.Conv2D(1, 3, dilation_rate=(2, 1))],
    "average": lambda: [cl.layers.AveragePooling2D(2, padding="same"), cl.layers.Conv2D(1, 3, padding="same")],
    "padding": lambda: [cl.layers.ZeroPadding2D(((1, 2), (0, 3))), cl.layers.Conv2D(1, 3), cl.layers.Cropping2D(1)],
    "nearest": lambda: [cl.layers.Conv2D(1, 3), cl.layers.UpSampling2D(2), cl.layers.Conv2D(1, 2)],
    "bilinear": lambda: [cl.layers.Conv2D(1, 3), cl.layers.UpSampling2D(2, interpolation="bilinear")],
    "transposed": lambda: [cl.layers.Conv2D(1, 3), cl.layers.Conv2DTranspose(1, 3, strides=1, padding="same")],
    "transposed valid": lambda: [cl.layers.AveragePooling2D(2), cl.layers.Conv2DTranspose(1, 3, strides=2)],
    "transposed same": lambda: [
        cl.layers.AveragePooling2D(2), cl.layers.Conv2DTranspose(1, 4, strides=2, padding="same")
    ],
    "depthwise": lambda: [cl.layers.DepthwiseConv2D(3), cl.layers.SeparableConv2D(2, 3, padding="same")],
    "same cell": lambda: [cl.layers.Conv2D(2, 3), cl.layers.BatchNormalization(), cl.layers.ReLU()],
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_theoretical_field_is_where_a_network_of_positive_weights_has_a_gradient(name):
    model = positive(CHAINS[name]())
    layer = model.layers[-1].name
    shape = model.outputs[0].shape
    for cell in [(0, 0), (1, 2), (shape[1] // 2, shape[2] // 2), (shape[1] - 1, shape[2] - 1)]:
        trace = model.trace(np.ones((1, 12, 11, 1)))
        d_output = np.zeros_like(trace.output)
        d_output[0, cell[0], cell[1]] = 1
        rows, columns = np.nonzero(model.trace(np.ones((1, 12, 11, 1)), d_output=d_output).d_input[0, :, :, 0])
        box = reach.theoretical_field(model, layer, cell).within((12, 11))
        if not len(rows):
            assert name == "padding"
            continue
        assert box == (rows.min(), rows.max(), columns.min(), columns.max()), cell


def test_paths_unite_and_measured_lies_within():
    inputs = cl.Input((9, 9, 1))
    narrow = cl.layers.Conv2D(2, 1)(inputs)
    wide = cl.layers.Conv2D(2, (5, 3), padding="same", activation="relu")(inputs)
    model = cl.Model(inputs, cl.layers.Add(name="sum")([narrow, wide]))
    box = cl.visualize.theoretical_field(model, "sum", (4, 4))
    assert box == (2, 6, 3, 5)
    measured = cl.visualize.measured_field(model, "sum", (4, 4))
    rows, columns = np.nonzero(measured)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == box
    assert measured.max() == 1


def test_receptive_field_refusals():
    model = small_cnn()
    with pytest.raises(ValueError, match="within the 8 x 8 cells"):
        cl.visualize.theoretical_field(model, model.layers[1].name, (8, 0))
    with pytest.raises(ValueError, match="asked of maps"):
        cl.visualize.measured_field(model, model.layers[-1].name, (0, 0))

    class Odd(cl.layers.Layer):
        def forward(self, x, training=False, rng=None):
            return x[:, ::-1], None

        def backward(self, d_output, cache, need_dx=True):
            return d_output[:, ::-1], {}

    strange = cl.Sequential([cl.Input((4, 4, 1)), Odd(name="odd")])
    with pytest.raises(ValueError, match=r"Odd \('odd'\) is not known"):
        cl.visualize.theoretical_field(strange, "odd", (0, 0))
