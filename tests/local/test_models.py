"""Models of one's own beside those that ship with the project."""

from __future__ import annotations

from pathlib import Path

from chalicelib.adapters import clients
from chalicelib.adapters.model_registry import DynamoModelRegistry
from chalicelib.adapters.table import Table
from chalicelib.contracts.object_keys import model_key
from gpu_batch.compiler.model_folder import write_model_folder
from infra.local import bootstrap
from tests.local.toys import ToyApp, running
from tests.models.makers import a_detector, a_manifest


def test_the_models_of_a_folder_are_registered_beside_the_default_ones(tmp_path: Path) -> None:
    detector = a_detector()
    manifest = a_manifest(detector.SerializeToString(deterministic=True), name="mine")
    write_model_folder(tmp_path / "mine", manifest, detector)
    with running(ToyApp(), models=tmp_path, register_models=bootstrap.register_start_models) as stack:
        registry = DynamoModelRegistry(Table(clients.dynamodb(), stack.environment["REELSCAN_META_TABLE"]))
        assert [model.name for model in registry.list()] == ["mine", "nanodet-g", "ssdlite-mobilenet-v2"]
        bucket = stack.environment["REELSCAN_BUCKET"]
        stored = clients.s3().get_object(Bucket=bucket, Key=model_key(manifest.sha256))["Body"].read()
    assert stored == detector.SerializeToString(deterministic=True)
