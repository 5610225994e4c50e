"""The recipes in use are those that were cross-validated, with the results that the script writes."""

from __future__ import annotations

import dataclasses
import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from convolens.datasets import Dataset
from convolens.datasets.dataset import assemble
from convolens.reporting.report import _CROSS_VALIDATED
from lookalikes import digits_like

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(ROOT / "benchmarks" / "recipes.py")))


def named(name: str) -> Dataset:
    x, y = digits_like(60, side=8)
    return dataclasses.replace(assemble("rows", (x[:48], y[:48]), (x[48:], y[48:]), list("0123456789")), name=name)


def test_the_committed_results_are_of_the_candidates_and_the_recipes_in_use(script: SimpleNamespace) -> None:
    assert {path.stem for path in script.RESULTS.glob("*.json")} == set(script.CANDIDATES) == set(_CROSS_VALIDATED)
    for task, (folds, use, candidates) in script.CANDIDATES.items():
        results = json.loads((script.RESULTS / f"{task}.json").read_text())
        wanted = [script.asked(named(task), change, folds, use) for change in candidates]
        assert [{name: result[name] for name in wanted[0]} for result in results] == wanted, f"run recipes.py {task}"
        assert all(len(result["accuracies"]) == use for result in results)
        for number, change in enumerate(candidates):
            if set(change) <= {"network"}:  # a recipe in use: no candidate for its network lies above its interval
                rivals = [
                    other for other in results if other["options"]["network"] == wanted[number]["options"]["network"]
                ]
                assert max(other["accuracy"] for other in rivals) <= results[number]["interval"][1]


def test_what_is_known_is_not_done_again(script: SimpleNamespace, tmp_path: Path, capsys: Any) -> None:
    data, path = named("rows"), tmp_path / "rows.json"
    quick = {"network": "digits_cnn", "epochs": 1, "batch_size": 8, "validation": 0.0}
    first, second, third = ({**quick, **more} for more in ({"dropout": 0.5}, {"optimizer": "sgd"}, {"augment": True}))
    script.CANDIDATES["rows"] = (3, 1, [first, second])
    script.judge("rows", data, path)
    before = json.loads(path.read_text())
    assert [result["candidate"] for result in before] == [first, second]
    assert before[0]["options"]["dropout"] == 0.5
    assert before[1]["options"]["optimizer"] == "sgd"
    path.write_text(json.dumps([{**before[0], "accuracy": 0.125}, before[1]]))
    script.CANDIDATES["rows"] = (3, 1, [third, first])
    script.judge("rows", data, path)
    after = json.loads(path.read_text())
    assert [result["candidate"] for result in after] == [third, first]
    assert [layer for layer, _ in after[0]["augmentation"]] == ["RandomRotation", "RandomTranslation"]
    assert after[1]["accuracy"] == 0.125
    script.judge("rows", data, path, again=True)
    assert json.loads(path.read_text())[1]["accuracy"] == before[0]["accuracy"]
    assert "'dropout': 0.5}: 0." in capsys.readouterr().out
