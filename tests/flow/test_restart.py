"""The command `python -m infra.local`, stopped in the middle of a job and started again on the same state folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.flow.reference import plain_loop, without_tracks
from tests.flow.tenant import FAST_MODEL, POLL_SECONDS, Tenant, canonical

ROOT = Path(__file__).parents[2]
START_SECONDS = 30
STOP_SECONDS = 30
FRAMES = 250


@contextmanager
def local_process(folder: Path) -> Iterator[Tenant]:
    """The command, ended by Ctrl-C, with a tenant's view of it."""
    description = folder / "out" / "local.json"
    description.unlink(missing_ok=True)
    command = [sys.executable, "-m", "infra.local", "--port", "0", "--slots", "2"]
    command += ["--state", str(folder / "state"), "--out", str(folder / "out")]
    environment = {**os.environ, "REELSCAN_RECONCILE_SECONDS": "1", "REELSCAN_VCPUS": "1"}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not description.exists():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            threading.Event().wait(POLL_SECONDS)
        local = json.loads(description.read_text())
        yield Tenant(local["base_url"], local["tokens"]["a"])
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def test_a_job_goes_on_after_a_restart_and_its_results_stay(tmp_path: Path, bikes: Path) -> None:
    with local_process(tmp_path) as tenant:
        job_id = tenant.analyze(bikes, segment_seconds=1)
        for job in tenant.watch(job_id):
            if job["progress"]["segments_done"]:
                break
        assert job["state"] == "RUNNING"
    with local_process(tmp_path) as tenant:
        job = tenant.succeed(job_id)
        items = canonical(tenant.all_items(job_id))
        assert canonical(without_tracks(tenant.all_items(job_id))) == canonical(plain_loop(bikes, FAST_MODEL).items)
        assert job["summary"]["frames_shown"] == FRAMES
    with local_process(tmp_path) as tenant:
        assert tenant.job(job_id) == job
        assert canonical(tenant.all_items(job_id)) == items
