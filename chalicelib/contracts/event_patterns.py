"""Which events start which function: patterns of EventBridge and of Lambda's stream filters, in one place.

`app.py` shows them to Chalice, `infra/wiring.py` to the local stack and to CDK, so that the three cannot drift apart.
"""

from __future__ import annotations

from typing import Any

from chalicelib.domain.units import TERMINAL_UNIT_STATES

OBJECT_CREATED: dict[str, Any] = {
    "source": ["aws.s3"],
    "detail-type": ["Object Created"],
    # What clients upload: work orders and indexes are objects of ours that nobody waits for.
    "detail": {
        "object": {"key": [{"wildcard": "tenants/*/videos/*/source"}, {"wildcard": "tenants/*/models/*/source"}]}
    },
}
CHILD_ENDED: dict[str, Any] = {
    "source": ["aws.batch"],
    "detail-type": ["Batch Job State Change"],
    "detail": {"status": ["SUCCEEDED", "FAILED"]},
}
# What Lambda tells of asynchronous invocations; of ours the payload names a submission.
INVOCATION_ENDED: dict[str, Any] = {
    "source": ["lambda"],
    "detail-type": [
        "Lambda Function Invocation Result - Success",
        "Lambda Function Invocation Result - Failure",
    ],
    "detail": {"requestPayload": {"submission": [{"exists": True}]}},
}
# Claims and heartbeats of segments start nothing; the language cannot compare old with new, so the function skips items
# of which only the due date changed.
META_CHANGES: tuple[dict[str, Any], ...] = (
    {"dynamodb": {"NewImage": {"kind": {"S": ["VIDEO", "JOB", "CAMPAIGN", "RUN"]}}}},
    {"dynamodb": {"NewImage": {"kind": {"S": ["SEGMENT"]}, "state": {"S": sorted(TERMINAL_UNIT_STATES)}}}},
)
# An event of a job is written once and never changed.
EVENTS_RECORDED: tuple[dict[str, Any], ...] = (
    {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["EVENT"]}}}},
)
OUR_SOURCE = "reelscan"
WEBHOOK_DUE_TYPE = "Webhook Due"
WEBHOOK_DUE: dict[str, Any] = {"source": [OUR_SOURCE], "detail-type": [WEBHOOK_DUE_TYPE]}
"""A turn of a webhook is to be taken; the detail has `tenant` and `webhook_id`."""
