"""Store what real Keras on TensorFlow gives for every layer: outputs, gradients, moved state, configurations.

Run with a Python that has keras and tensorflow: ``python tests/golden/make_layers.py``. It writes ``layers.json``
(which layer, its configuration in Keras's words, its inputs' shapes) and ``layers.npz`` (the arrays, float64) beside
itself. Inputs, weights and ``d_output`` are multiples of 1/64, tie-free unless the case says ties.
"""

import inspect
import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

layers = keras.layers
IMAGES = (2, 5, 4, 3)
ODD = (1, 7, 6, 2)

CASES = [
    ("Conv2D", {"filters": 2, "kernel_size": 3}, [IMAGES]),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": (2, 3), "strides": (2, 1), "padding": "same", "activation": "relu"},
        [IMAGES],
    ),
    ("Conv2D", {"filters": 2, "kernel_size": 4, "strides": 3, "padding": "same", "use_bias": False}, [ODD]),
    (
        "Conv2D",
        {"filters": 2, "kernel_size": (2, 3), "dilation_rate": 2, "padding": "same", "activation": "tanh"},
        [ODD],
    ),
    ("Conv2D", {"filters": 4, "kernel_size": 2, "groups": 2}, [ODD]),
    ("DepthwiseConv2D", {"kernel_size": 3, "padding": "same"}, [IMAGES]),
    ("DepthwiseConv2D", {"kernel_size": 2, "strides": 2, "depth_multiplier": 2, "activation": "elu"}, [ODD]),
    ("DepthwiseConv2D", {"kernel_size": 2, "dilation_rate": 2, "use_bias": False}, [ODD]),
    ("SeparableConv2D", {"filters": 4, "kernel_size": 3, "padding": "same", "depth_multiplier": 2}, [IMAGES]),
    ("SeparableConv2D", {"filters": 2, "kernel_size": 2, "strides": 2, "use_bias": False, "activation": "relu"}, [ODD]),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 3}, [IMAGES]),
    (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "activation": "relu"},
        [IMAGES],
    ),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": (2, 3), "strides": (3, 2), "use_bias": False}, [IMAGES]),
    (
        "Conv2DTranspose",
        {"filters": 1, "kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 1},
        [IMAGES],
    ),
    ("Dense", {"units": 3}, [(2, 5)]),
    ("Dense", {"units": 3, "activation": "softmax"}, [(2, 5)]),
    ("Dense", {"units": 2, "use_bias": False, "activation": "sigmoid"}, [(2, 3, 4)]),
    ("MaxPooling2D", {}, [IMAGES]),
    ("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, [ODD]),
    ("MaxPooling2D", {"pool_size": (2, 3), "strides": 1, "ties": True}, [IMAGES]),
    ("AveragePooling2D", {"pool_size": 2}, [IMAGES]),
    ("AveragePooling2D", {"pool_size": (3, 2), "strides": (1, 2), "padding": "same"}, [ODD]),
    ("GlobalAveragePooling2D", {}, [IMAGES]),
    ("GlobalAveragePooling2D", {"keepdims": True}, [IMAGES]),
    ("GlobalMaxPooling2D", {}, [IMAGES]),
    ("GlobalMaxPooling2D", {"keepdims": True}, [IMAGES]),
    ("BatchNormalization", {}, [IMAGES]),
    ("BatchNormalization", {"momentum": 0.5, "epsilon": 0.1, "scale": False}, [(6, 3)]),
    ("BatchNormalization", {"axis": 1, "center": False}, [IMAGES]),
    ("BatchNormalization", {"trainable": False}, [IMAGES]),
    ("LayerNormalization", {}, [IMAGES]),
    ("LayerNormalization", {"axis": [1, 2], "epsilon": 0.01, "center": False}, [IMAGES]),
    ("LayerNormalization", {"axis": [1, -1], "scale": False}, [(2, 4, 3)]),
    ("ReLU", {}, [IMAGES]),
    ("ReLU", {"max_value": 1.0, "negative_slope": 0.1, "threshold": 0.5}, [IMAGES]),
    ("LeakyReLU", {}, [IMAGES]),
    ("ELU", {"alpha": 0.5}, [IMAGES]),
    ("Softmax", {}, [(2, 5)]),
    ("Softmax", {"axis": [1, 2]}, [IMAGES]),
    ("Activation", {"activation": "gelu"}, [(2, 5)]),
    ("Flatten", {}, [IMAGES]),
    ("Reshape", {"target_shape": (2, -1)}, [IMAGES]),
    ("ZeroPadding2D", {"padding": ((1, 0), (2, 3))}, [IMAGES]),
    ("Cropping2D", {"cropping": ((1, 2), (0, 1))}, [IMAGES]),
    ("UpSampling2D", {"size": (2, 3)}, [IMAGES]),
    ("UpSampling2D", {"size": (3, 2), "interpolation": "bilinear"}, [IMAGES]),
    ("Rescaling", {"scale": 0.25, "offset": -1.0}, [IMAGES]),
    ("Rescaling", {"scale": [1.0, 2.0, 3.0], "offset": [0.0, 0.5, 1.0]}, [IMAGES]),
    ("Dropout", {"rate": 0.4, "inference_only": True}, [IMAGES]),
    ("SpatialDropout2D", {"rate": 0.4, "inference_only": True}, [IMAGES]),
    ("RandomFlip", {"mode": "horizontal", "inference_only": True}, [IMAGES]),
    ("RandomTranslation", {"height_factor": 0.2, "width_factor": (0.1, 0.3), "inference_only": True}, [IMAGES]),
    ("RandomRotation", {"factor": 0.2, "fill_mode": "wrap", "inference_only": True}, [IMAGES]),
    ("RandomZoom", {"height_factor": (-0.3, 0.2), "inference_only": True}, [IMAGES]),
    ("Add", {}, [IMAGES, IMAGES, IMAGES]),
    ("Add", {}, [IMAGES, (2, 1, 4, 1), (2, 3)]),
    ("Subtract", {}, [IMAGES, IMAGES]),
    ("Multiply", {}, [IMAGES, IMAGES, (2, 5, 1, 3)]),
    ("Average", {}, [IMAGES, IMAGES, IMAGES]),
    ("Maximum", {}, [IMAGES, IMAGES, IMAGES]),
    ("Maximum", {"ties": True}, [IMAGES, IMAGES]),
    ("Minimum", {}, [IMAGES, IMAGES]),
    ("Concatenate", {}, [IMAGES, (2, 5, 4, 1)]),
    ("Concatenate", {"axis": 1}, [IMAGES, (2, 2, 4, 3)]),
]

FILL_MODES = ("reflect", "wrap", "constant", "nearest")


def tie_free(rng, shape):
    size = int(np.prod(shape))
    return (rng.permutation(size) - size // 2).reshape(shape) / 64 + 1 / 128


def run(number, name, settings, shapes, arrays):
    rng = np.random.default_rng(number)
    settings = dict(settings)
    ties, inference_only = settings.pop("ties", False), settings.pop("inference_only", False)
    trainable = settings.pop("trainable", True)
    layer = getattr(layers, name)(**settings, dtype="float64")
    xs = [rng.integers(-1, 2, s).astype(float) if ties else tie_free(rng, s) for s in shapes]
    if len(xs) > 1 and not ties:
        xs = [x + i / 1024 for i, x in enumerate(xs)]
    tensors = [tf.Variable(x) for x in xs]
    argument = tensors if len(tensors) > 1 else tensors[0]
    layer(argument)
    for weight in layer.weights:
        values = tie_free(rng, weight.shape)
        weight.assign(np.abs(values) + 0.5 if weight.name == "moving_variance" else values)
    begin = [np.array(w) for w in layer.get_weights()]
    layer.trainable = trainable
    parameters = [w for w in layer.weights if w.name not in ("moving_mean", "moving_variance")]
    for i, x in enumerate(xs):
        arrays[f"{number}/x{i}"] = x
    for i, weight in enumerate(begin):
        arrays[f"{number}/w{i}"] = weight
    modes = ["inference"] if inference_only else ["training", "inference"]
    for mode in modes:
        layer.set_weights(begin)
        keywords = {"training": mode == "training"} if layer._call_has_training_arg else {}
        with tf.GradientTape() as tape:
            y = layer(argument, **keywords)
            dy = tie_free(np.random.default_rng(number + 1000), y.shape)
            loss = tf.reduce_sum(y * dy)
        gradients = tape.gradient(loss, [*tensors, *[w.value for w in parameters]])
        arrays[f"{number}/{mode}/y"] = y.numpy()
        arrays[f"{number}/{mode}/dy"] = dy
        for i, gradient in enumerate(gradients[: len(xs)]):
            arrays[f"{number}/{mode}/dx{i}"] = gradient.numpy()
        for weight, gradient in zip(parameters, gradients[len(xs) :]):
            arrays[f"{number}/{mode}/d_{weight.name}"] = tf.convert_to_tensor(gradient).numpy()
        if mode == "training":
            for i, weight in enumerate(layer.get_weights()):
                arrays[f"{number}/moved{i}"] = np.array(weight)
    return {
        "config": keras.layers.serialize(layer),
        "weights": [[w.name, list(w.shape)] for w in layer.weights],
        "inputs": [list(s) for s in shapes],
        "modes": modes,
        "ties": ties,
    }


def affine(arrays):
    """Resample with matrices that shrink, enlarge, turn and shift past the edges; and what the layers make of draws."""
    rng = np.random.default_rng(0)
    x = tie_free(rng, (6, 5, 7, 2))
    matrices = np.array([[1, 0, 0, 0, 1, 0]] * 6) + rng.uniform(-1, 1, (6, 6)) * [0.6, 0.6, 4, 0.6, 0.6, 4]
    arrays["affine/x"], arrays["affine/matrices"] = x, matrices.reshape(6, 2, 3)
    transforms = np.concatenate([matrices, np.zeros((6, 2))], 1)
    for fill in FILL_MODES:
        for interpolation in ("nearest", "bilinear"):
            y = keras.ops.image.affine_transform(
                x, transforms, interpolation=interpolation, fill_mode=fill, fill_value=0.75
            )
            arrays[f"affine/{fill}/{interpolation}"] = np.asarray(y)
    angle = rng.uniform(-180, 180, 6)
    height, width = rng.uniform(0.6, 1.5, (2, 6, 1))
    down, right = rng.uniform(-0.5, 0.5, (2, 6, 1))
    rotation = layers.RandomRotation(0.5)
    zeros = tf.zeros((2, 6))
    matrix = rotation._compute_affine_matrix(0.5, 0.5, tf.constant(angle, "float32"), *zeros, tf.ones(6), *zeros, 5, 7)
    arrays["rotation/angle"] = np.radians(angle)
    arrays["rotation/y"] = np.asarray(rotation.transform_images(x, {"rotation_matrix": matrix}, training=True))
    arrays["zoom/height"], arrays["zoom/width"] = height[:, 0], width[:, 0]
    arrays["zoom/y"] = np.asarray(
        layers.RandomZoom(0.5).transform_images(x, {"height_zoom": height, "width_zoom": width}, training=True)
    )
    arrays["translation/down"], arrays["translation/right"] = down[:, 0], right[:, 0]
    shift = np.concatenate([right * 7, down * 5], 1).astype("float32")
    arrays["translation/y"] = np.asarray(
        layers.RandomTranslation(0.5, 0.5).transform_images(x, {"translations": shift}, training=True)
    )
    for mode in ("horizontal", "vertical", "horizontal_and_vertical"):
        flips = np.array([1, 0, 1, 1, 0, 0], bool).reshape(6, 1, 1, 1)
        arrays[f"flip/{mode}"] = np.asarray(
            layers.RandomFlip(mode).transform_images(x, {"flips": flips}, training=True)
        )


def signature(name):
    """Positional arguments and their defaults, as JSON."""
    parameters = list(inspect.signature(getattr(layers, name).__init__).parameters.values())[1:]
    named = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    return [[p.name, "required" if p.default is p.empty else p.default] for p in named]


def main():
    arrays = {}
    cases = []
    for number, (name, settings, shapes) in enumerate(CASES):
        try:
            cases.append(run(number, name, settings, shapes, arrays))
        except Exception as error:
            raise SystemExit(f"case {number}, {name} {settings}: {error}") from error
    affine(arrays)
    here = Path(__file__).parent
    np.savez_compressed(here / "layers.npz", **arrays)
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__}
    lines = ",\n".join(json.dumps(case) for case in cases)
    signatures = {name: signature(name) for name in sorted({"InputLayer", *(name for name, *_ in CASES)})}
    head = f'{{"versions": {json.dumps(versions)},\n"signatures": {json.dumps(signatures)},\n"cases": [\n'
    (here / "layers.json").write_text(f"{head}{lines}\n]}}\n")
    print(len(cases), "cases,", (here / "layers.npz").stat().st_size // 1024, "kB")


if __name__ == "__main__":
    main()
