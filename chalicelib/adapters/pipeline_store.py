"""PIPELINE items in DynamoDB."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.adapters.table import Table
from chalicelib.adapters.video_store import put_version
from chalicelib.contracts import table_keys
from chalicelib.contracts.version_items import pipeline_from_item, pipeline_to_item
from chalicelib.domain.ids import TenantId
from chalicelib.domain.pipelines import Pipeline
from chalicelib.services.ports import VersionConflict


class DynamoPipelineStore:
    """The port `PipelineStore`."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    def add(self, pipeline: Pipeline) -> bool:
        try:
            put_version(self._meta, pipeline_to_item(pipeline), seen=0)
        except VersionConflict:
            return False
        return True

    def get(self, tenant: TenantId, name: str, version: int) -> Pipeline | None:
        item = self._meta.get(table_keys.pipeline_partition(tenant, name), table_keys.pipeline_version(version))
        return pipeline_from_item(item) if item else None

    def get_newest(self, tenant: TenantId, name: str) -> Pipeline | None:
        return next(iter(self.list_versions(tenant, name, None, 1)), None)

    def list_versions(self, tenant: TenantId, name: str, before: int | None, limit: int) -> Sequence[Pipeline]:
        items = self._meta.query(
            table_keys.pipeline_partition(tenant, name),
            table_keys.PIPELINE_PREFIX,
            after=table_keys.pipeline_version(before) if before is not None else None,
            limit=limit,
            backwards=True,
        )
        return [pipeline_from_item(item) for item in items]

    def list(self, tenant: TenantId, after: str | None, limit: int) -> Sequence[Pipeline]:
        condition, values = "list_pk = :pk", {":pk": table_keys.pipeline_list(tenant)}
        if after is not None:
            condition += " AND list_sk > :after"
            values[":after"] = after
        keys = self._meta.query_index(table_keys.LISTS_INDEX, condition, values, limit=limit)
        newest = (self.get_newest(tenant, key["list_sk"]) for key in keys)
        return [pipeline for pipeline in newest if pipeline is not None]
