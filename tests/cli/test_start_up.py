"""`--help` is there at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[2] / "client"
HELP_SECONDS = 0.25
TRIES = 5


def run(*command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(CLIENT)}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def cpu_seconds(*command: str) -> float:
    """The least CPU time that a Python of several has taken: other processes only make it more."""
    taken = []
    for _ in range(TRIES):
        before = os.times()
        run(*command)
        after = os.times()
        taken.append(after.children_user - before.children_user + after.children_system - before.children_system)
    return min(taken)


def test_help_takes_a_quarter_of_a_second_of_cpu_at_most() -> None:
    bare, shown = cpu_seconds("-c", "pass"), cpu_seconds("-m", "reelscan", "--help")
    print(f"a bare interpreter {bare * 1000:.0f} ms, reelscan --help {shown * 1000:.0f} ms")
    # On a slower machine the interpreter alone takes longer, and everything else with it.
    assert shown <= max(HELP_SECONDS, 10 * bare)


SEEN = """
import sys

from reelscan.__main__ import main

sys.argv[1:] = ["--help"]
try:
    main()
except SystemExit:
    print(sorted({"httpx", "anyio", "asyncio", "rich"} & set(sys.modules)))
"""


def test_help_imports_neither_an_http_client_nor_rich() -> None:
    assert run("-c", SEEN).splitlines()[-1] == "[]"
