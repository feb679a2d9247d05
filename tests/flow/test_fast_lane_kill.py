"""Workers of the fast lane that are killed or drained: what they leave goes on in Batch, exactly."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.stack import FastLaneMode, LocalStack
from tests.flow.faulty_worker import Fault, Faults
from tests.flow.kills import FRAMES, SEGMENTS, attempts, results, running, start
from tests.flow.tenant import Tenant


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, faults: Faults) -> Iterator[LocalStack]:
    with running(tmp_path_factory.mktemp("out"), faults, fast_lane=FastLaneMode.WORKER) as stack:
        yield stack


@pytest.fixture(scope="module")
def undisturbed(stack: LocalStack, faults: Faults, bikes: Path) -> bytes:
    """All detections and tracks of a job whose workers nobody killed."""
    faults.plan()
    tenant = Tenant(stack.base_url, stack.token("undisturbed"))
    return _results_of(tenant, start(tenant, bikes), lanes=["fast"] * SEGMENTS)


def test_a_worker_that_is_killed_leaves_its_segments_to_batch(
    tenant: Tenant, bikes: Path, faults: Faults, undisturbed: bytes
) -> None:
    faults.plan(Fault("segment claimed", segment_index=2))
    job_id = start(tenant, bikes)
    assert _results_of(tenant, job_id, lanes=["fast", "fast", "cpu", "cpu", "cpu"]) == undisturbed
    assert attempts(tenant, job_id) == [1, 1, 2, 1, 1]


def test_a_worker_that_is_told_to_stop_gives_back_its_segment_and_batch_goes_on(
    tenant: Tenant, bikes: Path, faults: Faults, undisturbed: bytes
) -> None:
    faults.plan(Fault("segment claimed", segment_index=3, signal_number=signal.SIGTERM))
    job_id = start(tenant, bikes)
    assert _results_of(tenant, job_id, lanes=["fast", "fast", "fast", "cpu", "cpu"]) == undisturbed


def test_a_probe_that_is_killed_goes_on_in_batch(
    tenant: Tenant, bikes: Path, faults: Faults, undisturbed: bytes
) -> None:
    faults.plan(Fault("TransactWriteItems", kind="probe"))
    job_id = start(tenant, bikes)
    assert _results_of(tenant, job_id, lanes=["fast"] * SEGMENTS) == undisturbed
    assert len(faults.strikes()) == 1


def _results_of(tenant: Tenant, job_id: str, *, lanes: list[str]) -> bytes:
    """What the job found, once it has succeeded with its segments in these lanes."""
    assert tenant.succeed(job_id)["summary"]["frames_inferred"] == FRAMES
    assert [segment["lane"] for segment in tenant.segments(job_id)] == lanes
    return results(tenant, job_id)
