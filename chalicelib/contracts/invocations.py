"""What the function of the fast lane is told, and what Lambda says of its end.

The payload of an invocation, JSON:

    order        s3://bucket/key of the work order (contracts/work_order.py)
    tenant, owner, submission     what it is for, carried back by the event of its end

The function returns `{"exit_code": 0}`, with an exit code of `gpu_batch/errors.py`. It raises nothing, and Lambda
repeats nothing: what is left is handed on by whoever hears of the end, attempt by attempt. Lambda tells the event bus
of every end (destinations on success and on failure), with the payload, the answer, and the id of the request, which is
the same here, there and in the answer to Invoke. It names the invocation as Batch's id names a job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chalicelib.contracts.work_order import ENVIRONMENT_NAME

WORKER_NAME = "REELSCAN_WORKER"
"""In the environment of a worker that Batch did not start: what it claims units as."""
PREFIX = "lambda:"


@dataclass(frozen=True, slots=True)
class Invocation:
    """The payload."""

    order: str
    tenant: str
    owner: str
    submission: str

    def to_json(self) -> dict[str, str]:
        """As it is sent."""
        return asdict(self)

    @staticmethod
    def from_json(form: Mapping[str, Any]) -> Invocation:
        """What was sent.

        Raises:
            KeyError: it is none of ours.
        """
        return Invocation(form["order"], form["tenant"], form["owner"], form["submission"])


def worker_name(request_id: str) -> str:
    """What the invocation of this request is called in units and submissions."""
    return f"{PREFIX}{request_id}"


def environment_of(invocation: Invocation, request_id: str) -> dict[str, str]:
    """What a worker that was started by it finds in its environment, beside what the function has."""
    return {ENVIRONMENT_NAME: invocation.order, WORKER_NAME: worker_name(request_id)}
