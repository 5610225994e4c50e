"""The vectorized backend's native steps against its plain functions, chain by chain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens import config, kernels
from convolens.kernels.operations import Operation
from convolens.kernels.vectorized.native import enter_step, leave_step, native_step
from convolens.variable import Variable

PLAIN = kernels.backend("vectorized")


def convolution(rng, shape, channels, filters, bias=True, trainable=True, **options: Any) -> Operation:
    variables = {"kernel": Variable(rng.standard_normal((*shape, channels, filters)), "kernel")}
    if bias:
        variables["bias"] = Variable(rng.standard_normal(filters), "bias")
    options = {"strides": (1, 1), "padding": "valid", "dilation": (1, 1), "groups": 1, **options}
    return Operation("conv2d", variables, options, trainable)


def normalization(rng, channels, center=True, scale=True, trainable=True, update_state=None) -> Operation:
    variables = {}
    if scale:
        variables["gamma"] = Variable(rng.standard_normal(channels), "gamma")
    if center:
        variables["beta"] = Variable(rng.standard_normal(channels), "beta")
    variables["moving_mean"] = Variable(rng.standard_normal(channels), "moving_mean", trainable=False)
    variables["moving_variance"] = Variable(rng.random(channels) + 0.5, "moving_variance", trainable=False)
    return Operation("batch_normalization", variables, {"axis": -1, "epsilon": 1e-3}, trainable, update_state)


def pooling(size=(2, 2), strides=None, padding="valid") -> Operation:
    return Operation("max_pool2d", {}, {"pool_size": size, "strides": strides or size, "padding": padding})


RELU = Operation("relu")


def run_plain(chain, x, dy_of, training) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], Any]:
    """Run the operations one by one; return y, dx, the gradients and the batch normalisation's cache."""
    undo, state = [], None
    for operation in chain:
        values = {name: variable.value for name, variable in operation.parameters.items()}
        if operation.name == "relu":
            x = np.maximum(x, 0)
            undo.append(lambda dy, y=x: (dy * (y > 0), {}))
        elif operation.name == "zero_padding2d":
            pads = operation.options["padding"]
            rows, columns = (
                slice(before, before + cells) for (before, _), cells in zip(pads, x.shape[1:], strict=False)
            )
            x = np.pad(x, ((0, 0), *pads, (0, 0)))
            undo.append(lambda dy, rows=rows, columns=columns: (dy[:, rows, columns], {}))
        elif operation.name == "max_pool2d":
            x, cache = PLAIN.max_pool2d_forward(x, **operation.options)
            undo.append(lambda dy, cache=cache: (PLAIN.max_pool2d_backward(dy, cache), {}))
        elif operation.name == "average_pool2d":
            x, cache = PLAIN.average_pool2d_forward(x, **operation.options)
            undo.append(lambda dy, cache=cache: (PLAIN.average_pool2d_backward(dy, cache), {}))
        elif operation.name == "conv2d":
            x, cache = PLAIN.conv2d_forward(x, values["kernel"], values.get("bias"), **operation.options)

            def undo_convolution(dy, cache=cache, operation=operation):
                dx, dw, db = PLAIN.conv2d_backward(dy, cache)
                found = {"kernel": dw} if db is None else {"kernel": dw, "bias": db}
                return dx, found if operation.trainable else {}

            undo.append(undo_convolution)
        else:
            x, state = PLAIN.batch_normalization_forward(
                x, values.get("gamma"), values.get("beta"), values["moving_mean"], values["moving_variance"],
                training=training and operation.trainable, **operation.options,
            )  # fmt: skip

            def undo_normalization(dy, cache=state, operation=operation):
                dx, dgamma, dbeta = PLAIN.batch_normalization_backward(dy, cache)
                found = {"gamma": dgamma, "beta": dbeta}
                return dx, {k: v for k, v in found.items() if v is not None} if operation.trainable else {}

            undo.append(undo_normalization)
    dy, gradients = dy_of(x.shape), {}
    d = dy
    for back in reversed(undo):
        d, found = back(d)
        gradients |= found
    return x, d, gradients, state


