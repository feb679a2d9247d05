"""The command `python -m infra.local` as a process that a test stops, or kills, and starts again on the same state."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.flow.tenant import POLL_SECONDS, Tenant

ROOT = Path(__file__).parents[2]
START_SECONDS = 120
STOP_SECONDS = 60


@contextmanager
def local_process(
    folder: Path,
    *,
    module: str = "infra.local",
    environment: Mapping[str, str] | None = None,
    ended_by: signal.Signals = signal.SIGINT,
) -> Iterator[Tenant]:
    """The command, with a tenant's view of it; at the end of the block Ctrl-C ends it, or `kill -9`."""
    description = folder / "out" / "local.json"
    description.unlink(missing_ok=True)
    command = [sys.executable, "-m", module, "--port", "0", "--slots", "2"]
    command += ["--state", str(folder / "state"), "--out", str(folder / "out")]
    full = {**os.environ, "REELSCAN_RECONCILE_SECONDS": "1", "REELSCAN_VCPUS": "1", **(environment or {})}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=full, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not description.exists():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            threading.Event().wait(POLL_SECONDS)
        local = json.loads(description.read_text())
        yield Tenant(local["base_url"], local["tokens"]["a"])
        process.send_signal(ended_by)
        assert process.wait(STOP_SECONDS) == (0 if ended_by is signal.SIGINT else -ended_by)
    finally:
        process.kill()
        process.wait()


def wait_until_saved(folder: Path, patience_seconds: float = 60) -> None:
    """Until all that is there now would survive `kill -9`: the stack writes its state every few seconds."""
    asked_at, deadline = time.time(), time.monotonic() + patience_seconds
    # The time of the file is that of its end, so that of two that were begun after this moment the second will do.
    for _ in range(2):
        while (folder / "state" / "state.pickle").stat().st_mtime <= asked_at:
            assert time.monotonic() < deadline, "the state was not written"
            threading.Event().wait(POLL_SECONDS)
        asked_at = time.time()
