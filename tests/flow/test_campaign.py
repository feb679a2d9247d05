"""A campaign on the running system, while a worker and then the service are killed: it ends as if nothing had been."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import pytest

from tests.flow.faulty_worker import FOLDER_VARIABLE, Fault, Faults
from tests.flow.local_process import local_process, wait_until_saved
from tests.flow.measures import Measure
from tests.flow.reference import plain_loop, without_tracks
from tests.flow.tenant import FAST_MODEL, WAIT_SECONDS, Json, Tenant, canonical
from tests.video.variants import FRAMES, make_variants

OLD, NEW = "nanodet-g", FAST_MODEL
SHORT_LEASES = {"REELSCAN_LEASE_SECONDS": "6", "REELSCAN_HEARTBEAT_SECONDS": "2"}
TERMINAL = ("SUCCEEDED", "PARTIAL", "STOPPED", "SKIPPED")


class Archive:
    """Videos of a tenant with current results of the first version of a pipeline, and a second version."""

    def __init__(self, tenant: Tenant, clips: list[Path]) -> None:
        for model in (OLD, NEW):
            tenant.post("/pipelines", {"name": "people", "models": [model], "tracking": False}, expect=201)
        self.clip_by_video: dict[str, Path] = {}
        # One of each kind first, so that copies find what it has left.
        kinds = list(dict.fromkeys(clips))
        for some in (kinds, clips[len(kinds) :]):
            jobs = []
            for clip in some:
                created = tenant.upload(clip, analyze={"pipeline": "people@1"})
                self.clip_by_video[created["video"]["video_id"]] = clip
                jobs.append(created["job"]["job_id"])
            assert {tenant.wait(job_id, 1500)["state"] for job_id in jobs} <= {"SUCCEEDED"}


def jobs_of(tenant: Tenant, video_id: str) -> list[Json]:
    """The oldest first."""
    return list(tenant.pages(f"/videos/{video_id}/jobs"))[::-1]


def start(tenant: Tenant, **more: object) -> str:
    form = {"name": "finer", "pipeline": "people@2", **more}
    return f"/campaigns/{tenant.post('/campaigns', form, expect=201)['campaign']['campaign_id']}"


def run_when(tenant: Tenant, campaign: str, is_so: Callable[[Json], bool], patience_seconds: float = 1500) -> Json:
    """The campaign's run, once it is as it should be."""
    deadline = time.monotonic() + patience_seconds
    while not (runs := tenant.get(f"{campaign}/runs")["items"]) or not is_so(runs[0]):
        assert time.monotonic() < deadline, runs
        threading.Event().wait(WAIT_SECONDS)
    return dict(runs[0])


def is_over(run: Json) -> bool:
    return run["state"] in TERMINAL


def latest(tenant: Tenant, video_id: str) -> str:
    [version] = tenant.get(f"/videos/{video_id}/versions")["items"]
    return str(version["job_id"])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("videos", "kinds", "concurrency"), [(6, 6, 1), (40, 8, 2)])
def test_killed_with_a_worker_and_with_the_service_it_promotes_everything_and_analyses_nothing_twice(
    tmp_path: Path, bikes: Path, faults: Faults, measure: Measure, videos: int, kinds: int, concurrency: int
) -> None:
    clips = []
    for number, content in enumerate(make_variants(bikes, kinds)):
        clips.append(tmp_path / f"clip-{number}.mp4")
        clips[-1].write_bytes(content)
    environment = {FOLDER_VARIABLE: str(faults.folder)} | SHORT_LEASES
    module = "tests.flow.faulty_stack"

    with local_process(tmp_path, module=module, environment=environment, ended_by=signal.SIGKILL) as tenant:
        archive = Archive(tenant, [clips[number % kinds] for number in range(videos)])
        stopped = run_when(tenant, start(tenant, canary={"videos": 1, "bounds": {"min_agreement": 0.999}}), is_over)
        assert (stopped["state"], stopped["reason"]["code"]) == ("STOPPED", "CANARY")
        before = {video_id: latest(tenant, video_id) for video_id in archive.clip_by_video}
        assert before == {video_id: jobs_of(tenant, video_id)[0]["job_id"] for video_id in archive.clip_by_video}

        faults.plan(Fault("segment claimed"))
        campaign = start(tenant, canary={"videos": 2, "bounds": {"min_agreement": 0.0}}, concurrency=concurrency)
        begun = time.monotonic()
        # The first one takes over what the canary that was stopped has left, and starts no worker.
        run_when(tenant, campaign, lambda run: run["progress"]["succeeded"] >= 2)
        assert len(faults.strikes()) == 1
        wait_until_saved(tmp_path)
        run = run_when(tenant, campaign, lambda run: True)
        assert not is_over(run), "it was over before the service could be killed"
        under_way = run["progress"]["running"]

    with local_process(tmp_path, module=module, environment=environment) as tenant:
        run = run_when(tenant, campaign, is_over)
        measure(f"{videos} videos: {time.monotonic() - begun:.0f} s, {run['progress']}, {run['spend']}")
        assert (run["state"], run.get("reason")) == ("SUCCEEDED", None)
        assert run["progress"]["succeeded"] == run["progress"]["promoted"] == videos

        canary, inferred, claims = 1, 0, 0
        for video_id, clip in archive.clip_by_video.items():
            jobs = jobs_of(tenant, video_id)
            tried = [version for version, _ in groupby(job["pipeline"]["version"] for job in jobs)]
            assert (tried, {job["state"] for job in jobs}) == ([1, 2], {"SUCCEEDED"})
            assert latest(tenant, video_id) == jobs[-1]["job_id"]
            canary += len(jobs) - 2
            inferred += sum(job["summary"]["frames_inferred"] for job in jobs[1:])
            segments = [segment for job in jobs[1:] for segment in tenant.segments(job["job_id"])]
            # Segments of results that were taken over were never claimed.
            claims += sum(max(0, segment["attempt"] - 1) for segment in segments)
            seen = without_tracks(tenant.all_items(jobs[-1]["job_id"]))
            assert canonical(seen) == canonical(plain_loop(clip, NEW).items)
        # One more job than videos: that of the first campaign's canary.
        assert canary == 2
        measure(f"{videos} videos of {kinds} kinds: {inferred} frames inferred, {claims} claims more than segments")
        # The worker that was killed, and those that were at work when the service was.
        assert 1 <= claims <= 1 + under_way
        assert inferred <= FRAMES * (videos if kinds == videos else 2 * kinds)
