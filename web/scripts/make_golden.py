"""Write ``tests/golden/*.json``: what the library computes with its reference loops, for the tests of the page.

Run from the repository's root: ``.venv/bin/python web/scripts/make_golden.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import convolens as cl
from convolens.explainer import make_record
from convolens.explainer.options import activation_record, layer_options, loss_options
from convolens.kernels import geometry, reference

FOLDER = Path(__file__).parents[1] / "tests" / "golden"
rng = np.random.default_rng(20)
cases: list[dict[str, Any]] = []


def array(*shape: int) -> np.ndarray:
    """Return numbers on a grid of 1/64, so that ties occur and the file stays short."""
    return np.round(rng.normal(size=shape) * 64) / 64


def packed(x: np.ndarray | None, batch: bool = False) -> dict[str, Any] | None:
    """Return an array as its shape and numbers, without the batch axis of one."""
    if x is None:
        return None
    x = x[0] if batch else x
    return {"shape": list(x.shape), "data": [float(value) for value in np.ravel(x)]}


def add(name: str, cls: str, options: dict[str, Any], x: np.ndarray, parameters: dict[str, Any], run: Any) -> None:
    """Run a kernel forward and backward and keep the numbers."""
    y, back = run(x)
    dy = array(*y.shape)
    dx, gradients = back(dy)
    cases.append(
        {
            "name": name,
            "class": cls,
            "options": options,
            "inputs": [packed(x, batch=True)],
            "parameters": {key: packed(value) for key, value in parameters.items() if value is not None},
            "dy": packed(dy, batch=True),
            "output": packed(y, batch=True),
            "d_inputs": [packed(dx, batch=True)],
            "gradients": {key: packed(value) for key, value in gradients.items() if value is not None},
        }
    )


def convolution(
    name: str, cls: str, shape: tuple[int, ...], kernel: tuple[int, ...], bias: int | None, **options: Any
) -> None:
    """Add a case of a convolution, depthwise or not."""
    x, w = array(1, *shape), array(*kernel)
    b = None if bias is None else array(bias)
    strides, dilation = options.get("strides", (1, 1)), options.get("dilation", (1, 1))
    pads = geometry.pads(options.get("padding", "valid"), shape[:2], kernel[:2], strides, dilation)
    kind = "conv2d" if cls == "Conv2D" else "depthwise_conv2d"
    forward, backward = getattr(reference, f"{kind}_forward"), getattr(reference, f"{kind}_backward")

    def run(x: np.ndarray) -> Any:
        y, cache = forward(x, w, b, **options)

        def back(dy: np.ndarray) -> Any:
            dx, dw, db = backward(dy, cache)
            return dx, {"kernel": dw, "bias": db}

        return y, back

    record = {"strides": strides, "pads": pads, "dilation": dilation, "groups": options.get("groups", 1)}
    add(name, cls, record, x, {"kernel": w, "bias": b}, run)


def transpose(name: str, shape: tuple[int, ...], kernel: tuple[int, ...], **options: Any) -> None:
    """Add a case of a transposed convolution."""
    x, w, b = array(1, *shape), array(*kernel), array(kernel[2])
    y, cache = reference.conv2d_transpose_forward(x, w, b, **options)

    def run(x: np.ndarray) -> Any:
        def back(dy: np.ndarray) -> Any:
            dx, dw, db = reference.conv2d_transpose_backward(dy, cache)
            return dx, {"kernel": dw, "bias": db}

        return y, back

    record = {
        "strides": cache.strides,
        "pads": cache.pads,
        "dilation": cache.dilation,
        "output_shape": y.shape[1:],
    }
    add(name, "Conv2DTranspose", record, x, {"kernel": w, "bias": b}, run)


def pooling(
    name: str, cls: str, shape: tuple[int, ...], pool_size: tuple[int, int], strides: tuple[int, int], padding: str
) -> None:
    """Add a case of pooling."""
    kind = "max_pool2d" if cls == "MaxPooling2D" else "average_pool2d"

    def run(x: np.ndarray) -> Any:
        y, cache = getattr(reference, f"{kind}_forward")(x, pool_size=pool_size, strides=strides, padding=padding)
        return y, lambda dy: (getattr(reference, f"{kind}_backward")(dy, cache), {})

    pads = geometry.pads(padding, shape[:2], pool_size, strides)
    add(
        name,
        cls,
        {"pool_size": pool_size, "strides": strides, "pads": pads},
        np.round(array(1, *shape) * 2) / 2,
        {},
        run,
    )


def normalization(name: str, shape: tuple[int, ...], training: bool, scale: bool = True, center: bool = True) -> None:
    """Add a case of batch normalisation."""
    c = shape[-1]
    gamma, beta = (array(c) if scale else None), (array(c) if center else None)
    mean, variance = array(c), np.abs(array(c)) + 0.25

    def run(x: np.ndarray) -> Any:
        y, cache = reference.batch_normalization_forward(
            x, gamma, beta, mean, variance, epsilon=1e-3, training=training
        )

        def back(dy: np.ndarray) -> Any:
            dx, dgamma, dbeta = reference.batch_normalization_backward(dy, cache)
            return dx, {"gamma": dgamma, "beta": dbeta}

        return y, back

    parameters = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
    add(name, "BatchNormalization", {"epsilon": 1e-3, "training": training}, array(1, *shape), parameters, run)


def dense(name: str, shape: tuple[int, ...], units: int, bias: bool) -> None:
    """Add a case of a dense layer."""
    w, b = array(shape[-1], units), (array(units) if bias else None)

    def run(x: np.ndarray) -> Any:
        y, cache = reference.dense_forward(x, w, b)

        def back(dy: np.ndarray) -> Any:
            dx, dw, db = reference.dense_backward(dy, cache)
            return dx, {"kernel": dw, "bias": db}

        return y, back

    add(name, "Dense", {}, array(1, *shape), {"kernel": w, "bias": b}, run)


def softmax(name: str, shape: tuple[int, ...]) -> None:
    """Add a case of softmax."""

    def run(x: np.ndarray) -> Any:
        y, cache = reference.softmax_forward(x)
        return y, lambda dy: (reference.softmax_backward(dy, cache), {})

    add(name, "Softmax", {"name": "softmax"}, array(1, *shape), {}, run)


convolution("valid", "Conv2D", (5, 6, 2), (3, 2, 2, 3), 3)
convolution(
    "same, even kernel, stride 2: uneven pads", "Conv2D", (6, 5, 2), (4, 2, 2, 3), 3, strides=(2, 2), padding="same"
)
convolution("dilated", "Conv2D", (7, 8, 2), (3, 2, 2, 2), None, dilation=(2, 3), padding="same")
convolution("groups", "Conv2D", (5, 5, 4), (3, 3, 2, 6), 6, groups=2, strides=(2, 1), padding="same")
convolution("explicit pads", "Conv2D", (4, 5, 1), (2, 3, 1, 2), 2, padding=((1, 0), (0, 2)))
convolution("depthwise", "DepthwiseConv2D", (5, 6, 3), (3, 3, 3, 1), 3, padding="same")
convolution("depthwise, two per channel", "DepthwiseConv2D", (6, 5, 2), (2, 3, 2, 2), 4, strides=(2, 2), padding="same")
transpose("valid, stride 2", (3, 4, 2), (3, 3, 3, 2), strides=(2, 2), padding="valid")
transpose("same, stride 2, even kernel", (3, 3, 2), (4, 2, 2, 2), strides=(2, 2), padding="same")
for cls in ("MaxPooling2D", "AveragePooling2D"):
    pooling("2 by 2", cls, (6, 5, 3), (2, 2), (2, 2), "valid")
    pooling("overlapping, same", cls, (5, 7, 2), (3, 3), (2, 2), "same")
    pooling("wide windows", cls, (8, 9, 1), (2, 4), (3, 2), "same")
normalization("inference", (4, 3, 2), training=False)
normalization("training", (4, 3, 2), training=True)
normalization("training, no scale, no shift", (3, 3, 3), training=True, scale=False, center=False)
dense("vector", (7,), 4, bias=True)
dense("map", (2, 3, 4), 3, bias=False)
softmax("vector", (6,))
softmax("map", (2, 2, 3))


def write(name: str, content: list[Any]) -> None:
    """Write one file, a case per line."""
    path = FOLDER / name
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in content) + "\n]\n")
    print(f"{name}: {len(content)} cases, {path.stat().st_size} bytes")


def layer_case(name: str, layer: cl.layers.Layer, *shapes: tuple[int, ...]) -> dict[str, Any]:
    """Run a layer forward and backward as the explainer's record describes it."""
    inputs = [cl.Input(shape) for shape in shapes]
    model = cl.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0]))
    for variable in layer.weights:
        variable.assign(
            np.abs(array(*variable.shape)) + 0.25 if "variance" in variable.name else array(*variable.shape)
        )
    arrays = [array(1, *shape) for shape in shapes]
    dy = array(*model(arrays if len(arrays) > 1 else arrays[0]).shape)
    trace = model.trace(arrays if len(arrays) > 1 else arrays[0], d_output=dy)
    step = trace[layer.name]
    cls, options = layer_options(step)
    assert "unsupported" not in options, name
    own = getattr(layer, "activation", None) if isinstance(layer, cl.layers.ActivatedLayer) else None
    return {
        "name": name,
        "class": cls,
        "options": {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()},
        "activation": activation_record(own) if own is not None and not layer.is_linear else None,
        "inputs": [packed(x, batch=True) for x in arrays],
        "parameters": {variable.name: packed(variable.value) for variable in layer.weights},
        "dy": packed(dy, batch=True),
        "output": packed(step.output, batch=True),
        "d_inputs": [packed(dx, batch=True) for dx in trace.d_inputs],
        "gradients": {key: packed(value) for key, value in trace.gradients[layer.name].items()},
    }


