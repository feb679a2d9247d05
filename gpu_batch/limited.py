"""Limits its own process, then becomes a module: `python -m gpu_batch.limited MEMORY CPU_SECONDS FILE_BYTES MODULE …`.

Started by `gpu_batch/sandbox.py`. The limits are set here and not between fork and exec, where nothing that allocates
is safe in a process with threads.
"""

from __future__ import annotations

import ctypes
import resource
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""Source: prctl(2)."""
_CPU_GRACE_SECONDS = 2


def main(arguments: list[str]) -> None:
    """Never returns to unlimited work: what is set here holds for the process and cannot be raised again."""
    memory_bytes, cpu_seconds, file_bytes = map(int, arguments[:3])
    module, *rest = arguments[3:]
    # Who waits for us may be killed; we must not go on alone.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + _CPU_GRACE_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
