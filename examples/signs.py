"""Which number does the hand show? The application of the six signs, with the functional API.

It trains on drawn hands, python examples/signs.py, or on the course's files in DIR/signs (train_signs.h5 and
test_signs.h5) with --data DIR.
"""

import argparse

import convolens as cl
from convolens.course.helpers import convert_to_one_hot


def convolutional_model(input_shape, classes=6):
    """CONV2D -> RELU -> MAXPOOL -> CONV2D -> RELU -> MAXPOOL -> FLATTEN -> DENSE."""
    layers = cl.layers
    inputs = cl.Input(input_shape)
    z1 = layers.Conv2D(8, 4, padding="same")(inputs)  # 8 filters of 4 x 4
    a1 = layers.ReLU()(z1)
    p1 = layers.MaxPooling2D(8, strides=8, padding="same")(a1)  # 64 x 64 becomes 8 x 8
    z2 = layers.Conv2D(16, 2, padding="same")(p1)  # 16 filters of 2 x 2
    a2 = layers.ReLU()(z2)
    p2 = layers.MaxPooling2D(4, strides=4, padding="same")(a2)  # 8 x 8 becomes 2 x 2
    features = layers.Flatten()(p2)
    outputs = layers.Dense(classes, activation="softmax")(features)  # a probability for each sign
    return cl.Model(inputs, outputs)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DIR", help="where the folder signs/ is")
    parser.add_argument("--images", type=int, help="train on the first so many images only")
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args(arguments)

    cl.utils.set_random_seed(0)
    data = cl.datasets.load("signs" if options.data else "drawn_signs", options.data)
    print(data)  # images are already divided by 255
    x = data.x_train[: options.images]
    y = convert_to_one_hot(data.y_train[: options.images], 6).T  # (n, 6), a single one in each row

    model = convolutional_model(data.image_shape)
    model.summary()
    optimizer = cl.optimizers.Adam(0.005)
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=options.epochs, batch_size=64, validation_split=0.1, verbose=2)

    evaluation = cl.evaluation.evaluate_classifier(model, data.x_test, data.y_test, data.class_names)
    print(f"\nTest accuracy {evaluation.accuracy:.1%}. Rows: the sign shown; columns: what the network said.")
    print(evaluation.confusion_matrix)
    leaked = cl.datasets.describe(data).leaked
    if leaked:  # test images that are also training images prove nothing
        kept = [i for i in range(len(data.x_test)) if i not in leaked]
        honest = cl.evaluation.evaluate_classifier(model, data.x_test[kept], data.y_test[kept], data.class_names)
        print(f"{len(leaked)} test images are training images too; without them {honest.accuracy:.1%}.")
    return evaluation.accuracy


if __name__ == "__main__":
    main()
