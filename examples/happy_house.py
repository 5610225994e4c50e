"""Is the person smiling? The application of the Happy House, with the Sequential API.

It trains on drawn faces, python examples/happy_house.py, or on the course's files in DIR/happy (train_happy.h5 and
test_happy.h5) with --data DIR. Where you have only the grey SMILEs files, in DIR/smiles: --data DIR --set smiles
"""

import argparse

import convolens as cl


def happy_model(input_shape):
    """ZeroPadding -> Conv -> BatchNormalization -> ReLU -> MaxPooling -> Flatten -> Dense."""
    layers = cl.layers
    return cl.Sequential(
        [
            cl.Input(input_shape),
            layers.ZeroPadding2D(3),  # 64 x 64 becomes 70 x 70, so that 7 x 7 filters see the edges too
            layers.Conv2D(32, 7),
            layers.BatchNormalization(axis=3),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(1, activation="sigmoid"),  # the probability of a smile
        ]
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DIR", help="where the files are")
    parser.add_argument("--set", choices=["drawn_smiles", "happy", "smiles"], help="happy if --data is given")
    parser.add_argument("--images", type=int, help="train on the first so many images only")
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args(arguments)

    cl.utils.set_random_seed(0)
    data = cl.datasets.load(options.set or ("happy" if options.data else "drawn_smiles"), options.data)
    print(data)  # images are already divided by 255
    x, y = data.x_train[: options.images], data.y_train[: options.images, None]  # labels (n, 1), as the output is

    model = happy_model(data.image_shape)
    model.summary()
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=options.epochs, batch_size=16, validation_split=0.1, verbose=2)
    gap = history.history["accuracy"][-1] - history.history["val_accuracy"][-1]
    print(f"\nTraining accuracy minus validation accuracy: {gap:.1%} (what is learnt by heart)")

    evaluation = cl.evaluation.evaluate_classifier(model, data.x_test, data.y_test, data.class_names)
    low, high = evaluation.interval
    print(f"\nTest accuracy {evaluation.accuracy:.1%}, 95 % interval {low:.1%} to {high:.1%}")
    print(evaluation.table.round(3))
    print("\nThe most confident mistakes:")
    print(evaluation.misclassified.head().round(3).to_string(index=False))
    return evaluation.accuracy


if __name__ == "__main__":
    main()
