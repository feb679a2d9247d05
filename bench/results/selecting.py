"""`python -m bench.results.selecting`: what it costs to select videos out of 100,000, and to walk over those.

The real steps and adapters run over a DynamoDB client in memory (`bench/results/metered.py`) that counts requests,
items and read units as DynamoDB does. Every video has current results of version 1 of a pipeline; the last row is of
a run by that very version, which has nothing to do. The seconds are those that the dearest step would take in a
function: its requests, one after the other, at 10 ms each, and its CPU time here. Pipeline and models are read from
memory: four requests more in each step.
"""

from __future__ import annotations

import argparse
import time
from bisect import bisect_left, insort
from dataclasses import dataclass, replace
from typing import Any

from bench.results.metered import UNIT_BYTES, Meter, MeteredClient, size_bytes
from chalicelib.adapters.campaign_store import DynamoCampaignStore
from chalicelib.adapters.due_index import DynamoDueIndex
from chalicelib.adapters.job_store import DynamoJobStore
from chalicelib.adapters.result_version_store import DynamoResultVersionStore
from chalicelib.adapters.table import Table
from chalicelib.adapters.video_store import DynamoVideoStore
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item, from_wire, item_from_wire, item_to_wire
from chalicelib.contracts.items import job_to_item, video_to_item
from chalicelib.contracts.version_items import result_version_to_item
from chalicelib.domain.campaign_runs import RunState
from chalicelib.domain.campaigns import PipelineAge, Selection, run_id_of
from chalicelib.domain.ids import JobId, VideoId
from chalicelib.domain.jobs import JobState, ModelRef
from chalicelib.domain.result_versions import LATEST, ResultVersion, follow
from chalicelib.domain.videos import VideoState
from chalicelib.services.campaign_runs import advance_run
from chalicelib.services.campaigns import create_campaign
from chalicelib.services.pipelines import make_pipeline, resolve_pipeline
from chalicelib.services.ports import Ports
from tests.fakes.campaign_makers import make_plan
from tests.fakes.make import make_fakes
from tests.fakes.makers import NOW, TENANT, make_index, make_job, make_manifest, make_media, make_video

META = "meta"
REQUEST_SECONDS = 0.01
"""Assumed of each request to DynamoDB, which states single-digit milliseconds."""
PEOPLE = "people"
LABEL = "person"


