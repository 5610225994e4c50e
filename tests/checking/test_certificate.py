"""A right network is certified, element by element; each of many planted faults is found, and in the right layer."""

from __future__ import annotations

import json

import numpy as np
import pytest

import convolens as cl
from convolens import kernels
from convolens.activations import Activation
from convolens.cli import main
from convolens.kernels import vectorized
from lookalikes import write_csv

L = cl.layers


@pytest.fixture(autouse=True)
def _two_kernels(request, monkeypatch):
    """Leave the compiled kernels to the test that is about them: compiling takes a while on a new machine."""
    if "compiled" not in request.keywords:
        monkeypatch.setattr(kernels, "available", lambda: ("reference", "vectorized"))


def network():
    model = cl.Sequential([
        cl.Input((6, 6, 2)),
        L.Conv2D(3, 3, padding="same", name="conv"),
        L.BatchNormalization(name="norm"),
        L.ReLU(name="relu"),
        L.MaxPooling2D(2, name="max"),
        L.DepthwiseConv2D(2, name="depthwise"),
        L.AveragePooling2D(2, strides=1, padding="same", name="average"),
        L.Flatten(name="flatten"),
        L.Dropout(0.4, name="drop"),
        L.Dense(4, activation="tanh", kernel_regularizer="l2", name="hidden"),
        L.Dense(3, activation="softmax", name="out"),
    ])  # fmt: skip
    model.compile("sgd", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(3)
    for name in ("moving_mean", "moving_variance", "gamma", "beta"):
        variable = getattr(model.get_layer("norm"), name)
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, 6, 6, 2)).astype("float32"), np.array([0, 2, 1, 1])


@pytest.fixture(scope="module")
def right():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "available", lambda: ("reference", "vectorized"))
        return cl.certify(network(), *data())


def test_a_right_network_is_certified_element_by_element(right):
    assert right.ok, right.text
    parameters = 3 * 3 * 2 * 3 + 3 + 6 + (2 * 2 * 3 + 3) + (12 * 4 + 4) + (4 * 3 + 3)
    assert right.summary.startswith(f"{parameters} of {parameters} gradient elements verified, worst relative error ")
    assert " at " in right.summary
    assert max(gradient.worst for layer in right.layers for gradient in layer.gradients) <= 1e-5
    assert right.text.splitlines()[-1] == right.summary


def test_each_layer_has_its_record(right):
    assert [layer.name for layer in right.layers] == [
        "conv", "norm", "relu", "max", "depthwise", "average", "flatten", "drop", "hidden", "out",
    ]  # fmt: skip
    modes = {layer.name: {gradient.mode for gradient in layer.gradients} for layer in right.layers}
    assert modes["norm"] == modes["drop"] == {"inference", "training"}
    assert modes["conv"] == {"inference"}
    assert all(0 < layer.own_error < 1e-5 for layer in right.layers if layer.name != "conv")
    assert all(layer.kernels["vectorized"] < 1e-12 for layer in right.layers)
    assert {layer.quantity for layer in right.layers} == {"gradient"}


def test_it_comes_as_text_json_and_html(right):
    told = json.loads(right.to_json())
    assert told["ok"] is True
    assert told["summary"] == right.summary
    assert [layer["name"] for layer in told["layers"]][:2] == ["conv", "norm"]
    page = right.to_html()
    assert right._repr_html_() == page
    assert page.count("<tr>") == len(right.layers) + 1
    assert right.summary in page


def test_the_model_is_left_as_it_was(right):
    model = network()
    before = model.get_weights()
    dtypes = [layer.dtype for layer in model.layers]
    cl.certify(model, *data(), examples=1)
    assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(before, model.get_weights(), strict=True))
    assert [layer.dtype for layer in model.layers] == dtypes


