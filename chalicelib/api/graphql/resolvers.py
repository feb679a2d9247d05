"""The one table of resolvers, for AppSync and for the local gateway alike; each is thin over what REST calls too.

A field that is not in the table is a property of what its parent's resolver gave. A resolver takes the call and what
was asked; one that is `is_batched` takes all objects of a request (or 20 of them) whose field is wanted, and answers in
their order, so that a list costs as many reads as one of its items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.api import (
    campaigns,
    costs,
    event_schemas,
    pipelines,
    results,
    schemas,
    versions,
)
from chalicelib.api import diff as diff_views
from chalicelib.api import jobs as job_views
from chalicelib.api import models as model_views
from chalicelib.api import query as query_views
from chalicelib.api import videos as video_views
from chalicelib.api.diff_schemas import DiffChangesQuery, DiffQuery
from chalicelib.api.graphql import mutations, webhook_resolvers
from chalicelib.api.graphql.asking import Answers, Asked, Fields, Resolver, read_form, read_page
from chalicelib.api.graphql.words import to_graphql
from chalicelib.api.pages import listed_after, next_cursor
from chalicelib.api.present import job_out, video_out
from chalicelib.api.query_schemas import QueryPageOut, QueryQuery
from chalicelib.api.typed import Call
from chalicelib.api.version_schemas import VersionDetectionsQuery, VersionsQuery
from chalicelib.domain.errors import DomainError, NotFound
from chalicelib.domain.ids import VideoId
from chalicelib.domain.jobs import Job, JobState, Progress
from chalicelib.domain.query.ast import ResultKind
from chalicelib.services import jobs, result_versions, videos
from chalicelib.services.ports import Owner

# --- queries ----------------------------------------------------------------------------------------------------------


def get_video(call: Call, asked: Asked) -> Fields:
    """Query.video."""
    return to_graphql(video_views.get_video(call, asked.arguments["videoId"]).video)


def list_videos(call: Call, asked: Asked) -> Fields:
    """Query.videos."""
    return to_graphql(video_views.list_videos(call, read_page(asked)))


def get_job(call: Call, asked: Asked) -> Fields:
    """Query.job."""
    return to_graphql(job_out(*jobs.watch_job(call.ports, call.claims.tenant, asked.arguments["jobId"])))


def list_events(call: Call, asked: Asked) -> Fields:
    """Query.jobEvents and Job.events."""
    job_id = asked.source.get("jobId") or asked.arguments["jobId"]
    return to_graphql(job_views.list_events(call, job_id, read_page(asked, event_schemas.EventsQuery)))


def list_models(call: Call, asked: Asked) -> Fields:
    """Query.models."""
    return to_graphql(model_views.list_models(call, read_page(asked)))


def get_model(call: Call, asked: Asked) -> Fields:
    """Query.model."""
    return to_graphql(model_views.get_model(call, asked.arguments["name"]).model)


def list_pipelines(call: Call, asked: Asked) -> Fields:
    """Query.pipelines."""
    return to_graphql(pipelines.list_pipelines(call, read_page(asked)))


def get_pipeline(call: Call, asked: Asked) -> Fields:
    """Query.pipeline."""
    name, version = asked.arguments["name"], asked.arguments.get("version")
    if version is not None:
        return to_graphql(pipelines.get_pipeline(call, name, str(version)).pipeline)
    (newest,) = pipelines.list_pipeline_versions(call, name, schemas.PageQuery(limit=1)).items
    return to_graphql(newest)


def query_job(call: Call, asked: Asked) -> Fields:
    """Query.jobQuery."""
    return _found(query_views.query_job(call, asked.arguments["jobId"], read_page(asked, QueryQuery)))


def search(call: Call, asked: Asked) -> Fields:
    """Query.search."""
    return _found(query_views.search(call, read_page(asked, QueryQuery)))


def quote_job(call: Call, asked: Asked) -> Fields:
    """Query.quote."""
    form = read_form(schemas.JobIn, asked.arguments["input"])
    return to_graphql(job_views.quote_job(call, asked.arguments["videoId"], form).quote)


def get_budget(call: Call, _asked: Asked) -> Fields:
    """Query.budget."""
    return to_graphql(costs.get_budget(call).budget)


def diff_jobs(call: Call, asked: Asked) -> Fields:
    """Query.jobDiff."""
    form = read_form(DiffQuery, _without_ids(asked))
    return to_graphql(diff_views.diff_jobs(call, asked.arguments["jobId"], asked.arguments["otherJobId"], form))


def list_changes(call: Call, asked: Asked) -> Fields:
    """Query.jobChanges."""
    page = read_page(replace(asked, arguments=_without_ids(asked)), DiffChangesQuery)
    return to_graphql(diff_views.list_changes(call, asked.arguments["jobId"], asked.arguments["otherJobId"], page))


def get_campaign(call: Call, asked: Asked) -> Fields:
    """Query.campaign."""
    return to_graphql(campaigns.get_campaign(call, asked.arguments["campaignId"]).campaign)


def list_campaigns(call: Call, asked: Asked) -> Fields:
    """Query.campaigns."""
    return to_graphql(campaigns.list_campaigns(call, read_page(asked)))


def get_campaign_run(call: Call, asked: Asked) -> Fields:
    """Query.campaignRun."""
    return to_graphql(campaigns.get_run(call, asked.arguments["campaignId"], asked.arguments["runId"]).run)


def list_campaign_runs(call: Call, asked: Asked) -> Fields:
    """Campaign.runs."""
    return to_graphql(campaigns.list_runs(call, asked.source["campaignId"], read_page(asked)))


def list_campaign_targets(call: Call, asked: Asked) -> Fields:
    """CampaignRun.videos."""
    source = asked.source
    return to_graphql(campaigns.list_targets(call, source["campaignId"], source["runId"], read_page(asked)))


# --- fields of videos and jobs ----------------------------------------------------------------------------------------


def list_jobs(call: Call, several: Sequence[Asked]) -> Answers:
    """Video.jobs, for a page of videos: their newest jobs, read together."""
    page = read_page(several[0])
    if page.cursor is not None or any(asked.arguments != several[0].arguments for asked in several):
        return [_attempt(_list_jobs_from, call, asked) for asked in several]
    video_ids = [VideoId(asked.source["videoId"]) for asked in several]
    found = call.ports.jobs.list_newest(call.claims.tenant, video_ids, page.limit)
    return [_job_list(call, video_id, found.get(video_id, ()), page.limit) for video_id in video_ids]


def get_source(call: Call, asked: Asked) -> Fields:
    """Video.source."""
    return to_graphql(video_views.get_source(call, asked.source["videoId"]))


def get_version(call: Call, asked: Asked) -> Fields:
    """Video.version."""
    given = {"version": asked.arguments.get("alias"), "pipeline": asked.arguments.get("pipeline")}
    form = read_form(VersionDetectionsQuery, {name: value for name, value in given.items() if value is not None})
    video = videos.get_video(call.ports, call.claims.tenant, asked.source["videoId"])
    return _job_fields(result_versions.get_version(call.ports, video, form.version, form.pipeline))


def list_versions(call: Call, asked: Asked) -> Fields:
    """Video.versions."""
    return to_graphql(versions.list_result_versions(call, asked.source["videoId"], read_page(asked, VersionsQuery)))


def list_pipeline_versions(call: Call, asked: Asked) -> Fields:
    """Pipeline.versions."""
    return to_graphql(pipelines.list_pipeline_versions(call, asked.source["name"], read_page(asked)))


def get_videos_of_jobs(call: Call, several: Sequence[Asked]) -> Answers:
    """Job.video, for a page of jobs."""
    video_ids = [VideoId(asked.source["videoId"]) for asked in several]
    found = call.ports.videos.get_many(call.claims.tenant, video_ids)
    return [
        to_graphql(video_out(found[video_id])) if video_id in found else NotFound(f"there is no video {video_id}")
        for video_id in video_ids
    ]


def get_progress(call: Call, asked: Asked) -> Fields:
    """Job.progress: nothing is read of a job that came with it, succeeded, or has no plan yet."""
    source = asked.source
    if "progress" in source:
        return dict(source["progress"])
    planned = (source.get("plan") or {}).get("segments", 0)
    owner = Owner(call.claims.tenant, source["jobId"])
    progress = jobs.count_progress(call.ports, owner, JobState(source["state"]), planned)
    return {
        "segmentsTotal": progress.segments_total,
        "segmentsDone": progress.segments_done,
        "segmentsFailed": progress.segments_failed,
    }


def list_segments(call: Call, asked: Asked) -> Fields:
    """Job.segments."""
    return to_graphql(job_views.list_segments(call, asked.source["jobId"], read_page(asked)))


def find_detections(call: Call, asked: Asked) -> Fields:
    """Job.detections."""
    return to_graphql(results.detections_page(call, asked.source["jobId"], read_page(asked, schemas.DetectionsQuery)))


def find_tracks(call: Call, asked: Asked) -> Fields:
    """Job.tracks."""
    return to_graphql(results.find_tracks(call, asked.source["jobId"], read_page(asked, schemas.TracksQuery)))


def list_track_versions(call: Call, asked: Asked) -> Fields:
    """Job.trackVersions."""
    return to_graphql(results.list_track_versions(call, asked.source["jobId"]))


# --- subscriptions ----------------------------------------------------------------------------------------------------


def authorize_subscriber(call: Call, asked: Asked) -> None:
    """Subscription.onJobEvent and onDetections, once, at their start: the job must be the caller's."""
    jobs.get_job(call.ports, call.claims.tenant, asked.arguments["jobId"])


