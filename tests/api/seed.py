"""Things that are there before a request: uploads under way, videos that are ready, jobs that found something."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from chalicelib.contracts import object_keys, table_keys
from chalicelib.contracts.blocks import make_ref, pack_block
from chalicelib.contracts.cell_results import CellResult
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.sample_table import pack_cells
from chalicelib.contracts.track_ids import IdColumn, pack_track_ids
from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.campaign_runs import Comparison, RunState, TargetState
from chalicelib.domain.campaigns import CampaignState
from chalicelib.domain.ids import CampaignId, JobId, TenantId, VideoId
from chalicelib.domain.jobs import TERMINAL_JOB_STATES, Job, JobState, ModelRef, PlanFacts
from chalicelib.domain.schedules import Rate, RateUnit
from chalicelib.domain.tiles import Tiles
from chalicelib.domain.units import UnitKind, UnitState
from chalicelib.domain.videos import Source, Video, VideoState
from chalicelib.services.dispatch import owner_of
from chalicelib.services.ports import Owner
from tests.api.routes import MANIFEST, Route
from tests.api.service import ACME, Service
from tests.contracts.block_makers import make_block
from tests.fakes.campaign_makers import make_campaign, make_plan, make_run, make_target
from tests.fakes.finish import write_finish
from tests.fakes.makers import (
    A_FAILURE,
    JOB_ID,
    NOW,
    TIMEBASE,
    make_cells,
    make_index,
    make_job,
    make_manifest,
    make_media,
    make_segment,
    make_unit,
)

NEVER_VIDEO = "vid_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
NEVER_JOB = "job_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
SEGMENTS = 3
TICKS = 2000
DIGEST = "ab" * 32
FRAMES = 5
"""Of each segment, 400 ticks apart; each has a person of score 0.9 - 0.01 * segment and a dog of 0.5."""


SHEET = {
    "file_name": "street-thumbnails.jpg",
    "content_type": "image/jpeg",
    "size_bytes": 4,
    "sha256": "a" * 64,
    "tiles": Tiles(2, 2, 160, 90, TIMEBASE, (0, 3000, 6000)).to_json(),
    "end_pts": 10_000,
}
"""What a worker says of thumbnails."""


@dataclass(frozen=True)
class Seeded:
    """The ids of a video and its job."""

    video_id: str
    job_id: str
    export_id: str = "exp_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    """One that never was, unless it was seeded."""
    rendition_id: str = "ren_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    campaign_id: str = "cmp_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    run_id: str = "run_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    webhook_id: str = "whk_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"

    @property
    def path_values(self) -> dict[str, str]:
        """What a route to one thing has in its path."""
        return {
            "video_id": self.video_id,
            "job_id": self.job_id,
            "other_job_id": self.job_id,
            "export_id": self.export_id,
            "rendition_id": self.rendition_id,
            "campaign_id": self.campaign_id,
            "run_id": self.run_id,
            "webhook_id": self.webhook_id,
            "name": "people",
            "number": "1",
            "alias": "prod",
            "code": "NOT_FOUND",
        }


def seed_for(service: Service, route: Route) -> Seeded:
    """A thing of the tenant `acme` that the route could act on."""
    if "/upload" in route.path:
        return Seeded(seed_upload_in_parts(service), NEVER_JOB)
    if "export_id" in route.path:
        return seed_export(service)
    if "rendition_id" in route.path:
        return seed_rendition(service)
    if "/models/" in route.path:
        seed_model(service, name="people")
        return Seeded(NEVER_VIDEO, NEVER_JOB)
    if "{alias}" in route.path:
        return seed_versions(service)
    if "/campaigns" in route.path:
        is_paused = route.path.endswith("/resume")
        return seed_campaign(service, state=CampaignState.PAUSED if is_paused else CampaignState.ACTIVE)
    if "/webhooks" in route.path:
        return seed_webhook(service)
    if "/pipelines" in route.path:
        seed_pipeline(service)
        return Seeded(NEVER_VIDEO, NEVER_JOB)
    state = {"cancel": JobState.RUNNING, "retry": JobState.PARTIAL}.get(route.path.rpartition("/")[2])
    return seed_job(service, state=state or JobState.SUCCEEDED, failed=(1,) if state is JobState.PARTIAL else ())


def seed_campaign(service: Service, tenant: TenantId = ACME, state: CampaignState = CampaignState.ACTIVE) -> Seeded:
    """A campaign that runs once a day, with the run of yesterday, which analysed one video."""
    seed_pipeline(service, tenant)
    plan = make_plan(pipeline="people@1", schedule=Rate(1, RateUnit.DAYS, NOW + timedelta(hours=1)))
    campaign_id = CampaignId(service.ports.ids.make("cmp"))
    campaign = make_campaign(tenant=tenant, campaign_id=campaign_id, plan=plan, state=state, seen_until=NOW)
    service.ports.campaigns.add(campaign, None, max_open=100)
    run = make_run(
        tenant=tenant, campaign_id=campaign_id, nominal_at=NOW - timedelta(hours=23), state=RunState.SUCCEEDED
    )
    service.ports.campaigns.add_run(run, None)
    target = make_target(run, state=TargetState.SUCCEEDED, job_id=JOB_ID, comparison=Comparison(1), is_promoted=True)
    service.ports.campaigns.add_targets([target])
    return Seeded("vid_7ZZZZZZZZZZZZZZZZZZZZZZZZZ", JOB_ID, campaign_id=campaign_id, run_id=run.run_id)


def seed_video(service: Service, tenant: TenantId = ACME, state: VideoState = VideoState.READY) -> Video:
    """A video whose bytes are there (unless it awaits them), and what its probe found."""
    ports = service.ports
    answer = service.call("POST", "/videos", {"filename": "street.mp4", "size_bytes": 100}, token=tenant)
    video_id = VideoId(answer.json["video"]["video_id"])
    video = ports.videos.get(tenant, video_id)
    assert video is not None
    if state is VideoState.AWAITING_UPLOAD:
        return video
    cells_key = f"tenants/{tenant}/videos/{video_id}/index/cells"
    service.fakes.objects.place(video.source.key, b"x" * 100)
    service.fakes.objects.place(cells_key, pack_cells(make_cells(SEGMENTS)))
    return ports.videos.save(
        replace(
            video,
            state=state,
            source=Source(video.source.bucket, video.source.key, 100, "etag", "", DIGEST),
            media=make_media() if state is VideoState.READY else None,
            index=make_index(cells_key) if state is VideoState.READY else None,
            failure=A_FAILURE if state is VideoState.REJECTED else None,
        ),
        None,
    )


def seed_upload_in_parts(service: Service, tenant: TenantId = ACME) -> str:
    """A video of which the parts are awaited; its id."""
    body = {"filename": "long.mp4", "size_bytes": 200 << 20}
    video_id: str = service.call("POST", "/videos", body, token=tenant).json["video"]["video_id"]
    return video_id


def seed_job(
    service: Service,
    tenant: TenantId = ACME,
    state: JobState = JobState.SUCCEEDED,
    failed: tuple[int, ...] = (),
    video_id: VideoId | None = None,
    **request: Any,
) -> Seeded:
    """A job of three segments, with results where none failed, on a video that is ready: this one, or a new one."""
    ports = service.ports
    video = ports.videos.get(tenant, video_id) if video_id else seed_video(service, tenant)
    assert video is not None
    job = make_job(
        tenant=tenant,
        job_id=JobId(ports.ids.make("job")),
        video_id=video.video_id,
        state=state,
        request=replace(make_job().request, **request),
        models=(ModelRef("toy", "1", make_manifest().sha256),),
        plan=PlanFacts(SEGMENTS, SEGMENTS),
        finished_at=NOW if state in TERMINAL_JOB_STATES else None,
    )
    ports.jobs.add(job, None)
    done = UnitState.OPEN if state is JobState.RUNNING else UnitState.DONE
    ports.units.add_segments(
        owner_of(job),
        [
            (
                make_segment(index),
                make_unit(
                    UnitKind.SEGMENT,
                    index,
                    state=UnitState.FAILED if index in failed else done,
                    failure=A_FAILURE if index in failed else None,
                    provider="cpu" if index not in failed and done is UnitState.DONE else "",
                ),
            )
            for index in range(SEGMENTS)
        ],
    )
    for index in range(SEGMENTS):
        if index not in failed and done is UnitState.DONE:
            _write_results(service, job, index)
    if job.is_terminal:
        _write_tracks(service, job)
    return Seeded(video.video_id, job.job_id)


def seed_export(service: Service, tenant: TenantId = ACME) -> Seeded:
    """An export that was asked for; no worker has seen it."""
    seeded = seed_job(service, tenant)
    answer = service.call("POST", f"/jobs/{seeded.job_id}/exports", {"format": "csv"}, token=tenant)
    return replace(seeded, export_id=answer.json["export"]["export_id"])


def seed_rendition(service: Service, tenant: TenantId = ACME) -> Seeded:
    """Thumbnails that a worker has made."""
    video_id = seed_video(service, tenant).video_id
    answer = service.call("POST", f"/videos/{video_id}/renditions", {"kind": "thumbnails"}, token=tenant)
    rendition_id: str = answer.json["rendition"]["rendition_id"]
    end_rendition(service, video_id, rendition_id, SHEET, tenant)
    return Seeded(video_id, NEVER_JOB, rendition_id=rendition_id)


def end_rendition(
    service: Service,
    video_id: str,
    rendition_id: str,
    result: dict[str, Any] | None,
    tenant: TenantId = ACME,
) -> None:
    """What a worker leaves: the result and a file, or without a result that it failed."""
    memory, owner, name = service.fakes.memory, Owner(tenant, video_id), (UnitKind.RENDITION, rendition_id)
    state, failure = (UnitState.DONE, None) if result else (UnitState.FAILED, A_FAILURE)
    memory.units[owner][name] = replace(memory.units[owner][name], state=state, failure=failure)
    memory.side_steps[owner][name] = replace(memory.side_steps[owner][name], result=result, finished_at=NOW)
    if result:
        service.fakes.objects.place(object_keys.rendition_key(tenant, video_id, rendition_id), b"data")


def seed_model(service: Service, tenant: TenantId = ACME, name: str = "mine", version: str = "1") -> None:
    """A model of the tenant's own that jobs can name."""
    body = {"size_bytes": 100, "manifest": MANIFEST | {"name": name, "version": version}}
    assert service.call("POST", "/models", body, token=tenant).status == 201
    record = service.ports.models.find_record(tenant, name, version)
    assert record is not None
    manifest = make_manifest(name, version=version, labels=("person", "dog"))
    service.fakes.models.admit(record, manifest, service.fakes.clock.now())


