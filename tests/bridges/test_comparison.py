"""What can be said without the other frameworks; the ports themselves are compared in tests/peers."""

import pytest

import convolens as cl


def test_the_result_in_words():
    assert str(cl.bridges.Comparison(True, None, 1e-7, "")) == "The models agree to 1e-07."
    parted = cl.bridges.Comparison(False, "conv2d", 0.25, "padding: the other pads more")
    assert str(parted) == "The models part at layer 'conv2d', by 0.25: padding: the other pads more."


def test_refuses_what_is_no_model():
    model = cl.Sequential([cl.Input((2,)), cl.layers.Dense(1)])
    with pytest.raises(ValueError, match="a Keras model, a PyTorch module or the path of an ONNX file; got Sequential"):
        cl.compare(model, model)
