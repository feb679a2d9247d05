"""`python -m bench.results.page_cpu`: CPU of a page of detections, through the real handlers on ports in memory.

The job is ten minutes at a density of 100 million detections a day (`bench/results/synthetic_job.py`): about 46 rows
a frame. Pages start at random times, so a block is seldom the one of the page before, but often one of the 32 that a
process keeps.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import random
import time

from bench.results.paging import DAY
from bench.results.synthetic_job import DIGEST, RESULTS, SyntheticJob
from chalicelib.contracts import table_keys, track_ids
from chalicelib.domain.ids import TenantId
from chalicelib.services.decoded_blocks import decoded_block
from chalicelib.services.ports import Limits
from chalicelib.services.walk import BLOCKS_PER_PAGE
from tests.api.service import ACME, Service
from tests.fakes.make import LIMITS as FAKE_LIMITS

SECONDS = 600
LIMITS = (100, 1000)


def make_service(job: SyntheticJob, limits: Limits = FAKE_LIMITS) -> Service:
    """The app over fakes that hold the whole job."""
    service = Service(limits)
    results, tenant, job_id = service.fakes.results, TenantId(ACME), job.job.job_id
    service.fakes.models.register(job.manifest)
    service.ports.videos.add(job.video, None)
    service.ports.jobs.add(job.job, None)
    ids: dict[str, bytes] = {}
    for segment in job.segments:
        entry = job.entry(segment.index)
        results.write_index(tenant, job_id, entry)
        for cell in entry.cells_by_model[0]:
            for ref in cell.blocks:
                item = job.find(RESULTS, table_keys.partition(tenant, DIGEST), ref.sk)
                assert item is not None
                results.write_block(tenant, DIGEST, ref.sk, item["body"])
        for number, part in enumerate(job.track_ids(segment.index)):
            ids[table_keys.track_ids(0, segment.index, 0, number)] = part
    results.write_tracks(tenant, job_id, [], ids)
    results.write_nodes(tenant, job_id, table_keys.SEGMENT_TREE, job.tree_of_segments())
    return service


def measure(
    service: Service, job: SyntheticJob, *, limit: int, pages: int, label: str | None = None, is_cold: bool = False
) -> list[float]:
    """Milliseconds of each page, in order of size; `is_cold`: nothing is kept of the pages before."""
    asked = {"limit": limit} | ({"label": label} if label else {})
    chance = random.Random(limit)
    spent = []
    for _ in range(pages):
        if is_cold:
            decoded_block.cache_clear()
            track_ids.forget_decoded()
        query = asked | {"from": f"{chance.uniform(0, SECONDS / 2):.3f}"}
        begun = time.process_time()
        answer = service.call("GET", f"/jobs/{job.job.job_id}/detections", query=query)
        spent.append((time.process_time() - begun) * 1000)
        assert answer.status == 200
        found = len(answer.json["items"])
        assert found == limit or (label == "lamp" and found >= BLOCKS_PER_PAGE - 2)
    return sorted(spent)


def main() -> None:
    """Print the table of docs/results.md, and a profile when asked."""
    parser = argparse.ArgumentParser(prog="python -m bench.results.page_cpu", description=__doc__)
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--profile", type=int, help="profile pages of this limit")
    arguments = parser.parse_args()
    job = SyntheticJob(seconds=SECONDS, detections_per_second=100_000_000 / DAY)
    service = make_service(job)
    measure(service, job, limit=100, pages=20)
    # What the bench itself holds is no part of a function's heap, and must not be walked for every page.
    gc.collect()
    gc.freeze()
    if arguments.profile:
        profile = cProfile.Profile()
        profile.enable()
        measure(service, job, limit=arguments.profile, pages=arguments.pages)
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)
        return
    print("| page | median ms | p99 ms |")
    print("|---|---|---|")
    for limit in LIMITS:
        spent = measure(service, job, limit=limit, pages=arguments.pages)
        print(f"| limit {limit} | {_times(spent)} |")
    spent = measure(service, job, limit=1000, pages=arguments.pages // 2, is_cold=True)
    print(f"| limit 1000, nothing kept of the pages before | {_times(spent)} |")
    spent = measure(service, job, limit=1000, pages=arguments.pages // 4, label="lamp", is_cold=True)
    print(f"| limit 1000, one row in each of {BLOCKS_PER_PAGE} blocks, nothing kept | {_times(spent)} |")


def _times(spent: list[float]) -> str:
    return f"{spent[len(spent) // 2]:.2f} | {spent[len(spent) * 99 // 100]:.2f}"


if __name__ == "__main__":
    main()
