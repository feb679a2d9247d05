"""A CUDA stream for a session: what it runs does not wait for what other libraries do on the default one."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

CUDA_RUNTIME = "libcudart.so.13"
"""Of the wheel that onnxruntime-gpu brings along; gpu_batch/Dockerfile puts its folder on the loader's path."""


def create_stream(load: Callable[[str], Any] = ctypes.CDLL) -> int | None:
    """The address of a new stream, which lives as long as the process, or None where there is no CUDA or no device.

    Source: CUDA Runtime API, cudaStreamCreate: it waits for the default stream, on which frames are copied.
    """
    try:
        runtime = load(CUDA_RUNTIME)
    except OSError:
        return None
    stream = ctypes.c_void_p()
    return stream.value if runtime.cudaStreamCreate(ctypes.byref(stream)) == 0 else None
