"""Write optimizers.npz and optimizers.json: updates and schedules of real Keras 3.15 (run with .venv-peers)."""

import json
from pathlib import Path

import keras
import numpy as np

HERE = Path(__file__).parent
STEPS = (1, 2, 10, 50)
SCHEDULES = {
    "exponential": ("ExponentialDecay", [0.1, 7, 0.5]),
    "staircase": ("ExponentialDecay", [0.1, 7, 0.5, True]),
    "inverse": ("InverseTimeDecay", [0.1, 7, 0.5]),
    "inverse_staircase": ("InverseTimeDecay", [0.1, 7, 0.5, True]),
    "piecewise": ("PiecewiseConstantDecay", [[10, 20], [0.1, 0.01, 0.001]]),
    "polynomial": ("PolynomialDecay", [0.1, 30, 0.01, 2.0]),
    "polynomial_cycle": ("PolynomialDecay", [0.1, 13, 0.01, 0.5, True]),
    "cosine": ("CosineDecay", [0.1, 30, 0.1]),
    "cosine_warmup": ("CosineDecay", [0.01, 30, 0.0, "warm", 0.1, 11]),
    "restarts": ("CosineDecayRestarts", [0.1, 9, 2.0, 0.9, 0.05]),
    "restarts_equal": ("CosineDecayRestarts", [0.1, 9, 1.0, 0.5]),
}
CASES = {
    "sgd": ("SGD", {}),
    "sgd_momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    "sgd_nesterov": ("SGD", {"learning_rate": 0.05, "momentum": 0.8, "nesterov": True}),
    "sgd_decay": ("SGD", {"learning_rate": 0.05, "weight_decay": 0.02}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop_momentum": ("RMSprop", {"rho": 0.8, "momentum": 0.7}),
    "rmsprop_centered": ("RMSprop", {"centered": True, "epsilon": 1e-3}),
    "rmsprop_both": ("RMSprop", {"centered": True, "momentum": 0.5, "epsilon": 1e-3}),
    "adagrad": ("Adagrad", {"learning_rate": 0.05}),
    "adam": ("Adam", {}),
    "adam_amsgrad": ("Adam", {"learning_rate": 0.01, "amsgrad": True, "beta_2": 0.9}),
    "adam_epsilon": ("Adam", {"learning_rate": 0.01, "epsilon": 0.5}),
    "adam_clipnorm": ("Adam", {"clipnorm": 1.0, "epsilon": 0.1}),
    "adam_clipvalue": ("Adam", {"clipvalue": 0.3, "epsilon": 0.1}),
    "adam_global_clipnorm": ("Adam", {"global_clipnorm": 1.5, "epsilon": 0.1}),
    "adamw": ("AdamW", {"learning_rate": 0.01}),
    "adamw_excluded": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1}),
    "nadam": ("Nadam", {}),
    "nadam_decay": ("Nadam", {"learning_rate": 0.01, "weight_decay": 0.05}),
    "adam_ema": ("Adam", {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 4}),
    "adam_accumulate": ("Adam", {"learning_rate": 0.01, "gradient_accumulation_steps": 5}),
    "nadam_accumulate_ema": ("Nadam", {"gradient_accumulation_steps": 2, "use_ema": True, "clipnorm": 1.0}),
    "sgd_schedule": ("SGD", {"learning_rate": "cosine_warmup"}),
}
# Keras takes Python's numbers through float32 on their way to float64: these have equal values in both.
EXACT = {
    "sgd": {"learning_rate": 2**-4, "momentum": 0.875, "nesterov": True, "weight_decay": 2**-7},
    "rmsprop": {"learning_rate": 2**-8, "rho": 0.875, "momentum": 0.5, "epsilon": 2**-10, "centered": True},
    "adagrad": {"learning_rate": 2**-3, "initial_accumulator_value": 0.125, "epsilon": 2**-20},
    "adam": {"learning_rate": 2**-7, "beta_1": 0.875, "beta_2": 0.9375, "epsilon": 2**-20, "clipnorm": 1.0},
    "amsgrad": {"learning_rate": 2**-7, "beta_1": 0.5, "beta_2": 0.75, "amsgrad": True, "epsilon": 2**-20},
    "adamw": {"learning_rate": 2**-7, "beta_1": 0.875, "beta_2": 0.9375, "epsilon": 2**-20, "weight_decay": 2**-5},
}
RULES = {"sgd": "SGD", "rmsprop": "RMSprop", "adagrad": "Adagrad", "adam": "Adam", "amsgrad": "Adam", "adamw": "AdamW"}


def schedule(name):
    kind, arguments = SCHEDULES[name]
    return getattr(keras.optimizers.schedules, kind)(*arguments)


def run(kind, options, start, gradients, dtype, excluded=None):
    """Make fifty updates; return the optimizer and the variables after each of STEPS."""
    keras.backend.clear_session()
    keras.config.set_floatx(dtype)
    options = dict(options)
    if isinstance(options.get("learning_rate"), str):
        options["learning_rate"] = schedule(options["learning_rate"])
    optimizer = getattr(keras.optimizers, kind)(**options)
    if excluded:
        optimizer.exclude_from_weight_decay(var_names=excluded)
    variables = [keras.Variable(w.astype(dtype), name=name, dtype=dtype) for name, w in start.items()]
    snapshots = {}
    for step in range(50):
        optimizer.apply([gradients[v.name][step].astype(dtype) for v in variables], variables)
        if step + 1 in STEPS:
            snapshots |= {f"{step + 1}/{v.name}": v.numpy() for v in variables}
    return optimizer, snapshots


def main():
    rng = np.random.default_rng(7)
    start = {"kernel": rng.normal(size=(3, 4)).astype("float32"), "bias": rng.normal(size=4).astype("float32")}
    scale = np.where(np.arange(50) % 7 == 0, 3.0, 0.3)
    gradients = {
        name: (rng.normal(size=(50, *w.shape)) * scale.reshape(-1, *[1] * w.ndim)).astype("float32")
        for name, w in start.items()
    }
    arrays = {f"start/{n}": w for n, w in start.items()} | {f"gradients/{n}": g for n, g in gradients.items()}
    facts = {"steps": STEPS, "cases": {}, "schedules": {}}
    for case, options in EXACT.items():
        _, snapshots = run(RULES[case], options, start, gradients, "float64")
        arrays |= {f"exact/{case}/{name}": array for name, array in snapshots.items()}
    facts["exact"] = {case: {"class": RULES[case], "options": options} for case, options in EXACT.items()}
    for case, (kind, options) in CASES.items():
        excluded = ["bias"] if case.endswith("excluded") else None
        optimizer, snapshots = run(kind, options, start, gradients, "float32", excluded)
        arrays |= {f"{case}/{name}": array for name, array in snapshots.items()}
        arrays |= {f"{case}/state/{i}": v.numpy() for i, v in enumerate(optimizer.variables)}
        facts["cases"][case] = {
            "class": kind,
            "options": options,
            "config": keras.optimizers.serialize(optimizer),
            "variables": [[v.name, list(v.shape), str(v.dtype)] for v in optimizer.variables],
        }
    for name, (kind, arguments) in SCHEDULES.items():
        made = schedule(name)
        facts["schedules"][name] = {
            "class": kind,
            "arguments": arguments,
            "config": keras.optimizers.schedules.serialize(made),
            "values": [float(made(step)) for step in range(45)],
        }
    np.savez_compressed(HERE / "optimizers.npz", **arrays)
    (HERE / "optimizers.json").write_text(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
