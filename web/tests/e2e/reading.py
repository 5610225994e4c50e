"""Reads the numbers of the layer view as a person sees them: from the text of the page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from playwright.sync_api import Page

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def number(text: str) -> float:
    """Return the number that a text shows, with the typographic minus."""
    return float(text.replace("−", "-").strip())


@dataclass
class Group:
    """The products of one channel, filter or parameter as the page shows them.

    Attributes:
        title: what stands above them.
        labels: of a list, the name of each term; empty for tables.
        columns: by heading (``x``, ``w``, ``x·w``), the numbers in order.
        total: the sum beside the title.
        rest: whether a list leaves terms out.
    """

    title: str
    labels: list[str]
    columns: dict[str, np.ndarray]
    total: float | None
    rest: bool


@dataclass
class Shown:
    """One explanation: its groups, the steps to the result, and the recorded number beside it."""

    groups: list[Group]
    steps: list[float]
    step_names: list[str]
    recorded: float | None

    @property
    def result(self) -> float:
        """The last step."""
        return self.steps[-1]


_READ = """() => {
  const text = (e) => e.textContent.trim();
  const root = document.querySelector('section.centre');
  const groups = [...root.querySelectorAll('[data-testid=group]')].map((g) => {
    const tables = [...g.querySelectorAll('table[data-testid^=grid-]')].map((t) => ({
      caption: text(t.querySelector('caption')), cells: [...t.querySelectorAll('td')].map(text)}));
    const list = g.querySelector('table[data-testid=terms]');
    const heads = list ? [...list.querySelectorAll('th')].map(text) : [];
    const rows = list ? [...list.querySelectorAll('tbody tr')].filter((r) => r.querySelector('td[data-term]')).map(
      (r) => [...r.querySelectorAll('td')].map(text)) : [];
    const total = g.querySelector('[data-testid=group-sum]');
    const rest = Boolean(list && list.querySelector('td[colspan]'));
    return {title: g.dataset.title, tables, heads, rows, total: total && text(total), rest};
  });
  const ribbon = root.querySelector('[data-testid=ribbon]');
  const steps = [...ribbon.querySelectorAll('[data-testid=step]')];
  const recorded = ribbon.querySelector('[data-testid=recorded]');
  return {groups, steps: steps.map(text), names: steps.map((s) => text(s.parentElement.querySelector('span'))),
          recorded: recorded && text(recorded)};
}"""


def _group(raw: dict[str, Any]) -> Group:
    columns: dict[str, np.ndarray] = {}
    for table in raw["tables"]:
        name, _, power = table["caption"].partition(" · 10")
        scale = 10.0 ** int(power.translate(_SUPERSCRIPTS)) if power else 1.0
        columns[name] = np.array([number(cell) for cell in table["cells"]]) * scale
    labels = [row[0] for row in raw["rows"]]
    for position, name in enumerate(raw["heads"]):
        if labels and position and name:
            columns[name] = np.array([number(row[position]) for row in raw["rows"]])
    return Group(raw["title"], labels, columns, None if raw["total"] is None else number(raw["total"]), raw["rest"])


def read(page: Page, whole_lists: bool = False) -> Shown:
    """Return what the middle of the layer view shows: all groups and terms; of lists above 400 the largest 400.

    With ``whole_lists`` all pages of those are turned too.
    """
    middle = page.locator("section.centre")
    while (more := middle.get_by_text(re.compile(r"^show (all|\d+)" if whole_lists else "^show all"))).count():
        more.first.click()
    raw = page.evaluate(_READ)
    recorded = raw["recorded"]
    return Shown(
        [_group(one) for one in raw["groups"]],
        [number(text) for text in raw["steps"]],
        raw["names"],
        None if recorded in (None, "n/a") else number(recorded),
    )


def pick(page: Page, index: tuple[int, ...]) -> None:
    """Type an index into the number fields above the sum."""
    fields = page.locator("section.centre .picker input")
    for axis, i in enumerate(index):
        fields.nth(axis).fill(str(i))
        fields.nth(axis).press("Tab")


def open_layer(page: Page, node: int, direction: str) -> None:
    """Turn to a layer by its number, and to one of the ways of looking at it."""
    page.locator("nav").get_by_role("button", name="Layer", exact=True).click()
    page.get_by_label("Layer", exact=True).select_option(str(node))
    page.get_by_label("Direction").get_by_role("button", name=direction, exact=True).click()
