"""Every example of docs/query.md is asked, and its answer is the one that the page shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.query.ast import Anchor, Choice, Comparison, Direction, Order, Relation, ResultKind
from tests.api.service import Service
from tests.docs.street import seed_street

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "query.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```text\n([^`]+?)\n```\n+```json\n(.*?)\n```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def service() -> Service:
    return Service()


@pytest.fixture(scope="module")
def job_id(service: Service) -> str:
    return seed_street(service).job_id


@pytest.mark.parametrize(("query", "shown"), EXAMPLES, ids=[query[:50] for query, _ in EXAMPLES])
def test_an_example_is_answered_as_the_page_shows(service: Service, job_id: str, query: str, shown: str) -> None:
    answer = service.call("GET", f"/jobs/{job_id}/query", query={"q": query})
    assert answer.status == 200, answer.body
    expected = [json.loads(line.rstrip(",")) for line in shown.splitlines()]
    assert [only(item, like) for item, like in zip(answer.json["items"], expected, strict=True)] == expected


def only(item: Any, like: Any) -> Any:
    """The fields that the page shows; it leaves out those that are the same everywhere."""
    if isinstance(like, dict) and isinstance(item, dict):
        return {name: only(item[name], part) for name, part in like.items()}
    if isinstance(like, list) and isinstance(item, list) and len(like) == len(item):
        return [only(inner, part) for inner, part in zip(item, like, strict=True)]
    return item


def test_there_is_an_example_of_every_kind_and_of_every_word(service: Service, job_id: str) -> None:
    queries = [query for query, _ in EXAMPLES]
    kinds = {service.call("GET", f"/jobs/{job_id}/query", query={"q": query}).json["kind"] for query in queries}
    assert kinds == set(ResultKind)
    words = [*Relation, *Choice, *Direction, Anchor.CENTER, *Order, "polygon", "gap", "at least", "by", "not", "or"]
    grammar = PAGE[PAGE.index("```ebnf") :]
    singles = [single for word in (*words, *Comparison) for single in word.split()]
    assert [single for single in singles if f'"{single}"' not in grammar] == []
    assert [word for word in words if not any(word in query for query in queries)] == []
