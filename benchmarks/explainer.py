"""How fast the explainer's pages open, and how soon an interaction is on the screen. Needs Playwright and Chromium.

Run: ``.venv/bin/python benchmarks/explainer.py [--repeat 9]``. Prints medians; times are wall-clock, in milliseconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

import convolens as cl

MODELS = {"lenet5": cl.zoo.lenet5, "convolutional_model": cl.zoo.convolutional_model, "happy_model": cl.zoo.happy_model}

# From the event until the browser has painted what it caused.
_PAINTED = """async (act) => {
  const start = performance.now();
  eval(act);
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - start;
}"""

_PICK = """(() => { const field = document.querySelector('section.centre .picker input');
  field.value = String((Number(field.value) + 1) % Number(field.max));
  field.dispatchEvent(new Event('change', { bubbles: true })); })()"""
_WEIGHT = """(() => { const field = document.querySelector('input[type=number][step=any]');
  field.value = String(Number(field.value) + 0.01);
  field.dispatchEvent(new Event('change', { bubbles: true })); })()"""


def opened(page: Page, path: Path) -> float:
    """Return how long a page takes from the request until the network is drawn."""
    page.goto("about:blank")
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_selector("#block-1 canvas")
    return float(
        page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))")
    )


def measure(page: Page, act: str, repeat: int) -> float:
    """Return the median time of an interaction."""
    return statistics.median(page.evaluate(_PAINTED, act) for _ in range(repeat))


def measure_page(page: Page, path: Path, repeat: int) -> dict[str, Any]:
    """Measure one page."""
    row: dict[str, Any] = {"MB": path.stat().st_size / 1e6}
    row["open"] = statistics.median(opened(page, path) for _ in range(max(repeat // 3, 1)))
    page.locator("nav").get_by_role("button", name="Layer", exact=True).click()
    names = page.get_by_label("Layer", exact=True).locator("option").all_inner_texts()
    node = next(k for k, name in enumerate(names) if name.startswith("conv2d"))
    page.get_by_label("Layer", exact=True).select_option(str(node))
    row["move the window"] = measure(page, _PICK, repeat)
    page.get_by_role("button", name="Back to an input").click()
    row["move it, backward"] = measure(page, _PICK, repeat)
    page.get_by_role("button", name="Back to a weight").click()
    row["change a weight"] = measure(page, _WEIGHT, repeat)
    assert page.get_by_role("button", name="Undo all changes").count(), "the weight was not changed"
    return row


def main() -> None:
    """Measure the pages of the tasks' networks and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=9)
    repeat = parser.parse_args().repeat
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        rows = {}
        for name, build in MODELS.items():
            model = build()
            path = Path(folder) / f"{name}.html"
            cl.explain(model, rng.uniform(size=model.inputs[0].shape[1:]), 1).save(path)
            rows[name] = measure_page(page, path, repeat)
        browser.close()
    names = list(next(iter(rows.values())))
    print("| network | " + " | ".join(names) + " |\n|---|" + "---:|" * len(names))
    for name, row in rows.items():
        print(
            f"| {name} | "
            + " | ".join(f"{row[key]:.2f}" if key == "MB" else f"{row[key]:.0f} ms" for key in names)
            + " |"
        )


if __name__ == "__main__":
    main()
