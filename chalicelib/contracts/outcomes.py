"""What the end of a unit does to its video, job or model, as pure builders of transaction entries.

Each is conditional on the state it ends, or on the video, or the finish of the job, that it is about.
"""

from __future__ import annotations

from typing import Any

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item, item_to_wire, to_wire
from chalicelib.domain.jobs import JobState
from chalicelib.domain.model_versions import ModelState
from chalicelib.domain.videos import VideoState

Request = dict[str, Any]


def video_probed(table: str, pk: str, *, media: Item, index: Item) -> Request:
    """The video is READY."""
    return _update(
        table, pk, table_keys.VIDEO, VideoState.UPLOADED, {"state": VideoState.READY, "media": media, "index": index}
    )


def video_rejected(table: str, pk: str, *, failure: Item) -> Request:
    """The video is REJECTED."""
    return _update(table, pk, table_keys.VIDEO, VideoState.UPLOADED, {"state": VideoState.REJECTED, "failure": failure})


def job_finished(
    table: str,
    pk: str,
    *,
    state: JobState,
    summary: Item,
    missing: list[Item],
    failure: Item | None,
    finished_at: str,
    made: Item | None = None,
    reused: Item | None = None,
    usage: Item | None = None,
) -> Request:
    """The job is SUCCEEDED, PARTIAL or FAILED."""
    facts = {
        "state": state,
        "summary": summary,
        "missing": missing,
        "failure": failure,
        "finished_at": finished_at,
        "made": made,
        "reused": reused,
        "usage": usage,
    }
    return _update(table, pk, table_keys.JOB, JobState.FINISHING, facts)


def model_admitted(table: str, pk: str, place: Item, digest: Item, *, trial: Item) -> list[Request]:
    """The model is READY: its record, its place in its name, and its digest; `place` and `digest` as items."""
    ready = {"manifest": digest["manifest"], "ready_at": digest["ready_at"]}
    facts = {"state": ModelState.READY, "trial": trial, "reasons": [], **ready}
    mine = {":mine": to_wire(digest["model_id"])}
    take = {
        "TableName": table,
        "Key": item_to_wire({"pk": place["pk"], "sk": place["sk"]}),
        "UpdateExpression": "SET manifest = :manifest, ready_at = :ready_at",
        # It was not deleted, nor its place given to another, in the meantime.
        "ConditionExpression": "model_id = :mine",
        "ExpressionAttributeValues": {**item_to_wire({f":{name}": value for name, value in ready.items()}), **mine},
    }
    know = {
        "TableName": table,
        "Item": item_to_wire(digest),
        # No other version that can be used has these bytes.
        "ConditionExpression": "attribute_not_exists(pk) OR attribute_exists(removed_at)",
    }
    return [_update(table, pk, table_keys.MODEL, ModelState.UPLOADED, facts), {"Update": take}, {"Put": know}]


def model_refused(table: str, pk: str, *, failure: Item, reasons: list[str]) -> Request:
    """The model is REJECTED."""
    facts = {"state": ModelState.REJECTED, "failure": failure, "reasons": reasons}
    return _update(table, pk, table_keys.MODEL, ModelState.UPLOADED, facts)


def job_unchanged(table: str, pk: str, *, finished_at: str) -> Request:
    """A condition: the job is as that finish left it. A side step of a job that was retried does not succeed."""
    check = {
        "TableName": table,
        "Key": item_to_wire({"pk": pk, "sk": table_keys.JOB}),
        "ConditionExpression": IS_OF_FINISH,
        "ExpressionAttributeValues": {":finished_at": to_wire(finished_at)},
    }
    return {"ConditionCheck": check}


def video_ready(table: str, pk: str) -> Request:
    """A condition: the video is there, and READY. A side step of one that was deleted does not succeed."""
    check = {
        "TableName": table,
        "Key": item_to_wire({"pk": pk, "sk": table_keys.VIDEO}),
        "ConditionExpression": IS_READY,
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {":ready": to_wire(VideoState.READY)},
    }
    return {"ConditionCheck": check}


def tracks_made_current(table: str, pk: str, *, finished_at: str, version: int) -> Request:
    """Readers of the job who name no version of its tracks get this one; if the job is as that finish left it."""
    update = {
        "TableName": table,
        "Key": item_to_wire({"pk": pk, "sk": table_keys.JOB}),
        # Whoever read the version before must read again.
        "UpdateExpression": "SET tracks_version = :tracks, version = version + :one",
        "ConditionExpression": IS_OF_FINISH,
        "ExpressionAttributeValues": item_to_wire({":tracks": version, ":one": 1, ":finished_at": finished_at}),
    }
    return {"Update": update}


# A retry or a deletion of the job takes it away.
IS_OF_FINISH = "finished_at = :finished_at"
# Nothing leads out of it but the deletion of the video.
IS_READY = "#state = :ready"


def _update(table: str, pk: str, sk: str, from_state: str, facts: Item) -> Request:
    # Nobody moved it on in the meantime: a cancel, a deletion or the deadline.
    is_in_state = "#state = :from_state"
    assignments = ", ".join(f"#{name} = :{name}" for name in facts)
    update = {
        "TableName": table,
        "Key": item_to_wire({"pk": pk, "sk": sk}),
        # Nothing is due any more; and whoever read the version before must read again.
        "UpdateExpression": f"SET {assignments}, version = version + :one REMOVE due_shard, due_at",
        "ConditionExpression": is_in_state,
        "ExpressionAttributeNames": {f"#{name}": name for name in facts},
        "ExpressionAttributeValues": {
            ":one": to_wire(1),
            ":from_state": to_wire(from_state),
            **{f":{name}": to_wire(value) for name, value in facts.items()},
        },
    }
    return {"Update": update}
