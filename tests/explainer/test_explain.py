"""The page's record: what it holds, how large it is, and that no name in it can become markup."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib import resources
from typing import Any

import numpy as np
import pytest

import convolens as cl
from convolens.explainer import arrays, make_record
from convolens.explainer.page import make_page

L = cl.layers


def compiled(model: cl.Model, loss: Any = "sparse_categorical_crossentropy") -> cl.Model:
    model.compile("sgd", loss)
    return model


@pytest.fixture
def small() -> cl.Model:
    layers = [L.Input((6, 5, 2)), L.Conv2D(3, 3, activation="relu"), L.Flatten(), L.Dense(4, "softmax")]
    return compiled(cl.Sequential(layers, name="small"))


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(6, 5, 2)).astype(np.float32)


def embedded(page: str) -> dict[str, Any]:
    """Return the record as the page's script finds it."""
    found = re.search(r'<script type="application/json" id="record">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_record_holds_the_trace(small: cl.Model, image: np.ndarray) -> None:
    record = embedded(cl.explain(small, image, 2).html)
    tensors = arrays.unpack(record)
    trace = small.trace(image[None], np.array([2]))
    assert [record["layers"][node["layer"]]["class"] for node in record["nodes"]] == [
        "InputLayer",
        "Conv2D",
        "Flatten",
        "Dense",
    ]
    assert [node["inputs"] for node in record["nodes"]] == [[], [0], [1], [2]]
    for node, step in zip(record["nodes"], trace, strict=True):
        np.testing.assert_array_equal(tensors[node["output"]], step.output[0])
        np.testing.assert_array_equal(tensors[node["d_output"]], step.d_output[0])
        for parameter in record["layers"][node["layer"]]["parameters"]:
            np.testing.assert_array_equal(tensors[parameter["value"]], step.parameters[parameter["name"]])
            np.testing.assert_array_equal(tensors[parameter["gradient"]], step.gradients[parameter["name"]])
    conv = trace.steps[1]
    np.testing.assert_array_equal(tensors[record["nodes"][1]["z"]], conv.z[0])
    np.testing.assert_array_equal(tensors[record["nodes"][1]["d_z"]], conv.d_z[0])
    assert record["loss"] == pytest.approx(trace.loss)
    assert (record["format"], record["version"], record["label"]) == ("convolens.explainer", 2, 2)


def test_one_image_of_a_batch(small: cl.Model, image: np.ndarray) -> None:
    batch = np.stack([np.zeros_like(image), image])
    one = cl.explain(small, image, 3).record
    of_batch = cl.explain(small, batch, np.array([0, 3]), index=1).record
    assert one["tensors"] == of_batch["tensors"]


@pytest.mark.parametrize("y", [2, np.array(2), np.array([2]), [2]])
def test_a_label_may_come_as_a_number_or_an_array(small: cl.Model, image: np.ndarray, y: Any) -> None:
    assert cl.explain(small, image, y).record["label"] == 2


def test_a_one_hot_label(image: np.ndarray) -> None:
    layers = [L.Input((6, 5, 2)), L.Flatten(), L.Dense(4, "softmax")]
    model = compiled(cl.Sequential(layers), "categorical_crossentropy")
    assert cl.explain(model, image, np.eye(4)[1]).record["label"] == 1


def test_without_a_label_there_are_no_gradients(small: cl.Model, image: np.ndarray) -> None:
    record = cl.explain(small, image).record
    assert record["loss"] is None
    assert record["losses"] == []
    assert all(node["d_output"] is None for node in record["nodes"])


def test_what_does_not_fit_is_refused(small: cl.Model, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"takes images of shape \(6, 5, 2\)"):
        cl.explain(small, image[0], 1)
    with pytest.raises(ValueError, match="index 3 is outside a batch of 2"):
        cl.explain(small, np.stack([image, image]), [1, 1], index=3)
    with pytest.raises(ValueError, match="NaN"):
        cl.explain(small, np.full_like(image, np.nan), 1)


def test_a_layer_is_known_by_its_class_alone(image: np.ndarray) -> None:
    class Conv2D(cl.layers.Layer):
        def forward(self, x: Any, training: bool = False, rng: Any = None) -> Any:
            return -x, None

        def backward(self, d_output: Any, cache: Any, need_dx: bool = True) -> Any:
            return -d_output, {}

    class Wider(L.Dense):
        pass

    model = compiled(
        cl.Sequential([L.Input((6, 5, 2)), Conv2D(name="max_pooling2d"), L.Flatten(), Wider(3, "softmax")])
    )
    record = cl.explain(model, image, 1).record
    assert [bool(layer["options"].get("unsupported")) for layer in record["layers"]] == [False, True, False, True]


def test_settings_that_the_page_does_not_compute() -> None:
    x = cl.Input((4, 4, 2))
    outputs = [L.BatchNormalization(axis=1)(x), L.Softmax(axis=1)(x), L.Concatenate(axis=1)([x, x])]
    outputs.append(L.Activation(cl.activations.gelu.with_options(approximate=True))(x))
    record = make_record(cl.Model(x, outputs), np.ones((1, 4, 4, 2), np.float32))
    unknown = {layer["class"] for layer in record["layers"] if layer["options"].get("unsupported")}
    assert unknown == {"BatchNormalization", "Concatenate"}
    names = {layer["options"].get("name", "") for layer in record["layers"]} - {""}
    assert names == {"softmax (not computed by the page)", "gelu (not computed by the page)"}


def test_a_model_within_the_model_is_written_out(image: np.ndarray) -> None:
    inner = cl.Sequential([L.Input((4, 3, 3)), L.Conv2D(2, 2, activation="relu"), L.ReLU()], name="inner")
    x = cl.Input((6, 5, 2))
    y = L.Dense(3, "softmax")(L.Flatten()(inner(L.Conv2D(3, 3)(x))))
    model = compiled(cl.Model(x, y))
    record = cl.explain(model, image, 1).record
    names = [node["name"] for node in record["nodes"]]
    assert [name.split("/")[0] for name in names][2:4] == ["inner", "inner"]
    assert [node["inputs"] for node in record["nodes"]] == [[], [0], [1], [2], [3], [4]]
    tensors = arrays.unpack(record)
    trace = model.trace(image[None], np.array([1]))
    np.testing.assert_allclose(tensors[record["nodes"][3]["output"]], trace["inner"].output[0], rtol=1e-6)
    np.testing.assert_allclose(tensors[record["nodes"][1]["d_output"]], trace.steps[1].d_output[0], rtol=1e-5)
    kernel = next(layer for layer in record["layers"] if layer["name"].startswith("inner/conv2d"))["parameters"][0]
    [expected] = [g for name, g in trace.gradients["inner"].items() if name.endswith("kernel")]
    np.testing.assert_allclose(tensors[kernel["gradient"]], expected, rtol=1e-5, atol=1e-8)


def test_a_shared_layer_has_one_set_of_weights_and_the_sum_of_gradients(image: np.ndarray) -> None:
    x = cl.Input((6, 5, 2))
    shared = L.Conv2D(2, 3, padding="same", kernel_regularizer="l2", name="shared")
    model = compiled(cl.Model(x, L.Dense(3, "softmax")(L.Flatten()(shared(shared(x))))))
    record = cl.explain(model, image, 1).record
    assert [node["name"] for node in record["nodes"]][1:3] == ["shared", "shared:1"]
    assert record["nodes"][1]["layer"] == record["nodes"][2]["layer"]
    [kernel, _] = record["layers"][1]["parameters"]
    gradient = model.trace(image[None], np.array([1])).gradients["shared"]["kernel"]
    np.testing.assert_array_equal(arrays.unpack(record)[kernel["gradient"]], gradient)
    assert kernel["l2"] == pytest.approx(0.01)


def test_several_inputs_and_outputs(image: np.ndarray) -> None:
    a, b = cl.Input((6, 5, 2)), cl.Input((6, 5, 2))
    x = L.Flatten()(L.Add()([a, b]))
    model = cl.Model([a, b], [L.Dense(3, "softmax")(x), L.Dense(1)(x)])
    model.compile("sgd", ["sparse_categorical_crossentropy", "mse"], loss_weights=[1.0, 0.5])
    record = cl.explain(model, [image, image], [np.array([1]), np.array([0.5])]).record
    assert [loss["class"] for loss in record["losses"]] == ["SparseCategoricalCrossentropy", "MeanSquaredError"]
    assert [loss["weight"] for loss in record["losses"]] == [1.0, 0.5]
    assert [loss["fused"] for loss in record["losses"]] == [True, False]
    assert record["loss"] == pytest.approx(model.trace([image[None]] * 2, [np.array([1]), np.array([[0.5]])]).loss)


def size(record: dict[str, Any]) -> int:
    return sum(len(entry["data"]) for entry in record["tensors"])


def test_large_arrays_are_left_out_and_named() -> None:
    model = compiled(cl.Sequential([L.Input((32, 32, 3)), L.Conv2D(8, 3), L.Flatten(), L.Dense(3, "softmax")]))
    x = np.random.default_rng(1).uniform(size=(1, 32, 32, 3)).astype(np.float32)
    whole = make_record(model, x, np.array([1]))
    assert whole["thinned"] == []
    limit = (4 * model.count_params() + x.nbytes) * 4 // 3 + 40_000
    thin = make_record(model, x, np.array([1]), limit=limit)
    assert size(thin) < limit < size(whole)
    assert any("gradient of kernel" in name for name in thin["thinned"])
    tensors = arrays.unpack(thin)
    for layer in thin["layers"]:
        for parameter in layer["parameters"]:
            assert tensors[parameter["value"]].size > 0
    assert tensors[thin["nodes"][0]["output"]].shape == (32, 32, 3)


@pytest.mark.parametrize(("build", "limit"), [("lenet5", 2e6), ("happy_model", 8e6), ("convolutional_model", 8e6)])
def test_pages_are_small(build: str, limit: float) -> None:
    model = getattr(cl.zoo, build)()
    image = np.random.default_rng(2).uniform(size=model.inputs[0].shape[1:])
    assert len(cl.explain(model, image, 1).html) < limit


def test_arrays_come_back_bit_for_bit() -> None:
    store = arrays.ArrayStore()
    rng = np.random.default_rng(3)
    given = [rng.normal(size=shape).astype(np.float32) for shape in [(3, 4, 2), (1,), (0,), ()]]
    given.append(np.array([np.pi, -0.0, 1e-42, 3.4e38], np.float32))
    numbers = [store.add(array) for array in given]
    assert store.add(given[0], "again") == numbers[0]
    back = arrays.unpack({"tensors": store.packed(set())})
    for array, number in zip(given, numbers, strict=True):
        assert number is not None
        np.testing.assert_array_equal(back[number].view(np.uint32), array.view(np.uint32))


HOSTILE = ["</script><script>alert(1)</script>", "<!--<script>", "\u2028\u2029", "]]>", "'\"&amp;", "\\u003c/script>"]


def test_names_cannot_leave_their_element(image: np.ndarray) -> None:
    layers = [L.Input((6, 5, 2)), L.Flatten(name="</script><img src=x>"), L.Dense(len(HOSTILE), "softmax")]
    model = compiled(cl.Sequential(layers, name="<svg onload=alert(1)>"))
    page = cl.explain(model, image, 1, class_names=HOSTILE).html
    plain = cl.explain(model, image, 1, class_names=list("abcdef")).html
    assert page.count("<script") == plain.count("<script") == 2
    assert page.count("</script") == plain.count("</script") == 2
    assert embedded(page)["class_names"] == HOSTILE
    assert "<svg onload" not in page


def test_the_page_runs_its_own_script_only(small: cl.Model, image: np.ndarray) -> None:
    page = cl.explain(small, image, 1).html
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    script = re.search(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    assert policy
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy[1]
    assert "default-src 'none'" in policy[1]


def test_the_page_asks_for_nothing() -> None:
    template = resources.files("convolens.explainer").joinpath("template.html").read_text("utf-8")
    fetched = re.findall(
        r"""(?:src|href)=["']?(?!data:)[^"'\s>]+|url\((?!data:)[^)]*\)|@import""", template.split("<script")[0]
    )
    assert fetched == []


def test_saving_replaces_the_file_in_one_piece(small: cl.Model, image: np.ndarray, tmp_path: Any) -> None:
    path = tmp_path / "page.html"
    explanation = cl.explain(small, image, 1)
    explanation.save(path)
    assert path.read_text("utf-8") == explanation.html
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        explanation.save(tmp_path / "missing" / "page.html")


def test_a_notebook_gets_the_page_in_a_sandbox(small: cl.Model, image: np.ndarray) -> None:
    explanation = cl.explain(small, image, 1)
    shown = explanation._repr_html_()
    srcdoc = re.search(r'srcdoc="([^"]*)"', shown)
    assert srcdoc
    assert html.unescape(srcdoc[1]) == explanation.html
    assert 'sandbox="allow-scripts allow-modals allow-downloads"' in shown


def test_the_recorder_and_a_certificate_are_kept(small: cl.Model, image: np.ndarray) -> None:
    recorder = cl.callbacks.Recorder(image[None], np.array([1]))
    small.fit(np.stack([image] * 8), np.arange(8) % 4, epochs=3, verbose=0, callbacks=[recorder])
    certificate = cl.certify(small, image[None], np.array([1]))
    record = cl.explain(small, image, 1, recorder=recorder, certificate=certificate).record
    assert [snapshot["epoch"] for snapshot in record["recorder"]] == [0, 1, 2, 3]
    tensors = arrays.unpack(record)
    last = {layer["name"]: layer for layer in record["recorder"][-1]["layers"]}
    [kernel, _] = last[small.layers[0].name]["parameters"]
    np.testing.assert_array_equal(tensors[kernel["value"]], small.layers[0].kernel.value)
    assert last[small.layers[0].name]["update_ratio"] > 0
    assert record["certificate"] == certificate.summary
    assert {check["layer"] for check in record["checks"]} >= {layer.name for layer in small.layers}
    assert all(check["ok"] for check in record["checks"])
    assert any("numeric gradient of kernel" in check["quantity"] for check in record["checks"])


def test_a_record_with_numbers_that_json_has_not_is_refused(small: cl.Model, image: np.ndarray) -> None:
    record = cl.explain(small, image, 1).record
    with pytest.raises(ValueError, match="JSON"):
        make_page({**record, "loss": float("nan")})
