"""The numbers in docs/graphql.md are those of the code; its commands are run by tests/flow/test_graphql.py."""

from __future__ import annotations

from pathlib import Path

from chalicelib.api.graphql.limits import COST_MAX, DEPTH_MAX, FACTS, RECORDS, RESOLVERS_MAX
from chalicelib.services.job_events import COMMIT_DAYS
from infra.local.appsync.realtime import SUBSCRIPTIONS_MAX
from infra.local.websocket import Limits

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "graphql.md").read_text(encoding="utf-8")


def test_the_limits_are_those_of_the_code() -> None:
    numbers = (f"{DEPTH_MAX} fields", f"| {RESOLVERS_MAX} |", f"{COST_MAX:,}", f"| {SUBSCRIPTIONS_MAX};")
    assert [number for number in numbers if number not in PAGE] == []
    assert f"{Limits().queue_max} messages" in PAGE
    assert f"kept for {COMMIT_DAYS} days" in PAGE
    assert f"({RECORDS.usual} videos or jobs when nothing is said, {RECORDS.most} at most" in PAGE
    assert f"of other things {FACTS.usual}, and {FACTS.most} at most)" in PAGE
