"""`python -m bench.results.write_units`: what the results of a job cost to write, and blocks to unpack.

Everything that a worker writes is written by the worker's own code into tables in memory, and counted by DynamoDB's
rules. So are the items that a plan makes. What the API writes for a job as a whole (its item, submissions, steps) is
some thirty units, whatever the video, heartbeats are one unit for each ten seconds of a worker, and an event of the
outbox is six: these are stated, not run.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import Any, cast

from bench.results.item_sizes import write_units
from bench.results.scenes import LABELS, Scene, real_scene, synthetic_scene
from chalicelib.adapters.table import Table
from chalicelib.adapters.unit_store import DynamoUnitStore
from chalicelib.contracts.attribute_values import Item, item_from_wire
from chalicelib.contracts.blocks import SCORE_UNITS, unpack_block
from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.work_order import OrderedMedia, OrderedModel, OrderedSource, OrderKind, WorkOrder
from chalicelib.domain.cells import Cell, cut_cells
from chalicelib.domain.ids import JobId, SubmissionId, TenantId
from chalicelib.domain.segments import Segment, plan_segments
from chalicelib.domain.units import Unit, UnitKind, UnitState
from chalicelib.services.ports import Owner
from gpu_batch.aws import Claim
from gpu_batch.cell_store import AnalyzedCell, AnalyzedFrame, CellStore
from gpu_batch.finish import run_finish
from gpu_batch.lease import Stop
from tests.models.makers import a_manifest
from tests.worker.memory_cloud import MemoryCloud

DOLLARS_PER_UNIT = 0.625e-6
"""On demand, us-east-1. Source: DynamoDB's prices since November 2024."""
HEARTBEAT_SECONDS = 10
SPEED = 8
"""Seconds of video that a worker takes in a second, for the number of heartbeats: an assumption."""
JOB_UNITS = 30
EVENT_UNITS = 6
"""An event, the record of its origin and the check of its job, in a transaction (`adapters/event_store.py`)."""
STATE_EVENTS = 5
"""Of a job that goes well, besides one for each segment."""
TICKS = 90_000
GOP_SECONDS = 2
TENANT, JOB, DIGEST = "acme", "job_01JD8GQ0M5X2R7T4V9W3Y6Z1AB", "0f" * 32
NAMES = tuple(f"class {number:02d}" for number in range(LABELS))
MANIFEST = a_manifest(labels=NAMES, score_floor=0.05, score_default=0.4)
ROUNDS = 7


class Meter(MemoryCloud):
    """Tables in memory that count the units of every write, by what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.units: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()

    def count(self, what: str, item: Item, *, in_transaction: bool = False) -> None:
        """One write of an item."""
        self.units[what] += write_units(item, in_transaction=in_transaction)
        self.writes[what] += 1

    def claim(self, key: UnitKey, *, claimed_by: str, lease_seconds: float) -> Claim | None:
        """See `Cloud`."""
        claim = super().claim(key, claimed_by=claimed_by, lease_seconds=lease_seconds)
        self.count("segments and steps", self.unit(key))
        return claim

    def end(self, claim: Claim, state: UnitState, *, more: Sequence[dict[str, Any]] = (), **facts: Any) -> None:
        """See `Cloud`."""
        super().end(claim, state, more=more, **facts)
        self.count("segments and steps", self.unit(claim.key), in_transaction=True)
        if claim.key.kind is UnitKind.SEGMENT:
            marker = {"pk": claim.key.pk, "sk": f"OPEN#{claim.key.index:05d}", "kind": "OPEN"}
            self.count("segments and steps", marker, in_transaction=True)
        for entry in more:
            if "Put" in entry:
                item = item_from_wire(entry["Put"]["Item"])
                self.count(item["kind"], item, in_transaction=True)
            else:
                self.count(
                    "segments and steps",
                    item_from_wire(entry["Update"]["ExpressionAttributeValues"]),
                    in_transaction=True,
                )

    def put_many(self, table: str, items: Sequence[Item]) -> None:
        """See `Cloud`."""
        super().put_many(table, items)
        for item in items:
            self.count(item["kind"], item)

    def put_first(self, table: str, item: Item) -> Item:
        """See `Cloud`."""
        self.count(item["kind"], item)
        return super().put_first(table, item)


class _PlanTable:
    """The part of `Table` that a plan writes to."""

    name = "meta"

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def query(self, *_: str) -> list[Item]:
        return []

    def put_entry(self, item: Item, _condition: str | None = None) -> Item:
        return item

    def transact(self, items: Sequence[Item]) -> None:
        for item in items:
            self._meter.count("segments and steps", item, in_transaction=True)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job's writes came to."""

    scene: Scene
    cells: int
    segments: int
    units: Counter[str]
    writes: Counter[str]
    block_bytes: int
    pack_seconds: float
    unpack_seconds: tuple[float, ...]
    """One value for each round."""
    least_unpack_seconds: float
    """The sum over blocks of each one's quickest round: what is left when other processes disturb less."""

    @property
    def hours(self) -> float:
        """Of video."""
        return len(self.scene.frames) / self.scene.fps / 3600

    @property
    def total(self) -> int:
        """Units of everything."""
        return sum(self.units.values())