def seed_webhook(service: Service, tenant: TenantId = ACME) -> Seeded:
    """A webhook, and a job that it can be told of."""
    seeded = seed_job(service, tenant)
    answer = service.call("POST", "/webhooks", {"url": "https://example.com/hook"}, token=tenant)
    return replace(seeded, webhook_id=answer.json["webhook"]["webhook_id"])


def seed_pipeline(service: Service, tenant: TenantId = ACME) -> None:
    """The first version of a pipeline `people`."""
    service.call("POST", "/pipelines", {"name": "people", "models": ["toy"]}, token=tenant)


def seed_versions(service: Service, tenant: TenantId = ACME) -> Seeded:
    """A video whose alias `prod` named one job, and now names another one, which is the latest."""
    first = seed_job(service, tenant)
    second = seed_job(service, tenant, video_id=VideoId(first.video_id))
    for seeded in (first, second):
        path, body = f"/videos/{first.video_id}/versions/prod", {"job_id": seeded.job_id, "cause": "it is better"}
        assert service.call("PUT", path, body, token=tenant).status == 200
    return second


def _write_results(service: Service, job: Job, index: int) -> None:
    frames = [
        (index * TICKS + rank * 400, 0, rank, 0, [(1, 9000 - 100 * index, 160, 0, 320, 480), (0, 5000, 0, 0, 16, 16)])
        for rank in range(FRAMES)
    ]
    block = make_block(TIMEBASE, ["dog", "person"], frames)
    packed = pack_block(block)
    ref = make_ref(block, packed, table_keys.block_head("a" * 32, index))
    service.fakes.results.write_block(job.tenant, DIGEST, ref.sk, packed)
    cell = CellResult(index, FRAMES, FRAMES, (), (ref,))
    entry = IndexEntry(index, index * TICKS, (index + 1) * TICKS, FRAMES, ((cell,),))
    service.fakes.results.write_index(job.tenant, job.job_id, entry)


def _write_tracks(service: Service, job: Job) -> None:
    tracks = [
        TrackRow(1, "toy", "person", 0, 5600, 15, 9000),
        TrackRow(2, "toy", "dog", 0, 1600, 5, 5000),
        TrackRow(3, "toy", "dog", 2000, 5600, 10, 5000),
    ]
    ids = {
        table_keys.track_ids(0, index, 0): pack_track_ids(
            [IdColumn([2] * FRAMES, [1, 2 if index == 0 else 3] * FRAMES)]
        )[0]
        for index in range(SEGMENTS)
    }
    frames_before = [index * FRAMES for index in range(SEGMENTS)]
    write_finish(service.fakes.results, job, frames_before, [tracks], ids)
