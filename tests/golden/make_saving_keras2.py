"""Write ``saving/keras2*``: files of Keras 2.21. Run with ``.venv-peers/bin/python`` after ``pip install --no-deps
tf_keras==2.21.0`` (into a folder of its own, named in PYTHONPATH)."""

import json
import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tf_keras as keras

FOLDER = Path(__file__).with_name("saving")
layers = keras.layers


def every_layer():
    image = keras.Input((8, 8, 3), name="image")
    inner = keras.Sequential(
        [layers.Conv2D(2, 3, padding="same", input_shape=(8, 8, 3)), layers.BatchNormalization()], name="inner"
    )
    shared = layers.Conv2D(2, 1, name="shared", activation="relu")
    a = shared(inner(layers.Rescaling(2.0)(image)))
    b = shared(a)
    x = layers.Concatenate()([layers.Add()([a, b]), a])
    x = layers.SeparableConv2D(3, 3)(x)
    x = layers.DepthwiseConv2D(2)(x)
    x = layers.LayerNormalization()(layers.BatchNormalization()(x))
    x = layers.ReLU()(layers.ELU()(layers.LeakyReLU(alpha=0.2)(x)))
    x = layers.UpSampling2D(2)(layers.Cropping2D(1)(layers.ZeroPadding2D(1)(x)))
    x = layers.AveragePooling2D(2, 1, "same")(layers.MaxPooling2D()(x))
    x = layers.Conv2DTranspose(2, 2)(x)
    x = layers.SpatialDropout2D(0.2)(layers.Dropout(0.5)(x))
    x = layers.RandomFlip()(layers.Activation("tanh")(x))
    x = layers.RandomTranslation(0.1, 0.1)(layers.RandomZoom(0.1)(layers.RandomRotation(0.1)(x)))
    x = layers.Reshape((-1,))(layers.Flatten()(x))
    x = layers.Softmax()(layers.Dense(3, kernel_regularizer="l2")(x))
    model = keras.Model(image, x)
    top = keras.metrics.SparseTopKCategoricalAccuracy(k=2)
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", metrics=["accuracy", top])
    return model


def stack(optimizer):
    model = keras.Sequential(
        [layers.Conv2D(2, 3, activation="relu", input_shape=(8, 8, 3)), layers.Flatten(), layers.Dense(1, "sigmoid")]
    )
    model.compile(optimizer, keras.losses.BinaryCrossentropy(), metrics=["accuracy"])
    return model


arrays, facts = {}, {"keras": keras.__version__}
rng = np.random.default_rng(0)
arrays["x"], arrays["y"] = rng.normal(size=(8, 8, 8, 3)).astype("float32"), np.arange(8) % 3
keras.utils.set_random_seed(1)
model = every_layer()
model.fit(arrays["x"], arrays["y"], epochs=2, verbose=0)
for ending in (".h5", ".keras"):
    model.save(FOLDER / f"keras2{ending}")
model.save_weights(FOLDER / "keras2_weights.h5")
arrays["every_layer"] = model.predict(arrays["x"], verbose=0)
facts["every_layer"] = model.evaluate(arrays["x"], arrays["y"], verbose=0)

legacy = keras.optimizers.legacy
rules = {
    "momentum": keras.optimizers.SGD(0.1, momentum=0.9),
    "legacy_adam": legacy.Adam(0.01),
    "legacy_decay": legacy.SGD(0.1, momentum=0.9, decay=0.1),
}
for name, rule in rules.items():
    model = stack(rule)
    arguments = {"x": arrays["x"], "y": (arrays["y"] > 1).astype("float32"), "batch_size": 4, "shuffle": False}
    model.fit(**arguments, epochs=2, verbose=0)
    model.save(FOLDER / f"keras2_{name}.h5")
    facts[name] = model.fit(**arguments, epochs=3, verbose=0).history["loss"]
np.savez_compressed(FOLDER / "keras2.npz", facts=json.dumps(facts), **arrays)
