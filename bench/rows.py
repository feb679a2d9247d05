"""What a measure says: a row of the table, with its threshold, the values of all rounds, and whether it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any


class Direction(StrEnum):
    """On which side of its limit a value must lie."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


@dataclass(frozen=True, slots=True)
class Bound:
    """A threshold."""

    direction: Direction
    limit: float

    def holds(self, value: float) -> bool:
        """Whether the value is on the right side."""
        return value >= self.limit if self.direction is Direction.AT_LEAST else value <= self.limit


def at_least(limit: float) -> Bound:
    """A value must not be below `limit`."""
    return Bound(Direction.AT_LEAST, limit)


def at_most(limit: float) -> Bound:
    """A value must not be above `limit`."""
    return Bound(Direction.AT_MOST, limit)


class Verdict(StrEnum):
    """How a row ended."""

    PASS = "pass"
    FAIL = "FAIL"
    NOT_RUN = "not run"
    INFO = ""
    """No threshold: it helps to read the others."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a measure."""

    measure: int
    """Number of the measure, 1 to 13."""
    what: str
    values: tuple[float, ...]
    """One for each round."""
    bound: Bound | None = None
    unit: str = ""
    note: str = ""

    @property
    def middle(self) -> float | None:
        """The median over the rounds."""
        return median(self.values) if self.values else None

    @property
    def verdict(self) -> Verdict:
        """The median against the threshold."""
        if self.middle is None:
            return Verdict.NOT_RUN
        if self.bound is None:
            return Verdict.INFO
        return Verdict.PASS if self.bound.holds(self.middle) else Verdict.FAIL

    def to_json(self) -> dict[str, Any]:
        """The row for out/bench.json."""
        return {
            "measure": self.measure,
            "what": self.what,
            "must": f"{self.bound.direction} {_number(self.bound.limit)}" if self.bound else "",
            "median": self.middle,
            "min": min(self.values, default=None),
            "max": max(self.values, default=None),
            "rounds": len(self.values),
            "values": list(self.values),
            "unit": self.unit,
            "verdict": self.verdict.value,
            "note": self.note,
        }


HEAD = ("#", "measure", "must", "median", "min … max", "verdict", "note")


def to_cells(row: dict[str, Any]) -> tuple[str, ...]:
    """The columns of a row as `to_json` gives it."""
    unit = f" {row['unit']}" if row["unit"] else ""
    seen, interval = "–", "–"
    if row["median"] is not None:
        seen = _number(row["median"]) + unit
        interval = f"{_number(row['min'])} … {_number(row['max'])}"
    return (str(row["measure"]), row["what"], row["must"], seen, interval, row["verdict"], row["note"])


def to_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table of rows as `to_json` gives them."""
    return to_table([to_cells(row) for row in rows])


def to_table(cells_by_line: Sequence[tuple[str, ...]]) -> str:
    """The table of lines as `to_cells` gives them."""
    lines = [HEAD, ("---",) * len(HEAD), *cells_by_line]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _number(value: float) -> str:
    """Enough digits to compare with a threshold, and no more."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
