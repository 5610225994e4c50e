"""Handwritten digits from a table to an analysis of the errors, with pandas.

The table has a row per image: its label, then its pixels. Without files it is made of the bundled 8x8 digits; with
--csv TRAIN.csv it is read, in the form in which MNIST is handed out as CSV; with --data DIR it is made of DIR/mnist.
"""

import argparse
import tempfile
from pathlib import Path

import pandas as pd

import convolens as cl


def write_table(data, path, images):
    """Write a data set as such a table."""
    table = pd.DataFrame(data.raw.x_train[:images].reshape(len(data.x_train[:images]), -1)).add_prefix("pixel")
    table.insert(0, "label", data.y_train[:images])
    table.to_csv(path, index=False)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, help="a table of images")
    parser.add_argument("--data", metavar="DIR", help="where the folder mnist/ is")
    parser.add_argument("--images", type=int, help="of --data, the first so many images only")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()), help="where the pictures go")
    options = parser.parse_args(arguments)

    # 1. The table: what is in it?
    path = options.csv or options.out / "digits.csv"
    if not options.csv:
        write_table(cl.datasets.load("mnist" if options.data else "digits", options.data), path, options.images)
    table = pd.read_csv(path)
    print(table.iloc[:3, :8])
    print("\nImages per digit:", table["label"].value_counts().sort_index().to_dict())
    print("Largest pixel:", table.drop(columns="label").to_numpy().max(), "  Missing:", int(table.isna().sum().sum()))

    # 2. Images and labels: a stratified fifth is set aside for testing.
    side = round((table.shape[1] - 1) ** 0.5)
    x = table.drop(columns="label").to_numpy("float32").reshape(-1, side, side, 1)
    x /= x.max()
    y = table["label"].to_numpy()
    train, test = cl.datasets.stratified_split(y, test_size=0.2, seed=0)

    # 3. The network.
    cl.utils.set_random_seed(0)
    model = cl.zoo.digits_cnn(input_shape=x.shape[1:])
    stop = cl.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    model.fit(x[train], y[train], epochs=options.epochs, validation_split=0.1, callbacks=[stop], verbose=2)

    # 4. How good is it, and where does it fail?
    names = [str(digit) for digit in range(10)]
    evaluation = cl.evaluation.evaluate_classifier(model, x[test], y[test], names)
    print(f"\nTest accuracy {evaluation.accuracy:.2%}\n{evaluation.table.round(3)}")
    mistakes = evaluation.misclassified.groupby(["true", "predicted"])["confidence"].agg(["size", "mean"])
    print("\nWhat is taken for what:")
    print(mistakes.sort_values("size", ascending=False).head().round(2))
    cl.visualize.confusion_matrix(y[test], evaluation.y_pred, names).savefig(options.out / "confusion_matrix.png")
    cl.visualize.misclassified(model, x[test], y[test], names).savefig(options.out / "misclassified.png")
    print(f"\nPictures of the mistakes: {options.out / 'misclassified.png'}")
    return evaluation.accuracy


if __name__ == "__main__":
    main()
