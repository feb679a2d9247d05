"""What the table's stream tells of campaigns, their runs and the jobs of those; the schedule sees to what it loses."""

from __future__ import annotations

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.domain.campaign_runs import TERMINAL_RUN_STATES
from chalicelib.domain.campaigns import run_id_of
from chalicelib.domain.ids import CampaignId, RunId, TenantId
from chalicelib.domain.jobs import TERMINAL_JOB_STATES
from chalicelib.services.campaign_runs import advance_run
from chalicelib.services.campaigns import advance_campaign
from chalicelib.services.ports import Ports

CAMPAIGN_KINDS = frozenset({"CAMPAIGN", "RUN"})


def follow_campaign(ports: Ports, item: Item) -> None:
    """A CAMPAIGN or RUN was saved: each calls its own next step, and one that is over or resumed the other's."""
    tenant, name = table_keys.parse_partition(item["pk"])
    if item["kind"] == "RUN":
        if item["state"] in TERMINAL_RUN_STATES:
            advance_campaign(ports, TenantId(tenant), CampaignId(item["campaign_id"]))
        else:
            advance_run(ports, TenantId(tenant), RunId(name))
        return
    advance_campaign(ports, TenantId(tenant), CampaignId(name))
    campaign = ports.campaigns.get(TenantId(tenant), CampaignId(name))
    if campaign is not None and campaign.current is not None:
        advance_run(ports, campaign.tenant, run_id_of(campaign.tenant, campaign.campaign_id, campaign.current))


def wake_run(ports: Ports, item: Item) -> None:
    """A JOB was saved: when it has ended, the run that it is part of takes its next step."""
    if item["kind"] == "JOB" and item.get("run_id") and item["state"] in TERMINAL_JOB_STATES:
        tenant, _ = table_keys.parse_partition(item["pk"])
        advance_run(ports, TenantId(tenant), RunId(item["run_id"]))
