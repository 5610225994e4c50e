import inspect
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convolens import optimizers
from convolens.optimizers import schedules
from convolens.parameters import ParameterVector, pack
from convolens.variable import Variable

GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "optimizers.json").read_text())
ARRAYS = np.load(GOLDEN / "optimizers.npz")


def made_schedule(name):
    facts = FACTS["schedules"][name]
    return getattr(schedules, facts["class"])(*facts["arguments"])


def made_optimizer(case):
    facts = FACTS["cases"][case]
    options = dict(facts["options"])
    if isinstance(options.get("learning_rate"), str):
        options["learning_rate"] = made_schedule(options["learning_rate"])
    optimizer = getattr(optimizers, facts["class"])(**options)
    if case.endswith("excluded"):
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def start(dtype="float32"):
    return [Variable(ARRAYS[f"start/{name}"].astype(dtype), name) for name in ("kernel", "bias")]


def check_fifty_updates(optimizer, variables, golden, tolerance):
    for step in range(50):
        optimizer.apply_gradients([(ARRAYS[f"gradients/{v.name}"][step], v) for v in variables])
        if step + 1 in FACTS["steps"]:
            for v in variables:
                expected = ARRAYS[f"{golden}/{step + 1}/{v.name}"]
                assert v.value.dtype == expected.dtype
                np.testing.assert_allclose(v.value, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", FACTS["cases"])
def test_fifty_updates_and_the_state_are_those_of_keras(case):
    # Keras computes 1 - beta ** t in float32, which has an error of 1e-5 in the first steps.
    optimizer = made_optimizer(case)
    check_fifty_updates(optimizer, start(), case, 2e-6)
    described = [[v.name, list(v.shape), v.dtype] for v in optimizer.variables]
    assert described == FACTS["cases"][case]["variables"]
    for i, variable in enumerate(optimizer.variables):
        np.testing.assert_allclose(variable.value, ARRAYS[f"{case}/state/{i}"], rtol=5e-6, atol=2e-6)


@pytest.mark.parametrize("case", FACTS["exact"])
def test_fifty_updates_are_those_of_keras_to_the_last_digits_in_float64(case):
    facts = FACTS["exact"][case]
    optimizer = getattr(optimizers, facts["class"])(**facts["options"])
    check_fifty_updates(optimizer, start("float64"), f"exact/{case}", 1e-13)


@pytest.mark.parametrize("case", FACTS["cases"])
def test_configurations_are_those_of_keras_and_come_back(case):
    config = FACTS["cases"][case]["config"]
    assert optimizers.serialize(made_optimizer(case)) == config
    assert optimizers.serialize(optimizers.deserialize(config)) == config
    assert optimizers.get(config).get_config() == config["config"]


@pytest.mark.parametrize("name", FACTS["schedules"])
def test_schedules_are_those_of_keras(name):
    facts, schedule = FACTS["schedules"][name], made_schedule(name)
    steps = np.arange(len(facts["values"]))
    np.testing.assert_allclose([schedule(int(step)) for step in steps], facts["values"], rtol=2e-6, atol=1e-8)
    np.testing.assert_allclose(schedule(steps), facts["values"], rtol=2e-6, atol=1e-8)
    assert schedules.serialize(schedule) == facts["config"]
    assert schedules.deserialize(facts["config"]) == schedule


def test_adam_by_hand():
    # With beta_1 = beta_2 = 0, m = g, v = g², alpha = learning_rate: w moves by 0.1 * 2 / (2 + 2).
    w = Variable(np.array([1.0]))
    optimizers.Adam(0.1, beta_1=0.0, beta_2=0.0, epsilon=2.0).apply([np.array([2.0])], [w])
    np.testing.assert_allclose(w.value, [0.95], rtol=1e-7)


def test_float64_and_float32_variables_move_side_by_side():
    alone, mixed = start("float64"), [*start("float64"), *start("float32")]
    first, second = optimizers.Adam(0.01), optimizers.Adam(0.01)
    for step in range(5):
        gradients = [ARRAYS[f"gradients/{name}"][step] for name in ("kernel", "bias")]
        first.apply(gradients, alone)
        second.apply([*gradients, *gradients], mixed)
    assert [v.dtype for v in mixed] == ["float64", "float64", "float32", "float32"]
    for a, b, c in zip(alone, mixed[:2], mixed[2:], strict=True):
        np.testing.assert_array_equal(a.value, b.value)
        np.testing.assert_allclose(b.value, c.value, atol=1e-6)
    assert [v.dtype for v in second.variables[2:]] == ["float64"] * 4 + ["float32"] * 4


def test_step_uses_the_gradients_written_into_the_vector():
    by_pairs, by_views = start(), start()
    pairs, views = optimizers.SGD(0.1, momentum=0.5), optimizers.SGD(0.1, momentum=0.5)
    views.build(by_views)
    for step in range(3):
        gradients = [ARRAYS[f"gradients/{name}"][step] for name in ("kernel", "bias")]
        pairs.apply(gradients, by_pairs)
        for variable, gradient in zip(by_views, gradients, strict=True):
            views.gradient_view_of[id(variable)][...] = gradient
        views.step()
    for a, b in zip(by_pairs, by_views, strict=True):
        np.testing.assert_array_equal(a.value, b.value)


def test_long_vectors_are_handled_in_blocks_without_a_seam():
    rng = np.random.default_rng(0)
    big = rng.normal(size=70_001)
    gradient = rng.normal(size=big.shape)
    for rule in ("sgd", "rmsprop", "adagrad", "adam", "adamw", "nadam"):
        whole, parts = Variable(big), [Variable(big[:100]), Variable(big[100:])]
        optimizers.get(rule).apply([gradient], [whole])
        optimizers.get(rule).apply([gradient[:100], gradient[100:]], parts)
        np.testing.assert_array_equal(whole.value, np.concatenate([v.value for v in parts]))
        assert np.all(whole.value != big)


def test_a_variable_without_gradient_stays_as_it_is():
    kernel, bias = start()
    optimizer = optimizers.Adam(weight_decay=0.1)
    optimizer.apply([np.ones((3, 4)), np.ones(4)], [kernel, bias])
    before = bias.numpy()
    optimizer.apply([np.ones((3, 4)), None])
    np.testing.assert_array_equal(bias.value, before)
    with pytest.raises(ValueError, match="no gradient"):
        optimizer.apply([None, None])


def test_two_optimizers_may_share_a_variable():
    kernel, bias = start()
    one, two = optimizers.SGD(0.5), optimizers.SGD(0.25)
    one.apply([np.ones(4)], [bias])
    two.apply([np.ones((3, 4)), np.ones(4)], [kernel, bias])
    one.apply([np.ones(4)], [bias])
    np.testing.assert_allclose(bias.value, ARRAYS["start/bias"] - 1.25, rtol=1e-6)


def test_the_learning_rate_can_be_read_and_set():
    optimizer = optimizers.Adam(0.1)
    assert optimizer.learning_rate == float(np.float32(0.1))
    optimizer.learning_rate = 0.5
    assert optimizer.learning_rate == 0.5
    scheduled = optimizers.SGD(schedules.PiecewiseConstantDecay([0], [1.0, 0.5]))
    w = Variable(np.zeros(1))
    scheduled.apply([np.ones(1)], [w])
    assert (scheduled.learning_rate, scheduled.iterations) == (0.5, 1)
    with pytest.raises(TypeError, match="LearningRateSchedule"):
        scheduled.learning_rate = 0.1
    assert optimizers.SGD(lambda: 0.25).learning_rate == 0.25


def test_a_mean_of_the_weights_is_kept_and_put_into_the_model():
    w = Variable(np.array([0.0]))
    optimizer = optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5)
    for _ in range(3):  # w: -1, -2, -3; the average starts at the first
        optimizer.apply([np.array([1.0])], [w])
    np.testing.assert_allclose(w.value, [-3.0])
    optimizer.finalize_variable_values([w])
    np.testing.assert_allclose(w.value, [-2.25])


