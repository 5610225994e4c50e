"""An exported state dictionary, loaded into the ``nn.Sequential`` that is written for it, predicts the same."""

import numpy as np
import pytest

import convolens as cl
from golden import saved_networks as networks

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")
layers = cl.layers


def there(model, folder):
    """Take a model to PyTorch by its two exports."""
    cl.export.torch_state_dict(model, folder / "m.safetensors")
    scope = {}
    exec(cl.export.torch_sequential(model), scope)
    made = scope["model"]
    made.load_state_dict(safetensors_torch.load_file(folder / "m.safetensors"))
    return made.eval()


def check(model, folder):
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=w.shape) ** 2 for w in model.get_weights()])
    x = rng.normal(size=(3, *[n or 7 for n in model.input_shape[1:]])).astype("float32")
    expected = model.predict(x, verbose=0)
    fed = torch.from_numpy(x)
    with torch.no_grad():
        y = there(model, folder)(fed.permute(0, 3, 1, 2) if x.ndim == 4 else fed)
    if y.ndim == 4:
        y = y.permute(0, 2, 3, 1)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["lenet5", "happy_model", "convolutional_model", "digits_cnn"])
def test_the_networks_of_the_tasks(name, tmp_path):
    check(getattr(cl.zoo, name)(), tmp_path)


def chain(*stack, shape=(7, 6, 4)):
    return cl.Sequential([cl.Input(shape), *stack])


