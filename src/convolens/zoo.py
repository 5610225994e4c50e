"""The networks of the tasks. Each is built with the API it is given, so the same lines make it here and in Keras.

``lenet5()`` is a network of this library; ``lenet5(keras)``, after ``import keras``, is the same network in Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import convolens as cl

__all__ = [
    "NETWORKS",
    "convolutional_model",
    "digits_cnn",
    "happy_model",
    "lenet5",
    "signs_cnn",
    "smile_cnn",
    "smile_trio",
]


def lenet5(
    api: Any = cl,
    input_shape: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    compile: bool = True,
    augment: Sequence[Any] = (),
) -> Any:
    """Return LeNet-5 with ReLU, max pooling and softmax, He-normal weights.

    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition, 1998; there
    with tanh, trainable average pooling, sparse connections and radial basis functions at the end.

    Args:
        api: ``convolens`` or ``keras``.
        input_shape: height, width and channels.
        classes: how many classes.
        compile: whether to compile with Adam, cross-entropy of integer labels, and accuracy.
        augment: layers such as ``RandomTranslation`` to put before the network.

    >>> lenet5().count_params()
    61706
    """
    layers, he = api.layers, "he_normal"
    inputs = api.Input(input_shape)
    x = _chain(augment, inputs)
    x = layers.Conv2D(6, 5, padding="same", activation="relu", kernel_initializer=he)(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(16, 5, activation="relu", kernel_initializer=he)(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(120, activation="relu", kernel_initializer=he)(x)
    x = layers.Dense(84, activation="relu", kernel_initializer=he)(x)
    outputs = layers.Dense(classes, activation="softmax", kernel_initializer=he)(x)
    return _finished(api.Model(inputs, outputs, name="lenet5"), compile)


def happy_model(
    api: Any = cl, input_shape: tuple[int, int, int] = (64, 64, 3), compile: bool = True, augment: Sequence[Any] = ()
) -> Any:
    """Return the course's smile classifier, built with ``Sequential``: one probability, that the person smiles.

    The arguments are those of ``lenet5``.

    >>> happy_model().count_params()
    37633
    """
    layers = api.layers
    model = api.Sequential(
        [
            api.Input(input_shape),
            *augment,
            layers.ZeroPadding2D(3),
            layers.Conv2D(32, 7),
            layers.BatchNormalization(axis=3),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="happy_model",
    )
    return _finished(model, compile)


def convolutional_model(
    api: Any = cl,
    input_shape: tuple[int, int, int] = (64, 64, 3),
    classes: int = 6,
    compile: bool = True,
    augment: Sequence[Any] = (),
) -> Any:
    """Return the course's classifier of hand signs, built with the functional API.

    The arguments are those of ``lenet5``.

    >>> convolutional_model().count_params()
    1310
    """
    layers = api.layers
    inputs = api.Input(input_shape)
    x = _chain(augment, inputs)
    x = layers.Conv2D(8, 4, padding="same")(x)
    x = layers.ReLU()(x)
    x = layers.MaxPooling2D(8, strides=8, padding="same")(x)
    x = layers.Conv2D(16, 2, padding="same")(x)
    x = layers.ReLU()(x)
    x = layers.MaxPooling2D(4, strides=4, padding="same")(x)
    x = layers.Flatten()(x)
    outputs = layers.Dense(classes, activation="softmax")(x)
    return _finished(api.Model(inputs, outputs, name="convolutional_model"), compile)


def digits_cnn(
    api: Any = cl,
    dropout: float = 0.3,
    input_shape: tuple[int, int, int] = (8, 8, 1),
    classes: int = 10,
    compile: bool = True,
    augment: Sequence[Any] = (),
) -> Any:
    """Return a small network for the bundled 8x8 digits.

    Args:
        api: as in ``lenet5``, and so the other arguments.
        dropout: the share of features dropped in training; 0 for an exact comparison of engines.

    >>> digits_cnn().count_params()
    38282
    """
    layers = api.layers
    inputs = api.Input(input_shape)
    x = _chain(augment, inputs)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Dense(64, activation="relu")(x)
    outputs = layers.Dense(classes, activation="softmax")(x)
    return _finished(api.Model(inputs, outputs, name="digits_cnn"), compile)


def signs_cnn(
    api: Any = cl,
    dropout: float = 0.3,
    input_shape: tuple[int, int, int] = (64, 64, 3),
    classes: int = 6,
    compile: bool = True,
    augment: Sequence[Any] = (),
) -> Any:
    """Return a stronger classifier of hand signs: four normalised convolutions, dropout, softmax.

    The arguments are those of ``digits_cnn``.

    >>> signs_cnn().count_params()
    127798
    """
    inputs = api.Input(input_shape)
    features = _normalised_convolutions(api, _chain(augment, inputs), dropout)
    outputs = api.layers.Dense(classes, activation="softmax")(features)
    return _finished(api.Model(inputs, outputs, name="signs_cnn"), compile)


def smile_cnn(
    api: Any = cl,
    dropout: float = 0.5,
    input_shape: tuple[int, int, int] = (64, 64, 3),
    compile: bool = True,
    augment: Sequence[Any] = (),
) -> Any:
    """Return a stronger smile classifier, ``signs_cnn`` with more dropout and one probability at its end.

    The arguments are those of ``digits_cnn``.

    >>> smile_cnn().count_params()
    127473
    """
    inputs = api.Input(input_shape)
    features = _normalised_convolutions(api, _chain(augment, inputs), dropout)
    outputs = api.layers.Dense(1, activation="sigmoid")(features)
    return _finished(api.Model(inputs, outputs, name="smile_cnn"), compile)


def smile_trio(
    api: Any = cl,
    dropout: float = 0.5,
    input_shape: tuple[int, int, int] = (64, 64, 3),
    compile: bool = True,
    augment: Sequence[Any] = (),
    apart: bool = False,
) -> Any:
    """Return three ``smile_cnn`` side by side, and the mean of their probabilities: each errs in other places.

    L. K. Hansen, P. Salamon, Neural network ensembles, 1990. The other arguments are those of ``digits_cnn``.

    Args:
        apart: whether to return each one's probability, ``(n, 3)``, instead of the mean. So they are trained, with
            the label of an image three times, for the error of the mean alone would let each lean on the others. The
            weights fit both.

    >>> smile_trio().count_params(), smile_trio(apart=True).output_shape
    (382419, (None, 3))
    """
    layers = api.layers
    inputs = api.Input(input_shape)
    features = [_normalised_convolutions(api, _chain(augment, inputs), dropout) for _ in range(3)]
    outputs = [layers.Dense(1, activation="sigmoid")(one) for one in features]
    joined = (layers.Concatenate() if apart else layers.Average())(outputs)
    return _finished(api.Model(inputs, joined, name="smile_trio"), compile, apart=apart)


#: Every network that ``convolens train --model NAME`` can choose.
NETWORKS: dict[str, Callable[..., Any]] = {
    network.__name__: network
    for network in (lenet5, happy_model, convolutional_model, digits_cnn, signs_cnn, smile_cnn, smile_trio)
}


def _normalised_convolutions(api: Any, x: Any, dropout: float) -> Any:
    """Return 64 features of images: each convolution is normalised before ReLU and halves the image."""
    layers = api.layers
    for filters, kernel_size, strides in ((16, 5, 2), (32, 3, 1), (64, 3, 1), (64, 3, 1)):
        x = layers.Conv2D(filters, kernel_size, strides, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
        if strides == 1:
            x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(dropout)(x)
    return layers.Dense(64, activation="relu")(x)


def _chain(layers: Sequence[Any], x: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


def _finished(model: Any, compile: bool, apart: bool = False) -> Any:
    """Compile with Adam, the cross-entropy that fits the output, and accuracy."""
    if compile:
        binary = apart or model.output_shape[-1] == 1
        loss = "binary_crossentropy" if binary else "sparse_categorical_crossentropy"
        model.compile(optimizer="adam", loss=loss, metrics=["binary_accuracy" if apart else "accuracy"])
    return model
