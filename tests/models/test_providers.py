"""Which provider a model gets, and the reason that the log states."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from gpu_batch.engines import CANNOT_BUILD
from gpu_batch.engines import main as build
from gpu_batch.errors import BadOrder
from gpu_batch.models.cuda_stream import create_stream
from gpu_batch.models.loader import Model, load
from gpu_batch.models.providers import (
    CPU,
    CUDA,
    TENSORRT,
    choose_providers,
    class_that_started,
    cuda_options,
    note_shape,
    provider_class_of,
)
from tests.models.makers import a_detector, a_manifest
from tests.models.paths import DEFAULT_MODELS

SHAPE = (256, 416)
ALL = [TENSORRT, CUDA, CPU]


def engines_in(folder: Path) -> Path:
    note_shape(folder, (416, 416))
    note_shape(folder, SHAPE)
    return folder


def test_cuda_is_taken_where_it_is() -> None:
    choice = choose_providers(None, ALL)
    assert (choice.provider_class, choice.providers[0][0], choice.reason) == ("cuda", CUDA, "CUDA is there")


def test_a_job_for_the_cpu_runs_there_though_cuda_is_there() -> None:
    choice = choose_providers("cpu", ALL)
    assert (choice.provider_class, [name for name, _ in choice.providers]) == ("cpu", [CPU])


def test_a_job_for_cuda_falls_to_the_cpu_and_says_why() -> None:
    choice = choose_providers("cuda", [CPU])
    assert (choice.provider_class, choice.reason) == ("cpu", "onnxruntime has no CUDA provider")


def test_tensorrt_is_taken_when_it_is_asked_for_and_has_engines(tmp_path: Path) -> None:
    choice = choose_providers("tensorrt", ALL, engines=engines_in(tmp_path), input_hw=SHAPE)
    assert (choice.provider_class, [name for name, _ in choice.providers]) == ("tensorrt", ALL)
    assert choice.providers[0][1]["trt_engine_cache_path"] == str(tmp_path)


def test_tensorrt_is_not_taken_unasked(tmp_path: Path) -> None:
    assert choose_providers(None, ALL, engines=engines_in(tmp_path), input_hw=SHAPE).provider_class == "cuda"


@pytest.mark.parametrize(
    ("available", "has_engines", "input_hw", "reason"),
    [
        ([CUDA, CPU], True, SHAPE, "no such provider"),
        (ALL, False, SHAPE, "no folder of engines"),
        (ALL, True, (288, 416), "no engine for this model at 416 x 288"),
    ],
    ids=["not built in", "no folder", "another shape"],
)
def test_without_engines_nothing_is_built_at_the_start_of_a_job(
    available: list[str], has_engines: bool, input_hw: tuple[int, int], reason: str, tmp_path: Path
) -> None:
    engines = engines_in(tmp_path) if has_engines else None
    choice = choose_providers("tensorrt", available, engines=engines, input_hw=input_hw)
    assert choice.provider_class == "cuda"
    assert reason in choice.reason


def test_results_get_the_class_of_what_really_started() -> None:
    choice = choose_providers("cuda", ALL)
    assert class_that_started(choice, [CPU]) == ("cpu", "cuda is installed but did not start")
    assert class_that_started(choice, [CUDA, CPU]) == ("cuda", "CUDA is there")


def test_floats_are_full_on_cuda() -> None:
    assert cuda_options()["use_tf32"] == "0"


def test_a_model_states_its_class_and_batch() -> None:
    content = a_detector().SerializeToString()
    model: Model = load(a_manifest(content), content, provider_class="cpu")
    assert (model.provider_class, model.provider_reason, model.batch_size) == ("cpu", "the order asks for it", 1)


def test_a_class_of_another_release_is_refused() -> None:
    with pytest.raises(BadOrder, match="cpu, cuda or tensorrt but got 'npu'"):
        provider_class_of("npu")


def test_engines_are_not_promised_where_there_is_no_tensorrt(tmp_path: Path) -> None:
    folder = tmp_path / "engines"
    sizes = ["1920x1080", "640x272"]
    assert build([str(folder), str(DEFAULT_MODELS / "ssdlite-mobilenet-v2"), *sizes], [CUDA, CPU]) == CANNOT_BUILD
    assert not folder.exists()


class FakeRuntime:
    """CUDA's runtime, as far as it makes streams."""

    def __init__(self, status: int) -> None:
        self._status = status

    def cudaStreamCreate(self, stream: Any) -> int:  # noqa: N802
        ctypes.cast(stream, ctypes.POINTER(ctypes.c_void_p))[0] = 0xBEEF
        return self._status


def test_a_stream_is_an_address() -> None:
    assert create_stream(lambda _: FakeRuntime(0)) == 0xBEEF


def test_without_a_device_there_is_no_stream() -> None:
    assert create_stream(lambda _: FakeRuntime(100)) is None


def test_without_a_runtime_there_is_no_stream() -> None:
    def refuse(name: str) -> Any:
        raise OSError(name)

    assert create_stream(refuse) is None
