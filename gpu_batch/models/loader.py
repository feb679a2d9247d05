"""Opens a model: digest, safety, session, warm-up.

One session is shared by all threads of a worker: each `run` uses the thread that calls it. A second thread inside a
session costs more than it brings, and onnxruntime's idle threads spin.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from chalicelib.domain.models import TASKS_OF_JOBS, Manifest, input_size, manifest_from_json
from gpu_batch.errors import BadOrder
from gpu_batch.models.bound import BoundSession
from gpu_batch.models.by_shape import SessionByShape
from gpu_batch.models.engines import EnginePlace, find_engine, find_platform
from gpu_batch.models.inputs import ModelInput, Pixels
from gpu_batch.models.onnx_safety import check_onnx
from gpu_batch.models.outputs import output_forms
from gpu_batch.models.planes import Device
from gpu_batch.models.providers import (
    GPU_BATCH,
    ProviderChoice,
    ProviderClass,
    choose_providers,
    choose_tensorrt,
    class_that_started,
    providers_in_order,
)
from gpu_batch.models.resize import Resizer

_ORT_ERRORS = (
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
    # Raised before onnxruntime's own code is reached: an input or output that the graph does not have.
    ValueError,
)
"""What a bad model makes onnxruntime raise: a class per status, with no base in common."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is ready to run; safe to share between threads."""

    manifest: Manifest
    provider_class: ProviderClass
    provider_reason: str
    """Why this provider, in words for the log."""
    _session: Any
    batch_size: int = 1
    """Frames that `run` takes at once, at most. A CPU gains nothing from more than one (docs/gpu.md)."""
    in_place_on: Device | None = None
    """Where `run` takes frames as they lie; None: it takes nothing but pixels."""

    @property
    def digest(self) -> str:
        """SHA-256 of the ONNX file, in hex: part of the key of stored results."""
        return self.manifest.sha256

    def run(self, inputs: Pixels | Sequence[ModelInput]) -> list[npt.NDArray[Any]]:
        """What `output_forms` names, for N inputs of one size, that of `input_size`; `prepare_input` makes them.

        Of a detector boxes float32 (N, K, 4) xyxy in input pixels, scores float32 (N, K), descending, and labels int64
        (N, K); of a classifier scores float32 (N, C).
        """
        names = [output.name for output in output_forms(self.manifest)]
        if isinstance(self._session, BoundSession | SessionByShape):
            return self._session.run(names, inputs)
        outputs: list[npt.NDArray[Any]] = self._session.run(names, {"frames": _stack(inputs)})
        return outputs


def load(
    manifest: Manifest,
    model_bytes: bytes,
    *,
    provider_class: ProviderClass | None = None,
    engines: Path | None = None,
    shown: tuple[int, int] = (1920, 1080),
) -> Model:
    """Open a model and run it once, at the size that it takes a video at whose frames are shown at `shown` pixels.

    `provider_class` is the class that an order pins, and `engines` the folder that TensorRT's lie in.

    Raises:
        BadOrder: MODEL_INVALID: other bytes than the manifest names, external data, custom operators, a graph that
            onnxruntime refuses, or one that is not in canonical form.
    """
    _check_bytes(manifest, model_bytes)
    model = _open(manifest, model_bytes, _choose(manifest, provider_class, engines, shown))
    if model.provider_class == "tensorrt":
        size = input_size(manifest, *shown)
        model = _keep_to_engine(model, (size.input_h, size.input_w), model_bytes)
    _warm_up(model, shown)
    return model


def expected_class(
    manifest: Manifest, *, provider_class: ProviderClass | None, engines: Path | None, shown: tuple[int, int]
) -> ProviderClass:
    """The class that `load` comes to, unless a provider that is installed does not start."""
    return _choose(manifest, provider_class, engines, shown).provider_class


def build_engine(manifest: Manifest, model_bytes: bytes, place: EnginePlace, shown: tuple[int, int]) -> str | None:
    """Open a model on TensorRT and run it once at the size for such a video, which leaves its engine at `place`.

    Takes minutes. None when all went well, else why there is no engine.

    Raises:
        BadOrder: as `load`.
    """
    _check_bytes(manifest, model_bytes)
    place.make_folders()
    model = _open(manifest, model_bytes, choose_tensorrt(place, "an engine is built"))
    if model.provider_class != "tensorrt":
        return model.provider_reason
    _warm_up(model, shown)
    return None if place.complete() else "TensorRT took no part of the model"


def load_in_batches(manifest: Manifest, model_bytes: bytes, batch_size: int) -> Model:
    """A model on the CPU that runs as on a GPU: in batches of one shape, between buffers that stay."""
    _check_bytes(manifest, model_bytes)
    return _open(manifest, model_bytes, choose_providers("cpu", ()), batch_size=batch_size)


