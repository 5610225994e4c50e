"""Train the tasks on the real files with the defaults of ``convolens train``, and keep the figures.

    python benchmarks/accuracy.py --data DIR              all of them
    python benchmarks/accuracy.py --data DIR signs mnist  some of them

Each becomes a file in ``benchmarks/results/accuracy``: options, figures, checksums of the data, environment, CPU time.
No image and no network is kept. The recipes were chosen on the training images alone (``benchmarks/recipes.py``).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from convolens.runs import Run, train_task

RESULTS = Path(__file__).parent / "results" / "accuracy"

#: Name of the result: the task, and the network if it is not the task's own.
RUNS = {
    "mnist": ("mnist", None),
    "fashion_mnist": ("fashion_mnist", None),
    "signs": ("signs", None),
    "signs-signs_cnn": ("signs", "signs_cnn"),
    "smiles": ("smiles", None),
    "smiles-smile_cnn": ("smiles", "smile_cnn"),
    "smiles-smile_trio": ("smiles", "smile_trio"),
}

FIGURES = (
    "accuracy", "accuracy_interval", "count", "misclassified_count", "leaked_test_images", "without_leaked", "auc",
    "expected_calibration_error", "classes", "confusion_matrix", "protocol",
)  # fmt: skip


def measure(task: str, network: str | None, data: Path, seed: int) -> dict[str, Any]:
    """Train, and return what is worth keeping of the run."""
    processor = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = train_task(task, model=network, data_dir=data, seed=seed, out=Path(folder) / "run", verbose=2)
        return summary(run, time.process_time() - processor)


def summary(run: Run, processor_seconds: float) -> dict[str, Any]:
    config, metrics = run.config, run.metrics
    options = {name: value for name, value in config["options"].items() if name != "data_dir"}
    words = config["command"].split(" --data ")[0]
    return {
        "command": f"{words} --data DIR",
        "options": options,
        "kept": config["kept"],
        "metrics": {name: metrics[name] for name in FIGURES if name in metrics},
        "data": {
            "training_images": config["data"]["training_images"],
            "test_images": config["data"]["test_images"],
            "sha256": {Path(path).name: digest for path, digest in config["data"]["files"].items()},
            "notes": config["data"]["notes"],
        },
        "environment": config["environment"],
        "processor_seconds": round(processor_seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="RUN", help=", ".join(RUNS))
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/, signs/, ...")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    for name in options.runs or RUNS:
        if name not in RUNS:
            parser.error(f"{name!r} is none of {', '.join(RUNS)}")
        result = measure(*RUNS[name], options.data, options.seed)
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        metrics = result["metrics"]
        rest = metrics.get("without_leaked")
        honest = f"; without {len(metrics['leaked_test_images'])} leaked {rest['accuracy']:.4f}" if rest else ""
        print(f"{name}: accuracy {metrics['accuracy']:.4f}{honest}; {result['processor_seconds']} s", flush=True)


if __name__ == "__main__":
    main()
