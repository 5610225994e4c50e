"""The compiled backend's native steps: against plain steps chain by chain, bit for bit between threads, odd batches."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import convolens as cl
from convolens import config, kernels
from convolens.plan import Plan

pytest.importorskip("numba")
L = cl.layers


def work(model: Any, x: np.ndarray, backend: str, *, gradients: str = "all", training: bool = True) -> dict[str, Any]:
    """Return output, gradients by every parameter and by the input, and what moving averages become."""
    with kernels.use(backend):
        plan = Plan(
            model.graph, [x.shape], backend=kernels.backend(), training=training, gradients=gradients,
            fused=backend == "compiled", with_loss=False,
        )  # fmt: skip
        found: dict[str, Any] = {}

        def collect(number: int, gradients: Any) -> None:
            for key, gradient in gradients.items():
                variable = plan.steps[number].parameters[key]
                if any(variable is one for one in model.trainable_weights):
                    found[variable.path] = found.get(variable.path, 0) + gradient

        states = [variable.value.copy() for variable in model.non_trainable_weights]
        record = plan.forward([x])
        y = plan.outputs_of(record)[0].copy()
        dy = np.random.default_rng(5).standard_normal(y.shape).astype(y.dtype)
        if training:
            plan.update_state(record)
        found["moved"] = np.concatenate([v.value.ravel() for v in model.non_trainable_weights] or [np.zeros(0)])
        for variable, before in zip(model.non_trainable_weights, states, strict=True):
            variable.value[...] = before
        d_values = plan.backward(record, {plan.outputs[0]: dy}, collect)
        kinds = {step.kind for step in plan.steps}
        return {"y": y, "dx": d_values.get(plan.inputs[0]), **found, "native": "native" in kinds}


def assert_equal(ours: dict[str, Any], plain: dict[str, Any], tolerance: float) -> None:
    assert ours.keys() == plain.keys()
    for key, expected in plain.items():
        if key == "native":
            continue
        assert (ours[key] is None) == (expected is None), key
        if expected is not None:
            assert ours[key].dtype == expected.dtype, key
            limit = tolerance * max(1.0, np.abs(expected).max(initial=0))
            np.testing.assert_allclose(ours[key], expected, rtol=tolerance, atol=limit, err_msg=key)


def randomized(model: Any, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        value = rng.standard_normal(variable.shape) / 2
        variable.value[...] = np.abs(value) + 0.5 if "variance" in variable.path else value
    return model


PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.generate])
@given(data=st.data())
def test_chains_equal_plain_steps(data: st.DataObject) -> None:
    draw = data.draw
    config.set_floatx("float64")
    try:
        x = layers_in = cl.Input((draw(st.integers(4, 9)), draw(st.integers(4, 9)), draw(st.integers(1, 4))))
        for _ in range(draw(st.integers(1, 2))):
            padding = draw(st.sampled_from(["valid", "same"]))
            kernel, strides, dilation = draw(PAIR), draw(PAIR), draw(st.sampled_from([(1, 1), (2, 1)]))
            if padding == "valid" and any(
                d * (k - 1) + 1 > s for k, d, s in zip(kernel, dilation, x.shape[1:3], strict=True)
            ):
                padding = "same"
            if draw(st.booleans()):
                x = L.ZeroPadding2D(((draw(st.integers(0, 3)), 1), (0, draw(st.integers(0, 3)))))(x)
            x = L.Conv2D(
                draw(st.integers(1, 5)), kernel, strides if max(dilation) == 1 else 1, padding, dilation_rate=dilation,
                use_bias=draw(st.booleans()), trainable=draw(st.booleans()),
            )(x)  # fmt: skip
            if draw(st.booleans()):
                x = L.BatchNormalization(
                    center=draw(st.booleans()), scale=draw(st.booleans()), trainable=draw(st.booleans())
                )(x)
            tail = [L.ReLU(), L.MaxPooling2D(draw(PAIR), padding="same")]
            for layer in draw(st.permutations(tail))[: draw(st.integers(0, 2))]:
                x = layer(x)
        if draw(st.booleans()):
            x = L.Flatten()(x)
            for units in draw(st.lists(st.integers(1, 40), min_size=1, max_size=2)):
                x = L.Dense(units, activation=draw(st.sampled_from([None, "relu"])))(x)
        model = randomized(cl.Model(layers_in, x), draw(st.integers(0, 9)))
        images = np.random.default_rng(0).standard_normal(
            (draw(st.sampled_from([1, 3, 8, 9, 17])), *model.inputs[0].shape[1:])
        )
        training, gradients = draw(st.booleans()), draw(st.sampled_from(["all", "parameters"]))
        options = {"training": training, "gradients": gradients}
        ours = work(model, images, "compiled", **options)
        assert ours["native"]
        assert_equal(ours, work(model, images, "vectorized", **options), 1e-9)
    finally:
        config.set_floatx("float32")


def lenet() -> Any:
    return randomized(cl.zoo.lenet5(compile=False))


def normalized() -> Any:
    inputs = cl.Input((18, 18, 3))
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(8, 5)(L.ZeroPadding2D(2)(inputs))))
    return randomized(cl.Model(inputs, L.Dense(1)(L.Flatten()(L.MaxPooling2D()(x)))))


def many_channels() -> Any:
    """3 x 3 convolutions of so many channels that they are computed in Winograd's way, on odd and even sizes."""
    inputs = cl.Input((13, 12, 16))
    x = L.Conv2D(17, 3, padding="same", activation="relu")(inputs)
    x = L.MaxPooling2D()(L.ReLU()(L.Conv2D(18, 3, padding="valid", use_bias=False)(x)))
    x = L.MaxPooling2D(padding="same")(L.Conv2D(16, 3, padding="same", activation="relu")(L.ZeroPadding2D(1)(x)))
    return randomized(cl.Model(inputs, L.Conv2D(20, 3, padding="same")(x)))


