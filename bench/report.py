"""Writes the last run of the benchmarks into docs/performance.md: `python -m bench.report`."""

from __future__ import annotations

import json
from typing import Any

from bench.paths import RESULTS, ROOT
from bench.rows import to_markdown

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def main() -> None:
    """Replace what stands between the markers of the page."""
    report = json.loads(RESULTS.read_text())
    PAGE.write_text(replace_between(PAGE.read_text(), to_section(report)))
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


def to_section(report: dict[str, Any]) -> str:
    """What the page says of one run: the machine, then the table."""
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    facts = (
        f"Measured on {machine['date']} at commit {machine['commit']}: {machine['cores']} cores of"
        f" {machine['cpu']}, {machine['memory_gib']} GiB, no GPU; Python {machine['python']}, {versions},"
        f" libavcodec {machine['libavcodec']}. {report['rounds']} rounds; load {machine['load']} at the start,"
        f" {machine['load_at_the_end']} at the end."
    )
    return f"{facts}\n\n{to_markdown(report['rows'])}"


if __name__ == "__main__":
    main()
