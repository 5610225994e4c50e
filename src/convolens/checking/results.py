"""What a check found: one record for each function, and the report that they make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Report", "Result"]


@dataclass(frozen=True)
class Result:
    """One function's record. Fields can be read as attributes or as keys.

    Attributes:
        function: its name.
        verdict: ``"right"``, ``"wrong"`` or ``"missing"``.
        index: of the first wrong element, or None.
        expected: its right value; a shape where the shape is wrong; None where neither applies.
        actual: the learner's value or shape.
        diagnosis: the mistake that explains all results, or None if no hypothesis fits.
        output: the wrong output's name, or None.
        place: the index in words.
        case: the smallest failing case in words.
        problem: what is wrong, in a sentence.
        arithmetic: the right value written out.
        grids: tables of numbers that go with it: ``[title, rows, marked]``, where marked is a window's
            ``[top, left, height, width]`` or empty.
        pattern: what the failed cases have in common.
        hint: a question that leads to the mistake.
        answer: the mistake itself, to be shown on request.
        error: the exception: kind, message, place, line and text; or None.
        notes: remarks.
        dialect: ``"step_by_step"`` or ``"layer_by_layer"``.
    """

    function: str
    verdict: str
    index: list[int] | None = None
    expected: Any = None
    actual: Any = None
    diagnosis: str | None = None
    output: str | None = None
    place: str = ""
    case: str = ""
    problem: str = ""
    arithmetic: str = ""
    grids: list[list[Any]] = field(default_factory=list)
    pattern: str = ""
    hint: str = ""
    answer: str = ""
    error: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    dialect: str = "step_by_step"

    def __getitem__(self, key: str) -> Any:
        if key not in self.__dataclass_fields__:
            raise KeyError(key)
        return getattr(self, key)

    def keys(self) -> Iterator[str]:
        """Return the names of the fields."""
        return iter(self.__dataclass_fields__)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dictionary of plain values."""
        return asdict(self)

    def lines(self, reveal: bool = False) -> list[str]:
        """Return the record as lines of text, the answer among them only with ``reveal``."""
        found = [f"{self.function}: {self.verdict}"]
        if self.case:
            found.append(f"  case       {self.case}")
        if self.problem:
            found.append(f"  problem    {self.problem}")
        if self.error and self.error["line"]:
            found += [
                f"  your line  {self.error['place']}, line {self.error['line']}:",
                f"                 {self.error['text']}",
            ]
        if self.index is not None:
            found.append(f"  where      {self.element}" + (f" ({self.place})" if self.place else ""))
            found += [f"  expected   {self.expected}", f"  actual     {self.actual}"]
        if self.arithmetic:
            found.append(f"  right is   {self.arithmetic}")
        if self.pattern:
            found.append(f"  pattern    {self.pattern}")
        if self.diagnosis:
            found.append(f"  diagnosis  {self.diagnosis}")
        if self.hint:
            found.append(f"  hint       {self.hint}")
        if reveal and self.answer:
            found.append(f"  answer     {self.answer}")
        return found + [f"  note       {note}" for note in self.notes]

    @property
    def element(self) -> str:
        """The first wrong element as NumPy writes it: ``"dW[0, 1, 0, 0]"``."""
        return f"{self.output}[{', '.join(map(str, self.index))}]" if self.index else str(self.output)


class Report(list[Result]):
    """The results of one file, in the order of the exercise; a list with a face.

    Args:
        results: the records.
        title: the file's name.
        notes: what failed while the file ran, in words.
        reveal: whether to show answers.
    """

    def __init__(
        self, results: Iterable[Result], title: str = "", notes: Iterable[str] = (), reveal: bool = False
    ) -> None:
        super().__init__(results)
        self.title = title
        self.notes = list(notes)
        self.reveal = reveal

    @property
    def ok(self) -> bool:
        """Whether something is right, nothing is wrong and nothing in the file fails to compile."""
        broken = any("SyntaxError" in note or "IndentationError" in note for note in self.notes)
        return not broken and self.count("right") > 0 and self.count("wrong") == 0

    def count(self, verdict: Any) -> int:
        """Return how many functions have this verdict."""
        return sum(result.verdict == verdict for result in self)

    def __str__(self) -> str:
        lines = [self.title] if self.title else []
        for note in self.notes:
            lines += [f"note: {note}"]
        for result in self:
            lines += result.lines(self.reveal)
        counts = ", ".join(f"{self.count(verdict)} {verdict}" for verdict in ("right", "wrong", "missing"))
        return "\n".join([*lines, counts + "."])

    def __repr__(self) -> str:
        return str(self)  # what a console shows keeps the answers back as well

    def _repr_html_(self) -> str:
        from convolens.checking.page import fragment

        return fragment(self)

    def to_html(self) -> str:
        """Return the report as one HTML page, with the windows drawn."""
        from convolens.checking.page import page

        return page(self)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the records as plain values."""
        return [result.to_json() for result in self]
