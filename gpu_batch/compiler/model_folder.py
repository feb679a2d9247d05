"""The folder of a model: `model.onnx` and `manifest.json`, as `gpu_batch/default_models` has them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import onnx

from chalicelib.domain.models import Manifest


def digest_of(model: onnx.ModelProto) -> str:
    """SHA-256, in hex, of the bytes that `write_model_folder` writes."""
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


def write_model_folder(folder: Path, manifest: Manifest, model: onnx.ModelProto) -> None:
    """Write both files, making the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    (folder / "manifest.json").write_text(json.dumps(manifest.to_json(), indent=2) + "\n")
