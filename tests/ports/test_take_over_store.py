"""The contract of the port `TakeOverStore`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.domain.ids import JobId, TenantId, VideoId
from chalicelib.domain.jobs import Job, JobState, PlanFacts
from chalicelib.domain.reuse import Made, ModelReuse, ReuseReceipt
from chalicelib.domain.units import Unit, UnitKind, UnitState
from chalicelib.services.dispatch import owner_of
from chalicelib.services.ports import Due, Ports
from chalicelib.services.take_over_port import StoredResults, TakenSegment
from tests.fakes.makers import NOW, make_job, make_segment, make_unit
from tests.ports.deployments import Deployment
from tests.ports.test_result_store import make_entry, make_track, write_finish

MADE = Made("f" * 64, ("1" * 32,))
FAR = NOW.replace(year=9000)


def a_job(ports: Ports, tenant: TenantId, **changes: object) -> Job:
    ids = {"job_id": JobId(ports.ids.make("job")), "video_id": VideoId(ports.ids.make("vid"))}
    job = make_job(tenant=tenant, **ids, **changes)
    ports.jobs.add(job, NOW)
    return job


@pytest.fixture
def source(deployment: Deployment, tenant: TenantId) -> Job:
    """A finished job of two segments, whose tracks were made a second time."""
    job = a_job(deployment.ports, tenant, state=JobState.SUCCEEDED, finished_at=NOW, made=MADE)
    for segment in (0, 1):
        deployment.outside.write_index(tenant, job.job_id, make_entry(segment))
    write_finish(deployment, tenant, job.job_id)
    later = {table_keys.track_ids(1, 0, 0): b"later ids"}
    deployment.outside.write_tracks(tenant, job.job_id, [[make_track(9)]], later, version=1)
    return job


@pytest.fixture
def target(ports: Ports, tenant: TenantId) -> Job:
    """A job that waits."""
    return a_job(ports, tenant)


def read(ports: Ports, job: Job) -> StoredResults:
    stored = ports.take_overs.read_results(job, max_items=100, max_bytes=100_000)
    assert stored is not None
    return stored


def a_taken(stored: StoredResults, index: int) -> TakenSegment:
    unit = Unit(UnitKind.SEGMENT, index, UnitState.DONE, provider="cpu", analyses=MADE.analyses)
    return TakenSegment(make_segment(index), unit, {"frames_inferred": 0}, stored.entry_by_segment[index])


def an_end(target: Job) -> Job:
    receipt = ReuseReceipt((ModelReuse(2, 2, 50, 0),))
    changes = {"plan": PlanFacts(2, 2), "finished_at": NOW, "made": MADE, "reused": receipt}
    return replace(target, state=JobState.SUCCEEDED, **changes)  # type: ignore[arg-type]


def by_key(stored: StoredResults) -> dict[str, Item]:
    """Every item of it."""
    return {item["sk"]: item for item in (*stored.entry_by_segment.values(), *stored.roots, *stored.others)}


def is_untouched(ports: Ports, target: Job) -> bool:
    return by_key(read(ports, target)) == {} and not ports.units.list_segments(owner_of(target), -1, 10)


def test_all_of_a_finish_is_read_and_no_later_version_of_its_tracks(ports: Ports, source: Job) -> None:
    stored = read(ports, source)
    assert sorted(stored.entry_by_segment) == [0, 1]
    assert [item["sk"] for item in stored.roots] == [table_keys.SEGMENT_TREE]
    others = [table_keys.track_chunk(0, 0), table_keys.track_chunk(0, 1), table_keys.track_ids(0, 0, 0)]
    assert sorted(item["sk"] for item in stored.others) == sorted([*others, table_keys.tree_node("TREE", 1, 3)])


@pytest.mark.parametrize("limits", [{"max_items": 6, "max_bytes": 100_000}, {"max_items": 100, "max_bytes": 20}])
def test_more_than_is_allowed_is_not_read(ports: Ports, source: Job, limits: dict[str, int]) -> None:
    assert ports.take_overs.read_results(source, **limits) is None


def test_what_was_written_in_steps_is_what_was_read(ports: Ports, source: Job, target: Job) -> None:
    stored = read(ports, source)
    assert ports.take_overs.write(target, stored.others, [a_taken(stored, 0)])
    assert ports.take_overs.finish(an_end(target), source, stored.roots, [a_taken(stored, 1)])
    assert by_key(read(ports, target)) == by_key(stored)
    taken = [a_taken(stored, index) for index in (0, 1)]
    segments = list(ports.units.list_segments(owner_of(target), -1, 10))
    assert segments == [(one.segment, one.unit) for one in taken]
    assert ports.jobs.get(target.tenant, target.job_id) == replace(an_end(target), version=2)
    assert not ports.units.has_open(owner_of(target))


def test_a_job_that_ended_so_is_not_due(ports: Ports, source: Job, target: Job) -> None:
    stored = read(ports, source)
    before = Due(owner_of(target)) in ports.due.list_due(FAR, 1000)
    assert ports.take_overs.finish(an_end(target), source, stored.roots, [])
    assert (before, Due(owner_of(target)) in ports.due.list_due(FAR, 1000)) == (True, False)


def test_nothing_is_added_to_a_job_that_moved_on(ports: Ports, source: Job, target: Job) -> None:
    stored = read(ports, source)
    ports.jobs.save(replace(target, state=JobState.CANCELLING), NOW)
    assert not ports.take_overs.write(target, stored.others, [a_taken(stored, 0)])
    assert not ports.take_overs.finish(an_end(target), source, stored.roots, [a_taken(stored, 0)])
    assert is_untouched(ports, target)


def test_nothing_is_added_to_a_job_that_was_deleted(ports: Ports, source: Job, target: Job) -> None:
    stored = read(ports, source)
    ports.jobs.delete(target)
    assert not ports.take_overs.write(target, stored.others, [a_taken(stored, 0)])
    assert is_untouched(ports, target)


def test_a_segment_that_is_there_is_left_to_whoever_has_it(ports: Ports, source: Job, target: Job) -> None:
    stored = read(ports, source)
    ports.units.add_segments(owner_of(target), [(make_segment(1), make_unit(index=1))])
    assert not ports.take_overs.write(target, stored.others, [a_taken(stored, 0), a_taken(stored, 1)])
    assert [unit.index for unit in ports.units.list_open(owner_of(target))] == [1]
    assert by_key(read(ports, target)) == {}


@pytest.mark.parametrize("how", ["forbidden", "deleted", "finished anew"])
def test_a_job_whose_results_may_be_going_is_not_taken_over(ports: Ports, source: Job, target: Job, how: str) -> None:
    stored = read(ports, source)
    if how == "deleted":
        ports.jobs.delete(source)
    else:
        changes = {"made": None} if how == "forbidden" else {"finished_at": FAR}
        ports.jobs.save(replace(source, **changes), None)  # type: ignore[arg-type]
    assert not ports.take_overs.finish(an_end(target), source, stored.roots, [a_taken(stored, 0)])
    assert is_untouched(ports, target)
    assert ports.jobs.get(target.tenant, target.job_id) == target