RESOLVERS: dict[tuple[str, str], Resolver] = {
    ("Query", "video"): Resolver(get_video),
    ("Query", "videos"): Resolver(list_videos),
    ("Query", "job"): Resolver(get_job),
    ("Query", "jobEvents"): Resolver(list_events),
    ("Query", "models"): Resolver(list_models),
    ("Query", "model"): Resolver(get_model),
    ("Query", "pipelines"): Resolver(list_pipelines),
    ("Query", "pipeline"): Resolver(get_pipeline),
    ("Query", "jobQuery"): Resolver(query_job),
    ("Query", "search"): Resolver(search),
    ("Query", "quote"): Resolver(quote_job),
    ("Query", "budget"): Resolver(get_budget),
    ("Query", "webhook"): Resolver(webhook_resolvers.get_webhook),
    ("Query", "webhooks"): Resolver(webhook_resolvers.list_webhooks),
    ("Webhook", "deliveries"): Resolver(webhook_resolvers.list_deliveries),
    ("Query", "jobDiff"): Resolver(diff_jobs),
    ("Query", "jobChanges"): Resolver(list_changes),
    ("Query", "campaign"): Resolver(get_campaign),
    ("Query", "campaigns"): Resolver(list_campaigns),
    ("Query", "campaignRun"): Resolver(get_campaign_run),
    ("Campaign", "runs"): Resolver(list_campaign_runs),
    ("CampaignRun", "videos"): Resolver(list_campaign_targets),
    ("Video", "jobs"): Resolver(many=list_jobs),
    ("Video", "source"): Resolver(get_source),
    ("Video", "version"): Resolver(get_version),
    ("Video", "versions"): Resolver(list_versions),
    ("Pipeline", "versions"): Resolver(list_pipeline_versions),
    ("Job", "video"): Resolver(many=get_videos_of_jobs),
    ("Job", "progress"): Resolver(get_progress),
    ("Job", "segments"): Resolver(list_segments),
    ("Job", "detections"): Resolver(find_detections),
    ("Job", "tracks"): Resolver(find_tracks),
    ("Job", "events"): Resolver(list_events),
    ("Job", "trackVersions"): Resolver(list_track_versions),
    ("Mutation", "createUpload"): Resolver(mutations.create_upload),
    ("Mutation", "signParts"): Resolver(mutations.sign_parts),
    ("Mutation", "completeUpload"): Resolver(mutations.complete_upload),
    ("Mutation", "startJob"): Resolver(mutations.start_job),
    ("Mutation", "cancelJob"): Resolver(mutations.cancel_job),
    ("Mutation", "retryJob"): Resolver(mutations.retry_job),
    ("Mutation", "retrack"): Resolver(mutations.retrack),
    ("Mutation", "setBudget"): Resolver(mutations.set_budget),
    ("Mutation", "createWebhook"): Resolver(webhook_resolvers.create_webhook),
    ("Mutation", "changeWebhook"): Resolver(webhook_resolvers.change_webhook),
    ("Mutation", "deleteWebhook"): Resolver(webhook_resolvers.delete_webhook),
    ("Mutation", "rotateWebhookSecret"): Resolver(webhook_resolvers.rotate_secret),
    ("Mutation", "replayWebhook"): Resolver(webhook_resolvers.replay),
    ("Mutation", "testWebhook"): Resolver(webhook_resolvers.test_webhook),
    ("Mutation", "createModel"): Resolver(mutations.create_model),
    ("Mutation", "moveModelAlias"): Resolver(mutations.move_model_alias),
    ("Mutation", "deleteModel"): Resolver(mutations.delete_model),
    ("Mutation", "makePipeline"): Resolver(mutations.make_pipeline),
    ("Mutation", "promote"): Resolver(mutations.promote),
    ("Mutation", "rollBack"): Resolver(mutations.roll_back),
    ("Mutation", "createCampaign"): Resolver(mutations.create_campaign),
    ("Mutation", "pauseCampaign"): Resolver(mutations.pause_campaign),
    ("Mutation", "resumeCampaign"): Resolver(mutations.resume_campaign),
    ("Mutation", "cancelCampaign"): Resolver(mutations.cancel_campaign),
    ("Mutation", "deleteCampaign"): Resolver(mutations.delete_campaign),
    ("Mutation", "publishJobEvent"): Resolver(mutations.pass_event_on, is_internal=True),
    ("Mutation", "publishDetections"): Resolver(mutations.pass_event_on, is_internal=True),
    ("Subscription", "onJobEvent"): Resolver(authorize_subscriber),
    ("Subscription", "onDetections"): Resolver(authorize_subscriber),
}


