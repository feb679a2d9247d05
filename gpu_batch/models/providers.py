"""Which of onnxruntime's providers runs a model, and why.

An order pins the class, so that all workers of a job give results of one key. A worker that cannot serve it takes the
next lower class, says so, and its results get the key of what really ran.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from chalicelib.domain.errors import ErrorCode
from gpu_batch.errors import BadOrder
from gpu_batch.models.cuda_stream import create_stream
from gpu_batch.models.planes import Device

ProviderClass: TypeAlias = Literal["cpu", "cuda", "tensorrt"]
"""Part of the key of stored results: the classes agree within a tolerance, not to the byte."""

GPU_BATCH = 8
"""Frames that a GPU runs at once: enough to fill a small one, and a quarter of a second of video."""
CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
ENGINES_NAME = "REELSCAN_ENGINES"
"""The environment variable that names the folder which `python -m gpu_batch.engines` filled."""
SHAPES_NAME = "shapes.json"
"""In a model's folder of engines: the [input_h, input_w] that it has them for."""

_CLASS_BY_PROVIDER: dict[str, ProviderClass] = {CPU: "cpu", CUDA: "cuda", TENSORRT: "tensorrt"}
_CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}
"""Full float32, and the same algorithm each time: a GPU's scores must stay close to a CPU's."""


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """What to open a session with."""

    provider_class: ProviderClass
    providers: tuple[tuple[str, dict[str, str]], ...]
    """Names and options as onnxruntime takes them; what the first cannot run falls to the next."""
    reason: str
    """In words for the log."""

    @property
    def is_on_gpu(self) -> bool:
        """Whether the buffers of a session lie in device memory."""
        return self.provider_class != "cpu"


def provider_class_of(text: str) -> ProviderClass:
    """The class that an order names.

    Raises:
        BadOrder: INTERNAL: no class of this release.
    """
    for provider_class in _CLASS_BY_PROVIDER.values():
        if provider_class == text:
            return provider_class
    raise BadOrder(f"provider_class must be cpu, cuda or tensorrt but got {text!r}", code=ErrorCode.INTERNAL)


def choose_providers(
    wanted: ProviderClass | None,
    available: Collection[str],
    *,
    engines: Path | None = None,
    input_hw: tuple[int, int] = (0, 0),
) -> ProviderChoice:
    """The providers for the class that an order pins (None: the best that needs no engines), or for the next lower one.

    `available` is what onnxruntime was built with. `engines` is the model's folder of engines, which must have one for
    `input_hw`, the pixels of the model's input: engines are never built for a job, since that takes minutes.
    """
    if wanted == "cpu":
        return _cpu("the order asks for it")
    missed = ""
    if wanted == "tensorrt":
        lack = _lack_of_tensorrt(available, engines, input_hw)
        if lack is None and engines is not None:
            return choose_tensorrt(engines, "there is an engine for it")
        missed = f"no TensorRT: {lack}; "
    if CUDA in available:
        return ProviderChoice("cuda", ((CUDA, cuda_options()), (CPU, {})), f"{missed}CUDA is there")
    return _cpu(f"{missed}onnxruntime has no CUDA provider")


def choose_tensorrt(engines: Path, reason: str) -> ProviderChoice:
    """TensorRT with the engines of a folder, which it adds to when it is asked for a shape that is not there."""
    providers: tuple[tuple[str, dict[str, str]], ...] = (
        (TENSORRT, tensorrt_options(engines)),
        (CUDA, cuda_options()),
        (CPU, {}),
    )
    return ProviderChoice("tensorrt", providers, reason)


def read_shapes(engines: Path) -> list[tuple[int, int]]:
    """(input_h, input_w) of the engines in a model's folder; none when there is no folder."""
    path = engines / SHAPES_NAME
    return [(height, width) for height, width in json.loads(path.read_text())] if path.is_file() else []


def note_shape(engines: Path, input_hw: tuple[int, int]) -> None:
    """Say that a model's folder has the engine for an input of this size."""
    shapes = sorted({*read_shapes(engines), input_hw})
    (engines / SHAPES_NAME).write_text(json.dumps(shapes))


def class_that_started(choice: ProviderChoice, started: Collection[str]) -> tuple[ProviderClass, str]:
    """What a session really runs on, and why; `started` is what it says of itself, best first.

    A provider that onnxruntime was built with does not start without its driver: that shows only in the session.
    """
    provider_class = _CLASS_BY_PROVIDER.get(next(iter(started), CPU), "cpu")
    if provider_class == choice.provider_class:
        return provider_class, choice.reason
    return provider_class, f"{choice.provider_class} is installed but did not start"


def cuda_options() -> dict[str, str]:
    """Options of the CUDA provider, with a stream of our own where there is a CUDA runtime."""
    stream = create_stream()
    return _CUDA_OPTIONS | ({"user_compute_stream": str(stream)} if stream is not None else {})


def providers_in_order(
    device: Device, make_stream: Callable[[], int | None] = create_stream
) -> list[tuple[str, dict[str, str]]] | None:
    """The providers for a graph that reads what another library wrote to a device; None: it might come too early.

    What libav does on a GPU is on the default stream; only a stream of ours is known to wait for that.
    """
    if device == "cpu":
        return [(CPU, {})]
    stream = make_stream()
    return None if stream is None else [(CUDA, _CUDA_OPTIONS | {"user_compute_stream": str(stream)}), (CPU, {})]


def tensorrt_options(folder: Path) -> dict[str, str]:
    """Options of the TensorRT provider for the engines of one model."""
    # 16-bit floats would move scores by more than the classes may differ.
    return {
        "trt_fp16_enable": "0",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
    }


def _cpu(reason: str) -> ProviderChoice:
    return ProviderChoice("cpu", ((CPU, {}),), reason)


def _lack_of_tensorrt(available: Collection[str], engines: Path | None, input_hw: tuple[int, int]) -> str | None:
    if TENSORRT not in available:
        return "onnxruntime has no such provider"
    if engines is None:
        return "no folder of engines is named"
    if input_hw not in read_shapes(engines):
        return f"there is no engine for this model at {input_hw[1]} x {input_hw[0]}"
    return None
