"""`--help` is there at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[2] / "client"
HELP_SECONDS = 0.25
TRIES = 5


def cpu_seconds(*command: str) -> float:
    """The least CPU time that a Python of several has taken: other processes only make it more."""
    taken = []
    for _ in range(TRIES):
        before = os.times()
        subprocess.run(
            [sys.executable, *command], env={**os.environ, "PYTHONPATH": str(CLIENT)}, capture_output=True, check=True
        )
        after = os.times()
        taken.append(after.children_user - before.children_user + after.children_system - before.children_system)
    return min(taken)


def test_help_takes_a_quarter_of_a_second_of_cpu_at_most() -> None:
    bare, shown = cpu_seconds("-c", "pass"), cpu_seconds("-m", "reelscan", "--help")
    print(f"a bare interpreter {bare * 1000:.0f} ms, reelscan --help {shown * 1000:.0f} ms")
    # On a slower machine the interpreter alone takes longer, and everything else with it.
    assert shown <= max(HELP_SECONDS, 15 * bare)


def test_help_imports_no_http_client_and_no_tables() -> None:
    seen = "import sys; sys.argv[1:] = ['--help']\ntry:\n    from reelscan.__main__ import main; main()\nexcept SystemExit: pass\n"
    seen += "print('LATE', sorted({'httpx', 'anyio', 'rich.progress', 'rich.live', 'asyncio'} & set(sys.modules)))"
    said = subprocess.run(
        [sys.executable, "-c", seen],
        env={**os.environ, "PYTHONPATH": str(CLIENT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.splitlines()[-1] == "LATE []"
