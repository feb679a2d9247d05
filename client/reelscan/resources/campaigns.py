"""`client.campaigns`."""

from __future__ import annotations

from typing import TypeVar, Unpack

from reelscan.pages import Pages
from reelscan.records import Campaign, CampaignEstimate, CampaignForm, CampaignRun, CampaignTarget
from reelscan.resources.base import Part
from reelscan.waiting import id_of
from reelscan.worlds import World, operation

W_co = TypeVar("W_co", bound=World, covariant=True)


class Campaigns(Part[W_co]):
    """Archives analysed again: which videos, by what, when, within which bounds."""

    @operation
    async def start(self, **campaign: Unpack[CampaignForm]) -> Campaign:
        """Start one."""
        return await self._connection.post("/campaigns", dict(campaign), Campaign, "campaign")

    @operation
    async def estimate(self, **campaign: Unpack[CampaignForm]) -> CampaignEstimate:
        """How many videos it would analyse and what that costs; starts nothing."""
        return await self._connection.post(
            "/campaigns", dict(campaign), CampaignEstimate, "estimate", {"dry_run": True}
        )

    def list(self) -> Pages[W_co, Campaign]:
        """All of them."""
        return self._pages("/campaigns", Campaign)

    @operation
    async def get(self, campaign: Campaign | str) -> Campaign:
        """The campaign as it is now."""
        return await self._connection.get(_path(campaign), Campaign, "campaign")

    @operation
    async def pause(self, campaign: Campaign | str) -> Campaign:
        """Start nothing more; jobs that run go on to their end."""
        return await self._connection.post(f"{_path(campaign)}/pause", {}, Campaign, "campaign")

    @operation
    async def resume(self, campaign: Campaign | str) -> Campaign:
        """Go on."""
        return await self._connection.post(f"{_path(campaign)}/resume", {}, Campaign, "campaign")

    @operation
    async def cancel(self, campaign: Campaign | str) -> Campaign:
        """End its jobs too, and promote nothing more."""
        return await self._connection.post(f"{_path(campaign)}/cancel", {}, Campaign, "campaign")

    @operation
    async def delete(self, campaign: Campaign | str) -> None:
        """Forget one that has no run under way; its jobs stay."""
        await self._connection.delete(_path(campaign))

    def runs(self, campaign: Campaign | str) -> Pages[W_co, CampaignRun]:
        """Its runs, each with progress, spend and report."""
        return self._pages(f"{_path(campaign)}/runs", CampaignRun)

    @operation
    async def run(self, campaign: Campaign | str, run: CampaignRun | str) -> CampaignRun:
        """One run as it is now."""
        return await self._connection.get(f"{_path(campaign)}/runs/{id_of(run, 'run_id')}", CampaignRun, "run")

    def videos(self, campaign: Campaign | str, run: CampaignRun | str) -> Pages[W_co, CampaignTarget]:
        """The videos of a run, with their old and new jobs."""
        return self._pages(f"{_path(campaign)}/runs/{id_of(run, 'run_id')}/videos", CampaignTarget)


def _path(campaign: Campaign | str) -> str:
    return f"/campaigns/{id_of(campaign, 'campaign_id')}"
