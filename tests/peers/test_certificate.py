"""The certificate beside real frameworks: the same layers by PyTorch's gradients and by Keras."""

from __future__ import annotations

import numpy as np
import pytest

import convolens as cl
from convolens import kernels
from convolens.kernels import geometry

pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore")
L = cl.layers


@pytest.fixture(autouse=True)
def _two_kernels(monkeypatch):
    monkeypatch.setattr(kernels, "available", lambda: ("reference", "vectorized"))


def network():
    model = cl.Sequential([
        cl.Input((9, 8, 4)),
        L.Conv2D(6, 3, strides=2, padding="same", groups=2, name="grouped"),
        L.BatchNormalization(name="norm"),
        L.MaxPooling2D(2, strides=1, padding="same", name="max"),
        L.Conv2D(4, 2, dilation_rate=2, activation="relu", name="dilated"),
        L.DepthwiseConv2D(2, padding="same", depth_multiplier=2, name="depthwise"),
        L.AveragePooling2D(2, strides=1, padding="same", name="average"),
        L.Flatten(name="flatten"),
        L.Dense(3, kernel_regularizer="l2", activation="softmax", name="out"),
    ])  # fmt: skip
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def data():
    rng = np.random.default_rng(4)
    return rng.normal(size=(2, 9, 8, 4)).astype("float32"), np.array([2, 0])


def test_every_layer_agrees_with_both(keras):
    certificate = cl.certify(network(), *data(), budget=1e7)
    assert certificate.ok, certificate.text
    assert certificate.peers == {
        "Keras": "outputs compared layer by layer",
        "PyTorch": "compared layer by layer",
    }
    assert [layer.name for layer in certificate.layers if "PyTorch" not in layer.peers] == []
    assert max(layer.peers["PyTorch"] for layer in certificate.layers) < 1e-12
    assert max(layer.peers["Keras"] for layer in certificate.layers) < 1e-5


def test_a_mistake_that_all_kernels_share_shows_beside_pytorch(monkeypatch):
    """Pads the other way round, in every kernel alike: no comparison of our own kernels can find that."""
    right = geometry.pads

    def wrong(padding, size, kernel, strides, dilation=(1, 1)):
        (top, bottom), (left, right_) = right(padding, size, kernel, strides, dilation)
        return (bottom, top), (right_, left)

    from convolens.checking import peers

    model = cl.Sequential([cl.Input((6, 6, 2)), L.Conv2D(3, 2, padding="same", name="conv")])
    monkeypatch.setattr(geometry, "pads", wrong)
    monkeypatch.setattr(peers, "geometry", type("geometry", (), {"pads": staticmethod(right)}))
    certificate = cl.certify(model, np.random.default_rng(0).normal(size=(2, 6, 6, 2)))
    assert [layer.name for layer in certificate.layers if not layer.ok] == ["conv"]
    assert "differs from PyTorch" in certificate.layers[0].failures[-1] or "differs from Keras" in str(certificate)
