"""The command `python -m infra.local`, stopped in the middle of a job and started again on the same state folder."""

from __future__ import annotations

from pathlib import Path

from tests.flow.local_process import local_process
from tests.flow.reference import EVERY_FIFTH, FIVE_A_SECOND, plain_loop, without_tracks
from tests.flow.tenant import FAST_MODEL, canonical

FRAMES = 50


def test_a_job_goes_on_after_a_restart_and_its_results_stay(tmp_path: Path, bikes: Path) -> None:
    with local_process(tmp_path) as tenant:
        job_id = tenant.analyze(bikes, segment_seconds=1, sampling=FIVE_A_SECOND)
        for job in tenant.watch(job_id):
            if job["progress"]["segments_done"]:
                break
        assert job["state"] == "RUNNING"
    with local_process(tmp_path) as tenant:
        job = tenant.succeed(job_id)
        items = canonical(tenant.all_items(job_id))
        loop = plain_loop(bikes, FAST_MODEL, EVERY_FIFTH)
        assert canonical(without_tracks(tenant.all_items(job_id))) == canonical(loop.items)
        assert job["summary"]["frames_analyzed"] == FRAMES
    with local_process(tmp_path) as tenant:
        assert tenant.job(job_id) == job
        assert canonical(tenant.all_items(job_id)) == items
