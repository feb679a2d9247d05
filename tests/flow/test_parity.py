"""The local stack's events have the shape of AWS's own: no more, and no less but for what is listed here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import app
from infra.local.stack import LocalStack, StackOptions
from tests.flow.tenant import Tenant
from tests.parity import golden

GOLDEN_BY_HANDLER = {
    "on_object_created": ("s3_object_created_by_post", "s3_object_created_by_multipart"),
    "on_batch_state_change": ("batch_succeeded", "batch_child_failed", "batch_array_parent_failed", "batch_runnable"),
    "on_meta_stream": ("stream_job_moved", "stream_event_recorded"),
    "on_job_event": ("stream_event_recorded",),
    "reconcile": ("scheduled",),
    "resolve_graphql": ("appsync_invoke", "appsync_batch_invoke", "appsync_invoke_by_role"),
}
LACKS = {
    # Of machines that there are none of, of an image that is no container here, and of tags.
    ".detail.attempts[].container.containerInstanceArn",
    ".detail.attempts[].container.taskArn",
    ".detail.container.containerInstanceArn",
    ".detail.container.executionRoleArn",
    ".detail.container.image",
    ".detail.container.jobRoleArn",
    ".detail.container.readonlyRootFilesystem",
    ".detail.container.taskArn",
    ".detail.container.user",
    ".detail.platformCapabilities[]",
    ".detail.propagateTags",
    ".detail.tags.resourceArn",
}
"""Of AWS's events; no handler may rely on it."""


class Recording:
    """The app module, whose handlers are called as ever; what they are called with is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.events: dict[str, list[Any]] = {}

    def __getattr__(self, name: str) -> Any:
        handler: Callable[..., Any] = getattr(app, name)
        if name not in GOLDEN_BY_HANDLER:
            return handler

        def called(event: Any, context: object) -> Any:
            with self._lock:
                self.events.setdefault(name, []).append(event)
            return handler(event, context)

        return called


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory, bikes: Path) -> dict[str, list[Any]]:
    """Of a job from its upload to its end, asked for by GraphQL."""
    recording = Recording()
    options = StackOptions(out=tmp_path_factory.mktemp("out"), slots=2, app_module=recording, reconcile_seconds=1)
    with LocalStack(options) as stack:
        tenant = Tenant(stack.base_url, stack.token("parity"))
        job_id = tenant.analyze(bikes, segment_seconds=2, sampling={"kind": "keyframes"})
        tenant.succeed(job_id)
        fields = "job(jobId: $id) { jobId state } videos { items { jobs { items { jobId } } } }"
        asked = {"query": f"query($id: ID!) {{ {fields} }}"}
        answer = httpx.post(
            f"{stack.base_url}/graphql",
            json=asked | {"variables": {"id": job_id}},
            headers={"Authorization": stack.token("parity")},
            timeout=30,
        ).json()
        assert "errors" not in answer, answer
    return recording.events


@pytest.mark.parametrize("handler", sorted(GOLDEN_BY_HANDLER))
def test_a_handler_is_called_here_with_what_aws_would_send(handler: str, events: dict[str, list[Any]]) -> None:
    known: dict[str, set[str]] = {}
    for name in GOLDEN_BY_HANDLER[handler]:
        for path, kind in shapes(golden.read(name)).items():
            known.setdefault(path, set()).update(kind)
    seen: dict[str, set[str]] = {}
    for event in events[handler]:
        for path, kind in shapes(event).items():
            seen.setdefault(path, set()).update(kind)
    made_up = {path: kinds for path, kinds in seen.items() if not kinds <= known.get(path, set()) | {"null"}}
    assert not made_up
    assert {path for path in known if path not in seen} - LACKS == set()


def shapes(event: Any) -> dict[str, set[str]]:
    """JSON types by path; of a list of events, those of all."""
    found: dict[str, set[str]] = {}
    for one in event if isinstance(event, list) else [event]:
        for path, kind in golden.shape(one).items():
            found.setdefault(path, set()).add(kind)
    return found
