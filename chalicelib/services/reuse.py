"""What of an analysis is stored already, found without reading a block: from the records of jobs on the same content.

Everything is looked up in partitions of the tenant: what another tenant has stored is never found, nor does it change
what is asked or how long that takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from chalicelib.contracts.recipes import current_analysis, recipe_of
from chalicelib.contracts.sample_table import unpack_cells
from chalicelib.domain.jobs import Job, JobRequest, JobState
from chalicelib.domain.models import Manifest
from chalicelib.domain.segments import Segment, plan_segments
from chalicelib.domain.units import UnitState
from chalicelib.domain.videos import Video, VideoState
from chalicelib.services.dispatch import describe_finish, owner_of, provider_class_of
from chalicelib.services.lanes import choose_analysis_lane
from chalicelib.services.narrowing import can_narrow, view_of_request
from chalicelib.services.ports import Ports

VIDEOS_PER_SEARCH = 10
"""Of the same content, newest first."""
JOBS_PER_VIDEO = 20
UNFINISHED_PER_SEARCH = 3
"""Jobs without a sound end whose segments are looked at one by one."""
SEGMENTS_PER_JOB = 500
VIEWS_PER_SEARCH = 10
"""Whose recipes are made, when no job is just like the one that is looked for."""
UNSTARTED_STATES = frozenset({JobState.PENDING, JobState.PROBING})
OPEN_STATES = UNSTARTED_STATES | {JobState.RUNNING, JobState.FINISHING}
"""Of jobs that are on their way to results."""
STATES_WITH_ALL = frozenset({JobState.SUCCEEDED, JobState.PARTIAL})
"""With `made` known every segment was done; a PARTIAL job then lacks only what is damaged in the file itself."""


@dataclass(frozen=True, slots=True)
class Reuse:
    """What is stored already of an analysis of one video.

    Nothing of it is promised: what is stored may be deleted before a job uses it, and there may be more than is seen
    here (`find_reuse`), so that a job costs what is missing here or less.
    """

    cells: int = 0
    """Of the video; 0 when it has not been probed, and then nothing is known."""
    stored_by_model: tuple[frozenset[int], ...] = ()
    """For each model that was asked for, in order: numbers of the cells whose results are stored."""
    same_job: Job | None = None
    """A job that was just like this one and has all its results: taking them over needs no worker at all."""
    wider_job: Job | None = None
    """Where there is none: one like this that shows more of the same results (`contracts/views.py`), so that what this
    one shows follows from what that one left."""
    recipe: str = ""
    """Of the job itself."""
    under_way: tuple[Job, ...] = ()
    """Jobs with the same recipe that have not ended, newest first; it may be among them."""

    @property
    def source_job(self) -> Job | None:
        """The job whose results may be taken over."""
        return self.same_job or self.wider_job

    @property
    def cells_by_model(self) -> tuple[int, ...]:
        """For each model that was asked for, in order: how many of the `cells` are stored."""
        return tuple(len(stored) for stored in self.stored_by_model)

    @property
    def is_complete(self) -> bool:
        """Whether no frame has to be decoded, because every model has all its results."""
        return self.cells > 0 and all(count == self.cells for count in self.cells_by_model)


def find_reuse(ports: Ports, video: Video, request: JobRequest, manifests: Sequence[Manifest]) -> Reuse:
    """What is stored of this analysis; `manifests` are those of `request.models`, in order.

    Looks at the newest jobs of the newest videos with these bytes, so that it costs the same whatever there is. Not
    seen: results of older jobs, of an attempt that has not committed, or of a release that did not record how they came
    about.
    """
    if video.state is not VideoState.READY or video.index is None or video.media is None:
        return Reuse()
    cells = unpack_cells(ports.objects.get(video.index.cells_key))
    segments = plan_segments(cells, video.media.timebase, request.segment_seconds)
    return find_reuse_of_plan(ports, video, request, manifests, segments)


def find_reuse_of_plan(
    ports: Ports, video: Video, request: JobRequest, manifests: Sequence[Manifest], segments: Sequence[Segment]
) -> Reuse:
    """As `find_reuse`, for a video that was probed and a job that is planned."""
    provider_class = provider_class_of(choose_analysis_lane(ports, video, request.sampling, manifests))
    sampling = request.sampling.to_json()
    analyses = [
        current_analysis(model_sha256=model.sha256, sampling=sampling, provider_class=provider_class)
        for model in manifests
    ]

    def recipe_for(asked: JobRequest) -> str:
        return recipe_of(describe_finish(ports, video, asked, manifests, segments), analyses)

    cells = segments[-1].end_cell
    jobs = _jobs_of_content(ports, video)
    stored = tuple(frozenset(found) for found in _stored_cells(ports, jobs, analyses, cells))
    whole = [job for job in jobs if job.state in STATES_WITH_ALL and job.made]
    recipe = recipe_for(request)
    same = next((job for job in whole if job.made and job.made.recipe == recipe), None)
    wider = None if same else _find_wider(whole, request, manifests, recipe_for)
    digests = [model.sha256 for model in manifests]
    under_way = tuple(
        job
        for job in jobs
        if job.state in OPEN_STATES
        and [ref.sha256 for ref in job.models] == digests
        and recipe_for(job.request) == recipe
    )
    return Reuse(cells, stored, same, wider, recipe, under_way)


def find_waiting(ports: Ports, ended: Job) -> Sequence[Job]:
    """Jobs on the same content that have not started and may have waited for this one, oldest first."""
    if ended.reused is not None and ended.reused.job_id is not None:
        # Who waited for it waited for the job whose results it took over, and is woken with it.
        return []
    video = ports.videos.get(ended.tenant, ended.video_id)
    if video is None or video.state is not VideoState.READY:
        return []
    jobs = _jobs_of_content(ports, video)
    return [job for job in reversed(jobs) if job.state in UNSTARTED_STATES and job.job_id > ended.job_id]


def _find_wider(
    jobs: Iterable[Job], request: JobRequest, manifests: Sequence[Manifest], recipe_for: Callable[[JobRequest], str]
) -> Job | None:
    """The first of these jobs that did the same and whose view has all of this one's, if that can be told at once."""
    view = view_of_request(manifests, request)
    recipes: dict[tuple[float | None, tuple[str, ...]], str] = {}
    for job in jobs:
        others = (job.request.score_min, job.request.labels)
        if not view.is_within(view_of_request(manifests, job.request)):
            continue
        if others not in recipes:
            if len(recipes) == VIEWS_PER_SEARCH:
                return None
            recipes[others] = recipe_for(replace(request, score_min=others[0], labels=others[1]))
        if job.made and job.made.recipe == recipes[others] and can_narrow(job, request, manifests):
            return job
    return None


