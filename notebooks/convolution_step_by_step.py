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
# # Convolution, step by step
#
# You write the eight functions that a convolutional network is made of, in plain NumPy, forward **and** backward. Each
# is checked as soon as it is written. At the end a network that consists of them learns to read handwritten digits.
#
# | | forward | backward |
# | --- | --- | --- |
# | convolution | `zero_pad`, `conv_single_step`, `conv_forward` | `conv_backward` |
# | pooling | `pool_forward` | `create_mask_from_window`, `distribute_value`, `pool_backward` |
#
# **What you need to know already:** what a derivative is, the chain rule, and how to index a NumPy array.
#
# **Notation.** $A^{[l-1]}$ is what a layer gets, $Z^{[l]}$ what it gives; in code `A_prev` and `Z`. A `d` before a name
# means "gradient of the cost $J$ with respect to": `dW` is $\partial J / \partial W$, and always has the shape of `W`.
# There are four axes, always in this order:
#
# | array | shape | meaning |
# | --- | --- | --- |
# | `A_prev` | $(m,\; n_H^{prev},\; n_W^{prev},\; n_C^{prev})$ | $m$ images, their rows, columns and channels |
# | `W` | $(f,\; f,\; n_C^{prev},\; n_C)$ | $n_C$ filters; each spans a square of $f \times f$ cells and *all* channels |
# | `b` | $(1,\; 1,\; 1,\; n_C)$ | one bias per filter |
# | `Z` | $(m,\; n_H,\; n_W,\; n_C)$ | one *map* per filter |

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import convolens as cl

QUICK = os.environ.get("CONVOLENS_QUICK") == "1"  # small settings, for a trial run
rng = np.random.default_rng(1)
plt.rcParams["figure.dpi"] = 120

# %% [markdown]
# ## 1. Zero padding
#
# Without padding, every convolution makes the image smaller, and a cell in the corner is seen by one window while a cell
# in the middle is seen by $f^2$ of them. A border of zeros mends both. With $p$ cells on each side,
#
# $$X^{pad}_{i,\,h+p,\,w+p,\,c} = X_{i,\,h,\,w,\,c}, \qquad 0 \text{ elsewhere,}$$
#
# so an image of $n_H \times n_W$ cells becomes one of $(n_H + 2p) \times (n_W + 2p)$. Only rows and columns are padded:
# more images or more channels would be something else.

# %%
cl.visualize.padding(pad=1)


# %%
def zero_pad(X, pad):
    """(m, n_H, n_W, n_C) -> (m, n_H + 2 pad, n_W + 2 pad, n_C)"""
    return np.pad(X, ((0, 0), (pad, pad), (pad, pad), (0, 0)))


cl.check(zero_pad)

# %% [markdown]
# `cl.check` runs your function on small cases that tell mistakes apart, and compares every number with the library's.
# The best way to see what that is worth is to make a mistake. This version pads the channels too:

# %%
correct_zero_pad = zero_pad


def zero_pad(X, pad):
    return np.pad(X, ((0, 0), (pad, pad), (pad, pad), (pad, pad)))


cl.check(zero_pad)

# %%
zero_pad = correct_zero_pad

# %% [markdown]
# ## 2. One step of the convolution
#
# Lay one filter on one window of the image, multiply cell by cell, add everything up, and add the bias once:
#
# $$z = \sum_{u=1}^{f} \sum_{v=1}^{f} \sum_{k=1}^{n_C^{prev}} a_{u,v,k}\, W_{u,v,k} + b .$$
#
# It is a dot product of two little blocks of numbers, and so a measure of how much the window looks like the filter.
#
# A detail that breaks many old solutions: `b` has the shape $(1, 1, 1)$, and NumPy 2 no longer turns an array with axes
# into a number by `float(b)`. `b.item()` does.


# %%
def conv_single_step(a_slice_prev, W, b):
    """One window (f, f, n_C_prev) and one filter of that shape -> one number"""
    return np.sum(a_slice_prev * W) + b.item()


cl.check(conv_single_step)

