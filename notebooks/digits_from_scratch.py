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
# # Digits from scratch: from a table to the analysis of the errors
#
# MNIST is often handed out as a table: a row per image, its label first, then its pixels. This notebook reads such a
# table with pandas, looks at it, trains two classifiers and then spends half of its length on the question that matters
# most in practice: *what goes wrong, and why?*
#
# Which table? The first of these that is there:
#
# 1. `train.csv` beside this notebook: your own, with a column `label`;
# 2. a part of MNIST (28 × 28), if the library finds it or can fetch it;
# 3. the 8 × 8 digits that come with scikit-learn.
#
# Nothing below depends on which it is. The figures in the text hold for the part of MNIST.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display

import convolens as cl

QUICK = os.environ.get("CONVOLENS_QUICK") == "1"  # small settings, for a trial run
plt.rcParams["figure.dpi"] = 120


def write_table(path, images):
    """Write a data set as a table, as it is handed out"""
    try:
        data = cl.datasets.load("digits" if QUICK else "mnist")
    except OSError:
        data = cl.datasets.load("digits")
    pixels = data.raw.x_train[:images].reshape(len(data.raw.x_train[:images]), -1)
    frame = pd.DataFrame(pixels, columns=[f"pixel{i}" for i in range(pixels.shape[1])])
    frame.insert(0, "label", data.y_train[:images])
    frame.to_csv(path, index=False)
    print("written:", data.description)


path = Path("train.csv")
if not path.exists():
    path = Path(tempfile.mkdtemp()) / "train.csv"
    write_table(path, images=400 if QUICK else 10_000)

# %% [markdown]
# ## 1. The table

# %%
table = pd.read_csv(path)
print(f"{len(table):,} rows, {table.shape[1]} columns")
table.iloc[:5, :8]

# %% [markdown]
# Four questions to any table, before anything is trained on it: is something missing, is something doubled, what is the
# range of the numbers, and how many examples has each class?

# %%
pixels = table.drop(columns="label")
highest = pixels.to_numpy().max()
print("missing cells:   ", int(table.isna().sum().sum()))
print("doubled rows:    ", int(table.duplicated().sum()))
print("pixels:          ", pixels.to_numpy().min(), "to", highest)
print("constant pixels: ", int((pixels.nunique() == 1).sum()), "of", pixels.shape[1], "(the empty border)")
counts = table["label"].value_counts().sort_index()
ax = counts.plot.bar(figsize=(6, 2.6), rot=0, color="#0072b2", xlabel="digit", ylabel="images")
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# The classes are about equally large. That is why plain *accuracy* is a fair measure here: who always says the most
# frequent class is right in one case of ten. With 99 % of one class the same trick would be right 99 times.
#
# ## 2. From rows to images
#
# A row of $n$ numbers is an image of $\sqrt n \times \sqrt n$ cells in row-major order: pixel $k$ lies in row
# $\lfloor k / \sqrt n \rfloor$, column $k \bmod \sqrt n$. A convolution wants `(images, height, width, channels)` and
# numbers of about size 1:

# %%
side = round(pixels.shape[1] ** 0.5)
x = pixels.to_numpy("float32").reshape(-1, side, side, 1) / np.float32(highest)
y = table["label"].to_numpy()
print("x", x.shape, x.dtype, "  y", y.shape, y.dtype)

# %% [markdown]
# The mean image of each class, by `groupby`. Where it is sharp, people agree how to write the digit; where it is smeared
# they do not.

# %%
means = pixels.groupby(y).mean().to_numpy().reshape(-1, side, side)
for ax, mean, digit in zip(plt.figure(figsize=(10, 1.5)).subplots(1, len(means)), means, counts.index, strict=True):
    ax.imshow(mean, cmap="gray_r")
    ax.set_title(digit)
    ax.axis("off")

# %% [markdown]
# ## 3. Three parts
#
# * The **training** images teach the network.
# * The **validation** images decide: how many epochs, which network. So they are a little too optimistic in the end.
# * The **test** images are looked at once, at the end.
#
# The split is *stratified*: each class is divided in the same proportion.

# %%
rest, test = cl.datasets.stratified_split(y, test_size=0.2, seed=0)
train, validation = (rest[part] for part in cl.datasets.stratified_split(y[rest], test_size=0.125, seed=0))
parts = pd.Series({"training": len(train), "validation": len(validation), "test": len(test)}, name="images")
parts.to_frame()

