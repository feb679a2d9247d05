"""What must be true after a run, whatever happened in it: each broken promise as a line of text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from chalicelib.adapters import clients
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item, item_from_wire
from chalicelib.domain.jobs import TERMINAL_JOB_STATES, Job, JobState
from chalicelib.domain.lanes import FAST_GONE_SECONDS
from chalicelib.domain.units import UnitState
from chalicelib.domain.videos import VideoState
from infra.wiring import WIRING
from tests.faults.toys import SEGMENTS
from tests.faults.wire import Fault
from tests.faults.world import Ended, World

ATTEMPTS_UNDER_ONE_FAULT = 2
"""One fault costs at most one attempt."""
HEALED = frozenset({Fault.REFUSED_ONCE, Fault.REPLY_LOST, Fault.BODY_CUT})
"""botocore, or the reader of ranges, tries again by itself: these cost no attempt."""
LONGEST_SECONDS = 900
"""On the run's clock, with a schedule every minute: an upload whose event is lost takes five minutes to be found, a
process may stall for five, and where no event ever arrives each step of the job waits for the schedule."""
WAY_BY_SK: dict[str, list[str]] = {
    table_keys.JOB: [JobState.PENDING, JobState.PROBING, JobState.RUNNING, JobState.FINISHING, JobState.SUCCEEDED],
    table_keys.VIDEO: [VideoState.AWAITING_UPLOAD, VideoState.UPLOADED, VideoState.READY],
}
NAMES_OF_A_WRITE = frozenset({"request_id"})
"""Differ from run to run, and nobody reads them."""


@dataclass(frozen=True)
class Outcome:
    """What a client can see of a job that is over, and what lies in the table of results."""

    detections: str
    tracks: str
    summary: Mapping[str, Any]
    results: Mapping[tuple[str, str], str]


def outcome_of(world: World, job: Job) -> Outcome:
    """The job's results, with the names of job and video taken out."""
    detections = world.get(f"/jobs/{job.job_id}/detections")
    tracks = world.get(f"/jobs/{job.job_id}/tracks")
    return Outcome(
        json.dumps(detections),
        json.dumps(tracks),
        dict(job.summary or {}),
        {_place(item, job): _content(item) for item in _items(WIRING.results.name) if _is_in_view(world, item, job)},
    )


def _is_in_view(world: World, item: Item, job: Job) -> bool:
    """Of a second job, whatever is not a third's: a request that was never answered is taken over as well."""
    is_of_some_job = "#job_" in str(item["pk"])
    return world.first is None or not is_of_some_job or str(item["pk"]).endswith((job.job_id, world.first.job_id))


def broken_promises(world: World, ended: Ended, expected: Outcome) -> list[str]:
    """Every promise that this run broke."""
    return [
        *_of_the_job(world, ended),
        *_of_its_results(world, ended.job, expected),
        *_of_its_events(world, ended.job),
        *_of_its_video(world, ended.job),
        *_of_the_tables(world),
        *_of_money(),
        *_of_history(world),
    ]


def _of_the_job(world: World, ended: Ended) -> Iterator[str]:
    job = ended.job
    if job.state is not JobState.SUCCEEDED:
        yield f"the job is {job.state}, failure {job.failure}"
    if ended.seconds > LONGEST_SECONDS + (FAST_GONE_SECONDS if world.has_fast_lane else 0):
        yield f"the job took {ended.seconds:.0f} s"
    if ended.rounds >= world.rounds:
        yield f"something is still due after {world.rounds} rounds of the schedule"
    if world.requests > 1 and world.wire.fault in HEALED:
        yield f"the client had to ask {world.requests} times"
    if world.machines.run_next() or world.invocations.run_next():
        yield "a child job still waits"
    # From the first job, or from one of a request that was never answered.
    if world.first is not None and (job.reused is None or job.reused.job_id is None):
        yield f"nothing was taken over: {job.reused}"
    if world.first is not None and any(process.startswith("worker") for process in world.processes):
        yield "a worker was started"


