"""Write ``saving/*.keras`` and so on: files of real Keras 3.15. Run with ``.venv-peers/bin/python``."""

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import saved_networks as networks

FOLDER = Path(__file__).with_name("saving")
arrays, facts = {}, {"keras": keras.__version__}
for name in networks.BUILDERS:
    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    model = networks.compiled(keras, name)
    networks.train(model, name, 2)
    model.save(FOLDER / f"{name}.keras")
    if name != "every_layer":
        model.save_weights(FOLDER / f"{name}.weights.h5")
    if name == "sequential":
        model.save(FOLDER / f"{name}.h5")
    arrays |= {f"{name}/{number}": array for number, array in enumerate(networks.predictions(model, name))}
    score = model.evaluate(**networks.data(name), verbose=0, return_dict=True)
    facts[name] = {"evaluate": score, "weights": [w.path for w in model.weights]}
    if name in networks.DETERMINISTIC:
        facts[name]["losses"] = networks.train(model, name, 3)

keras.utils.clear_session()
image = keras.Input((2, 2, 1))
keras.Model(image, keras.layers.Lambda(lambda x: x * 2, name="twice")(image)).save(FOLDER / "lambda.keras")
np.savez_compressed(FOLDER / "keras3.npz", facts=json.dumps(facts), **arrays)
