"""GraphQL with a client that was made for AppSync: upload, start, subscribe, read on from where a subscriber was."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
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
from tests.flow.tenant import FAST_MODEL, Tenant

PATIENCE_SECONDS = 100
EVENT = (
    "seq jobId kind state createdAt segmentIndex startSeconds endSeconds labels { label detections } detectionsCursor"
)
T = TypeVar("T")
Json = dict[str, Any]


def graphql_url(stack: LocalStack) -> str:
    return str(stack.describe()["graphql_url"])


def querying(stack: LocalStack, token: str) -> Client:
    """The client over HTTP."""
    transport = HTTPXTransport(graphql_url(stack), headers={"Authorization": token}, timeout=30)
    return Client(transport=transport, fetch_schema_from_transport=True)


@asynccontextmanager
async def subscribing(stack: LocalStack, token: str) -> AsyncIterator[Any]:
    """The client over AppSync's realtime protocol."""
    url = graphql_url(stack)
    auth = AppSyncJWTAuthentication(host=httpx.URL(url).netloc.decode(), jwt=token)
    # The client makes wss:// of https://; here is no TLS.
    transport = AppSyncWebsocketsTransport(url=url.replace("http://", "ws://"), auth=auth)
    async with Client(transport=transport) as session:
        yield session


async def take_until(
    session: Any, document: str, job_id: str, is_last: Callable[[Json], bool], events: list[Json] | None = None
) -> list[Json]:
    """What a subscription brings, up to the last of it."""
    events = [] if events is None else events
    async for answer in session.subscribe(GraphQLRequest(document, variable_values={"jobId": job_id})):
        (event,) = answer.values()
        events.append(event)
        if is_last(event):
            return events
    raise AssertionError("the subscription ended by itself")


def within_reason(work: Awaitable[T]) -> T:
    async def bounded() -> T:
        return await asyncio.wait_for(work, PATIENCE_SECONDS)

    return asyncio.run(bounded())


ON_JOB_EVENT = f"subscription($jobId: ID!) {{ onJobEvent(jobId: $jobId) {{ {EVENT} }} }}"
ON_DETECTIONS = f"subscription($jobId: ID!) {{ onDetections(jobId: $jobId) {{ {EVENT} }} }}"


@pytest.fixture(scope="module")
def told(stack: LocalStack, bikes: Path) -> Json:
    """A whole job by GraphQL: what the subscribers saw, and how to ask about it."""
    token = stack.token("tenant-graphql")
    client = querying(stack, token)
    upload = "mutation($i: CreateUploadInput!) { createUpload(input: $i) { upload { url fields } job { jobId } } }"
    analyze = {"models": [FAST_MODEL], "sampling": {"kind": "keyframes"}, "segmentSeconds": 2}
    given = {"filename": "bikes.mp4", "sizeBytes": bikes.stat().st_size, "contentType": "video/mp4", "analyze": analyze}
    with client as session:
        made = session.execute(GraphQLRequest(upload, variable_values={"i": given}))["createUpload"]
    job_id = made["job"]["jobId"]

    async def watch() -> tuple[list[Json], list[Json]]:
        async with subscribing(stack, token) as session:
            is_end = lambda event: event["state"] in ("SUCCEEDED", "FAILED", "PARTIAL")  # noqa: E731
            events = asyncio.create_task(take_until(session, ON_JOB_EVENT, job_id, is_end))
            seen: list[Json] = []
            detections = asyncio.create_task(take_until(session, ON_DETECTIONS, job_id, lambda _: False, seen))
            while stack.graphql.subscriptions < 2:
                await asyncio.sleep(0.01)
            with bikes.open("rb") as file:
                form = json.loads(made["upload"]["fields"])
                sent = await asyncio.to_thread(
                    httpx.post, made["upload"]["url"], data=form, files={"file": file}, timeout=30
                )
            assert sent.status_code == 204
            found = await events
            detections.cancel()
            return found, seen

    events, detections = within_reason(watch())
    return {"client": client, "token": token, "job_id": job_id, "events": events, "detections": detections}


