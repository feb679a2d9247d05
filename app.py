"""reelscan: the index of the service. Follow one name down; there is no logic here."""

from __future__ import annotations

from typing import Any

from chalice.app import Chalice, CloudWatchEvent

from chalicelib.api import telemetry
from chalicelib.api.rest import Rest
from chalicelib.contracts.event_patterns import CHILD_ENDED, INVOCATION_ENDED, OBJECT_CREATED, WEBHOOK_DUE

app = Chalice(app_name="reelscan")
telemetry.install(app)

# REST: clients come in here, and nowhere else. Each is a module of chalicelib/api, loaded at its first request.
rest = Rest(app)
rest.serve("videos")  # POST /videos, uploads, playback, deletion
rest.serve("jobs")  # start, read, cancel, retry
rest.serve("pipelines")  # analyses under a name
rest.serve("results")  # detections, tracks
rest.serve("versions")  # a video's results by alias; promote, roll back
rest.serve("diff")  # two jobs beside each other
rest.serve("query")  # the query language: of one job, and across videos
rest.serve("campaigns")  # an archive analysed again, on a schedule
rest.serve("exports")  # results as files
rest.serve("renditions")  # thumbnails of a video, and a copy that browsers play
rest.serve("costs")  # budgets
rest.serve("models")  # models that jobs can name, and registering one's own
rest.serve("webhooks")  # who is told what happens
rest.serve("catalog")  # health, openapi.json, docs


# Below, each function loads what it needs at its first event: it is a Lambda of its own, and none needs everything.


# GraphQL: AppSync calls this one function for every field that has a resolver, with one event or a list of them.
@app.lambda_function(name="resolve_graphql")
def resolve_graphql(event: Any, _context: object) -> Any:
    """The fields of `chalicelib/api/schema.graphql`; the table is in `chalicelib/api/graphql/resolvers.py`."""
    from chalicelib.api.graphql import lambda_entry

    return lambda_entry.resolve(event)


# Events: each may come twice, late, or not at all. `infra/wiring.py` says which rule, stream and schedule calls which
# of these.
@app.on_cw_event(OBJECT_CREATED, name="on_object_created")
def on_object_created(event: CloudWatchEvent) -> None:
    """The bytes of a video, or the file of a model, are in S3."""
    from chalicelib.api import events

    events.accept_object(event.to_dict())


@app.on_cw_event(CHILD_ENDED, name="on_batch_state_change")
def on_batch_state_change(event: CloudWatchEvent) -> None:
    """A worker ended."""
    from chalicelib.api import events

    events.settle_batch_child(event.to_dict())


@app.on_cw_event(INVOCATION_ENDED, name="on_invocation_ended")
def on_invocation_ended(event: CloudWatchEvent) -> None:
    """A worker of the fast lane ended."""
    from chalicelib.api import events

    events.settle_invocation(event.to_dict())


@app.lambda_function(name="on_meta_stream")
def on_meta_stream(event: dict[str, Any], _context: object) -> None:
    """A video, job or segment changed in the table.

    Plain function: the stream's mapping, with filter and bisect, is made in CDK.
    """
    from chalicelib.api import events

    events.follow_changes(event)


@app.lambda_function(name="on_job_event")
def on_job_event(event: dict[str, Any], _context: object) -> None:
    """An event of a job was recorded, and is to be told to webhooks and subscribers.

    Plain function, like the one above.
    """
    from chalicelib.api import events

    events.publish_recorded(event)


@app.on_cw_event(WEBHOOK_DUE, name="on_webhook_due")
def on_webhook_due(event: CloudWatchEvent) -> None:
    """Something waits for a webhook."""
    from chalicelib.api import events

    events.send_webhook(event.to_dict())


# Plain functions: EventBridge Scheduler calls them, and Chalice makes rules of EventBridge only.
@app.lambda_function(name="wake_webhooks")
def wake_webhooks(_event: dict[str, Any], _context: object) -> None:
    """What is to be tried again, and what was missed, of webhooks."""
    from chalicelib.api import events

    events.wake_webhooks()


@app.lambda_function(name="reconcile")
def reconcile(_event: dict[str, Any], _context: object) -> None:
    """Whatever is due: campaigns at their times, and what was missed: dead workers, lost events, late uploads."""
    from chalicelib.api import events

    events.reconcile_due()
