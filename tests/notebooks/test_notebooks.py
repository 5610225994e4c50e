"""The shipped notebooks are their sources, executed; make test-all runs every cell of them in small settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = ["application", "convolution_step_by_step", "digits_from_scratch", "lenet5"]


def cells_of(name: str) -> list[dict[str, Any]]:
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    return notebook["cells"]


def test_all_are_shipped() -> None:
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.py") if path.stem != "build") == NAMES
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_source_is_the_same(name: str) -> None:
    jupytext = pytest.importorskip("jupytext")
    source = jupytext.read(NOTEBOOKS / f"{name}.py", fmt="py:percent")
    expected = [(cell.cell_type, cell.source) for cell in source.cells]
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in cells_of(name)] == expected


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_ran_in_order_without_an_error(name: str) -> None:
    code = [cell for cell in cells_of(name) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    kinds = {output["output_type"] for cell in code for output in cell["outputs"]}
    assert kinds <= {"stream", "display_data", "execute_result"}
    assert any("image/png" in output.get("data", {}) for cell in code for output in cell["outputs"])


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_small_and_tell_nothing_of_the_machine(name: str) -> None:
    path = NOTEBOOKS / f"{name}.ipynb"
    assert path.stat().st_size < 2_000_000
    texts = [json.dumps({**cell, "outputs": _without_pictures(cell)}) for cell in cells_of(name)]
    for trace in ("/home/", "/root/", "/tmp/", "site-packages", "ms/step", " at 0x"):
        assert not [text for text in texts if trace in text]


def _without_pictures(cell: dict[str, Any]) -> list[Any]:
    outputs = [dict(output.get("data", {"text": output.get("text")})) for output in cell.get("outputs", [])]
    return [{kind: value for kind, value in data.items() if kind != "image/png"} for data in outputs]