# %% [markdown]
# ## 3. Convolution, forward
#
# Slide the window over the padded image. With stride $s$ the window of output cell $(h, w)$ begins at row $hs$, column
# $ws$:
#
# $$Z_{i,h,w,c} = \sum_{u,v,k} A^{pad}_{i,\;hs+u,\;ws+v,\;k}\; W_{u,v,k,c} + b_c .$$
#
# **How large is the output?** The first window begins at 0, and the last one must end within the
# $n_H^{prev} + 2p$ padded rows. So the last beginning is at most $n_H^{prev} + 2p - f$; going there in steps of $s$
# makes
#
# $$n_H = \left\lfloor \frac{n_H^{prev} + 2p - f}{s} \right\rfloor + 1 ,$$
#
# and $n_W$ likewise. Watch it: the orange window moves, and one number of the output appears for each place.

# %%
cl.visualize.convolution()


# %%
def conv_forward(A_prev, W, b, hparameters):
    """(m, n_H_prev, n_W_prev, n_C_prev) -> Z (m, n_H, n_W, n_C), and what backward must remember"""
    stride, pad = hparameters["stride"], hparameters["pad"]
    m, n_H_prev, n_W_prev, _ = A_prev.shape
    f, _, _, n_C = W.shape
    n_H = (n_H_prev - f + 2 * pad) // stride + 1
    n_W = (n_W_prev - f + 2 * pad) // stride + 1

    A_prev_pad = zero_pad(A_prev, pad)
    Z = np.zeros((m, n_H, n_W, n_C))
    for i in range(m):  # images
        for h in range(n_H):  # rows of the output
            for w in range(n_W):  # columns of the output
                top, left = h * stride, w * stride
                a_slice = A_prev_pad[i, top : top + f, left : left + f]
                for c in range(n_C):  # filters
                    Z[i, h, w, c] = conv_single_step(a_slice, W[..., c], b[..., c])
    return Z, (A_prev, W, b, hparameters)


cl.check(conv_forward)

# %% [markdown]
# **What a filter sees.** Take a digit of the set that comes with the library (8 × 8 cells) and two filters of
# $3 \times 3$: one that subtracts what is on the right from what is on the left, and the same turned by 90°. They answer
# to vertical and to horizontal edges: purple where the answer is negative, orange where it is positive.

# %%
digits = cl.datasets.load("digits")
digit = digits.x_train[0]  # (8, 8, 1), from 0 to 1

vertical = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
edges = np.stack([vertical, vertical.T], axis=-1)[:, :, None, :]  # (3, 3, 1, 2): two filters on one channel
Z, _ = conv_forward(digit[None], edges, np.zeros((1, 1, 1, 2)), {"stride": 1, "pad": 1})

fig, axes = plt.subplots(1, 3, figsize=(9, 3.2))
axes[0].imshow(digit[..., 0], cmap="gray_r")
for ax, edge_map in zip(axes[1:], Z[0].transpose(2, 0, 1), strict=True):
    ax.imshow(edge_map, cmap="PuOr_r", vmin=-4, vmax=4)
titles = (f"a {digits.class_names[digits.y_train[0]]}", "vertical edges", "horizontal edges")
for ax, title in zip(axes, titles, strict=True):
    ax.set_title(title)
    ax.axis("off")
print("input", digit[None].shape, " filters", edges.shape, " output", Z.shape)

# %% [markdown]
# In a network nobody chooses these numbers. They begin at random, and training finds them. For that we need gradients,
# in section 5.
#
# ## 4. Pooling, forward
#
# Pooling makes maps smaller: each window gives its largest value (*max*) or its mean (*average*), channel by channel.
# There is nothing to learn in it. It makes the network less sensitive to where exactly a feature lies, and later layers
# cheaper. Without padding, $n_H = \lfloor (n_H^{prev} - f)/s \rfloor + 1$.
#
# The figure shows forward (left) and backward (right, section 6) for both kinds.

# %%
cl.visualize.pooling()


# %%
def pool_forward(A_prev, hparameters, mode="max"):
    """(m, n_H_prev, n_W_prev, n_C) -> A (m, n_H, n_W, n_C)"""
    f, stride = hparameters["f"], hparameters["stride"]
    m, n_H_prev, n_W_prev, n_C = A_prev.shape
    n_H, n_W = (n_H_prev - f) // stride + 1, (n_W_prev - f) // stride + 1
    reduce = {"max": np.max, "average": np.mean}[mode]

    A = np.zeros((m, n_H, n_W, n_C))
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                top, left = h * stride, w * stride
                for c in range(n_C):
                    A[i, h, w, c] = reduce(A_prev[i, top : top + f, left : left + f, c])
    return A, (A_prev, hparameters)


