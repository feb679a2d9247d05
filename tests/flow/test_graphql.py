"""GraphQL with a client that was made for AppSync: the walk-through of docs/graphql.md, run as it stands, and what is
true of what it saw."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from gql import Client, GraphQLRequest
from gql.transport.appsync_auth import AppSyncJWTAuthentication
from gql.transport.appsync_websockets import AppSyncWebsocketsTransport
from gql.transport.exceptions import TransportQueryError, TransportServerError
from gql.transport.httpx import HTTPXTransport

from infra.local.stack import LocalStack
from tests.flow.tenant import Tenant

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS = 110
ON_JOB_EVENT = "subscription($jobId: ID!) { onJobEvent(jobId: $jobId) { seq } }"
T = TypeVar("T")
Json = dict[str, Any]


@pytest.fixture(scope="module")
def walk(stack: LocalStack, bikes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what the commands of the page left, run in order in one shell that stops at a failure."""
    if shutil.which("curl") is None:
        pytest.skip("the walk-through is about curl, which is not installed")
    folder = tmp_path_factory.mktemp("checkout")
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / ".cache").symlink_to(bikes.parent.parent)
    out = folder / "out"
    out.mkdir()
    (out / "local.json").write_text(json.dumps(stack.describe()))
    page = (ROOT / "docs" / "graphql.md").read_text(encoding="utf-8")
    commands = "\n".join(re.findall(r"^```sh\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL))
    shell = ["sh", "-eu", "-c", commands]
    ended = subprocess.run(shell, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return out


@pytest.fixture
def events(walk: Path) -> list[Json]:
    """What the subscriber saw."""
    return [json.loads(line) for line in (walk / "events.jsonl").read_text().splitlines()]


@pytest.fixture
def job_id(walk: Path) -> str:
    return str(answer(walk, "graphql-created.json")["data"]["createUpload"]["job"]["jobId"])


@pytest.fixture
def tenant(stack: LocalStack) -> Tenant:
    """The tenant of the page."""
    return Tenant(stack.base_url, stack.token("a"))


def answer(walk: Path, name: str) -> Any:
    return json.loads((walk / name).read_text())


def ask(stack: LocalStack, query: str, **variables: Any) -> Any:
    """The client over HTTP, with the token as it is; it reads the schema first."""
    url = str(stack.describe()["graphql_url"])
    transport = HTTPXTransport(url, headers={"Authorization": stack.token("a")}, timeout=30)
    with Client(transport=transport, fetch_schema_from_transport=True) as session:
        return session.execute(GraphQLRequest(query, variable_values=variables))


async def subscribe(stack: LocalStack, token: str, job_id: str) -> None:
    """Wait for an event."""
    url = str(stack.describe()["graphql_url"])
    auth = AppSyncJWTAuthentication(host=httpx.URL(url).netloc.decode(), jwt=token)
    transport = AppSyncWebsocketsTransport(url=url.replace("http://", "ws://"), auth=auth)
    async with Client(transport=transport) as session:
        async for _ in session.subscribe(GraphQLRequest(ON_JOB_EVENT, variable_values={"jobId": job_id})):
            return


def within_reason(work: Awaitable[T]) -> T:
    async def bounded() -> T:
        return await asyncio.wait_for(work, PATIENCE_SECONDS)

    return asyncio.run(bounded())


def test_a_subscriber_sees_the_job_from_its_upload_to_its_end(events: list[Json], job_id: str) -> None:
    states = [event["state"] for event in events if event["state"]]
    assert states[-2:] == ["FINISHING", "SUCCEEDED"]


def test_a_subscriber_sees_every_event_once_and_in_order(events: list[Json]) -> None:
    numbers = [event["seq"] for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_every_commit_is_told_once(events: list[Json], job_id: str, tenant: Tenant) -> None:
    committed = [event["segmentIndex"] for event in events if event["kind"] == "SEGMENT_COMMITTED"]
    assert sorted(committed) == [segment["index"] for segment in tenant.segments(job_id)]
    assert len(committed) > 1


def test_rest_tells_the_same_events_page_by_page(events: list[Json], job_id: str, tenant: Tenant) -> None:
    items = list(tenant.pages(f"/jobs/{job_id}/events", limit=3))
    assert [item["seq"] for item in items] == list(range(1, len(items) + 1))
    told = [(item["seq"], item.get("state"), item.get("segment_index")) for item in items][-len(events) :]
    assert told == [(event["seq"], event["state"], event["segmentIndex"]) for event in events]


def test_who_reads_on_from_any_event_misses_nothing(
    stack: LocalStack, walk: Path, events: list[Json], job_id: str
) -> None:
    query = "query($j: ID!, $a: Int) { jobEvents(jobId: $j, after: $a) { items { seq } } }"
    after = events[1]["seq"]
    rest = ask(stack, query, j=job_id, a=after)["jobEvents"]["items"]
    assert [event["seq"] for event in rest] == [event["seq"] for event in events[2:]]
    page = answer(walk, "later.json")["data"]["jobEvents"]["items"]
    assert (page[0]["seq"], page[-1]["state"]) == (3, "SUCCEEDED")


def test_the_cursor_of_a_commit_begins_at_its_detections_and_its_counts_are_theirs(
    events: list[Json], job_id: str, tenant: Tenant
) -> None:
    stored = tenant.all_items(job_id)
    begun = 0
    for event in (event for event in events if event["labels"]):
        here = [x for x in stored if event["startSeconds"] <= x["time_seconds"] < event["endSeconds"]]
        assert Counter(x["label"] for x in here) == {x["label"]: x["detections"] for x in event["labels"]}
        for item in tenant.get(f"/jobs/{job_id}/detections", cursor=event["detectionsCursor"], limit=1)["items"]:
            begun += 1
            assert item["time_seconds"] >= event["startSeconds"]
    assert begun > 1


def test_one_request_brings_all_that_it_asks_for(walk: Path) -> None:
    found = answer(walk, "much.json")
    assert "errors" not in found
    data = found["data"]
    assert data["job"]["state"] == "SUCCEEDED"
    assert data["job"]["detections"]["items"]
    assert data["jobQuery"]["items"]
    assert data["search"]["items"][0]["count"] > 0


def test_the_refusal_has_the_code_of_rest(walk: Path) -> None:
    (error,) = answer(walk, "refused.json")["errors"]
    assert (error["errorType"], bool(error["errorInfo"]["hint"])) == ("NOT_FOUND", True)


def test_a_foreign_subscriber_is_refused_when_it_starts(stack: LocalStack, job_id: str) -> None:
    with pytest.raises(TransportQueryError) as refused:
        within_reason(subscribe(stack, stack.token("stranger"), job_id))
    assert "NOT_FOUND" in str(refused.value)


def test_a_subscriber_without_a_good_token_is_refused(stack: LocalStack, job_id: str) -> None:
    with pytest.raises(TransportServerError) as refused:
        within_reason(subscribe(stack, stack.token("a")[:-4] + "AAAA", job_id))
    assert "UnauthorizedException" in str(refused.value)
