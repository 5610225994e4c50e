"""Write the tables of the documents from the result files; ``--check`` only says whether they are up to date.

A table stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"


def accuracy() -> str:
    """Return the table of test accuracies, a row per file in ``results/accuracy``."""
    rows = ["| task | network | test accuracy (95 % interval) | training |", "| --- | --- | --- | --- |"]
    for path in sorted((RESULTS / "accuracy").glob("*.json")):
        found: dict[str, Any] = json.loads(path.read_text())
        metrics, options = found["metrics"], found["options"]
        words = _percent(metrics)
        clean = metrics.get("without_leaked")
        if clean:
            words += f"; {_percent(clean)} on the {clean['count']} test images that are not training images too"
        task = found["command"].split()[2]
        training = f"{options['epochs']} epochs, seed {options['seed']}, {found['processor_seconds']:.0f} s of CPU time"
        rows.append(f"| `{task}` | `{options['network']}` | {words} | {training} |")
    return "\n".join(rows)


def _percent(metrics: dict[str, Any]) -> str:
    low, high = metrics["accuracy_interval"]
    return f"{100 * metrics['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def speed() -> str:
    """Return the machine, the conditions and the table of ``convolens bench --out``."""
    return (RESULTS / "speed" / "results.md").read_text().strip()


def recipes() -> str:
    """Return the table of cross-validated candidates, a row per entry of the files in ``results/recipes``."""
    rows = ["| task | network | what is changed | held out | accuracy (95 % interval) | CPU time |"]
    rows.append("| --- | --- | --- | --- | --- | --- |")
    for path in sorted((RESULTS / "recipes").glob("*.json")):
        for found in json.loads(path.read_text()):
            changes = {name: value for name, value in found["candidate"].items() if name != "network"}
            words = ", ".join(f"`{name}={value!r}`" for name, value in changes.items()) or "nothing: in use"
            held_out = f"{found['held_out']} of {found['folds']} folds, {found['count']:,} images"
            accuracy = _percent({"accuracy": found["accuracy"], "accuracy_interval": found["interval"]})
            seconds = f"{found['processor_seconds']:.0f} s"
            rows.append(
                f"| `{path.stem}` | `{found['options']['network']}` | {words} | {held_out} | {accuracy} | {seconds} |"
            )
    return "\n".join(rows)


def explainer() -> str:
    """Return the table of the explainer's waits, a row per network."""
    pages = json.loads((RESULTS / "explainer.json").read_text())["pages"]
    waits = list(next(iter(pages.values()))["medians"])
    rows = [f"| network | file | {' | '.join(waits)} |", "| --- | ---: |" + " ---: |" * len(waits)]
    for name, page in pages.items():
        times = " | ".join(f"{min(page['medians'][wait]):.0f} ms" for wait in waits)
        rows.append(f"| `{name}` | {page['megabytes']:.1f} MB | {times} |")
    return "\n".join(rows)


#: Where each table stands, and what makes it.
TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "accuracy": ("README.md", accuracy),
    "speed": ("README.md", speed),
    "recipes": ("docs/recipes.md", recipes),
    "explainer": ("docs/explainer.md", explainer),
}


def filled(name: str, text: str) -> str:
    """Return a document with one of its tables made anew."""
    document, make = TABLES[name]
    pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    text, count = re.subn(pattern, lambda found: found[1] + make() + "\n" + found[2], text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{document} has {count} places for the table {name!r}; expected 1.")
    return text


def main() -> int:
    stale = 0
    for name, (document, _) in TABLES.items():
        before = (ROOT / document).read_text()
        after = filled(name, before)
        stale += before != after
        if "--check" not in sys.argv:
            (ROOT / document).write_text(after)
    return int(stale > 0 and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