cl.check(pool_forward)

# %% [markdown]
# ## 5. Convolution, backward
#
# Given is `dZ`, how much the cost changes with each number of the output. Wanted is the same for every number that went
# in. Forward, one output cell was
#
# $$z = \sum_{u,v,k} a_{u,v,k} W_{u,v,k,c} + b_c ,$$
#
# so its derivatives are
# $\;\partial z/\partial a_{u,v,k} = W_{u,v,k,c}$, $\;\partial z/\partial W_{u,v,k,c} = a_{u,v,k}\;$ and
# $\;\partial z/\partial b_c = 1$. By the chain rule each output cell sends back `dz` times these. An input cell lies in
# several windows and a filter is used at every place: **what is used several times gets the sum**. That is all:
#
# $$
# \begin{aligned}
# dA^{pad}[\text{window}] &\mathrel{+}= W_{\dots,c}\; dZ_{i,h,w,c} \\
# dW_{\dots,c} &\mathrel{+}= A^{pad}[\text{window}]\; dZ_{i,h,w,c} \\
# db_c &\mathrel{+}= dZ_{i,h,w,c}
# \end{aligned}
# $$
#
# The border of the padding was put there by us, so its gradient is dropped. The figure shows the same fact in another
# way: `dw` is a correlation of the image with `dy`, and `dx` is a correlation of the padded `dy` with the filter turned
# by 180°.

# %%
cl.visualize.convolution_backward()


# %%
def conv_backward(dZ, cache):
    """dZ (m, n_H, n_W, n_C) -> dA_prev, dW, db in the shapes of A_prev, W, b"""
    A_prev, W, b, hparameters = cache
    stride, pad = hparameters["stride"], hparameters["pad"]
    f = W.shape[0]
    m, n_H, n_W, n_C = dZ.shape

    A_prev_pad = zero_pad(A_prev, pad)
    dA_prev_pad = np.zeros(A_prev_pad.shape)
    dW, db = np.zeros(W.shape), np.zeros(b.shape)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                top, left = h * stride, w * stride
                window = np.s_[i, top : top + f, left : left + f]
                for c in range(n_C):
                    dA_prev_pad[window] += W[..., c] * dZ[i, h, w, c]
                    dW[..., c] += A_prev_pad[window] * dZ[i, h, w, c]
                    db[..., c] += dZ[i, h, w, c]
    # Not [pad:-pad]: with pad = 0 that would be empty.
    dA_prev = dA_prev_pad[:, pad : pad + A_prev.shape[1], pad : pad + A_prev.shape[2]]
    return dA_prev, dW, db


cl.check(conv_backward)

# %% [markdown]
# **Do not take anybody's word for a gradient**, not even the checker's. A derivative is a limit of differences, so it
# can be measured. Move one number $\theta$ by a small $\varepsilon$ both ways:
#
# $$\frac{\partial J}{\partial \theta} \approx \frac{J(\theta + \varepsilon) - J(\theta - \varepsilon)}{2\varepsilon} .$$
#
# As a cost take $J = \sum Z \odot R$ with fixed random numbers $R$; then `dZ` is $R$.


# %%
def measured_gradient(cost, theta, epsilon=1e-6):
    """The gradient of cost() with respect to theta, by central differences"""
    gradient = np.zeros(theta.shape)
    for index in np.ndindex(theta.shape):
        old = theta[index]
        theta[index] = old + epsilon
        above = cost()
        theta[index] = old - epsilon
        gradient[index] = (above - cost()) / (2 * epsilon)
        theta[index] = old
    return gradient


A_prev, W, b = rng.normal(size=(2, 5, 4, 3)), rng.normal(size=(3, 3, 3, 2)), rng.normal(size=(1, 1, 1, 2))
hparameters = {"stride": 2, "pad": 1}
Z, cache = conv_forward(A_prev, W, b, hparameters)
R = rng.normal(size=Z.shape)