def test_a_subscriber_sees_the_job_from_its_upload_to_its_end(told: Json) -> None:
    states = [event["state"] for event in told["events"] if event["state"]]
    assert states[-2:] == ["FINISHING", "SUCCEEDED"]
    assert all(event["jobId"] == told["job_id"] for event in told["events"])


def test_a_subscriber_sees_every_event_once_and_in_order(told: Json) -> None:
    numbers = [event["seq"] for event in told["events"]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_who_subscribes_to_detections_sees_the_commits_alone(told: Json) -> None:
    commits = [event for event in told["events"] if event["kind"] == "SEGMENT_COMMITTED"]
    assert told["detections"] == commits
    assert sorted(event["segmentIndex"] for event in commits) == list(range(len(commits)))
    assert len(commits) > 1


def test_the_events_can_be_read_again_and_from_any_of_them_on(told: Json) -> None:
    query = f"query($j: ID!, $a: Int) {{ jobEvents(jobId: $j, after: $a) {{ items {{ {EVENT} }} }} }}"

    def events_after(seq: int | None) -> list[Json]:
        asked = GraphQLRequest(query, variable_values={"j": told["job_id"], "a": seq})
        with told["client"] as session:
            return list(session.execute(asked)["jobEvents"]["items"])

    everything, rest = events_after(None), events_after(told["events"][1]["seq"])
    assert [event["seq"] for event in everything] == list(range(1, len(everything) + 1))
    assert everything[-len(told["events"]) :] == told["events"]
    assert rest == told["events"][2:]


def test_rest_tells_the_same_events(stack: LocalStack, told: Json) -> None:
    tenant = Tenant(stack.base_url, told["token"])
    items = list(tenant.pages(f"/jobs/{told['job_id']}/events", limit=3))
    assert [item["seq"] for item in items][-len(told["events"]) :] == [event["seq"] for event in told["events"]]


def test_the_cursor_of_a_commit_begins_at_its_detections_and_its_counts_are_theirs(told: Json) -> None:
    query = (
        "query($j: ID!, $c: String) { job(jobId: $j) { next: detections(cursor: $c, limit: 1) { items { timeSeconds } }"
        " all: detections(scoreMin: 0, limit: 1000) { nextCursor items { label timeSeconds score } } } }"
    )
    commits = [event for event in told["detections"] if event["labels"]]
    begun = 0
    with told["client"] as session:
        for event in commits:
            values = {"j": told["job_id"], "c": event["detectionsCursor"]}
            job = session.execute(GraphQLRequest(query, variable_values=values))["job"]
            assert job["all"]["nextCursor"] is None
            here = [x for x in job["all"]["items"] if event["startSeconds"] <= x["timeSeconds"] < event["endSeconds"]]
            assert Counter(x["label"] for x in here) == {x["label"]: x["detections"] for x in event["labels"]}
            for item in job["next"]["items"]:
                begun += 1
                assert item["timeSeconds"] >= event["startSeconds"]
    assert begun > 1


def test_a_foreign_subscriber_is_refused_when_it_starts(stack: LocalStack, told: Json) -> None:
    async def subscribe() -> None:
        async with subscribing(stack, stack.token("stranger")) as session:
            await take_until(session, ON_JOB_EVENT, told["job_id"], lambda _: True)

    with pytest.raises(TransportQueryError) as refused:
        within_reason(subscribe())
    assert "NOT_FOUND" in str(refused.value)


def test_a_client_without_a_good_token_is_refused(stack: LocalStack, told: Json) -> None:
    async def subscribe() -> None:
        async with subscribing(stack, told["token"][:-4] + "AAAA") as session:
            await take_until(session, ON_JOB_EVENT, told["job_id"], lambda _: True)

    with pytest.raises(TransportServerError) as refused:
        within_reason(subscribe())
    assert "UnauthorizedException" in str(refused.value)
    assert httpx.post(graphql_url(stack), json={"query": "{ models { nextCursor } }"}).status_code == 401


def test_the_client_has_read_the_schema(told: Json) -> None:
    assert told["client"].schema.type_map["JobEvent"].fields["seq"]