def load_folder(folder: Path) -> Model:
    """Open the model of a folder that holds `manifest.json` and `model.onnx`, as `gpu_batch/default_models/` does."""
    manifest = manifest_from_json(json.loads((folder / "manifest.json").read_text()))
    return load(manifest, (folder / "model.onnx").read_bytes())


def _choose(
    manifest: Manifest, provider_class: ProviderClass | None, engines: Path | None, shown: tuple[int, int]
) -> ProviderChoice:
    size = input_size(manifest, *shown)
    return choose_providers(
        provider_class,
        onnxruntime.get_available_providers(),
        engine=find_engine(engines, manifest.sha256, find_platform(GPU_BATCH), (size.input_h, size.input_w)),
    )


def _check_bytes(manifest: Manifest, model_bytes: bytes) -> None:
    digest = hashlib.sha256(model_bytes).hexdigest()
    if digest != manifest.sha256:
        raise BadOrder(f"model {manifest.name} must have SHA-256 {manifest.sha256} but its bytes have {digest}")
    check_onnx(model_bytes)


def _open(manifest: Manifest, model_bytes: bytes, choice: ProviderChoice, *, batch_size: int | None = None) -> Model:
    """A session for the model; in batches when it is on a GPU, or when `batch_size` says so."""
    if manifest.task not in TASKS_OF_JOBS:
        raise BadOrder(f"model {manifest.name} is for {manifest.task}, which a worker cannot run in a job")
    try:
        session = onnxruntime.InferenceSession(model_bytes, _session_options(), providers=list(choice.providers))
    except _ORT_ERRORS as error:
        raise BadOrder(f"onnxruntime does not open model {manifest.name}: {error}") from error
    started, reason = class_that_started(choice, session.get_providers())
    if started == "cpu" and batch_size is None:
        return Model(manifest, started, reason, session)
    fitting = _fitting_batch(session, batch_size or GPU_BATCH)
    device: Device = "cpu" if started == "cpu" else "cuda"
    providers = providers_in_order(device)
    resizer = Resizer(device, providers) if providers else None
    bound = BoundSession(session, resizer, device=device, batch_size=fitting, outputs=output_forms(manifest))
    reason = f"{reason}; batches of {fitting}" + ("" if resizer else "; no stream of CUDA, so frames go over the host")
    return Model(manifest, started, reason, bound, fitting, device if resizer else None)


def _keep_to_engine(model: Model, built_hw: tuple[int, int], model_bytes: bytes) -> Model:
    """The model with CUDA beside TensorRT, for inputs that there is no engine for."""

    def open_other() -> BoundSession:
        choice = choose_providers("cuda", onnxruntime.get_available_providers())
        opened: BoundSession = _open(model.manifest, model_bytes, choice, batch_size=model.batch_size)._session
        return opened

    return replace(model, _session=SessionByShape(built_hw, model._session, open_other))


def _stack(inputs: Pixels | Sequence[ModelInput]) -> Pixels:
    """One array of N inputs; without a copy when it is one."""
    if isinstance(inputs, np.ndarray):
        return inputs
    pixels = [one for one in inputs if isinstance(one, np.ndarray)]
    if len(pixels) < len(inputs):
        raise ValueError("a session on the CPU takes pixels only")
    return pixels[0][np.newaxis] if len(pixels) == 1 else np.stack(pixels)


def _fitting_batch(session: Any, wanted: int) -> int:
    """What the graph takes: the batch that is wanted, or the one size that it is fixed at."""
    size = session.get_inputs()[0].shape[0]
    return size if isinstance(size, int) and size > 0 else wanted


def _session_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _warm_up(model: Model, shown: tuple[int, int]) -> None:
    """Run one black frame, so that the first real one is not slow, and see that the outputs are canonical."""
    manifest = model.manifest
    size = input_size(manifest, *shown)
    frames = np.zeros((1, size.input_h, size.input_w, 3), np.uint8)
    try:
        outputs = model.run(frames)
    except _ORT_ERRORS as error:
        raise BadOrder(f"model {manifest.name} does not run on a frame of {frames.shape}: {error}") from error
    found = [(output.dtype.name, output.shape) for output in outputs]
    forms = output_forms(manifest)
    expected = [(np.dtype(form.dtype).name, (1, *form.shape)) for form in forms]
    if found != expected:
        names = ", ".join(form.name for form in forms)
        raise BadOrder(f"model {manifest.name} must give {expected} for {names} but gave {found}")
