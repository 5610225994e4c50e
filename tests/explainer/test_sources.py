"""The functions that the page links to: those of the library, at the place it names, for every layer."""

from __future__ import annotations

import inspect
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pytest

import convolens as cl
from convolens.explainer import make_record

L = cl.layers


def record_of(build: Any) -> dict[str, Any]:
    x = cl.Input((6, 6, 4))
    y = L.Dense(2, "softmax")(L.Flatten()(build(x)))
    model = cl.Model(x, y)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return make_record(model, np.ones((1, 6, 6, 4), np.float32), np.array([1]))


LAYERS = {
    "Conv2D": (lambda x: L.Conv2D(2, 3)(x), ["convolens.kernels.reference.conv2d"]),
    "DepthwiseConv2D": (lambda x: L.DepthwiseConv2D(3)(x), ["convolens.kernels.reference.depthwise_conv2d"]),
    "MaxPooling2D": (lambda x: L.MaxPooling2D()(x), ["convolens.kernels.reference.max_pool2d"]),
    "GlobalMaxPooling2D": (lambda x: L.GlobalMaxPooling2D()(x), None),
    "LayerNormalization": (lambda x: L.LayerNormalization()(x), None),
    "ReLU": (lambda x: L.ReLU()(x), ["convolens.activations.rectifiers.ReLU."]),
    "Activation": (lambda x: L.Activation("tanh")(x), ["convolens.activations.smooth.Tanh."]),
    "Softmax": (lambda x: L.Softmax()(x), ["convolens.kernels.reference.softmax"]),
    "Flatten": (lambda x: L.Flatten()(x), None),
    "Reshape": (lambda x: L.Reshape((3, 48))(x), None),
    "ZeroPadding2D": (lambda x: L.ZeroPadding2D(1)(x), None),
    "Cropping2D": (lambda x: L.Cropping2D(1)(x), None),
    "UpSampling2D": (lambda x: L.UpSampling2D(2)(x), None),
    "Rescaling": (lambda x: L.Rescaling(2.0)(x), None),
    "Dropout": (lambda x: L.Dropout(0.5)(x), None),
    "RandomFlip": (lambda x: L.RandomFlip()(x), None),
    "Add": (lambda x: L.Add()([x, x]), ["convolens.layers.Add.merge", "convolens.layers.Add.split"]),
    "Maximum": (lambda x: L.Maximum()([x, x]), ["convolens.layers.Maximum.merge", "convolens.layers.Maximum.split"]),
    "Concatenate": (lambda x: L.Concatenate()([x, x]), None),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_leads_to_its_code(name: str) -> None:
    build, expected = LAYERS[name]
    record = record_of(build)
    layer = next(layer for layer in record["layers"] if layer["class"] == name)
    ways = layer["functions"]["forward"] + layer["functions"]["backward"]
    assert len(ways) == 2
    for address in ways:
        assert "return" in record["sources"][address]["code"]
        assert address.startswith(tuple(expected or [f"convolens.layers.{name}."]))


def test_the_gate_is_the_activation_inside_a_layer() -> None:
    layer = record_of(lambda x: L.Conv2D(2, 3, activation="elu")(x))["layers"][1]
    assert layer["functions"]["forward"][-1] == "convolens.activations.rectifiers.ELU.forward"
    assert layer["functions"]["gate"] == ["convolens.activations.rectifiers.ELU.backward"]


def test_a_source_is_what_stands_at_its_place() -> None:
    record = record_of(lambda x: L.BatchNormalization()(L.Average()([x, x])))
    root = Path(inspect.getfile(cl)).parents[1]
    for address, source in record["sources"].items():
        function = resolve_name(address)
        assert callable(function), address
        lines = (root / source["file"]).read_text("utf-8").splitlines()
        first = source["code"].splitlines()[0]
        assert lines[source["line"] - 1].strip() == first.strip(), address
        assert inspect.unwrap(function).__name__ in source["code"]
    assert set(record["sources"]) >= {name for names in record["functions"].values() for name in names}


def test_a_loss_leads_to_its_code() -> None:
    record = record_of(lambda x: x)
    assert record["losses"][0]["functions"] == {
        "forward": ["convolens.losses.SparseCategoricalCrossentropy.call"],
        "backward": ["convolens.losses.SparseCategoricalCrossentropy.call_backward"],
    }


def test_a_layer_of_ones_own_has_none() -> None:
    class Doubled(L.Layer):
        def forward(self, x: Any, training: bool = False, rng: Any = None) -> Any:
            return 2 * x, None

        def backward(self, d_output: Any, cache: Any, need_dx: bool = True) -> Any:
            return 2 * d_output, {}

    layer = record_of(lambda x: Doubled()(x))["layers"][1]
    assert layer["functions"] == {"forward": [], "backward": [], "gate": []}
