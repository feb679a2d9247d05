"""Routes of campaigns."""

from __future__ import annotations

from chalicelib.api import campaign_schemas as forms
from chalicelib.api import schemas
from chalicelib.api.campaign_present import campaign_out, estimate_out, plan_of, run_out, target_out
from chalicelib.api.pages import listed_after, next_cursor
from chalicelib.api.typed import Answer, Call, Routes
from chalicelib.contracts.items import time_from_text, time_to_text
from chalicelib.domain.campaigns import Campaign
from chalicelib.services import campaigns
from chalicelib.services.campaign_estimates import estimate_campaign

routes = Routes()


@routes.post(
    "/campaigns",
    summary="Analyse an archive again",
    status=201,
    answers=forms.CampaignCreatedOut,
    other_answers={200: forms.CampaignCreatedOut},
    problems=(400, 401, 409, 413),
)
def start_campaign(call: Call, body: forms.CampaignIn, query: forms.CampaignQuery) -> Answer:
    """Which videos, by which pipeline, when, and within which bounds; its first run may begin at once.

    With `dry_run=true` nothing is recorded: the answer has an `estimate` in place of the campaign.
    """
    return Answer(create_campaign(call, body, query), status=200 if query.dry_run else None)


@routes.get("/campaigns", summary="List campaigns, newest first", problems=(400, 401))
def list_campaigns(call: Call, query: schemas.PageQuery) -> forms.CampaignsPage:
    """Every campaign of the tenant."""
    after = listed_after(call, "campaigns", query.cursor)
    found = campaigns.list_campaigns(call.ports, call.claims.tenant, after, query.limit)
    cursor = next_cursor(call, "campaigns", [one.campaign_id for one in found], query.limit)
    return forms.CampaignsPage(items=[campaign_out(one) for one in found], next_cursor=cursor)


@routes.get("/campaigns/{campaign_id}", summary="Read a campaign", problems=(401, 404))
def get_campaign(call: Call, campaign_id: str) -> forms.CampaignEnvelope:
    """What it was asked for, its state, and its next nominal time."""
    return _envelope(_find(call, campaign_id))


@routes.delete("/campaigns/{campaign_id}", summary="Delete a campaign", status=204, problems=(401, 404, 409))
def delete_campaign(call: Call, campaign_id: str) -> None:
    """Its runs are forgotten too; the jobs that they made stay, as versions of their videos' results.

    A campaign with a run under way must be cancelled first.
    """
    campaigns.delete_campaign(call.ports, _find(call, campaign_id))


@routes.post("/campaigns/{campaign_id}/pause", summary="Pause a campaign", problems=(400, 401, 404, 409))
def pause_campaign(call: Call, campaign_id: str, body: schemas.Nothing) -> forms.CampaignEnvelope:  # noqa: ARG001  no fields
    """Nothing is started until it is resumed; jobs under way go on."""
    return _envelope(campaigns.pause_campaign(call.ports, _find(call, campaign_id)))


@routes.post("/campaigns/{campaign_id}/resume", summary="Resume a campaign", problems=(400, 401, 404, 409))
def resume_campaign(call: Call, campaign_id: str, body: schemas.Nothing) -> forms.CampaignEnvelope:  # noqa: ARG001  no fields
    """Its run goes on where it stopped; nominal times that passed meanwhile are not made up for."""
    return _envelope(campaigns.resume_campaign(call.ports, _find(call, campaign_id)))


@routes.post("/campaigns/{campaign_id}/cancel", summary="Cancel a campaign", problems=(400, 401, 404, 409))
def cancel_campaign(call: Call, campaign_id: str, body: schemas.Nothing) -> forms.CampaignEnvelope:  # noqa: ARG001  no fields
    """The jobs of its run are cancelled; what was made `latest` stays so."""
    return _envelope(campaigns.cancel_campaign(call.ports, _find(call, campaign_id)))


@routes.get("/campaigns/{campaign_id}/runs", summary="List the runs of a campaign", problems=(400, 401, 404))
def list_runs(call: Call, campaign_id: str, query: schemas.PageQuery) -> forms.CampaignRunsPage:
    """The newest nominal time first; one that was skipped has its reason."""
    campaign = _find(call, campaign_id)
    scope = f"runs|{campaign.campaign_id}"
    after = listed_after(call, scope, query.cursor)
    found = campaigns.list_runs(call.ports, campaign, time_from_text(after) if after else None, query.limit)
    cursor = next_cursor(call, scope, [time_to_text(run.nominal_at) for run in found], query.limit)
    items = [run_out(run, campaign.plan.budget_nano_usd) for run in found]
    return forms.CampaignRunsPage(items=items, next_cursor=cursor)


@routes.get("/campaigns/{campaign_id}/runs/{run_id}", summary="Read a run of a campaign", problems=(401, 404))
def get_run(call: Call, campaign_id: str, run_id: str) -> forms.CampaignRunEnvelope:
    """Its progress, what it has cost, why it stopped, and its new results beside the old ones, by label."""
    campaign = _find(call, campaign_id)
    run = campaigns.get_run(call.ports, campaign, run_id)
    return forms.CampaignRunEnvelope(run=run_out(run, campaign.plan.budget_nano_usd))


@routes.get(
    "/campaigns/{campaign_id}/runs/{run_id}/videos", summary="List the videos of a run", problems=(400, 401, 404)
)
def list_targets(call: Call, campaign_id: str, run_id: str, query: schemas.PageQuery) -> forms.CampaignTargetsPage:
    """The newest first, each with its jobs, cost and sums of the diff; GET /jobs/{a}/diff/{b} has the whole."""
    run = campaigns.get_run(call.ports, _find(call, campaign_id), run_id)
    scope = f"targets|{run.run_id}"
    after = listed_after(call, scope, query.cursor)
    found = campaigns.list_targets(call.ports, run, after, query.limit)
    cursor = next_cursor(call, scope, [target.video_id for target in found], query.limit)
    return forms.CampaignTargetsPage(items=[target_out(run, target) for target in found], next_cursor=cursor)


def create_campaign(call: Call, body: forms.CampaignIn, query: forms.CampaignQuery) -> forms.CampaignCreatedOut:
    """What was created, or would be."""
    plan = plan_of(body, call.ports.clock.now())
    if query.dry_run:
        found = estimate_campaign(call.ports, call.claims.tenant, plan)
        return forms.CampaignCreatedOut(estimate=estimate_out(found))
    created = campaigns.create_campaign(call.ports, call.claims.tenant, plan, by=call.claims.subject)
    return forms.CampaignCreatedOut(campaign=campaign_out(created))


def _find(call: Call, campaign_id: str) -> Campaign:
    return campaigns.get_campaign(call.ports, call.claims.tenant, campaign_id)


def _envelope(campaign: Campaign) -> forms.CampaignEnvelope:
    return forms.CampaignEnvelope(campaign=campaign_out(campaign))