def _of_its_results(world: World, job: Job, expected: Outcome) -> Iterator[str]:
    if job.state is not JobState.SUCCEEDED:
        return
    found = outcome_of(world, job)
    if found.detections != expected.detections:
        yield f"other detections: {found.detections[:200]}"
    if found.tracks != expected.tracks:
        yield f"other tracks: {found.tracks[:200]}"
    # What an attempt stored and did not commit is taken over, so that fewer frames may be inferred for the commit.
    if {**found.summary, "frames_inferred": 0} != {**expected.summary, "frames_inferred": 0}:
        yield f"another summary: {found.summary}"
    if int(found.summary["frames_inferred"]) > int(expected.summary["frames_inferred"]):
        yield f"{found.summary['frames_inferred']} frames were counted as inferred"
    for place in sorted(found.results.keys() | expected.results.keys()):
        if found.results.get(place) != expected.results.get(place):
            yield f"results {place} are {found.results.get(place)!r:.100} and not {expected.results.get(place)!r:.100}"


def _of_its_events(world: World, job: Job) -> Iterator[str]:
    """Numbered from 1 without a gap; each commit is told once; the end comes last, told by the stream or not."""
    if job.state is not JobState.SUCCEEDED:
        return
    events = world.get(f"/jobs/{job.job_id}/events")["items"]
    if [event["seq"] for event in events] != list(range(1, len(events) + 1)):
        yield f"events are numbered {[event['seq'] for event in events]}"
    committed = sorted(event["segment_index"] for event in events if "segment_index" in event)
    if committed != list(range(SEGMENTS)):
        yield f"commits were told of segments {committed}"
    states = [event["state"] for event in events if "state" in event]
    if states != sorted(set(states), key=WAY_BY_SK[table_keys.JOB].index) or events[-1].get("state") != job.state:
        yield f"the events tell of {states}, and last of {events[-1]}"


def _of_its_video(world: World, job: Job) -> Iterator[str]:
    """Jobs that succeeded became the latest of their video, in their order and once; the stream may not have told.

    One that ends after a newer one is passed over.
    """
    if job.state is not JobState.SUCCEEDED:
        return
    jobs = world.get(f"/videos/{job.video_id}/jobs")["items"]
    succeeded = sorted(one["job_id"] for one in jobs if one["state"] == JobState.SUCCEEDED)
    versions = world.get(f"/videos/{job.video_id}/versions")["items"]
    moves = [(one["alias"], move["from_job_id"], move["to_job_id"]) for one in versions for move in one["moves"]]
    ends = [end for _, _, end in moves]
    is_chain = moves == [("latest", *pair) for pair in pairwise([None, *ends])]
    is_in_order = ends == sorted(set(ends) & set(succeeded))
    if not is_chain or not is_in_order or (ends[0], ends[-1]) != (succeeded[0], succeeded[-1]):
        yield f"the versions of the video moved: {moves}, where {succeeded} succeeded"


def _of_the_tables(world: World) -> Iterator[str]:
    allowed = 1 if world.wire.fault in HEALED else ATTEMPTS_UNDER_ONE_FAULT
    jobs, succeeded = 0, 0
    for item in _items(WIRING.meta.name):
        if world.first is not None and str(item["pk"]).endswith(world.first.job_id):
            continue
        name = f"{item['pk'].partition('#')[2]} {item['sk']}"
        kind, state = item["kind"], item.get("state", "")
        if "due_at" in item or "due_shard" in item:
            yield f"{name} is {state} and still due"
        if kind in ("OPEN", "FAILED"):
            yield f"{name} is left"
        if kind == "JOB":
            jobs += 1
            succeeded += state == JobState.SUCCEEDED
            if state not in TERMINAL_JOB_STATES:
                yield f"{name} is {state}"
        if kind == "VIDEO" and state not in (VideoState.READY, VideoState.REJECTED):
            yield f"{name} is {state}"
        if kind in ("SEGMENT", "STEP"):
            if state != UnitState.DONE:
                yield f"{name} is {state}"
            if item["attempt"] > allowed:
                yield f"{name} took {item['attempt']} attempts"
    # A first job waits for its upload, and nobody uploads for a request that was never answered.
    if jobs > world.requests or succeeded > (1 if world.first is None else jobs):
        yield f"{world.requests} requests made {jobs} jobs, of which {succeeded} succeeded"