def wide_kernels() -> Any:
    """Kernels 7, 4 and 3 wide in Winograd's way, forward and, where rows are whole patches, for their own gradients."""
    inputs = cl.Input((20, 16, 3))
    x = L.MaxPooling2D()(L.ReLU()(L.BatchNormalization()(L.Conv2D(16, 7, padding="same", use_bias=False)(inputs))))
    x = L.MaxPooling2D((3, 2), padding="same")(L.Conv2D(8, (2, 4), padding="same", activation="relu")(x))
    return randomized(cl.Model(inputs, L.Dense(3)(L.Flatten()(L.Conv2D(12, (1, 3), padding="same")(x)))))


def in_squares() -> Any:
    """Kernels 3 x 3 in squares with all their gradients; patches that overlap, and pooling in patches or not."""
    inputs = cl.Input((16, 24, 8))
    x = L.MaxPooling2D()(L.Conv2D(16, 3, padding="same", activation="relu")(inputs))
    x = L.MaxPooling2D((4, 2))(L.ReLU()(L.BatchNormalization()(L.Conv2D(24, 3, padding="same", use_bias=False)(x))))
    x = L.Conv2D(8, 3, activation="relu")(L.ZeroPadding2D(((2, 5), (3, 2)))(x))
    return randomized(cl.Model(inputs, L.Conv2D(16, 3, padding="same")(x)))


@pytest.mark.parametrize("n", [1, 15, 17, 100])
@pytest.mark.parametrize("make", [lenet, normalized, many_channels, wide_kernels, in_squares])
def test_odd_batches_in_float32(make: Any, n: int) -> None:
    model = make()
    x = np.random.default_rng(n).random((n, *model.inputs[0].shape[1:]), dtype=np.float32)
    assert_equal(
        work(model, x, "compiled", gradients="parameters"), work(model, x, "vectorized", gradients="parameters"), 2e-4
    )


