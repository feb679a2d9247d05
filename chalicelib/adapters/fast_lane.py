"""The fast lane beside AWS Batch: its submissions are asynchronous invocations of one Lambda function."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chalicelib.adapters.clients import aws_errors
from chalicelib.contracts.invocations import PREFIX, Invocation, worker_name
from chalicelib.domain.errors import DomainError
from chalicelib.domain.units import Lane
from chalicelib.services.ports import Batch, ChildState, Submission

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class WithFastLane:
    """The port `Batch`: the function for what goes to the fast lane, `batch` for all else."""

    def __init__(self, batch: Batch, make_client: Callable[[], LambdaClient], function: str) -> None:
        self._batch = batch
        self._make_client = make_client
        self._function = function

    def submit(self, submission: Submission, order_uri: str) -> str:
        if submission.lane is not Lane.FAST:
            return self._batch.submit(submission, order_uri)
        if len(submission.children) != 1:
            raise DomainError(f"the fast lane takes submissions of one child but got {len(submission.children)}")
        owner = submission.owner
        invocation = Invocation(order_uri, owner.tenant, owner.name, submission.submission_id)
        # Never started again by Lambda itself (infra/wiring.py), so `is_started_once` always holds.
        with aws_errors("invoking the function of the fast lane"):
            answer = self._make_client().invoke(
                FunctionName=self._function, InvocationType="Event", Payload=json.dumps(invocation.to_json()).encode()
            )
        return worker_name(answer["ResponseMetadata"]["RequestId"])

    def describe(self, batch_job_id: str, children: int) -> Sequence[ChildState]:
        if batch_job_id.startswith(PREFIX):
            return [ChildState.UNKNOWN] * children
        return self._batch.describe(batch_job_id, children)

    def terminate(self, batch_job_id: str, reason: str) -> None:
        # Lambda cannot stop an invocation: its unit's fence was changed, and its next heartbeat ends it.
        if not batch_job_id.startswith(PREFIX):
            self._batch.terminate(batch_job_id, reason)