def _jobs_of_content(ports: Ports, video: Video) -> list[Job]:
    """Jobs on these bytes, newest first."""
    referring = ports.results.list_references(video.tenant, video.source.content_digest, VIDEOS_PER_SEARCH)
    found = ports.jobs.list_newest(video.tenant, list({video.video_id, *referring}), JOBS_PER_VIDEO)
    jobs = [job for of_video in found.values() for job in of_video]
    return sorted(jobs, key=lambda job: job.job_id, reverse=True)


def _stored_cells(ports: Ports, jobs: Iterable[Job], analyses: Sequence[str], cells: int) -> list[set[int]]:
    """By analysis: the cells that these jobs have stored."""
    stored: list[set[int]] = [set() for _ in analyses]
    unfinished: list[Job] = []
    for job in jobs:
        if job.made is None:
            unfinished += [job] if job.plan is not None else []
            continue
        for found, analysis in zip(stored, analyses, strict=True):
            if analysis in job.made.analyses:
                found.update(range(cells))
    for job in unfinished[:UNFINISHED_PER_SEARCH]:
        if all(len(found) == cells for found in stored):
            break
        for segment, unit in ports.units.list_segments(owner_of(job), -1, SEGMENTS_PER_JOB):
            for found, analysis in zip(stored, analyses, strict=True):
                if unit.state is UnitState.DONE and analysis in unit.analyses:
                    found.update(range(segment.first_cell, segment.end_cell))
    return stored
