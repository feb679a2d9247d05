"""The site of docs/: every page is in its list, once, and what builds it loads nothing from elsewhere."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SITE: dict[str, Any] = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]


def pages_of(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for inner in entry.values():
            yield from pages_of(inner)
    else:
        for inner in entry:
            yield from pages_of(inner)


def test_every_page_is_in_the_list_of_the_site_once() -> None:
    listed = list(pages_of(SITE["nav"]))
    there = sorted(page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md"))
    assert sorted(listed) == there


def test_the_site_loads_no_fonts() -> None:
    assert SITE["theme"]["font"] is False


def test_a_link_that_leads_nowhere_is_an_error() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "zensical build --strict" in makefile
