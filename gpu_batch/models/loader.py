"""Opens a model: digest, safety, session, warm-up.

One session is shared by all threads of a worker: each `run` uses the thread that calls it. A second thread inside a
session costs more than it brings, and onnxruntime's idle threads spin.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from chalicelib.domain.models import Manifest, input_size, manifest_from_json
from gpu_batch.errors import BadOrder
from gpu_batch.models.onnx_safety import check_onnx

ProviderClass: TypeAlias = Literal["cpu", "cuda"]
"""Part of the key of stored results: the classes agree within a tolerance, not to the byte."""

Frames: TypeAlias = npt.NDArray[np.uint8]
Outputs: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int64]]
"""boxes float32 (N, K, 4) xyxy in input pixels; scores float32 (N, K), descending; labels int64 (N, K)."""

_OUTPUT_NAMES = ["boxes", "scores", "labels"]
_CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}
"""Full float32, and the same algorithm each time: a GPU's scores must stay close to a CPU's."""
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
_CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"


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

    @property
    def digest(self) -> str:
        """SHA-256 of the ONNX file, in hex: part of the key of stored results."""
        return self.manifest.sha256

    def run(self, frames: Frames) -> Outputs:
        """Detections of `frames`, uint8 (N, H, W, 3) RGB at the size that `input_size` gives."""
        boxes, scores, labels = self._session.run(_OUTPUT_NAMES, {"frames": frames})
        return boxes, scores, labels


def load(manifest: Manifest, model_bytes: bytes) -> Model:
    """Open a model and run it once.

    Raises:
        BadOrder: MODEL_INVALID: other bytes than the manifest names, external data, custom operators, a graph that
        onnxruntime
            refuses, or one that is not in canonical form.
    """
    digest = hashlib.sha256(model_bytes).hexdigest()
    if digest != manifest.sha256:
        raise BadOrder(f"model {manifest.name} must have SHA-256 {manifest.sha256} but its bytes have {digest}")
    check_onnx(model_bytes)
    providers, reason = _choose_providers()
    try:
        session = onnxruntime.InferenceSession(model_bytes, _session_options(), providers=providers)
    except _ORT_ERRORS as error:
        raise BadOrder(f"onnxruntime does not open model {manifest.name}: {error}") from error
    provider_class: ProviderClass = "cuda" if session.get_providers()[0] == _CUDA else "cpu"
    if provider_class == "cpu" and providers[0] != _CPU:
        reason = "CUDA is installed but did not start"
    model = Model(manifest, provider_class, reason, session)
    _warm_up(model)
    return model


def load_folder(folder: Path) -> Model:
    """Open the model of a folder that holds `manifest.json` and `model.onnx`, as `gpu_batch/default_models/` does."""
    manifest = manifest_from_json(json.loads((folder / "manifest.json").read_text()))
    return load(manifest, (folder / "model.onnx").read_bytes())


def _choose_providers() -> tuple[list[Any], str]:
    if _CUDA in onnxruntime.get_available_providers():
        return [(_CUDA, _CUDA_OPTIONS), _CPU], "CUDA is there"
    return [_CPU], "onnxruntime has no CUDA provider"


def _session_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _warm_up(model: Model) -> None:
    """Run one black frame, so that the first real one is not slow, and see that the outputs are canonical."""
    manifest = model.manifest
    size = input_size(manifest, 1920, 1080)
    frames = np.zeros((1, size.input_h, size.input_w, 3), np.uint8)
    try:
        outputs = model.run(frames)
    except _ORT_ERRORS as error:
        raise BadOrder(f"model {manifest.name} does not run on a frame of {frames.shape}: {error}") from error
    found = [(output.dtype.name, output.shape) for output in outputs]
    k = manifest.max_detections
    expected = [("float32", (1, k, 4)), ("float32", (1, k)), ("int64", (1, k))]
    if found != expected:
        raise BadOrder(f"model {manifest.name} must give {expected} for boxes, scores and labels but gave {found}")
