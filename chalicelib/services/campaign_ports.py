"""Where campaigns, their runs and the runs' targets are kept, as the use cases need it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from chalicelib.domain.campaign_runs import Run, Target
from chalicelib.domain.campaigns import Campaign
from chalicelib.domain.ids import CampaignId, RunId, TenantId, VideoId


class CampaignStore(Protocol):
    """CAMPAIGN, RUN and TARGET items.

    Every `save` replaces the version that its argument was read as, answers with the next one, and raises
    `VersionConflict` when somebody wrote since.
    """

    def add(self, campaign: Campaign, due_at: datetime | None, *, max_open: int) -> bool:
        """Record a new campaign, unless the tenant has `max_open` that are open; whether it is recorded."""
        ...

    def get(self, tenant: TenantId, campaign_id: CampaignId) -> Campaign | None:
        """The campaign as it stands."""
        ...

    def save(self, campaign: Campaign, due_at: datetime | None) -> Campaign:
        """The next version of the campaign."""
        ...

    def list(self, tenant: TenantId, after: CampaignId | None, limit: int) -> Sequence[Campaign]:
        """The tenant's campaigns that are not being deleted, newest first, from the one older than `after` on."""
        ...

    def delete(self, campaign: Campaign) -> None:
        """Forget the campaign, whose runs are forgotten already."""
        ...

    def add_run(self, run: Run, due_at: datetime | None) -> Run:
        """Record the run of a nominal time, or find the one that is recorded: a nominal time has one run."""
        ...

    def get_run(self, tenant: TenantId, run_id: RunId) -> Run | None:
        """The run as it stands."""
        ...

    def save_run(self, run: Run, due_at: datetime | None) -> Run:
        """The next version of the run."""
        ...

    def list_runs(self, campaign: Campaign, after: datetime | None, limit: int) -> Sequence[Run]:
        """The campaign's runs, the newest nominal time first, from the one before `after` on."""
        ...

    def delete_run(self, run: Run) -> None:
        """Forget a run, whose targets are forgotten already."""
        ...

    def add_targets(self, targets: Sequence[Target]) -> None:
        """Record them; those that are recorded already stay as they are."""
        ...

    def get_target(self, tenant: TenantId, run_id: RunId, video_id: VideoId) -> Target | None:
        """The target as it stands."""
        ...

    def save_target(self, target: Target) -> Target:
        """The next version of the target."""
        ...

    def list_targets(self, tenant: TenantId, run_id: RunId, after: VideoId | None, limit: int) -> Sequence[Target]:
        """The run's targets, the newest video first, from the one older than `after` on."""
        ...

    def delete_targets(self, tenant: TenantId, run_id: RunId, limit: int) -> bool:
        """Forget up to `limit` targets; whether there may be more of them."""
        ...
