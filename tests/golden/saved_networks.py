"""Networks that go into files and out again; the same lines build them in Keras and here."""

from __future__ import annotations

from typing import Any

import numpy as np


def every_layer(api: Any) -> Any:
    """Every layer there is, some of them twice; the random ones are still outside training."""
    layers = api.layers
    image = api.Input((8, 8, 3), name="image")
    x = layers.Rescaling(2.0, offset=-0.5)(image)
    x = layers.RandomFlip("horizontal")(x)
    x = layers.RandomRotation(0.1, fill_mode="nearest")(x)
    x = layers.RandomZoom(0.1)(x)
    x = layers.RandomTranslation(0.1, 0.2)(x)
    x = layers.ZeroPadding2D(((1, 0), (0, 1)))(x)
    a = layers.Conv2D(4, (3, 2), strides=(2, 1), padding="same", use_bias=False, name="first")(x)
    a = layers.BatchNormalization(momentum=0.9, epsilon=1e-2)(a)
    a = layers.ReLU(max_value=4.0, negative_slope=0.1)(a)
    b = layers.Conv2D(4, 2, dilation_rate=2, groups=2, padding="same", activation="gelu", kernel_regularizer="l2")(a)
    c = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(a)
    c = layers.SeparableConv2D(4, 3, padding="same", activation="silu")(c)
    c = layers.LayerNormalization()(c)
    x = layers.Add()([b, c])
    x = layers.Concatenate()([x, layers.Multiply()([a, b]), layers.Subtract()([a, c])])
    x = layers.Average()([x, layers.Maximum()([x, x]), layers.Minimum()([x, x])])
    x = layers.SpatialDropout2D(0.1)(x)
    x = layers.MaxPooling2D(2, strides=1, padding="same")(layers.LeakyReLU(0.2)(x))
    x = layers.UpSampling2D((1, 2), interpolation="bilinear")(x)
    x = layers.Conv2DTranspose(3, 3, strides=2, padding="same", kernel_initializer="he_normal")(layers.ELU(0.5)(x))
    x = layers.AveragePooling2D((2, 3))(layers.Cropping2D(((1, 0), (0, 2)))(x))
    x = layers.Activation("tanh")(x)
    flat = layers.Reshape((-1,))(layers.Flatten()(x))
    flat = layers.Dropout(0.2)(flat)
    mean, most = layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D(keepdims=False)(x)
    x = layers.Dense(5, activation="relu", kernel_regularizer=api.regularizers.L1L2(0.01, 0.02))(flat)
    x = layers.Concatenate(axis=1)([x, mean, most])
    return api.Model(image, layers.Softmax()(layers.Dense(3, name="scores")(x)))


def nested(api: Any) -> Any:
    """Models within models, one of them called twice, a shared layer, a frozen one, two inputs and two outputs."""
    layers = api.layers
    inside = api.Input((6, 6, 2))
    x = layers.Conv2D(3, 3, padding="same")(inside)
    x = layers.BatchNormalization()(x)
    tower = api.Model(inside, layers.Activation("relu")(x), name="tower")
    head = api.Sequential(
        [
            api.Input((6, 6, 6)),
            api.Sequential([layers.Conv2D(2, 3), layers.BatchNormalization()], name="innermost"),
            layers.Flatten(),
        ],
        name="head",
    )
    left, right = api.Input((6, 6, 2), name="left"), api.Input((6, 6, 2), name="right")
    shared = layers.Conv2D(2, 1, name="shared")
    frozen = layers.Conv2D(2, 1, name="frozen")
    frozen.trainable = False
    joined = layers.Concatenate()([tower(shared(left)), tower(frozen(shared(shared(right))))])
    flat = head(joined)
    return api.Model(
        [left, right],
        [
            layers.Dense(1, activation="sigmoid", name="yes")(flat),
            layers.Dense(3, activation="softmax", name="which")(flat),
        ],
        name="siamese",
    )


def sequential(api: Any) -> Any:
    """A plain stack."""
    layers = api.layers
    return api.Sequential(
        [
            api.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def shared_across_models(api: Any) -> Any:
    """One convolution in two models that are parts of a third. (Keras writes this, but cannot read it.)"""
    layers = api.layers
    shared = layers.Conv2D(2, 3, padding="same", name="shared")
    first, second, image = (api.Input((4, 4, 2)) for _ in range(3))
    a = api.Model(first, layers.ReLU()(shared(first)), name="a")
    b = api.Model(second, layers.ELU()(shared(second)), name="b")
    return api.Model(image, layers.Flatten()(b(a(shared(image)))))


BUILDERS = {"every_layer": every_layer, "nested": nested, "sequential": sequential}


def compiled(api: Any, name: str) -> Any:
    """Build and compile a network: each with another optimiser, schedule, loss and metrics."""
    model = BUILDERS[name](api)
    rules, losses, metrics = api.optimizers, api.losses, api.metrics
    if name == "every_layer":
        model.compile(
            rules.Nadam(1e-3, clipnorm=1.0),
            losses.SparseCategoricalCrossentropy(),
            metrics=["accuracy", metrics.SparseTopKCategoricalAccuracy(k=2)],
        )
    elif name == "nested":
        rate = rules.schedules.ExponentialDecay(1e-2, decay_steps=5, decay_rate=0.5)
        model.compile(
            rules.RMSprop(rate, momentum=0.5, centered=True, weight_decay=0.01),
            loss={"yes": "binary_crossentropy", "which": losses.SparseCategoricalCrossentropy()},
            loss_weights={"yes": 0.5, "which": 1.5},
            metrics={"yes": ["accuracy", metrics.AUC(name="area")], "which": "accuracy"},
        )
    else:
        model.compile(rules.Adam(1e-2, amsgrad=True), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def data(name: str) -> dict[str, Any]:
    """Return the arguments ``x`` and ``y`` of ``fit``."""
    rng = np.random.default_rng(5)
    which = np.arange(12) % 3
    if name == "nested":
        x = [rng.normal(size=(12, 6, 6, 2)).astype("float32") for _ in range(2)]
        return {"x": x, "y": [(np.arange(12).reshape(12, 1) % 2).astype("float32"), which]}
    return {"x": rng.normal(size=(12, 8, 8, 3)).astype("float32"), "y": which}


def train(model: Any, name: str, epochs: int) -> list[float]:
    """Train without shuffling and return the losses."""
    arguments = {"batch_size": 4, "shuffle": False, "verbose": 0}
    return [float(loss) for loss in model.fit(**data(name), epochs=epochs, **arguments).history["loss"]]


def predictions(model: Any, name: str) -> list[np.ndarray]:
    """Return the outputs as a list of arrays."""
    outputs = model.predict(data(name)["x"], verbose=0)
    return [np.asarray(one) for one in (outputs if isinstance(outputs, list) else [outputs])]


#: Random layers draw from generators that differ, so these networks do not follow the same losses.
DETERMINISTIC = ("nested", "sequential")