for name, theta, gradient in zip(("dA_prev", "dW", "db"), (A_prev, W, b), conv_backward(R, cache), strict=True):
    measured = measured_gradient(lambda: np.sum(conv_forward(A_prev, W, b, hparameters)[0] * R), theta)
    agree = np.allclose(gradient, measured, rtol=0, atol=1e-7)
    print(f"{name:8} {gradient.shape!s:15} equals the measured gradient to 1e-7: {agree}")

# %% [markdown]
# ## 6. Pooling, backward
#
# **Max.** Only the largest cell of a window had any influence on the output, and that with slope 1. The *mask* marks it,
# and it gets all of the gradient:
#
# $$dA^{prev}[\text{window}] \mathrel{+}= \mathbb{1}[x = \max x]\; dA_{i,h,w,c} .$$
#
# **Average.** Each of the $f^2$ cells had slope $1/f^2$, so each gets an equal share.
#
# If two cells tie for the maximum, this mask marks both, and both get the full gradient. That is the course's rule.
# TensorFlow, PyTorch and this library's `MaxPooling2D` choose the first of them; where all numbers differ, it is the
# same.


# %%
def create_mask_from_window(x):
    """(f, f) -> True where x is largest"""
    return x == np.max(x)


def distribute_value(dz, shape):
    """One number -> equal shares of it in an array of this shape"""
    return np.full(shape, dz / np.prod(shape))


def pool_backward(dA, cache, mode="max"):
    """dA (m, n_H, n_W, n_C) -> dA_prev in the shape of A_prev"""
    A_prev, hparameters = cache
    f, stride = hparameters["f"], hparameters["stride"]
    m, n_H, n_W, n_C = dA.shape

    dA_prev = np.zeros(A_prev.shape)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                top, left = h * stride, w * stride
                for c in range(n_C):
                    window = np.s_[i, top : top + f, left : left + f, c]
                    if mode == "max":
                        dA_prev[window] += create_mask_from_window(A_prev[window]) * dA[i, h, w, c]
                    else:
                        dA_prev[window] += distribute_value(dA[i, h, w, c], (f, f))
    return dA_prev


# %% [markdown]
# All eight at once, from this notebook's own names:

# %%
cl.check(globals())

# %% [markdown]
# The library has the same eight functions in `cl.course.step_by_step`. On random arrays, with every stride and padding
# that fits, yours give the same numbers:

# %%
course = cl.course.step_by_step
worst = 0.0
for stride, pad, f in [(1, 0, 1), (1, 0, 3), (1, 1, 3), (2, 1, 3), (2, 2, 2), (3, 0, 2)]:
    A_prev, W, b = rng.normal(size=(2, 6, 5, 3)), rng.normal(size=(f, f, 3, 4)), rng.normal(size=(1, 1, 1, 4))
    hparameters = {"stride": stride, "pad": pad}
    (Z, cache), (Z_course, cache_course) = (
        own(A_prev, W, b, hparameters) for own in (conv_forward, course.conv_forward)
    )
    dZ = rng.normal(size=Z.shape)
    pairs = [(Z, Z_course), *zip(conv_backward(dZ, cache), course.conv_backward(dZ, cache_course), strict=True)]
    worst = max(worst, *(np.abs(own - theirs).max() for own, theirs in pairs))
print("the largest difference is below 1e-12:", bool(worst < 1e-12))

# %% [markdown]
# ## 7. Two loops are enough
#
# Four nested loops are the clearest way to say what a convolution is, and the slowest way to compute it. The images of a
# batch do not depend on each other, nor do the filters: both loops can be left to NumPy. `np.tensordot(window, W, axes=3)`
# multiplies the last three axes of `window` with the first three of `W` and adds up:
#
# $$(m, f, f, n_C^{prev}) \cdot (f, f, n_C^{prev}, n_C) \to (m, n_C) .$$
#
# Here are the same functions with the loops over $h$ and $w$ only. The shapes in the comments are all there is to
# understand.


