"""The functions of the step-by-step exercise, written by hand, and a network that trains with them.

``cl.course`` makes layers of them, which learn the bundled 8x8 digits: python examples/step_by_step_network.py"""

import argparse

import numpy as np

import convolens as cl


def windows(A_prev, f, stride):
    """Yield each place (h, w) of the output and where its window lies in the images."""
    for h, w in np.ndindex(*((n - f) // stride + 1 for n in A_prev.shape[1:3])):
        yield h, w, np.s_[:, h * stride : h * stride + f, w * stride : w * stride + f]


def conv_forward(A_prev, W, b, hparameters):
    stride, pad, f = hparameters["stride"], hparameters["pad"], len(W)
    padded = np.pad(A_prev, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    n_H, n_W = ((n - f) // stride + 1 for n in padded.shape[1:3])
    Z = np.zeros((len(A_prev), n_H, n_W, W.shape[3]))
    for h, w, place in windows(padded, f, stride):
        Z[:, h, w] = np.tensordot(padded[place], W, axes=3) + b[0, 0, 0]  # sum of window * filter, for each filter
    return Z, (A_prev, W, b, hparameters)


def conv_backward(dZ, cache):
    A_prev, W, b, hparameters = cache
    stride, pad, f = hparameters["stride"], hparameters["pad"], len(W)
    padded = np.pad(A_prev, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    d_padded, dW = np.zeros(padded.shape), np.zeros(W.shape)
    for h, w, place in windows(padded, f, stride):
        dz = dZ[:, h, w]  # (images, filters)
        d_padded[place] += np.tensordot(dz, W, axes=(1, 3))  # back to the window
        dW += np.tensordot(padded[place], dz, axes=(0, 0))  # and to the filters
    return d_padded[:, pad : pad + A_prev.shape[1], pad : pad + A_prev.shape[2]], dW, dZ.sum((0, 1, 2)).reshape(b.shape)


def pool_forward(A_prev, hparameters, mode):
    f, stride = hparameters["f"], hparameters["stride"]
    A = np.zeros((len(A_prev), *((n - f) // stride + 1 for n in A_prev.shape[1:3]), A_prev.shape[3]))
    for h, w, place in windows(A_prev, f, stride):
        A[:, h, w] = A_prev[place].max(axis=(1, 2))
    return A, (A_prev, hparameters)


def pool_backward(dA, cache, mode):
    A_prev, hparameters = cache
    dA_prev = np.zeros(A_prev.shape)
    for h, w, place in windows(A_prev, hparameters["f"], hparameters["stride"]):
        mask = A_prev[place] == A_prev[place].max(axis=(1, 2), keepdims=True)
        dA_prev[place] += mask * dA[:, h : h + 1, w : w + 1]  # the largest cell of the window gets the gradient
    return dA_prev


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DIR", help="a folder with mnist/, to train on that instead")
    parser.add_argument("--images", type=int, default=1000, help="how many training images")
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args(arguments)
    cl.utils.set_random_seed(0)
    data = cl.datasets.load("mnist" if options.data else "digits", options.data)
    conv = cl.course.Conv(conv_forward, conv_backward, filters=8, kernel_size=3, padding="same", activation="relu")
    pool = cl.course.Pool(pool_forward, pool_backward, pool_size=2)
    model = cl.Sequential([cl.Input(data.image_shape), conv, pool, cl.layers.Flatten(), cl.layers.Dense(10, "softmax")])
    model.compile(cl.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for layer in (conv, pool):  # against finite differences; random images, for in a tie no derivative exists
        worst = cl.check_gradients(layer, np.random.default_rng(0).random((2, *data.image_shape))).worst
        print(f"Largest relative error of a gradient of {layer.name}: {worst:.1e}")
    model.fit(data.x_train[: options.images], data.y_train[: options.images], epochs=options.epochs, verbose=2)
    accuracy = model.evaluate(data.x_test[:1000], data.y_test[:1000], verbose=0)[1]
    print(f"Test accuracy: {accuracy:.1%}")
    return accuracy


if __name__ == "__main__":
    main()
