"""Small valid campaigns, runs and targets, with what a test cares about as keywords."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chalicelib.domain.campaign_runs import Run, RunState, Target
from chalicelib.domain.campaigns import Campaign, CampaignState, Plan, Selection, run_id_of
from chalicelib.domain.ids import CampaignId, RunId, VideoId
from chalicelib.domain.schedules import Once
from tests.fakes.makers import NOW, TENANT, VIDEO_ID

CAMPAIGN_ID = CampaignId("cmp_" + "0" * 25 + "1")


def make_plan(**changes: Any) -> Plan:
    """All videos by the newest version of `people`, now."""
    fields: dict[str, Any] = {
        "name": "again",
        "selection": Selection(),
        "schedule": Once(NOW),
        "pipeline": "people",
    }
    return Plan(**{**fields, **changes})


def make_campaign(**changes: Any) -> Campaign:
    """A campaign that has not looked at its schedule yet."""
    fields: dict[str, Any] = {
        "tenant": TENANT,
        "campaign_id": CAMPAIGN_ID,
        "plan": make_plan(),
        "state": CampaignState.ACTIVE,
        "created_at": NOW,
        "created_by": "somebody",
        "seen_until": NOW - timedelta(milliseconds=1),
    }
    return Campaign(**{**fields, **changes})


def make_run(**changes: Any) -> Run:
    """The run of that moment, which has just begun."""
    tenant, campaign_id = changes.get("tenant", TENANT), changes.get("campaign_id", CAMPAIGN_ID)
    nominal_at = changes.get("nominal_at", NOW)
    fields: dict[str, Any] = {
        "tenant": tenant,
        "run_id": run_id_of(tenant, campaign_id, nominal_at),
        "campaign_id": campaign_id,
        "nominal_at": nominal_at,
        "state": RunState.SELECTING,
        "created_at": NOW,
    }
    return Run(**{**fields, **changes})


def make_target(run: Run, video_id: VideoId = VIDEO_ID, **changes: Any) -> Target:
    """A video of that run that waits."""
    return Target(**{"tenant": run.tenant, "run_id": RunId(run.run_id), "video_id": video_id, **changes})
