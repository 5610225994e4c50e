"""Write ``training.npz``: short training runs of real Keras 3 on TensorFlow. Run with ``.venv-peers/bin/python``."""

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import networks
import numpy as np

arrays, facts = {}, {"keras": keras.__version__, "runs": {}}
for name, case in networks.cases().items():
    keras.utils.clear_session()
    keras.utils.set_random_seed(11)
    result = networks.run(keras, case)
    for part in ("before", "after", "predict"):
        for number, array in enumerate(result[part]):
            arrays[f"{name}/{part}/{number}"] = array
    facts["runs"][name] = {key: result[key] for key in ("history", "evaluate", "weight_names")}
np.savez_compressed(Path(__file__).with_name("training.npz"), facts=json.dumps(facts), **arrays)
