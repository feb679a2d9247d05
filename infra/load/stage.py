"""What the requests of a load are about: a video that was analysed, and everything that a client can make of it."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from infra.load.recorder import Json, Recorder

PATIENCE_SECONDS = 1800.0
"""On a deployment that sleeps, the first machine alone takes minutes."""
POLL_SECONDS = 1.0
OPEN = ("PENDING", "PROBING", "RUNNING", "FINISHING", "CANCELLING")
FAR = "2100-01-01T00:00:00Z"


class StageError(RuntimeError):
    """The system did not get as far as to be loaded; the message says where it stopped."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Names of what was made; `run` sets this run's names and keys apart from those of others."""

    run: str
    model: str
    ids: dict[str, str]
    analysis: Json
    spare_video: Json
    """As it was announced: its upload never comes."""

    def key(self, name: str) -> str:
        """An Idempotency-Key of this run."""
        return f"load-{self.run}-{name}"


def set_stage(client: Recorder, clip: Path, model: str) -> Stage:
    """Upload the clip, analyse it twice (the second is free), make a pipeline, an export, thumbnails and a campaign.

    Raises:
        StageError: a step was refused or took too long.
    """
    run = secrets.token_hex(4)
    analysis: Json = {"models": [model], "sampling": {"kind": "per_second", "n": 2}}
    announced = {"filename": f"load-{run}.mp4", "size_bytes": clip.stat().st_size, "content_type": "video/mp4"}
    created = _made(client, "POST /videos", body={**announced, "analyze": analysis})
    _upload(created["upload"], clip)
    video = {"video_id": created["video"]["video_id"]}
    job_id = created["job"]["job_id"]
    _wait_for_job(client, job_id)
    second = _made(client, "POST /videos/{video_id}/jobs", ids=video, body={**analysis, "score_min": 0.3})
    _wait_for_job(client, second["job"]["job_id"])
    job = {"job_id": job_id, "other_job_id": second["job"]["job_id"]}
    name = f"load-{run}"
    _made(client, "POST /pipelines", body={"name": name, **analysis})
    export = _made(client, "POST /jobs/{job_id}/exports", ids=job, body={"format": "ndjson"})["export"]
    rendition = _made(client, "POST /videos/{video_id}/renditions", ids=video, body={"kind": "thumbnails"})["rendition"]
    campaign = _made(client, "POST /campaigns", body=campaign_form(name, video["video_id"]))["campaign"]
    made = {"export_id": export["export_id"], "rendition_id": rendition["rendition_id"]}
    ids = video | job | made | {"name": name, "number": "1", "alias": "load"}
    spare = _made(client, "POST /videos", body={**announced, "filename": f"load-{run}-spare.mp4"})
    return Stage(run, model, ids | {"campaign_id": campaign["campaign_id"]}, analysis, spare["video"])


def campaign_form(pipeline: str, video_id: str) -> Json:
    """One that never comes to its nominal time."""
    return {
        "name": pipeline,
        "pipeline": pipeline,
        "select": {"video_ids": [video_id]},
        "when": {"kind": "once", "at": FAR},
    }


def clear_stage(client: Recorder, stage: Stage) -> None:
    """Delete what can be deleted; a pipeline stays, and costs nothing."""
    client.ask("POST /campaigns/{campaign_id}/cancel", ids=stage.ids, body={}, expect=(200, 409))
    client.ask("DELETE /campaigns/{campaign_id}", ids=stage.ids, expect=(204, 404, 409))
    client.ask("DELETE /videos/{video_id}", ids=stage.ids, expect=(204,))
    client.ask("DELETE /videos/{video_id}", ids={"video_id": stage.spare_video["video_id"]}, expect=(204,))


def _made(client: Recorder, route: str, *, ids: dict[str, str] | None = None, body: Json) -> Json:
    answer = client.ask(route, ids=ids, body=body, expect=(200, 201, 202))
    if "code" in answer or not answer:
        raise StageError(f"{route} was refused: {answer.get('detail', 'no answer')}")
    return answer


def _upload(upload: Json, clip: Path) -> None:
    if upload["kind"] != "post":
        raise StageError(f"{clip.name} is too large for a load: it must fit into one POST")
    with clip.open("rb") as file:
        answer = httpx.post(upload["url"], data=upload["fields"], files={"file": file}, timeout=600)
    if answer.status_code != 204:
        raise StageError(f"S3 refused the upload with {answer.status_code}")


def _wait_for_job(client: Recorder, job_id: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (job := client.ask("GET /jobs/{job_id}", ids={"job_id": job_id}).get("job", {})).get("state") in OPEN:
        if time.monotonic() > deadline:
            raise StageError(f"job {job_id} is still {job['state']} after {PATIENCE_SECONDS:g} s")
        time.sleep(POLL_SECONDS)
    if job.get("state") != "SUCCEEDED":
        raise StageError(f"job {job_id} ended {job.get('state')}: {job.get('error')}")
