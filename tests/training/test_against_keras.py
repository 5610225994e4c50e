"""Short training runs give the losses, metrics, weights and predictions that Keras on TensorFlow gives."""

import json
from pathlib import Path

import numpy as np
import pytest

import convolens as cl
from golden import networks

STORED = np.load(Path(__file__).parents[1] / "golden" / "training.npz")
FACTS = json.loads(str(STORED["facts"]))


# In a TensorFlow graph Keras does not know the batch size, so a smaller last batch counts as much as the others in
# these means; on its other backends, and here, every sample counts the same.
PER_OUTPUT_LOSSES = ("first_loss", "second_loss")


def stored(name, part):
    keys = sorted((k for k in STORED if k.startswith(f"{name}/{part}/")), key=lambda k: int(k.rsplit("/", 1)[1]))
    return [STORED[key] for key in keys]


@pytest.mark.parametrize("kernels", ["reference", "vectorized", pytest.param("compiled", marks=pytest.mark.compiled)])
@pytest.mark.parametrize("name", networks.cases())
def test_run(name, kernels):
    if kernels not in cl.kernels.available():
        pytest.skip("needs Numba")
    case = networks.cases()[name]
    if kernels == "reference" and case["network"] != "dense" and name != "convolutional":
        pytest.skip("one convolutional run is enough for the loops")
    facts = FACTS["runs"][name]
    with cl.kernels.use(kernels):
        result = networks.run(cl, case, weights=stored(name, "before"))
    assert result["weight_names"] == [path.removeprefix("sequential/") for path in facts["weight_names"]]
    assert result["history"].keys() == facts["history"].keys()
    for key, values in facts["history"].items():
        if key in PER_OUTPUT_LOSSES:
            continue
        np.testing.assert_allclose(result["history"][key], values, rtol=2e-4, atol=2e-5, err_msg=key)
    expected = facts["evaluate"]
    if name == "sample_weight":
        expected = expected[:3]  # Keras lists the plain accuracy twice
    for number, (ours, theirs) in enumerate(zip(result["evaluate"], expected, strict=True)):
        if not (name == "branched" and number in (1, 2)):  # as PER_OUTPUT_LOSSES
            assert ours == pytest.approx(theirs, rel=2e-4, abs=2e-5), number
    for ours, theirs in zip(result["predict"], stored(name, "predict"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-4)
    for ours, theirs, path in zip(result["after"], stored(name, "after"), facts["weight_names"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=5e-4, err_msg=path)
