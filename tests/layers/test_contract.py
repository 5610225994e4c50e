"""The six laws of a layer, checked on every ``Layer`` of the library.

Every class has examples in ``EXAMPLES``; a new layer without them fails ``test_every_layer_has_examples``.
"""

from __future__ import annotations

import gc
import importlib
import json
import pickle
import pkgutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import convolens as cl
from convolens.layers.base import Layer, registry

L = cl.layers
STEPS, LAYERS = cl.course.step_by_step, cl.course.layer_by_layer
IMAGES = (2, 5, 4, 3)

# Classes that only other layers are made of, and models, which have tests of their own.
BASES = {
    "ActivatedLayer", "ActivationLayer", "Augmentation", "Convolution", "Extremum", "GlobalPooling", "Merge", "Model",
    "Normalization", "Pooling", "RandomAffine", "Sequential",
}  # fmt: skip


class Example(NamedTuple):
    """A layer's arguments and the shapes of its inputs."""

    cls: type
    settings: dict[str, Any]
    shapes: tuple[tuple[int, ...], ...]


def of(cls: type, *shapes: tuple[int, ...], **settings: Any) -> Example:
    return Example(cls, settings, shapes or (IMAGES,))


EXAMPLES = [
    of(L.Conv2D, filters=2, kernel_size=3),
    of(L.Conv2D, filters=3, kernel_size=(2, 3), strides=(2, 1), padding="same", activation="relu"),
    of(L.Conv2D, filters=2, kernel_size=2, dilation_rate=(1, 2), use_bias=False, activation="tanh"),
    of(L.Conv2D, (2, 4, 4, 4), filters=6, kernel_size=3, groups=2, padding="same", kernel_regularizer="l2"),
    of(L.DepthwiseConv2D, kernel_size=3),
    of(L.DepthwiseConv2D, kernel_size=2, strides=2, padding="same", depth_multiplier=2, activation="elu"),
    of(L.SeparableConv2D, filters=2, kernel_size=3, padding="same"),
    of(L.SeparableConv2D, filters=4, kernel_size=2, depth_multiplier=2, use_bias=False, activation="sigmoid"),
    of(L.Conv2DTranspose, filters=2, kernel_size=3),
    of(L.Conv2DTranspose, filters=2, kernel_size=3, strides=2, padding="same", activation="relu"),
    of(L.Conv2DTranspose, filters=1, kernel_size=(2, 3), strides=2, output_padding=1, use_bias=False),
    of(L.Dense, (3, 5), units=2),
    of(L.Dense, (3, 5), units=4, activation="softmax", use_bias=False),
    of(L.Dense, IMAGES, units=2, activation="relu"),
    of(L.MaxPooling2D),
    of(L.MaxPooling2D, pool_size=3, strides=2, padding="same"),
    of(L.AveragePooling2D, pool_size=2),
    of(L.AveragePooling2D, pool_size=(3, 2), strides=1, padding="same"),
    of(L.GlobalMaxPooling2D),
    of(L.GlobalMaxPooling2D, keepdims=True),
    of(L.GlobalAveragePooling2D),
    of(L.GlobalAveragePooling2D, keepdims=True),
    of(L.BatchNormalization),
    of(L.BatchNormalization, (6, 4), momentum=0.5, epsilon=0.01, center=False),
    of(L.BatchNormalization, axis=1, scale=False),
    of(L.BatchNormalization, trainable=False),
    of(L.BatchNormalization, center=False, scale=False),
    of(L.LayerNormalization),
    of(L.LayerNormalization, axis=[1, 2], center=False),
    of(L.LayerNormalization, (4, 3, 2), axis=[1, -1], scale=False),
    of(L.ReLU),
    of(L.ReLU, max_value=1.0, negative_slope=0.2, threshold=0.3),
    of(L.LeakyReLU),
    of(L.ELU, alpha=0.7),
    of(L.Softmax),
    of(L.Softmax, axis=[1, 2]),
    of(L.Activation, activation="gelu"),
    of(L.Activation, (3, 4), activation="softmax"),
    of(L.Flatten),
    of(L.Flatten, (3,)),
    of(L.Reshape, target_shape=(6, -1)),
    of(L.ZeroPadding2D, padding=((1, 0), (2, 3))),
    of(L.Cropping2D, cropping=((1, 2), (0, 1))),
    of(L.UpSampling2D, size=(2, 3)),
    of(L.UpSampling2D, size=(3, 2), interpolation="bilinear"),
    of(L.Dropout, rate=0.4),
    of(L.Dropout, rate=0.5, noise_shape=(None, 1, None, 3)),
    of(L.Dropout, rate=0.0),
    of(L.SpatialDropout2D, rate=0.4),
    of(L.RandomFlip),
    of(L.RandomFlip, mode="vertical"),
    of(L.RandomTranslation, height_factor=0.4, width_factor=(0.1, 0.5)),
    of(L.RandomTranslation, height_factor=0.4, width_factor=0.4, fill_mode="constant", fill_value=0.5),
    of(L.RandomRotation, factor=0.3),
    of(L.RandomRotation, factor=(-0.1, 0.4), fill_mode="wrap", interpolation="nearest"),
    of(L.RandomZoom, height_factor=0.4),
    of(L.RandomZoom, height_factor=(-0.5, -0.2), width_factor=0.3, fill_mode="nearest"),
    of(L.Rescaling, scale=0.5, offset=-1.0),
    of(L.Rescaling, scale=[1.0, 2.0, 3.0]),
    of(L.Add, IMAGES, IMAGES, IMAGES),
    of(L.Add, IMAGES, (2, 1, 4, 1), (2, 3)),
    of(L.Subtract, IMAGES, (2, 5, 4, 1)),
    of(L.Multiply, IMAGES, IMAGES, (2, 3)),
    of(L.Average, IMAGES, IMAGES),
    of(L.Maximum, IMAGES, IMAGES, IMAGES),
    of(L.Minimum, IMAGES, IMAGES),
    of(L.Concatenate, IMAGES, (2, 5, 4, 1)),
    of(L.Concatenate, IMAGES, (2, 2, 4, 3), axis=1),
    of(L.InputLayer, (2, 5), batch_shape=(None, 5)),
    of(cl.course.Conv, forward=STEPS.conv_forward, backward=STEPS.conv_backward, filters=2, kernel_size=3, padding=1),
    of(cl.course.Conv, forward=LAYERS.conv_forward, backward=LAYERS.conv_backward, filters=2, kernel_size=(2, 3)),
    of(cl.course.Pool, forward=STEPS.pool_forward, backward=STEPS.pool_backward, pool_size=2),
    of(cl.course.Pool, forward=LAYERS.pool_forward, backward=LAYERS.pool_backward, pool_size=(2, 3), mode="average"),
]
IDS = [f"{number}-{example.cls.__name__}" for number, example in enumerate(EXAMPLES)]
examples = pytest.mark.parametrize("example", EXAMPLES, ids=IDS)
modes = pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])


