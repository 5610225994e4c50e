"""Exported ONNX files give in ONNX Runtime what real Keras, and this library, give."""

import json
from pathlib import Path

import numpy as np
import pytest

import convolens as cl
from golden import saved_networks as networks

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "layers.json").read_text())["cases"]
ARRAYS = np.load(GOLDEN / "layers.npz")
NAMES = [f"{number}-{case['config']['class_name']}" for number, case in enumerate(CASES)]


def run(path, xs):
    """Check a file and run it."""
    onnx.checker.check_model(str(path), full_check=True)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {i.name: np.asarray(x, "float32") for i, x in zip(session.get_inputs(), xs, strict=True)})


def transposes(path):
    return [node.op_type for node in onnx.load(path).graph.node].count("Transpose")


@pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=NAMES)
def test_every_layer_gives_what_keras_gave(number, case, tmp_path):
    layer = cl.layers.deserialize(case["config"])
    xs = [ARRAYS[f"{number}/x{i}"] for i in range(len(case["inputs"]))]
    symbols = [cl.Input(x.shape[1:]) for x in xs]
    model = cl.Model(symbols, layer(symbols if len(symbols) > 1 else symbols[0]))
    layer.set_weights([ARRAYS[f"{number}/w{i}"] for i in range(len(case["weights"]))])
    cl.export.onnx(model, tmp_path / "m.onnx")
    (y,) = run(tmp_path / "m.onnx", xs)
    np.testing.assert_allclose(y, ARRAYS[f"{number}/inference/y"], rtol=2e-5, atol=1e-5)
    assert transposes(tmp_path / "m.onnx") <= len(xs) + 1


@pytest.mark.parametrize("name", networks.BUILDERS)
def test_whole_networks(name, tmp_path):
    model = networks.compiled(cl, name)
    networks.train(model, name, 1)
    cl.export.onnx(model, tmp_path / "m.onnx")
    x = networks.data(name)["x"]
    found = run(tmp_path / "m.onnx", x if isinstance(x, list) else [x])
    for y, expected in zip(found, networks.predictions(model, name), strict=True):
        np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["lenet5", "happy_model", "convolutional_model", "digits_cnn"])
def test_the_networks_of_the_tasks(name, tmp_path):
    model = getattr(cl.zoo, name)()
    cl.export.onnx(model, tmp_path / "m.onnx")
    x = np.random.default_rng(0).uniform(size=(3, *model.input_shape[1:])).astype("float32")
    (y,) = run(tmp_path / "m.onnx", [x])
    np.testing.assert_allclose(y, model.predict(x, verbose=0), rtol=2e-5, atol=1e-6)
    written = onnx.load(tmp_path / "m.onnx")
    assert transposes(tmp_path / "m.onnx") == 1
    assert written.opset_import[0].version == 18
    assert written.producer_name == "convolens"
    assert written.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def check(inputs, outputs, *xs, path):
    model = cl.Model(inputs, outputs)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=w.shape) ** 2 for w in model.get_weights()])
    cl.export.onnx(model, path)
    xs = [rng.normal(size=x).astype("float32") for x in xs]
    expected = model.predict(xs, verbose=0)
    for y, right in zip(run(path, xs), expected if isinstance(expected, list) else [expected], strict=True):
        np.testing.assert_allclose(y, right, rtol=1e-4, atol=1e-5)


def test_flattened_cells_keep_their_meaning_whatever_follows(tmp_path):
    layers = cl.layers
    image, vector = cl.Input((3, 4, 2), name="image"), cl.Input((24,), name="vector")
    flat = layers.Flatten()(image)
    normal = layers.BatchNormalization()(flat)
    layered = layers.LayerNormalization()(flat)
    scaled = layers.Rescaling(np.arange(24.0).tolist(), offset=np.arange(24.0)[::-1].tolist())(flat)
    outputs = [
        flat,
        normal,
        layered,
        scaled,
        layers.Softmax()(flat),
        layers.Add()([flat, normal]),
        layers.Multiply()([flat, vector]),
        layers.Dense(3)(layers.Concatenate()([vector, flat, normal])),
        layers.Concatenate()([flat, flat]),
        layers.Reshape((4, 3, 2))(flat),
        layers.Reshape((2, 12))(flat),
        layers.Conv2D(2, 2)(layers.Reshape((4, 2, 3))(image)),
        layers.Reshape((24,))(image),
        layers.Dense(2)(layers.Flatten()(layers.Reshape((6, 2, 2))(layers.Reshape((4, 6))(image)))),
    ]
    check([image, vector], outputs, (5, 3, 4, 2), (5, 24), path=tmp_path / "m.onnx")


