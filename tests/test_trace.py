"""The record of every number, against numbers worked by hand and against the layers themselves."""

import numpy as np
import pytest

import convolens as cl


@pytest.fixture
def worked():
    """x = (1, 2), z = x W + b = (3, -1), a = relu(z) = (3, 0), loss = mean((a - y)^2) with y = (1, 1)."""
    x = cl.Input((2,))
    y = cl.layers.Dense(2, activation="relu", name="d")(x)
    model = cl.Model(x, y)
    model.set_weights([np.array([[1.0, 1.0], [1.0, -1.0]]), np.zeros(2)])
    model.compile("sgd", "mse")
    return model


def test_every_number_by_hand(worked):
    trace = worked.trace(np.array([[1.0, 2.0]]), np.array([[1.0, 1.0]]))
    step = trace["d"]
    assert step.z.tolist() == [[3, -1]]
    assert step.output.tolist() == [[3, 0]]
    assert trace.loss == trace.data_loss == (4 + 1) / 2
    assert step.d_output.tolist() == [[2, -1]]  # 2 (a - y) / 2
    assert step.d_z.tolist() == [[2, 0]]  # the gate of relu is shut for z = -1
    assert step.gradients["kernel"].tolist() == [[2, 0], [4, 0]]
    assert step.gradients["bias"].tolist() == [2, 0]
    assert trace.d_input.tolist() == [[2, 2]]
    assert trace.gradients["d"]["kernel"].tolist() == [[2, 0], [4, 0]]
    assert [one.tolist() for one in step.d_inputs] == [[[2, 2]]]


def test_without_targets_there_are_no_gradients(worked):
    trace = worked.trace(np.array([[1.0, 2.0]]))
    assert trace["d"].gradients is None
    assert trace["d"].d_output is None
    assert trace.loss is None
    assert trace.d_input is None
    assert trace.gradients is None


def test_from_a_gradient_of_the_output(worked):
    trace = worked.trace(np.array([[1.0, 2.0]]), d_output=np.array([[1.0, 5.0]]))
    assert trace.d_input.tolist() == [[1, 1]]
    assert trace.loss is None


def test_it_is_read_only_and_apart_from_later_training(worked):
    x, y = np.array([[1.0, 2.0]]), np.array([[1.0, 1.0]])
    trace = worked.trace(x, y)
    with pytest.raises(ValueError, match="read-only"):
        trace["d"].output[0, 0] = 7
    x[:] = 9
    worked.fit(np.array([[1.0, 2.0]]), y, epochs=3, verbose=0)
    assert trace["d"].inputs[0].tolist() == [[1, 2]]
    assert trace["d"].parameters["kernel"].tolist() == [[1, 1], [1, -1]]
    assert [one.tolist() for one in trace["d"].d_inputs] == [[[2, 2]]]


def test_softmax_with_cross_entropy_gives_p_minus_y():
    x = cl.Input((3,))
    model = cl.Model(x, cl.layers.Softmax(name="s")(x))
    model.compile("sgd", "categorical_crossentropy")
    logits, y = np.log([[0.2, 0.3, 0.5]]), np.array([[0.0, 1.0, 0.0]])
    trace = model.trace(logits, y)
    assert trace.loss == pytest.approx(-np.log(0.3), rel=1e-6)
    np.testing.assert_allclose(trace.d_input, [[0.2, -0.7, 0.5]], rtol=1e-5)
    # the loss divides p by its sum first, as Keras does: d/dp_i of -log(p_1 / sum p) is 1 / sum p - [i = 1] / p_1
    np.testing.assert_allclose(trace["s"].d_output, [[1, 1 - 1 / 0.3, 1]], rtol=1e-5)


def test_fused_and_plain_loss_agree_through_a_network():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 5, 5, 1)), np.eye(3)[rng.integers(0, 3, 6)]
    inputs = cl.Input((5, 5, 1))
    z = cl.layers.Dense(3, name="z")(cl.layers.Flatten()(cl.layers.Conv2D(2, 3, activation="tanh")(inputs)))
    fused = cl.Model(inputs, cl.layers.Activation("softmax")(z))
    plain = cl.Model(inputs, cl.layers.Reshape((3,))(cl.layers.Softmax()(z)))  # softmax is not the last step here
    for model in (fused, plain):
        model.compile("sgd", "categorical_crossentropy")
    first, second = fused.trace(x, y), plain.trace(x, y)
    assert first.loss == pytest.approx(second.loss, rel=1e-6)
    np.testing.assert_allclose(first["z"].d_output, second["z"].d_output, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(first.d_input, second.d_input, rtol=1e-4, atol=1e-7)


def test_names_that_do_not_exist(worked):
    trace = worked.trace(np.array([[1.0, 2.0]]))
    with pytest.raises(KeyError, match=r"no layer 'conv'.*'d'"):
        trace["conv"]
    with pytest.raises(KeyError, match="called 1 times"):
        trace["d", 1]


def test_forks_add_and_senders_are_told_apart():
    x = cl.Input((1,))
    model = cl.Model(x, cl.layers.Multiply(name="m")([x, x]))
    trace = model.trace(np.array([[3.0]]), d_output=np.array([[1.0]]))
    assert trace.d_input.tolist() == [[6]]
    assert [one.tolist() for one in trace["m"].d_inputs] == [[[3]], [[3]]]


def test_batch_normalization_uses_the_moving_averages_unless_training():
    x = cl.Input((1,))
    model = cl.Model(x, cl.layers.BatchNormalization(epsilon=0.0, name="bn")(x))
    data = np.array([[1.0], [3.0]])
    np.testing.assert_allclose(model.trace(data)["bn"].output, data)
    np.testing.assert_allclose(model.trace(data, training=True)["bn"].output, [[-1], [1]])
    assert model.weights[2].numpy().tolist() == [0.0]


def test_the_seed_decides_dropout():
    x = cl.Input((50,))
    model = cl.Model(x, cl.layers.Dropout(0.5, name="drop")(x))
    data = np.ones((2, 50))
    masks = [model.trace(data, training=True, seed=seed)["drop"].output for seed in (1, 1, 2)]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])


def test_bad_calls(worked):
    x = np.array([[1.0, 2.0]])
    with pytest.raises(ValueError, match="y or d_output, not both"):
        worked.trace(x, x, d_output=x)
    with pytest.raises(ValueError, match="x has 1 samples and y"):
        worked.trace(x, np.zeros((2, 2)))
    loose = cl.Model(worked.inputs, worked.outputs)
    with pytest.raises(ValueError, match="needs a loss"):
        loose.trace(x, x)


def test_sums_over_the_calls_of_a_shared_layer_are_read_only():
    inputs = cl.Input((4, 4, 1))
    shared = cl.layers.Conv2D(1, 3, padding="same")
    model = cl.Model(inputs, shared(shared(inputs)))
    trace = model.trace(np.ones((1, 4, 4, 1)), d_output=np.ones((1, 4, 4, 1)))
    total = trace.gradients[shared.name]["kernel"]
    assert not total.flags.writeable
    np.testing.assert_allclose(total, sum(trace[shared.name, i].gradients["kernel"] for i in (0, 1)))
