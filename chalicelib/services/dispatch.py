"""From units of work to Batch or the fast lane: order, submission, sending; and units whose child job is gone.

Sending twice is harmless (units are claimed), not sending is found by the reconciler: a submission is recorded before
Batch hears of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from aws_lambda_powertools import Logger

from chalicelib.contracts import object_keys
from chalicelib.contracts.items import time_to_text
from chalicelib.contracts.work_order import OrderedMedia, OrderedModel, OrderedSource, OrderKind, WorkOrder
from chalicelib.domain.budgets import Price
from chalicelib.domain.errors import ErrorCode, Failure, LimitExceeded, NotFound
from chalicelib.domain.ids import JobId, ModelId, SubmissionId, VideoId, is_id
from chalicelib.domain.jobs import Job, JobRequest
from chalicelib.domain.lanes import lane_after
from chalicelib.domain.model_versions import ModelVersion, RegisteredModel
from chalicelib.domain.models import Manifest
from chalicelib.domain.segments import Segment, assign_children
from chalicelib.domain.side_steps import StepName
from chalicelib.domain.units import SIDE_KINDS, SIDE_KINDS_OF_VIDEO, Lane, Unit, UnitKind, UnitState
from chalicelib.domain.videos import Source, Video
from chalicelib.services.budgets import reserve
from chalicelib.services.lanes import choose_analysis_lane
from chalicelib.services.ports import Owner, Ports, Submission, SubmissionState
from chalicelib.services.pricing import (
    children_again,
    price_admission,
    price_again,
    price_probe,
    price_rendition,
)

logger = Logger(service="reelscan", child=True)

ORDER_KIND_BY_UNIT = {
    UnitKind.PROBE: OrderKind.PROBE,
    UnitKind.SEGMENT: OrderKind.ANALYZE,
    UnitKind.FINISH: OrderKind.FINISH,
    UnitKind.TRACKS: OrderKind.TRACKS,
    UnitKind.EXPORT: OrderKind.EXPORT,
    UnitKind.RENDITION: OrderKind.RENDITION,
    UnitKind.ADMIT: OrderKind.ADMIT,
}
UNIT_BY_ORDER_KIND = {order: unit for unit, order in ORDER_KIND_BY_UNIT.items()}
MAKE_KEY_BY_KIND = {
    OrderKind.PROBE: object_keys.video_order_key,
    OrderKind.RENDITION: object_keys.video_order_key,
    OrderKind.ADMIT: object_keys.model_order_key,
}
"""Where the orders lie that are for no job."""
ORDERS_OF_THE_WHOLE_JOB = frozenset({OrderKind.FINISH, OrderKind.TRACKS, OrderKind.EXPORT})
KINDS_WITHOUT_A_JOB = frozenset({UnitKind.PROBE, UnitKind.ADMIT}) | SIDE_KINDS_OF_VIDEO
SEGMENTS_PER_READ = 500


def owner_of(thing: Video | Job | ModelVersion) -> Owner:
    """Whose units these are."""
    match thing:
        case Job():
            return Owner(thing.tenant, thing.job_id)
        case ModelVersion():
            return Owner(thing.tenant, thing.model_id)
    return Owner(thing.tenant, thing.video_id)


def record_submission(
    ports: Ports,
    owner: Owner,
    kind: OrderKind,
    submission_id: SubmissionId,
    children: tuple[tuple[int, ...], ...],
    lane: Lane,
    step: StepName | None = None,
    *,
    price: Price,
    job: Job | None = None,
) -> Submission:
    """A submission that Batch has not heard of yet; the stored one when this id is recorded already.

    `price` is what it may cost, which is set aside when it is sent; `job` is the one that it is for.
    """
    submission = Submission(
        owner,
        submission_id,
        kind,
        children,
        lane,
        ports.clock.now(),
        step=step,
        price=price,
        job_cap_nano_usd=job.request.max_cost_nano_usd if job else None,
    )
    if ports.submissions.add(submission):
        return submission
    return ports.submissions.get(owner, submission_id) or submission


def send(ports: Ports, submission: Submission) -> bool:
    """Set aside what it may cost, write the work order and submit it, unless that was done; safe to repeat.

    False when a budget does not allow it: its units have ended as LIMIT_EXCEEDED.
    """
    if submission.state is SubmissionState.SENT:
        return True
    order = make_order(ports, submission)
    try:
        is_capped = reserve(ports, submission)
    except LimitExceeded as error:
        _refuse(ports, submission, error.failure)
        return False
    key = order_key(submission)
    ports.objects.put(key, order.to_bytes())
    # Under a cap every attempt is paid for before it starts: Batch must start none by itself.
    sent = replace(submission, is_started_once=is_capped)
    batch_job_id = ports.batch.submit(sent, f"s3://{ports.bucket}/{key}")
    ports.submissions.mark_sent(submission, batch_job_id)
    logger.info(
        "submission sent",
        owner=submission.owner.name,
        submission=submission.submission_id,
        kind=submission.kind,
        children=len(submission.children),
        batch_job_id=batch_job_id,
    )
    return True


def _refuse(ports: Ports, submission: Submission, failure: Failure) -> None:
    """End what waits for a submission that a budget does not allow."""
    owner = submission.owner
    if submission.step is not None:
        step = ports.units.get_side_step(owner, submission.step)
        units = [step.unit] if step else []
    elif submission.kind is OrderKind.ANALYZE:
        units = list(ports.units.list_open(owner))
    else:
        unit = ports.units.get(owner, UNIT_BY_ORDER_KIND[submission.kind])
        units = [unit] if unit else []
    waiting = [unit for unit in units if unit.state is UnitState.OPEN and unit.submission == submission.submission_id]
    for unit in waiting:
        ports.units.end(owner, unit, state=UnitState.FAILED, fence=ports.ids.make("fnc"), failure=failure)
    logger.warning(
        "submission refused",
        owner=owner.name,
        submission=submission.submission_id,
        units=len(waiting),
        detail=failure.detail,
    )


def order_key(submission: Submission) -> str:
    """Where the work order of a submission lies."""
    owner = submission.owner
    make_key = MAKE_KEY_BY_KIND.get(submission.kind, object_keys.job_order_key)
    return make_key(owner.tenant, owner.name, submission.submission_id)


def make_order(ports: Ports, submission: Submission) -> WorkOrder:
    """What the children of a submission are told.

    Raises:
        NotFound: the video, the job, the side step or a model is gone.
    """
    owner = submission.owner
    if submission.kind is OrderKind.ADMIT:
        return _admission_order(ports, submission)
    job = None if UNIT_BY_ORDER_KIND[submission.kind] in KINDS_WITHOUT_A_JOB else _existing_job(ports, owner)
    video = ports.videos.get(owner.tenant, job.video_id if job else VideoId(owner.name))
    if video is None:
        raise NotFound(f"the video of {owner.name} is gone")
    order = replace(_plain_order(ports, submission, video.source), video_id=video.video_id)
    if job is not None:
        order = _with_job(ports, order, job, video)
    elif submission.step is not None:
        order = replace(order, media=_ordered_media(video))
    return order if submission.step is None else _with_step(ports, order, owner, submission.step)


def describe_finish(
    ports: Ports, video: Video, request: JobRequest, manifests: Sequence[Manifest], segments: Sequence[Segment]
) -> WorkOrder:
    """The order to finish a job that is not made yet, as far as that decides its results.

    Raises:
        NotFound: the video has not been probed.
    """
    order = WorkOrder(
        kind=OrderKind.FINISH,
        tenant=video.tenant,
        video_id=video.video_id,
        submission=SubmissionId(""),
        source=_ordered_source(video.source),
        lease_seconds=ports.limits.lease_seconds,
        heartbeat_seconds=ports.limits.heartbeat_seconds,
        provider_class=provider_class_of(choose_analysis_lane(ports, video, request.sampling, manifests)),
    )
    return _with_request(order, video, request, manifests, tuple(segments))


def provider_class_of(lane: Lane) -> str:
    """The provider class that is pinned for work in this lane."""
    return "cuda" if lane is Lane.GPU else "cpu"


def resubmit(
    ports: Ports, owner: Owner, kind: UnitKind, orphans: Sequence[Unit], failure: Failure, *, seen_dead: str = ""
) -> None:
    """Hand units whose holder is gone to a new submission, or end those that have no attempt left.

    What the fast lane did not end goes on in the cpu lane. A unit that was claimed is a suspect: it goes into a child
    of its own, so that it cannot take others down again. When the child job `seen_dead` died before it claimed
    anything, its first unit is counted an attempt, so that this ends as well.
    """
    if not orphans:
        return
    died_unclaimed = bool(seen_dead) and all(unit.claimed_by != seen_dead for unit in orphans)
    blame_by_index = {unit.index: int(died_unclaimed and position == 0) for position, unit in enumerate(orphans)}
    spent = [unit for unit in orphans if unit.is_exhausted(blame_by_index[unit.index])]
    for unit in spent:
        ports.units.end(
            owner, unit, state=UnitState.FAILED, fence=ports.ids.make("fnc"), failure=exhausted(unit, failure)
        )
    left = [unit for unit in orphans if unit not in spent]
    if not left:
        return
    lane = lane_after(left[0].lane)
    submission_id = SubmissionId(ports.ids.make("sub"))
    step = StepName(kind, left[0].name) if kind in SIDE_KINDS else None
    job = None if kind in KINDS_WITHOUT_A_JOB else _existing_job(ports, owner)
    most = children_again(ports, job, lane, len(left)) if job is not None else 1
    children = _isolate_suspects(left, most)
    if job is not None:
        price = price_again(ports, job, ORDER_KIND_BY_UNIT[kind], lane, units=len(left), children=len(children))
    else:
        price = _price_without_job(ports, owner, kind, step, lane)
    submission = record_submission(
        ports, owner, ORDER_KIND_BY_UNIT[kind], submission_id, children, lane, step, price=price, job=job
    )
    child_by_index = {index: child for child, indices in enumerate(children) for index in indices}
    for unit in left:
        ports.units.requeue(
            owner,
            unit,
            submission=submission_id,
            child=child_by_index[unit.index],
            lane=lane,
            blame=blame_by_index[unit.index],
            failure=failure,
        )
    send(ports, submission)


def _price_without_job(ports: Ports, owner: Owner, kind: UnitKind, step: StepName | None, lane: Lane) -> Price:
    if step is not None:
        video, found = ports.videos.get(owner.tenant, VideoId(owner.name)), ports.units.get_side_step(owner, step)
        if video is None or found is None:
            raise NotFound(f"{kind.lower()} {step.name} of {owner.name} is gone")
        return price_rendition(ports, video, found.parameters, lane)
    return (price_admission if kind is UnitKind.ADMIT else price_probe)(ports, owner.tenant, lane)


AGAIN_BY_KIND = {
    UnitKind.PROBE: "upload the video again",
    UnitKind.SEGMENT: "retry the job",
    UnitKind.FINISH: "retry the job",
    UnitKind.ADMIT: "register the model again",
}


def exhausted(unit: Unit, last: Failure) -> Failure:
    """Why a unit was given up: its last failure, said as such."""
    name = f"segment {unit.index}" if unit.kind is UnitKind.SEGMENT else f"{unit.kind.lower()} {unit.name}".rstrip()
    # A video that was rejected stays rejected, and a side step that failed stays failed.
    again = AGAIN_BY_KIND.get(unit.kind, "ask for it anew")
    return Failure(
        ErrorCode.ATTEMPTS_EXHAUSTED,
        f"{unit.attempts_allowed} attempts at {name} failed; the last one: {last.detail}",
        f"Look at the worker's log of the last attempt; once the cause is gone, {again}",
    )


def is_unsent(ports: Ports, submission: Submission, now: datetime) -> bool:
    """Whether Batch was not told of it for so long that whoever was to tell must have died."""
    age = (now - submission.created_at).total_seconds()
    return submission.state is SubmissionState.NEW and age >= ports.limits.resend_seconds


def find_lost_model(ports: Ports, job: Job) -> Failure | None:
    """Why the job cannot be sent to a worker: one of its models was removed. Newer versions of its name do no harm."""
    for ref in job.models:
        if ports.models.find(job.tenant, ref.sha256) is None:
            detail = f"model {ref.name} {ref.version} ({ref.sha256[:12]}) was removed after the job was made"
            return Failure(ErrorCode.MODEL_INVALID, detail, "Start a new job; GET /models lists what there is now")
    return None


def _existing_job(ports: Ports, owner: Owner) -> Job:
    job = ports.jobs.get(owner.tenant, JobId(owner.name)) if is_id("job", owner.name) else None
    if job is None:
        raise NotFound(f"job {owner.name} is gone")
    return job


def _admission_order(ports: Ports, submission: Submission) -> WorkOrder:
    owner = submission.owner
    version = ports.models.get_record(owner.tenant, ModelId(owner.name))
    if version is None:
        raise NotFound(f"model {owner.name} is gone")
    order = _plain_order(ports, submission, version.source)
    return replace(order, model_id=version.model_id, parameters=dict(version.recipe))


def _ordered_source(source: Source) -> OrderedSource:
    return OrderedSource(
        source.bucket, source.key, source.version_id, source.etag, source.size_bytes, source.content_digest
    )


def _plain_order(ports: Ports, submission: Submission, source: Source) -> WorkOrder:
    """What orders of all kinds have."""
    return WorkOrder(
        kind=submission.kind,
        tenant=submission.owner.tenant,
        video_id="",
        submission=submission.submission_id,
        source=_ordered_source(source),
        lease_seconds=ports.limits.lease_seconds,
        heartbeat_seconds=ports.limits.heartbeat_seconds,
        children=submission.children,
        provider_class=provider_class_of(submission.lane),
    )


def manifests_of(ports: Ports, job: Job) -> Sequence[Manifest]:
    """The manifests of the models that the job is pinned to, in order.

    Raises:
        NotFound: one of them was removed.
    """
    return [model.manifest for model in _models_of(ports, job)]


def _models_of(ports: Ports, job: Job) -> Sequence[RegisteredModel]:
    models = []
    for ref in job.models:
        model = ports.models.find(job.tenant, ref.sha256)
        if model is None:
            raise NotFound(f"model {ref.name} {ref.sha256[:12]} is gone")
        models.append(model)
    return models


def _with_job(ports: Ports, order: WorkOrder, job: Job, video: Video) -> WorkOrder:
    segments = _all_segments(ports, job) if order.kind in ORDERS_OF_THE_WHOLE_JOB else ()
    models = _models_of(ports, job)
    return replace(
        _with_request(order, video, job.request, [model.manifest for model in models], segments),
        job_id=job.job_id,
        models=tuple(OrderedModel(model.manifest.name, model.key, model.manifest.to_json()) for model in models),
    )


def _with_request(
    order: WorkOrder, video: Video, request: JobRequest, manifests: Sequence[Manifest], segments: tuple[Segment, ...]
) -> WorkOrder:
    """All that decides the results: `contracts/recipes.py` makes a digest of it. Where the models lie is not said."""
    return replace(
        order,
        media=_ordered_media(video),
        models=tuple(OrderedModel(model.name, "", model.to_json()) for model in manifests),
        sampling=request.sampling.to_json(),
        segments=segments,
        score_min=request.score_min,
        labels=request.labels,
        tracking=request.tracking,
        parameters=_tracker_of(order, request),
    )


def _ordered_media(video: Video) -> OrderedMedia:
    media, index = video.media, video.index
    if media is None or index is None:
        raise NotFound(f"video {video.video_id} has not been probed")
    return OrderedMedia(
        width=media.width,
        height=media.height,
        rotation=media.rotation,
        timebase=str(media.timebase),
        cells_key=index.cells_key,
        table_key=index.table_key,
        decoder=index.decoder,
    )


def _tracker_of(order: WorkOrder, request: JobRequest) -> dict[str, object] | None:
    """What the finish is told to track with, in the form in which a re-tracking is; None: its defaults."""
    told = request.tracker.to_json() if request.tracker and order.kind is OrderKind.FINISH else None
    # To be told nothing is to track by default, and so the same recipe.
    return {"tracking": told} if told else None


def _with_step(ports: Ports, order: WorkOrder, owner: Owner, name: StepName) -> WorkOrder:
    step = ports.units.get_side_step(owner, name)
    if step is None:
        raise NotFound(f"{name.kind.lower()} {name.name} of {owner.name} is gone")
    finished_at = time_to_text(step.job_finished_at) if step.job_finished_at else ""
    return replace(order, step=name.name, parameters=step.parameters, job_finished_at=finished_at)


def _all_segments(ports: Ports, job: Job) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    after = -1
    while page := ports.units.list_segments(owner_of(job), after, SEGMENTS_PER_READ):
        segments += [segment for segment, _ in page]
        after = segments[-1].index
    return tuple(segments)


def _isolate_suspects(units: Sequence[Unit], max_children: int) -> tuple[tuple[int, ...], ...]:
    suspects = [(unit.index,) for unit in units if unit.attempt > 0]
    others = [unit.index for unit in units if unit.attempt == 0]
    return (*suspects, *(assign_children(others, max_children) if others else ()))