def all_layers() -> set[type]:
    """Every subclass of ``Layer`` in the library, however deep."""
    for package in (L, cl.course):
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
    found: set[type] = set()
    new: list[type] = [Layer]
    while new:
        subclasses = new.pop().__subclasses__()
        found.update(subclasses)
        new.extend(subclasses)
    return {cls for cls in found if cls.__module__.startswith("convolens.") and cls.__name__ not in BASES}


def without_examples() -> set[str]:
    return {cls.__name__ for cls in all_layers()} - {example.cls.__name__ for example in EXAMPLES}


def test_every_layer_has_examples() -> None:
    assert without_examples() == set()


def test_a_new_layer_is_found() -> None:
    new = type("Newcomer", (L.Dense,), {"__module__": "convolens.layers.newcomer"})
    assert without_examples() == {new.__name__}
    del new
    gc.collect()
    assert without_examples() == set()


def test_every_layer_can_be_saved() -> None:
    saved = {cls for cls in all_layers() if cls.__module__.startswith(L.__name__)}
    assert saved == set(registry.classes.values())


def inputs(example: Example, dtype: str = "float64", seed: int = 0) -> list[np.ndarray]:
    """Numbers in (-2, 2) that are all different, so that no maximum is tied and no kink is met."""
    rng = np.random.default_rng(seed)
    count = sum(int(np.prod(shape)) for shape in example.shapes)
    values = (rng.permutation(count) + 0.5) / count * 4 - 2
    parts = np.split(values, np.cumsum([int(np.prod(shape)) for shape in example.shapes])[:-1])
    return [part.reshape(shape).astype(dtype) for part, shape in zip(parts, example.shapes, strict=True)]


