"""MODEL items in DynamoDB."""

from __future__ import annotations

import json
from collections.abc import Sequence

from chalicelib.adapters.table import Table
from chalicelib.contracts import table_keys
from chalicelib.domain.models import Manifest, manifest_from_json


class DynamoModelRegistry:
    """The port `ModelRegistry`."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    def get(self, name: str) -> Manifest | None:
        item = self._meta.get(table_keys.PUBLIC_MODELS, table_keys.model(name))
        return manifest_from_json(json.loads(item["manifest"])) if item else None

    def list(self) -> Sequence[Manifest]:
        items = self._meta.query(table_keys.PUBLIC_MODELS, table_keys.model(""))
        return [manifest_from_json(json.loads(item["manifest"])) for item in items]

    def put(self, manifest: Manifest) -> None:
        """Register a model, or a new version of it, under its name; its file must be in the bucket already."""
        item = {
            "pk": table_keys.PUBLIC_MODELS,
            "sk": table_keys.model(manifest.name),
            "kind": "MODEL",
            "manifest": json.dumps(manifest.to_json(), separators=(",", ":")),
        }
        self._meta.put(item)
