"""Every fast backend against the reference loops: outputs, crossed caches, signatures, and arguments left alone."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens import config, kernels

FAST = [name for name in kernels.available() if name != "reference"]
REFERENCE = kernels.backend("reference")
OPERATIONS = [name.removesuffix("_forward") for name in REFERENCE.__all__ if name.endswith("_forward")]
PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
PADDINGS = st.one_of(st.sampled_from(["valid", "same"]), st.tuples(*[st.tuples(*[st.integers(0, 3)] * 2)] * 2))
TWINS = settings(max_examples=150, deadline=None, derandomize=True)

pytestmark = pytest.mark.parametrize("fast", FAST)


def arrays(*shapes: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape).astype(dtype) for shape in shapes)


def flat(values: Any) -> list[np.ndarray | None]:
    return list(values) if type(values) is tuple else [values]


def assert_close(actual: Any, expected: Any) -> None:
    actual, expected = flat(actual), flat(expected)
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert (a is None) == (e is None)
        if a is not None:
            assert a.shape == e.shape
            assert a.dtype == e.dtype
            tolerance = 1e-4 if e.dtype == np.float32 else 1e-10
            np.testing.assert_allclose(
                a, e, rtol=tolerance, atol=tolerance * max(1, np.abs(e[np.isfinite(e)]).max(initial=0))
            )


def frozen(value: Any) -> Any:
    """Return a view that cannot be written, of other values a copy."""
    if isinstance(value, np.ndarray):
        value = value.view()
        value.flags.writeable = False
    return value


def assert_twins(fast: str, operation: str, *arguments: Any, seed: int = 1, **options: Any) -> None:
    """Forward, backward, and backward on the other's cache agree; arguments and caches stay as they were."""
    ours = kernels.backend(fast)
    before = [np.copy(a) if isinstance(a, np.ndarray) else a for a in arguments]
    arguments = tuple(frozen(a) for a in arguments)
    results = {}
    for module in (REFERENCE, ours):
        results[module] = getattr(module, f"{operation}_forward")(*arguments, **options)
    (y_expected, cache_expected), (y, cache) = results[REFERENCE], results[ours]
    assert_close(y, y_expected)
    assert type(cache) is type(cache_expected)

    (dy,) = arrays(y.shape, dtype=y.dtype.name, seed=seed)
    kept, kept_cache = dy.copy(), [np.copy(v) if isinstance(v, np.ndarray) else v for v in cache]
    dy = frozen(dy)
    expected = getattr(REFERENCE, f"{operation}_backward")(dy, cache_expected)
    for some_cache in (cache, cache_expected):
        assert_close(getattr(ours, f"{operation}_backward")(dy, type(cache)(*map(frozen, some_cache))), expected)
    assert_close(getattr(REFERENCE, f"{operation}_backward")(dy, type(cache)(*map(frozen, cache))), expected)
    if "need_dx" in inspect.signature(getattr(ours, f"{operation}_backward")).parameters:
        without = getattr(ours, f"{operation}_backward")(dy, cache, need_dx=False)
        assert_close(without, (None, *expected[1:]))

    for now, then in zip([*arguments, dy, *cache], [*before, kept, *kept_cache], strict=True):
        assert not isinstance(now, np.ndarray) or np.array_equal(now, then, equal_nan=True)


def test_every_function_has_the_references_signature(fast: str) -> None:
    ours = kernels.backend(fast)
    assert set(REFERENCE.__all__) <= set(ours.__all__)
    for name in REFERENCE.__all__:
        assert inspect.signature(getattr(ours, name)) == inspect.signature(getattr(REFERENCE, name)), name


@st.composite
def windows(draw: st.DrawFn, dilated: bool = True) -> dict[str, Any]:
    kernel, strides, padding = draw(PAIRS), draw(PAIRS), draw(PADDINGS)
    dilation = draw(PAIRS) if dilated else (1, 1)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = tuple(draw(st.integers(1 if padding == "same" else s, s + 5)) for s in spans)
    return {"kernel": kernel, "strides": strides, "padding": padding, "dilation": dilation, "size": size}


