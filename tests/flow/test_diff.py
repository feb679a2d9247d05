"""Diffs of real jobs on the running system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.flow.tenant import FAST_MODEL, Json, Tenant

SPARSE: Json = {"sampling": {"kind": "per_second", "n": 2}, "segment_seconds": 2}


def whole_diff(tenant: Tenant, a: str, b: str, **query: Any) -> list[Json]:
    """Every part of a diff."""
    parts = [tenant.get(f"/jobs/{a}/diff/{b}", **query)]
    while not parts[-1]["is_complete"]:
        parts.append(tenant.get(f"/jobs/{a}/diff/{b}", **query, cursor=parts[-1]["next_cursor"]))
    return parts


def total(parts: list[Json], name: str) -> int:
    return sum(part["total"][name] for part in parts)


def test_two_models_and_two_samplings_of_a_clip_are_compared(tenant: Tenant, bikes: Path) -> None:
    created = tenant.upload(bikes, analyze={"models": [FAST_MODEL], **SPARSE})
    video_id, first = created["video"]["video_id"], created["job"]["job_id"]
    tenant.succeed(first)
    others = {
        "other model": {"models": ["nanodet-g"], **SPARSE},
        "one more model": {"models": [FAST_MODEL, "nanodet-g"], **SPARSE, "segment_seconds": 5},
        "fewer frames": {"models": [FAST_MODEL], "sampling": {"kind": "per_second", "n": 1}},
    }
    ids = {
        name: tenant.post(f"/videos/{video_id}/jobs", job, expect=202)["job"]["job_id"] for name, job in others.items()
    }
    for job_id in ids.values():
        tenant.succeed(job_id)
    found = {name: tenant.items(job_id) for name, job_id in {"first": first, **ids}.items()}

    # Another model: the counts are those of the lists of detections, and the changes are those of the sums.
    parts = whole_diff(tenant, first, ids["other model"])
    assert (total(parts, "a_count"), total(parts, "b_count")) == (len(found["first"]), len(found["other model"]))
    assert 0 < total(parts, "matched") < len(found["first"])
    changes = list(tenant.pages(f"/jobs/{first}/diff/{ids['other model']}/changes"))
    by_kind = {kind: [change for change in changes if change["kind"] == kind] for kind in ("added", "removed", "moved")}
    assert {kind: len(some) for kind, some in by_kind.items()} == {kind: total(parts, kind) for kind in by_kind}
    placed = {(item["pts"], item["label"], tuple(item["box"])) for item in found["first"]}
    assert {(one["pts"], one["label"], tuple(one["a"]["box"])) for one in by_kind["removed"]} <= placed

    # One more model, other segments: all that was there is there, and what the new model found was added.
    parts = whole_diff(tenant, first, ids["one more model"])
    assert (total(parts, "removed"), total(parts, "moved")) == (0, 0)
    assert total(parts, "added") == len(found["other model"])
    alone = whole_diff(tenant, first, ids["one more model"], model_b=FAST_MODEL)
    assert {part["total"]["agreement"] for part in alone} == {1.0}
    assert (total(alone, "added"), total(alone, "matched")) == (0, len(found["first"]))

    # Fewer frames: what only one of the jobs looked at is counted apart.
    parts = whole_diff(tenant, first, ids["fewer frames"])
    frames = [sum(part["frames"][name] for part in parts) for name in ("both", "only_a", "only_b")]
    looked_at = {item["pts"] for item in found["first"]} & {item["pts"] for item in found["fewer frames"]}
    assert len(looked_at) <= frames[0] <= 11
    assert sum(frames[:2]) == tenant.job(first)["summary"]["frames_analyzed"]
    in_both = [item for item in found["first"] if item["pts"] in looked_at]
    assert total(parts, "matched") == len(in_both) == total(parts, "a_count")
