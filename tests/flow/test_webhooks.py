"""Webhooks on the whole stack: a real job, and receivers that answer, fail, move, vanish and say nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.stack import LocalStack, StackOptions
from tests.flow.hooks import ANSWER_BY_PATH, Hooks, receiving
from tests.flow.tenant import Tenant
from tests.local.toys import wait_until

Made = dict[str, Any]
PATIENCE_SECONDS = 40.0
"""A receiver that fails once is tried again after five seconds, one that says nothing is left after ten."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """As `make local` runs it, but that its schedules come every half second."""
    with LocalStack(StackOptions(out=tmp_path_factory.mktemp("out"), slots=2, reconcile_seconds=0.5)) as stack:
        yield stack


@pytest.fixture(scope="module")
def client(stack: LocalStack) -> Tenant:
    return Tenant(stack.base_url, stack.token("hooked"))


@pytest.fixture(scope="module")
def hooks() -> Iterator[Hooks]:
    with receiving() as hooks:
        yield hooks


@pytest.fixture(scope="module")
def made(client: Tenant, hooks: Hooks) -> dict[str, Made]:
    """A webhook for every kind of receiver."""
    return {
        path: client.post("/webhooks", {"url": hooks.base_url + path}, expect=201) for path in sorted(ANSWER_BY_PATH)
    }


@pytest.fixture(scope="module")
def job_id(client: Tenant, made: dict[str, Made], bikes: Path) -> str:
    """A job that has ended, of which all of them were to be told."""
    job_id = client.analyze(bikes, segment_seconds=2, sampling={"kind": "per_second", "n": 2})
    client.succeed(job_id)
    return job_id


@pytest.fixture(scope="module")
def seqs(client: Tenant, job_id: str) -> list[int]:
    """Of the events that REST tells of."""
    found = [event["seq"] for event in client.pages(f"/jobs/{job_id}/events")]
    assert len(found) > 5
    return found


def deliveries(client: Tenant, made: Made) -> list[Made]:
    return list(client.pages(f"/webhooks/{made['webhook']['webhook_id']}/deliveries"))


def test_a_receiver_is_told_of_everything_once_and_in_order(
    hooks: Hooks, made: dict[str, Made], job_id: str, seqs: list[int]
) -> None:
    wait_until(lambda: hooks.seqs("/good", job_id) == seqs, "every event, once and in order", PATIENCE_SECONDS)
    assert hooks.are_genuine("/good", made["/good"]["secret"])


def test_a_receiver_that_fails_once_is_told_of_everything(
    client: Tenant, hooks: Hooks, made: dict[str, Made], job_id: str, seqs: list[int]
) -> None:
    wait_until(lambda: hooks.seqs("/once", job_id) == [seqs[0], *seqs], "all after a failure", PATIENCE_SECONDS)
    assert [one["outcome"] for one in deliveries(client, made["/once"])][-2:] == ["DELIVERED", "FAILED"]


def test_a_receiver_that_is_gone_is_disabled(
    client: Tenant, hooks: Hooks, made: dict[str, Made], job_id: str, seqs: list[int]
) -> None:
    path = f"/webhooks/{made['/gone']['webhook']['webhook_id']}"
    wait_until(lambda: client.get(path)["webhook"]["state"] == "DISABLED", "the end of the webhook", PATIENCE_SECONDS)
    assert client.get(path)["webhook"]["disabled_reason"] == "GONE"
    assert hooks.seqs("/gone", job_id) == seqs[:1]


def test_a_redirect_is_not_followed(client: Tenant, made: dict[str, Made], job_id: str) -> None:
    found = wait_until(lambda: deliveries(client, made["/moved"]), "an attempt", PATIENCE_SECONDS)
    assert (found[-1]["outcome"], found[-1]["status"]) == ("FAILED", 302)
    assert "not followed" in found[-1]["detail"]


def test_a_receiver_that_says_nothing_is_left(client: Tenant, made: dict[str, Made], job_id: str) -> None:
    found = wait_until(lambda: deliveries(client, made["/silent"]), "an attempt", PATIENCE_SECONDS)
    assert (found[-1]["outcome"], found[-1]["detail"]) == ("FAILED", "the receiver did not answer within 10 s")
    assert 9_000 < found[-1]["duration_ms"] < 15_000


def test_events_are_replayed_with_their_ids(
    client: Tenant, hooks: Hooks, made: dict[str, Made], job_id: str, seqs: list[int]
) -> None:
    wait_until(lambda: hooks.seqs("/good", job_id) == seqs, "every event", PATIENCE_SECONDS)
    path = f"/webhooks/{made['/good']['webhook']['webhook_id']}/replay"
    client.post(path, {"job_id": job_id, "after_seq": seqs[-2]}, expect=202)
    wait_until(lambda: hooks.seqs("/good", job_id) == [*seqs, seqs[-1]], "the last one again", PATIENCE_SECONDS)
    ids = [headers["webhook-id"] for headers, _ in hooks.came["/good"]]
    assert ids[-1] == ids[-2]
