"""A worksheet as one HTML file that prints well: exercises with blanks, then worked answers on pages of their own."""

from __future__ import annotations

from html import escape

from convolens.checking.worksheet import Exercise, Table, show

__all__ = ["worksheet_page"]

_STYLE = """
@page { size: A4; margin: 18mm 16mm; }
:root { --ink: #1c2128; --soft: #59636f; --line: #8a929c; --given: #eef1f4; --paper: #fff; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #a3abb6; --line: #59636f;
  --given: #262c35; --paper: #15181d; } }
body { font: 11.5pt/1.45 Georgia, 'Times New Roman', serif; color: var(--ink); background: var(--paper);
  max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; }
.line { display: flex; justify-content: space-between; color: var(--soft); border-bottom: 1px solid var(--line);
  padding-bottom: .5rem; margin-bottom: 1rem; }
article { break-inside: avoid; margin: 0 0 1.6rem; }
h2 { font-size: 1.08rem; margin: 0 0 .2rem; }
p { margin: .2rem 0 .6rem; }
.tables { display: flex; flex-wrap: wrap; gap: 1.6rem; align-items: flex-end; }
figure { margin: 0; }
figcaption { font-style: italic; margin-bottom: .2rem; }
table { border-collapse: collapse; }
td { border: 1px solid var(--line); min-width: 2.6rem; height: 2.1rem; text-align: center; padding: 0 .3rem; }
.given td { background: var(--given); -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.answers { break-before: page; padding-top: .5rem; }
.answers td { min-width: 2rem; height: 1.7rem; }
ol { list-style: none; columns: 2 17rem; column-gap: 1.6rem; padding: 0; margin: .5rem 0 .8rem;
  font-size: .88em; color: var(--soft); }
li { break-inside: avoid; overflow-wrap: anywhere; }
@media print { body { margin: 0; padding: 0; max-width: none; } }
"""


def worksheet_page(exercises: list[Exercise], title: str, note: str = "") -> str:
    """Return the page.

    Args:
        exercises: from ``worksheet.make``.
        title: the heading.
        note: how to make the same sheet again, in small print.
    """
    tasks = "\n".join(_task(number, exercise) for number, exercise in enumerate(exercises, 1))
    answers = "\n".join(_answer(number, exercise) for number, exercise in enumerate(exercises, 1))
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body>\n"
        f'<h1>{escape(title)}</h1><div class="line"><span>Name</span><span>{escape(note)}</span></div>\n'
        f"<section>{tasks}</section>\n"
        f'<section class="answers"><h1>Answers</h1><div class="line"><span>{escape(title)}</span>'
        f"<span>{escape(note)}</span></div>\n{answers}</section>\n</body>\n</html>\n"
    )


def _task(number: int, exercise: Exercise) -> str:
    given = "".join(_grid(table, "given") for table in exercise.given)
    blanks = "".join(_grid(table, "blank") for table in exercise.answers)
    return (
        f"<article><h2>{number}. {escape(exercise.title)}</h2><p>{escape(exercise.task)}</p>"
        f'<div class="tables">{given}{blanks}</div></article>'
    )


def _answer(number: int, exercise: Exercise) -> str:
    parts = [
        f'<div class="tables">{_grid(table, "filled")}</div>'
        f"<ol>{''.join(f'<li>{escape(step)}</li>' for step in table.working)}</ol>"
        for table in exercise.answers
    ]
    return f"<article><h2>{number}. {escape(exercise.title)}</h2>{''.join(parts)}</article>"


def _grid(table: Table, kind: str) -> str:
    rows = "".join(f"<tr>{''.join(f'<td>{_cell(value, kind)}</td>' for value in row)}</tr>" for row in table.rows)
    return f'<figure class="{kind}"><figcaption>{escape(table.title)}</figcaption><table>{rows}</table></figure>'


def _cell(value: float, kind: str) -> str:
    return "" if kind == "blank" else show(value).replace("-", "&minus;")
