"""A load: actions start at random moments, so many a second on average, whether or not those before have ended."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from infra.load.actions import ACTIONS
from infra.load.recorder import Recorder
from infra.load.report import Report, make_report
from infra.load.stage import Stage

LATE_SECONDS = 0.1


def run_load(
    client: Recorder,
    stage: Stage,
    *,
    per_second: float,
    seconds: float,
    threads: int,
    seed: int = 0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """Ask for `seconds`, every action once at first, so that each route is in the report whatever chance says."""
    chance = random.Random(seed)
    names, weights = list(ACTIONS), [action.weight for action in ACTIONS.values()]
    begun = clock()
    late = 0
    started: list[Future[None]] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="load") as pool:

        def start(name: str, due: float) -> None:
            nonlocal late
            if clock() - due > LATE_SECONDS:
                late += 1
            ACTIONS[name].do(client, stage)

        arrival, first = 0.0, list(names)
        while (arrival := arrival + chance.expovariate(per_second)) < seconds or first:
            name = first.pop() if first else chance.choices(names, weights)[0]
            sleep(max(0.0, begun + arrival - clock()))
            started.append(pool.submit(start, name, begun + arrival))
    for action in started:
        # An answer that is not of the API's shape is a bug in the system or here, and ends the load.
        action.result()
    return make_report(
        client.times(),
        base_url=str(client.http.base_url),
        wanted_per_second=per_second,
        seconds=clock() - begun,
        late=late,
    )
