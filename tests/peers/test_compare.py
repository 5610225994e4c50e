"""Ports with one planted mistake each: the comparison names the layer and the reason."""

import re

import numpy as np
import pytest

import convolens as cl
from golden import saved_networks as networks

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
nn = torch.nn
layers = cl.layers

pytestmark = pytest.mark.filterwarnings("ignore")


def ours(**changes):
    model = cl.Sequential(
        [
            cl.Input((9, 8, 3)),
            layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="first"),
            layers.BatchNormalization(name="norm"),
            layers.Conv2D(6, 3, padding="same", name="second"),
            layers.LeakyReLU(name="bent"),
            layers.MaxPooling2D(2, padding="same", name="pool"),
            layers.Flatten(),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(24, activation="gelu", name="hidden"),
            layers.Dense(3, activation="softmax", name="scores"),
        ]
    )
    rng = np.random.default_rng(3)
    for layer in model.layers:
        layer.set_weights([w if w.ndim > 1 else rng.normal(0, 0.5, w.shape) for w in layer.get_weights()])
    norm = model.get_layer("norm")
    norm.moving_variance.assign(rng.uniform(0.01, 0.5, 6))
    return model


def port(model, folder):
    """Return the faithful PyTorch port."""
    safetensors_torch = pytest.importorskip("safetensors.torch")
    cl.export.torch_state_dict(model, folder / "w.safetensors")
    scope = {}
    exec(cl.export.torch_sequential(model), scope)
    scope["model"].load_state_dict(safetensors_torch.load_file(folder / "w.safetensors"))
    return scope["model"].eval()


def replace(name):
    def change(**options):
        def plant(model):
            old = getattr(model, name)
            for key, value in options.items():
                setattr(old, key, value)

        return plant

    return change


def swap(name, module):
    def plant(model):
        setattr(model, name, module)

    return plant


def turned(model):
    model.second.weight.data = model.second.weight.data.flip(2, 3)


def swapped_axes(model):
    model.second.weight.data = model.second.weight.data.transpose(2, 3)


def unpermuted(model):
    order = np.arange(36).reshape(6, 3, 2).transpose(1, 2, 0).ravel()
    model.hidden.weight.data = model.hidden.weight.data[:, order]


def no_bias(model):
    model.second.bias.data.zero_()


def other_weights(model):
    model.hidden.weight.data[3, 4] += 2