def test_images_merge_with_what_has_fewer_axes(tmp_path):
    layers = cl.layers
    image = cl.Input((3, 4, 2))
    gate = layers.Dense(2, activation="sigmoid")(layers.GlobalAveragePooling2D()(image))
    rows = layers.Reshape((4, 2))(layers.Cropping2D(((1, 1), (0, 0)))(image))
    outputs = [layers.Multiply()([image, gate]), layers.Subtract()([rows, image]), layers.Dense(5)(rows)]
    check([image], outputs, (2, 3, 4, 2), path=tmp_path / "m.onnx")


def test_axes_other_than_the_channels(tmp_path):
    layers = cl.layers
    image = cl.Input((3, 4, 2))
    outputs = [
        layers.Concatenate(axis=1)([image, image]),
        layers.Concatenate(axis=-2)([image, image]),
        layers.BatchNormalization(axis=1)(image),
        layers.LayerNormalization(axis=[1, 2])(image),
        layers.Softmax(axis=[1, 2])(image),
        layers.Softmax(axis=1)(image),
        layers.Rescaling([1.0, 2.0], offset=[[0.5], [1.0], [1.5], [2.0]])(image),
        layers.Dense(3, activation="relu")(image),
    ]
    check([image], outputs, (2, 3, 4, 2), path=tmp_path / "m.onnx")


@pytest.mark.parametrize("size", [(7, 6), (8, 5)])
def test_open_sizes(size, tmp_path):
    layers = cl.layers
    image = cl.Input((None, None, 2))
    x = layers.Conv2D(3, 3, strides=2, padding="same")(image)
    x = layers.Conv2D(3, (2, 3), padding="same")(layers.MaxPooling2D(2, strides=2, padding="same")(x))
    x = layers.Conv2DTranspose(2, 3, strides=2, padding="same")(x)
    check([image], [x, layers.GlobalMaxPooling2D()(x), layers.Flatten()(x)], (2, *size, 2), path=tmp_path / "m.onnx")


ACTIVATIONS = [
    *("elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear", "log_softmax", "mish", "relu", "relu6"),
    *("selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "tanh"),
    cl.activations.gelu.with_options(approximate=True),
    cl.activations.relu.with_options(negative_slope=0.1),
    cl.activations.relu.with_options(negative_slope=0.1, max_value=1.0, threshold=0.5),
    cl.activations.relu.with_options(threshold=0.5),
    cl.activations.relu.with_options(max_value=1.0),
    cl.activations.log_softmax.with_options(axis=(1, 2)),
]


def test_every_activation(tmp_path):
    image = cl.Input((3, 4, 2))
    outputs = [cl.layers.Conv2D(2, 1, activation=one)(image) for one in ACTIVATIONS]
    check([image], outputs, (2, 3, 4, 2), path=tmp_path / "m.onnx")


def test_what_onnx_cannot_express_is_refused(tmp_path):
    class Mine(cl.layers.Layer):
        def forward(self, x, training=False, rng=None):
            return x * 2, None

    class Square(cl.activations.Activation):
        def forward(self, z):
            return z * z, z

    x = cl.Input((3,))
    with pytest.raises(ValueError, match="layer 'doubled' cannot be written as ONNX: there is no counterpart of Mine"):
        cl.export.onnx(cl.Model(x, Mine(name="doubled")(x)), tmp_path / "m.onnx")
    with pytest.raises(ValueError, match="layer 'bent' cannot be written as ONNX: ONNX has no activation 'Square'"):
        cl.export.onnx(cl.Model(x, cl.layers.Dense(2, activation=Square(), name="bent")(x)), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
