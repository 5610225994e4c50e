"""Choose the recipes of the tasks: cross-validation of candidates on the training images alone.

    python benchmarks/recipes.py --data DIR              all tasks
    python benchmarks/recipes.py --data DIR signs smiles some of them

Folds are stratified and seeded, near duplicates lie in one fold, and the test images are not read. Of the small sets
every fold is held out in turn, of the large ones two of six (20,000 images). An empty candidate, or one that only
names a network, is a recipe in use. Prints a line per candidate and writes ``benchmarks/results/recipes/TASK.json``
after each. Candidates that are in that file are left as they are, unless one says ``--again``, as after a change of a
network.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from convolens import datasets
from convolens.datasets import Dataset
from convolens.files import replacing
from convolens.runs import Recipe, cross_validate, recipe_for
from convolens.runs.training import complete

RESULTS = Path(__file__).parent / "results" / "recipes"

#: Per task: folds, how many of them are held out in turn, and what each candidate changes in a network's recipe:
#: its own fields, ``optimizer`` or ``dropout``.
CANDIDATES: dict[str, tuple[int, int, list[dict[str, Any]]]] = {
    "digits": (
        4,
        4,
        [
            {},
            {"validation": 0.0},
            {"validation": 0.0, "epochs": 40},
            {"learning_rate": 1e-3},
            {"dropout": 0.5},
            {"augment": False},
        ],
    ),
    "signs": (
        4,
        4,
        [
            {},
            {"learning_rate": 1e-3},
            {"learning_rate": 0.01},
            {"network": "signs_cnn"},
            {"network": "signs_cnn", "augment": False},
        ],
    ),
    "smiles": (
        4,
        4,
        [
            {},
            {"learning_rate": 1e-3},
            {"augment": False},
            {"network": "smile_cnn"},
            {"network": "smile_cnn", "dropout": 0.3, "learning_rate": 3e-3},
            {"network": "smile_cnn", "epochs": 60},
            {"network": "smile_cnn", "augment": False, "epochs": 20},
            {"network": "smile_trio"},
        ],
    ),
    "fashion_mnist": (6, 2, [{}, {"augment": False, "epochs": 15}]),
    "mnist": (6, 2, [{}, {"augment": False, "epochs": 12}]),
}


def resolved(dataset: Dataset, change: dict[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe of a candidate, and those of its options that no recipe has."""
    fields = {field.name for field in dataclasses.fields(Recipe)}
    recipe = dataclasses.replace(
        recipe_for(dataset, change.get("network")), **{name: change[name] for name in change if name in fields}
    )
    return recipe, {name: change[name] for name in change if name not in fields}


def asked(dataset: Dataset, change: dict[str, Any], folds: int, use: int) -> dict[str, Any]:
    """Return what the result of a candidate says of itself, before it is there."""
    recipe, given = resolved(dataset, change)
    options = complete(recipe, given)
    return {
        "candidate": change,
        "options": dataclasses.asdict(options),
        "augmentation": recipe.variations if options.augment else [],
        "folds": folds,
        "held_out": use,
    }


def judge(task: str, dataset: Dataset, path: Path, again: bool = False) -> None:
    """Cross-validate the candidates of a task, and write the results as they come."""
    folds, use, candidates = CANDIDATES[task]
    known = json.loads(path.read_text()) if path.is_file() and not again else []
    results: dict[int, dict[str, Any]] = {
        number: old
        for number, change in enumerate(candidates)
        for old in known
        if asked(dataset, change, folds, use).items() <= old.items()
    }
    for number, change in enumerate(candidates):
        if number not in results:
            recipe, given = resolved(dataset, change)
            found = cross_validate(dataset, recipe, folds=folds, use=use, **given)
            results[number] = {"candidate": change, "held_out": use, **found.to_dict()}
        with replacing(path) as beside:
            beside.write_text(json.dumps([results[i] for i in sorted(results)], indent=1) + "\n")
        accuracy, (low, high) = results[number]["accuracy"], results[number]["interval"]
        print(f"{task} {change or 'recipe in use'}: {accuracy:.4f} ({low:.4f} to {high:.4f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(CANDIDATES))
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/, signs/, ...")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--again", action="store_true", help="cross-validate also what is there already")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for task in options.tasks or CANDIDATES:
        if task not in CANDIDATES:
            parser.error(f"{task!r} is none of {', '.join(CANDIDATES)}")
        judge(task, datasets.load(task, options.data), options.out / f"{task}.json", options.again)


if __name__ == "__main__":
    main()