class ArchiveClient(MeteredClient):
    """Reads of an archive that is made up as it is read, and of what was written; conditions are taken to hold."""

    def __init__(self, videos: int, job_template: Item) -> None:
        super().__init__(self._find_item)
        self._video_ids = [f"vid_{number:026d}" for number in range(videos)]
        media, index = make_media(), make_index()
        video = make_video(video_id=VideoId(self._video_ids[0]), state=VideoState.READY, media=media, index=index)
        self._video = video_to_item(video, None)
        self._job = job_template
        self._written: dict[str, dict[str, Item]] = {}
        self._order: dict[str, list[str]] = {}
        self.writes = 0

    def query(self, **request: Any) -> dict[str, Any]:
        """Query."""
        values = item_from_wire(request["ExpressionAttributeValues"])
        if "IndexName" in request:
            found = self._list_videos(values.get(":after"), request["Limit"])
        else:
            found = self._find_items(values[":pk"], values.get(":low", ""), values.get(":high"), **request)
        self.meter.requests += 1
        self.meter.items += len(found)
        size = sum(size_bytes(item) for item in found)
        self.meter.units += max(1, -(-size // UNIT_BYTES)) * (1.0 if request.get("ConsistentRead") else 0.5)
        return {"Items": [item_to_wire(item) for item in found]}

    def put_item(self, **request: Any) -> None:
        """PutItem."""
        self.meter.requests += 1
        self._write(request["Item"])

    def transact_write_items(self, **request: Any) -> None:
        """TransactWriteItems, of puts."""
        self.meter.requests += 1
        for entry in request["TransactItems"]:
            self._write(entry["Put"]["Item"])

    def update_item(self, **_request: Any) -> None:
        """UpdateItem, of dates when something is due."""
        self.meter.requests += 1
        self.writes += 1

    def _write(self, wire: Any) -> None:
        pk, sk = from_wire(wire["pk"]), from_wire(wire["sk"])
        self.writes += 1
        if sk not in self._written.setdefault(pk, {}):
            insort(self._order.setdefault(pk, []), sk)
        self._written[pk][sk] = item_from_wire(wire)

    def _find_item(self, _table: str, pk: str, sk: str) -> Item | None:
        if pk in self._written:
            return self._written[pk].get(sk)
        _, name = table_keys.parse_partition(pk)
        job_id = name.replace("vid_", "job_")
        if sk == table_keys.VIDEO:
            return self._video | {"pk": pk, "list_sk": name}
        if sk == table_keys.JOB:
            return self._job | {"pk": pk, "video_id": name.replace("job_", "vid_")}
        if sk == table_keys.result_version(PEOPLE, LATEST):
            video_id = VideoId(name)
            job = make_job(job_id=JobId(job_id), video_id=video_id, state=JobState.SUCCEEDED)
            latest = follow(ResultVersion(TENANT, video_id, PEOPLE, LATEST), job, NOW)
            return result_version_to_item(replace(latest, version=1))
        return None

    def _list_videos(self, after: str | None, limit: int) -> list[Item]:
        end = len(self._video_ids) if after is None else bisect_left(self._video_ids, after)
        return [
            {"pk": table_keys.partition(TENANT, name), "sk": table_keys.VIDEO, "list_sk": name}
            for name in self._video_ids[max(0, end - limit) : end][::-1]
        ]

    def _find_items(self, pk: str, low: str, high: str | None, **request: Any) -> list[Item]:
        _, name = table_keys.parse_partition(pk)
        if name.startswith("vid_"):
            # Its one job, unless newer ones are asked for.
            sk = table_keys.job_reference(JobId(name.replace("vid_", "job_")))
            return [{"pk": pk, "sk": sk, "kind": "JOB_REF"}]
        order = self._order.get(pk, [])
        start = bisect_left(order, low)
        end = bisect_left(order, low + chr(0x10FFFF) if high is None else high + chr(0))
        limit = request.get("Limit") or len(order)
        is_forward = request.get("ScanIndexForward", True)
        keys = order[start:end][:limit] if is_forward else order[max(start, end - limit) : end][::-1]
        return [self._written[pk][sk] for sk in keys]


@dataclass(frozen=True, slots=True)
class Cost:
    """What the steps of a run came to."""

    steps: int
    videos: int
    requests: int
    items: int
    units: float
    writes: int
    dearest_requests: int
    dearest_items: int
    cpu_ms_max: float
    cpu_seconds: float

    def to_markdown(self, name: str) -> str:
        """A row of the table."""
        seconds = self.dearest_requests * REQUEST_SECONDS + self.cpu_ms_max / 1000
        dearest = f"{self.dearest_requests} | {self.dearest_items} | {self.cpu_ms_max:.0f} | {seconds:.1f}"
        total = f"{self.requests:,} | {self.items:,} | {self.units:,.0f} | {self.writes:,}"
        return f"| {name} | {self.videos:,} | {self.steps:,} | {dearest} | {total} |"


def make_archive(videos: int) -> tuple[Ports, ArchiveClient]:
    """Ports over an archive of so many videos."""
    fakes = make_fakes()
    ports = fakes.ports
    for number, name in enumerate(("old", "new")):
        fakes.models.register(make_manifest(name, sha256=f"{number}" * 64))
        make_pipeline(ports, TENANT, PEOPLE, replace(make_job().request, models=(name,)), by="a user")
    made = resolve_pipeline(ports, TENANT, f"{PEOPLE}@1")
    job = make_job(
        state=JobState.SUCCEEDED,
        request=made.job_request,
        models=tuple(ModelRef(model.name, model.version, model.sha256) for model in made.models),
        summary={"labels": [{"label": LABEL, "count": 10, "score_max": 0.9, "track_count": 1}]},
    )
    client = ArchiveClient(videos, job_to_item(job, None))
    table: Any = Table(client, META)  # type: ignore[arg-type]
    ports = replace(
        ports,
        videos=DynamoVideoStore(table),
        jobs=DynamoJobStore(table),
        versions=DynamoResultVersionStore(table),
        campaigns=DynamoCampaignStore(table),
        due=DynamoDueIndex(table),
    )
    return ports, client


def measure(videos: int, selection: Selection, pipeline: str, until: RunState) -> Cost:
    """Every step of the run, until it is in that state."""
    ports, client = make_archive(videos)
    plan = make_plan(pipeline=pipeline, selection=selection)
    campaign = create_campaign(ports, TENANT, plan, by="a user")
    run_id = run_id_of(TENANT, campaign.campaign_id, NOW)
    steps, cpu, dearest_cpu, dearest_requests, dearest_items = 0, 0.0, 0.0, 0, 0
    client.meter, client.writes = Meter(), 0
    while True:
        requests, items, begun = client.meter.requests, client.meter.items, time.process_time()
        advance_run(ports, TENANT, run_id)
        spent = time.process_time() - begun
        steps, cpu, dearest_cpu = steps + 1, cpu + spent, max(dearest_cpu, spent)
        dearest_requests = max(dearest_requests, client.meter.requests - requests)
        dearest_items = max(dearest_items, client.meter.items - items)
        meter, client.meter = client.meter, Meter()
        run = ports.campaigns.get_run(TENANT, run_id)
        client.meter = meter
        assert run is not None
        if run.state is until:
            break
    counts = (meter.requests, meter.items, meter.units, client.writes)
    return Cost(steps, run.counts.selected, *counts, dearest_requests, dearest_items, dearest_cpu * 1000, cpu)


def main() -> None:
    """Print the table of docs/campaigns.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.results.selecting", description=__doc__)
    parser.add_argument("--videos", type=int, default=100_000)
    videos = parser.parse_args().videos
    dearest = "dearest step: requests | items read | CPU ms | seconds"
    print(f"| what | videos taken | steps | {dearest} | all: requests | items read | read units | writes |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    rows = (
        ("all videos", Selection(), f"{PEOPLE}@2", RunState.RUNNING),
        (
            "`pipeline_older_than`",
            Selection(pipeline_older_than=PipelineAge(PEOPLE, 2)),
            f"{PEOPLE}@2",
            RunState.RUNNING,
        ),
        ("`label_seen`", Selection(label_seen=LABEL), f"{PEOPLE}@2", RunState.RUNNING),
        ("all videos, and nothing to do with them", Selection(), f"{PEOPLE}@1", RunState.SUCCEEDED),
    )
    for name, selection, pipeline, until in rows:
        print(measure(videos, selection, pipeline, until).to_markdown(name), flush=True)


if __name__ == "__main__":
    main()