TYPE_BY_KIND = {
    ResultKind.DETECTIONS: "DetectionItem",
    ResultKind.TRACKS: "TrackItem",
    ResultKind.APPEARANCES: "AppearanceItem",
    ResultKind.PAIRS: "PairItem",
    ResultKind.BUCKETS: "BucketItem",
    ResultKind.DWELLS: "DwellItem",
}


def _found(page: QueryPageOut) -> Fields:
    """A page of items that say which member of the union they are."""
    fields = to_graphql(page)
    name = TYPE_BY_KIND[ResultKind(fields["kind"])]
    return {**fields, "items": [{"__typename": name, **item} for item in fields["items"]]}


def _job_fields(job: Job) -> Fields:
    # In a list, progress takes reads of its own, and most do not ask for it.
    return {name: value for name, value in to_graphql(job_out(job, Progress())).items() if name != "progress"}


def _job_list(call: Call, video_id: VideoId, found: Sequence[Job], limit: int) -> Fields:
    cursor = next_cursor(call, f"jobs|{video_id}", [job.job_id for job in found], limit)
    return {"items": [_job_fields(job) for job in found], "nextCursor": cursor}


def _list_jobs_from(call: Call, asked: Asked) -> Fields:
    page = read_page(asked)
    video = videos.get_video(call.ports, call.claims.tenant, asked.source["videoId"])
    after = listed_after(call, f"jobs|{video.video_id}", page.cursor)
    return _job_list(call, video.video_id, jobs.list_jobs(call.ports, video, after, page.limit), page.limit)


def _attempt(resolve: Callable[[Call, Asked], Fields], call: Call, asked: Asked) -> Fields | DomainError:
    """What one of several comes to: its error is no error of the others."""
    try:
        return resolve(call, asked)
    except DomainError as error:
        return error


def _without_ids(asked: Asked) -> Mapping[str, Any]:
    """What is asked of two jobs."""
    return {name: value for name, value in asked.arguments.items() if name not in ("jobId", "otherJobId")}
