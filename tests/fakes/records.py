"""Videos, jobs, submissions and what is due, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.ids import JobId, SubmissionId, TenantId, VideoId
from chalicelib.domain.jobs import Job
from chalicelib.domain.units import UnitKind, UnitState
from chalicelib.domain.videos import Video
from chalicelib.services.ports import Due, Owner, Submission, SubmissionState, VersionConflict
from tests.fakes.memory import Memory


class FakeVideoStore:
    """The port `VideoStore`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def add(self, video: Video, due_at: datetime | None) -> None:
        owner = Owner(video.tenant, video.video_id)
        if owner in self._memory.videos:
            raise VersionConflict(f"video {video.video_id} is there")
        self._memory.videos[owner] = video
        self._memory.set_due(owner, due_at)

    def get(self, tenant: TenantId, video_id: VideoId) -> Video | None:
        return self._memory.videos.get(Owner(tenant, video_id))

    def save(self, video: Video, due_at: datetime | None) -> Video:
        owner = Owner(video.tenant, video.video_id)
        stored = self._memory.videos.get(owner)
        if stored is None or stored.version != video.version:
            raise VersionConflict(f"video {video.video_id} was changed")
        saved = replace(video, version=video.version + 1)
        self._memory.videos[owner] = saved
        self._memory.set_due(owner, due_at)
        return saved

    def get_many(self, tenant: TenantId, video_ids: Sequence[VideoId]) -> Mapping[VideoId, Video]:
        found = {video_id: self._memory.videos.get(Owner(tenant, video_id)) for video_id in video_ids}
        return {video_id: video for video_id, video in found.items() if video is not None}

    def list(self, tenant: TenantId, after: VideoId | None, limit: int) -> Sequence[Video]:
        videos = [video for owner, video in self._memory.videos.items() if owner.tenant == tenant]
        older = [video for video in videos if after is None or video.video_id < after]
        return sorted(older, key=lambda video: video.video_id, reverse=True)[:limit]

    def delete(self, video: Video) -> None:
        self._memory.forget(Owner(video.tenant, video.video_id))


class FakeJobStore:
    """The port `JobStore`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def add(self, job: Job, due_at: datetime | None) -> None:
        owner = Owner(job.tenant, job.job_id)
        if owner in self._memory.jobs:
            raise VersionConflict(f"job {job.job_id} is there")
        self._memory.jobs[owner] = _copy(job)
        self._memory.set_due(owner, due_at)

    def get(self, tenant: TenantId, job_id: JobId) -> Job | None:
        stored = self._memory.jobs.get(Owner(tenant, job_id))
        return _copy(stored) if stored else None

    def get_with_counts(self, tenant: TenantId, job_id: JobId) -> tuple[Job, int, int] | None:
        job = self.get(tenant, job_id)
        units = self._memory.units.get(Owner(tenant, job_id), {})
        segments = [unit for (kind, _), unit in units.items() if kind is UnitKind.SEGMENT]
        failed = sum(unit.state is UnitState.FAILED for unit in segments)
        return (job, sum(not unit.is_terminal for unit in segments), failed) if job else None

    def save(self, job: Job, due_at: datetime | None) -> Job:
        owner = Owner(job.tenant, job.job_id)
        stored = self._memory.jobs.get(owner)
        if stored is None or stored.version != job.version:
            raise VersionConflict(f"job {job.job_id} was changed")
        saved = replace(_copy(job), version=job.version + 1)
        self._memory.jobs[owner] = saved
        self._memory.set_due(owner, due_at)
        return saved

    def list_for_video(self, tenant: TenantId, video_id: VideoId, after: JobId | None, limit: int) -> Sequence[Job]:
        jobs = [
            _copy(job)
            for owner, job in self._memory.jobs.items()
            if owner.tenant == tenant and job.video_id == video_id and (after is None or job.job_id < after)
        ]
        return sorted(jobs, key=lambda job: job.job_id, reverse=True)[:limit]

    def list_newest(
        self, tenant: TenantId, video_ids: Sequence[VideoId], limit: int
    ) -> Mapping[VideoId, Sequence[Job]]:
        return {video_id: self.list_for_video(tenant, video_id, None, limit) for video_id in video_ids}

    def delete(self, job: Job) -> None:
        self._memory.forget(Owner(job.tenant, job.job_id))


class FakeSubmissionStore:
    """The port `SubmissionStore`."""

    def __init__(self, memory: Memory) -> None:
        self._submissions = memory.submissions

    def add(self, submission: Submission) -> bool:
        stored = self._submissions.setdefault(submission.owner, {})
        return stored.setdefault(submission.submission_id, submission) is submission

    def mark_sent(self, submission: Submission, batch_job_id: str) -> None:
        sent = replace(submission, state=SubmissionState.SENT, batch_job_id=batch_job_id)
        self._submissions.setdefault(submission.owner, {})[submission.submission_id] = sent

    def list(self, owner: Owner) -> Sequence[Submission]:
        return [submission for _, submission in sorted(self._submissions.get(owner, {}).items())]

    def get(self, owner: Owner, submission_id: SubmissionId) -> Submission | None:
        return self._submissions.get(owner, {}).get(submission_id)


class FakeDueIndex:
    """The port `DueIndex`."""

    def __init__(self, memory: Memory) -> None:
        self._due = memory.due

    def list_due(self, now: datetime, limit: int) -> Sequence[Due]:
        overdue = [due for due, due_at in self._due.items() if due_at <= now]
        return sorted(overdue, key=lambda due: self._due[due])[:limit]

    def postpone(self, due: Due, due_at: datetime) -> None:
        if due in self._due:
            self._due[due] = due_at


def _copy(job: Job) -> Job:
    """A job whose summary nobody else holds."""
    return replace(job, summary=deepcopy(job.summary))