def test_a_kernels_gradient_over_more_patches_than_are_at_work_at_once() -> None:
    inputs = cl.Input((36, 32, 8))
    model = randomized(cl.Model(inputs, L.Conv2D(8, 3, padding="same")(inputs)))
    x = np.random.default_rng(0).random((9, 36, 32, 8), dtype=np.float32)
    assert_equal(work(model, x, "compiled"), work(model, x, "vectorized"), 1e-4)


@pytest.mark.slow
@settings(max_examples=80, deadline=None, derandomize=True, phases=[Phase.generate])
@given(data=st.data())
def test_winograds_way_in_float32(data: st.DataObject) -> None:
    draw = data.draw
    kernel = draw(st.one_of(st.just((3, 3)), st.tuples(st.integers(1, 4), st.sampled_from([3, 4, 7]))))
    inputs = cl.Input(
        (draw(st.integers(4, 18)), draw(st.sampled_from([7, 8, 11, 12, 16, 21])), draw(st.integers(1, 18)))
    )
    x = L.Conv2D(
        draw(st.sampled_from([8, 24, 27])), kernel, padding=draw(st.sampled_from(["valid", "same"])), use_bias=False
    )(inputs)
    if draw(st.booleans()):
        x = L.BatchNormalization(scale=draw(st.booleans()))(x)
    for layer in draw(st.permutations([L.ReLU(), L.MaxPooling2D(draw(PAIR), padding="same")]))[
        : draw(st.integers(0, 2))
    ]:
        x = layer(x)
    model = randomized(cl.Model(inputs, L.Conv2D(8, kernel, padding="same")(x)))
    images = np.random.default_rng(0).standard_normal((draw(st.sampled_from([8, 11])), *inputs.shape[1:]))
    images = images.astype(np.float32)
    training = draw(st.booleans())
    ours, plain = (work(model, images, backend, training=training) for backend in ("compiled", "vectorized"))
    assert_equal(ours, plain, 1e-4)


@pytest.mark.parametrize("kernel", [(3, 3), (2, 3), (1, 4), (3, 7)])
@pytest.mark.parametrize("pool", [False, True])
def test_where_a_windows_inputs_are_zero_the_output_is_the_bias(kernel: Any, pool: bool) -> None:
    inputs = cl.Input((16, 16, 16))
    x = L.Conv2D(16, kernel, padding="same")(inputs)
    model = randomized(cl.Model(inputs, L.MaxPooling2D()(x) if pool else x))
    images = np.zeros((9, 16, 16, 16), np.float32)
    rng = np.random.default_rng(0)
    for image in images[1:]:  # one cell of each sounds, in all its windows
        row, column = rng.integers(0, 16, 2)
        image[row, column] = rng.standard_normal(16)
    images[3, 8, 8, 2] = np.nan
    weights, bias = (variable.value for variable in model.weights)
    ours, plain = (work(model, images, backend)["y"] for backend in ("compiled", "vectorized"))
    silent = (plain == bias).all(axis=-1)
    assert silent[0].all()
    assert 0.5 < silent.mean() < 1
    np.testing.assert_array_equal((ours == bias).all(axis=-1), silent)
    heard = ~np.isnan(plain)
    assert not heard.all()
    np.testing.assert_array_equal(~np.isnan(ours), heard)
    np.testing.assert_allclose(ours[heard], plain[heard], rtol=1e-4, atol=1e-4)
    weights[0, 1, 5, 3] = np.inf  # times zero
    bias[4] = np.nan
    with np.errstate(invalid="ignore"):
        ours, plain = (work(model, images[:1], backend)["y"] for backend in ("compiled", "vectorized"))
    assert np.isnan(plain[0, 4, 4, [3, 4]]).all()
    assert np.isnan(ours[0, 4, 4, [3, 4]]).all()


