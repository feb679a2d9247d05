"""Where TensorRT engines lie, and for whom each is good.

    FOLDER/<SHA-256 of the model>/<platform>/<height>x<width>/   the engine of one shape of input, and `complete`
    FOLDER/timing/<platform>/                                    what TensorRT measured; makes the next engine sooner

The platform names all that an engine is made for: the compute capability of the GPU, TensorRT, onnxruntime and the size
of a batch. A folder may hold engines of several platforms: each worker finds its own, and none starts to build one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime

from gpu_batch.models.cuda_stream import CUDA_RUNTIME

ENGINES_NAME = "REELSCAN_ENGINES"
"""The environment variable that names the folder which `python -m gpu_batch.engines` filled."""
NO_FOLDER = "no folder of engines is named"
NVINFER = "libnvinfer.so.10"
"""TensorRT, as onnxruntime-gpu asks for it."""
_COMPLETE_NAME = "complete"
_CAPABILITY_ATTRIBUTES = (75, 76)
"""Major and minor. Source: CUDA Runtime API, cudaDeviceAttr."""


@dataclass(frozen=True, slots=True)
class EnginePlace:
    """Where the engine of one model, shape of input and platform lies, or will."""

    folder: Path
    timing_folder: Path

    @property
    def is_complete(self) -> bool:
        """Whether an engine was built here to its end."""
        return (self.folder / _COMPLETE_NAME).is_file()

    def make_folders(self) -> None:
        """For a build."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.timing_folder.mkdir(parents=True, exist_ok=True)

    def complete(self) -> bool:
        """Say that the build ended; False when it left no engine, and nothing is said."""
        if not any(self.folder.glob("*.engine")):
            return False
        (self.folder / _COMPLETE_NAME).touch()
        return True


def engine_place(engines: Path, model_sha256: str, platform: str, input_hw: tuple[int, int]) -> EnginePlace:
    """The place for an input of (input_h, input_w) pixels."""
    height, width = input_hw
    folder = engines / model_sha256 / platform / f"{height}x{width}"
    return EnginePlace(folder, engines / "timing" / platform)


def find_engine(
    engines: Path | None, model_sha256: str, platform: str | None, input_hw: tuple[int, int]
) -> EnginePlace | str:
    """The place of an engine that is there, else why there is none, in words for the log."""
    if engines is None:
        return NO_FOLDER
    if platform is None:
        return "neither TensorRT nor a GPU was found"
    place = engine_place(engines, model_sha256, platform, input_hw)
    height, width = input_hw
    return place if place.is_complete else f"there is no engine for this model at {width} x {height} on {platform}"


def find_platform(batch_size: int, load: Callable[[str], Any] = ctypes.CDLL) -> str | None:
    """What engines must be made for here; None without a GPU or without TensorRT."""
    try:
        runtime, tensorrt = load(CUDA_RUNTIME), load(NVINFER)
    except OSError:
        return None
    digits = [ctypes.c_int(), ctypes.c_int()]
    for value, attribute in zip(digits, _CAPABILITY_ATTRIBUTES, strict=True):
        if runtime.cudaDeviceGetAttribute(ctypes.byref(value), attribute, 0) != 0:
            return None
    capability = "".join(str(value.value) for value in digits)
    version = tensorrt.getInferLibVersion()
    return f"sm{capability}-tensorrt{version}-onnxruntime{onnxruntime.__version__}-batch{batch_size}"
