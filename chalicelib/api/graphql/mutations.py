"""Resolvers of mutations, each thin over what REST calls too; one with an idempotency key is done once."""

from __future__ import annotations

from chalicelib.api import (
    campaigns,
    costs,
    model_schemas,
    pipelines,
    results,
    schemas,
    upload_schemas,
    versions,
)
from chalicelib.api import jobs as job_views
from chalicelib.api import models as model_views
from chalicelib.api import videos as video_views
from chalicelib.api.campaign_schemas import CampaignIn, CampaignQuery
from chalicelib.api.cost_schemas import BudgetIn
from chalicelib.api.graphql.asking import Asked, Fields, once, read_form
from chalicelib.api.graphql.words import to_graphql
from chalicelib.api.pipeline_schemas import PipelineIn
from chalicelib.api.track_schemas import TracksIn
from chalicelib.api.typed import Call
from chalicelib.api.version_schemas import PromoteIn, RollBackIn


def create_upload(call: Call, asked: Asked) -> Fields:
    """Mutation.createUpload."""
    form = read_form(schemas.VideoIn, asked.arguments["input"])
    return once(call, asked, lambda: to_graphql(video_views.create_video(call, form)))


def sign_parts(call: Call, asked: Asked) -> Fields:
    """Mutation.signParts."""
    form = read_form(upload_schemas.PartsIn, asked.arguments["input"])
    return once(call, asked, lambda: to_graphql(video_views.sign_parts(call, asked.arguments["videoId"], form)))


def complete_upload(call: Call, asked: Asked) -> Fields:
    """Mutation.completeUpload."""
    form = read_form(upload_schemas.CompleteIn, asked.arguments["input"])
    return once(
        call, asked, lambda: to_graphql(video_views.complete_upload(call, asked.arguments["videoId"], form).video)
    )


def start_job(call: Call, asked: Asked) -> Fields:
    """Mutation.startJob."""
    form = read_form(schemas.JobIn, asked.arguments["input"])
    return once(call, asked, lambda: to_graphql(job_views.begin_job(call, asked.arguments["videoId"], form).job))


def cancel_job(call: Call, asked: Asked) -> Fields:
    """Mutation.cancelJob."""
    return once(
        call, asked, lambda: to_graphql(job_views.cancel_job(call, asked.arguments["jobId"], schemas.Nothing()).job)
    )


def retry_job(call: Call, asked: Asked) -> Fields:
    """Mutation.retryJob."""
    return once(
        call, asked, lambda: to_graphql(job_views.retry_job(call, asked.arguments["jobId"], schemas.Nothing()).job)
    )


def set_budget(call: Call, asked: Asked) -> Fields:
    """Mutation.setBudget."""
    form = read_form(BudgetIn, asked.arguments["input"])
    return once(call, asked, lambda: to_graphql(costs.set_budget(call, form).budget))


def retrack(call: Call, asked: Asked) -> Fields:
    """Mutation.retrack."""
    form = read_form(TracksIn, asked.arguments["input"])
    return once(call, asked, lambda: to_graphql(results.start_tracks(call, asked.arguments["jobId"], form).tracks))


def create_model(call: Call, asked: Asked) -> Fields:
    """Mutation.createModel."""
    form = read_form(model_schemas.ModelIn, asked.arguments["input"])
    return once(call, asked, lambda: to_graphql(model_views.create_model(call, form)))


def move_model_alias(call: Call, asked: Asked) -> Fields:
    """Mutation.moveModelAlias."""
    form = read_form(model_schemas.AliasIn, asked.arguments["input"])
    name, alias = asked.arguments["name"], asked.arguments["alias"]
    return once(call, asked, lambda: to_graphql(model_views.move_alias(call, name, alias, form).alias))


def delete_model(call: Call, asked: Asked) -> Fields:
    """Mutation.deleteModel: the model as it was."""
    name, version = asked.arguments["name"], asked.arguments.get("version")
    query = read_form(model_schemas.ModelVersionQuery, {} if version is None else {"version": version})

    def delete() -> Fields:
        was = to_graphql(model_views.get_model(call, name).model)
        model_views.delete_model(call, name, query)
        return was

    return once(call, asked, delete)


def make_pipeline(call: Call, asked: Asked) -> Fields:
    """Mutation.makePipeline."""
    form = read_form(PipelineIn, asked.arguments["input"])
    return once(call, asked, lambda: to_graphql(pipelines.make_pipeline(call, form).pipeline))


def promote(call: Call, asked: Asked) -> Fields:
    """Mutation.promote."""
    video_id, alias = asked.arguments["videoId"], asked.arguments["alias"]
    form = read_form(PromoteIn, asked.arguments["input"])
    return once(call, asked, lambda: to_graphql(versions.promote(call, video_id, alias, form).version))


def roll_back(call: Call, asked: Asked) -> Fields:
    """Mutation.rollBack."""
    video_id, alias = asked.arguments["videoId"], asked.arguments["alias"]
    form = read_form(RollBackIn, asked.arguments["input"])
    return once(call, asked, lambda: to_graphql(versions.roll_back(call, video_id, alias, form).version))


def create_campaign(call: Call, asked: Asked) -> Fields:
    """Mutation.createCampaign."""
    form = read_form(CampaignIn, asked.arguments["input"])
    query = CampaignQuery(dry_run=bool(asked.arguments.get("dryRun")))
    return once(call, asked, lambda: to_graphql(campaigns.create_campaign(call, form, query)))


def pause_campaign(call: Call, asked: Asked) -> Fields:
    """Mutation.pauseCampaign."""
    name = asked.arguments["campaignId"]
    return once(call, asked, lambda: to_graphql(campaigns.pause_campaign(call, name, schemas.Nothing()).campaign))


def resume_campaign(call: Call, asked: Asked) -> Fields:
    """Mutation.resumeCampaign."""
    name = asked.arguments["campaignId"]
    return once(call, asked, lambda: to_graphql(campaigns.resume_campaign(call, name, schemas.Nothing()).campaign))


def cancel_campaign(call: Call, asked: Asked) -> Fields:
    """Mutation.cancelCampaign."""
    name = asked.arguments["campaignId"]
    return once(call, asked, lambda: to_graphql(campaigns.cancel_campaign(call, name, schemas.Nothing()).campaign))


def delete_campaign(call: Call, asked: Asked) -> Fields:
    """Mutation.deleteCampaign: the campaign as it was."""
    name = asked.arguments["campaignId"]

    def delete() -> Fields:
        was = to_graphql(campaigns.get_campaign(call, name).campaign)
        campaigns.delete_campaign(call, name)
        return was

    return once(call, asked, delete)


def pass_event_on(_call: Call, asked: Asked) -> Fields:
    """Mutation.publishJobEvent and publishDetections: subscribers get what the service published."""
    return dict(asked.arguments["event"])
