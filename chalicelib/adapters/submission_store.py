"""SUBMISSION items in DynamoDB."""

from __future__ import annotations

import json
from collections.abc import Sequence

from chalicelib.adapters.table import ConditionFailed, Table
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.items import time_from_text, time_to_text
from chalicelib.contracts.work_order import OrderKind
from chalicelib.domain.budgets import Price
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.side_steps import StepName
from chalicelib.domain.units import Lane, UnitKind
from chalicelib.services.ports import Owner, Submission, SubmissionState


class DynamoSubmissionStore:
    """The port `SubmissionStore`."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    def add(self, submission: Submission) -> bool:
        try:
            self._meta.put(_to_item(submission), "attribute_not_exists(pk)")
        except ConditionFailed:
            return False
        return True

    def mark_sent(self, submission: Submission, batch_job_id: str) -> None:
        item = _to_item(submission)
        self._meta.put({**item, "state": SubmissionState.SENT, "batch_job_id": batch_job_id})

    def list(self, owner: Owner) -> Sequence[Submission]:
        pk = table_keys.partition(owner.tenant, owner.name)
        return [_from_item(owner, item) for item in self._meta.query(pk, table_keys.submission(""))]

    def get(self, owner: Owner, submission_id: SubmissionId) -> Submission | None:
        pk = table_keys.partition(owner.tenant, owner.name)
        item = self._meta.get(pk, table_keys.submission(submission_id))
        return _from_item(owner, item) if item else None


def _to_item(submission: Submission) -> Item:
    return {
        "pk": table_keys.partition(submission.owner.tenant, submission.owner.name),
        "sk": table_keys.submission(submission.submission_id),
        "kind": "SUBMISSION",
        "order_kind": submission.kind,
        # One string instead of a list of lists of numbers, which DynamoDB would store three times as large.
        "children": json.dumps(submission.children, separators=(",", ":")),
        "lane": submission.lane,
        "created_at": time_to_text(submission.created_at),
        "state": submission.state,
        "batch_job_id": submission.batch_job_id,
        "step": {"kind": submission.step.kind, "name": submission.step.name} if submission.step else None,
        "price": submission.price.to_json(),
        "job_cap": submission.job_cap_nano_usd,
    }


def _from_item(owner: Owner, item: Item) -> Submission:
    step = item.get("step")
    return Submission(
        owner=owner,
        submission_id=SubmissionId(item["sk"].partition("#")[2]),
        kind=OrderKind(item["order_kind"]),
        children=tuple(tuple(units) for units in json.loads(item["children"])),
        lane=Lane(item["lane"]),
        created_at=time_from_text(item["created_at"]),
        state=SubmissionState(item["state"]),
        batch_job_id=item["batch_job_id"],
        step=StepName(UnitKind(step["kind"]), step["name"]) if step else None,
        price=Price.from_json(item.get("price", [])),
        job_cap_nano_usd=item.get("job_cap"),
    )