def test_arguments_come_in_keras_order():
    rate = 0.5
    assert optimizers.SGD(rate, 0.9, True, 0.1, None, 2.0).clipvalue == 2.0
    assert optimizers.AdamW(rate, 0.1, 0.8, 0.9, 1e-3, True, 2.0).clipnorm == 2.0
    common = list(inspect.signature(optimizers.Optimizer.__init__).parameters)[2:]
    assert list(inspect.signature(optimizers.SGD).parameters) == ["learning_rate", "momentum", "nesterov", *common]
    assert inspect.signature(optimizers.AdamW).parameters["weight_decay"].default == 0.004


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optimizers.Adam("fast"), "learning_rate"),
        (lambda: optimizers.Adam(float("nan")), "learning_rate"),
        (lambda: optimizers.Adam(beta_1=1.0), "beta_1"),
        (lambda: optimizers.SGD(momentum=2.0), "momentum"),
        (lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0), "only one of"),
        (lambda: optimizers.SGD(loss_scale_factor=128.0), "half-precision"),
        (lambda: optimizers.SGD(gradient_accumulation_steps=1), "gradient_accumulation_steps"),
        (lambda: optimizers.SGD(use_ema=True, ema_momentum=2.0), "ema_momentum"),
        (lambda: optimizers.AdamW(weight_decay=None), "weight_decay"),
        (lambda: optimizers.get("adamm"), "Did you mean 'adam'"),
        (lambda: optimizers.get(3), "optimizer is a name"),
        (lambda: optimizers.SGD().apply([np.ones(1)]), "not built"),
        (lambda: optimizers.SGD().apply([np.ones(2)], [Variable(np.ones(1))]), r"shape \(1,\)"),
        (lambda: optimizers.SGD().apply([np.ones(2)], []), "one gradient per variable"),
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "decay_steps"),
        (lambda: schedules.PiecewiseConstantDecay([1], [0.1]), "one entry more"),
        (lambda: schedules.deserialize({"class_name": "os.system", "config": {}}), "unknown learning rate schedule"),
        (lambda: optimizers.SGD(lambda: 0.1).get_config(), "no configuration"),
    ],
)
def test_bad_input_gets_one_clear_line(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_variables_of_another_model_are_refused():
    optimizer = optimizers.SGD()
    optimizer.build(start())
    with pytest.raises(ValueError, match="unknown to this optimizer"):
        optimizer.apply([np.ones(1)], [Variable(np.ones(1))])
    with pytest.raises(ValueError, match="before"):
        optimizer.exclude_from_weight_decay(var_names=["bias"])


shapes = st.lists(st.lists(st.integers(0, 4), max_size=3).map(tuple), min_size=1, max_size=6)


@given(shapes, st.data())
@settings(max_examples=60, deadline=None)
def test_packing_keeps_contents_and_shares_memory(shapes, data):
    arrays = [np.random.default_rng(i).normal(size=shape) for i, shape in enumerate(shapes)]
    variables = [Variable(array) for array in arrays]
    vector = ParameterVector(variables)
    for variable, array in zip(variables, arrays, strict=True):
        np.testing.assert_array_equal(variable.value, array)
    vector.values += 1
    for variable, array, view in zip(variables, arrays, vector.gradient_views, strict=True):
        np.testing.assert_array_equal(variable.value, array + 1)
        view[...] = array
    np.testing.assert_array_equal(vector.gradients, np.concatenate([array.ravel() for array in arrays]))
    chosen = data.draw(st.lists(st.booleans(), min_size=len(shapes), max_size=len(shapes)))
    inside = np.zeros(vector.values.size, bool)
    for run in vector.runs(chosen):
        assert not inside[run].any()
        inside[run] = True
    for at, wanted in zip(vector.slices, chosen, strict=True):
        assert np.all(inside[at] == wanted)


def test_packing_groups_by_dtype():
    variables = [Variable(np.zeros(2, "f4")), Variable(np.zeros(3)), Variable(np.zeros(1, "f4"))]
    assert [(v.values.dtype.name, v.values.size) for v in pack(variables)] == [("float32", 3), ("float64", 3)]
    with pytest.raises(ValueError, match="one dtype"):
        ParameterVector(variables)
