"""Which of onnxruntime's providers runs a model, and why.

An order pins the class, so that all workers of a job give results of one key. A worker that cannot serve it takes the
next lower class, says so, and its results get the key of what really ran.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

from chalicelib.domain.errors import ErrorCode
from gpu_batch.errors import BadOrder
from gpu_batch.models.cuda_stream import create_stream
from gpu_batch.models.engines import NO_FOLDER, EnginePlace
from gpu_batch.models.planes import Device

ProviderClass: TypeAlias = Literal["cpu", "cuda", "tensorrt"]
"""Part of the key of stored results: the classes agree within a tolerance, not to the byte."""

GPU_BATCH = 8
"""Frames that a GPU runs at once: enough to fill a small one, and a quarter of a second of video."""
CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"

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
    wanted: ProviderClass | None, available: Collection[str], *, engine: EnginePlace | str = NO_FOLDER
) -> ProviderChoice:
    """The providers for the class that an order pins (None: the best that needs no engine), or for the next lower one.

    `available` is what onnxruntime was built with. `engine` is what `find_engine` found: engines are never built for a
    job, since that takes minutes.
    """
    if wanted == "cpu":
        return _cpu("the order asks for it")
    missed = ""
    if wanted == "tensorrt":
        if TENSORRT in available and isinstance(engine, EnginePlace):
            return choose_tensorrt(engine, "there is an engine for it")
        lack = engine if TENSORRT in available else "onnxruntime has no such provider"
        missed = f"no TensorRT: {lack}; "
    if CUDA in available:
        return ProviderChoice("cuda", ((CUDA, cuda_options()), (CPU, {})), f"{missed}CUDA is there")
    return _cpu(f"{missed}onnxruntime has no CUDA provider")


def choose_tensorrt(engine: EnginePlace, reason: str) -> ProviderChoice:
    """TensorRT with the engine of a place, where it builds one when none is there."""
    providers: tuple[tuple[str, dict[str, str]], ...] = (
        (TENSORRT, tensorrt_options(engine)),
        (CUDA, cuda_options()),
        (CPU, {}),
    )
    return ProviderChoice("tensorrt", providers, reason)


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


def tensorrt_options(engine: EnginePlace) -> dict[str, str]:
    """Options of the TensorRT provider for one engine."""
    # 16-bit floats would move scores by more than the classes may differ.
    return {
        "trt_fp16_enable": "0",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(engine.folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(engine.timing_folder),
    }


def _cpu(reason: str) -> ProviderChoice:
    return ProviderChoice("cpu", ((CPU, {}),), reason)
