"""The unit of work that a worker claims: a probe, a segment, a finish, an admission, or a side step of a video or job.

One protocol serves all of them: claim with a lease and a fencing token, heartbeat, then commit, fail or release.
`attempt` counts claims, and is counted before the work, so that work which kills its worker ends after
`attempts_allowed` of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from chalicelib.domain.errors import Failure
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.usage import NOTHING, Usage

MAX_ATTEMPTS = 3
"""Claims of one unit before it is given up, unless a retry was asked for.

Source: the fault budget of docs/architecture.md.
"""


NO_SUBMISSION = SubmissionId("")


class UnitKind(StrEnum):
    """What there is to do."""

    PROBE = "PROBE"
    SEGMENT = "SEGMENT"
    FINISH = "FINISH"
    TRACKS = "TRACKS"
    """One more version of a job's tracks."""
    EXPORT = "EXPORT"
    """One export of a job's results."""
    RENDITION = "RENDITION"
    """One rendition of a video."""
    ADMIT = "ADMIT"
    """The admission of an uploaded model."""


SIDE_KINDS_OF_JOB = frozenset({UnitKind.TRACKS, UnitKind.EXPORT})
SIDE_KINDS_OF_VIDEO = frozenset({UnitKind.RENDITION})
SIDE_KINDS = SIDE_KINDS_OF_JOB | SIDE_KINDS_OF_VIDEO
"""Work beside a finished job, or beside a video that is ready, any number of each; see `domain/side_steps.py`."""


class UnitState(StrEnum):
    """Where a unit stands; the last three are terminal."""

    OPEN = "OPEN"
    CLAIMED = "CLAIMED"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


TERMINAL_UNIT_STATES = frozenset({UnitState.DONE, UnitState.FAILED, UnitState.CANCELLED})


class Lane(StrEnum):
    """Where work runs: the queue that the planner chose."""

    FAST = "fast"
    CPU = "cpu"
    GPU = "gpu"


@dataclass(frozen=True, slots=True)
class Unit:
    """One claimable piece of work, as it stands."""

    kind: UnitKind
    index: int
    """Position of a segment in its job; 0 for everything else."""
    state: UnitState
    attempt: int = 0
    attempts_allowed: int = MAX_ATTEMPTS
    fence: str = ""
    """Token of the claim that holds the unit; a write that carries another one is refused."""
    lease_until: float = 0.0
    """Epoch seconds; a claim is presumed dead after it."""
    claimed_by: str = ""
    """Batch job (and child) that holds, or last held, the claim."""
    submission: SubmissionId = NO_SUBMISSION
    child: int = 0
    """Which child job of the submission is to do it."""
    lane: Lane = Lane.CPU
    failure: Failure | None = None
    """Why it failed, or why the last attempt ended, when it did not end well."""
    name: str = ""
    """Of a side step, unique in its kind and video or job; empty for everything else."""
    provider: str = ""
    """Of a segment that is done, the provider class that its models ran on, which may be a lower one than the job's;
    with commas, by model, where they differ. Said by the worker that did it."""
    analyses: tuple[str, ...] = ()
    """Of a segment that is done, by model: what its blocks are keyed by. Said likewise; empty where it was not."""
    claimed_for: SubmissionId = NO_SUBMISSION
    """The submission whose worker claimed it last."""
    usage: Usage = field(default=NOTHING, hash=False)
    """What its attempts took, as far as they could tell."""

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.state in TERMINAL_UNIT_STATES

    def is_exhausted(self, extra: int = 0) -> bool:
        """Whether no claim is left after counting `extra` more."""
        return self.attempt + extra >= self.attempts_allowed