# %%
def windows(A, f, stride):
    """Each place (h, w) of the output, and where its window lies in all images"""
    for h, w in np.ndindex((A.shape[1] - f) // stride + 1, (A.shape[2] - f) // stride + 1):
        yield h, w, np.s_[:, h * stride : h * stride + f, w * stride : w * stride + f]


def conv_forward(A_prev, W, b, hparameters):
    stride, pad, f = hparameters["stride"], hparameters["pad"], len(W)
    A_prev_pad = zero_pad(A_prev, pad)
    n_H, n_W = ((n - f) // stride + 1 for n in A_prev_pad.shape[1:3])
    Z = np.zeros((len(A_prev), n_H, n_W, W.shape[3]))
    for h, w, window in windows(A_prev_pad, f, stride):
        Z[:, h, w] = np.tensordot(A_prev_pad[window], W, axes=3) + b[0, 0, 0]  # (m, n_C)
    return Z, (A_prev, W, b, hparameters)


def conv_backward(dZ, cache):
    A_prev, W, b, hparameters = cache
    stride, pad, f = hparameters["stride"], hparameters["pad"], len(W)
    A_prev_pad = zero_pad(A_prev, pad)
    dA_prev_pad, dW = np.zeros(A_prev_pad.shape), np.zeros(W.shape)
    for h, w, window in windows(A_prev_pad, f, stride):
        dz = dZ[:, h, w]  # (m, n_C)
        dA_prev_pad[window] += np.tensordot(dz, W, axes=(1, 3))  # (m, f, f, n_C_prev)
        dW += np.tensordot(A_prev_pad[window], dz, axes=(0, 0))  # (f, f, n_C_prev, n_C)
    dA_prev = dA_prev_pad[:, pad : pad + A_prev.shape[1], pad : pad + A_prev.shape[2]]
    return dA_prev, dW, dZ.sum(axis=(0, 1, 2)).reshape(b.shape)


def pool_forward(A_prev, hparameters, mode="max"):
    f, stride = hparameters["f"], hparameters["stride"]
    reduce = {"max": np.max, "average": np.mean}[mode]
    A = np.zeros((len(A_prev), *((n - f) // stride + 1 for n in A_prev.shape[1:3]), A_prev.shape[3]))
    for h, w, window in windows(A_prev, f, stride):
        A[:, h, w] = reduce(A_prev[window], axis=(1, 2))  # (m, n_C)
    return A, (A_prev, hparameters)


def pool_backward(dA, cache, mode="max"):
    A_prev, hparameters = cache
    f, stride = hparameters["f"], hparameters["stride"]
    dA_prev = np.zeros(A_prev.shape)
    for h, w, window in windows(A_prev, f, stride):
        da = dA[:, h : h + 1, w : w + 1]  # (m, 1, 1, n_C)
        if mode == "max":
            dA_prev[window] += (A_prev[window] == A_prev[window].max(axis=(1, 2), keepdims=True)) * da
        else:
            dA_prev[window] += da / f**2
    return dA_prev


print(cl.check(globals()))

# %% [markdown]
# ## 8. A network made of your functions
#
# `cl.course.Conv` and `cl.course.Pool` make layers of a forward and a backward function. They hold the weights, give
# them to your functions, and hand the gradients to the optimiser:
#
# $$(8, 8, 1) \xrightarrow{\text{Conv, 8 filters } 3 \times 3,\ \text{ReLU}} (8, 8, 8) \xrightarrow{\text{Pool } 2 \times 2}
# (4, 4, 8) \xrightarrow{\text{Flatten}} 128 \xrightarrow{\text{Dense, softmax}} 10$$
#
# The activation, ReLU, is $a = \max(z, 0)$; without one, two convolutions after each other would be no more than one.

# %%
cl.utils.set_random_seed(0)
model = cl.Sequential(
    [
        cl.Input((8, 8, 1)),
        cl.course.Conv(conv_forward, conv_backward, filters=8, kernel_size=3, padding=1, activation="relu"),
        cl.course.Pool(pool_forward, pool_backward, pool_size=2),
        cl.layers.Flatten(),
        cl.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(cl.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()

# %%
cl.visualize.architecture(model)

# %% [markdown]
# Before training: are the gradients of the *whole* network right, through your functions and the loss? The same
# measurement as above, for every parameter. (On random images: in a real one many cells are equal, and where two cells
# tie for a maximum the cost has a kink, and no derivative.)

# %%
report = cl.check_gradients(model, rng.random((2, 8, 8, 1)), np.array([3, 8]))
print("gradients right:", report.ok, "   largest relative error below 1e-6:", bool(report.worst < 1e-6))

# %%
count, epochs = (200, 2) if QUICK else (1200, 12)
x, y = digits.x_train[:count], digits.y_train[:count]
history = model.fit(x, y, epochs=epochs, batch_size=32, validation_split=0.1, verbose=0)
cl.visualize.history(history)

# %%
evaluation = cl.evaluation.evaluate_classifier(model, digits.x_test, digits.y_test, digits.class_names)
low, high = evaluation.interval
print(
    f"{evaluation.accuracy:.1%} of {evaluation.count} digits it has never seen (95 % interval {low:.1%} to {high:.1%})"
)
cl.visualize.confusion_matrix(digits.y_test, evaluation.y_pred, digits.class_names)

# %% [markdown]
# What your filters have become, and what they make of a digit:

# %%
cl.visualize.filters(model, model.layers[0])

# %%
cl.visualize.feature_maps(model, digits.x_test[0])

# %% [markdown]
# ## 9. From here to a fast library
#
# A layer of the library, given the same weights, answers the same. It finds its output by one large matrix product
# instead of a loop over places.

# %%
twin = cl.Sequential(
    [
        cl.Input((8, 8, 1)),
        cl.layers.Conv2D(8, 3, padding="same", activation="relu"),
        cl.layers.MaxPooling2D(2),
        cl.layers.Flatten(),
        cl.layers.Dense(10, activation="softmax"),
    ]
)
twin.set_weights(model.get_weights())
difference = np.abs(twin(digits.x_test) - model(digits.x_test)).max()
print("the largest difference between two probabilities is below 1e-5:", bool(difference < 1e-5))

# %% [markdown]
# ## Exercises
#
# **1.** An image of $64 \times 64 \times 3$ goes through a convolution with 32 filters of $7 \times 7$, stride 1,
# padding 3, then through max pooling of $2 \times 2$. What shapes come out? How many parameters are there, and how many
# multiplications does the convolution take?
#
# <details><summary>Answer</summary>
#
# $(64 + 2 \cdot 3 - 7)/1 + 1 = 64$, so $64 \times 64 \times 32$, and $32 \times 32 \times 32$ after pooling. Parameters:
# $7 \cdot 7 \cdot 3 \cdot 32 + 32 = 4736$, wherever the image is large or small. Multiplications: $147$ for each of
# the $64 \cdot 64 \cdot 32$ output cells, $19\,267\,584$. `cl.Sequential([...]).summary()` agrees on the first two.
#
# </details>
#
# **2.** Which padding keeps the size at stride 1? Why are filters nearly always odd?
#
# <details><summary>Answer</summary>
#
# $n + 2p - f + 1 = n$ means $p = (f - 1)/2$, a whole number only for odd $f$.
#
# </details>
#
# **3.** Why is `db` a sum over images, rows and columns, and not a mean?
#
# <details><summary>Answer</summary>
#
# The same $b_c$ is added at every place of every image, so by the chain rule the contributions of all of them add up.
# The mean over the images of a batch is part of the *cost*, and is already in `dZ`.
#
# </details>
#
# **4.** A filter of $3 \times 3$ is all zeros but for a 1 in the middle. What does `conv_forward` with `pad` 1 return?
# What if the 1 is in the middle of the left column?
#
# <details><summary>Answer</summary>
#
# The image itself; the image moved one cell to the right (with zeros coming in from the left), since each output cell
# takes its left neighbour.
#
# </details>
#
# **5.** What does max pooling send back if all four cells of a window are equal? When does that happen after ReLU, and
# why does it do no harm there?
#
# <details><summary>Answer</summary>
#
# By this mask all four get the full gradient, four times as much as came in. After ReLU it happens where all four are 0,
# in empty parts of the image. There the derivative of ReLU is 0, and nothing of it goes further back.
#
# </details>
#
# **6.** Put a mistake of your own into `conv_backward` above, such as a forgotten `+=`, and run `cl.check(conv_backward)`.
# Does the network still train? (Often it does, only worse: that is why gradients are checked, and not curves.)
