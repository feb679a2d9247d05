"""Which provider a model gets, and the reason that the log states."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from gpu_batch.engines import CANNOT_BUILD
from gpu_batch.engines import main as build
from gpu_batch.errors import BadOrder
from gpu_batch.models.cuda_stream import create_stream
from gpu_batch.models.engines import EnginePlace, engine_place, find_engine, find_platform
from gpu_batch.models.loader import Model, load
from gpu_batch.models.providers import (
    CPU,
    CUDA,
    TENSORRT,
    choose_providers,
    class_that_started,
    cuda_options,
    provider_class_of,
    tensorrt_options,
)
from tests.models.makers import a_detector, a_manifest
from tests.models.paths import DEFAULT_MODELS

MODEL = "0" * 64
L4, T4 = "sm89-tensorrt101601-onnxruntime1-batch8", "sm75-tensorrt101601-onnxruntime1-batch8"
SHAPE = (256, 416)
ALL = [TENSORRT, CUDA, CPU]


def an_engine(engines: Path, input_hw: tuple[int, int] = SHAPE, platform: str = L4) -> EnginePlace:
    place = engine_place(engines, MODEL, platform, input_hw)
    place.make_folders()
    (place.folder / "part_sm89.engine").touch()
    assert place.complete()
    return place


def test_cuda_is_taken_where_it_is() -> None:
    choice = choose_providers(None, ALL)
    assert (choice.provider_class, choice.providers[0][0], choice.reason) == ("cuda", CUDA, "CUDA is there")


def test_a_job_for_the_cpu_runs_there_though_cuda_is_there() -> None:
    choice = choose_providers("cpu", ALL)
    assert (choice.provider_class, [name for name, _ in choice.providers]) == ("cpu", [CPU])


def test_a_job_for_cuda_falls_to_the_cpu_and_says_why() -> None:
    choice = choose_providers("cuda", [CPU])
    assert (choice.provider_class, choice.reason) == ("cpu", "onnxruntime has no CUDA provider")


def test_tensorrt_is_taken_when_it_is_asked_for_and_has_an_engine(tmp_path: Path) -> None:
    place = an_engine(tmp_path)
    choice = choose_providers("tensorrt", ALL, engine=find_engine(tmp_path, MODEL, L4, SHAPE))
    assert (choice.provider_class, [name for name, _ in choice.providers]) == ("tensorrt", ALL)
    assert choice.providers[0][1]["trt_engine_cache_path"] == str(place.folder)


def test_engines_of_one_platform_share_what_was_measured(tmp_path: Path) -> None:
    places = [engine_place(tmp_path, model, L4, SHAPE) for model in ("one", "two")]
    caches = [tensorrt_options(place)["trt_timing_cache_path"] for place in places]
    assert caches == [str(tmp_path / "timing" / L4)] * 2


def test_tensorrt_is_not_taken_unasked(tmp_path: Path) -> None:
    assert choose_providers(None, ALL, engine=an_engine(tmp_path)).provider_class == "cuda"


@pytest.mark.parametrize(
    ("available", "has_folder", "platform", "input_hw", "reason"),
    [
        ([CUDA, CPU], True, L4, SHAPE, "no such provider"),
        (ALL, False, L4, SHAPE, "no folder of engines"),
        (ALL, True, None, SHAPE, "neither TensorRT nor a GPU"),
        (ALL, True, L4, (288, 416), f"no engine for this model at 416 x 288 on {L4}"),
        (ALL, True, T4, SHAPE, f"no engine for this model at 416 x 256 on {T4}"),
    ],
    ids=["not built in", "no folder", "no GPU", "another shape", "another GPU"],
)
def test_without_an_engine_nothing_is_built_at_the_start_of_a_job(
    available: list[str],
    has_folder: bool,
    platform: str | None,
    input_hw: tuple[int, int],
    reason: str,
    tmp_path: Path,
) -> None:
    an_engine(tmp_path)
    engine = find_engine(tmp_path if has_folder else None, MODEL, platform, input_hw)
    choice = choose_providers("tensorrt", available, engine=engine)
    assert choice.provider_class == "cuda"
    assert reason in choice.reason


def test_an_engine_counts_only_when_its_build_ended(tmp_path: Path) -> None:
    place = engine_place(tmp_path, MODEL, L4, SHAPE)
    place.make_folders()
    assert not place.complete()
    (place.folder / "part_sm89.engine").touch()
    assert isinstance(find_engine(tmp_path, MODEL, L4, SHAPE), str)
    assert place.complete()
    assert find_engine(tmp_path, MODEL, L4, SHAPE) == place


class FakeLibraries:
    """CUDA's runtime and TensorRT, as far as they say what they are."""

    def __init__(self, *, status: int = 0) -> None:
        self._status = status

    def cudaDeviceGetAttribute(self, value: Any, attribute: int, device: int) -> int:  # noqa: N802
        assert device == 0
        ctypes.cast(value, ctypes.POINTER(ctypes.c_int))[0] = {75: 8, 76: 9}[attribute]
        return self._status

    def getInferLibVersion(self) -> int:  # noqa: N802
        return 101601


def test_a_platform_names_all_that_an_engine_is_made_for() -> None:
    assert (
        find_platform(8, lambda _: FakeLibraries())
        == f"sm89-tensorrt101601-onnxruntime{onnxruntime.__version__}-batch8"
    )


def test_without_a_gpu_there_is_no_platform() -> None:
    assert find_platform(8, lambda _: FakeLibraries(status=100)) is None


def test_without_tensorrt_there_is_no_platform() -> None:
    def load(name: str) -> Any:
        if "nvinfer" in name:
            raise OSError(name)
        return FakeLibraries()

    assert find_platform(8, load) is None


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


@pytest.mark.parametrize(("available", "platform"), [([CUDA, CPU], L4), (ALL, None)], ids=["no provider", "no GPU"])
def test_engines_are_not_promised_where_there_is_no_tensorrt(
    available: list[str], platform: str | None, tmp_path: Path
) -> None:
    folder = tmp_path / "engines"
    arguments = [str(folder), str(DEFAULT_MODELS / "ssdlite-mobilenet-v2"), "1920x1080", "640x272"]
    assert build(arguments, available, platform) == CANNOT_BUILD
    assert not folder.exists()


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_an_engine_is_not_promised_where_tensorrt_does_not_start(tmp_path: Path) -> None:
    arguments = [str(tmp_path), str(DEFAULT_MODELS / "ssdlite-mobilenet-v2"), "640x272"]
    assert build(arguments, ALL, L4) == CANNOT_BUILD
    assert not list(tmp_path.rglob("complete"))


def test_an_engine_that_is_there_is_not_built_again(tmp_path: Path) -> None:
    folder = DEFAULT_MODELS / "ssdlite-mobilenet-v2"
    sha256 = json.loads((folder / "manifest.json").read_text())["sha256"]
    place = engine_place(tmp_path, sha256, L4, (300, 300))
    place.make_folders()
    (place.folder / "part_sm89.engine").touch()
    place.complete()
    assert build([str(tmp_path), str(folder), "640x272"], ALL, L4) == 0


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
