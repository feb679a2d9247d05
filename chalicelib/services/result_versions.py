"""Versions of a video's results: which job an alias names, promoting and rolling back.

The end of a job moves `latest` when the service hears of it (`services/version_moves.py`), and before that, when
somebody asks for `latest` (`find_version`, `find_newest_latest`, `list_versions`): then the newest jobs of the video
are looked at. Both come to the same (`domain/result_versions.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chalicelib.domain.errors import InvalidRequest, LimitExceeded, NotFound
from chalicelib.domain.ids import is_id
from chalicelib.domain.jobs import DEFAULT_PIPELINE, Job
from chalicelib.domain.result_versions import LATEST, End, ResultVersion, check_alias, is_alias
from chalicelib.domain.result_versions import promote as promote_rule
from chalicelib.domain.result_versions import roll_back as roll_back_rule
from chalicelib.domain.videos import Video
from chalicelib.services.jobs import get_job
from chalicelib.services.ports import Ports
from chalicelib.services.version_moves import follow_ends, move_alias

MAX_ALIASES = 20
"""Of one video and pipeline, besides `latest`."""
ALIASES_PER_READ = 100
JOBS_LOOKED_AT = 50
"""Of a video, the newest: whose end the service may not have heard of yet."""


def promote(ports: Ports, video: Video, job: Job, *, alias: str = LATEST, cause: str, by: str) -> ResultVersion:
    """Let the alias, of the job's own pipeline, name the job; nothing moves when it does already.

    Raises:
        Conflict: the job has no results, or others keep moving the alias.
        InvalidRequest: the job is of another video, or the alias has a name that none may have.
        LimitExceeded: the video has as many aliases as it may have.
    """
    check_alias(alias)
    if (job.tenant, job.video_id) != (video.tenant, video.video_id):
        raise InvalidRequest(f"job {job.job_id} must be one of video {video.video_id} but is of {job.video_id}")
    now = ports.clock.now()

    def move(seen: ResultVersion) -> ResultVersion:
        if not seen.version and alias != LATEST:
            _check_count(ports, video, job.pipeline_name)
        return promote_rule(seen, job, cause=cause, by=by, at=now)

    return move_alias(ports, _unmoved(video, job.pipeline_name, alias), move)


def roll_back(
    ports: Ports, video: Video, pipeline_name: str, *, alias: str = LATEST, cause: str, by: str
) -> ResultVersion:
    """Let the alias name what it named before its newest move forward that is not undone yet.

    Raises:
        NotFound: there is no such alias.
        Conflict: nothing is known that it named before, or others keep moving the alias.
    """
    if not is_alias(alias):
        raise _missing(video, pipeline_name, alias)
    if alias == LATEST:
        _catch_up(ports, video, pipeline_name)
    now = ports.clock.now()

    def move(seen: ResultVersion) -> ResultVersion:
        if not seen.version:
            raise _missing(video, pipeline_name, alias)
        return roll_back_rule(seen, cause=cause, by=by, at=now)

    return move_alias(ports, _unmoved(video, pipeline_name, alias), move)


def find_version(ports: Ports, video: Video, pipeline_name: str, alias: str = LATEST) -> Job | None:
    """The job whose results the alias names; None when it names none (yet)."""
    if alias == LATEST:
        found = _catch_up(ports, video, pipeline_name)
    else:
        is_named = is_alias(alias)
        found = ports.versions.get(video.tenant, video.video_id, pipeline_name, alias) if is_named else None
    job_id = found.job_id if found else None
    return ports.jobs.get(video.tenant, job_id) if job_id else None


def find_newest_latest(ports: Ports, video: Video) -> Job | None:
    """The newest of the jobs that a `latest` of the video names, whatever its pipeline; None when there is none (yet).

    An end that nobody told of yet is looked for behind all that this found before, and not further back.
    """
    stored = [version for version in _list_all(ports, video) if version.alias == LATEST]
    ends = [version.newest_end for version in stored if version.newest_end is not None]
    jobs = _jobs_before(ports, video, max(ends, default=None))
    named = {version.pipeline_name: version.job_id for version in stored}
    for name in sorted({job.pipeline_name for job in jobs}):
        followed = follow_ends(ports, video.video_id, [job for job in jobs if job.pipeline_name == name])
        named |= {name: followed.job_id} if followed else {}
    newest = max((job_id for job_id in named.values() if job_id is not None), default=None)
    return ports.jobs.get(video.tenant, newest) if newest else None


def get_version(ports: Ports, video: Video, version: str, pipeline_name: str | None) -> Job:
    """The job that an alias of the pipeline (unset: `default`) names, or the one with this id, of whatever pipeline.

    Raises:
        NotFound: there is no such version of the video's results.
    """
    if is_id("job", version):
        job = get_job(ports, video.tenant, version)
        if job.video_id != video.video_id or pipeline_name not in (None, job.pipeline_name):
            raise NotFound(f"there is no job {version}")
        return job
    name = pipeline_name or DEFAULT_PIPELINE
    found = find_version(ports, video, name, version)
    if found is None:
        raise _missing(video, name, version)
    return found


def list_versions(
    ports: Ports, video: Video, pipeline_name: str | None, after: tuple[str, str] | None, limit: int
) -> Sequence[ResultVersion]:
    """The aliases of the video, or of one of its pipelines, by (pipeline, alias)."""
    jobs = _newest_jobs(ports, video)
    for name in {job.pipeline_name for job in jobs} if pipeline_name is None else {pipeline_name}:
        follow_ends(ports, video.video_id, [job for job in jobs if job.pipeline_name == name])
    return ports.versions.list(video.tenant, video.video_id, pipeline_name, after, limit)


def _list_all(ports: Ports, video: Video) -> Iterator[ResultVersion]:
    after: tuple[str, str] | None = None
    while page := ports.versions.list(video.tenant, video.video_id, None, after, ALIASES_PER_READ):
        yield from page
        after = (page[-1].pipeline_name, page[-1].alias)


def _catch_up(ports: Ports, video: Video, pipeline_name: str) -> ResultVersion | None:
    """`latest` of the pipeline, after every end that nobody told of yet."""
    stored = ports.versions.get(video.tenant, video.video_id, pipeline_name, LATEST)
    jobs = _jobs_before(ports, video, stored.newest_end if stored else None)
    return follow_ends(ports, video.video_id, [job for job in jobs if job.pipeline_name == pipeline_name]) or stored


def _jobs_before(ports: Ports, video: Video, end: End | None) -> Sequence[Job]:
    """Those of the newest jobs whose end could go before this one."""
    if end is None or not end.is_whole:
        return _newest_jobs(ports, video)
    # Only newer ones can, and mostly there is none: one job is read for it, and more only as long as they are newer.
    found: list[Job] = []
    after, limit = None, 1
    while len(found) < JOBS_LOOKED_AT:
        page = ports.jobs.list_for_video(video.tenant, video.video_id, after, limit)
        newer = [job for job in page if job.job_id > end.job_id]
        found += newer
        if len(newer) < limit:
            break
        after, limit = page[-1].job_id, 4 * limit
    return found


def _newest_jobs(ports: Ports, video: Video) -> Sequence[Job]:
    found = ports.jobs.list_newest(video.tenant, [video.video_id], JOBS_LOOKED_AT)
    return found.get(video.video_id, ())


def _unmoved(video: Video, pipeline_name: str, alias: str) -> ResultVersion:
    return ResultVersion(video.tenant, video.video_id, pipeline_name, alias)


def _check_count(ports: Ports, video: Video, pipeline_name: str) -> None:
    found = ports.versions.list(video.tenant, video.video_id, pipeline_name, None, MAX_ALIASES + 1)
    if sum(version.alias != LATEST for version in found) >= MAX_ALIASES:
        raise LimitExceeded(f"a video may have {MAX_ALIASES} aliases for a pipeline and {video.video_id} has them")


def _missing(video: Video, pipeline_name: str, alias: str) -> NotFound:
    return NotFound(
        f"video {video.video_id} has no results that are {alias!r} of pipeline {pipeline_name!r}",
        hint="GET /videos/{video_id}/versions lists those that there are",
    )