CHAINS = {
    "even same": lambda: chain(layers.Conv2D(3, 3, padding="same", dilation_rate=2)),
    "uneven same": lambda: chain(layers.Conv2D(3, (2, 4), strides=(2, 3), padding="same", use_bias=False)),
    "groups": lambda: chain(layers.Conv2D(6, 3, groups=2, activation="tanh")),
    "depthwise": lambda: chain(layers.DepthwiseConv2D(3, depth_multiplier=3, padding="same", activation="silu")),
    "separable": lambda: chain(layers.SeparableConv2D(5, 3, strides=2, padding="same", activation="elu")),
    "transposed same": lambda: chain(layers.Conv2DTranspose(5, 3, strides=2, padding="same", activation="gelu")),
    "transposed valid": lambda: chain(layers.Conv2DTranspose(5, (2, 3), strides=(3, 2))),
    "transposed output_padding": lambda: chain(layers.Conv2DTranspose(2, 3, strides=2, output_padding=1)),
    "max pooling": lambda: chain(
        layers.MaxPooling2D(3, strides=2, padding="same"), layers.MaxPooling2D(2, padding="same")
    ),
    "average pooling": lambda: chain(layers.AveragePooling2D(3, strides=1, padding="same"), layers.AveragePooling2D(2)),
    "global average": lambda: chain(layers.GlobalAveragePooling2D(), layers.Dense(2)),
    "global maximum": lambda: chain(layers.GlobalMaxPooling2D(keepdims=True)),
    "moving": lambda: chain(layers.ZeroPadding2D(((1, 2), (3, 0))), layers.Cropping2D(((0, 3), (1, 2)))),
    "nearest": lambda: chain(layers.UpSampling2D((2, 3))),
    "bilinear": lambda: chain(layers.UpSampling2D((2, 3), interpolation="bilinear")),
    "dense on images": lambda: chain(layers.Dense(3, activation="softmax")),
    "layer normalization": lambda: chain(layers.LayerNormalization(axis=[1, 2, 3])),
    "batch normalization": lambda: chain(
        layers.BatchNormalization(scale=False), layers.BatchNormalization(center=False)
    ),
    "augmentation": lambda: chain(layers.RandomFlip(), layers.Dropout(0.5), layers.SpatialDropout2D(0.1)),
    "vectors": lambda: chain(
        layers.Dense(3, use_bias=False), layers.LayerNormalization(), layers.Softmax(), shape=(5,)
    ),
    "rows": lambda: chain(layers.Dense(3, activation="softmax"), layers.LayerNormalization(), shape=(5, 4)),
    "after flattening": lambda: chain(
        layers.Flatten(),
        layers.BatchNormalization(),
        layers.Dropout(0.5),
        layers.LayerNormalization(scale=False),
        layers.Activation("softsign"),
        layers.Dense(4),
        layers.Dense(3),
    ),
    "rectifiers": lambda: chain(
        layers.ReLU(max_value=2.0),
        layers.LeakyReLU(),
        layers.ELU(0.5),
        layers.ReLU(negative_slope=0.2),
        layers.Activation("relu6"),
        layers.Activation("hard_sigmoid"),
        layers.Activation(cl.activations.gelu.with_options(approximate=True)),
    ),
    "open sizes": lambda: chain(
        layers.Conv2D(3, 3, padding="same"), layers.GlobalMaxPooling2D(), shape=(None, None, 4)
    ),
    "models within": lambda: chain(
        cl.Sequential([cl.Input((7, 6, 4)), layers.Conv2D(2, 3), layers.Flatten()], name="body"),
        cl.Sequential([cl.Input((40,)), layers.Dense(3, name="scores-of")], name="head"),
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains(name, tmp_path):
    check(CHAINS[name](), tmp_path)


def test_it_goes_on_training_alike(tmp_path):
    model = networks.sequential(cl)
    model.compile(cl.optimizers.SGD(0.1), cl.losses.SparseCategoricalCrossentropy())
    other = there(model, tmp_path).train()
    x, y = networks.data("sequential")["x"], networks.data("sequential")["y"]
    expected = [model.train_on_batch(x, y) for _ in range(3)]
    rule = torch.optim.SGD(other.parameters(), 0.1)
    found = []
    for _ in range(3):
        rule.zero_grad()
        probabilities = other(torch.from_numpy(x).permute(0, 3, 1, 2))
        loss = torch.nn.functional.nll_loss(torch.log(probabilities), torch.from_numpy(y))
        loss.backward()
        rule.step()
        found.append(loss.item())
    assert found == pytest.approx([float(np.ravel(loss)[0]) for loss in expected], rel=1e-4)


def test_names_and_layouts_of_a_graph(tmp_path):
    image, vector = cl.Input((2, 2, 2)), cl.Input((3,))
    tower = cl.Sequential([cl.Input((2, 2, 2)), layers.Conv2D(2, 1, name="mix"), layers.Flatten()], name="tower")
    joined = layers.Concatenate()([vector, tower(image), layers.Flatten()(image)])
    model = cl.Model([image, vector], layers.Dense(1, name="score")(joined))
    cl.export.torch_state_dict(model, tmp_path / "m.safetensors")
    tensors = safetensors_torch.load_file(tmp_path / "m.safetensors")
    assert {name: tuple(t.shape) for name, t in tensors.items()} == {
        "tower.mix.weight": (2, 2, 1, 1),
        "tower.mix.bias": (2,),
        "score.weight": (1, 19),
        "score.bias": (1,),
    }
    rows = model.get_layer("score").kernel.value[:, 0]
    flat = [0, 2, 4, 6, 1, 3, 5, 7]
    expected = [*range(3), *(3 + i for i in flat), *(11 + i for i in flat)]
    np.testing.assert_array_equal(tensors["score.weight"][0].numpy(), rows[expected])


def test_safetensors_has_the_names_and_shapes_of_here(tmp_path):
    model = networks.nested(cl)
    cl.export.safetensors(model, tmp_path / "m.safetensors")
    tensors = safetensors_torch.load_file(tmp_path / "m.safetensors")
    assert set(tensors) >= {"shared/kernel", "tower/conv2d/kernel", "head/innermost/conv2d_1/bias", "which/bias"}
    assert len(tensors) == len(model.weights)
    np.testing.assert_array_equal(tensors["shared/kernel"].numpy(), model.get_layer("shared").kernel.value)
