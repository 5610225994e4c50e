"""Write functions.json and functions.npz: what Keras gives for activations, losses, metrics and the like.

Run with a Python that has Keras 3.15 and TensorFlow: ``python tests/golden/make_functions.py``. A case in the JSON is a
configuration; its arrays are in the .npz under ``section/number/name``.
"""

import json
import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
import tensorflow as tf

HERE = Path(__file__).parent
rng = np.random.default_rng(20240518)
cases: dict[str, list[dict]] = {}
arrays: dict[str, np.ndarray] = {}


def add(section, case, **values):
    number = len(cases.setdefault(section, []))
    cases[section].append({**case, "arrays": sorted(values)})
    for name, value in values.items():
        arrays[f"{section}/{number}/{name}"] = np.asarray(value)


def softmax(z, axis=-1):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return (e / e.sum(axis=axis, keepdims=True)).astype(np.float32)


def normal(*shape, scale=1.0):
    return (scale * rng.normal(size=shape)).astype(np.float32)


def one_hot(labels, classes):
    return np.eye(classes, dtype=np.float32)[labels]


def plain(value):
    """Turn NumPy numbers in a configuration into Python's."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


# Activations: values and gradients at kinks, in both tails and between.
places = [0.0, 3, 6, 1, 2, 0.5, 5, 8, 12, 20, 90, 1e4]
x = np.array(sorted({*places, *(-p for p in places), *rng.normal(size=20).round(3).tolist()}), np.float32)
dy = normal(x.size)
elementwise = [
    *((name, {}) for name in ["relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus"]),
    *((name, {}) for name in ["softsign", "sigmoid", "hard_sigmoid", "tanh", "exponential", "linear"]),
    ("relu", {"negative_slope": 0.1}),
    ("relu", {"max_value": 6.0}),
    ("relu", {"max_value": 5.0}),
    ("relu", {"threshold": 2.0}),
    ("relu", {"threshold": -1.0, "max_value": 3.0}),
    ("relu", {"negative_slope": 0.3, "max_value": 6.0}),
    ("relu", {"negative_slope": 0.3, "max_value": 2.0, "threshold": 1.0}),
    ("relu", {"max_value": 6.0, "threshold": 1.0}),
    ("leaky_relu", {"negative_slope": 0.01}),
    ("elu", {"alpha": 0.5}),
    ("gelu", {"approximate": True}),
]
for name, options in elementwise:
    z = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(z)
        y = getattr(keras.activations, name)(z, **options)
    add("activations", {"name": name, "options": options}, x=x, y=y, dy=dy, dx=tape.gradient(y, z, dy))
for name in ("softmax", "log_softmax"):
    for axis, shape, scale in [(-1, (4, 5), 1), (1, (2, 3, 4), 3), (-1, (3, 4), 1e4)]:
        z, g = tf.constant(normal(*shape, scale=scale)), normal(*shape)
        with tf.GradientTape() as tape:
            tape.watch(z)
            y = getattr(keras.activations, name)(z, axis=axis)
        add("activations", {"name": name, "options": {"axis": axis}}, x=z, y=y, dy=g, dx=tape.gradient(y, z, g))


# Losses: value and gradient.
def loss_case(loss, y_true, y_pred, sample_weight=None, delta=None):
    pred = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(pred)
        value = loss(y_true, pred, sample_weight)
    config = {**loss.get_config(), **({} if delta is None else {"delta": delta})}
    values = {"y_true": y_true, "y_pred": y_pred, "value": value, "d_pred": tape.gradient(value, pred)}
    if sample_weight is not None:
        values["sample_weight"] = sample_weight
    add("losses", {"class_name": type(loss).__name__, "config": plain(config)}, **values)


L = keras.losses
labels, weights = np.array([0, 3, 2, 2, 1, 0]), np.array([1, 0.5, 2, 0, 1, 3], np.float32)
logits = normal(6, 4, scale=2)
probabilities = softmax(logits)
saturated = np.array([[0, 0, 0, 1], [1, 0, 0, 0], [0.5, 0.5, 0, 0], [1e-8, 1, 0, 1e-7], [0.2, 0.3, 0.4, 0.1],
                      [2, 1, 1, 0]], np.float32)  # fmt: skip
huge = np.array([1e4, -1e4, 0, 50], np.float32) * np.ones((6, 1), np.float32)
for y_pred, from_logits in [(logits, True), (probabilities, False), (saturated, False), (huge, True)]:
    for reduction in ("sum_over_batch_size", "sum", "none", "mean_with_sample_weight"):
        for w in (None, weights):
            loss_case(L.CategoricalCrossentropy(from_logits, 0.1, reduction=reduction), one_hot(labels, 4), y_pred, w)
            loss_case(L.SparseCategoricalCrossentropy(from_logits, reduction=reduction), labels, y_pred, w)
    loss_case(L.CategoricalCrossentropy(from_logits), one_hot(labels, 4), y_pred)
    loss_case(L.SparseCategoricalCrossentropy(from_logits), labels[:, None], y_pred, weights[:, None])
    loss_case(L.SparseCategoricalCrossentropy(from_logits, ignore_class=2), labels, y_pred)
    loss_case(L.SparseCategoricalCrossentropy(from_logits, ignore_class=2), labels, y_pred, weights)
    loss_case(L.SparseCategoricalCrossentropy(from_logits, ignore_class=-1), np.where(labels == 2, -1, labels), y_pred)
    loss_case(L.SparseCategoricalCrossentropy(from_logits, 2, "mean_with_sample_weight"), labels, y_pred, weights)
    loss_case(L.SparseCategoricalCrossentropy(from_logits, 2, "sum"), labels, y_pred)
maps, map_labels = normal(2, 3, 3, 4), rng.integers(0, 4, (2, 3, 3))
loss_case(L.SparseCategoricalCrossentropy(True), map_labels, maps)
loss_case(L.SparseCategoricalCrossentropy(True, ignore_class=1), map_labels, maps)
loss_case(L.SparseCategoricalCrossentropy(), map_labels[..., None], softmax(maps))
loss_case(L.CategoricalCrossentropy(True, axis=1), softmax(normal(2, 4, 3), 1), normal(2, 4, 3))
loss_case(L.CategoricalCrossentropy(axis=1), softmax(normal(2, 4, 3), 1), softmax(normal(2, 4, 3), 1))

binary, z = np.array([0, 1, 1, 0, 1, 0]), normal(6, 1, scale=2)
p = (1 / (1 + np.exp(-z))).astype(np.float32)
edge = np.array([0, 1, 0, 1, 1e-8, 0.5], np.float32)[:, None]
far = np.array([1e4, -1e4, 100, -100, 0, 20], np.float32)[:, None]
for y_pred, from_logits in [(z, True), (p, False), (edge, False), (far, True)]:
    for smoothing in (0.0, 0.2):
        loss_case(L.BinaryCrossentropy(from_logits, smoothing), binary, y_pred)
        loss_case(L.BinaryCrossentropy(from_logits, smoothing), binary[:, None], y_pred, weights)
    loss_case(L.BinaryCrossentropy(from_logits), binary[:, None], y_pred[:, 0], weights)
    loss_case(L.BinaryCrossentropy(from_logits, reduction="none"), binary, y_pred, weights)
loss_case(L.BinaryCrossentropy(True), rng.integers(0, 2, (3, 4)), normal(3, 4))
loss_case(L.BinaryCrossentropy(True, axis=1), rng.integers(0, 2, (3, 4, 2)), normal(3, 4, 2))

for loss in (L.MeanSquaredError, L.MeanAbsoluteError, L.Huber):
    target, prediction = normal(5, 3), normal(5, 3, scale=2)
    prediction[0] = target[0]
    prediction[1] = target[1] + 1
    for reduction in ("sum_over_batch_size", "sum", "none", "mean_with_sample_weight"):
        loss_case(loss(reduction=reduction), target, prediction)
        loss_case(loss(reduction=reduction), target, prediction, weights[:5])
    loss_case(loss(), target[:, 0], prediction[:, :1], weights[:5])
    loss_case(loss(), target[:, :1], prediction[:, 0])
    loss_case(loss(), normal(2, 3, 4), normal(2, 3, 4), normal(2, 3) ** 2)
    loss_case(loss(), normal(2, 3, 4), normal(2, 3, 4), normal(2, 1) ** 2)
loss_case(L.Huber(0.5), target, prediction, delta=0.5)

# A loss after the model's own softmax or sigmoid: Keras computes it from the logits.
for name, loss, activation, y_true, logit in [
    ("CategoricalCrossentropy", L.CategoricalCrossentropy(label_smoothing=0.1), "softmax", one_hot(labels, 4), logits),
    ("CategoricalCrossentropy", L.CategoricalCrossentropy(), "softmax", one_hot(labels, 4), huge),
    ("SparseCategoricalCrossentropy", L.SparseCategoricalCrossentropy(), "softmax", labels, logits),
    ("SparseCategoricalCrossentropy", L.SparseCategoricalCrossentropy(), "softmax", labels, huge),
    ("BinaryCrossentropy", L.BinaryCrossentropy(), "sigmoid", binary[:, None], z),
    ("BinaryCrossentropy", L.BinaryCrossentropy(label_smoothing=0.2), "sigmoid", binary[:, None], far),
]:
    tensor = tf.constant(logit)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = loss(y_true, keras.activations.get(activation)(tensor), weights)
    case = {"class_name": name, "config": plain(loss.get_config()), "activation": activation}
    d_z = tape.gradient(value, tensor)
    add("fused", case, y_true=y_true, z=logit, sample_weight=weights, value=value, d_z=d_z)


# Metrics: the result after each of three batches of unequal size, with weights or without.
def metric_case(metric, y_true, y_pred, weighted=False, sample_weight=None):
    weighting = sample_weight if sample_weight is not None else weights9 if weighted else None
    results = []
    for rows in (slice(0, 4), slice(4, 6), slice(6, 9)):
        metric.update_state(y_true[rows], y_pred[rows], None if weighting is None else weighting[rows])
        results.append(np.asarray(metric.result()))
    values = {"y_true": y_true, "y_pred": y_pred, "results": np.stack(results)}
    if weighting is not None:
        values["sample_weight"] = weighting
    config = {**plain(metric.get_config()), "name": "metric"}
    add("metrics", {"class_name": type(metric).__name__, "config": config}, **values)


M = keras.metrics
weights9 = np.array([1, 0.5, 2, 0, 1, 3, 0.25, 1, 1], np.float32)
labels9 = np.array([0, 3, 2, 2, 1, 0, 4, 1, 3])
scores = softmax(normal(9, 5))
scores[3] = 0.2
scores[7, :2] = scores[7, :2].max()
binary9, p9 = rng.integers(0, 2, 9), rng.uniform(size=9).astype(np.float32)
p9[:4] = [0.5, 0, 1, 0.25]
multi, multi_p = rng.integers(0, 2, (9, 3)), rng.uniform(size=(9, 3)).astype(np.float32)
for weighted in (False, True):
    metric_case(M.Accuracy(), labels9, np.roll(labels9, 1) * (labels9 % 2), weighted)
    metric_case(M.SparseCategoricalAccuracy(), labels9, scores, weighted)
    metric_case(M.SparseCategoricalAccuracy(), labels9[:, None], scores, weighted)
    metric_case(M.CategoricalAccuracy(), one_hot(labels9, 5), scores, weighted)
    for k in (1, 2, 5):
        metric_case(M.SparseTopKCategoricalAccuracy(k), labels9, scores, weighted)
        metric_case(M.TopKCategoricalAccuracy(k), one_hot(labels9, 5), scores, weighted)
    ids = np.argsort(-scores, -1, kind="stable")
    metric_case(M.SparseTopKCategoricalAccuracy(2, from_sorted_ids=True), labels9, ids, weighted)
    metric_case(M.BinaryAccuracy(), binary9, p9[:, None], weighted)
    metric_case(M.BinaryAccuracy(threshold=0.25), binary9[:, None], p9[:, None], weighted)
    metric_case(M.BinaryAccuracy(), multi, multi_p, weighted)
    metric_case(
        M.SparseCategoricalAccuracy(), np.tile(labels9[:, None], 4), np.tile(scores[:, None], (1, 4, 1)), weighted
    )
    for error in (M.MeanSquaredError, M.RootMeanSquaredError, M.MeanAbsoluteError):
        metric_case(error(), normal(9, 3), normal(9, 3), weighted)
        metric_case(error(), normal(9, 1), normal(9, 1), weighted)
    metric_case(M.BinaryCrossentropy(label_smoothing=0.1), multi, multi_p, weighted)
    metric_case(M.BinaryCrossentropy(from_logits=True), multi, multi_p, weighted)
    metric_case(M.CategoricalCrossentropy(), one_hot(labels9, 5), scores, weighted)
    metric_case(M.SparseCategoricalCrossentropy(), labels9, scores, weighted)
    for kind in (M.Precision, M.Recall):
        metric_case(kind(), binary9, p9, weighted)
        metric_case(kind(thresholds=[0.75, 0.25]), binary9, p9, weighted)
        metric_case(kind(thresholds=[0.0, 0.5, 1.0]), binary9, p9, weighted)
        metric_case(kind(class_id=1), one_hot(labels9, 5), scores, weighted)
        metric_case(kind(top_k=2), one_hot(labels9, 5), scores, weighted)
        metric_case(kind(), multi, multi_p, weighted)
    for curve in ("ROC", "PR", "PRGAIN"):
        for method in ("interpolation", "minoring", "majoring"):
            metric_case(M.AUC(curve=curve, summation_method=method), binary9, p9, weighted)
    metric_case(M.AUC(num_thresholds=5), binary9, p9, weighted)
    metric_case(M.AUC(thresholds=[0.7, 0.25, 0.3], curve="PR"), binary9, p9, weighted)
    metric_case(M.AUC(multi_label=True), multi, multi_p, weighted)
    metric_case(M.AUC(multi_label=True, num_labels=3, curve="PR", thresholds=[0.2, 0.3, 0.9]), multi, multi_p, weighted)
    metric_case(M.AUC(from_logits=True), multi, multi_p * 6 - 3, weighted)
    for average in (None, "micro", "macro", "weighted"):
        metric_case(M.F1Score(average), one_hot(labels9, 5), scores, weighted)
        metric_case(M.F1Score(average, threshold=0.3), multi, multi_p, weighted)
        metric_case(M.FBetaScore(average, 2.0), one_hot(labels9, 5), scores, weighted)
maps9 = rng.uniform(size=(9, 2, 3)).astype(np.float32)
metric_case(M.MeanSquaredError(), normal(9, 2, 3), maps9, sample_weight=np.abs(normal(9, 2)))
metric_case(M.BinaryAccuracy(), (normal(9, 2, 3) > 0).astype(np.int32), maps9, sample_weight=np.abs(normal(9, 2)))

# Regularizers.
w = normal(3, 4)
w[0, 0] = 0
for regularizer in (keras.regularizers.L1(0.03), keras.regularizers.L2(0.2), keras.regularizers.L1L2(0.1, 0.3)):
    tensor = tf.constant(w)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = regularizer(tensor)
    case = {"class_name": type(regularizer).__name__, "config": plain(regularizer.get_config())}
    add("regularizers", case, w=w, value=value, gradient=tape.gradient(value, tensor))

# Initializers: moments and bounds of many numbers.
K = keras.initializers
for initializer in [
    *(cls(seed=1) for cls in (K.GlorotUniform, K.GlorotNormal, K.HeUniform, K.HeNormal, K.LecunUniform, K.LecunNormal)),
    K.RandomNormal(0.5, 0.2, seed=1),
    K.TruncatedNormal(-0.5, 0.2, seed=1),
    K.RandomUniform(-1, 3, seed=1),
    K.VarianceScaling(3.0, "fan_out", "untruncated_normal", seed=1),
    K.VarianceScaling(3.0, "fan_avg", "uniform", seed=1),
    K.VarianceScaling(2.0, "fan_in", "normal", seed=1, input_axes=[0, 1], output_axes=[2, 3]),
]:
    for shape in [(5, 3, 40, 60), (300, 200), (50000,)]:
        if len(shape) < 4 and getattr(initializer, "input_axes", None):
            continue
        numbers = np.asarray(initializer(shape))
        moments = [numbers.mean(), numbers.std(), numbers.min(), numbers.max()]
        case = {"class_name": type(initializer).__name__, "config": plain(initializer.get_config()), "shape": shape}
        add("initializers", case, moments=moments)

# Configurations of objects with default arguments, as they are written to files.
for module, names in [
    ("initializers", "Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal VarianceScaling GlorotUniform "
     "GlorotNormal HeUniform HeNormal LecunUniform LecunNormal Orthogonal"),
    ("regularizers", "L1 L2 L1L2"),
    ("losses", "BinaryCrossentropy CategoricalCrossentropy SparseCategoricalCrossentropy MeanSquaredError "
     "MeanAbsoluteError Huber"),
    ("metrics", "Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy TopKCategoricalAccuracy "
     "SparseTopKCategoricalAccuracy Precision Recall AUC F1Score FBetaScore Mean MeanSquaredError RootMeanSquaredError "
     "MeanAbsoluteError BinaryCrossentropy CategoricalCrossentropy SparseCategoricalCrossentropy"),
]:  # fmt: skip
    for name in names.split():
        keras.backend.clear_session()
        serialized = keras.saving.serialize_keras_object(getattr(getattr(keras, module), name)())
        add("configs", {"module": module, "name": name, "serialized": plain(serialized)})

lines = {section: ",\n".join(json.dumps(case) for case in items) for section, items in cases.items()}
sections = "".join(f',\n"{section}": [\n{items}\n]' for section, items in lines.items())
(HERE / "functions.json").write_text(f'{{"keras": "{keras.__version__}"{sections}}}\n')
np.savez_compressed(HERE / "functions.npz", **arrays)
print({section: len(items) for section, items in cases.items()}, f"{len(arrays)} arrays")
