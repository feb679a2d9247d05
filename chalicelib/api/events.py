"""Events in, one service call each.

Every event may come twice, late, out of order, or not at all: the schedule sees to the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.api.graphql.words import to_graphql
from chalicelib.api.present import job_event_out
from chalicelib.api.telemetry import Metric, count, logger, measure_seconds
from chalicelib.api.webhook_present import message_body
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item, from_wire, item_from_wire
from chalicelib.contracts.invocations import Invocation, worker_name
from chalicelib.contracts.items import event_from_item, failure_from_map, segment_from_item
from chalicelib.domain.errors import LimitExceeded, NotFound
from chalicelib.domain.ids import JobId, SubmissionId, TenantId, VideoId, WebhookId
from chalicelib.domain.jobs import JobState
from chalicelib.domain.units import TERMINAL_UNIT_STATES, UnitState
from chalicelib.services.advance import advance_job, advance_video
from chalicelib.services.campaign_events import CAMPAIGN_KINDS, follow_campaign, wake_run
from chalicelib.services.job_events import record_commit, record_state
from chalicelib.services.jobs import get_job
from chalicelib.services.model_uploads import accept_model_upload
from chalicelib.services.notifications import note_events, take_turn, wake_due
from chalicelib.services.ports import Owner, Ports
from chalicelib.services.reconcile import EndedChild, reconcile, settle_child
from chalicelib.services.uploads import accept_upload
from chalicelib.wiring import get_ports


def accept_object(event: Mapping[str, Any]) -> None:
    """S3 "Object Created", through EventBridge (keys are not URL-encoded there)."""
    detail = event["detail"]
    bucket, key = detail["bucket"]["name"], detail["object"]["key"]
    accept_upload(get_ports(), bucket, key)
    accept_model_upload(get_ports(), bucket, key)
    count(Metric.OBJECTS_CREATED)


def settle_batch_child(event: Mapping[str, Any]) -> None:
    """Batch says "Job State Change" of a child or plain job that ended; the parents of array jobs are passed over."""
    detail = event["detail"]
    array = detail.get("arrayProperties") or {}
    names = detail.get("parameters") or {}
    if (
        detail["status"] not in ("SUCCEEDED", "FAILED")
        or "size" in array
        or not {"tenant", "owner", "submission"} <= set(names)
    ):
        return
    container = detail.get("container") or {}
    ended = EndedChild(
        owner=Owner(TenantId(names["tenant"]), names["owner"]),
        submission_id=SubmissionId(names["submission"]),
        child=int(array.get("index", 0)),
        batch_job_id=detail["jobId"],
        exit_code=container.get("exitCode"),
        reason=str(container.get("reason") or detail.get("statusReason") or ""),
    )
    logger.info("child ended", batch_job_id=ended.batch_job_id, status=detail["status"], exit_code=ended.exit_code)
    settle_child(get_ports(), ended)
    count(Metric(f"Children{detail['status'].title()}"))


def settle_invocation(event: Mapping[str, Any]) -> None:
    """Lambda says that an invocation of the fast lane ended, or that it never found room for one."""
    detail = event["detail"]
    context, answer = detail["requestContext"], detail.get("responsePayload") or {}
    invocation = Invocation.from_json(detail["requestPayload"])
    ended = EndedChild(
        owner=Owner(TenantId(invocation.tenant), invocation.owner),
        submission_id=SubmissionId(invocation.submission),
        child=0,
        batch_job_id=worker_name(context["requestId"]),
        # Only the handler's own answer has one: it has none when the function broke, timed out or never started.
        exit_code=answer.get("exit_code"),
        reason=str(answer.get("errorMessage") or context["condition"]),
    )
    logger.info(
        "invocation ended", worker=ended.batch_job_id, condition=context["condition"], exit_code=ended.exit_code
    )
    settle_child(get_ports(), ended)
    count(Metric.CHILDREN_SUCCEEDED if ended.exit_code == 0 else Metric.CHILDREN_FAILED)


def follow_changes(event: Mapping[str, Any]) -> None:
    """Records of the meta table's stream: whatever moved on lets its video or job take the next step.

    What happened to a job is then recorded as its event.
    """
    ports = get_ports()
    for record in event["Records"]:
        change = record["dynamodb"]
        new = change.get("NewImage")
        if new is None or not _has_moved(new, change.get("OldImage")):
            continue
        try:
            if from_wire(new["kind"]) in CAMPAIGN_KINDS:
                follow_campaign(ports, item_from_wire(new))
                continue
            _follow(ports, from_wire(new["kind"]), _state(new), from_wire(new["pk"]))
            _record(ports, item_from_wire(new))
            wake_run(ports, item_from_wire(new))
        except NotFound as error:
            # Deleted in the meantime: there is nothing left to move on.
            logger.info("change of something that is gone", detail=error.failure.detail)


def publish_recorded(event: Mapping[str, Any]) -> None:
    """Records of the meta table's stream: every event of a job that was recorded is told to webhooks and subscribers.

    Webhooks first, and only noted: when subscribers cannot be told, all of this comes again.
    """
    ports = get_ports()
    images = [record["dynamodb"]["NewImage"] for record in event["Records"]]
    several = [event_from_item(item_from_wire(image)) for image in images]
    note_events(ports, several)
    for recorded in several:
        try:
            fields = to_graphql(job_event_out(ports, recorded))
        except LimitExceeded as error:
            # No retry would make it smaller. Who sees `seq` jump reads it by REST; the events behind it must not wait.
            logger.warning("event cannot be published", job_id=recorded.job_id, detail=error.failure.detail)
            continue
        ports.publisher.publish(recorded, fields)
    count(Metric.JOB_EVENTS, len(several))


def reconcile_due() -> int:
    """The schedule: look at everything that is due."""
    seen = reconcile(get_ports())
    if seen.longest_wait_seconds:
        measure_seconds(Metric.LONGEST_WAIT_SECONDS, seen.longest_wait_seconds)
    return seen.looked_at


def send_webhook(event: Mapping[str, Any]) -> None:
    """An event of ours: something waits for a webhook."""
    detail = event["detail"]
    take_turn(get_ports(), TenantId(detail["tenant"]), WebhookId(detail["webhook_id"]), message_body)


def wake_webhooks() -> int:
    """The schedule: webhooks whose next turn is due."""
    return wake_due(get_ports())


def _follow(ports: Ports, kind: str, state: str, pk: str) -> None:
    tenant, name = table_keys.parse_partition(pk)
    if kind == "VIDEO":
        advance_video(ports, TenantId(tenant), VideoId(name))
    elif kind == "JOB":
        advance_job(ports, TenantId(tenant), JobId(name))
        count(Metric(f"Jobs{state.title()}"))
    elif kind == "SEGMENT" and state in TERMINAL_UNIT_STATES:
        advance_job(ports, TenantId(tenant), JobId(name))


def _record(ports: Ports, item: Item) -> None:
    is_commit = item["kind"] == "SEGMENT" and item["state"] == UnitState.DONE
    if item["kind"] != "JOB" and not is_commit:
        return
    tenant, name = table_keys.parse_partition(item["pk"])
    job = get_job(ports, TenantId(tenant), name)
    if is_commit:
        record_commit(ports, job, segment_from_item(item))
    else:
        failure = failure_from_map(item.get("failure"))
        record_state(ports, job, version=item["version"], state=JobState(item["state"]), failure=failure)


def _has_moved(new: Mapping[str, Any], old: Mapping[str, Any] | None) -> bool:
    """Whether there may be a next step: of campaigns and runs whenever one was saved, not when a date was put off."""
    if old is not None and from_wire(new["kind"]) in CAMPAIGN_KINDS:
        return bool(from_wire(new["version"]) != from_wire(old["version"]))
    return _state(new) != _state(old)


def _state(image: Mapping[str, Any] | None) -> str:
    return str(from_wire(image["state"])) if image and "state" in image else ""
