"""What can be said without the other frameworks; the ports themselves are compared in tests/peers."""

import pytest

import convolens as cl


def test_the_result_in_words():
    assert str(cl.bridges.Comparison(True, None, 1e-7, "")) == "The models agree to 1e-07."
    parted = cl.bridges.Comparison(False, "conv2d", 0.25, "padding: the other pads more")
    assert str(parted) == "The models part at layer 'conv2d', by 0.25: padding: the other pads more."


def test_refuses_what_is_no_model():
    model = cl.Sequential([cl.Input((2,)), cl.layers.Dense(1)])
    with pytest.raises(ValueError, match="of Keras, a PyTorch module or the path of an ONNX file; got list"):
        cl.compare(model, [model])


def test_two_models_of_this_library():
    model, other = cl.zoo.lenet5(compile=False), cl.zoo.lenet5(compile=False)
    other.set_weights(model.get_weights())
    assert cl.compare(model, other).equal
    dense = next(layer for layer in other.layers if isinstance(layer, cl.layers.Dense))
    dense.set_weights([dense.get_weights()[0] * 1.1, dense.get_weights()[1]])
    parted = cl.compare(model, other)
    assert not parted.equal
    assert parted.layer == next(layer.name for layer in model.layers if isinstance(layer, cl.layers.Dense))
    assert parted.reason.startswith("weights")
