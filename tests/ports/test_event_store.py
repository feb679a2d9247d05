"""The contract of the port `EventStore`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.errors import NotFound
from chalicelib.domain.events import JobEvent
from chalicelib.domain.ids import JobId, TenantId
from chalicelib.services.ports import Owner, Ports
from tests.fakes.makers import A_FAILURE, NOW, make_commit_event, make_job, make_state_event
from tests.ports.deployments import aws_deployment


@pytest.fixture
def owner(ports: Ports, tenant: TenantId) -> Owner:
    """A job that is there."""
    job_id = JobId(ports.ids.make("job"))
    ports.jobs.add(make_job(tenant=tenant, job_id=job_id), None)
    return Owner(tenant, job_id)


def of(owner: Owner) -> dict[str, Any]:
    return {"tenant": owner.tenant, "job_id": JobId(owner.name)}


def test_events_are_numbered_from_one_without_a_gap(ports: Ports, owner: Owner) -> None:
    for index in range(4):
        ports.events.append(make_commit_event(index, **of(owner)), expires_at=NOW + timedelta(days=30))
    found = ports.events.list(owner, 0, 10)
    assert [(event.seq, event.origin) for event in found] == [
        (1, "SEG#00000"),
        (2, "SEG#00001"),
        (3, "SEG#00002"),
        (4, "SEG#00003"),
    ]


def test_what_was_appended_is_what_is_listed(ports: Ports, owner: Owner) -> None:
    events = [
        ports.events.append(make_state_event(failure=A_FAILURE, **of(owner)), expires_at=None),
        ports.events.append(make_commit_event(7, **of(owner)), expires_at=NOW),
    ]
    assert list(ports.events.list(owner, 0, 10)) == events


def test_a_change_that_is_told_again_keeps_its_number(ports: Ports, owner: Owner) -> None:
    events = [make_state_event(1, **of(owner)), make_commit_event(0, **of(owner))]
    first = [ports.events.append(event, expires_at=None) for event in events]
    again = [ports.events.append(event, expires_at=None) for event in events]
    assert (again, len(ports.events.list(owner, 0, 10))) == (first, 2)


def test_a_state_is_not_told_after_a_later_one(ports: Ports, owner: Owner) -> None:
    ports.events.append(make_state_event(2, **of(owner)), expires_at=None)
    assert ports.events.append(make_state_event(1, **of(owner)), expires_at=None) is None
    assert [event.origin for event in ports.events.list(owner, 0, 10)] == ["JOB#2"]


def test_the_list_goes_on_after_a_number(ports: Ports, owner: Owner) -> None:
    for index in range(12):
        ports.events.append(make_commit_event(index, **of(owner)), expires_at=None)
    pages = [[event.seq for event in ports.events.list(owner, after, 3)] for after in (0, 8, 11, 12)]
    assert pages == [[1, 2, 3], [9, 10, 11], [12], []]


def test_origins_are_listed_by_what_they_begin_with(ports: Ports, owner: Owner) -> None:
    for event in (make_state_event(3), make_commit_event(1), make_commit_event(0)):
        ports.events.append(replace(event, **of(owner)), expires_at=None)
    found = [list(ports.events.list_origins(owner, prefix)) for prefix in ("SEG#", "JOB#", "X")]
    assert found == [["SEG#00000", "SEG#00001"], ["JOB#3"], []]


def test_nothing_happens_to_a_job_that_is_gone(ports: Ports, owner: Owner, tenant: TenantId) -> None:
    job = ports.jobs.get(tenant, JobId(owner.name))
    assert job is not None
    ports.jobs.delete(job)
    with pytest.raises(NotFound):
        ports.events.append(make_state_event(**of(owner)), expires_at=None)
    assert list(ports.events.list(owner, 0, 10)) == []


def test_another_tenant_sees_no_events(ports: Ports, owner: Owner) -> None:
    ports.events.append(make_state_event(**of(owner)), expires_at=None)
    assert list(ports.events.list(Owner(TenantId("stranger"), owner.name), 0, 10)) == []


class Interrupted:
    """DynamoDB's client, before whose first delete something happens."""

    def __init__(self, client: Any, act: Callable[[], object]) -> None:
        self._client = client
        self._acts = [act]

    def __getattr__(self, name: str) -> Any:
        if name in ("delete_item", "batch_write_item") and self._acts:
            self._acts.pop()()
        return getattr(self._client, name)


@pytest.mark.usefixtures("stack")
def test_an_event_that_is_recorded_while_its_job_is_deleted_goes_with_it() -> None:
    ports = aws_deployment().ports
    job = make_job(tenant=TenantId(ports.ids.make("ten")), job_id=JobId(ports.ids.make("job")))
    event = make_state_event(tenant=job.tenant, job_id=job.job_id)
    recorded: list[JobEvent | None] = []
    ports.jobs.add(job, None)
    interrupted = aws_deployment(
        lambda client: Interrupted(client, lambda: recorded.append(ports.events.append(event, expires_at=None)))
    )
    interrupted.ports.jobs.delete(job)
    owner = Owner(job.tenant, job.job_id)
    assert recorded == [replace(event, seq=1)]
    assert (ports.events.list(owner, 0, 10), ports.events.list_origins(owner, "")) == ([], [])
