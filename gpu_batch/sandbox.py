"""Runs a module of ours on a file that nobody trusts, in a process that can take nothing along when it breaks.

The process sees none of the worker's environment, so no credentials; it has limits of memory, CPU time and the size of
files, and is killed when it takes too long or the worker has to stop.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from chalicelib.domain.errors import ErrorCode

POLL_SECONDS = 0.05
TAIL_BYTES = 4000
_ROOT = Path(__file__).resolve().parents[1]
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
_OUT_OF_MEMORY = re.compile(r"MemoryError|bad_alloc|[Ff]ailed to allocate|[Cc]annot allocate memory|Unable to allocate")
"""How Python, C++, onnxruntime, the loader of libraries and numpy say that there is no memory left."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the process may use."""

    memory_bytes: int
    """Of address space, Python and libraries included: half a GB."""
    cpu_seconds: int
    wall_seconds: float
    file_bytes: int
    """Of each file that it writes."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the process ended."""

    exit_code: int
    """Negative: the signal that ended it."""
    output: str
    """What it printed."""
    errors: str
    """The end of what it printed as errors."""
    failure: str
    """Why it did not end by itself and well, in words that follow a subject; empty when it did."""
    code: ErrorCode = ErrorCode.MODEL_INVALID
    """Of the failure."""


def run_limited(
    module: str, arguments: Sequence[str], folder: Path, limits: Limits, check: Callable[[], None] = lambda: None
) -> Ended:
    """Run `python -m module arguments` in `folder`; `check` is called again and again meanwhile, and may raise."""
    own = (limits.memory_bytes, limits.cpu_seconds, limits.file_bytes)
    # -P: nothing of the folder is imported.
    command = [sys.executable, "-P", "-m", "gpu_batch.limited", *map(str, own), module, *arguments]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd=folder, env=_environment()
        )
        try:
            is_late = not _wait(process, time.monotonic() + limits.wall_seconds, check)
        finally:
            process.kill()
            process.wait()
        code, said = process.returncode, _tail(errors)
        failure, reason = _why(code, said, limits, is_late=is_late)
        return Ended(code, "" if failure else _all(output), said, failure, reason)


def is_out_of_memory(text: str) -> bool:
    """Whether a message says that there was no memory left."""
    return _OUT_OF_MEMORY.search(text) is not None


def needs_memory(limits: Limits) -> str:
    """That there was no memory left, in words that follow a subject."""
    return f"needs more than {limits.memory_bytes / (1 << 30):.2g} GiB of memory"


def _wait(process: subprocess.Popen[bytes], deadline: float, check: Callable[[], None]) -> bool:
    """Whether it ended by itself."""
    while process.poll() is None:
        if time.monotonic() > deadline:
            return False
        check()
        time.sleep(POLL_SECONDS)
    return True


def _why(code: int, said: str, limits: Limits, *, is_late: bool) -> tuple[str, ErrorCode]:
    if is_late:
        return f"took more than {limits.wall_seconds:g} seconds", ErrorCode.MODEL_TIMEOUT
    if code == -signal.SIGXCPU:
        return f"took more than {limits.cpu_seconds} seconds of CPU time", ErrorCode.MODEL_TIMEOUT
    if code and is_out_of_memory(said):
        return needs_memory(limits), ErrorCode.RESOURCE_LIMIT
    # Python makes an error of the signal.
    if code == -signal.SIGXFSZ or (code and "File too large" in said):
        return f"makes a file of more than {limits.file_bytes} bytes", ErrorCode.RESOURCE_LIMIT
    if code < 0:
        return f"crashed with {signal.Signals(-code).name}", ErrorCode.MODEL_INVALID
    if code:
        last = said.strip().splitlines()[-1:] or ["it said nothing"]
        return f"ended with code {code}: {last[0][-500:]}", ErrorCode.MODEL_INVALID
    return "", ErrorCode.MODEL_INVALID


def _environment() -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # One thread: another's stack and arena would count as memory of the model.
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    return {**passed_on, **single, "PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def _tail(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - TAIL_BYTES))
    return file.read().decode(errors="replace")


def _all(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