def layer_cases() -> list[dict[str, Any]]:
    """Return a case for every layer and activation that the engine has."""
    L = cl.layers
    plain = [
        ("separable", L.SeparableConv2D(3, (3, 2), strides=2, padding="same", depth_multiplier=2), [(5, 6, 2)]),
        ("transposed, same", L.Conv2DTranspose(2, 3, strides=2, padding="same"), [(3, 4, 2)]),
        ("layer normalisation", L.LayerNormalization(), [(2, 3, 4)]),
        ("batch normalisation", L.BatchNormalization(), [(2, 3, 4)]),
        ("global", L.GlobalMaxPooling2D(), [(3, 4, 2)]),
        ("global, keepdims", L.GlobalMaxPooling2D(keepdims=True), [(3, 4, 2)]),
        ("global", L.GlobalAveragePooling2D(), [(3, 4, 2)]),
        ("uneven", L.ZeroPadding2D(((1, 0), (2, 3))), [(2, 3, 2)]),
        ("uneven", L.Cropping2D(((1, 0), (1, 2))), [(4, 5, 2)]),
        ("nearest", L.UpSampling2D((2, 3)), [(2, 3, 2)]),
        ("bilinear", L.UpSampling2D((2, 3), interpolation="bilinear"), [(3, 4, 2)]),
        ("flatten", L.Flatten(), [(2, 3, 2)]),
        ("reshape", L.Reshape((2, 6, 1)), [(2, 3, 2)]),
        ("by channel", L.Rescaling([0.5, 2.0], [1.0, -1.0]), [(2, 2, 2)]),
        ("inference", L.Dropout(0.5), [(2, 2, 2)]),
        ("two maps", L.Concatenate(), [(2, 3, 1), (2, 3, 3)]),
        ("relu with all settings", L.ReLU(max_value=1.5, negative_slope=0.25, threshold=0.25), [(4, 5, 2)]),
        ("leaky", L.LeakyReLU(0.1), [(3, 3, 2)]),
        ("elu", L.ELU(0.7), [(3, 3, 2)]),
        ("softmax", L.Softmax(), [(2, 3, 4)]),
        ("with relu inside", L.Conv2D(3, 3, padding="same", activation="relu"), [(4, 5, 2)]),
        ("with softmax inside", L.Dense(5, activation="softmax"), [(6,)]),
    ]
    merges = [
        (f"three {cls.__name__}", cls(), [(2, 3, 2)] * 3)
        for cls in (L.Add, L.Multiply, L.Average, L.Maximum, L.Minimum)
    ]
    merges.append(("two", L.Subtract(), [(2, 3, 2)] * 2))
    names = (
        "elu exponential gelu hard_sigmoid leaky_relu linear log_softmax mish relu relu6 selu sigmoid silu softmax "
        "softplus softsign tanh"
    )
    activated = [(name, L.Activation(name), [(4, 5, 2)]) for name in names.split()]
    return [layer_case(name, layer, *shapes) for name, layer, shapes in (*plain, *merges, *activated)]