PLANTED = {
    "padding": (swap("first_padding", nn.ZeroPad2d((1, 0, 1, 1))), "first", "padding: the other pads"),
    "padding of the pool": (swap("pool_padding", nn.ConstantPad2d((0, 0, 1, 0), float("-inf"))), "pool", "padding"),
    "zeros in the pool": (swap("pool_padding", nn.ZeroPad2d((0, 0, 0, 1))), "pool", "zeros of the padding count"),
    "epsilon": (replace("norm")(eps=1e-5), "norm", "epsilon: the other uses 1e-05, this layer 0.001"),
    "activation": (swap("first_activation", nn.SiLU()), "first", "activation: the other applies silu, this layer relu"),
    "no activation": (swap("first_activation", nn.Identity()), "first", "activation: the other applies none"),
    "slope": (swap("bent", nn.LeakyReLU()), "bent", r"the other applies leaky_relu\(negative_slope=0.01\)"),
    "gelu": (swap("hidden_activation", nn.GELU(approximate="tanh")), "hidden", r"applies gelu\(approximate=True\)"),
    "logits": (swap("scores_activation", nn.Identity()), "scores", "activation: the other applies none"),
    "turned kernel": (turned, "second", "order of axes: .*turned by 180 degrees"),
    "swapped kernel": (swapped_axes, "second", "order of axes: .*height and width swapped"),
    "flatten order": (unpermuted, "hidden", "flatten order"),
    "training mode": (lambda model: model.train(), "norm", "training mode"),
    "dropout": (lambda model: model.drop.train(), "drop", "training mode"),
    "no bias": (no_bias, "second", "adds no bias"),
    "weights": (other_weights, "hidden", "weights"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_in_pytorch_is_named(name, tmp_path):
    plant, layer, reason = PLANTED[name]
    model = ours()
    other = port(model, tmp_path)
    found = cl.compare(model, other, tolerance=1e-5)
    assert found.equal, found
    assert found.difference < 1e-5
    plant(other)
    found = cl.compare(model, other, tolerance=1e-5)
    assert not found.equal
    assert found.layer == layer, found
    assert found.difference > 0
    assert re.search(reason, found.reason), found


def test_a_module_in_training_mode_is_not_changed(tmp_path):
    model = ours()
    other = port(model, tmp_path).train()
    before = {key: tensor.clone() for key, tensor in other.state_dict().items()}
    cl.compare(model, other)
    assert other.training
    for key, tensor in other.state_dict().items():
        assert torch.equal(tensor, before[key])


@pytest.mark.parametrize("name", networks.BUILDERS)
def test_equal_models_of_keras_and_onnx(keras, name, tmp_path):
    model = networks.compiled(cl, name)
    networks.train(model, name, 1)
    assert cl.compare(model, cl.to_keras(model)).equal
    cl.export.onnx(model, tmp_path / "m.onnx")
    assert cl.compare(model, tmp_path / "m.onnx").equal


def test_planted_mistakes_in_keras(keras):
    def mixed(api, slope=0.3, epsilon=1e-3, padding="same", activation="relu"):
        image = api.Input((8, 8, 3))
        x = api.layers.Conv2D(4, 3, padding=padding, name="first")(image)
        a = api.layers.BatchNormalization(epsilon=epsilon, name="norm")(x)
        b = api.layers.LeakyReLU(slope, name="bent")(x)
        inside = api.Input((None, None, 4))
        tower = api.Model(inside, api.layers.Conv2D(4, 1, activation=activation, name="deep")(inside), name="tower")
        x = api.layers.Add(name="sum")([tower(a), b])
        return api.Model(image, api.layers.GlobalAveragePooling2D(name="mean")(x))

    model = mixed(cl)
    weights = [np.random.default_rng(4).uniform(0.01, 0.1, w.shape) for w in model.get_weights()]
    model.set_weights(weights)

    def found(**changes):
        other = mixed(keras, **changes)
        other.set_weights(weights)
        return cl.compare(model, other, tolerance=1e-6)

    assert found().equal
    assert found(slope=0.2, activation="relu").equal  # nothing is below zero here
    part = found(epsilon=1e-5)
    assert (part.layer, part.reason) == ("norm", "epsilon: the other uses 1e-05, this layer 0.001")
    part = found(padding="valid")
    assert part.layer == "first"
    assert "padding: the other pads ((0, 0), (0, 0))" in part.reason
    assert part.difference == float("inf")
    part = found(activation="tanh")
    assert part.layer == "tower/deep"
    assert part.reason == "activation: the other applies tanh, this layer relu"


def test_a_planted_mistake_in_onnx(tmp_path):
    model = ours()
    path = tmp_path / "m.onnx"
    cl.export.onnx(model, path)
    file = onnx.load(path)
    norm = next(node for node in file.graph.node if node.op_type == "BatchNormalization")
    norm.attribute[0].f = 1e-5
    onnx.save(file, path)
    part = cl.compare(model, path, tolerance=1e-5)
    assert (part.layer, part.reason) == ("norm", "epsilon: the other uses 1e-05, this layer 0.001")


def test_what_cannot_be_compared(tmp_path):
    model = ours()
    with pytest.raises(ValueError, match="of Keras, a PyTorch module or the path of an ONNX file; got int"):
        cl.compare(model, 3)
    with pytest.raises(ValueError, match="there is no file"):
        cl.compare(model, tmp_path / "none.onnx")
    with pytest.raises(ValueError, match=r"cannot be run on inputs of shapes \[\(4, 9, 8, 3\)\]"):
        cl.compare(model, nn.Linear(2, 3))
