"""Registers the models that ship with the project: on AWS at deploy time, on a laptop at every start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.adapters.model_registry import DynamoModelRegistry
from chalicelib.contracts.object_keys import model_key
from chalicelib.domain.models import manifest_from_json

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEFAULT_MODELS = Path(__file__).parent.parent / "gpu_batch" / "default_models"


def register_models(s3: S3Client, bucket: str, registry: DynamoModelRegistry, folder: Path = DEFAULT_MODELS) -> None:
    """Upload every model of `folder` by its digest, then make it known to every tenant by its name and version.

    Safe to repeat. A version with other bytes than before takes the place of the former, which jobs that use it keep.
    """
    registry.adopt_old_items()
    for manifest_path in sorted(folder.glob("*/manifest.json")):
        manifest = manifest_from_json(json.loads(manifest_path.read_text()))
        body = manifest_path.with_name("model.onnx").read_bytes()
        s3.put_object(Bucket=bucket, Key=model_key(manifest.sha256), Body=body)
        registry.put(manifest)
