"""LeNet-5 from the same lines in two libraries: this one, and Keras.

    python examples/lenet5.py                    this library, on the bundled digits, enlarged to 28 x 28
    python examples/lenet5.py --engine keras     Keras (pip install "convolens[keras]")
    python examples/lenet5.py --data DIR         on MNIST, in DIR/mnist

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition, 1998.
"""

import argparse

import numpy as np

import convolens as cl


def lenet5(api):
    """Build the network with ``convolens`` or with ``keras``."""
    layers = api.layers
    model = api.Sequential(
        [
            api.Input((28, 28, 1)),
            layers.Conv2D(6, 5, padding="same", activation="relu", kernel_initializer="he_normal"),  # C1
            layers.MaxPooling2D(2),  # S2: 14 x 14 x 6
            layers.Conv2D(16, 5, activation="relu", kernel_initializer="he_normal"),  # C3: 10 x 10 x 16
            layers.MaxPooling2D(2),  # S4: 5 x 5 x 16
            layers.Flatten(),
            layers.Dense(120, activation="relu", kernel_initializer="he_normal"),  # C5
            layers.Dense(84, activation="relu", kernel_initializer="he_normal"),  # F6
            layers.Dense(10, activation="softmax", kernel_initializer="he_normal"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def enlarged(images):
    """Make 28 x 28 of 8 x 8: each cell three times in both directions, and a border of two."""
    return np.pad(images.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2), (0, 0)))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["native", "keras"], default="native")
    parser.add_argument("--data", metavar="DIR", help="where the folder mnist/ is")
    parser.add_argument("--images", type=int, help="train on the first so many images only")
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args(arguments)

    data = cl.datasets.load("mnist" if options.data else "digits", options.data)
    x_train, x_test = (x if options.data else enlarged(x) for x in (data.x_train, data.x_test))
    if options.engine == "keras":
        import keras as api
    else:
        api = cl

    for library in (cl, api):
        library.utils.set_random_seed(0)
    initial_weights = lenet5(cl).get_weights()
    model = lenet5(api)
    model.set_weights(initial_weights)  # both engines begin with the same
    model.fit(x_train[: options.images], data.y_train[: options.images], epochs=options.epochs, verbose=2)
    _, accuracy = model.evaluate(x_test, data.y_test, verbose=0)
    print(f"Test accuracy with {options.engine}: {accuracy:.2%}")
    return accuracy


if __name__ == "__main__":
    main()