def loss_case(loss: cl.losses.Loss, y: Any, output: np.ndarray) -> dict[str, Any]:
    """Return a loss of one image with its gradient."""
    target = np.asarray([y])
    value, cache = loss.forward(target, output[None], None)
    cls, options = loss_options(loss, output[None])
    shared = {"class": cls, "options": options, "target": packed(np.asarray(target[0], float).reshape(-1))}
    return {
        **shared,
        "output": packed(output),
        "value": float(value),
        "gradient": packed(loss.backward(cache), batch=True),
    }


def loss_cases() -> list[dict[str, Any]]:
    """Return a case for every loss, on probabilities and on scores."""
    logits = array(5)
    p = np.exp(logits) / np.exp(logits).sum()
    sigmoid = 1 / (1 + np.exp(-logits[:3]))
    one_hot = np.eye(5)[2]
    losses = cl.losses
    return [
        loss_case(losses.SparseCategoricalCrossentropy(), 3, p),
        loss_case(losses.SparseCategoricalCrossentropy(from_logits=True), 3, logits),
        loss_case(losses.CategoricalCrossentropy(), one_hot, p),
        loss_case(losses.CategoricalCrossentropy(label_smoothing=0.1), one_hot, p),
        loss_case(losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2), one_hot, logits),
        loss_case(losses.BinaryCrossentropy(), [1.0, 0.0, 1.0], sigmoid),
        loss_case(losses.BinaryCrossentropy(label_smoothing=0.1), [1.0], sigmoid[:1]),
        loss_case(losses.BinaryCrossentropy(from_logits=True), [0.0, 1.0, 1.0], logits[:3]),
        loss_case(losses.MeanSquaredError(), array(5), logits),
        loss_case(losses.MeanAbsoluteError(), array(5), logits),
        loss_case(losses.Huber(delta=0.5), array(5), logits),
    ]


