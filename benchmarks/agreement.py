"""Whether the compiled kernels train as the NumPy ones do: SIGNS, twenty epochs, five seeds, both backends.

    python benchmarks/agreement.py --data DIR

Rounding alone moves a single run, so the medians of the five seeds' last losses are compared. Writes
``benchmarks/results/agreement.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import convolens as cl

RESULT = Path(__file__).parent / "results" / "agreement.json"
EPOCHS, SEEDS = 20, range(5)


def last_loss(kernels: str, seed: int, signs: cl.datasets.Dataset) -> float:
    """Train anew and return the loss of the last epoch."""
    with cl.kernels.use(kernels):
        cl.utils.set_random_seed(seed)
        model = cl.zoo.convolutional_model()
        history = model.fit(signs.x_train, signs.y_train, batch_size=64, epochs=EPOCHS, verbose=0)
    return float(history.history["loss"][-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with signs/")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    signs = cl.datasets.load("signs", options.data)
    losses = {name: [last_loss(name, seed, signs) for seed in SEEDS] for name in ("compiled", "vectorized")}
    medians = {name: statistics.median(values) for name, values in losses.items()}
    found = {
        "task": "signs",
        "epochs": EPOCHS,
        "seeds": list(SEEDS),
        "last_losses": losses,
        "medians": medians,
        "difference": medians["compiled"] / medians["vectorized"] - 1,
    }
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"medians {medians}, difference {found['difference']:+.2%}")


if __name__ == "__main__":
    main()