@TWINS
@given(
    window=windows(),
    batch=st.integers(1, 3),
    groups=st.integers(1, 3),
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
    bias=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_conv2d(
    fast: str, window: dict[str, Any], batch: int, groups: int, channels: int, filters: int, bias: bool, dtype: str
) -> None:
    window = dict(window)
    kernel, size = window.pop("kernel"), window.pop("size")
    x, w, b = arrays(
        (batch, *size, channels * groups), (*kernel, channels, filters * groups), (filters * groups,), dtype=dtype
    )
    assert_twins(fast, "conv2d", x, w, b if bias else None, groups=groups, **window)


@TWINS
@given(
    window=windows(),
    batch=st.integers(1, 3),
    channels=st.integers(1, 3),
    multiplier=st.integers(1, 3),
    bias=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_depthwise_conv2d(
    fast: str, window: dict[str, Any], batch: int, channels: int, multiplier: int, bias: bool, dtype: str
) -> None:
    window = dict(window)
    kernel, size = window.pop("kernel"), window.pop("size")
    x, w, b = arrays((batch, *size, channels), (*kernel, channels, multiplier), (channels * multiplier,), dtype=dtype)
    assert_twins(fast, "depthwise_conv2d", x, w, b if bias else None, **window)


@TWINS
@given(
    window=windows(),
    batch=st.integers(1, 3),
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
    bias=st.booleans(),
    extra=st.one_of(st.none(), st.tuples(st.integers(0, 2), st.integers(0, 2))),
)
def test_conv2d_transpose(
    fast: str,
    window: dict[str, Any],
    batch: int,
    channels: int,
    filters: int,
    bias: bool,
    extra: tuple[int, int] | None,
) -> None:
    window = dict(window)
    kernel, size = window.pop("kernel"), window.pop("size")
    if extra is not None:
        extra = tuple(min(p, s - 1) for p, s in zip(extra, window["strides"], strict=True))
    x, w, b = arrays((batch, *size, channels), (*kernel, filters, channels), (filters,))
    try:
        REFERENCE.conv2d_transpose_forward(x[:0], w, output_padding=extra, **window)
    except ValueError:  # The pads would cut everything off: then the twin refuses too.
        with pytest.raises(ValueError, match="would leave"):
            kernels.backend(fast).conv2d_transpose_forward(x, w, output_padding=extra, **window)
        return
    assert_twins(fast, "conv2d_transpose", x, w, b if bias else None, output_padding=extra, **window)


@pytest.mark.parametrize("operation", ["max_pool2d", "average_pool2d"])
@TWINS
@given(
    window=windows(dilated=False),
    batch=st.integers(1, 3),
    channels=st.integers(1, 4),
    values=st.sampled_from(["distinct", "tied", "infinite"]),
)
def test_pooling(fast: str, operation: str, window: dict[str, Any], batch: int, channels: int, values: str) -> None:
    window = dict(window)
    pool_size, size = window.pop("kernel"), window.pop("size")
    del window["dilation"]
    if not isinstance(window["padding"], str):
        window["padding"] = tuple(
            tuple(min(p, cells - 1) for p in pad) for pad, cells in zip(window["padding"], pool_size, strict=True)
        )
    (x,) = arrays((batch, *size, channels))
    if values == "tied":
        x = np.round(x)
    if values == "infinite" and operation == "max_pool2d":
        x[x < 0] = -np.inf
    assert_twins(fast, operation, x, pool_size=pool_size, **window)


def test_large_pooling_windows(fast: str) -> None:
    (x,) = arrays((1, 20, 19, 2))
    assert_twins(fast, "max_pool2d", x, pool_size=(20, 19), strides=(1, 1))


def test_max_pooling_propagates_nan_and_the_first_nan_wins(fast: str) -> None:
    (x,) = arrays((2, 6, 6, 2))
    x[0, 1, 1, 0] = x[0, 1, 0, 0] = x[1, 2:4, 2:4, 1] = np.nan
    expected, expected_cache = REFERENCE.max_pool2d_forward(x, pool_size=(2, 2), strides=(2, 2))
    y, cache = kernels.backend(fast).max_pool2d_forward(x, pool_size=(2, 2), strides=(2, 2))
    np.testing.assert_array_equal(y, expected)
    assert np.isnan(y[0, 0, 0, 0])
    np.testing.assert_array_equal(
        kernels.backend(fast).max_pool2d_backward(np.ones_like(y), cache),
        REFERENCE.max_pool2d_backward(np.ones_like(y), expected_cache),
    )


@pytest.mark.parametrize(("gamma", "beta", "training"), list(product([True, False], repeat=3)))
@pytest.mark.parametrize(("shape", "axis"), [((4, 3, 5, 2), -1), ((4, 3, 5, 2), 1), ((6, 3), -1), ((5, 4), 0)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batch_normalization(
    fast: str, shape: tuple[int, ...], axis: int, gamma: bool, beta: bool, training: bool, dtype: str
) -> None:
    c = shape[axis]
    x, g, b, mean, variance = arrays(shape, (c,), (c,), (c,), (c,), dtype=dtype)
    assert_twins(
        fast,
        "batch_normalization",
        x,
        g if gamma else None,
        b if beta else None,
        mean,
        variance**2,
        axis=axis,
        epsilon=1e-3,
        training=training,
    )


@pytest.mark.parametrize("leading", [(1,), (15,), (17,), (2, 3), (2, 2, 2), ()])
@pytest.mark.parametrize("bias", [True, False])
def test_dense(fast: str, leading: tuple[int, ...], bias: bool) -> None:
    x, w, b = arrays((*leading, 5), (5, 3), (3,))
    assert_twins(fast, "dense", x, w, b if bias else None)


@pytest.mark.parametrize("axis", [-1, 1, 0])
def test_softmax(fast: str, axis: int) -> None:
    (x,) = arrays((4, 3, 5))
    assert_twins(fast, "softmax", 100 * x, axis=axis)


EXAMPLES: dict[str, tuple[tuple[tuple[int, ...], ...], dict[str, Any]]] = {
    "conv2d": (((7, 6, 2), (3, 2, 2, 3), (3,)), {"padding": "same", "strides": (2, 1)}),
    "depthwise_conv2d": (((7, 6, 2), (3, 2, 2, 2), (4,)), {"padding": "same"}),
    "conv2d_transpose": (((4, 3, 2), (3, 2, 3, 2), (3,)), {"padding": "same", "strides": (2, 2)}),
    "max_pool2d": (((7, 6, 3),), {"pool_size": (3, 2), "strides": (2, 2), "padding": "same"}),
    "average_pool2d": (((7, 6, 3),), {"pool_size": (3, 2), "strides": (2, 2), "padding": "same"}),
    "batch_normalization": (((7, 6, 3), (3,), (3,), (3,), (3,)), {"training": True}),
    "dense": (((6,), (6, 3), (3,)), {}),
    "softmax": (((6,),), {}),
}


def test_there_is_an_example_of_every_operation(fast: str) -> None:
    assert sorted(EXAMPLES) == sorted(OPERATIONS)


@pytest.mark.parametrize("batch", [1, 15, 17])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_batches(fast: str, operation: str, batch: int) -> None:
    (image, *parameters), options = EXAMPLES[operation]
    assert_twins(fast, operation, *arrays((batch, *image), *parameters), **options)


@pytest.mark.parametrize(
    ("operation", "shapes"),
    [
        ("conv2d", ((40, 28, 28, 3), (5, 5, 3, 8))),
        ("depthwise_conv2d", ((40, 28, 28, 3), (5, 5, 3, 2))),
        ("conv2d_transpose", ((40, 28, 28, 3), (5, 5, 8, 3))),
    ],
)
def test_a_batch_is_worked_in_blocks_as_its_images_are_one_by_one(
    fast: str, operation: str, shapes: tuple[tuple[int, ...], ...]
) -> None:
    forward = getattr(kernels.backend(fast), f"{operation}_forward")
    backward = getattr(kernels.backend(fast), f"{operation}_backward")
    x, w = arrays(*shapes, dtype="float64")
    y, cache = forward(x, w, padding="same")
    dx, dw, _ = backward(y, cache)
    singles = [forward(x[n : n + 1], w, padding="same") for n in range(len(x))]
    gradients = [backward(*single) for single in singles]
    assert_close(y, np.concatenate([single[0] for single in singles]))
    assert_close(dx, np.concatenate([gradient[0] for gradient in gradients]))
    assert_close(dw, sum(gradient[1] for gradient in gradients))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_arrays_that_are_not_contiguous(fast: str, operation: str) -> None:
    (image, *parameters), options = EXAMPLES[operation]
    doubled = arrays(*[tuple(2 * cells for cells in shape) for shape in [(3, *image), *parameters]])
    arguments = [array[tuple(slice(None, None, 2) for _ in array.shape)] for array in doubled]
    assert not arguments[0].flags.c_contiguous
    assert_twins(fast, operation, *arguments, **options)
    assert_twins(fast, operation, *[np.asfortranarray(a) for a in arguments], **options)
    x = np.broadcast_to(arguments[0][:1], arguments[0].shape)
    assert_twins(fast, operation, x, *arguments[1:], **options)


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "batch_normalization"])
def test_an_empty_batch(fast: str, operation: str) -> None:
    (image, *parameters), options = EXAMPLES[operation]
    assert_twins(fast, operation, *arrays((0, *image), *parameters), **options)


@pytest.mark.parametrize(
    ("operation", "shapes", "options", "message"),
    [
        ("conv2d", ((1, 4, 4, 3), (5, 3, 3, 2)), {}, r"spanning \(5, 3\).*padded input of \(4, 4\)"),
        ("conv2d", ((1, 4, 4, 3), (3, 3, 2, 2)), {}, "for 2 channels; the input has 3"),
        ("conv2d", ((1, 4, 4, 4), (3, 3, 2, 3)), {"groups": 2}, "multiple of groups=2; got 3"),
        ("conv2d", ((1, 4, 4, 3), (3, 3, 3, 2)), {"padding": "full"}, "'valid', 'same' or.*'full'"),
        ("conv2d", ((1, 4, 4, 3), (3, 3, 3, 2)), {"padding": ((-1, 0), (0, 0))}, "'valid', 'same' or"),
        ("conv2d", ((1, 4, 4, 3), (3, 3, 3, 2)), {"strides": (0, 1)}, "strides must be at least 1"),
        ("depthwise_conv2d", ((1, 4, 4, 3), (3, 3, 2, 2)), {}, "for 2 channels; the input has 3"),
        ("conv2d_transpose", ((1, 4, 4, 3), (3, 3, 2, 2)), {}, "for 2 channels; the input has 3"),
        ("conv2d_transpose", ((1, 4, 4, 2), (3, 3, 2, 2)), {"output_padding": 1}, "less than the strides"),
        ("max_pool2d", ((1, 2, 2, 3),), {"pool_size": (3, 3), "strides": (1, 1)}, "does not fit"),
        (
            "average_pool2d",
            ((1, 4, 4, 3),),
            {"pool_size": (2, 2), "strides": (1, 1), "padding": ((2, 0), (0, 0))},
            "smaller than its window",
        ),
        ("dense", ((1, 4), (3, 2)), {}, "for 3 channels; the input has 4"),
    ],
)
def test_what_does_not_fit_is_refused(
    fast: str, operation: str, shapes: tuple[tuple[int, ...], ...], options: dict[str, Any], message: str
) -> None:
    for module in (REFERENCE, kernels.backend(fast)):
        with pytest.raises(ValueError, match=message) as error:
            getattr(module, f"{operation}_forward")(*arrays(*shapes), **options)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("operation", "shapes"),
    [
        ("conv2d", ((20, 20, 20, 3), (3, 3, 3, 8), (8,))),
        ("conv2d_transpose", ((20, 20, 20, 3), (3, 3, 8, 3), (8,))),
        ("dense", ((50, 700), (700, 60), (60,))),
    ],
)
def test_results_do_not_depend_on_the_number_of_threads(
    fast: str, operation: str, shapes: tuple[tuple[int, ...], ...]
) -> None:
    arguments = list(arrays(*shapes))
    results = []
    try:
        for threads in (1, 2, 3, 4):
            config.set_num_threads(threads)
            y, cache = getattr(kernels.backend(fast), f"{operation}_forward")(*arguments)
            results.append((y, *getattr(kernels.backend(fast), f"{operation}_backward")(np.cos(y), cache)))
    finally:
        config.set_num_threads(None)
    for result in results[1:]:
        for one, other in zip(results[0], result, strict=True):
            np.testing.assert_array_equal(one, other)
