"""A model of one's own, from its file to rows, by REST alone; and one that is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.flow.registering import register
from tests.flow.tenant import Json, Tenant
from tests.models import networks

KEYFRAMES = {"kind": "keyframes"}


def test_a_model_is_registered_and_finds_things_and_is_nothing_to_others(
    tenant: Tenant, new_tenant: Any, bikes: Path
) -> None:
    version = register(tenant, networks.yolox())
    assert version["state"] == "READY", version
    assert list(version["trial"]["inputs"][0]) == ["input", "cpu_ms"]
    assert tenant.http.put("/models/random-net/aliases/prod", json={"version": "1"}).status_code == 200

    job_id = tenant.analyze(bikes, model="random-net@prod", sampling=KEYFRAMES)
    job = tenant.succeed(job_id)
    assert job["models"] == [{"name": "random-net", "version": "1", "sha256": version["sha256"], "task": "detection"}]
    rows = tenant.all_items(job_id)
    assert rows
    assert {row["model"] for row in rows} == {"random-net"}
    assert {row["label"] for row in rows} <= {"person", "dog"}

    stranger = new_tenant()
    body = {"filename": "a.mp4", "size_bytes": 1, "analyze": {"models": ["random-net@1"]}}
    problem = stranger.post("/videos", body, expect=400)
    assert problem["detail"].startswith("there is no model 'random-net@1'; there are: nanodet-g")

    assert tenant.http.delete("/models/random-net").status_code == 204
    assert tenant.all_items(job_id) == rows
    assert tenant.http.get("/models/random-net").status_code == 404


@pytest.mark.parametrize(
    ("content", "changes", "reason"),
    [
        (networks.yolox(), {"name": "wrong-head", "adapter": "yolov8"}, "yolov8 needs one output"),
        (b"this is no model", {"name": "text"}, "the model is not an ONNX file"),
    ],
    ids=["another family", "no model"],
)
def test_a_model_that_cannot_be_used_ends_with_its_reasons(
    tenant: Tenant, content: bytes, changes: Json, reason: str
) -> None:
    version = register(tenant, content, **changes)
    assert (version["state"], version["error"]["code"]) == ("REJECTED", "MODEL_INVALID")
    assert any(reason in one for one in version["reasons"]), version["reasons"]
    assert (
        tenant.post(
            "/videos", {"filename": "a", "size_bytes": 1, "analyze": {"models": [changes["name"]]}}, expect=400
        )["code"]
        == "INVALID_REQUEST"
    )
