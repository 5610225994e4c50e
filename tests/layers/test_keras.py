"""Every layer against what real Keras gave: configuration, weights, outputs, gradients, moved averages."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convolens as cl
from convolens.kernels.affine import affine_forward
from convolens.layers.base import registry

GOLDEN = Path(__file__).parents[1] / "golden"
STORED = json.loads((GOLDEN / "layers.json").read_text())
CASES = STORED["cases"]
ARRAYS = np.load(GOLDEN / "layers.npz")
NAMES = [f"{number}-{case['config']['class_name']}" for number, case in enumerate(CASES)]
cases = pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=NAMES)


def built(number: int, case: dict) -> tuple[Any, list[np.ndarray]]:
    layer = cl.layers.deserialize(case["config"])
    xs = [ARRAYS[f"{number}/x{i}"] for i in range(len(case["inputs"]))]
    layer.ensure_built([x.shape for x in xs], len(xs) > 1)
    layer.set_weights([ARRAYS[f"{number}/w{i}"] for i in range(len(case["weights"]))])
    return layer, xs


def tolerance(case: dict) -> dict:
    # Where TensorFlow computes in float32, or rounds a constant to it, whatever the layer's type.
    name, config = case["config"]["class_name"], case["config"]["config"]
    if config.get("interpolation") == "bilinear" and name == "UpSampling2D":
        return {"rtol": 1e-6, "atol": 1e-5}
    return {"rtol": 1e-7 if name in ("LeakyReLU", "Activation") else 1e-11, "atol": 1e-12}


def test_every_layer_has_a_case() -> None:
    found = {case["config"]["class_name"] for case in CASES}
    assert found == set(registry.classes) - {"InputLayer"}


@pytest.mark.parametrize("name", sorted(registry.classes))
def test_arguments_have_keras_names_order_and_defaults(name: str) -> None:
    parameters = list(inspect.signature(registry.classes[name].__init__).parameters.values())[1:]  # type: ignore[misc]
    named = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    ours = [[p.name, "required" if p.default is p.empty else p.default] for p in named]
    assert json.loads(json.dumps(ours)) == STORED["signatures"][name]


@cases
def test_weights_have_keras_names_shapes_and_order(number: int, case: dict) -> None:
    layer, _ = built(number, case)
    assert [[w.name, list(w.shape)] for w in layer.weights] == case["weights"]


@cases
def test_configuration_is_keras_own(number: int, case: dict) -> None:
    layer = cl.layers.deserialize(case["config"])
    assert plain(json.loads(json.dumps(cl.layers.serialize(layer)))) == plain(case["config"])


def plain(config: Any) -> Any:
    """Drop what has no meaning here: the seeds that Keras draws, and the shapes that a built layer was built for."""
    if not isinstance(config, dict):
        return [plain(item) for item in config] if isinstance(config, list) else config
    skipped = {"build_config", "input_axes", "output_axes"}
    if config.get("class_name") == "LayerNormalization":
        axis = config["config"]["axis"]
        config = {**config, "config": {**config["config"], "axis": axis if isinstance(axis, list) else [axis]}}
    return {key: plain(value) for key, value in config.items() if key not in skipped}


@pytest.mark.parametrize("kernels", ["reference", "vectorized"])
@cases
def test_outputs_and_gradients(number: int, case: dict, kernels: str) -> None:
    with cl.kernels.use(kernels):
        for mode in case["modes"]:
            layer, xs = built(number, case)
            y, cache = layer.forward(*xs, training=mode == "training", rng=None)
            np.testing.assert_allclose(y, ARRAYS[f"{number}/{mode}/y"], **tolerance(case))
            dxs, gradients = layer.backward(ARRAYS[f"{number}/{mode}/dy"], cache)
            for i, dx in enumerate(dxs if isinstance(dxs, tuple) else [dxs]):
                np.testing.assert_allclose(dx, ARRAYS[f"{number}/{mode}/dx{i}"], err_msg=f"dx{i}", **tolerance(case))
            for name, gradient in gradients.items():
                expected = ARRAYS[f"{number}/{mode}/d_{name}"]
                np.testing.assert_allclose(gradient, expected, err_msg=name, **tolerance(case))
            if mode == "training":
                layer.update_state(cache)
                for i, weight in enumerate(layer.weights):
                    np.testing.assert_allclose(
                        weight.value, ARRAYS[f"{number}/moved{i}"], rtol=1e-13, err_msg=weight.name
                    )


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("fill_mode", ["reflect", "wrap", "constant", "nearest"])
def test_affine_resampling(fill_mode: str, interpolation: str) -> None:
    x, matrices = ARRAYS["affine/x"], ARRAYS["affine/matrices"]
    y, _ = affine_forward(x, matrices, interpolation=interpolation, fill_mode=fill_mode, fill_value=0.75)
    # TensorFlow works out the places in float32.
    np.testing.assert_allclose(y, ARRAYS[f"affine/{fill_mode}/{interpolation}"], atol=2e-5)


@pytest.mark.parametrize(
    ("layer", "prefix", "drawn"),
    [
        (cl.layers.RandomRotation(0.5), "rotation", ["angle"]),
        (cl.layers.RandomZoom(0.5), "zoom", ["height", "width"]),
        (cl.layers.RandomTranslation(0.5, 0.5), "translation", ["down", "right"]),
    ],
    ids=["rotation", "zoom", "translation"],
)
def test_random_affine_layers_for_given_draws(layer: Any, prefix: str, drawn: list[str]) -> None:
    x = ARRAYS["affine/x"]
    matrices = layer.matrices(*x.shape[1:3], *[ARRAYS[f"{prefix}/{name}"] for name in drawn])
    np.testing.assert_allclose(affine_forward(x, matrices)[0], ARRAYS[f"{prefix}/y"], atol=2e-5)


@pytest.mark.parametrize("mode", ["horizontal", "vertical", "horizontal_and_vertical"])
def test_flips_for_given_draws(mode: str) -> None:
    class Draws:
        def random(self, shape: tuple[int, ...]) -> np.ndarray:
            assert shape == (6, 1, 1, 1)
            return np.array([0.2, 0.7, 0.0, 0.5, 0.9, 0.6]).reshape(shape)

    y, _ = cl.layers.RandomFlip(mode).change(ARRAYS["affine/x"], Draws())  # type: ignore[arg-type]
    np.testing.assert_array_equal(y, ARRAYS[f"flip/{mode}"])
