"""Versions of a video's results: every job is one; an alias such as `latest` names one of them, and logs its moves.

An alias moves in three ways. A promotion and the end of a job move it forward; a roll back undoes the newest move
forward that is not undone yet. So a second roll back goes one further back, never forth again: what was rolled back
from is named again only when somebody promotes it.

The ends of jobs move `latest` alone, and in whatever order they are told, and however often: a job that SUCCEEDED goes
before one that is PARTIAL, a newer one before an older one, and only an end that goes before all that were seen moves
it. So neither a late end of an older job nor an end that is told again undoes what somebody decided.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.errors import Conflict, InvalidRequest
from chalicelib.domain.ids import JobId, TenantId, VideoId
from chalicelib.domain.jobs import STATES_WITH_RESULTS, Job, JobState

LATEST = "latest"
ALIAS_PATTERN = re.compile(r"(?!job_)[a-z][a-z0-9_-]{0,31}")
"""Never the id of a job, so that a version can be named by either."""
MOVES_KEPT = 50
"""Of one alias, the newest; a roll back reaches no further."""


class MoveKind(StrEnum):
    """Why an alias moved."""

    ENDED = "ended"
    """The job ended."""
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True)
class Move:
    """One move of an alias, from one job to another."""

    kind: MoveKind
    from_job: JobId | None
    """None: the alias named nothing before."""
    to_job: JobId
    cause: str
    by: str
    """The subject of the token; empty when the service did it."""
    at: datetime


@dataclass(frozen=True, slots=True, order=True)
class End:
    """The end of a job with results; the greater one goes before."""

    is_whole: bool
    """SUCCEEDED, and not PARTIAL."""
    job_id: JobId
    """Greater when the job is newer."""


@dataclass(frozen=True, slots=True)
class ResultVersion:
    """What an alias of one video and pipeline names, and how it came to that."""

    tenant: TenantId
    video_id: VideoId
    pipeline_name: str
    alias: str
    moves: tuple[Move, ...] = ()
    """Oldest first, the newest `MOVES_KEPT`. They say all: what is named is where the last one went."""
    newest_end: End | None = None
    """The greatest end that was seen or promoted."""
    version: int = 0
    """Of this record; 0: not stored yet."""

    @property
    def job_id(self) -> JobId | None:
        """What it names; None: it never named anything."""
        return self.moves[-1].to_job if self.moves else None

    @property
    def before(self) -> tuple[JobId, ...]:
        """What roll backs lead to, the next one last: what it moved on from, less what was rolled back to."""
        stack: list[JobId] = []
        for move in self.moves:
            if move.kind is not MoveKind.ROLLED_BACK and move.from_job is not None:
                stack.append(move.from_job)
            elif stack:
                stack.pop()
        return tuple(stack)


def is_alias(name: str) -> bool:
    """Whether an alias may have this name."""
    return ALIAS_PATTERN.fullmatch(name) is not None


def check_alias(alias: str) -> str:
    """The alias, if it may be one.

    Raises:
        InvalidRequest: it may not.
    """
    if not is_alias(alias):
        raise InvalidRequest(
            "an alias must be 1 to 32 of a-z, 0-9, '_' and '-', begin with a letter, and not with job_"
        )
    return alias


def end_of(job: Job) -> End | None:
    """The end of the job, if it is one that `latest` follows."""
    return _end(job) if job.state in STATES_WITH_RESULTS and job.request.promote else None


def follow(version: ResultVersion, job: Job, at: datetime) -> ResultVersion:
    """The alias after it was told that the job has ended; the same when that changes nothing."""
    end = end_of(job)
    if end is None or not _goes_before(end, version.newest_end):
        return version
    return _moved(replace(version, newest_end=end), MoveKind.ENDED, job.job_id, f"the job ended {job.state}", "", at)


def promote(version: ResultVersion, job: Job, *, cause: str, by: str, at: datetime) -> ResultVersion:
    """The alias naming the job; the same when it does already.

    Raises:
        Conflict: the job has no results.
    """
    if job.state not in STATES_WITH_RESULTS:
        raise Conflict(
            f"job {job.job_id} must have finished with results but is {job.state}",
            hint="Wait until the job is SUCCEEDED or PARTIAL",
        )
    end = _end(job)
    # An older job that ends later must not undo this.
    seen = end if _goes_before(end, version.newest_end) else version.newest_end
    return _moved(replace(version, newest_end=seen), MoveKind.PROMOTED, job.job_id, cause, by, at)


def roll_back(version: ResultVersion, *, cause: str, by: str, at: datetime) -> ResultVersion:
    """The alias naming what it named before.

    Raises:
        Conflict: it named nothing before, as far as is known.
    """
    if not version.before:
        raise Conflict(
            f"{version.alias} of pipeline {version.pipeline_name} names {version.job_id} and cannot go further back",
            hint="GET /videos/{video_id}/versions has the log of its moves; promote the job that it shall name",
        )
    return _moved(version, MoveKind.ROLLED_BACK, version.before[-1], cause, by, at)


def _end(job: Job) -> End:
    return End(job.state is JobState.SUCCEEDED, job.job_id)


def _goes_before(end: End, other: End | None) -> bool:
    return other is None or end > other


def _moved(version: ResultVersion, kind: MoveKind, to_job: JobId, cause: str, by: str, at: datetime) -> ResultVersion:
    if to_job == version.job_id:
        return version
    move = Move(kind, version.job_id, to_job, cause, by, at)
    return replace(version, moves=(*version.moves, move)[-MOVES_KEPT:])