def built(example: Example, dtype: str = "float64") -> Layer:
    """The layer, built, with weights that are all different from their beginnings."""
    layer = example.cls(**example.settings, dtype=dtype)
    layer.ensure_built(list(example.shapes), len(example.shapes) > 1)
    rng = np.random.default_rng(1)
    for variable in layer.weights:
        values = rng.normal(size=variable.shape)
        variable.assign(np.abs(values) + 0.5 if variable.name == "moving_variance" else values)
    return layer


def forward(layer: Layer, xs: list[np.ndarray], training: bool) -> tuple[np.ndarray, Any]:
    return layer.forward(*xs, training=training, rng=np.random.default_rng(7))


def d_output_like(y: np.ndarray) -> np.ndarray:
    return np.random.default_rng(2).normal(size=y.shape).astype(y.dtype)


def arrays_in(thing: Any) -> Iterator[np.ndarray]:
    if isinstance(thing, np.ndarray):
        yield thing
    elif isinstance(thing, dict):
        yield from arrays_in(list(thing.values()))
    elif isinstance(thing, list | tuple):
        for item in thing:
            yield from arrays_in(item)


def as_bytes(thing: Any) -> list[bytes]:
    return [array.tobytes() for array in arrays_in(thing)]


@examples
@modes
def test_forward_changes_nothing_on_the_layer(example: Example, training: bool) -> None:
    layer = built(example)
    before = pickle.dumps(vars(layer))
    _, cache = forward(layer, inputs(example), training)
    layer.backward(d_output_like(forward(layer, inputs(example), training)[0]), cache)
    assert pickle.dumps(vars(layer)) == before


@examples
@modes
def test_backward_depends_on_the_cache_only(example: Example, training: bool) -> None:
    layer = built(example)
    y, cache = forward(layer, inputs(example), training)
    d_output = d_output_like(y)
    first = as_bytes(layer.backward(d_output, cache))
    other_y, other_cache = forward(layer, inputs(example, seed=5), training)
    layer.backward(d_output_like(other_y), other_cache)
    assert as_bytes(layer.backward(d_output, cache)) == first


@examples
@modes
def test_arguments_and_caches_are_only_read(example: Example, training: bool) -> None:
    layer = built(example)
    xs = inputs(example)
    for x in xs:
        x.flags.writeable = False
    y, cache = forward(layer, xs, training)
    d_output = d_output_like(y)
    for array in (d_output, *arrays_in(cache)):
        array.flags.writeable = False
    layer.backward(d_output, cache)
    layer.backward(d_output, cache, need_dx=False)
    np.testing.assert_array_equal(
        np.concatenate([x.ravel() for x in inputs(example)]), np.concatenate([x.ravel() for x in xs])
    )


@examples
@modes
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shapes_types_and_keys(example: Example, training: bool, dtype: str) -> None:
    layer = built(example, dtype)
    xs = inputs(example, dtype)
    y, cache = forward(layer, xs, training)
    several = len(xs) > 1
    assert y.shape == layer.compute_output_shape([x.shape for x in xs] if several else xs[0].shape)
    open_shapes = [(None, *x.shape[1:]) for x in xs]
    assert (None, *y.shape[1:]) == layer.compute_output_shape(open_shapes if several else open_shapes[0])
    d_inputs, gradients = layer.backward(d_output_like(y), cache)
    d_inputs = d_inputs if several else (d_inputs,)
    assert {array.dtype.name for array in arrays_in([y, d_inputs, gradients])} == {dtype}
    assert [dx.shape for dx in d_inputs] == [x.shape for x in xs]
    assert {name: g.shape for name, g in gradients.items()} == {name: v.shape for name, v in layer.parameters.items()}
    _, alone = layer.backward(d_output_like(y), cache, need_dx=False)
    assert as_bytes(alone) == as_bytes(gradients)


