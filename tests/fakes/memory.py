"""What the fakes of the meta table share, as the table's items are shared by its stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.domain.events import JobEvent
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.jobs import Job
from chalicelib.domain.segments import Segment
from chalicelib.domain.units import Unit, UnitKind
from chalicelib.domain.videos import Video
from chalicelib.services.ports import Owner, Submission

UnitName = tuple[UnitKind, int]


@dataclass
class Memory:
    """One meta table."""

    videos: dict[Owner, Video] = field(default_factory=dict)
    jobs: dict[Owner, Job] = field(default_factory=dict)
    due: dict[Owner, datetime] = field(default_factory=dict)
    segments: dict[Owner, dict[int, Segment]] = field(default_factory=dict)
    units: dict[Owner, dict[UnitName, Unit]] = field(default_factory=dict)
    opened_as: dict[tuple[Owner, UnitKind], SubmissionId] = field(default_factory=dict)
    submissions: dict[Owner, dict[SubmissionId, Submission]] = field(default_factory=dict)
    events: dict[Owner, list[JobEvent]] = field(default_factory=dict)

    def set_due(self, owner: Owner, due_at: datetime | None) -> None:
        """Put the owner into the due index, or take it out."""
        if due_at is None:
            self.due.pop(owner, None)
        else:
            self.due[owner] = due_at

    def forget(self, owner: Owner) -> None:
        """Drop the owner's partition."""
        for part in (self.videos, self.jobs, self.due, self.segments, self.units, self.submissions, self.events):
            part.pop(owner, None)
        for kind in UnitKind:
            self.opened_as.pop((owner, kind), None)
