"""What the commands print: notes for a person on one stream, results on the other."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = ["Console", "console", "escaped", "page_target", "table"]


class Console:
    """The person's screen and the machine's output.

    With ``--json`` standard output has one JSON value and everything for a person goes to standard error; with
    ``--quiet`` a person sees results and errors only.
    """

    json = False
    quiet = False
    debug = False

    def configure(self, json: bool = False, quiet: bool = False, debug: bool = False) -> None:
        """Take the options that every command has."""
        self.json, self.quiet, self.debug = json, quiet, debug

    @property
    def progress(self) -> Any:
        """Return the stream for progress bars; None if nobody wants to see them."""
        return None if self.quiet else sys.stderr if self.json else sys.stdout

    def say(self, text: str = "") -> None:
        """Tell a person what happens."""
        if not self.quiet:
            self._print(text)

    def note(self, text: str) -> None:
        """Tell a person something that matters for the result."""
        if not self.quiet:
            self._print(f"[yellow]Note:[/] {escaped(text)}", to_error=True)

    def error(self, text: str) -> None:
        """Tell what went wrong, in one line."""
        self._print(f"[red]Error:[/] {escaped(text)}", to_error=True)

    def result(self, value: Any, *shown: Any) -> None:
        """Give the result: the value as JSON with ``--json``, else what is shown: texts and rich tables."""
        if self.json:
            sys.stdout.write(json.dumps(value, indent=2, default=_plain) + "\n")
            return
        for one in shown:
            self._print(one)

    def _print(self, what: Any, to_error: bool = False) -> None:
        from rich.console import Console as Rich

        stream = sys.stderr if to_error or self.json else sys.stdout
        Rich(file=stream, soft_wrap=True, highlight=False).print(what)


def table(title: str, frame: pd.DataFrame, index: bool = True, digits: int = 4) -> Any:
    """Return a pandas frame as a rich table."""
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    names = [str(name) for name in frame.columns]
    numeric = [frame[name].dtype.kind in "iufb" for name in frame.columns]
    if index:
        shown.add_column(str(frame.index.name or ""))
    for name, right in zip(names, numeric, strict=True):
        shown.add_column(name, justify="right" if right else "left")
    for label, *cells in frame.itertuples(name=None):
        words = [f"{cell:.{digits}f}" if isinstance(cell, float) else escaped(str(cell)) for cell in cells]
        shown.add_row(*([escaped(str(label))] if index else []), *words)
    return shown


def page_target(path: Path) -> Path:
    """Return where a page is to be written, unless its name is that of something else."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--out {path}: a page is written there; expected a name that ends in .html.")
    return path


def escaped(text: str) -> str:
    """Return text that rich prints as it is, brackets and all."""
    from rich.markup import escape

    return escape(text)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


console = Console()
