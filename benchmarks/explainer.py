"""How fast the explainer's pages open, and how soon an interaction is on the screen. Needs Playwright and Chromium.

Run: ``.venv/bin/python benchmarks/explainer.py [--rounds 3] [--repeat 9] [--out FILE]``.

Times are wall-clock, in milliseconds, from the event until the browser has painted what it caused. Each round opens
the page anew and takes the median of ``--repeat`` tries; the least of the rounds' medians counts, and all are kept in
``benchmarks/results/explainer.json`` with the machine and its load.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

import convolens as cl
from convolens.benchmarking.measure import machine

RESULT = Path(__file__).parent / "results" / "explainer.json"
MODELS = {"lenet5": cl.zoo.lenet5, "convolutional_model": cl.zoo.convolutional_model, "happy_model": cl.zoo.happy_model}

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
_NEXT = """(() => { const field = document.querySelector('select[aria-label=Layer]');
  field.value = String((Number(field.value) + 1) % field.options.length);
  field.dispatchEvent(new Event('change', { bubbles: true })); })()"""
_SWITCH = "document.querySelector('.bar .segments button[aria-pressed=false]').click()"
_DRAW = """(() => { const canvas = document.querySelector('canvas[aria-label="The image: draw here"]');
  const box = canvas.getBoundingClientRect();
  window.drawn = ((window.drawn ?? 0) + 23) % 160;
  const at = { clientX: box.left + 30 + window.drawn, clientY: box.top + 190 - window.drawn };
  canvas.dispatchEvent(new PointerEvent('pointermove', { ...at, bubbles: true })); })()"""


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


def interactions(page: Page, path: Path, repeat: int) -> Iterator[tuple[str, float]]:
    """Go through one page and yield what each interaction takes."""
    yield "open", statistics.median(opened(page, path) for _ in range(max(repeat // 3, 1)))
    yield "activations or gradients", measure(page, _SWITCH, repeat)
    page.locator("nav").get_by_role("button", name="Layer", exact=True).click()
    yield "turn to a layer", measure(page, _NEXT, repeat)
    names = page.get_by_label("Layer", exact=True).locator("option").all_inner_texts()
    node = next(k for k, name in enumerate(names) if name.startswith("conv2d"))
    page.get_by_label("Layer", exact=True).select_option(str(node))
    yield "move the window", measure(page, _PICK, repeat)
    page.get_by_role("button", name="Back to an input").click()
    yield "move it, backward", measure(page, _PICK, repeat)
    page.get_by_role("button", name="Back to a weight").click()
    yield "change a weight", measure(page, _WEIGHT, repeat)
    assert page.get_by_role("button", name="Undo all changes").count(), "the weight was not changed"
    page.locator("nav").get_by_role("button", name="Network", exact=True).click()
    page.get_by_role("button", name="What if").click()
    box = page.get_by_label("The image: draw here").bounding_box()
    assert box, "there is no image to draw on"
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    for shown in ("Activations", "Gradients"):
        page.evaluate(
            f"[...document.querySelectorAll('.bar button')].find((b) => b.textContent.trim() === '{shown}').click()"
        )
        before = page.get_by_test_id("now").all_inner_texts()
        yield f"draw, {shown.lower()} shown", measure(page, _DRAW, repeat)
        assert page.get_by_test_id("now").all_inner_texts() != before, "nothing was drawn"
    page.mouse.up()


def measure_page(page: Page, path: Path, rounds: int, repeat: int) -> dict[str, Any]:
    """Measure one page: its size in megabytes, and the medians of all rounds."""
    medians: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, median in interactions(page, path, repeat):
            medians.setdefault(name, []).append(round(median, 1))
    return {"megabytes": round(path.stat().st_size / 1e6, 2), "medians": medians}


def main() -> None:
    """Measure the pages of the tasks' networks, print a table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {"machine": machine(), "rounds": options.rounds, "repeat": options.repeat}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        found["browser"] = f"Chromium {browser.version}, headless"
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        found["pages"] = {}
        for name, build in MODELS.items():
            model = build()
            path = Path(folder) / f"{name}.html"
            cl.explain(model, rng.uniform(size=model.inputs[0].shape[1:]), 1).save(path)
            found["pages"][name] = measure_page(page, path, options.rounds, options.repeat)
        browser.close()
    found["load_after"] = os.getloadavg()[0]
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    names = list(next(iter(found["pages"].values()))["medians"])
    print("| network | file | " + " | ".join(names) + " |\n|---|---:|" + "---:|" * len(names))
    for name, row in found["pages"].items():
        times = " | ".join(f"{min(row['medians'][key]):.0f} ms" for key in names)
        print(f"| {name} | {row['megabytes']:.2f} MB | {times} |")


if __name__ == "__main__":
    main()
