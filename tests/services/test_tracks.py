"""Versions of a job's tracks: made beside the job, read by name, and current only when asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.contracts import table_keys
from chalicelib.contracts.track_ids import IdColumn, pack_track_ids
from chalicelib.contracts.tracks import TrackRow
from chalicelib.contracts.tree_fold import build_track_tree
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.errors import Conflict, InvalidRequest, LimitExceeded, NotFound
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.side_steps import SideStepState
from chalicelib.domain.tracking import TrackingParameters
from chalicelib.domain.units import UnitKind
from chalicelib.services import tracks
from chalicelib.services.dispatch import order_key, owner_of
from chalicelib.services.results import find_tracks
from chalicelib.services.side_steps import start_side_step
from chalicelib.services.tracks import MAX_VERSIONS, at_version, list_track_versions, start_tracks
from tests.services.world import World

TOLD = TrackingParameters(score_high=0.6, labels=("person",))


def made(world: World, job: Job) -> int:
    """A version that has succeeded."""
    version = start_tracks(world.ports, job, TOLD).version
    world.run_worker(world.last_batch_job())
    return version


def read(world: World, job: Job, version: int | None) -> list[int]:
    seen = at_version(world.ports, job, version)
    found, _, _ = find_tracks(world.ports, seen, label=None, from_seconds=None, to_seconds=None, limit=100, cursor=None)
    return [track.track_id for track in found]


def store(world: World, job: Job, version: int, ids: list[int]) -> None:
    chunk = [TrackRow(track, "toy", "person", 0, 10, 3, 9000) for track in ids]
    results = world.fakes.results
    columns = {table_keys.track_ids(version, 0, 0): pack_track_ids([IdColumn([1], [ids[0]])])[0]}
    results.write_tracks(job.tenant, job.job_id, [chunk], columns, version=version)
    nodes = build_track_tree([chunk], ["toy"])
    results.write_nodes(job.tenant, job.job_id, table_keys.track_tree(version), nodes)


def test_the_worker_is_told_the_version_and_the_parameters() -> None:
    world = World()
    start_tracks(world.ports, world.done(), TOLD, make_current=True)
    order = WorkOrder.from_bytes(world.ports.objects.get(order_key(world.last_batch_job().submission)))
    assert (order.kind, order.step) == ("tracks", "0001")
    assert order.parameters == {"tracking": {"score_high": 0.6, "labels": ["person"]}, "make_current": True}
    assert TrackingParameters.from_json(order.parameters["tracking"]) == TOLD


def test_versions_count_up() -> None:
    world = World()
    job = world.done()
    assert [start_tracks(world.ports, job, TOLD).version for _ in range(3)] == [1, 2, 3]
    assert [version.version for version in list_track_versions(world.ports, job)] == [0, 1, 2, 3]


def test_each_version_is_read_by_its_number() -> None:
    world = World()
    job = world.done()
    made(world, job)
    store(world, job, 0, [1, 2])
    store(world, job, 1, [1, 2, 3])
    assert [read(world, job, version) for version in (None, 0, 1)] == [[1, 2], [1, 2], [1, 2, 3]]


def test_a_version_that_is_current_is_read_without_its_number() -> None:
    world = World()
    job = world.done()
    made(world, job)
    store(world, job, 1, [7])
    current = replace(job, tracks_version=1)
    assert read(world, current, None) == [7]
    flags = [version.is_current for version in list_track_versions(world.ports, current)]
    assert flags == [False, True]


def test_a_version_that_is_under_way_cannot_be_read() -> None:
    world = World()
    job = world.done()
    start_tracks(world.ports, job, TOLD)
    with pytest.raises(Conflict, match="must be SUCCEEDED but is QUEUED"):
        at_version(world.ports, job, 1)


@pytest.mark.parametrize("version", [1, 55])
def test_a_version_that_is_not_there_is_not_found(version: int) -> None:
    world = World()
    with pytest.raises(NotFound, match=f"no version {version}"):
        at_version(world.ports, world.done(), version)


def test_a_job_without_tracking_has_no_version_0_but_may_get_others() -> None:
    world = World()
    job = world.running(tracking=False)
    world.drain()
    job = world.job(job)
    assert list_track_versions(world.ports, job) == []
    made(world, job)
    assert [version.version for version in list_track_versions(world.ports, job)] == [1]


def test_a_version_of_a_job_that_was_retried_since_is_outdated() -> None:
    world = World()
    job = world.done()
    made(world, job)
    later = replace(job, finished_at=world.now().replace(year=2030))
    outdated = [version.is_outdated for version in list_track_versions(world.ports, later)]
    assert outdated == [False, True]


def test_a_label_that_no_model_has_is_refused() -> None:
    world = World()
    with pytest.raises(InvalidRequest, match="unicorn"):
        start_tracks(world.ports, world.done(), TrackingParameters(labels=("unicorn",)))


def test_a_job_that_is_not_done_is_not_tracked_again() -> None:
    world = World()
    with pytest.raises(Conflict, match=JobState.RUNNING):
        start_tracks(world.ports, world.running(), TOLD)


def test_there_is_an_end_to_the_versions_of_a_job() -> None:
    world = World()
    job = world.done()
    start_side_step(world.ports, job, tracks.step_name(MAX_VERSIONS), {"tracking": {}})
    with pytest.raises(LimitExceeded, match=str(MAX_VERSIONS)):
        start_tracks(world.ports, job, TOLD)


def test_a_version_that_failed_says_why() -> None:
    world = World()
    job = world.done()
    start_tracks(world.ports, job, TOLD)
    world.tick(world.ports.limits.job_seconds + 1)
    failed = list_track_versions(world.ports, job)[-1]
    assert failed.state is SideStepState.FAILED
    assert failed.failure is not None
    assert failed.failure.code == "TIMEOUT"


def test_deleting_the_job_takes_its_versions_along() -> None:
    world = World()
    job = world.done()
    made(world, job)
    world.ports.jobs.delete(job)
    assert world.ports.units.list_side_steps(owner_of(job), UnitKind.TRACKS) == []