def test_predicting_many_images_in_portions_with_normalisation_folded_into_the_kernel() -> None:
    inputs = cl.Input((64, 64, 3))
    x = L.MaxPooling2D()(L.ReLU()(L.BatchNormalization()(L.Conv2D(32, 3, padding="same")(inputs))))
    model = randomized(cl.Model(inputs, L.Dense(2)(L.Flatten()(x))))
    images = np.random.default_rng(0).random((70, 64, 64, 3), dtype=np.float32)
    predicted = {}
    for backend in ("compiled", "vectorized"):
        with kernels.use(backend):
            predicted[backend] = model.predict(images, batch_size=70, verbose=0)
    np.testing.assert_allclose(predicted["compiled"], predicted["vectorized"], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("make", [lenet, normalized, many_channels, wide_kernels, in_squares])
def test_no_bit_depends_on_the_number_of_threads(make: Any) -> None:
    model = make()
    x = np.random.default_rng(0).random((75, *model.inputs[0].shape[1:]), dtype=np.float32)
    results = []
    try:
        for threads in (1, 2, 3, 4, 9):
            config.set_num_threads(threads)
            results.append(work(model, x, "compiled"))
    finally:
        config.set_num_threads(None)
    for other in results[1:]:
        for key, value in results[0].items():
            np.testing.assert_array_equal(other[key], value, err_msg=key)


@pytest.mark.parametrize("pool", [2, (2, 3)])
@pytest.mark.parametrize("filters", [4, 21])
def test_few_images_in_a_network_worth_several_threads(filters: int, pool: Any) -> None:
    inputs = cl.Input((40, 36, 90))
    x = L.MaxPooling2D(pool, padding="same")(L.Conv2D(filters, 3, activation="relu")(inputs))
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(filters, (2, 3), padding="same")(x)))
    x = L.Flatten()(x)
    wide = L.Dense(1_200_000 // x.shape[1], activation="relu")(x)
    model = randomized(cl.Model(inputs, L.Dense(3)(wide)))
    images = np.random.default_rng(0).standard_normal((3, 40, 36, 90)).astype(np.float32)
    found = []
    try:
        for threads in (1, 2, 3, 4):
            config.set_num_threads(threads)
            found.append([work(model, images[:n], "compiled", training=False)["y"] for n in (1, 3)])
    finally:
        config.set_num_threads(None)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    plain = work(model, images, "vectorized", training=False)["y"]
    np.testing.assert_allclose(found[0][1], plain, rtol=1e-4, atol=1e-4 * np.abs(plain).max())
    np.testing.assert_allclose(found[0][0], plain[:1], rtol=1e-4, atol=1e-4 * np.abs(plain).max())


def test_training_gives_the_same_weights_with_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((90, 16, 16, 1), dtype=np.float32), rng.integers(0, 3, 90)
    weights = []
    try:
        for threads in (1, 2, 3):
            config.set_num_threads(threads)
            cl.utils.set_random_seed(3)
            model = cl.Sequential(
                [
                    cl.Input((16, 16, 1)),
                    L.Conv2D(5, 3, activation="relu"),
                    L.MaxPooling2D(),
                    L.Flatten(),
                    L.Dense(300),
                    L.Dense(3),
                ]
            )
            model.compile("adam", cl.losses.SparseCategoricalCrossentropy(from_logits=True))
            with kernels.use("compiled"):
                model.fit(x, y, batch_size=40, epochs=2, verbose=0)
            weights.append(model.get_weights())
    finally:
        config.set_num_threads(None)
    for other in weights[1:]:
        for a, b in zip(weights[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_one_step_moves_the_weights_as_vectorized_does() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((64, 28, 28, 1), dtype=np.float32), rng.integers(0, 10, 64)
    changes = []
    for name in ("compiled", "vectorized"):
        model = cl.zoo.lenet5(compile=False)
        randomized(model)
        model.compile(cl.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        before = [w.copy() for w in model.get_weights()]
        with kernels.use(name):
            model.train_on_batch(x, y)
        changes.append([after - b for after, b in zip(model.get_weights(), before, strict=True)])
    for ours, theirs in zip(*changes, strict=True):
        assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_cells_beyond_the_last_window_of_a_normalised_image_in_every_step() -> None:
    inputs = cl.Input((9, 9, 2))
    x = L.BatchNormalization()(L.Conv2D(4, 3, padding="same", use_bias=False)(inputs))
    model = randomized(cl.Model(inputs, L.Dense(1)(L.Flatten()(L.MaxPooling2D(2)(L.ReLU()(x))))))
    before = model.get_weights()
    rng = np.random.default_rng(0)
    images, y = rng.random((16, 9, 9, 2), dtype=np.float32), rng.random((16, 1), dtype=np.float32)
    weights = []
    for name in ("compiled", "vectorized"):
        model.set_weights(before)
        model.compile(cl.optimizers.SGD(0.01), "mse")
        with kernels.use(name):
            for _ in range(3):
                model.train_on_batch(images, y)
        weights.append(model.get_weights())
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("predicts", [False, True], ids=["training", "prediction"])
def test_nan_and_infinity_pass_as_in_plain_steps(predicts: bool) -> None:
    inputs = cl.Input((6, 6, 1))
    y = L.MaxPooling2D()(L.ReLU()(L.Conv2D(2, 3, padding="same")(inputs)))
    model = randomized(cl.Model(inputs, y))
    x = np.random.default_rng(0).standard_normal((9, 6, 6, 1)).astype(np.float32)
    x[0, 0, 0], x[1, 2, 2], x[2, 5, 5] = np.nan, np.inf, -np.inf
    outputs = {}
    for name in ("compiled", "vectorized"):
        with kernels.use(name):
            outputs[name] = model.predict(x) if predicts else work(model, x, name, gradients="parameters")["y"]
    np.testing.assert_array_equal(np.isnan(outputs["compiled"]), np.isnan(outputs["vectorized"]))
    finite = np.isfinite(outputs["vectorized"])
    np.testing.assert_allclose(outputs["compiled"][finite], outputs["vectorized"][finite], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(outputs["compiled"][~finite], outputs["vectorized"][~finite])


def test_ties_go_to_the_first_maximum_in_row_major_order() -> None:
    inputs = cl.Input((8, 8, 1))
    model = cl.Model(inputs, L.MaxPooling2D(4)(L.Conv2D(1, 1)(inputs)))
    model.set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
    x = np.random.default_rng(0).integers(0, 2, (9, 8, 8, 1)).astype(np.float32)
    ours, plain = (work(model, x, name)["dx"] for name in ("compiled", "vectorized"))
    np.testing.assert_array_equal(ours, plain)


def test_outputs_are_not_overwritten_and_read_only_input_is_taken() -> None:
    model = randomized(cl.Sequential([cl.Input((8, 8, 1)), L.Conv2D(3, 3), L.Flatten(), L.Dense(2)]))
    x = np.random.default_rng(0).random((2, 8, 8, 1), dtype=np.float32)
    x.flags.writeable = False
    with kernels.use("compiled"):
        first = model(x)
        kept = first.copy()
        model(np.ones_like(x))
        np.testing.assert_array_equal(first, kept)
        np.testing.assert_array_equal(model(x[::-1]), first[::-1])


def test_adam_is_the_rule_of_the_optimizer() -> None:
    rng = np.random.default_rng(0)
    for dtype, tolerance in (("float32", 1e-5), ("float64", 1e-12)):
        w, g, m, v = rng.standard_normal((4, 70001)).astype(dtype)
        v = np.abs(v)
        expected_m, expected_v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        expected_w = w - 0.002 * expected_m / (np.sqrt(expected_v) + 1e-3)
        kernels.backend("compiled").adam_update(w, g, m, v, alpha=0.002, beta_1=0.9, beta_2=0.99, epsilon=1e-3)
        for ours, expected in ((w, expected_w), (m, expected_m), (v, expected_v)):
            np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)


def test_a_slow_thread_gives_shares_away_and_both_ranges_stay_whole() -> None:
    from convolens.kernels.compiled.threads import Offers, own_shares

    offers = Offers(3)
    slow, quick, alone = (offers.taken(n, own_shares(9, n, 3)) for n in range(3))
    begun = [next(slow)]
    assert list(quick) == [5, 4, 3, 2, 1]
    assert begun + list(slow) == [0]
    assert list(alone) == [6, 7, 8]

    offers = Offers(2)
    quick, slow = (offers.taken(n, own_shares(8, n, 2)) for n in range(2))
    begun = [next(slow)]
    assert list(quick) == [0, 1, 2, 3, 4, 5, 6]
    assert begun + list(slow) == [7]


def test_weights_do_not_depend_on_which_thread_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    from convolens.kernels.compiled.native import Segment

    rng = np.random.default_rng(0)
    x, y = rng.random((64, 12, 12, 2), dtype=np.float32), rng.integers(0, 3, 64)
    usual, weights = Segment._work, []
    for slow in (None, 0, 1):

        def work(works: Any, worker: int, spans: Any, slow: int | None = slow) -> None:
            if worker == slow:
                time.sleep(0.005)
            usual(works, worker, spans)

        monkeypatch.setattr(Segment, "_work", staticmethod(work))
        head = [L.Conv2D(4, 3), L.Flatten(), L.Dense(3)]
        layers = [L.Conv2D(8, 3), L.BatchNormalization(), L.ReLU(), L.MaxPooling2D(2), *head]
        model = randomized(cl.Sequential([cl.Input((12, 12, 2)), *layers]))
        model.compile("adam", cl.losses.SparseCategoricalCrossentropy(from_logits=True))
        config.set_num_threads(2)
        try:
            with kernels.use("compiled"):
                model.fit(x, y, batch_size=64, epochs=2, shuffle=False, verbose=0)
        finally:
            config.set_num_threads(None)
        weights.append(model.get_weights())
    for other in weights[1:]:
        for a, b in zip(weights[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_errors_of_threads_are_raised_where_the_work_was_asked() -> None:
    from convolens.kernels.compiled.threads import parallel

    def work(part: int) -> None:
        if part == 2:
            raise ArithmeticError("part 2")

    with pytest.raises(ArithmeticError, match="part 2"):
        parallel(work, 3)
    done = []
    parallel(done.append, 3)
    assert sorted(done) == [0, 1, 2]


def test_who_asked_does_what_no_other_thread_has_begun() -> None:
    from convolens.kernels.compiled.threads import parallel

    done: list[tuple[int, int]] = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5)  # no other thread gets a turn while this one has something to do
    try:
        for _ in range(20):
            parallel(lambda part: done.append((part, threading.get_ident())), 2)
    finally:
        sys.setswitchinterval(interval)
    assert sorted(part for part, _ in done) == [0] * 20 + [1] * 20
    assert (1, threading.get_ident()) in done


@pytest.mark.parametrize("n", [2, 20])
def test_threads_of_a_user_may_predict_with_one_model(n: int) -> None:
    from concurrent.futures import ThreadPoolExecutor

    model = many_channels()
    inputs = [np.random.default_rng(seed).random((n, 13, 12, 16), dtype=np.float32) for seed in range(6)]

    def predict(x: np.ndarray) -> np.ndarray:
        with kernels.use("compiled"):
            return model(x)

    expected = [predict(x) for x in inputs]
    with ThreadPoolExecutor(3) as pool:
        for _ in range(5):
            for ours, right in zip(pool.map(predict, inputs), expected, strict=True):
                np.testing.assert_array_equal(ours, right)


def test_without_a_folder_to_write_to_kernels_last_as_long_as_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core import caching

    from convolens.kernels.compiled.jit import kernel

    def first_to_one(x: np.ndarray) -> None:
        x[0] = 1

    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    x = np.zeros(2)
    kernel(first_to_one)(x)
    assert x.tolist() == [1.0, 0.0]