def _of_money() -> Iterator[str]:
    """Nothing is set aside any more, and ledgers are the sums of their items."""
    items = _items(WIRING.meta.name)
    spent = {"month": 0, "owners": 0, "items": 0}
    for item in items:
        if item.get("reserved_nano", 0):
            yield f"{item['pk']} {item['sk']} has {item['reserved_nano']} reserved"
        kind = item.get("kind", "")
        if kind == "RESERVATION":
            spent["items"] += item["committed_nano"]
            if item["state"] != "SETTLED" or item["committed_nano"] > item["amount_nano"]:
                yield f"{item['pk']} {item['sk']} is {item['state']}, {item['committed_nano']} committed"
        elif kind in ("LEDGER", "TOTAL"):
            spent["month" if kind == "LEDGER" else "owners"] += item["committed_nano"]
            if item["used_nano"] != item["reserved_nano"] + item["committed_nano"]:
                yield f"{item['pk']} {item['sk']} has {item['used_nano']} used"
    if len(set(spent.values())) > 1 or not spent["items"]:
        yield f"committed are {spent}"


def _of_history(world: World) -> Iterator[str]:
    """Nothing goes back, and what is over is over: no second end, no write after it."""
    states_by_place: dict[tuple[str, str], list[str]] = {}
    version_by_place: dict[tuple[str, str], int] = {}
    for image in map(item_from_wire, world.deliveries.images):
        place = (str(image["pk"]), str(image["sk"]))
        # moto tells of an item that a transaction updates into being twice, first with its keys alone.
        if image.get("kind") in ("JOB", "VIDEO", "SEGMENT", "STEP"):
            states_by_place.setdefault(place, []).append(str(image["state"]))
        if "version" in image:
            if image["version"] < version_by_place.get(place, 0):
                yield f"{' '.join(place)} went back to version {image['version']}"
            version_by_place[place] = image["version"]
    for (pk, sk), states in states_by_place.items():
        if not _is_sound(sk, states):
            yield f"{pk} {sk} went {' → '.join(states)}"
    segments = sum(sk.startswith("SEG#") for _, sk in states_by_place)
    jobs = 1 if world.first is None else sum(sk == table_keys.JOB for _, sk in states_by_place)
    if segments != SEGMENTS * jobs:
        yield f"there were {segments} segments"


def _is_sound(sk: str, states: list[str]) -> bool:
    """Whether an item may have been written with these states, one after the other."""
    way = WAY_BY_SK.get(sk)
    if way is None:
        return states.count(UnitState.DONE) == 1 and states[-1] == UnitState.DONE
    if states[-1] in (JobState.FAILED, VideoState.REJECTED):
        return True  # of a request that was never answered: nobody uploads for it
    # A state may be passed over, when what it waits for is there already.
    return states == sorted(states, key=way.index) and states.count(way[-1]) == 1


def _place(item: Item, job: Job) -> tuple[str, str]:
    pk = str(item["pk"]).replace(job.job_id, "JOB").replace(job.video_id, "VIDEO")
    return pk, str(item["sk"]).replace(job.video_id, "VIDEO")


def _content(item: Item) -> str:
    return repr({name: value for name, value in sorted(item.items()) if name not in NAMES_OF_A_WRITE | {"pk", "sk"}})


def _items(table: str) -> list[Item]:
    pages = clients.dynamodb().get_paginator("scan").paginate(TableName=table)
    return [item_from_wire(item) for page in pages for item in page["Items"]]