# %% [markdown]
# ## 4. The plainest network: one matrix
#
# Always have a *baseline*. With the pixels as a vector $x$, a matrix $W$ and a vector $b$:
#
# $$\hat y = \operatorname{softmax}(xW + b), \qquad \operatorname{softmax}(z)_k = \frac{e^{z_k}}{\sum_j e^{z_j}} .$$
#
# The loss of an image is $-\log \hat y_{true}$, *sparse categorical cross-entropy*: sparse, because the labels are
# numbers and not one-hot vectors.

# %%
cl.utils.set_random_seed(0)
shape = (side, side, 1)
baseline = cl.Sequential([cl.Input(shape), cl.layers.Flatten(), cl.layers.Dense(10, activation="softmax")])
baseline.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
validation_data = (x[validation], y[validation])
baseline.fit(x[train], y[train], epochs=2 if QUICK else 10, validation_data=validation_data, verbose=0)
print(f"baseline: {baseline.evaluate(*validation_data, verbose=0)[1]:.1%} of the validation images")

# %% [markdown]
# Each digit has one column of $W$, which is an image too: its template. Green speaks for the digit, purple against it. A
# template cannot follow when a digit moves by a few cells. That is what convolution and pooling are for.

# %%
templates = baseline.layers[-1].kernel.value.T.reshape(10, side, side)
limit = np.abs(templates).max()
for ax, template, digit in zip(plt.figure(figsize=(10, 1.5)).subplots(1, 10), templates, range(10), strict=True):
    ax.imshow(template, cmap="PRGn", vmin=-limit, vmax=limit)
    ax.set_title(digit)
    ax.axis("off")

# %% [markdown]
# ## 5. A convolutional network
#
# Two convolutions of $3 \times 3$ with 16 and 32 filters, pooling by 2, and two dense layers. *Dropout* sets 30 % of the
# features to 0 at random in each training step and divides the others by 0.7, so that their expected value stays the
# same; no feature can rely on another one being there. In prediction it does nothing.

