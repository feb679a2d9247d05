"""How a tenant registers a model of its own."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx

from tests.flow.tenant import PATIENCE_SECONDS, POLL_SECONDS, Json, Tenant

MANIFEST: Json = {
    "name": "random-net",
    "task": "detection",
    "adapter": "yolox",
    "labels": ["person", None, "dog"],
    "score_floor": 0.05,
    "licence": "CC0-1.0",
    "source": "random weights",
}


def register(tenant: Tenant, content: bytes, **changes: Any) -> Json:
    """The version once its admission has ended."""
    manifest = MANIFEST | changes
    created = tenant.post("/models", {"size_bytes": len(content), "manifest": manifest}, expect=201)
    upload = created["upload"]
    answer = httpx.post(upload["url"], data=upload["fields"], files={"file": content}, timeout=30)
    assert answer.status_code == 204, answer.text
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        versions = tenant.get(f"/models/{manifest['name']}")["model"]["versions"]
        (version,) = [one for one in versions if one["version"] == manifest.get("version", "1")]
        if version["state"] in ("READY", "REJECTED"):
            return dict(version)
        assert time.monotonic() < deadline, f"the model is still {version['state']}"
        threading.Event().wait(POLL_SECONDS)
