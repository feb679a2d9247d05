"""The routes as clients know them: one row for each, with a good request and the fields of the answer.

A new route without a row here fails `test_openapi.py`; a row is all that it needs to be tried with foreign ids, without
a token, and with nonsense.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

VIDEO = {"video_id", "filename", "state", "size_bytes", "created_at", "media?", "error?"}
JOB = {
    "job_id",
    "video_id",
    "state",
    "pipeline",
    "promote",
    "models",
    "sampling",
    "score_min?",
    "labels?",
    "segment_seconds?",
    "tracking",
    "plan?",
    "progress",
    "created_at",
    "finished_at?",
    "summary?",
    "reused?",
    "missing?",
    "error?",
    "cost?",
}
DETECTION = {"pts", "timebase", "time_seconds", "frame_index", "model", "label", "score", "box", "track_id?"}
TRACK = {
    "track_id",
    "model",
    "label",
    "first_pts",
    "last_pts",
    "first_seconds",
    "last_seconds",
    "frames",
    "score_max",
}
TRACK_VERSION = {
    "version",
    "state",
    "parameters",
    "is_current",
    "created_at",
    "finished_at?",
    "tracks?",
    "is_outdated?",
    "error?",
}
BUDGET = {
    "month",
    "monthly_usd",
    "cap_usd",
    "committed_usd",
    "reserved_usd",
    "left_usd",
    "currency",
    "prices_dated",
}
MODEL_VERSION = {
    "name",
    "version",
    "state",
    "task",
    "adapter",
    "labels",
    "licence",
    "source",
    "is_public",
    "created_at?",
    "ready_at?",
    "filename?",
    "size_bytes?",
    "registered_by?",
    "sha256?",
    "score_floor?",
    "score_default?",
    "trial?",
    "error?",
    "reasons?",
}
MANIFEST = {"name": "mine", "version": "2", "task": "detection", "adapter": "yolox", "labels": ["person", None, "dog"]}
PIPELINE = {
    "name",
    "version",
    "models",
    "sampling",
    "score_min?",
    "labels?",
    "segment_seconds?",
    "tracking",
    "tracker?",
    "created_at",
    "created_by",
}
RESULT_VERSION = {"pipeline", "alias", "job_id", "moves"}
WEBHOOK = {
    "webhook_id",
    "url",
    "kinds",
    "state",
    "disabled_reason?",
    "description",
    "created_at",
    "created_by",
    "secrets",
}
DELIVERY = {
    "delivery_id",
    "message_id",
    "job_id?",
    "seq?",
    "kind",
    "attempt",
    "created_at",
    "outcome",
    "status?",
    "detail?",
    "duration_ms",
    "retry_at?",
}
PAGE = {"items", "next_cursor"}
CAMPAIGN = {
    "campaign_id",
    "name",
    "state",
    "select",
    "pipeline?",
    "analyze?",
    "when",
    "windows?",
    "budget_usd?",
    "concurrency",
    "canary?",
    "overlap",
    "catch_up",
    "created_at",
    "next_at?",
    "current_run_id?",
    "queued_runs",
}
CAMPAIGN_RUN = {
    "run_id",
    "campaign_id",
    "nominal_at",
    "state",
    "pipeline?",
    "progress",
    "spend",
    "report",
    "reason?",
    "created_at",
    "finished_at?",
}
EXPORT = {
    "export_id",
    "format",
    "options",
    "state",
    "created_at",
    "job_finished_at",
    "finished_at?",
    "file_name?",
    "content_type?",
    "size_bytes?",
    "sha256?",
    "frames?",
    "detections?",
    "statement?",
    "url?",
    "expires_at?",
    "error?",
}


@dataclass(frozen=True)
class Route:
    """One row."""

    method: str
    path: str
    status: int
    answer: set[str] = field(default_factory=set)
    """Fields of the answer; with `?` when it may be absent."""
    item: set[str] = field(default_factory=set)
    """Fields of an item of a list, or of the one thing in an envelope."""
    body: Any = None
    """A good body; `{job_id}` in it is the id of a job."""
    body_fields: set[str] = field(default_factory=set)
    query: set[str] = field(default_factory=set)
    asked: str = ""
    """A good query string, where there must be one."""
    is_public: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def body_for(self, job_id: str) -> Any:
        """A good body that names this job, if it names one."""
        if not isinstance(self.body, dict):
            return self.body
        return {name: job_id if value == "{job_id}" else value for name, value in self.body.items()}


START = {"models": ["toy"]}
ANALYSIS_FIELDS = {"models", "sampling?", "score_min?", "labels?", "segment_seconds?", "tracking?"}
JOB_FIELDS = {*ANALYSIS_FIELDS - {"models"}, "models?", "pipeline?", "promote?", "max_cost_usd?"}
SLICE = {"limit", "cursor"}

ROUTES = [
    Route(
        "POST",
        "/videos",
        201,
        {"video", "upload?", "job?"},
        body={"filename": "street.mp4", "size_bytes": 100},
        body_fields={"filename?", "size_bytes?", "content_type?", "sha256?", "analyze?", "source?"},
    ),
    Route("GET", "/videos", 200, PAGE, VIDEO, query=SLICE),
    Route("GET", "/videos/{video_id}", 200, {"video"}, VIDEO),
    Route("DELETE", "/videos/{video_id}", 204),
    Route("GET", "/videos/{video_id}/source", 200, {"url", "expires_at"}),
    Route(
        "POST",
        "/videos/{video_id}/upload/parts",
        200,
        {"items"},
        {"part_number", "url", "headers"},
        body={"part_numbers": [1, 2]},
        body_fields={"part_numbers", "sha256_by_part?"},
    ),
    Route("GET", "/videos/{video_id}/upload/parts", 200, PAGE, {"part_number", "etag", "size_bytes"}),
    Route(
        "POST",
        "/videos/{video_id}/upload/complete",
        200,
        {"video"},
        VIDEO,
        body={"parts": [{"part_number": 1, "etag": "e"}]},
        body_fields={"parts"},
    ),
    Route("DELETE", "/videos/{video_id}/upload", 204),
    Route("POST", "/videos/{video_id}/jobs", 202, {"job"}, JOB, body=START, body_fields=JOB_FIELDS, query={"dry_run"}),
    Route("GET", "/videos/{video_id}/jobs", 200, PAGE, JOB, query=SLICE),
    Route("GET", "/jobs/{job_id}", 200, {"job"}, JOB),
    Route("POST", "/jobs/{job_id}/cancel", 200, {"job"}, JOB, body={}),
    Route("POST", "/jobs/{job_id}/retry", 202, {"job"}, JOB, body={}),
    Route(
        "GET",
        "/jobs/{job_id}/segments",
        200,
        PAGE,
        {"index", "start_pts", "end_pts", "state", "attempt", "lane", "provider?", "error?"},
        query=SLICE,
    ),
    Route(
        "GET",
        "/jobs/{job_id}/events",
        200,
        PAGE,
        {
            "seq",
            "job_id",
            "video_id",
            "kind",
            "created_at",
            "state?",
            "error?",
            "segment_index?",
            "start_pts?",
            "end_pts?",
            "start_seconds?",
            "end_seconds?",
            "labels?",
            "detections_cursor?",
        },
        query={*SLICE, "after"},
    ),
    Route(
        "GET",
        "/jobs/{job_id}/detections",
        200,
        PAGE,
        DETECTION,
        query={*SLICE, "label", "model", "from", "to", "score_min", "track_id", "track_version"},
    ),
    Route(
        "GET",
        "/jobs/{job_id}/tracks",
        200,
        PAGE,
        TRACK,
        query={*SLICE, "label", "from", "to", "version"},
    ),
    # Their answers differ by kind: tests/api/test_query.py has the fields of each.
    Route("GET", "/jobs/{job_id}/query", 200, query={*SLICE, "q"}, asked="q=detections"),
    Route("GET", "/search", 200, query={*SLICE, "q"}, asked="q=detections"),
    Route(
        "GET",
        "/jobs/{job_id}/diff/{other_job_id}",
        200,
        {
            "job_a",
            "job_b",
            "timebase",
            "is_complete",
            "total",
            "labels",
            "frames",
            "over_time",
            "missing",
            "next_cursor",
        },
        query={"label", "model_a", "model_b", "score_min", "iou", "moved_below", "buckets", "cursor"},
    ),
    Route(
        "GET",
        "/jobs/{job_id}/diff/{other_job_id}/changes",
        200,
        PAGE,
        {"kind", "pts", "timebase", "time_seconds", "label", "iou?", "a?", "b?"},
        query={*SLICE, "kind", "label", "model_a", "model_b", "score_min", "iou", "moved_below"},
    ),
    Route(
        "POST",
        "/jobs/{job_id}/tracks",
        202,
        {"tracks"},
        TRACK_VERSION,
        body={"lost_seconds": 3},
        body_fields={
            "score_high?",
            "low_score_ratio?",
            "lost_seconds?",
            "iou_min?",
            "iou_min_low?",
            "confirm_hits?",
            "confirm_frames?",
            "labels?",
            "make_current?",
        },
    ),
    Route("GET", "/jobs/{job_id}/track-versions", 200, PAGE, TRACK_VERSION),
    Route(
        "POST",
        "/jobs/{job_id}/exports",
        202,
        {"export"},
        EXPORT,
        body={"format": "csv"},
        body_fields={"format", "options?"},
    ),
    Route("GET", "/jobs/{job_id}/exports", 200, PAGE, EXPORT, query=SLICE),
    Route("GET", "/jobs/{job_id}/exports/{export_id}", 200, {"export"}, EXPORT),
    Route(
        "POST",
        "/pipelines",
        201,
        {"pipeline"},
        PIPELINE,
        body={"name": "people", "models": ["toy"]},
        body_fields={*ANALYSIS_FIELDS, "name", "tracker?"},
    ),
    Route("GET", "/pipelines", 200, PAGE, PIPELINE, query=SLICE),
    Route("GET", "/pipelines/{name}", 200, PAGE, PIPELINE, query=SLICE),
    Route("GET", "/pipelines/{name}/versions/{number}", 200, {"pipeline"}, PIPELINE),
    Route(
        "GET",
        "/videos/{video_id}/detections",
        200,
        {"job_id", *PAGE},
        DETECTION,
        query={
            *SLICE,
            "label",
            "model",
            "from",
            "to",
            "score_min",
            "track_id",
            "track_version",
            "version",
            "pipeline",
        },
    ),
    Route(
        "GET",
        "/videos/{video_id}/tracks",
        200,
        {"job_id", *PAGE},
        TRACK,
        query={*SLICE, "label", "from", "to", "track_version", "version", "pipeline"},
    ),
    Route("GET", "/videos/{video_id}/versions", 200, PAGE, RESULT_VERSION, query={*SLICE, "pipeline"}),
    Route(
        "PUT",
        "/videos/{video_id}/versions/{alias}",
        200,
        {"version"},
        RESULT_VERSION,
        body={"job_id": "{job_id}", "cause": "it is better"},
        body_fields={"job_id", "pipeline?", "cause"},
    ),
    Route(
        "POST",
        "/videos/{video_id}/versions/{alias}/rollback",
        200,
        {"version"},
        RESULT_VERSION,
        body={"cause": "it is worse"},
        body_fields={"pipeline?", "cause"},
    ),
    Route(
        "POST",
        "/campaigns",
        201,
        {"campaign?", "estimate?"},
        body={"name": "again", "analyze": {"models": ["toy"]}},
        body_fields={
            "name",
            "select?",
            "pipeline?",
            "analyze?",
            "when?",
            "windows?",
            "budget_usd?",
            "concurrency?",
            "canary?",
            "overlap?",
            "catch_up?",
        },
        query={"dry_run"},
    ),
    Route("GET", "/campaigns", 200, PAGE, CAMPAIGN, query=SLICE),
    Route("GET", "/campaigns/{campaign_id}", 200, {"campaign"}, CAMPAIGN),
    Route("DELETE", "/campaigns/{campaign_id}", 204),
    Route("POST", "/campaigns/{campaign_id}/pause", 200, {"campaign"}, CAMPAIGN, body={}),
    Route("POST", "/campaigns/{campaign_id}/resume", 200, {"campaign"}, CAMPAIGN, body={}),
    Route("POST", "/campaigns/{campaign_id}/cancel", 200, {"campaign"}, CAMPAIGN, body={}),
    Route("GET", "/campaigns/{campaign_id}/runs", 200, PAGE, CAMPAIGN_RUN, query=SLICE),
    Route("GET", "/campaigns/{campaign_id}/runs/{run_id}", 200, {"run"}, CAMPAIGN_RUN),
    Route(
        "GET",
        "/campaigns/{campaign_id}/runs/{run_id}/videos",
        200,
        PAGE,
        {"video_id", "state", "job_id?", "old_job_id?", "is_promoted", "cost_usd", "diff?", "detail?"},
        query=SLICE,
    ),
    Route(
        "GET",
        "/models",
        200,
        PAGE,
        {"name", "version", "sha256", "task", "labels", "licence", "score_floor", "score_default", "state?"},
        query=SLICE,
    ),
    Route("GET", "/budget", 200, {"budget"}, BUDGET),
    Route("PUT", "/budget", 200, {"budget"}, BUDGET, body={"monthly_usd": 10}, body_fields={"monthly_usd"}),
    Route(
        "POST",
        "/models",
        201,
        {"model", "upload?"},
        MODEL_VERSION,
        body={"size_bytes": 100, "manifest": MANIFEST},
        body_fields={"filename?", "size_bytes", "sha256?", "manifest"},
    ),
    Route("GET", "/models/{name}", 200, {"model"}, {"name", "versions", "aliases"}),
    Route(
        "PUT",
        "/models/{name}/aliases/{alias}",
        200,
        {"alias"},
        {"alias", "version", "moves"},
        body={"version": "1"},
        body_fields={"version", "from_version?"},
    ),
    Route("DELETE", "/models/{name}", 204, query={"version"}),
    Route(
        "POST",
        "/webhooks",
        201,
        {"webhook", "secret"},
        WEBHOOK,
        body={"url": "https://example.com/hook"},
        body_fields={"url", "kinds?", "description?"},
    ),
    Route("GET", "/webhooks", 200, PAGE, WEBHOOK),
    Route("GET", "/webhooks/{webhook_id}", 200, {"webhook"}, WEBHOOK),
    Route(
        "PATCH",
        "/webhooks/{webhook_id}",
        200,
        {"webhook"},
        WEBHOOK,
        body={"state": "PAUSED"},
        body_fields={"url?", "kinds?", "description?", "state?"},
    ),
    Route("DELETE", "/webhooks/{webhook_id}", 204),
    Route(
        "POST",
        "/webhooks/{webhook_id}/rotate",
        200,
        {"webhook", "secret"},
        WEBHOOK,
        body={"overlap_seconds": 60},
        body_fields={"overlap_seconds?"},
    ),
    Route(
        "POST",
        "/webhooks/{webhook_id}/replay",
        202,
        {"job_id", "after_seq", "last_seq"},
        body={"job_id": "{job_id}"},
        body_fields={"job_id", "after_seq?"},
    ),
    Route("POST", "/webhooks/{webhook_id}/test", 200, {"delivery"}, DELIVERY, body={}),
    Route("GET", "/webhooks/{webhook_id}/deliveries", 200, PAGE, DELIVERY, query={*SLICE, "outcome"}),
    Route("GET", "/health", 200, {"status", "version"}, is_public=True),
    Route("GET", "/openapi.json", 200, is_public=True),
    Route("GET", "/docs", 200, is_public=True),
    Route("GET", "/docs/rapidoc.js", 200, is_public=True),
    Route("GET", "/docs/errors/{code}", 200, is_public=True),
]
