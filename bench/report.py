"""Writes the last run of the benchmarks into docs/performance.md: `python -m bench.report`.

What that run did not measure stays as it was measured before, and says at which commit that was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from bench.paths import RESULTS, ROOT
from bench.rows import HEAD, Verdict, to_cells, to_table

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"

Cells = tuple[str, ...]
"""A line of the table."""


def main() -> None:
    """Replace what stands between the markers of the page."""
    report, page = json.loads(RESULTS.read_text()), PAGE.read_text()
    PAGE.write_text(replace_between(page, to_section(report, page)))
    print(f"{PAGE.relative_to(ROOT)} has the table of {report['machine']['date']}")


def replace_between(page: str, section: str) -> str:
    """The page with `section` between its markers.

    Raises:
        ValueError: it does not have each marker once, in order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after:
        raise ValueError(f"the page must have {BEGIN} and {END} once, in this order")
    return f"{before}{BEGIN}\n\n{section}\n\n{END}{after}"


def to_section(report: dict[str, Any], page: str = "") -> str:
    """What the page says of a run: the machine, then the table, with the lines of `page` that the run has none for."""
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    facts = (
        f"Measured on {machine['date']} at commit {machine['commit']}: {machine['cores']} cores of"
        f" {machine['cpu']}, {machine['memory_gib']} GiB, no GPU; Python {machine['python']}, {versions},"
        f" libavcodec {machine['libavcodec']}. {report['rounds']} rounds; load {machine['load']} at the start,"
        f" {machine['load_at_the_end']} at the end."
    )
    measured = [to_cells(row) for row in report["rows"]]
    return f"{facts}\n\n{to_table(merge(measured, earlier_lines(page)))}"


def earlier_lines(page: str) -> list[Cells]:
    """The lines of the table that a page has, each with the commit that it was measured at."""
    commit = re.search(r"^Measured on \S+ at commit (\w+)", page, re.MULTILINE)
    lines: list[Cells] = []
    for cells in re.findall(r"^\| (\d+ \|.*) \|$", page, re.MULTILINE):
        *rest, note = (cell.strip() for cell in cells.split("|"))
        if len(rest) != len(HEAD) - 1 or commit is None:
            continue
        at = "" if "run at " in note else f"run at {commit[1]}"
        lines.append((*rest, "; ".join(filter(None, (note, at)))))
    return lines


def merge(measured: Sequence[Cells], earlier: Sequence[Cells]) -> list[Cells]:
    """All groups of lines that were measured, and of the earlier ones those that were not, in order of the measures."""
    groups = {key: lines for key, lines in _groups(measured).items() if lines[0][5] != Verdict.NOT_RUN}
    kept = {key: lines for key, lines in _groups(earlier).items() if key not in groups}
    missing = {key: lines for key, lines in _groups(measured).items() if key not in groups and key not in kept}
    together = sorted((groups | kept | missing).items(), key=lambda group: group[0])
    return [line for _, lines in together for line in lines]


def _groups(lines: Sequence[Cells]) -> dict[tuple[int, str], list[Cells]]:
    """By measure and what it is measured on: the first word of a line. Lines that begin with dots go with the last."""
    subject = ""
    keyed: list[tuple[tuple[int, str], Cells]] = []
    for line in lines:
        word = line[1].split()[0].rstrip(":")
        subject = subject if word == "…" else word
        keyed.append(((int(line[0]), subject), line))
    keyed.sort(key=lambda pair: pair[0])
    return {key: [line for _, line in group] for key, group in groupby(keyed, key=lambda pair: pair[0])}


if __name__ == "__main__":
    main()