def network_record() -> dict[str, Any]:
    """Return the record of a network with branches, merges, a shared layer and most kinds of layers, in training."""
    L = cl.layers
    image = cl.Input((9, 10, 3))
    shared = L.Conv2D(4, 3, padding="same", activation="relu", kernel_regularizer="l2", name="shared")
    x = L.Rescaling(2.0, -1.0)(image)
    x = L.Conv2D(4, (4, 3), strides=(2, 1), padding="same")(x)
    skip = x = L.BatchNormalization()(x)
    x = shared(shared(x))
    x = L.Add()([x, skip])
    a = L.SeparableConv2D(4, 3, padding="same", activation="tanh")(x)
    b = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="silu")(x)
    x = L.Concatenate()([a, b])
    x = L.Conv2D(6, 3, groups=2, dilation_rate=2, padding="same", activation="elu")(x)
    x = L.MaxPooling2D(3, strides=2, padding="same")(x)
    x = L.UpSampling2D(2, interpolation="bilinear")(x)
    x = L.Cropping2D(((1, 0), (1, 1)))(L.ZeroPadding2D(1)(x))
    x = L.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
    x = L.LeakyReLU()(L.AveragePooling2D(2)(x))
    x = L.LayerNormalization()(x)
    y = L.GlobalAveragePooling2D()(x)
    z = L.GlobalMaxPooling2D()(x)
    x = L.Maximum()([y, z])
    x = L.Multiply()([x, L.Subtract()([y, z]), L.Average()([y, z])])
    x = L.Dense(8, activation="gelu")(L.Reshape((1, 4, 1))(x))
    x = L.Dense(5, activation="softmax")(L.Flatten()(x))
    model = cl.Model(image, x, name="all_kinds")
    model.compile("sgd", "sparse_categorical_crossentropy")
    for variable in model.trainable_weights:
        variable.assign(rng.normal(size=variable.shape) * 0.5)
    return make_record(model, rng.uniform(size=(1, 9, 10, 3)), np.array([3]), class_names="abcde", training=True)


FOLDER.mkdir(parents=True, exist_ok=True)
write("kernels.json", cases)
cl.config.set_floatx("float64")
with cl.kernels.use("reference"):
    write("layers.json", layer_cases())
    write("losses.json", loss_cases())
    (FOLDER / "network.json").write_text(json.dumps(network_record()) + "\n")
