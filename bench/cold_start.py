"""`python -m bench.cold_start`: what a function pays before it does anything, in CPU ms of fresh processes.

Each row is a process of its own; rows take turns, so that what else the machine does falls on all of them. Beside ours
stands what such a function usually imports at its start: boto3, pydantic, Powertools with its Tracer, and two clients.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping

from bench.paths import ROOT

NAIVE_IMPORTS = "import boto3, pydantic; from aws_lambda_powertools import Logger, Metrics, Tracer"
NAIVE = f"{NAIVE_IMPORTS}; boto3.client('dynamodb'); boto3.client('s3')"
APP = "import app"
GRAPHQL = "from chalicelib.api.graphql import lambda_entry"
CODE_BY_ROW = {
    "Python alone": "pass",
    "naive imports, no client": NAIVE_IMPORTS,
    "naive imports, two clients": NAIVE,
    "`import app`": APP,
    "… and what `GET /jobs/{job_id}` loads": f"{APP}; import chalicelib.api.jobs",
    "… and what a change in the table loads": f"{APP}; import chalicelib.api.events",
    "… and what GraphQL loads": f"{APP}; {GRAPHQL}",
    "… and all modules": f"{APP}; from chalicelib.api import events, openapi; {GRAPHQL}",
}
"""What is run, by what the table calls it."""
MEASURE = "import time; {code}; print(time.process_time() * 1000)"


def measure(code: str) -> float:
    """CPU milliseconds of a fresh interpreter that runs `code`, its own start included."""
    # A function reads bytecode and writes none; whoever set this would have it compiled each time.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"AWS_DEFAULT_REGION": "us-east-1", "POWERTOOLS_TRACE_DISABLED": "true"}
    command = [sys.executable, "-c", MEASURE.format(code=code)]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return float(ended.stdout)


def measure_all(code_by_row: Mapping[str, str], rounds: int) -> dict[str, list[float]]:
    """CPU milliseconds of each row, round by round; a round before them writes the bytecode."""
    taken: dict[str, list[float]] = {row: [] for row in code_by_row}
    for count in range(rounds + 1):
        for row, code in code_by_row.items():
            milliseconds = measure(code)
            if count:
                taken[row].append(milliseconds)
    return taken


def main() -> None:
    """Print the table of docs/measures.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    taken = measure_all(CODE_BY_ROW, parser.parse_args().rounds)
    naive = statistics.median(taken["naive imports, two clients"])
    print("| in a fresh process | CPU ms, median | least | ÷ naive |")
    print("|---|---|---|---|")
    for row, values in taken.items():
        median = statistics.median(values)
        print(f"| {row} | {median:.0f} | {min(values):.0f} | {median / naive:.2f} |")


if __name__ == "__main__":
    main()
