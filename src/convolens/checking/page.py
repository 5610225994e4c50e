"""A report as HTML: one file without scripts or network, and the same as a notebook's display."""

from __future__ import annotations

from html import escape

from convolens.checking.results import Report, Result

__all__ = ["fragment", "page"]

_STYLE = """
.cl-check { --ink: #1d2430; --soft: #5b6677; --line: #d5dae2; --paper: #ffffff; --panel: #f6f7f9;
  --right: #1a7f4b; --wrong: #b3261e; --missing: #6b7280; --mark: #fff1c9;
  color: var(--ink); background: var(--paper); font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; }
@media (prefers-color-scheme: dark) { .cl-check { --ink: #e6e9ee; --soft: #a0a9b8; --line: #39414e; --paper: #15181d;
  --panel: #1e232b; --right: #5fc490; --wrong: #ff8a80; --missing: #9aa3b2; --mark: #4a3f17; } }
.cl-check h1 { font-size: 1.35rem; margin: 0 0 .2rem; }
.cl-check h2 { font-size: 1.05rem; margin: 0; font-family: ui-monospace, monospace; }
.cl-check p { margin: .35rem 0; }
.cl-check section { border: 1px solid var(--line); border-left: 4px solid var(--missing); border-radius: 6px;
  padding: .6rem .9rem; margin: .6rem 0; break-inside: avoid; }
.cl-check section.right { border-left-color: var(--right); }
.cl-check section.wrong { border-left-color: var(--wrong); }
.cl-check header { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; }
.cl-check .verdict { font-weight: 600; color: var(--missing); }
.cl-check .right > header .verdict { color: var(--right); }
.cl-check .wrong > header .verdict { color: var(--wrong); }
.cl-check dl { display: grid; grid-template-columns: 6.5rem 1fr; gap: .15rem .8rem; margin: .5rem 0; }
.cl-check dt { color: var(--soft); }
.cl-check dd { margin: 0; overflow-wrap: anywhere; }
.cl-check code, .cl-check pre, .cl-check .cells { font-family: ui-monospace, monospace; font-size: .88em; }
.cl-check pre { background: var(--panel); padding: .4rem .6rem; border-radius: 4px; overflow-x: auto; margin: .2rem 0; }
.cl-check .grids { display: flex; flex-wrap: wrap; gap: 1.2rem; align-items: flex-start; margin: .5rem 0 .2rem; }
.cl-check figure { margin: 0; }
.cl-check figcaption { color: var(--soft); font-size: .82rem; margin-bottom: .2rem; }
.cl-check table.cells { border-collapse: collapse; background: none; }
.cl-check table.cells td { border: 1px solid var(--line); min-width: 2.1rem; height: 1.8rem; padding: 0 .35rem;
  text-align: right; color: var(--ink); background: var(--panel); }
.cl-check table.cells td.zero { color: var(--soft); }
.cl-check table.cells td.marked { background: var(--mark); font-weight: 600; }
.cl-check .diagnosis { background: var(--mark); border-radius: 4px; padding: .1rem .4rem; font-weight: 600; }
.cl-check .note { color: var(--soft); }
.cl-check .times { align-self: center; color: var(--soft); font-size: 1.3rem; }
"""


def page(*reports: Report) -> str:
    """Return one HTML page for one report or several."""
    body = "\n".join(_body(report) for report in reports)
    title = escape(", ".join(report.title for report in reports) or "Check")
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>\n'
        f"<style>{_STYLE}\nbody {{ margin: 2rem auto; padding: 0 1rem; max-width: 60rem; }}\n"
        "@media (prefers-color-scheme: dark) { body { background: #15181d; } }</style></head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def fragment(report: Report) -> str:
    """Return the report as HTML to be shown inside another page."""
    return f"<style>{_STYLE}</style>\n{_body(report)}"


def _body(report: Report) -> str:
    counts = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in ("right", "wrong", "missing"))
    heading = f"<h1>{escape(report.title)}</h1>" if report.title else ""
    notes = "".join(f'<pre class="note">{escape(note)}</pre>' for note in report.notes)
    sections = "\n".join(_section(result, report.reveal) for result in report)
    return f'<div class="cl-check">{heading}<p class="note">{counts}</p>{notes}\n{sections}</div>'


def _section(result: Result, reveal: bool) -> str:
    head = f'<header><h2>{escape(result.function)}</h2><span class="verdict">{result.verdict}</span></header>'
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in result.notes)
    return f'<section class="{result.verdict}">{head}{_facts(result, reveal)}{notes}</section>'


def _facts(result: Result, reveal: bool) -> str:
    rows: list[tuple[str, str]] = []
    if result.case:
        rows.append(("case", escape(result.case)))
    if result.problem:
        rows.append(("problem", escape(result.problem)))
    if result.error and result.error["line"]:
        where = f"{result.error['place']}, line {result.error['line']}"
        rows.append(("your line", f"{escape(where)}<pre>{escape(result.error['text'])}</pre>"))
    if result.index is not None:
        words = f" ({escape(result.place)})" if result.place else ""
        rows.append(("where", f"<code>{escape(result.element)}</code>{words}"))
        rows.append(("expected", f"<code>{escape(str(result.expected))}</code>"))
        rows.append(("actual", f"<code>{escape(str(result.actual))}</code>"))
    if result.arithmetic:
        rows.append(("right is", f"<code>{escape(result.arithmetic)}</code>{_drawn(result)}"))
    if result.pattern:
        rows.append(("pattern", escape(result.pattern)))
    if result.diagnosis:
        rows.append(("diagnosis", f'<span class="diagnosis">{escape(result.diagnosis)}</span>'))
    if result.hint:
        rows.append(("hint", escape(result.hint)))
    if reveal and result.answer:
        rows.append(("answer", _code(result.answer)))
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in rows)}</dl>" if rows else ""


def _code(text: str) -> str:
    """Backquoted parts as code."""
    parts = text.split("`")
    return "".join(f"<code>{escape(part)}</code>" if odd % 2 else escape(part) for odd, part in enumerate(parts))


def _drawn(result: Result) -> str:
    """The grids side by side, with a sign between each window and what it is multiplied with."""
    figures = [_figure(*grid) for grid in result.grids]
    plain = sum(bool(marked) for _, _, marked in result.grids)  # Images with the window marked come first.
    if result.function.startswith("conv") and result.output != "db" and len(figures) > plain:
        factors = figures[plain:]
        signs = ["&times;" if place % 2 == 0 else "+" for place in range(len(factors) - 1)]
        between = [
            f'{factor}<span class="times">{sign}</span>' for factor, sign in zip(factors, [*signs, ""], strict=True)
        ]
        figures = [*figures[:plain], *between]
    return f'<div class="grids">{"".join(figures)}</div>' if figures else ""


def _figure(title: str, rows: list[list[float]], marked: list[int]) -> str:
    cells = "".join(
        f"<tr>{''.join(_cell(value, _is_in(marked, y, x)) for x, value in enumerate(row))}</tr>"
        for y, row in enumerate(rows)
    )
    return f'<figure><figcaption>{escape(title)}</figcaption><table class="cells">{cells}</table></figure>'


def _is_in(marked: list[int], y: int, x: int) -> bool:
    return bool(marked) and marked[0] <= y < marked[0] + marked[2] and marked[1] <= x < marked[1] + marked[3]


def _cell(value: float, marked: bool) -> str:
    text = str(value) if isinstance(value, bool) else f"{value:.4g}"
    kind = " ".join(name for name, holds in (("zero", not value), ("marked", marked)) if holds)
    return f'<td class="{kind}">{text}</td>' if kind else f"<td>{text}</td>"
