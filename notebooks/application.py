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
# # Application: smiles and signs
#
# Two classifiers of small colour images, the two ways of writing a network down, and what to look at afterwards:
#
# 1. **Is the face smiling?** One probability, written with the *Sequential* API.
# 2. **Which number does the hand show?** Six probabilities, written with the *functional* API.
#
# The course's photographs may not be passed on, so this notebook draws its images itself: cartoon faces and hands, each
# with its own position, size, colour, rotation, background and noise. If you have the course's files, part 3 trains on
# them. Put them into a folder `signs/` (`train_signs.h5`, `test_signs.h5`) or `happy/`, and say where that is:
# `CONVOLENS_DATA=/path/to/the/folder`.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import convolens as cl

QUICK = os.environ.get("CONVOLENS_QUICK") == "1"  # small settings, for a trial run
plt.rcParams["figure.dpi"] = 120


def show(images, titles, columns=8):
    """Draw images side by side"""
    rows = -(-len(images) // columns)
    axes = plt.figure(figsize=(1.3 * columns, 1.5 * rows)).subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, title in zip(axes.flat, images, titles, strict=False):
        ax.imshow(image)
        ax.set_title(title, fontsize=9)


# %% [markdown]
# # Part 1. Is the face smiling?
#
# ## The data
#
# Images are `(n, 64, 64, 3)`, float32. The files hold bytes from 0 to 255; `load` has divided by 255 already, because
# weights that begin small want inputs of about size 1. Labels are 0 or 1.

# %%
faces = cl.datasets.load("drawn_smiles")
print(faces)
print("x_train", faces.x_train.shape, faces.x_train.dtype, "from", faces.x_train.min(), "to", faces.x_train.max())
print("y_train", faces.y_train.shape, dict(zip(faces.class_names, np.bincount(faces.y_train).tolist(), strict=True)))
show(faces.x_train[:16], [faces.class_names[y] for y in faces.y_train[:16]])

# %% [markdown]
# Before anything else: could the test images be among the training images? Then the test would prove nothing.
# `describe` looks for equal and for nearly equal pairs.

# %%
found = cl.datasets.describe(faces)
print("test images that are training images:", len(found.leaked))
found.counts

# %% [markdown]
# ## The network, with the Sequential API
#
# A `Sequential` model is a list of layers; each gets what the one before gives.
#
# | layer | output | parameters | why |
# | --- | --- | --- | --- |
# | `ZeroPadding2D(3)` | $70 \times 70 \times 3$ | | so that $7 \times 7$ windows fit at the edges too |
# | `Conv2D(32, 7)` | $64 \times 64 \times 32$ | $7 \cdot 7 \cdot 3 \cdot 32 + 32 = 4736$ | 32 features to look for |
# | `BatchNormalization` | the same | $4 \cdot 32$ | gives each map mean 0 and variance 1 over the batch, then scales and shifts it: $\hat z = \gamma \frac{z - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta$ |
# | `ReLU` | the same | | $\max(z, 0)$ |
# | `MaxPooling2D` | $32 \times 32 \times 32$ | | a quarter of the cells |
# | `Flatten` | $32\,768$ | | a vector |
# | `Dense(1, sigmoid)` | $1$ | $32\,768 + 1$ | $\hat y = \sigma(w \cdot a + b)$, the probability of a smile |

# %%
cl.utils.set_random_seed(0)
layers = cl.layers
happy = cl.Sequential(
    [
        cl.Input((64, 64, 3)),
        layers.ZeroPadding2D(3),
        layers.Conv2D(32, 7),
        layers.BatchNormalization(axis=3),
        layers.ReLU(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(1, activation="sigmoid"),
    ]
)
happy.summary()

# %%
cl.visualize.architecture(happy)

# %% [markdown]
# ## Training
#
# The loss of one image is the *binary cross-entropy*
#
# $$L(\hat y, y) = -\bigl(y \log \hat y + (1 - y) \log(1 - \hat y)\bigr) ,$$
#
# the surprise at the true answer: 0 for a sure and right one, large for a sure and wrong one. The cost is its mean over
# a batch. Together with the sigmoid its derivative becomes as simple as it can be,
# $\partial L / \partial z = \hat y - y$.
#
# The labels must have the shape of the output, $(n, 1)$. A tenth of the training images is held back for *validation*:
# the network does not learn from them, so they show what it can do on images it has not seen. At the end the callback
# brings back the weights of the epoch with the smallest validation loss.

# %%
count, epochs = (96, 2) if QUICK else (len(faces.x_train), 12)
happy.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
best = cl.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)
history = happy.fit(
    faces.x_train[:count],
    faces.y_train[:count, None],
    epochs=epochs,
    batch_size=16,
    validation_split=0.1,
    callbacks=[best],
    verbose=0,
)
cl.visualize.history(history)

# %% [markdown]
# **How to read the curves.** The gap between training and validation is what was learnt by heart. Batch normalisation
# adds a peculiarity: in training it uses the mean and variance of the batch, in validation *moving averages*
# $\mu \leftarrow 0.99\,\mu + 0.01\,\mu_{batch}$, which need some hundred steps to arrive. In the first epochs the
# validation loss may therefore be bad for a reason that has nothing to do with what was learnt.
#
# ## The test, once
#
# The test images were used for no decision, so their accuracy is honest. It is also uncertain: with $n$ images and
# accuracy $p$ its standard error is about $\sqrt{p(1-p)/n}$. The interval says so.

# %%
evaluation = cl.evaluation.evaluate_classifier(happy, faces.x_test, faces.y_test, faces.class_names)
low, high = evaluation.interval
print(f"test accuracy {evaluation.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})")
evaluation.table.round(3)

# %% [markdown]
# * **Precision** of a class: of the images that were *called* so, the share that *are*.
# * **Recall**: of the images that *are*, the share that was *found*.
# * $F_1 = 2PR/(P + R)$, their harmonic mean. **Support**: how many there are.
#
# ## The errors
#
# What is wrong tells more than what is right. Most confident mistakes first:

# %%
cl.visualize.misclassified(happy, faces.x_test, faces.y_test, faces.class_names, count=8)

# %% [markdown]
# Half-smiles, small faces and noise are what makes them hard. And where did the network look when it was right?
# *Occlusion* covers a patch of the image with grey, here and there, and watches how much of the probability is lost.

# %%
sure = int(np.argmax(evaluation.probabilities[:, 1] * (faces.y_test == 1)))
cl.visualize.occlusion(happy, faces.x_test[sure], class_names=faces.class_names)

# %% [markdown]
# # Part 2. Which number does the hand show?
#
# ## The data
#
# Six classes. One probability is not enough: the network gives a vector of six, and *softmax* makes them positive with
# sum 1. Labels become *one-hot* vectors: class 2 is $(0, 0, 1, 0, 0, 0)$.

# %%
hands = cl.datasets.load("drawn_signs")
y_train = cl.utils.to_categorical(hands.y_train, 6)
print(hands)
print("label", hands.y_train[0], "becomes", y_train[0])
order = np.argsort(hands.y_train[:200], kind="stable")
chosen = [i for sign in range(6) for i in [j for j in order if hands.y_train[j] == sign][:4]]
show(hands.x_train[chosen], [f"shows {hands.class_names[hands.y_train[i]]}" for i in chosen])

# %% [markdown]
# ## The network, with the functional API
#
# `Sequential` is a list. The functional API is a graph: call a layer on a *symbol* and get another. Here the graph is
# still a chain, but it could branch, merge, or share a layer, and every line has a name to look at later.
#
# $$\text{Conv} \to \text{ReLU} \to \text{MaxPool} \to \text{Conv} \to \text{ReLU} \to \text{MaxPool} \to \text{Flatten}
# \to \text{Dense}$$


# %%
def convolutional_model(input_shape=(64, 64, 3), classes=6):
    inputs = cl.Input(input_shape)
    z1 = layers.Conv2D(8, 4, padding="same")(inputs)  # 64 x 64 x 8
    a1 = layers.ReLU()(z1)
    p1 = layers.MaxPooling2D(8, strides=8, padding="same")(a1)  # 8 x 8 x 8
    z2 = layers.Conv2D(16, 2, padding="same")(p1)  # 8 x 8 x 16
    a2 = layers.ReLU()(z2)
    p2 = layers.MaxPooling2D(4, strides=4, padding="same")(a2)  # 2 x 2 x 16
    features = layers.Flatten()(p2)  # 64
    outputs = layers.Dense(classes, activation="softmax")(features)
    return cl.Model(inputs, outputs)


cl.utils.set_random_seed(0)
signs = convolutional_model()
cl.visualize.architecture(signs)

# %% [markdown]
# It has 1,310 parameters, a thirtieth of the smile classifier: pooling by 8 and by 4 leaves 64 features, while there the
# last layer alone had 32,769 weights. Count them: $(4 \cdot 4 \cdot 3 + 1) \cdot 8 + (2 \cdot 2 \cdot 8 + 1) \cdot 16 +
# (64 + 1) \cdot 6 = 392 + 528 + 390$.
#
# ## Training
#
# With softmax $\hat y_k = e^{z_k} / \sum_j e^{z_j}$ the loss is the *categorical cross-entropy*
# $L = -\sum_k y_k \log \hat y_k$: of the one-hot $y$ only the true class remains, $-\log \hat y_{true}$. Its derivative
# with respect to $z$ is again $\hat y - y$.
#
# A network that guesses has $\hat y_{true} = 1/6$ and a loss of $\log 6 \approx 1.79$. That is where the curve should
# begin; if yours begins elsewhere, something is wrong with the labels or the scale.

# %%
count, epochs = (240, 2) if QUICK else (len(hands.x_train), 30)
signs.compile(cl.optimizers.Adam(0.005), loss="categorical_crossentropy", metrics=["accuracy"])
history = signs.fit(
    hands.x_train[:count], y_train[:count], epochs=epochs, batch_size=64, validation_split=0.1, verbose=0
)
cl.visualize.history(history)

# %%
evaluation = cl.evaluation.evaluate_classifier(signs, hands.x_test, hands.y_test, hands.class_names)
low, high = evaluation.interval
print(f"test accuracy {evaluation.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})")
cl.visualize.confusion_matrix(hands.y_test, evaluation.y_pred, hands.class_names)

# %% [markdown]
# The confusion matrix says *which* signs are taken for which: a row is what the hand shows, a column what the network
# says. Neighbours are confused most, hands that differ by one finger.

# %%
cl.visualize.misclassified(signs, hands.x_test, hands.y_test, hands.class_names, count=8)

# %% [markdown]
# ## Looking inside
#
# What each layer makes of one hand. The eight filters of the first convolution find edges and colours; after the
# pooling by 8 there is only "somewhere in this eighth of the image".

# %%
cl.visualize.feature_maps(signs, hands.x_test[0])

# %% [markdown]
# How much of the image does one cell of the second convolution see? Backwards through the layers: 2 cells of the pooled
# map, each made of $8 \times 8$ cells, each of which sees $4 \times 4$ of the image: $2 \cdot 8 + 3 = 19$. The dashed box
# is this theory, the colours are the measured gradient.

# %%
cl.visualize.receptive_field(signs, signs.layers[4].name, cell=(3, 3))

# %% [markdown]
# # Part 3. The course's own files
#
# If `load("signs")` finds them, the same network trains on them. The photographs are not shown here, since nobody has
# the right to publish them; the figures are.
#
# Mind `leaked`: in the copy of SIGNS that circulates as JPEG images, some of the test images are training images too.
# An accuracy that counts them is too good, so both are given.

# %%
try:
    photographs = cl.datasets.load("signs")
except FileNotFoundError as error:
    photographs = None
    print("The course's files are not here; what is missing:\n")
    print(str(error).splitlines()[0])

# %%
if photographs:
    cl.utils.set_random_seed(0)
    model = convolutional_model()
    model.compile(cl.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(photographs.x_train, photographs.y_train, epochs=2 if QUICK else 60, batch_size=64, verbose=0)
    leaked = cl.datasets.leaked_images(photographs.raw.x_train, photographs.raw.x_test)
    honest = np.setdiff1d(np.arange(len(photographs.x_test)), leaked)
    for words, chosen in (("all test images", slice(None)), ("without the leaked ones", honest)):
        result = cl.evaluation.evaluate_classifier(
            model, photographs.x_test[chosen], photographs.y_test[chosen], photographs.class_names
        )
        low, high = result.interval
        print(f"{words:24} {result.count:4} images  {result.accuracy:.1%} ({low:.1%} to {high:.1%})")

# %% [markdown]
# ## Exercises
#
# **1.** The smile classifier ends in one sigmoid. Could it end in two probabilities by softmax instead? What changes?
#
# <details><summary>Answer</summary>
#
# Yes: `Dense(2, activation="softmax")` with `sparse_categorical_crossentropy` and labels `(n,)`. The softmax of
# $(z_0, z_1)$ has $\hat y_1 = 1/(1 + e^{-(z_1 - z_0)}) = \sigma(z_1 - z_0)$: the same function with twice the weights,
# of which only the difference matters.
#
# </details>
#
# **2.** In `BatchNormalization` 128 parameters are counted, but only 64 are trainable. Which are the others?
#
# <details><summary>Answer</summary>
#
# For each of the 32 maps $\gamma$ and $\beta$ are learnt by gradients. The moving mean and variance are *state*: they
# are averaged in training and used afterwards. No gradient reaches them.
#
# </details>
#
# **3.** The convolution before a batch normalisation has biases. What do they do?
#
# <details><summary>Answer</summary>
#
# Nothing: the normalisation subtracts the mean, and a bias with it. `Conv2D(32, 7, use_bias=False)` is the same network
# with 32 parameters less. Look at `happy.trace(x, y)` : the gradient of the bias is zero up to rounding.
#
# </details>
#
# **4.** Mirrored faces are still faces. May you mirror the images in training? And the hands?
#
# <details><summary>Answer</summary>
#
# Faces yes: put `layers.RandomFlip("horizontal")` after the input; it works in training only. The drawn hands are left
# and right ones in equal parts, so mirroring them is harmless too. In another set it is a question about the data: if
# it holds right hands only, a mirrored image looks like none that will ever be asked for, and in a sign language it may
# mean something else. Rotations and shifts by a few per cent are safe in both.
#
# </details>
#
# **5.** Compare the two networks' accuracies on the *training* images. What limits each, and what would you change to
# reach more on the test images?
#
# <details><summary>Answer</summary>
#
# The smile classifier gets nearly all of its training images right. Its last layer has a weight for every cell of every
# map, 32,768, for 1,080 images: it can learn by heart what does not hold for others. More images, augmentation, dropout,
# or smaller maps before the dense layer help. The sign classifier does not even get the training images right: with
# 1,310 parameters and pooling by 8 right after the first convolution, the limit is what it can express. More
# convolutions with smaller pooling help: compare `cl.zoo.signs_cnn()`.
#
# </details>
