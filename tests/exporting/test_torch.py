"""What can be said without PyTorch and safetensors; the exports themselves are run beside PyTorch."""

import sys

import pytest

import convolens as cl

layers = cl.layers


def chain(*stack, shape=(4, 4, 2)):
    return cl.Sequential([cl.Input(shape), *stack])


@pytest.mark.parametrize("export", [cl.export.safetensors, cl.export.torch_state_dict])
def test_safetensors_files(export, monkeypatch, tmp_path):
    model = chain(layers.Flatten(), layers.Dense(1))
    with pytest.raises(ValueError, match=r"files that end in '\.safetensors'; got .*m\.pt"):
        export(model, tmp_path / "m.pt")
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"cl\.export\.\w+ needs safetensors: pip install convolens\[safetensors\]"):
        export(model, tmp_path / "m.safetensors")


def test_the_source_of_models_within_models():
    body = cl.Sequential([cl.Input((4, 4, 2)), layers.Conv2D(3, 2, name="mix"), layers.Flatten()], name="body")
    source = cl.export.torch_sequential(chain(body, layers.Dense(1, activation="sigmoid", name="odd-name")))
    assert source.splitlines()[4:] == [
        "model = nn.Sequential(",
        "    OrderedDict([",
        "        ('body', nn.Sequential(",
        "            OrderedDict(",
        "                mix=nn.Conv2d(2, 3, (2, 2)),",
        "                flatten=nn.Flatten(),",
        "            )",
        "        )),",
        "        ('odd-name', nn.Linear(27, 1)),",
        "        ('odd-name_activation', nn.Sigmoid()),",
        "    ])",
        ")",
    ]


class Mine(layers.Layer):
    def build(self, input_shape):
        self.factor = self.add_weight((1,), name="factor")

    def forward(self, x, training=False, rng=None):
        return x * self.factor.value, None


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: chain(Mine(name="own")), "layer 'own' .*no counterpart of Mine"),
        (lambda: chain(layers.Rescaling(2.0)), "layer 'rescaling' .*torch.nn has no such module"),
        (lambda: chain(layers.AveragePooling2D(2, strides=1, padding="same")), "'average_pooling2d' .*no such module"),
        (lambda: chain(layers.Reshape((8, 4))), "'reshape' .*cells stand in another order"),
        (lambda: chain(layers.Flatten()), "output is a flattened image"),
        (lambda: chain(layers.LayerNormalization()), "'layer_normalization' .*normalises axes"),
        (lambda: chain(layers.BatchNormalization(axis=1)), "'batch_normalization' .*normalises axis 1"),
        (lambda: chain(layers.Dense(1, name="a.b")), "'a.b' .*no dot in names"),
        (
            lambda: chain(layers.Conv2D(1, 3, strides=2, padding="same"), shape=(None, None, 1)),
            "'conv2d' .*depends on the input's size",
        ),
    ],
)
def test_what_a_sequential_of_pytorch_cannot_be(make, reason):
    with pytest.raises(ValueError, match=reason):
        cl.export.torch_sequential(make())


def test_a_network_that_branches():
    x = cl.Input((4,))
    with pytest.raises(ValueError, match="no chain of layers: it branches at 'add'"):
        cl.export.torch_sequential(cl.Model(x, layers.Add()([layers.Dense(4)(x), x])))
    shared = layers.Dense(4, name="shared")
    with pytest.raises(ValueError, match="calls layer 'shared' twice"):
        cl.export.torch_sequential(cl.Model(x, shared(shared(x))))
    y = layers.Dense(4)(x)
    with pytest.raises(ValueError, match="it has other outputs"):
        cl.export.torch_sequential(cl.Model(x, [layers.Dense(2)(y), y]))