# %%
cl.utils.set_random_seed(0)
layers = cl.layers
model = cl.Sequential(
    [
        cl.Input(shape),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(cl.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
cl.visualize.architecture(model)

# %% [markdown]
# `EarlyStopping` ends the training when the validation loss has not improved for three epochs, and brings the best
# weights back.

# %%
stop = cl.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
history = model.fit(
    x[train],
    y[train],
    epochs=3 if QUICK else 12,
    batch_size=64,
    validation_data=validation_data,
    callbacks=[stop],
    verbose=0,
)
cl.visualize.history(history)

# %% [markdown]
# With dropout the training curve may lie *below* the validation curve: it is measured with features missing.
#
# ## 6. The test

# %%
names = [str(digit) for digit in range(10)]
evaluation = cl.evaluation.evaluate_classifier(model, x[test], y[test], names)
plain = cl.evaluation.evaluate_classifier(baseline, x[test], y[test], names)
rows = {"one matrix": plain, "convolutional": evaluation}
pd.DataFrame(
    {
        "parameters": [baseline.count_params(), model.count_params()],
        "test accuracy": [result.accuracy for result in rows.values()],
        "from": [result.interval[0] for result in rows.values()],
        "to": [result.interval[1] for result in rows.values()],
    },
    index=list(rows),
).round(4)

# %% [markdown]
# "From ... to" is the 95 % interval of Wilson: what the accuracy of a larger test might well be. If two intervals
# overlap widely, the test does not tell the two networks apart.

# %%
evaluation.table.round(3)

# %% [markdown]
# ## 7. The analysis of the errors
#
# **Which digits are taken for which?** A row is what was written, a column what was read.

# %%
cl.visualize.confusion_matrix(y[test], evaluation.y_pred, names)

# %% [markdown]
# The same as a table of pairs. `misclassified` has a row per error, with the probability of what was said
# (`confidence`) and of what would have been right.

# %%
errors = evaluation.misclassified
pairs = errors.groupby(["true", "predicted"])["confidence"].agg(errors="size", mean_confidence="mean")
pairs.sort_values("errors", ascending=False).head(6).round(2)

# %% [markdown]
# **What do they look like?** The most confident errors first. Sort them into four heaps: unreadable even for you; wrongly
# labelled; unusual, but readable; plainly the network's fault. Each heap asks for something else: nothing, better
# labels, more images of this kind, a better network.

# %%
cl.visualize.misclassified(model, x[test], y[test], names, count=12)

# %% [markdown]
# **Does the network know when it does not know?** Of the images with confidence about 0.7 it should get 70 % right. That
# is *calibration*.

# %%
cl.visualize.calibration(evaluation)

# %% [markdown]
# Where confidence means something, it can be used: hand the least certain images to a person. How many, for which
# accuracy of the rest?

# %%
confidence = pd.Series(evaluation.probabilities.max(axis=1))
right = pd.Series(evaluation.y_pred == y[test])
by_confidence = right[confidence.sort_values(ascending=False).index]
shares = [0, 0.01, 0.02, 0.05, 0.1]
pd.DataFrame(
    {
        "images left": [round(len(right) * (1 - share)) for share in shares],
        "their accuracy": [by_confidence[: round(len(right) * (1 - share))].mean() for share in shares],
    },
    index=pd.Index([f"{share:.0%}" for share in shares], name="to a person"),
).round(4)

# %% [markdown]
# **Why this answer?** *Saliency* is the gradient of a class's score with respect to every pixel: where a small change of
# grey would change the score most. For the most confident error, the score of what was said, and of the truth:

# %%
if len(errors):
    worst = errors.iloc[0]
    image = x[test][worst["index"]]
    print(f"written {worst['true']}, read {worst['predicted']} with probability {worst['confidence']:.2f}")
    display(cl.visualize.saliency(model, image, target=int(worst["predicted"]), class_names=names))
    display(cl.visualize.saliency(model, image, target=int(worst["true"]), class_names=names))

# %% [markdown]
# **Is it the position?** Move every test image by a cell or two and test again. The matrix of section 4 has a weight for
# each cell and suffers; the convolutional network suffers less.


# %%
def moved(images, cells):
    """Move to the right, with zeros coming in from the left"""
    return np.pad(images, ((0, 0), (0, 0), (cells, 0), (0, 0)))[:, :, : images.shape[2]]


accuracies = {
    cells: [network.evaluate(moved(x[test], cells), y[test], verbose=0)[1] for network in (baseline, model)]
    for cells in (0, 1, 2, 3)
}
pd.DataFrame(accuracies, index=["one matrix", "convolutional"]).T.rename_axis("moved by").round(3)

# %% [markdown]
# ## Exercises
#
# **1.** Pixels divided by their largest value are in $[0, 1]$. What happens to the first step of training if you forget
# the division?
#
# <details><summary>Answer</summary>
#
# All sums are 255 times as large, so softmax is near 0 or 1 from the start: a loss of tens instead of
# $\log 10 \approx 2.3$, and gradients 255 times as large in the first layer. Adam survives it, for it divides by the
# size of the gradients; plain SGD with the same step does not.
#
# </details>
#
# **2.** What should the loss be before the first step?
#
# <details><summary>Answer</summary>
#
# About $-\log \tfrac{1}{10} = 2.30$: a network that knows nothing gives each class a tenth. Try
# `model.evaluate` before `fit`.
#
# </details>
#
# **3.** The table shows an accuracy $p$ on $n$ test images. How many images would halve the width of the interval?
#
# <details><summary>Answer</summary>
#
# Four times as many: the width goes with $\sqrt{p(1-p)/n}$.
#
# </details>
#
# **4.** Why are the digits not mirrored to get more training images? What could be done instead?
#
# <details><summary>Answer</summary>
#
# A mirrored 2 is no 2, just as a 6 turned by 180° is a 9. Small rotations, shifts and zooms keep the meaning:
# `RandomRotation(0.03)`, `RandomTranslation(0.08, 0.08)` and `RandomZoom(0.08)` after the input. Then repeat the last
# table.
#
# </details>
#
# **5.** You looked at the test errors and now change the network because of them. What is wrong with the next test
# accuracy?
#
# <details><summary>Answer</summary>
#
# The test images took part in a decision, so they have become validation images. Look at the *validation* errors for
# such decisions, and keep the test for the end.
#
# </details>
