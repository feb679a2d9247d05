"""`python -m infra.smoke`: deploy a stage to the account of the environment, go once around, destroy it.

Prints first what it will cost, and asks. See docs/deploy.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from chalicelib.domain.costs import BOOT_SECONDS, VCPUS_BY_LANE
from chalicelib.domain.prices import NANO
from chalicelib.domain.units import Lane
from chalicelib.settings import read_prices
from infra.cdk.stages import STAGES
from infra.smoke.account import deploy, destroy, signed_in
from infra.smoke.journey import Deployment, SmokeError, walk_through

DONE, FAILED, DECLINED = 0, 1, 2
WORK_SECONDS = 60
"""That each machine works at the most, for a clip of seconds."""
IDLE_SECONDS = 600
"""That Batch may keep a machine after its last job, at the most."""
PASSING = [stage.name for stage in STAGES.values() if not stage.keeps_data and not stage.requires_mfa]
"""Stages that leave nothing behind, and let a new user in without a second factor."""


def main() -> int:
    """0: all went well; 1: a step did not, and what was deployed is destroyed; 2: nothing was begun."""
    arguments = _parse()
    if arguments.rest_url:
        deployment = Deployment(arguments.rest_url, arguments.graphql_url, os.environ["REELSCAN_TOKEN"])
        return _go_around(deployment, arguments.clip, arguments.model)
    print(_expected_cost(), flush=True)
    if not arguments.yes and input(f"Deploy stage {arguments.stage} and spend that? [y/N] ").strip().lower() != "y":
        return DECLINED
    try:
        outputs = deploy(arguments.stage, asks=not arguments.yes)
        with signed_in(outputs) as deployment:
            return _go_around(deployment, arguments.clip, arguments.model)
    finally:
        if not arguments.keep:
            destroy(arguments.stage)


def _go_around(deployment: Deployment, clip: Path, model: str) -> int:
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    try:
        job = walk_through(deployment, clip, model, tell)
    except SmokeError as error:
        tell(f"FAILED: {error}")
        return FAILED
    tell(f"all went well; the receipt: {job.get('cost')}")
    return DONE


def _expected_cost() -> str:
    """At the most: one machine of each kind boots, works and idles; requests are below a cent."""
    prices = read_prices()
    cpu_seconds = (BOOT_SECONDS[Lane.CPU] + WORK_SECONDS + IDLE_SECONDS) * VCPUS_BY_LANE[Lane.CPU]
    gpu_seconds = BOOT_SECONDS[Lane.GPU] + WORK_SECONDS + IDLE_SECONDS
    dollars = (cpu_seconds * prices.units.vcpu_second + gpu_seconds * prices.units.gpu_second) / NANO
    return (
        f"This deploys a stack, analyses one clip and deletes both: at most ${dollars + 0.01:.2f} on demand, at prices "
        f"of {prices.dated} in {prices.region}. What a stage costs while it stands idle: make idle-cost."
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.smoke", description="Once around in a real account.")
    parser.add_argument("--stage", default=PASSING[0], choices=PASSING)
    parser.add_argument("--clip", type=Path, default=Path(".cache/videos/bikes.mp4"))
    parser.add_argument("--model", default="nanodet-g")
    parser.add_argument("--yes", action="store_true", help="do not ask before it costs money")
    parser.add_argument("--keep", action="store_true", help="do not destroy the stage afterwards")
    parser.add_argument("--rest-url", help="of a deployment that stands: only go around, with REELSCAN_TOKEN")
    parser.add_argument("--graphql-url", help="likewise")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
