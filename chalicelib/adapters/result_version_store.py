"""RESULT_VERSION items in DynamoDB, below their video."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.adapters.table import ConditionFailed, Table
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import item_to_wire
from chalicelib.contracts.version_items import result_version_from_item, result_version_to_item
from chalicelib.domain.errors import NotFound
from chalicelib.domain.ids import TenantId, VideoId
from chalicelib.domain.result_versions import ResultVersion
from chalicelib.services.ports import VersionConflict


class DynamoResultVersionStore:
    """The port `ResultVersionStore`."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    def get(self, tenant: TenantId, video_id: VideoId, pipeline_name: str, alias: str) -> ResultVersion | None:
        item = self._meta.get(table_keys.partition(tenant, video_id), table_keys.result_version(pipeline_name, alias))
        return result_version_from_item(item) if item else None

    def save(self, version: ResultVersion) -> ResultVersion:
        saved = replace(version, version=version.version + 1)
        item = result_version_to_item(saved) | {"write_id": uuid.uuid4().hex}
        # Nobody moved it since we read: of two moves each must be in the log, after what it moved from.
        is_unchanged = "version = :seen" if version.version else "attribute_not_exists(pk)"
        # Our own write, whose answer was lost on the way, is no lost race.
        is_ours = "(write_id = :mine AND version = :version)"
        values = {":mine": item["write_id"], ":version": saved.version}
        put = self._meta.put_entry(
            item,
            f"{is_unchanged} OR {is_ours}",
            values | ({":seen": version.version} if version.version else {}),
        )
        # Of what goes with a deleted video an alias would be left behind.
        job_exists = self._check(version.tenant, str(version.job_id), table_keys.JOB, "attribute_exists(pk)")
        video_exists = self._check(version.tenant, version.video_id, table_keys.VIDEO, "attribute_exists(pk)")
        # Whoever deletes the video has dropped its aliases, and looks for no more.
        is_kept = self._check(version.tenant, version.video_id, table_keys.NO_VERSIONS, "attribute_not_exists(pk)")
        try:
            self._meta.transact([put, job_exists, video_exists, is_kept])
        except ConditionFailed as error:
            if lost := self._find_lost(version):
                raise NotFound(lost) from error
            raise VersionConflict(f"{version.alias} of video {version.video_id} was moved by somebody else") from error
        return saved

    def list(
        self, tenant: TenantId, video_id: VideoId, pipeline_name: str | None, after: tuple[str, str] | None, limit: int
    ) -> Sequence[ResultVersion]:
        prefix = table_keys.result_version(pipeline_name, "") if pipeline_name else table_keys.RESULT_VERSION_PREFIX
        items = self._meta.query(
            table_keys.partition(tenant, video_id),
            prefix,
            after=table_keys.result_version(*after) if after else None,
            limit=limit,
        )
        return [result_version_from_item(item) for item in items]

    def drop(self, tenant: TenantId, video_id: VideoId) -> None:
        pk = table_keys.partition(tenant, video_id)
        # First: what is saved after this is refused, what was saved before it is found.
        self._meta.put({"pk": pk, "sk": table_keys.NO_VERSIONS, "kind": "NO_VERSIONS"})
        keys = [(pk, item["sk"]) for item in self._meta.query(pk, table_keys.RESULT_VERSION_PREFIX)]
        self._meta.write_many(deletes=keys)

    def _check(self, tenant: TenantId, name: str, sk: str, condition: str) -> dict[str, Any]:
        key = item_to_wire({"pk": table_keys.partition(tenant, name), "sk": sk})
        return {"ConditionCheck": {"TableName": self._meta.name, "Key": key, "ConditionExpression": condition}}

    def _find_lost(self, version: ResultVersion) -> str:
        """Why the alias can never be saved; empty when nothing is in its way."""
        video_pk = table_keys.partition(version.tenant, version.video_id)
        if self._meta.get(table_keys.partition(version.tenant, str(version.job_id)), table_keys.JOB) is None:
            return f"job {version.job_id} is gone"
        if self._meta.get(video_pk, table_keys.VIDEO) is None or self._meta.get(video_pk, table_keys.NO_VERSIONS):
            return f"video {version.video_id} is being deleted"
        return ""
