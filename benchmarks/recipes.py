"""Choose the recipes of the tasks: cross-validation of candidates on the training images alone.

    python benchmarks/recipes.py --data DIR              all tasks
    python benchmarks/recipes.py --data DIR signs smiles some of them

Folds are stratified and seeded, near duplicates lie in one fold, and the test images are not read. Of the large sets
one fold of six is held out (10,000 images), of the small ones one or two of four. The first candidate is the recipe in
use. Prints a line per candidate and writes ``benchmarks/results/recipes/TASK.json``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

from convolens import datasets
from convolens.runs import cross_validate, recipe_for

RESULTS = Path(__file__).parent / "results" / "recipes"

#: Per task: folds, how many of them are held out in turn, and what each candidate changes in a network's recipe.
CANDIDATES: dict[str, tuple[int, int, list[dict[str, Any]]]] = {
    "mnist": (6, 1, [{}, {"epochs": 12, "augment": False}]),
    "fashion_mnist": (6, 1, [{}, {"epochs": 15, "augment": False}]),
    "signs": (
        4,
        2,
        [
            {},
            {"learning_rate": 0.01},
            {"network": "signs_cnn"},
            {"network": "signs_cnn", "epochs": 30, "augment": False},
        ],
    ),
    "smiles": (
        4,
        1,
        [
            {},
            {"augment": False, "epochs": 15},
            {"network": "smile_cnn"},
            {"network": "smile_cnn", "epochs": 20, "augment": False},
        ],
    ),
}


def judge(task: str, data: Path) -> list[dict[str, Any]]:
    """Cross-validate the candidates of a task."""
    folds, use, candidates = CANDIDATES[task]
    dataset = datasets.load(task, data)
    results = []
    for change in candidates:
        recipe = dataclasses.replace(recipe_for(dataset, change.get("network")), **change)
        processor = time.process_time()
        found = cross_validate(dataset, recipe, folds=folds, use=use)
        low, high = found.interval
        print(f"{task} {change or 'recipe in use'}: {found.accuracy:.4f} ({low:.4f} to {high:.4f})", flush=True)
        results.append({**found.to_dict(), "processor_seconds": round(time.process_time() - processor, 1)})
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(CANDIDATES))
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/, signs/, ...")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    for task in options.tasks or CANDIDATES:
        if task not in CANDIDATES:
            parser.error(f"{task!r} is none of {', '.join(CANDIDATES)}")
        results = judge(task, options.data)
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{task}.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
