"""Every example of docs/diff.md is asked, and its answer is the one that the page shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.api.service import Service
from tests.docs.street import seed_two_streets
from tests.docs.test_query_page import only

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "diff.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```text\nGET (\S+)\n```\n+```json\n(.*?)\n```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("request_line", "shown"), EXAMPLES, ids=[line for line, _ in EXAMPLES])
def test_an_example_is_answered_as_the_page_shows(request_line: str, shown: str) -> None:
    service = Service()
    a, b = seed_two_streets(service)
    path, _, query = request_line.format(a=a, b=b).partition("?")
    answer = service.call("GET", path, query=query)
    assert answer.status == 200, answer.body
    expected = json.loads(shown)
    assert only(answer.json, expected) == expected


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 2
