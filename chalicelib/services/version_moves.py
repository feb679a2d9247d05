"""Moving aliases of a video's results, and `latest` after the jobs that end.

The stream tells of an end, Batch tells of the last worker's, and the schedule comes by as long as what the job reserved
is not settled (`advance.conclude_job`): each of them lets `latest` follow, and any of them is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

from aws_lambda_powertools import Logger

from chalicelib.domain.errors import Conflict
from chalicelib.domain.ids import VideoId
from chalicelib.domain.jobs import Job
from chalicelib.domain.result_versions import LATEST, ResultVersion, end_of, follow
from chalicelib.services.ports import Ports, VersionConflict

logger = Logger(service="reelscan", child=True)

TRIES = 20
"""Of moving an alias: those who move one at once are few."""


def follow_end(ports: Ports, job: Job) -> None:
    """Let `latest` follow the job, which may have ended; safe to repeat, at any time and in any order.

    Raises:
        NotFound: the job was deleted in the meantime.
    """
    if end_of(job) is not None:
        follow_ends(ports, job.video_id, [job])


def follow_ends(ports: Ports, video_id: VideoId, jobs: Sequence[Job]) -> ResultVersion | None:
    """`latest` after it was told of these jobs of one pipeline; None when none of them has ended with results.

    Raises:
        NotFound: the job that it would name was deleted in the meantime.
    """
    # As their ends came, as far as that can be known: each that moves `latest` is in its log.
    job_by_end = {end: job for job in jobs if (end := end_of(job)) is not None}
    if not job_by_end:
        return None
    now, ended = ports.clock.now(), [job_by_end[end] for end in sorted(job_by_end)]
    unmoved = ResultVersion(ended[0].tenant, video_id, ended[0].pipeline_name, LATEST)
    return move_alias(ports, unmoved, lambda seen: reduce(lambda version, job: follow(version, job, now), ended, seen))


def move_alias(ports: Ports, unmoved: ResultVersion, move: Callable[[ResultVersion], ResultVersion]) -> ResultVersion:
    """What `move` makes of the alias as it stands, stored; `unmoved` is what it is when it never named anything.

    Raises:
        Conflict: others keep moving it.
        NotFound: the job that it would name was deleted in the meantime.
    """
    for _ in range(TRIES):
        seen = ports.versions.get(unmoved.tenant, unmoved.video_id, unmoved.pipeline_name, unmoved.alias) or unmoved
        moved = move(seen)
        if moved == seen:
            return seen
        try:
            saved = ports.versions.save(moved)
        except VersionConflict:
            # Somebody else moved it: decide again from what they left.
            continue
        logger.info(
            "results version moved",
            video_id=saved.video_id,
            job_id=saved.job_id,
            pipeline=saved.pipeline_name,
            alias=saved.alias,
            kind=saved.moves[-1].kind,
        )
        return saved
    raise Conflict(f"{unmoved.alias} of video {unmoved.video_id} was moved by others {TRIES} times", hint="Try again")
