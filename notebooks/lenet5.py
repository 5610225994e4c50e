# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # LeNet-5 in two engines, side by side
#
# In 1998 LeNet-5 read digits on cheques. It has everything that later networks have, and is small enough to follow every
# number. This notebook builds it twice *from the same lines*: with this library, whose forward and backward passes are
# written by hand in NumPy, and with Keras. Both begin with the same weights and see the same images in the same order.
# So they should agree, step by step, up to rounding. That is a strong test of both.
#
# **The parts with Keras run only where Keras is installed** (`pip install "convolens[keras]"`). Without it, they say so
# and the rest runs all the same.
#
# Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, *Gradient-based learning applied to document recognition*, Proceedings of
# the IEEE 86, 1998.

# %%
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import convolens as cl

try:
    import keras
except ImportError:
    keras = None

QUICK = os.environ.get("CONVOLENS_QUICK") == "1"  # small settings, for a trial run
plt.rcParams["figure.dpi"] = 120
if keras:
    print("Keras", keras.__version__, "with", keras.backend.backend())
else:
    print("Keras is not installed: what needs it is left out.")

# %% [markdown]
# ## 1. The data
#
# MNIST, if the library finds it or can fetch it. Else the 8 × 8 digits that come with scikit-learn, each cell made three
# cells high and wide, with a border of two: 28 × 28 as well.


# %%
def enlarged(images):
    """(n, 8, 8, 1) -> (n, 28, 28, 1)"""
    return np.pad(images.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2), (0, 0)))


try:
    data = cl.datasets.load("digits" if QUICK else "mnist")
except OSError:
    data = cl.datasets.load("digits")
resize = enlarged if data.image_shape == (8, 8, 1) else np.asarray
count = 320 if QUICK else 6000
x_train, y_train = resize(data.x_train[:count]), data.y_train[:count]
x_test, y_test = resize(data.x_test[:2000]), data.y_test[:2000]
print(data.description)
print("training", x_train.shape, " test", x_test.shape)

# %% [markdown]
# ## 2. The network, from the same lines
#
# The function takes the library as an argument. `convolens` has Keras's names, arguments and shapes, so the lines are
# the same.
#
# | layer | output | parameters | multiplications for an image |
# | --- | --- | --- | --- |
# | C1: 6 filters $5 \times 5$, *same* | $28 \times 28 \times 6$ | $(25 \cdot 1 + 1) \cdot 6 = 156$ | $28^2 \cdot 6 \cdot 25 = 117\,600$ |
# | S2: max pooling | $14 \times 14 \times 6$ | | |
# | C3: 16 filters $5 \times 5$ | $10 \times 10 \times 16$ | $(25 \cdot 6 + 1) \cdot 16 = 2416$ | $10^2 \cdot 16 \cdot 150 = 240\,000$ |
# | S4: max pooling | $5 \times 5 \times 16 = 400$ | | |
# | C5: dense | $120$ | $401 \cdot 120 = 48\,120$ | $48\,000$ |
# | F6: dense | $84$ | $121 \cdot 84 = 10\,164$ | $10\,080$ |
# | softmax | $10$ | $85 \cdot 10 = 850$ | $840$ |
#
# Nearly all *parameters* are in the dense layers, nearly all *work* is in the convolutions. That is so in most networks,
# because a filter's few weights are used at every place.
#
# What differs from 1998: ReLU instead of a scaled tanh, max pooling instead of averages with a trainable scale, every
# filter of C3 sees all six maps, and softmax with cross-entropy instead of radial basis functions.


