"""`python -m bench.results.diffing`: CPU of a diff of two jobs, through the real handlers on ports in memory.

The video has five boxes in each of 25 frames a second (`bench/results/synthetic_job.py`). The other model loses three
boxes of a hundred, and moves the others by up to some pixels. Nothing that one call decoded helps the next one.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from array import array
from dataclasses import dataclass, replace
from typing import Any

from bench.results.page_cpu import make_service
from bench.results.synthetic_job import ANALYSIS, DIGEST, FRAMES_PER_SECOND, SyntheticJob
from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import Block, make_ref, pack_block, unpack_block
from chalicelib.contracts.cell_results import CellResult
from chalicelib.contracts.tree_fold import TreeFold, summarize_segment
from chalicelib.domain.ids import JobId, TenantId
from chalicelib.domain.jobs import Job, ModelRef
from chalicelib.services.decoded_blocks import decoded_block
from tests.api.service import ACME, Service
from tests.fakes.results import CountingResults

BOXES = 5
LOST = 0.03
OTHER_ANALYSIS = "b" * 32


@dataclass(frozen=True, slots=True)
class Cost:
    """What a whole diff took."""

    calls: int
    blocks: int
    cpu_seconds: float
    detections: int
    """Of both jobs."""

    def to_markdown(self, name: str) -> str:
        """A row of the table."""
        per_thousand = self.cpu_seconds * 1e6 / self.detections
        per_call = self.cpu_seconds * 1000 / self.calls
        numbers = f"{self.detections:,} | {self.calls} | {self.blocks} | {self.cpu_seconds:.2f}"
        return f"| {name} | {numbers} | {per_call:.0f} | {per_thousand:.1f} |"


def add_jobs(service: Service, synthetic: SyntheticJob) -> tuple[Job, Job]:
    """A job of another model, and one of both, on the same video."""
    first = synthetic.job
    other = replace(first, job_id=JobId("job_" + "0" * 25 + "2"), models=(ModelRef("other", "1", "b" * 64),))
    both = replace(first, job_id=JobId("job_" + "0" * 25 + "3"), models=(*first.models, *other.models))
    service.fakes.models.register(replace(synthetic.manifest, name="other", sha256="b" * 64))
    chance = random.Random(3)
    for job in (other, both):
        service.ports.jobs.add(job, None)
    trees = TreeFold(1), TreeFold(2)
    nodes: tuple[list[Any], list[Any]] = ([], [])
    frames_before = 0
    for segment in synthetic.segments:
        entry = synthetic.entry(segment.index)
        [cells] = entry.cells_by_model
        seen = tuple(_seen_by_another(service, cell, chance) for cell in cells)
        for number, (job, models) in enumerate(((other, (seen,)), (both, (cells, seen)))):
            told = replace(entry, cells_by_model=models)
            service.fakes.results.write_index(TenantId(ACME), job.job_id, told)
            nodes[number].extend(trees[number].push(summarize_segment(told, frames_before)))
        frames_before += entry.frames_shown
    for number, job in enumerate((other, both)):
        nodes[number].extend(trees[number].finish())
        service.fakes.results.write_nodes(TenantId(ACME), job.job_id, table_keys.SEGMENT_TREE, nodes[number])
    return other, both


def _seen_by_another(service: Service, cell: CellResult, chance: random.Random) -> CellResult:
    refs = []
    tenant = TenantId(ACME)
    for ref in cell.blocks:
        [body] = service.fakes.results.get_blocks(tenant, DIGEST, [ref]).values()
        block = _disturb(unpack_block(body), chance)
        packed = pack_block(block)
        made = make_ref(block, packed, ref.sk.replace(ANALYSIS, OTHER_ANALYSIS))
        service.fakes.results.write_block(tenant, DIGEST, made.sk, packed)
        refs.append(made)
    return replace(cell, blocks=tuple(refs))


def _disturb(block: Block, chance: random.Random) -> Block:
    """The block, less some rows, and boxes a little elsewhere."""
    kept, counts, row = [], [], 0
    for count in block.counts:
        of_frame = [number for number in range(row, row + count) if chance.random() >= LOST]
        kept += of_frame
        counts.append(len(of_frame))
        row += count
    sides = [[side[number] + 4 * chance.randint(-12, 12) for number in kept] for side in (block.x1, block.y1)]
    sides += [
        [
            max(low + 16, side[number] + 4 * chance.randint(-12, 12))
            for low, number in zip(sides[axis], kept, strict=True)
        ]
        for axis, side in enumerate((block.x2, block.y2))
    ]
    x1, y1, x2, y2 = (array("i", [max(0, side) for side in column]) for column in sides)
    labels = array("H", [block.row_labels[number] for number in kept])
    scores = array("H", [block.row_scores[number] for number in kept])
    return replace(block, counts=array("H", counts), row_labels=labels, row_scores=scores, x1=x1, y1=y1, x2=x2, y2=y2)


def measure(service: Service, a: Job, b: Job, **asked: Any) -> Cost:
    """The whole diff, call by call."""
    results: Any = CountingResults(service.fakes.results)
    service.ports = replace(service.ports, results=results)
    calls, spent, detections, cursor = 0, 0.0, 0, None
    while calls == 0 or cursor is not None:
        decoded_block.cache_clear()
        query = asked | ({"cursor": cursor} if cursor else {})
        begun = time.process_time()
        answer = service.call("GET", f"/jobs/{a.job_id}/diff/{b.job_id}", query=query)
        spent += time.process_time() - begun
        assert answer.status == 200, answer.body
        total = answer.json["total"]
        detections += total["a_count"] + total["b_count"]
        cursor = answer.json["next_cursor"]
        calls += 1
    return Cost(calls, results.blocks_read, spent, detections)


def main() -> None:
    """Print the table of docs/diff.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.results.diffing", description=__doc__)
    parser.add_argument("--minutes", type=int, default=60)
    arguments = parser.parse_args()
    synthetic = SyntheticJob(seconds=arguments.minutes * 60, detections_per_second=BOXES * FRAMES_PER_SECOND)
    service = make_service(synthetic)
    other, both = add_jobs(service, synthetic)
    # What the bench itself holds is no part of a function's heap.
    gc.collect()
    gc.freeze()
    first = synthetic.job
    print("| diff | detections of both | calls | blocks read | CPU s | ms a call | ms per 1,000 detections |")
    print("|---|---|---|---|---|---|---|")
    for name, b, asked in (
        ("another model", other, {}),
        ("one more model", both, {}),
        ("one more model, score_min 0, one bucket", both, {"score_min": 0, "buckets": 1}),
    ):
        print(measure(service, first, b, **asked).to_markdown(name))


if __name__ == "__main__":
    main()
