"""What the fakes of the meta table share, as the table's items are shared by its stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.domain.campaign_runs import Run, Target
from chalicelib.domain.campaigns import Campaign
from chalicelib.domain.events import JobEvent
from chalicelib.domain.ids import JobId, SubmissionId, TenantId, VideoId, WebhookId
from chalicelib.domain.jobs import Job
from chalicelib.domain.model_versions import ModelVersion
from chalicelib.domain.pipelines import Pipeline
from chalicelib.domain.result_versions import ResultVersion
from chalicelib.domain.segments import Segment
from chalicelib.domain.side_steps import SideStep, StepName
from chalicelib.domain.units import SIDE_KINDS, Unit, UnitKind
from chalicelib.domain.videos import Video
from chalicelib.domain.webhooks import Attempt, Pending, Webhook
from chalicelib.services.ports import Due, Owner, Submission
from chalicelib.services.webhook_ports import Standing

UnitName = tuple[UnitKind, int | str]
"""Kind and index; of a side step, kind and name."""


@dataclass
class WebhookQueue:
    """Whose turn it is to send."""

    notes: int = 0
    fence: str = ""
    lease_until: datetime | None = None
    due_at: datetime | None = None
    standing: Standing = field(default_factory=Standing)


@dataclass
class Memory:
    """One meta table."""

    videos: dict[Owner, Video] = field(default_factory=dict)
    jobs: dict[Owner, Job] = field(default_factory=dict)
    models: dict[Owner, ModelVersion] = field(default_factory=dict)
    due: dict[Due, datetime] = field(default_factory=dict)
    segments: dict[Owner, dict[int, Segment]] = field(default_factory=dict)
    units: dict[Owner, dict[UnitName, Unit]] = field(default_factory=dict)
    side_steps: dict[Owner, dict[UnitName, SideStep]] = field(default_factory=dict)
    """What is fixed of them; how they stand is in `units`."""
    opened_as: dict[tuple[Owner, UnitKind], SubmissionId] = field(default_factory=dict)
    submissions: dict[Owner, dict[SubmissionId, Submission]] = field(default_factory=dict)
    events: dict[Owner, list[JobEvent]] = field(default_factory=dict)
    versions: dict[Owner, dict[tuple[str, str], ResultVersion]] = field(default_factory=dict)
    """Of a video, by pipeline and alias."""
    without_versions: set[Owner] = field(default_factory=set)
    """Videos that may have no alias any more."""
    pipelines: dict[tuple[TenantId, str], dict[int, Pipeline]] = field(default_factory=dict)
    campaigns: dict[Owner, Campaign] = field(default_factory=dict)
    runs: dict[Owner, Run] = field(default_factory=dict)
    targets: dict[Owner, dict[VideoId, Target]] = field(default_factory=dict)
    webhooks: dict[tuple[TenantId, WebhookId], Webhook] = field(default_factory=dict)
    webhook_queues: dict[tuple[TenantId, WebhookId], WebhookQueue] = field(default_factory=dict)
    webhook_pending: dict[tuple[TenantId, WebhookId], dict[JobId, Pending]] = field(default_factory=dict)
    webhook_told: dict[tuple[TenantId, str], dict[WebhookId, int]] = field(default_factory=dict)
    webhook_log: dict[tuple[TenantId, WebhookId], dict[str, Attempt]] = field(default_factory=dict)

    def set_due(self, owner: Owner, due_at: datetime | None, step: StepName | None = None) -> None:
        """Put the owner, or a side step of it, into the due index, or take it out."""
        if due_at is None:
            self.due.pop(Due(owner, step), None)
        else:
            self.due[Due(owner, step)] = due_at

    def side_step_ended(self, owner: Owner, unit: Unit) -> None:
        """What ends is not due any more, if it is a side step."""
        if unit.kind in SIDE_KINDS:
            self.set_due(owner, None, StepName(unit.kind, unit.name))

    def forget(self, owner: Owner) -> None:
        """Drop the owner's partition."""
        records = (self.videos, self.jobs, self.models)
        units = (self.segments, self.units, self.side_steps, self.submissions)
        for part in (*records, *units, self.events, self.versions):
            part.pop(owner, None)
        self.without_versions.discard(owner)
        for more in (self.campaigns, self.runs, self.targets):
            more.pop(owner, None)
        self.webhook_told.pop((owner.tenant, owner.name), None)
        for due in [due for due in self.due if due.owner == owner and not due.is_costs]:
            del self.due[due]
        for kind in UnitKind:
            self.opened_as.pop((owner, kind), None)
