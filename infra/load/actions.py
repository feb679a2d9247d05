"""What clients do, each a few requests, with how often they do it. Together they ask every route of the API.

Whatever would start a worker is asked with an Idempotency-Key of the run, so that a load of hours pays for it once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.load.recorder import Recorder
from infra.load.stage import Stage, campaign_form

PART_BYTES_MANY = 1 << 30
"""An upload that is said to be so large is one of parts."""


@dataclass(frozen=True, slots=True)
class Action:
    """A few requests that belong together; the weight is how many of all actions are this one."""

    weight: float
    do: Callable[[Recorder, Stage], None]


def read_videos(client: Recorder, stage: Stage) -> None:
    """List, look, play."""
    client.ask("GET /videos", query={"limit": 20})
    client.ask("GET /videos/{video_id}", ids=stage.ids)
    client.ask("GET /videos/{video_id}/source", ids=stage.ids)
    client.ask("GET /videos/{video_id}/jobs", ids=stage.ids)
    client.ask("GET /videos/{video_id}/versions", ids=stage.ids)


def show_video(client: Recorder, stage: Stage) -> None:
    """Thumbnails that were made before, as a page asks for them."""
    body, key = {"kind": "thumbnails"}, stage.key("thumbnails")
    client.ask("POST /videos/{video_id}/renditions", ids=stage.ids, body=body, key=key, expect=(202,))
    client.ask("GET /videos/{video_id}/renditions", ids=stage.ids)
    client.ask("GET /videos/{video_id}/renditions/{rendition_id}", ids=stage.ids)


def poll_job(client: Recorder, stage: Stage) -> None:
    """As who waits does."""
    client.ask("GET /jobs/{job_id}", ids=stage.ids)


def read_job(client: Recorder, stage: Stage) -> None:
    """All that a job tells of itself."""
    for what in ("segments", "events", "track-versions", "exports"):
        client.ask(f"GET /jobs/{{job_id}}/{what}", ids=stage.ids)
    client.ask("GET /jobs/{job_id}/exports/{export_id}", ids=stage.ids)


def read_detections(client: Recorder, stage: Stage) -> None:
    """The first page and the one after it."""
    page = client.ask("GET /jobs/{job_id}/detections", ids=stage.ids, query={"limit": 100, "score_min": 0})
    if cursor := page.get("next_cursor"):
        query = {"limit": 100, "score_min": 0, "cursor": cursor}
        client.ask("GET /jobs/{job_id}/detections", ids=stage.ids, query=query)


def read_results(client: Recorder, stage: Stage) -> None:
    """By job and by video."""
    client.ask("GET /jobs/{job_id}/tracks", ids=stage.ids)
    client.ask("GET /videos/{video_id}/detections", ids=stage.ids, query={"limit": 100})
    client.ask("GET /videos/{video_id}/tracks", ids=stage.ids)


def query(client: Recorder, stage: Stage) -> None:
    """Inside a job and across videos."""
    client.ask("GET /jobs/{job_id}/query", ids=stage.ids, query={"q": "detections where score >= 0.5"})
    client.ask("GET /search", query={"q": "detections where score >= 0.5", "limit": 20})


def compare(client: Recorder, stage: Stage) -> None:
    """Two jobs beside each other."""
    client.ask("GET /jobs/{job_id}/diff/{other_job_id}", ids=stage.ids)
    client.ask("GET /jobs/{job_id}/diff/{other_job_id}/changes", ids=stage.ids)


def quote(client: Recorder, stage: Stage) -> None:
    """What it would cost."""
    client.ask("POST /videos/{video_id}/jobs", ids=stage.ids, query={"dry_run": "true"}, body=stage.analysis)
    client.ask("GET /budget")


def work_on_job(client: Recorder, stage: Stage) -> None:
    """Tracks and an export again, and what a job that has ended refuses."""
    ids = stage.ids
    client.ask("POST /jobs/{job_id}/tracks", ids=ids, body={"lost_seconds": 2}, key=stage.key("tracks"), expect=(202,))
    form = {"format": "csv"}
    client.ask("POST /jobs/{job_id}/exports", ids=ids, body=form, key=stage.key("export"), expect=(202,))
    client.ask("POST /jobs/{job_id}/cancel", ids=ids, body={}, expect=(200, 409))
    client.ask("POST /jobs/{job_id}/retry", ids=ids, body={}, expect=(202, 409))


def move_versions(client: Recorder, stage: Stage) -> None:
    """Promote, promote the other, and roll back."""
    cause = "load"
    for job in ("job_id", "other_job_id"):
        body = {"job_id": stage.ids[job], "cause": cause}
        # Two clients at once: one of them is told that the other was first.
        client.ask("PUT /videos/{video_id}/versions/{alias}", ids=stage.ids, body=body, expect=(200, 409))
    body = {"cause": cause}
    client.ask("POST /videos/{video_id}/versions/{alias}/rollback", ids=stage.ids, body=body, expect=(200, 409))


def upload_and_delete(client: Recorder, stage: Stage) -> None:
    """A video that is announced and deleted."""
    body = {"filename": f"load-{stage.run}.mp4", "size_bytes": 1 << 20}
    made = client.ask("POST /videos", body=body, expect=(201,))
    if "video" in made:
        client.ask("DELETE /videos/{video_id}", ids={"video_id": made["video"]["video_id"]}, expect=(204,))


def upload_parts(client: Recorder, stage: Stage) -> None:
    """A large upload that is begun and given up."""
    body = {"filename": f"load-{stage.run}-large.mp4", "size_bytes": PART_BYTES_MANY}
    made = client.ask("POST /videos", body=body, expect=(201,))
    if "video" not in made:
        return
    ids = {"video_id": made["video"]["video_id"]}
    client.ask("POST /videos/{video_id}/upload/parts", ids=ids, body={"part_numbers": [1, 2, 3]})
    client.ask("GET /videos/{video_id}/upload/parts", ids=ids)
    parts = [{"part_number": 1, "etag": secrets.token_hex(16)}]
    client.ask("POST /videos/{video_id}/upload/complete", ids=ids, body={"parts": parts}, expect=(400, 409))
    client.ask("DELETE /videos/{video_id}/upload", ids=ids, expect=(204,))
    client.ask("DELETE /videos/{video_id}", ids=ids, expect=(204,))


def read_pipelines(client: Recorder, stage: Stage) -> None:
    """By name, and the same made once more, which makes no version."""
    client.ask("GET /pipelines")
    client.ask("GET /pipelines/{name}", ids=stage.ids)
    client.ask("GET /pipelines/{name}/versions/{number}", ids=stage.ids)
    body = {"name": stage.ids["name"], **stage.analysis}
    client.ask("POST /pipelines", body=body, key=stage.key("pipeline"), expect=(201,))


def run_campaigns(client: Recorder, stage: Stage) -> None:
    """Priced, made, paused, resumed, cancelled and deleted, one after the other."""
    form = campaign_form(stage.ids["name"], stage.ids["video_id"])
    client.ask("POST /campaigns", query={"dry_run": "true"}, body=form)
    client.ask("GET /campaigns")
    client.ask("GET /campaigns/{campaign_id}", ids=stage.ids)
    client.ask("GET /campaigns/{campaign_id}/runs", ids=stage.ids)
    # No run of it ever begins.
    none = stage.ids | {"run_id": "run_none"}
    client.ask("GET /campaigns/{campaign_id}/runs/{run_id}", ids=none, expect=(404,))
    client.ask("GET /campaigns/{campaign_id}/runs/{run_id}/videos", ids=none, expect=(404,))
    made = client.ask("POST /campaigns", body=form, expect=(201,))
    if "campaign" not in made:
        return
    ids = {"campaign_id": made["campaign"]["campaign_id"]}
    for step in ("pause", "resume", "cancel"):
        client.ask(f"POST /campaigns/{{campaign_id}}/{step}", ids=ids, body={})
    client.ask("DELETE /campaigns/{campaign_id}", ids=ids, expect=(204,))


def manage_models(client: Recorder, stage: Stage) -> None:
    """Read them; announce one whose file never comes, and take that back."""
    client.ask("GET /models")
    client.ask("GET /models/{name}", ids={"name": stage.model})
    name = f"load-{stage.run}-{secrets.token_hex(3)}"
    body: dict[str, Any] = {
        "size_bytes": 1 << 20,
        "manifest": {"name": name, "version": "1", "task": "classification", "adapter": "logits", "labels": ["a", "b"]},
    }
    client.ask("POST /models", body=body, expect=(201,))
    alias = {"name": name, "alias": "prod"}
    client.ask("PUT /models/{name}/aliases/{alias}", ids=alias, body={"version": "1"}, expect=(404, 409))
    client.ask("DELETE /models/{name}", ids={"name": name}, query={"version": "1"}, expect=(204, 404, 409))


def keep_budget(client: Recorder, _stage: Stage) -> None:
    """Set the cap to what it is; 403 is the answer to a token that may not."""
    told = client.ask("GET /budget").get("budget", {})
    client.ask("PUT /budget", body={"monthly_usd": told.get("monthly_usd")}, expect=(200, 403))


def keep_webhook(client: Recorder, stage: Stage) -> None:
    """One that is made, paused and deleted: nothing is sent but the one message that is asked for. 403 as above."""
    client.ask("GET /webhooks")
    body = {"url": f"{client.http.base_url.copy_with(path='/health')}", "kinds": ["JOB_STATE_CHANGED"]}
    made = client.ask("POST /webhooks", body=body, expect=(201, 403, 413))
    if "webhook" not in made:
        return
    ids = {"webhook_id": made["webhook"]["webhook_id"]}
    client.ask("PATCH /webhooks/{webhook_id}", ids=ids, body={"state": "PAUSED"})
    client.ask("GET /webhooks/{webhook_id}", ids=ids)
    client.ask("POST /webhooks/{webhook_id}/rotate", ids=ids, body={})
    client.ask("POST /webhooks/{webhook_id}/test", ids=ids, body={}, expect=(200, 409))
    replay = {"job_id": stage.ids["job_id"]}
    client.ask("POST /webhooks/{webhook_id}/replay", ids=ids, body=replay, expect=(202, 409))
    client.ask("GET /webhooks/{webhook_id}/deliveries", ids=ids)
    client.ask("DELETE /webhooks/{webhook_id}", ids=ids, expect=(204,))


def read_public(client: Recorder, _stage: Stage) -> None:
    """What needs no token."""
    for route in ("GET /health", "GET /openapi.json", "GET /docs", "GET /docs/rapidoc.js"):
        client.ask(route)
    client.ask("GET /docs/errors/{code}", ids={"code": "NOT_FOUND"})


ACTIONS: Mapping[str, Action] = {
    action.do.__name__: action
    for action in (
        Action(30, poll_job),
        Action(30, read_detections),
        Action(10, read_results),
        Action(8, query),
        Action(6, read_videos),
        Action(4, read_job),
        Action(2, show_video),
        Action(3, quote),
        Action(2, compare),
        Action(2, upload_and_delete),
        Action(1, upload_parts),
        Action(1, read_pipelines),
        Action(1, work_on_job),
        Action(1, move_versions),
        Action(0.5, run_campaigns),
        Action(0.5, manage_models),
        Action(0.5, keep_budget),
        Action(0.5, keep_webhook),
        Action(0.5, read_public),
    )
}
"""By name. Weights: an application that polls and reads much more than it writes."""