def test_kinks_are_counted_and_are_no_errors():
    model = cl.Sequential([cl.Input((2, 2, 1)), L.Dense(3, name="first"), L.ReLU(), L.Flatten(), L.Dense(1)])
    model.get_layer("first").kernel.assign(np.zeros((1, 3)))
    certificate = cl.certify(model, np.ones((2, 2, 2, 1)))
    assert certificate.ok
    relu = next(layer for layer in certificate.layers if layer.kind == "ReLU")
    assert relu.gradients[0].kinks == relu.gradients[0].compared - relu.gradients[0].wrong


def test_a_large_layer_is_checked_by_a_sample_and_it_says_so():
    certificate = cl.certify(network(), *data(), budget=2e7)
    assert certificate.ok
    hows = [gradient.how for layer in certificate.layers for gradient in layer.gradients]
    assert any(how.startswith("a sample of") for how in hows)
    assert "along random directions" in certificate.summary


def changed(layer, method, change):
    """Let a layer's gradient go through ``change(d_input, gradients, cache)``."""
    right_method = getattr(layer, method)

    def wrong(d_output, cache, need_dx=True):
        d_input, gradients = right_method(d_output, cache, need_dx)
        return change(d_input, {key: np.array(value) for key, value in gradients.items()}, cache)

    setattr(layer, method, wrong)


def scaled(name, factor):
    return lambda dx, g, cache: (dx, {**g, name: g[name] * factor})


def one_element(dx, g, cache):
    g["kernel"][1, 0, 0, 1] *= 1.001
    return dx, g


def swapped_maximum(dx, g, cache):
    return np.roll(dx, 1, axis=2), g


def without_the_mean(dx, g, cache):
    return (dx + 0.01 * dx.mean(axis=(0, 1, 2)) + 0.001, g) if cache.training else (dx, g)


PLANTED = {
    "the kernel's gradient averaged over the batch": ("conv", "preactivation_backward", scaled("kernel", 0.5)),
    "one element of the kernel's gradient off by a thousandth": ("conv", "preactivation_backward", one_element),
    "the bias's gradient left at zero": ("conv", "preactivation_backward", scaled("bias", 0)),
    "the input's gradient turned around": ("conv", "preactivation_backward", lambda dx, g, c: (dx[:, ::-1], g)),
    "gamma's gradient of another sign": ("norm", "backward", scaled("gamma", -1)),
    "normalisation wrong in training only": ("norm", "backward", without_the_mean),
    "ReLU that lets a little through": ("relu", "backward", lambda dx, g, c: (dx + 1e-3, g)),
    "the wrong cell wins the pool": ("max", "backward", swapped_maximum),
    "a depthwise filter for its neighbour": (
        "depthwise", "preactivation_backward", lambda dx, g, c: (dx, {**g, "kernel": np.roll(g["kernel"], 1, 2)}),
    ),
    "an average not divided": ("average", "backward", lambda dx, g, c: (4 * dx, g)),
    "flattened in another order": ("flatten", "backward", lambda dx, g, c: (dx[:, ::-1], g)),
    "dropout not scaled": ("drop", "backward", lambda dx, g, c: (dx * 0.6 if c is not None else dx, g)),
    "a dense layer's input gradient of another sign": ("hidden", "preactivation_backward", lambda dx, g, c: (-dx, g)),
    "a gradient of the wrong shape": (
        "out", "preactivation_backward", lambda dx, g, c: (dx, {**g, "kernel": g["kernel"].T}),
    ),
    "a gradient that is missing": ("out", "preactivation_backward", lambda dx, g, c: (dx, {"kernel": g["kernel"]})),
    "an input gradient of the wrong shape": ("depthwise", "preactivation_backward", lambda dx, g, c: (dx[:, 1:], g)),
}  # fmt: skip


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_in_its_layer(fault):
    name, method, change = PLANTED[fault]
    model = network()
    changed(model.get_layer(name), method, change)
    everything = fault.startswith("one element")
    certificate = cl.certify(model, *data(), budget=4e10 if everything else 4e6)
    assert not certificate.ok
    assert [layer.name for layer in certificate.layers if not layer.ok] == [name]
    assert certificate.summary.startswith(f"WRONG ({name}")


