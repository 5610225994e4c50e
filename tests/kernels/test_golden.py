"""Every backend against stored results of real Keras and PyTorch (``tests/golden/make_kernels.py``), in float64."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convolens import kernels

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "kernels.json").read_text())["cases"]


def hashable(value: Any) -> Any:
    return tuple(map(hashable, value)) if isinstance(value, list) else value


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "kernels.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", kernels.available())
@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=[f"{case['source']}-{case['operation']}-{n}" for n, case in enumerate(CASES)]
)
def test_values_and_gradients(stored: dict[str, np.ndarray], number: int, name: str) -> None:
    operation = CASES[number]["operation"]
    options = {option: hashable(value) for option, value in CASES[number]["options"].items()}
    arrays = {key.split("/")[1]: value for key, value in stored.items() if key.startswith(f"{number}/")}
    inputs = [arrays[key] for key in ("x", "w", "b", "gamma", "beta", "mean", "variance") if key in arrays]

    y, cache = getattr(kernels.backend(name), f"{operation}_forward")(*inputs, **options)
    np.testing.assert_allclose(y, arrays["y"], rtol=1e-9, atol=1e-12)

    gradients = getattr(kernels.backend(name), f"{operation}_backward")(arrays["dy"], cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    names = [key for key in ("dx", "dw", "db", "dgamma", "dbeta") if key in arrays]
    assert len(gradients) == len(names)
    for gradient, key in zip(gradients, names, strict=True):
        np.testing.assert_allclose(gradient, arrays[key], rtol=1e-9, atol=1e-12, err_msg=key)
