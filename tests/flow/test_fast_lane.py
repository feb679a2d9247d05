"""The journey through the fast lane: a function instead of Batch, as a plain worker and in Lambda's own runtime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.contracts.invocations import PREFIX
from infra.local.stack import FastLaneMode, LocalStack, StackOptions
from infra.wiring import WIRING
from tests.flow.records import Records
from tests.flow.reference import EVERY_FIFTH, FIVE_A_SECOND, plain_loop, without_tracks
from tests.flow.tenant import FAST_MODEL, Tenant, canonical

# `make test-image` has a video analysed under Lambda's own runtime as well.
IN_RUNTIME = pytest.param(FastLaneMode.RUNTIME, marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=[FastLaneMode.WORKER, IN_RUNTIME])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    options = StackOptions(out=tmp_path_factory.mktemp("out"), slots=2, fast_lane=request.param)
    with LocalStack(options) as stack:
        yield stack


def test_a_short_video_is_probed_analysed_and_finished_without_batch(
    tenant: Tenant, records: Records, bikes: Path
) -> None:
    created = tenant.upload(bikes, analyze={"models": [FAST_MODEL], "segment_seconds": 2, "sampling": FIVE_A_SECOND})
    job_id = str(created["job"]["job_id"])
    job = tenant.succeed(job_id)
    loop = plain_loop(bikes, FAST_MODEL, EVERY_FIFTH)
    assert canonical(without_tracks(tenant.all_items(job_id))) == canonical(loop.items)
    submissions = [
        *records.meta(str(created["video"]["video_id"]), "SUB").values(),
        *records.meta(job_id, "SUB").values(),
    ]
    assert [one["lane"] for one in submissions] == ["fast"] * 3
    assert all(str(one["batch_job_id"]).startswith(PREFIX) for one in submissions)
    for lane in WIRING.lanes:
        assert records.batch.list_jobs(jobQueue=lane.queue, jobStatus="SUCCEEDED")["jobSummaryList"] == []
    assert (job["progress"]["segments_done"], {segment["lane"] for segment in tenant.segments(job_id)}) == (5, {"fast"})


def test_nothing_appears_after_a_cancel(tenant: Tenant, bikes: Path) -> None:
    job_id = tenant.analyze(bikes, model="nanodet-g", segment_seconds=1)
    for job in tenant.watch(job_id):
        if job["progress"]["segments_done"]:
            break
    done = tenant.post(f"/jobs/{job_id}/cancel", {})["job"]["progress"]["segments_done"]
    items = canonical(tenant.all_items(job_id))
    # Nobody can stop the worker: it ends when its next write, or heartbeat, is refused. Meanwhile others are served.
    tenant.succeed(tenant.analyze(bikes, sampling=FIVE_A_SECOND))
    assert tenant.job(job_id)["state"] == "CANCELLED"
    states = [segment["state"] for segment in tenant.segments(job_id)]
    assert (states.count("DONE"), set(states)) == (done, {"DONE", "CANCELLED"})
    assert canonical(tenant.all_items(job_id)) == items
