"""What a client sees of a deployment: one video from its upload to its answers, told as it goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from gql import Client, GraphQLRequest
from gql.transport.appsync_auth import AppSyncJWTAuthentication
from gql.transport.appsync_websockets import AppSyncWebsocketsTransport

Json = dict[str, Any]
Tell = Callable[[str], None]

JOB_SECONDS = 1800.0
"""A first GPU machine takes minutes to boot and to fetch the image."""
POLL_SECONDS = 2.0
ENDED = ("SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED")
ON_JOB_EVENT = "subscription($jobId: ID!) { onJobEvent(jobId: $jobId) { seq kind state segmentIndex } }"


class SmokeError(RuntimeError):
    """A step did not do what it must; the message says which, and what came instead."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where it is, and a token of one of its users."""

    rest_url: str
    graphql_url: str
    token: str


def walk_through(deployment: Deployment, clip: Path, model: str, tell: Tell) -> Json:
    """Upload, quote, analyse with somebody listening, read, query, search, ask again, delete; the job as it ended.

    Raises:
        SmokeError: a step went wrong. What was uploaded is deleted all the same.
    """
    http = httpx.Client(
        base_url=deployment.rest_url.rstrip("/"),
        headers={"Authorization": f"Bearer {deployment.token}"},
        timeout=30,
    )
    _expect(http.get("/health"), 200)
    tell("health: the API answers")
    video_id = _upload(http, clip, tell)
    try:
        return _analyze(deployment, http, video_id, model, tell)
    finally:
        _expect(http.delete(f"/videos/{video_id}"), 204)
        tell("deleted the video and its results")


def _upload(http: httpx.Client, clip: Path, tell: Tell) -> str:
    body = {"filename": clip.name, "size_bytes": clip.stat().st_size, "content_type": "video/mp4"}
    created = _expect(http.post("/videos", json=body), 201)
    video_id, upload = str(created["video"]["video_id"]), created["upload"]
    with clip.open("rb") as file:
        sent = httpx.post(upload["url"], data=upload["fields"], files={"file": file}, timeout=600)
    if sent.status_code != 204:
        raise SmokeError(f"S3 refused the upload with {sent.status_code}: {sent.text[:300]}")
    video = _wait(http, f"/videos/{video_id}", "video", ("READY", "REJECTED"), tell)
    if video["state"] != "READY":
        raise SmokeError(f"the video was rejected: {video.get('error')}")
    media = video["media"]
    tell(f"probed: {media['width']} x {media['height']} {media['codec']}, {media['duration_seconds']:.1f} s")
    return video_id


def _analyze(deployment: Deployment, http: httpx.Client, video_id: str, model: str, tell: Tell) -> Json:
    request: Json = {"models": [model], "sampling": {"kind": "per_second", "n": 5}}
    quote = _expect(http.post(f"/videos/{video_id}/jobs", json=request, params={"dry_run": "true"}), 200)["quote"]
    tell(f"quoted: ${quote['cost_usd']:.6f}, {quote['cpu_seconds']:.0f} CPU s, {quote['seconds_to_finish']:.0f} s")
    job_id = str(_expect(http.post(f"/videos/{video_id}/jobs", json=request), 202)["job"]["job_id"])
    events = asyncio.run(_listen_until_end(deployment, http, job_id, tell))
    job = dict(_expect(http.get(f"/jobs/{job_id}"), 200)["job"])
    if job["state"] != "SUCCEEDED":
        raise SmokeError(f"job {job_id} ended {job['state']}: {job.get('error')}")
    tell(f"heard {len(events)} events of the job by subscription, the last of them number {events[-1]['seq']}")
    _read(http, job_id, tell)
    again = _expect(http.post(f"/videos/{video_id}/jobs", json=request), 202)["job"]
    if again["state"] != "SUCCEEDED":
        raise SmokeError(f"the same analysis again should be answered at once but is {again['state']}")
    tell("the same analysis again: answered at once, no worker")
    return job


def _read(http: httpx.Client, job_id: str, tell: Tell) -> None:
    found = _expect(http.get(f"/jobs/{job_id}/detections", params={"limit": 1000}), 200)["items"]
    tracks = _expect(http.get(f"/jobs/{job_id}/tracks"), 200)["items"]
    if not found:
        raise SmokeError("the job found nothing in a clip that has something to find")
    first = found[0]
    tell(f"read {len(found)} detections and {len(tracks)} tracks; first: {first['label']} {first['score']:.2f}")
    label = first["label"]
    asked = {"q": f'detections where label = "{label}"'}
    of_job = _expect(http.get(f"/jobs/{job_id}/query", params=asked), 200)["items"]
    everywhere = _expect(http.get("/search", params=asked), 200)["items"]
    if not of_job or not everywhere:
        raise SmokeError(f'asked for label "{label}" and got {len(of_job)} of the job and {len(everywhere)} by search')
    tell(f'queried for label "{label}": {len(of_job)} in the job, {len(everywhere)} videos or rows by search')


async def _listen_until_end(deployment: Deployment, http: httpx.Client, job_id: str, tell: Tell) -> list[Json]:
    """Events of a job until it has ended; it is looked at as well, for what came before the subscription."""
    auth = AppSyncJWTAuthentication(host=httpx.URL(deployment.graphql_url).netloc.decode(), jwt=deployment.token)
    url = deployment.graphql_url.replace("http", "ws", 1)
    if url.startswith("wss"):
        # AppSync listens for subscriptions at another host than for queries; the transport finds it by itself.
        url = deployment.graphql_url
    events: list[Json] = []
    async with Client(transport=AppSyncWebsocketsTransport(url=url, auth=auth)) as session:
        heard = session.subscribe(GraphQLRequest(ON_JOB_EVENT, variable_values={"jobId": job_id}))

        async def listen() -> None:
            async for answer in heard:
                event = answer["onJobEvent"]
                events.append(event)
                tell(f"event {event['seq']}: {event['kind']} {event['state'] or event['segmentIndex']}")

        listening = asyncio.create_task(listen())
        await asyncio.to_thread(_wait, http, f"/jobs/{job_id}", "job", ENDED, tell)
        # The last event may be on its way.
        deadline = time.monotonic() + 30
        while not any(event["state"] in ENDED for event in events) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        listening.cancel()
    if not any(event["state"] in ENDED for event in events):
        raise SmokeError(f"the subscription told {len(events)} events of job {job_id}, and not its end")
    return events


def _wait(http: httpx.Client, path: str, name: str, states: tuple[str, ...], tell: Tell) -> Json:
    deadline, last = time.monotonic() + JOB_SECONDS, ""
    while True:
        thing = dict(_expect(http.get(path), 200)[name])
        if thing["state"] != last:
            last = thing["state"]
            tell(f"{name}: {last}")
        if last in states:
            return thing
        if time.monotonic() > deadline:
            raise SmokeError(f"{path} is still {last} after {JOB_SECONDS:g} s")
        time.sleep(POLL_SECONDS)


def _expect(answer: httpx.Response, status: int) -> Json:
    if answer.status_code != status:
        raise SmokeError(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:500]}")
    return dict(answer.json()) if answer.content else {}
