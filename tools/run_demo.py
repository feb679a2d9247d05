"""`make demo`: start the local stack, run the demo client against it, stop the stack, whatever happens.

The client speaks HTTP only; everything about processes is here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import httpx

from tools.demo import demo

STACK_FOLDER = Path("out/stack")
"""Of the demo's own stack, so that one that `make local` keeps running stays undisturbed."""

START_SECONDS = 60.0
POLL_SECONDS = 0.1
STOP_SECONDS = 20.0
LOG_TAIL_LINES = 20


class StackFailed(Exception):
    """The local stack did not start."""


def main() -> int:
    """The demo's exit code; 1 when the stack did not start."""
    # Whoever ends this program, the stack ends with it: a signal becomes an exception that unwinds to the `finally`.
    signal.signal(signal.SIGTERM, _exit_on_signal)
    try:
        with running_stack(STACK_FOLDER) as local_json:
            return demo.main(["--local", str(local_json), *sys.argv[1:]])
    except StackFailed as error:
        print(error, file=sys.stderr)
        return 1


@contextmanager
def running_stack(folder: Path) -> Iterator[Path]:
    """A local stack on a free port, ready; gives its `local.json`. At the end every process that it started is gone.

    Raises:
        StackFailed: it ended, or does not answer in time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    local_json, log_path = folder / "local.json", folder / "stack.log"
    local_json.unlink(missing_ok=True)
    print(f"Starting the local stack: no AWS account, no Docker (its log: {log_path})", flush=True)
    command = [sys.executable, "-m", "infra.local", "--port", "0", "--out", str(folder)]
    with log_path.open("wb") as log:
        # A group of its own: Ctrl-C reaches this program alone, which then stops the stack in order.
        stack = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        _wait_until_healthy(stack, local_json, log_path)
        yield local_json
    finally:
        print("Stopping the local stack", flush=True)
        _stop(stack)


def _wait_until_healthy(stack: subprocess.Popen[bytes], local_json: Path, log_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _is_healthy(local_json):
        if stack.poll() is not None:
            raise StackFailed(_with_log(f"The local stack ended with exit code {stack.returncode}", log_path))
        if time.monotonic() > deadline:
            raise StackFailed(_with_log(f"The local stack does not answer after {START_SECONDS:.0f} s", log_path))
        time.sleep(POLL_SECONDS)


def _is_healthy(local_json: Path) -> bool:
    if not local_json.exists():
        return False
    base_url = json.loads(local_json.read_text(encoding="utf-8"))["base_url"]
    try:
        return httpx.get(f"{base_url}/health", timeout=5).is_success
    except httpx.TransportError:
        return False


def _stop(stack: subprocess.Popen[bytes]) -> None:
    stack.terminate()
    try:
        stack.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"The local stack does not stop by itself in {STOP_SECONDS:.0f} s: killing it", file=sys.stderr)
        os.killpg(stack.pid, signal.SIGKILL)
        stack.wait()


def _with_log(what: str, log_path: Path) -> str:
    tail = log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    quoted = "\n".join(f"  | {line}" for line in tail)
    return f"{what}. Its last words:\n{quoted}\nTry: make local (shows everything), or make clean setup (from scratch)"


def _exit_on_signal(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