def measure(scene: Scene) -> Cost:
    """Write a scene as a job does, then unpack its blocks."""
    meter = Meter()
    timebase = Fraction(1, TICKS)
    step = TICKS // scene.fps
    end_pts = len(scene.frames) * step
    keyframes = range(0, end_pts, GOP_SECONDS * scene.fps * step)
    starts = [keyframes[position] for position in cut_cells(keyframes, end_pts, timebase)]
    bounds = list(zip(starts, [*starts[1:], end_pts], strict=True))
    cells = [Cell(number, *bound, 0, 0, 0, 0, (bound[1] - bound[0]) // step) for number, bound in enumerate(bounds)]
    segments = plan_segments(cells, timebase, None)
    owner = Owner(TenantId(TENANT), JobId(JOB))
    units = DynamoUnitStore(cast("Table", _PlanTable(meter)))
    units.add_segments(
        owner, [(segment, Unit(UnitKind.SEGMENT, segment.index, UnitState.OPEN)) for segment in segments]
    )
    store = CellStore(meter, tenant=TENANT, content_digest=DIGEST, analysis="a" * 32, labels=NAMES, timebase=timebase)
    packed_at = time.process_time()
    for segment in segments:
        key = meter.open_unit(f"{TENANT}#{JOB}", UnitKind.SEGMENT, segment)
        claim = meter.claim(key, claimed_by="4c7a1a52-8d5f-4f43-a1d7-1f3a4c9e6a10:0", lease_seconds=30)
        assert claim is not None
        results = []
        for cell in cells[segment.first_cell : segment.end_cell]:
            first = cell.start_pts // step
            frames = [
                AnalyzedFrame(cell.start_pts + rank * step, 0, rank, scene.frames[first + rank])
                for rank in range(cell.frames)
            ]
            results.append(store.write(AnalyzedCell(cell.index, frames, cell.frames)))
        shown = sum(result.frames_shown for result in results)
        entry = IndexEntry(segment.index, segment.start_pts, segment.end_pts, shown, (tuple(results),))
        more = [meter.put_entry("results", entry.to_item(TENANT, JOB))]
        meter.end(claim, UnitState.DONE, facts={"frames_inferred": shown, "frames_shown": shown}, more=more)
    pack_seconds = time.process_time() - packed_at
    blocks = [item["body"] for kind in ("BLOCK", "BLOCK_PART") for item in meter.items("results", kind)]
    seconds = [[_unpack(block) for block in blocks] for _ in range(ROUNDS)]
    _finish(meter, scene, segments)
    meter.units["heartbeats"] += round(len(scene.frames) / scene.fps / SPEED / HEARTBEAT_SECONDS)
    meter.units["events"] += EVENT_UNITS * (len(segments) + STATE_EVENTS)
    meter.units["job, submissions"] += JOB_UNITS
    return Cost(
        scene,
        len(cells),
        len(segments),
        meter.units,
        meter.writes,
        sum(map(len, blocks)),
        pack_seconds,
        tuple(map(sum, seconds)),
        sum(map(min, zip(*seconds, strict=True))),
    )


def _unpack(block: bytes) -> float:
    """CPU seconds to unpack a block."""
    started = time.process_time()
    unpack_block(block)
    return time.process_time() - started


def _finish(meter: Meter, scene: Scene, segments: Sequence[Segment]) -> None:
    order = WorkOrder(
        kind=OrderKind.FINISH,
        tenant=TENANT,
        video_id="vid_1",
        job_id=JOB,
        submission=SubmissionId("finish-1"),
        source=OrderedSource("bucket", "source", "", "", 1, DIGEST),
        lease_seconds=30.0,
        heartbeat_seconds=3600.0,
        media=OrderedMedia(scene.width, scene.height, 0, f"1/{TICKS}", "cells", "table", "{}"),
        models=(OrderedModel("tiny", "model", MANIFEST.to_json()),),
        sampling={"kind": "every_frame"},
        segments=tuple(segments),
    )
    meter.open_unit(order.pk, UnitKind.FINISH)
    run_finish(meter, order, claimed_by="bench", stop=Stop())


def item_per_detection(scene: Scene) -> int:
    """Units of one item for each detection."""
    return scene.detections


def item_per_frame(scene: Scene) -> int:
    """Units of one item of JSON for each frame."""
    frames = (_frame_json(rows) for rows in scene.frames)
    return sum(
        write_units({"pk": f"{TENANT}#{JOB}", "sk": f"FRAME#{at:09d}", "body": body}) for at, body in enumerate(frames)
    )


def json_per_segment(cost: Cost) -> int:
    """Units of one item of JSON for each segment; DynamoDB would refuse those over 400 KB."""
    per_segment = -(-len(cost.scene.frames) // cost.segments)
    frames = [_frame_json(rows) for rows in cost.scene.frames]
    bodies = ("\n".join(frames[first : first + per_segment]) for first in range(0, len(frames), per_segment))
    return sum(write_units({"pk": f"{TENANT}#{JOB}", "sk": "SEGMENT#00000", "body": body}) for body in bodies)


def _frame_json(rows: Any) -> str:
    detections = [
        {"label": NAMES[label], "score": score / SCORE_UNITS, "box": [side / 16 for side in box]}
        for label, score, box in zip(rows.labels.tolist(), rows.scores.tolist(), rows.boxes.tolist(), strict=True)
    ]
    return json.dumps(detections, separators=(",", ":"))


def to_lines(cost: Cost) -> Iterator[str]:
    """The table of one scene."""
    scene, hours = cost.scene, cost.hours
    rows = scene.detections
    yield (
        f"{scene.name}: {len(scene.frames):,} frames, {rows:,} detections, {hours:g} h;"
        f" {cost.cells} cells, {cost.segments} segments"
    )
    yield ""
    yield "| layout | write units | of an item per detection | of an item per frame | $ per hour |"
    yield "|---|---|---|---|---|"
    layouts = {
        "item per detection": item_per_detection(scene),
        "item per frame": item_per_frame(scene),
        "JSON per segment": json_per_segment(cost),
        "**as written, everything**": cost.total,
        **{f"… {what}": units for what, units in cost.units.most_common()},
    }
    for name, units in layouts.items():
        shares = f"1/{rows / units:,.0f} | 1/{len(scene.frames) / units:.1f}"
        yield f"| {name} | {units:,} | {shares} | {units * DOLLARS_PER_UNIT / hours:.5f} |"
    middle, best = median(cost.unpack_seconds) / rows, cost.least_unpack_seconds / rows
    yield ""
    yield (
        f"Blocks: {cost.block_bytes / rows:.2f} bytes a detection, {cost.block_bytes / 1024 / hours:,.0f} KB an hour."
        f" CPU a detection: {cost.pack_seconds / rows * 1e6:.1f} µs to store; to unpack {middle * 1e9:.0f} ns in the"
        f" median of {ROUNDS} rounds; {best * 1e9:.0f} ns, {1e-6 / best:.2f} million a second, with each block's best."
    )
    yield ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.results.write_units", description=__doc__)
    parser.add_argument("--minutes", type=int, default=60, help="of video, 60 if not said")
    seconds = 60 * parser.parse_args().minutes
    for width, height in ((1280, 720), (1920, 1080)):
        _print(synthetic_scene(seconds, width, height))
    _print(real_scene(min(seconds, 600)))


def _print(scene: Scene) -> None:
    for line in to_lines(measure(scene)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