def assert_chain(chain, x, training=True, rtol=1e-9) -> None:
    rng = np.random.default_rng(3)
    dy = {}

    def dy_of(shape):
        return dy.setdefault("dy", rng.standard_normal(shape).astype(x.dtype))

    y_expected, dx_expected, expected, state = run_plain(chain, x, dy_of, training)
    given = {"training": training, "dtype": x.dtype}
    step = native_step(tuple(chain), x.shape, layout="native", need_dx=True, **given)
    assert step.count == len(chain)
    enter, leave = enter_step(x.shape, dtype=x.dtype), leave_step(y_expected.shape, dtype=x.dtype)
    for _ in range(2):  # the second pass works in the buffers of the first
        y, cache = step.forward(enter.forward(x)[0], training=training, rng=None)
        y = leave.forward(y)[0]
        d_native, gradients = step.backward(leave.backward(dy["dy"], None)[0], cache)
        dx = enter.backward(d_native, None)[0]

        def close(actual, wanted):
            np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=rtol * max(1, np.abs(wanted).max()))
            assert actual.dtype == x.dtype

        close(y, y_expected)
        close(dx, dx_expected)
        assert gradients.keys() == expected.keys() == step.parameters.keys()
        for name in expected:
            close(gradients[name], expected[name])
        if state is not None:
            assert cache.training == state.training
            close(cache.mean, state.mean)
            close(cache.variance, state.variance)

    without = native_step(tuple(chain), x.shape, layout="native", need_dx=False, **given)
    without.destinations.update({name: np.full_like(expected[name], np.nan) for name in expected})
    _, cache = without.forward(enter.forward(x)[0], training=training, rng=None)
    dx, gradients = without.backward(leave.backward(dy["dy"], None)[0], cache, need_dx=False)
    assert dx is None
    for name in expected:
        close(gradients[name], expected[name])


SMALL = st.integers(1, 4)
PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_chains(data: st.DataObject) -> None:
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    n, c, f = draw(SMALL), draw(SMALL), draw(SMALL)
    with_convolution, with_normalization, with_relu, with_pooling = (draw(st.booleans()) for _ in range(4))
    chain, channels = [], c
    size = draw(st.integers(3, 9)), draw(st.integers(3, 9))
    if with_convolution:
        kernel = draw(PAIRS)
        padding = draw(st.sampled_from(["valid", "same", "before"]))
        if padding == "before":
            pads = tuple(zip(draw(PAIRS), draw(PAIRS), strict=True))
            chain.append(Operation("zero_padding2d", {}, {"padding": pads}))
        options = {"strides": draw(PAIRS), "padding": "valid" if padding == "before" else padding}
        chain.append(convolution(rng, kernel, c, f, bias=draw(st.booleans()), trainable=draw(st.booleans()), **options))
        channels = f
    if with_normalization:
        flags = {name: draw(st.booleans()) for name in ("center", "scale", "trainable")}
        chain.append(normalization(rng, channels, **flags))
    tail = [pooling(draw(PAIRS), draw(PAIRS), "same")] * with_pooling + [RELU] * with_relu
    chain += tail if draw(st.booleans()) else tail[::-1]
    if not chain or chain == [RELU]:
        return
    x = rng.standard_normal((n, *size, c))
    assert_chain(chain, x, training=draw(st.booleans()))


@pytest.mark.parametrize("n", [1, 15, 17])
@pytest.mark.parametrize("training", [True, False])
def test_a_whole_block_in_float32(n: int, training: bool) -> None:
    rng = np.random.default_rng(n)
    chain = [convolution(rng, (5, 5), 3, 8, padding="same"), normalization(rng, 8), RELU, pooling()]
    for operation in chain:
        for variable in operation.parameters.values():
            variable.value = variable.value.astype(np.float32)
    assert_chain(chain, rng.standard_normal((n, 12, 11, 3)).astype(np.float32), training, rtol=2e-4)


