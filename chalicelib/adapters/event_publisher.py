"""Events of jobs to AppSync: a mutation, signed with the function's own role, that subscriptions hang on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.clients import aws_errors
from chalicelib.domain.errors import DependencyFailed
from chalicelib.domain.events import JobEvent, JobEventKind

if TYPE_CHECKING:
    from botocore.httpsession import URLLib3Session
    from botocore.session import Session

TIMEOUT_SECONDS = 5
EVENT_FIELDS = (
    "seq jobId videoId kind createdAt state error { code title detail hint } segmentIndex startPts endPts startSeconds"
    " endSeconds labels { label detections scoreMax } detectionsCursor"
)
"""Every field: subscribers get what the mutation selected and no more."""
MUTATION_BY_KIND = {
    JobEventKind.JOB_STATE_CHANGED: "publishJobEvent",
    JobEventKind.SEGMENT_COMMITTED: "publishDetections",
}


def publication(mutation: str) -> str:
    """The GraphQL document that publishes an event by this mutation."""
    return f"mutation Publish($event: JobEventInput!) {{ {mutation}(event: $event) {{ {EVENT_FIELDS} }} }}"


class AppSyncPublisher:
    """The port `EventPublisher`."""

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _session(self) -> Session:
        import botocore.session

        return botocore.session.get_session()

    @cached_property
    def _http(self) -> URLLib3Session:
        from botocore.httpsession import URLLib3Session

        return URLLib3Session(timeout=TIMEOUT_SECONDS)

    def publish(self, event: JobEvent, fields: Mapping[str, object]) -> None:
        document = publication(MUTATION_BY_KIND[event.kind])
        with aws_errors("publishing an event"):
            answer = self._post({"query": document, "variables": {"event": fields}})
        if answer.get("errors"):
            raise DependencyFailed(f"publishing an event failed: {answer['errors'][0].get('message')}")

    def _post(self, body: dict[str, object]) -> dict[str, Any]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest("POST", self._url, {"Content-Type": "application/json"}, json.dumps(body).encode())
        credentials = self._session.get_credentials()
        if credentials is None:
            raise DependencyFailed("publishing an event failed: the function has no credentials")
        SigV4Auth(credentials, "appsync", self._session.get_config_variable("region")).add_auth(request)
        response = self._http.send(request.prepare())
        try:
            answer: dict[str, Any] = json.loads(response.content)
        except ValueError:
            answer = {}
        if response.status_code != 200 and not answer.get("errors"):
            raise DependencyFailed(f"publishing an event failed: HTTP {response.status_code}")
        return answer


class SilentPublisher:
    """The port `EventPublisher` of a deployment without GraphQL: events are stored, and nobody is told."""

    def publish(self, event: JobEvent, fields: Mapping[str, object]) -> None:  # noqa: ARG002  the port's words
        return