@examples
def test_bytes_are_cast(example: Example) -> None:
    layer = built(example, "float32")
    xs = [np.random.default_rng(3).integers(0, 255, shape).astype(np.uint8) for shape in example.shapes]
    floats = [x.astype(np.float32) for x in xs]
    y = layer(xs if len(xs) > 1 else xs[0])
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, layer.forward(*floats, training=False)[0])


@pytest.mark.parametrize("kernels", ["reference", "vectorized"])
@examples
@modes
def test_backward_is_the_gradient_of_forward(example: Example, training: bool, kernels: str) -> None:
    """Central differences along random directions, in float64."""
    with cl.kernels.use(kernels):
        layer = built(example)
        xs = inputs(example)
        y, cache = forward(layer, xs, training)
        d_output = d_output_like(y)
        d_inputs, gradients = layer.backward(d_output, cache)
        d_inputs = d_inputs if len(xs) > 1 else (d_inputs,)
        places = [*zip(xs, d_inputs, strict=True)]
        places += [(layer.parameters[name].value, gradient) for name, gradient in gradients.items()]
        rng = np.random.default_rng(4)
        for array, gradient in places:
            direction = rng.normal(size=array.shape)
            begin, step = array.copy(), 1e-5
            sides = []
            for side in (step, -step):
                array[...] = begin + side * direction
                sides.append(np.sum(d_output * forward(layer, xs, training)[0]))
            array[...] = begin
            numeric = (sides[0] - sides[1]) / (2 * step)
            assert np.sum(direction * gradient) == pytest.approx(numeric, rel=2e-7, abs=2e-8)


@examples
@modes
def test_configuration_and_weights_make_the_same_layer(example: Example, training: bool) -> None:
    layer = built(example)
    if example.cls.__module__.startswith(L.__name__):
        config = json.loads(json.dumps(cl.layers.serialize(layer)))
        other = cl.layers.deserialize(config)
        assert json.loads(json.dumps(cl.layers.serialize(other))) == config
    else:  # a learner's own functions are part of the configuration, which therefore is no JSON
        other = example.cls.from_config(layer.get_config())
        assert other.get_config() == layer.get_config()
    assert type(other) is type(layer)
    other.ensure_built(list(example.shapes), len(example.shapes) > 1)
    other.set_weights(layer.get_weights())
    xs = inputs(example)
    assert forward(other, xs, training)[0].tobytes() == forward(layer, xs, training)[0].tobytes()


@examples
def test_seeded_passes_repeat_and_inference_draws_nothing(example: Example) -> None:
    layer = built(example)
    xs = inputs(example)
    assert forward(layer, xs, True)[0].tobytes() == forward(layer, xs, True)[0].tobytes()
    without = layer.forward(*xs, training=False, rng=None)[0]
    assert without.tobytes() == forward(layer, xs, False)[0].tobytes()
    if not layer.stochastic:
        assert layer.forward(*xs, training=True, rng=None)[0].tobytes() == forward(layer, xs, True)[0].tobytes()


@examples
def test_elementwise_layers_take_any_layout(example: Example) -> None:
    layer = built(example)
    if layer.elementwise:
        xs = inputs(example)
        y, cache = forward(layer, xs, True)
        flat_y, flat_cache = forward(layer, [x.ravel() for x in xs], True)
        np.testing.assert_array_equal(flat_y, y.ravel())
        dy = d_output_like(y)
        dxs, flat_dxs = layer.backward(dy, cache)[0], layer.backward(dy.ravel(), flat_cache)[0]
        np.testing.assert_array_equal([*arrays_in(flat_dxs)], [dx.ravel() for dx in arrays_in(dxs)])


@examples
def test_operation_is_a_call_of_the_kernel_it_names(example: Example) -> None:
    layer = built(example)
    operation = layer.operation()
    kernel = operation and getattr(cl.kernels.backend(), f"{operation.name}_forward", None)
    if kernel is None or operation.name in ("softmax", "batch_normalization"):
        return
    xs = inputs(example)
    y, _ = kernel(*xs, *[variable.value for variable in operation.parameters.values()], **operation.options)
    whole = layer.activation.forward(y)[0] if isinstance(layer, L.ActivatedLayer) else y
    np.testing.assert_array_equal(whole, forward(layer, xs, False)[0])
