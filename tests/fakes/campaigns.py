"""Campaigns, runs and targets in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from threading import Lock

from chalicelib.domain.campaign_runs import Run, Target
from chalicelib.domain.campaigns import Campaign, CampaignState
from chalicelib.domain.ids import CampaignId, RunId, TenantId, VideoId
from chalicelib.services.ports import Owner, VersionConflict
from tests.fakes.memory import Memory


class FakeCampaignStore:
    """The port `CampaignStore`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._adding = Lock()

    def add(self, campaign: Campaign, due_at: datetime | None, *, max_open: int) -> bool:
        owner = Owner(campaign.tenant, campaign.campaign_id)
        with self._adding:
            others = [one for other, one in self._memory.campaigns.items() if other.tenant == owner.tenant]
            if sum(one.is_open for one in others) >= max_open:
                return False
            self._memory.campaigns[owner] = campaign
            self._memory.set_due(owner, due_at)
        return True

    def get(self, tenant: TenantId, campaign_id: CampaignId) -> Campaign | None:
        return self._memory.campaigns.get(Owner(tenant, campaign_id))

    def save(self, campaign: Campaign, due_at: datetime | None) -> Campaign:
        owner = Owner(campaign.tenant, campaign.campaign_id)
        stored = self._memory.campaigns.get(owner)
        if stored is None or stored.version != campaign.version:
            raise VersionConflict(f"campaign {campaign.campaign_id} was changed")
        saved = replace(campaign, version=campaign.version + 1)
        self._memory.campaigns[owner] = saved
        self._memory.set_due(owner, due_at)
        return saved

    def list(self, tenant: TenantId, after: CampaignId | None, limit: int) -> Sequence[Campaign]:
        found = [
            campaign
            for owner, campaign in self._memory.campaigns.items()
            if owner.tenant == tenant
            and campaign.state is not CampaignState.DELETING
            and (after is None or campaign.campaign_id < after)
        ]
        return sorted(found, key=lambda campaign: campaign.campaign_id, reverse=True)[:limit]

    def delete(self, campaign: Campaign) -> None:
        self._memory.forget(Owner(campaign.tenant, campaign.campaign_id))

    def add_run(self, run: Run, due_at: datetime | None) -> Run:
        owner = Owner(run.tenant, run.run_id)
        if owner not in self._memory.runs:
            self._memory.runs[owner] = run
            self._memory.set_due(owner, due_at)
        return self._memory.runs[owner]

    def get_run(self, tenant: TenantId, run_id: RunId) -> Run | None:
        return self._memory.runs.get(Owner(tenant, run_id))

    def save_run(self, run: Run, due_at: datetime | None) -> Run:
        owner = Owner(run.tenant, run.run_id)
        stored = self._memory.runs.get(owner)
        if stored is None or stored.version != run.version:
            raise VersionConflict(f"run {run.run_id} was changed")
        saved = replace(run, version=run.version + 1)
        self._memory.runs[owner] = saved
        self._memory.set_due(owner, due_at)
        return saved

    def list_runs(self, campaign: Campaign, after: datetime | None, limit: int) -> Sequence[Run]:
        found = [
            run
            for owner, run in self._memory.runs.items()
            if owner.tenant == campaign.tenant
            and run.campaign_id == campaign.campaign_id
            and (after is None or run.nominal_at < after)
        ]
        return sorted(found, key=lambda run: run.nominal_at, reverse=True)[:limit]

    def delete_run(self, run: Run) -> None:
        self._memory.forget(Owner(run.tenant, run.run_id))

    def add_targets(self, targets: Sequence[Target]) -> None:
        for target in targets:
            self._targets(target.tenant, target.run_id).setdefault(target.video_id, target)

    def get_target(self, tenant: TenantId, run_id: RunId, video_id: VideoId) -> Target | None:
        return self._targets(tenant, run_id).get(video_id)

    def save_target(self, target: Target) -> Target:
        targets = self._targets(target.tenant, target.run_id)
        stored = targets.get(target.video_id)
        if stored is None or stored.version != target.version:
            raise VersionConflict(f"target {target.video_id} was changed")
        targets[target.video_id] = replace(target, version=target.version + 1)
        return targets[target.video_id]

    def list_targets(self, tenant: TenantId, run_id: RunId, after: VideoId | None, limit: int) -> Sequence[Target]:
        targets = self._targets(tenant, run_id).items()
        found = [target for video_id, target in targets if after is None or video_id < after]
        return sorted(found, key=lambda target: target.video_id, reverse=True)[:limit]

    def delete_targets(self, tenant: TenantId, run_id: RunId, limit: int) -> bool:
        targets = self._targets(tenant, run_id)
        found = sorted(targets)[:limit]
        for video_id in found:
            del targets[video_id]
        return len(found) == limit

    def _targets(self, tenant: TenantId, run_id: RunId) -> dict[VideoId, Target]:
        return self._memory.targets.setdefault(Owner(tenant, run_id), {})