# %%
def lenet5(api):
    """Build the network with convolens or with keras"""
    layers, he = api.layers, "he_normal"
    model = api.Sequential(
        [
            api.Input((28, 28, 1)),
            layers.Conv2D(6, 5, padding="same", activation="relu", kernel_initializer=he, name="C1"),
            layers.MaxPooling2D(2, name="S2"),
            layers.Conv2D(16, 5, activation="relu", kernel_initializer=he, name="C3"),
            layers.MaxPooling2D(2, name="S4"),
            layers.Flatten(),
            layers.Dense(120, activation="relu", kernel_initializer=he, name="C5"),
            layers.Dense(84, activation="relu", kernel_initializer=he, name="F6"),
            layers.Dense(10, activation="softmax", name="output"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


cl.utils.set_random_seed(0)
ours = lenet5(cl)
cl.visualize.architecture(ours)

# %% [markdown]
# `he_normal` draws weights with variance $2/n$, where $n$ is how many numbers each output is the sum of. ReLU halves the
# mean square of what passes, the 2 makes up for it, and so signals neither fade nor explode from layer to layer
# (K. He and others, *Delving deep into rectifiers*, 2015).
#
# Both engines start with the same weights:

# %%
theirs = None
if keras:
    theirs = lenet5(keras)
    theirs.set_weights(ours.get_weights())
engines = {"convolens": ours, "Keras": theirs} if keras else {"convolens": ours}
pd.DataFrame({name: {"parameters": model.count_params()} for name, model in engines.items()})

# %% [markdown]
# ## 3. Do they compute the same?
#
# Before training: the same images through both, layer by layer. `cl.compare` would name the first layer where they part.
# Differences of about $10^{-6}$ are rounding: both compute in float32, with 24 bits, and add in different orders.

# %%
if keras:
    print(cl.compare(ours, theirs))
else:
    print("skipped: Keras is not installed.")

# %% [markdown]
# Agreement of two programs is one witness. Another is the definition of the derivative: `check_gradients` moves
# parameters by a little both ways, in float64, and compares the change of the loss with the gradient from backward.

# %%
rng = np.random.default_rng(0)
report = cl.check_gradients(ours, rng.random((2, 28, 28, 1)), np.array([3, 8]))
print("gradients right:", report.ok, "   largest relative error below 1e-5:", bool(report.worst < 1e-5))

# %% [markdown]
# ## 4. Training, side by side
#
# `shuffle=False`: the images come in the same order in both. Adam then makes the same steps,
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
# \theta \leftarrow \theta - \eta\, \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}\, \frac{m}{\sqrt v + \varepsilon} .$$

# %%
epochs = 2 if QUICK else 6
histories = {
    name: model.fit(x_train, y_train, epochs=epochs, validation_split=0.1, shuffle=False, verbose=0).history
    for name, model in engines.items()
}
curves = pd.concat({name: pd.DataFrame(history) for name, history in histories.items()}, axis=1)
curves.index = pd.RangeIndex(1, epochs + 1, name="epoch")
curves.round(4)

# %%
axes = plt.figure(figsize=(10, 3.4), layout="constrained").subplots(1, 2)
for ax, metric in zip(axes, ("loss", "accuracy"), strict=True):
    for (name, history), color, width in zip(histories.items(), ("#0072b2", "#d55e00"), (5, 1.5), strict=False):
        ax.plot(curves.index, history[metric], color=color, linewidth=width, label=f"{name}, training")
        ax.plot(curves.index, history[f"val_{metric}"], "--", color=color, linewidth=width, label=f"{name}, validation")
    ax.set_title(metric, loc="left")
    ax.set_xlabel("epoch")
    ax.spines[["top", "right"]].set_visible(False)
_ = ax.legend(frameon=False)

# %% [markdown]
# How far apart are the losses, relative to their size? After the first epoch about four digits agree. Then it grows: a
# difference in the last bit changes the next step by a little, and that the step after it. Training forgets nothing. Both
# arrive at slightly different networks that are equally good.

# %%
if keras:
    losses = curves.xs("loss", axis=1, level=1)
    apart = ((losses["convolens"] - losses["Keras"]).abs() / losses["Keras"]).rename("relative difference of the loss")
    print(apart.map("{:.0e}".format).to_string())
else:
    print("skipped: Keras is not installed.")

# %% [markdown]
# ## 5. The test
#
# With a tenth of MNIST, in a fixed order, and the first 2,000 test images. On all of it, shuffled, and with small
# rotations and shifts, the same network reaches about 99 %: `convolens train mnist`.

# %%
rows = {}
for name, model in engines.items():
    # Probabilities of Keras's model, too, can be judged by the library's evaluation, once its weights are taken over.
    twin = model if model is ours else cl.from_keras(model)
    evaluation = cl.evaluation.evaluate_classifier(twin, x_test, y_test, data.class_names)
    low, high = evaluation.interval
    rows[name] = {
        "test accuracy": evaluation.accuracy,
        "from": low,
        "to": high,
        "errors": len(evaluation.misclassified),
    }
pd.DataFrame(rows).T.astype({"errors": int}).round(4)

# %%
evaluation = cl.evaluation.evaluate_classifier(ours, x_test, y_test, data.class_names)
cl.visualize.confusion_matrix(y_test, evaluation.y_pred, data.class_names)

# %% [markdown]
# ## 6. One digit on its way through the network
#
# Every row is a layer. C1's maps are still pictures of the digit: edges and strokes. C3 combines six of them and says
# *what* rather than *where*; after S4 only 25 places are left.

# %%
cl.visualize.feature_maps(ours, x_test[0])

# %%
cl.visualize.filters(ours, "C1")

# %% [markdown]
# How much of the image does a cell of C3 see? C3 takes $5 \times 5$ cells of S2, each of which stands for $2 \times 2$
# cells of C1, each of which sees $5 \times 5$ pixels: $5 \cdot 2 + 4 = 14$ on each side.

# %%
cl.visualize.receptive_field(ours, "C3", cell=(4, 4))

# %% [markdown]
# `trace` keeps all numbers of a pass, backward as well: for each layer the gradient of the loss with respect to its
# output and to its parameters. Here is how large they are. If the gradients shrank from layer to layer, the early ones
# could not learn; that was the problem of deep networks before ReLU and good initial weights.

# %%
trace = ours.trace(x_test[:64], y_test[:64])
pd.DataFrame(
    {
        name: {
            "output shape": str(trace[name].output.shape[1:]),
            "mean |output|": float(np.abs(trace[name].output).mean()),
            "share of zeros": float(np.mean(trace[name].output == 0)),
            "mean |d output|": float(np.abs(trace[name].d_output).mean()),
        }
        for name in ("C1", "S2", "C3", "S4", "C5", "F6")
    }
).T

# %% [markdown]
# ## 7. To and fro
#
# A model saved here opens in Keras and the other way round; `.keras` files have the same format.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "lenet5.keras"
    ours.save(path)
    if keras:
        opened, opened_by = keras.saving.load_model(path), "Keras"
    else:
        opened, opened_by = cl.saving.load_model(path), "convolens"
    difference = np.abs(np.asarray(opened(x_test[:100])) - ours(x_test[:100])).max()
print(f"opened by {opened_by}; the largest difference of a probability is below 1e-5:", bool(difference < 1e-5))

# %% [markdown]
# ## Exercises
#
# **1.** Replace *same* in C1 by *valid*. Which shapes follow, and which layer changes its number of parameters?
#
# <details><summary>Answer</summary>
#
# $24 \times 24$, $12 \times 12$, $8 \times 8$, $4 \times 4 \times 16 = 256$. Convolutions do not mind the size of the
# image; C5 does: $257 \cdot 120 = 30\,840$ instead of $48\,120$.
#
# </details>
#
# **2.** LeCun's images were $32 \times 32$ and the first convolution *valid*. Why is ours the same from there on?
#
# <details><summary>Answer</summary>
#
# $28 \times 28$ with two cells of zeros around are $32 \times 32$, and *same* with $5 \times 5$ pads by two.
#
# </details>
#
# **3.** C5 was a *convolution* in 1998, ours is dense. When is that the same?
#
# <details><summary>Answer</summary>
#
# S4 is $5 \times 5$, so a $5 \times 5$ filter fits at one place only: $1 \times 1 \times 120$, with the same 400 weights
# for each unit. On a larger image the convolution would give a map of answers, the dense layer an error.
#
# </details>
#
# **4.** How many parameters of C3 did LeCun save by connecting each of its maps with 3, 4 or 6 of S2's maps only (6 with
# 3, 9 with 4, 1 with 6)?
#
# <details><summary>Answer</summary>
#
# $25 \cdot (6 \cdot 3 + 9 \cdot 4 + 1 \cdot 6) + 16 = 1516$ instead of 2416. The purpose was also to break the symmetry:
# maps that see different things learn different things.
#
# </details>
#
# **5.** Train with `shuffle=True` in both engines. Why do the losses part at once, and does it matter for the test?
#
# <details><summary>Answer</summary>
#
# Each engine draws its own order of images, so the batches differ from the first step. The test accuracies agree within
# their intervals: order is noise that good training averages out.
#
# </details>