def test_ties_go_to_the_first_maximum_in_row_major_order() -> None:
    x = np.random.default_rng(0).integers(0, 2, (3, 9, 8, 2)).astype(float)
    for size, strides, padding in (((2, 2), (2, 2), "valid"), ((3, 3), (2, 1), "same"), ((4, 5), (4, 5), "same")):
        assert_chain([pooling(size, strides, padding)], x)
        assert_chain([pooling(size, strides, padding), RELU], x)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(size=PAIRS, strides=PAIRS, padding=st.sampled_from(["valid", "same"]), image=st.tuples(*[st.integers(3, 9)] * 2))
def test_average_pooling(size, strides, padding, image) -> None:
    options = {"pool_size": size, "strides": strides, "padding": padding}
    x = np.random.default_rng(0).standard_normal((3, *image, 2))
    assert_chain([Operation("average_pool2d", {}, options)], x)


def test_infinity_and_nan_pass_through_pooling() -> None:
    x = np.random.default_rng(0).standard_normal((2, 4, 4, 1))
    x[0, :2, :2] = -np.inf
    x[1, 0, 1] = np.nan
    step = native_step((pooling(),), x.shape, layout="native", training=False, need_dx=True, dtype=x.dtype)
    y = step.forward(enter_step(x.shape, dtype=x.dtype).forward(x)[0], training=False, rng=None)[0]
    np.testing.assert_array_equal(
        y.transpose(3, 0, 2, 1), PLAIN.max_pool2d_forward(x, pool_size=(2, 2), strides=(2, 2))[0]
    )


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    chain = (convolution(rng, (5, 5), 3, 16, padding="same"), normalization(rng, 16), RELU, pooling())
    x = rng.standard_normal((32, 31, 30, 3))
    results = []
    try:
        for threads in (1, 2, 3, 4):
            config.set_num_threads(threads)
            step = native_step(chain, x.shape, layout="native", training=True, need_dx=True, dtype=x.dtype)
            y, cache = step.forward(enter_step(x.shape, dtype=x.dtype).forward(x)[0], training=True, rng=None)
            dx, gradients = step.backward(np.cos(y), cache)
            results.append([y.copy(), dx.copy(), *(gradients[name].copy() for name in sorted(gradients))])
    finally:
        config.set_num_threads(None)
    for result in results[1:]:
        for one, other in zip(results[0], result, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_is_not_native_runs_as_written() -> None:
    rng = np.random.default_rng(0)
    given = {"training": True, "need_dx": True, "dtype": np.float32}
    shape = (2, 8, 8, 4)

    def step(*chain, layout="native", shape=shape):
        return native_step(chain, shape, layout=layout, **given)

    assert step(convolution(rng, (3, 3), 2, 4, groups=2)) is None
    assert step(convolution(rng, (3, 3), 4, 4, dilation=(2, 1))) is None
    assert step(RELU) is None
    assert step(Operation("flatten")) is None
    assert step(pooling(), layout="plain") is None
    assert step(Operation("average_pool2d", {}, pooling().options), layout="plain") is None
    assert step(pooling(), shape=(0, 8, 8, 4)) is None
    assert step(pooling(), Operation("relu", {}, {"negative_slope": 0.1})).count == 1
    assert step(convolution(rng, (3, 3), 4, 4, dilation=(1, 2)), layout="plain").count == 1
    assert step(convolution(rng, (3, 3), 4, 4), RELU, RELU).count == 2
    assert step(convolution(rng, (3, 3), 4, 4), RELU, pooling(), RELU).count == 3
    assert step(Operation("zero_padding2d", {}, {"padding": ((1, 1), (1, 1))})) is None
    with_name = step(convolution(rng, (3, 3), 4, 4), RELU, pooling())
    assert with_name.name == "conv2d + relu + max_pool2d"


def test_moving_averages_move_through_the_layers_own_function() -> None:
    rng, seen = np.random.default_rng(0), []
    chain = (normalization(rng, 3, update_state=seen.append),)
    step = native_step(chain, (2, 4, 4, 3), layout="native", training=True, need_dx=True, dtype=np.float64)
    _, cache = step.forward(rng.standard_normal((4, 3, 4, 2)), training=True, rng=None)
    step.update_state(cache)
    assert seen == [cache]