def test_a_wrong_activation_is_found():
    class Bent(Activation):
        def forward(self, x):
            return np.tanh(x), x

        def backward(self, d_output, cache):
            return d_output / np.cosh(cache)

    model = network()
    model.get_layer("hidden").activation = Bent()
    certificate = cl.certify(model, *data())
    assert [layer.name for layer in certificate.layers if not layer.ok] == ["hidden"]


def test_a_backward_that_raises_is_found():
    def broken(dx, g, cache):
        raise RuntimeError("not yet")

    model = network()
    changed(model.get_layer("average"), "backward", broken)
    certificate = cl.certify(model, *data())
    assert [layer.name for layer in certificate.layers if not layer.ok] == ["average"]
    assert any("RuntimeError: not yet" in failure for failure in certificate.failures)


def test_kernels_that_differ_are_found(monkeypatch):
    right_kernel = vectorized.average_pool2d_forward

    def wrong(x, **options):
        y, cache = right_kernel(x, **options)
        return y * (1 + 1e-6), cache

    monkeypatch.setattr(vectorized, "average_pool2d_forward", wrong)
    certificate = cl.certify(network(), *data())
    found = [layer for layer in certificate.layers if not layer.ok]
    assert found[0].name == "average"
    assert "the vectorized kernels differ from the reference by 1.0e-06" in found[0].failures[0]


def test_a_wrong_loss_is_a_fault_of_the_whole(monkeypatch):
    model = cl.Sequential([cl.Input((3,)), L.Dense(2)])
    model.compile("sgd", "mse")
    loss = model.objective.losses[0]
    right_backward = loss.backward
    monkeypatch.setattr(loss, "backward", lambda cache: 2 * right_backward(cache))
    certificate = cl.certify(model, np.ones((2, 3)), np.zeros((2, 2)))
    assert all(layer.ok for layer in certificate.layers)
    assert not certificate.ok
    assert certificate.summary.startswith("WRONG (the network as a whole)")


def test_branches_shared_layers_and_several_inputs():
    one, two = cl.Input((4, 4, 1), name="one"), cl.Input((4, 4, 1), name="two")
    shared = L.Conv2D(2, 2, activation="relu", name="shared")
    merged = L.Add()([shared(one), shared(two)])
    model = cl.Model([one, two], L.Dense(2)(L.Flatten()(merged)))
    rng = np.random.default_rng(0)
    certificate = cl.certify(model, [rng.normal(size=(2, 4, 4, 1)), rng.normal(size=(2, 4, 4, 1))])
    assert certificate.ok, certificate.text
    assert [layer.name for layer in certificate.layers].count("shared") == 2
    count = model.count_params()
    assert certificate.summary.startswith(f"{count} of {count} gradient elements verified")


@pytest.mark.compiled
def test_the_compiled_kernels_are_compared_where_they_are(right):
    if "compiled" not in kernels.available():
        pytest.skip("Numba is not installed")
    certificate = cl.certify(network(), *data(), budget=1e6)
    assert certificate.ok, certificate.text
    assert all(layer.kernels["compiled"] < 1e-12 for layer in certificate.layers)


@pytest.mark.parametrize(
    ("x", "examples", "words"), [(np.zeros((0, 6, 6, 2)), 2, "at least one"), (data()[0], 0, "at least one")]
)
def test_bad_input_is_one_clear_line(x, examples, words):
    with pytest.raises(ValueError, match=words):
        cl.certify(network(), x, examples=examples)


def test_the_command_certifies_a_run(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "rows.csv")
    few = ["--model", "digits_cnn", "--epochs", "1", "--quiet", "--no-report"]
    assert main(["train", "rows.csv", *few, "--out", "run"]) == 0
    capsys.readouterr()
    assert main(["certify", "run", "--budget", "1e6", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert "gradient elements verified" in told["summary"]
    assert json.loads((tmp_path / "run" / "certificate.json").read_text()) == told
    assert told["summary"] in (tmp_path / "run" / "certificate.html").read_text()
    assert main(["certify", "nowhere"]) == 2
