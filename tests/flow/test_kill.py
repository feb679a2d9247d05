"""Workers that are killed: nothing is lost, nothing is counted twice, and it is over within a minute.

All settings are those of `make local`: lease 30 s, heartbeat 10 s, reconciler every 10 s, at most 3 claims.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.contracts import table_keys
from infra.local.stack import LocalStack
from tests.flow.faulty_worker import Fault, Faults
from tests.flow.kills import (
    DONE_WITHIN_SECONDS,
    FRAMES,
    MAX_CLAIMS,
    SEGMENTS,
    attempts,
    results,
    running,
    seconds_after_the_kill,
    start,
)
from tests.flow.measures import Measure
from tests.flow.records import Records
from tests.flow.tenant import Tenant


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, faults: Faults) -> Iterator[LocalStack]:
    with running(tmp_path_factory.mktemp("out"), faults) as stack:
        yield stack


@pytest.fixture(scope="module")
def undisturbed(stack: LocalStack, faults: Faults, bikes: Path) -> bytes:
    """All detections and tracks of a job whose workers nobody killed."""
    faults.plan()
    tenant = Tenant(stack.base_url, stack.token("undisturbed"))
    job_id = start(tenant, bikes)
    assert tenant.succeed(job_id)["summary"]["frames_inferred"] == FRAMES
    return results(tenant, job_id)


# ---- kill -9 --------------------------------------------------------------------------------------------------------

KILLED_IN_A_SEGMENT = [
    pytest.param(Fault("segment claimed", segment_index=2), id="right after the claim", marks=pytest.mark.slow),
    pytest.param(Fault("model loaded", segment_index=1, after_cpu_seconds=0.1), id="in the middle of inference"),
    pytest.param(Fault("PutItem", segment_index=4), id="before results are stored", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("fault", KILLED_IN_A_SEGMENT)
def test_a_segment_whose_worker_is_killed_is_inferred_again(
    tenant: Tenant, bikes: Path, faults: Faults, undisturbed: bytes, fault: Fault, measure: Measure
) -> None:
    faults.plan(fault)
    job_id = start(tenant, bikes)
    job = tenant.succeed(job_id)
    measure(f"done {seconds_after_the_kill(faults, job):.1f} s after the kill")
    assert seconds_after_the_kill(faults, job) < DONE_WITHIN_SECONDS
    assert attempts(tenant, job_id) == [1 + (index == fault.segment_index) for index in range(SEGMENTS)]
    assert job["summary"]["frames_inferred"] == FRAMES
    assert results(tenant, job_id) == undisturbed


def test_results_that_a_killed_worker_had_stored_are_taken_and_not_counted_twice(
    tenant: Tenant, bikes: Path, faults: Faults, undisturbed: bytes, measure: Measure
) -> None:
    faults.plan(Fault("TransactWriteItems", segment_index=4))
    job_id = start(tenant, bikes)
    job = tenant.succeed(job_id)
    measure(f"done {seconds_after_the_kill(faults, job):.1f} s after the kill")
    assert seconds_after_the_kill(faults, job) < DONE_WITHIN_SECONDS
    assert attempts(tenant, job_id) == [1, 1, 1, 1, 2]
    assert job["summary"]["frames_inferred"] < job["summary"]["frames_analyzed"] == FRAMES
    assert results(tenant, job_id) == undisturbed


KILLED_ELSEWHERE = [
    pytest.param(Fault("worker starts"), id="before any claim"),
    pytest.param(Fault("segment committed", segment_index=0), id="right after a commit"),
    pytest.param(Fault("PUT", kind="probe"), id="in the probe"),
    pytest.param(Fault("TransactWriteItems", kind="probe"), id="at the end of the probe"),
    pytest.param(Fault("worker starts", kind="finish"), id="before the finish"),
    pytest.param(Fault("BatchWriteItem", kind="finish"), id="in the finish"),
    pytest.param(Fault("TransactWriteItems", kind="finish"), id="at the end of the finish"),
]


@pytest.mark.slow
@pytest.mark.parametrize("fault", KILLED_ELSEWHERE)
def test_a_worker_that_is_killed_outside_of_a_segment_costs_no_inference(
    tenant: Tenant, bikes: Path, faults: Faults, undisturbed: bytes, fault: Fault, measure: Measure
) -> None:
    faults.plan(fault)
    job_id = start(tenant, bikes)
    job = tenant.succeed(job_id)
    measure(f"done {seconds_after_the_kill(faults, job):.1f} s after the kill")
    assert seconds_after_the_kill(faults, job) < DONE_WITHIN_SECONDS
    assert job["summary"]["frames_inferred"] == FRAMES
    assert results(tenant, job_id) == undisturbed


# ---- poison ---------------------------------------------------------------------------------------------------------


def test_a_segment_that_kills_every_worker_is_given_up_and_can_be_retried_alone(
    tenant: Tenant, records: Records, bikes: Path, faults: Faults, undisturbed: bytes
) -> None:
    faults.plan(Fault("segment claimed", segment_index=1, times=100))
    job_id = start(tenant, bikes)
    job = tenant.wait(job_id)
    segments = tenant.segments(job_id)
    assert job["state"] == "PARTIAL"
    assert len(faults.strikes()) == MAX_CLAIMS
    assert [segment["state"] for segment in segments] == ["DONE", "FAILED", "DONE", "DONE", "DONE"]
    assert attempts(tenant, job_id) == [1, MAX_CLAIMS, 1, 1, 1]
    [missing] = job["missing"]
    assert missing["error"] == segments[1]["error"] == job["error"]
    assert missing["error"]["code"] == "ATTEMPTS_EXHAUSTED"
    assert "exit code 137" in missing["error"]["detail"]
    start_pts, end_pts = segments[1]["start_pts"], segments[1]["end_pts"]
    assert (missing["start_seconds"], missing["end_seconds"]) == (start_pts / 12800, end_pts / 12800)
    assert not [item for item in tenant.all_items(job_id) if start_pts <= item["pts"] < end_pts]

    faults.plan()
    claimed_before = claimed(records, job_id)
    tenant.post(f"/jobs/{job_id}/retry", {}, expect=202)
    job = tenant.succeed(job_id)
    assert claimed(records, job_id)[len(claimed_before) :] == [1]
    assert attempts(tenant, job_id) == [1, MAX_CLAIMS + 1, 1, 1, 1]
    assert "missing" not in job
    assert "error" not in job
    assert results(tenant, job_id) == undisturbed


def claimed(records: Records, job_id: str) -> list[int]:
    lines = [line for line in records.log_lines(job_id) if line["message"] == "segment claimed"]
    return [line["segment_index"] for line in sorted(lines, key=lambda line: str(line["time"]))]


# ---- SIGTERM --------------------------------------------------------------------------------------------------------


def test_a_worker_that_is_told_to_end_gives_its_segment_back_uncounted(
    tenant: Tenant, records: Records, bikes: Path, faults: Faults, undisturbed: bytes
) -> None:
    faults.plan(Fault("model loaded", segment_index=0, after_cpu_seconds=0.1, signal_number=signal.SIGTERM))
    job_id = start(tenant, bikes)
    tenant.succeed(job_id)
    submission = records.meta(job_id)[table_keys.submission("analyze")]
    [child] = records.batch.describe_jobs(jobs=[f"{submission['batch_job_id']}:0"])["jobs"]
    segment = records.meta(job_id)[table_keys.segment(0)]
    assert [attempt["container"]["exitCode"] for attempt in child["attempts"]] == [143, 0]
    assert segment["attempts_allowed"] - segment["attempt"] == MAX_CLAIMS - 1
    assert results(tenant, job_id) == undisturbed
