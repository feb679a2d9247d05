"""reelscan: the index of the service. Follow one name down; there is no logic here."""

from __future__ import annotations

from typing import Any

from chalice.app import Chalice, CloudWatchEvent

from chalicelib.api import events, telemetry
from chalicelib.api.campaigns import campaigns_blueprint
from chalicelib.api.catalog import catalog_blueprint
from chalicelib.api.costs import costs_blueprint
from chalicelib.api.diff import diff_blueprint
from chalicelib.api.exports import exports_blueprint
from chalicelib.api.graphql import lambda_entry
from chalicelib.api.jobs import jobs_blueprint
from chalicelib.api.models import models_blueprint
from chalicelib.api.pipelines import pipelines_blueprint
from chalicelib.api.query import query_blueprint
from chalicelib.api.results import results_blueprint
from chalicelib.api.versions import versions_blueprint
from chalicelib.api.videos import videos_blueprint
from chalicelib.api.webhooks import webhooks_blueprint

app = Chalice(app_name="reelscan")
telemetry.install(app)

# REST: clients come in here, and nowhere else.
app.register_blueprint(videos_blueprint)  # POST /videos, uploads, playback, deletion
app.register_blueprint(jobs_blueprint)  # start, read, cancel, retry
app.register_blueprint(pipelines_blueprint)  # analyses under a name
app.register_blueprint(results_blueprint)  # detections, tracks
app.register_blueprint(versions_blueprint)  # a video's results by alias; promote, roll back
app.register_blueprint(diff_blueprint)  # two jobs beside each other
app.register_blueprint(query_blueprint)  # the query language: of one job, and across videos
app.register_blueprint(campaigns_blueprint)  # an archive analysed again, on a schedule
app.register_blueprint(exports_blueprint)  # results as files
app.register_blueprint(costs_blueprint)  # budgets
app.register_blueprint(models_blueprint)  # models that jobs can name, and registering one's own
app.register_blueprint(webhooks_blueprint)  # who is told what happens
app.register_blueprint(catalog_blueprint)  # health, openapi.json, docs


# GraphQL: AppSync calls this one function for every field that has a resolver, with one event or a list of them.
@app.lambda_function(name="resolve_graphql")
def resolve_graphql(event: Any, _context: object) -> Any:
    """The fields of `chalicelib/api/schema.graphql`; the table is in `chalicelib/api/graphql/resolvers.py`."""
    return lambda_entry.resolve(event)


# Events: each may come twice, late, or not at all. `infra/wiring.py` says which rule, stream and schedule calls which
# of these.
@app.on_cw_event(events.OBJECT_CREATED, name="on_object_created")
def on_object_created(event: CloudWatchEvent) -> None:
    """The bytes of a video, or the file of a model, are in S3."""
    events.accept_object(event.to_dict())


@app.on_cw_event(events.CHILD_ENDED, name="on_batch_state_change")
def on_batch_state_change(event: CloudWatchEvent) -> None:
    """A worker ended."""
    events.settle_batch_child(event.to_dict())


@app.on_cw_event(events.INVOCATION_ENDED, name="on_invocation_ended")
def on_invocation_ended(event: CloudWatchEvent) -> None:
    """A worker of the fast lane ended."""
    events.settle_invocation(event.to_dict())


@app.lambda_function(name="on_meta_stream")
def on_meta_stream(event: dict[str, Any], _context: object) -> None:
    """A video, job or segment changed in the table.

    Plain function: the stream's mapping, with filter and bisect, is made in CDK.
    """
    events.follow_changes(event)


@app.lambda_function(name="on_job_event")
def on_job_event(event: dict[str, Any], _context: object) -> None:
    """An event of a job was recorded, and is to be told to webhooks and subscribers.

    Plain function, like the one above.
    """
    events.publish_recorded(event)


@app.on_cw_event(events.WEBHOOK_DUE, name="on_webhook_due")
def on_webhook_due(event: CloudWatchEvent) -> None:
    """Something waits for a webhook."""
    events.send_webhook(event.to_dict())


# Plain functions: EventBridge Scheduler calls them, and Chalice makes rules of EventBridge only.
@app.lambda_function(name="wake_webhooks")
def wake_webhooks(_event: dict[str, Any], _context: object) -> None:
    """What is to be tried again, and what was missed, of webhooks."""
    events.wake_webhooks()


@app.lambda_function(name="reconcile")
def reconcile(_event: dict[str, Any], _context: object) -> None:
    """Whatever is due: campaigns at their times, and what was missed: dead workers, lost events, late uploads."""
    events.reconcile_due()
