"""Table `results` in DynamoDB, as the service reads and drops it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from chalicelib.adapters.table import Table
from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import BlockRef
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.tracks import TrackRow, unpack_tracks
from chalicelib.domain.ids import JobId, TenantId, VideoId


class DynamoResultStore:
    """The port `ResultStore`."""

    def __init__(self, results: Table) -> None:
        self._results = results

    def list_index(self, tenant: TenantId, job_id: JobId, first_segment: int, limit: int) -> Sequence[IndexEntry]:
        pk = table_keys.partition(tenant, job_id)
        items = self._results.query(pk, "INDEX#", from_=table_keys.index_entry(first_segment), limit=limit)
        return [IndexEntry.from_item(item) for item in items]

    def get_blocks(self, tenant: TenantId, content_digest: str, refs: Sequence[BlockRef]) -> Mapping[str, bytes]:
        pk = table_keys.partition(tenant, content_digest)
        bodies = self._bodies(pk, [ref.sk for ref in refs])
        # The cheap read may be a moment behind the commit that named a block.
        for ref in refs:
            if ref.sk not in bodies and (item := self._results.get(pk, ref.sk)):
                bodies[ref.sk] = item["body"]
        return bodies

    def get_track_ids(self, tenant: TenantId, job_id: JobId, sort_keys: Sequence[str]) -> Mapping[str, bytes]:
        return self._bodies(table_keys.partition(tenant, job_id), sort_keys)

    def list_tracks(
        self, tenant: TenantId, job_id: JobId, first_chunk: int, limit: int
    ) -> Sequence[Sequence[TrackRow]]:
        pk = table_keys.partition(tenant, job_id)
        items = self._results.query(pk, "TRACKS#", from_=table_keys.track_chunk(first_chunk), limit=limit)
        return [unpack_tracks(item["body"]) for item in items]

    def get_bases(self, tenant: TenantId, job_id: JobId) -> Sequence[int | None] | None:
        item = self._results.get(table_keys.partition(tenant, job_id), table_keys.BASES)
        return list(json.loads(item["body"])) if item else None

    def add_reference(self, tenant: TenantId, content_digest: str, video_id: VideoId) -> None:
        pk = table_keys.partition(tenant, content_digest)
        self._results.put({"pk": pk, "sk": table_keys.content_reference(video_id), "kind": "REF"})

    def drop_job(self, tenant: TenantId, job_id: JobId) -> None:
        self._drop_partition(table_keys.partition(tenant, job_id))

    def drop_reference(self, tenant: TenantId, content_digest: str, video_id: VideoId) -> None:
        pk = table_keys.partition(tenant, content_digest)
        self._results.delete(pk, table_keys.content_reference(video_id))
        if self._results.count(pk, "REF#", at_most=1) == 0:
            self._drop_partition(pk)

    def _bodies(self, pk: str, sort_keys: Sequence[str]) -> dict[str, bytes]:
        items = self._results.get_many([(pk, sk) for sk in sort_keys])
        return {item["sk"]: item["body"] for item in items}

    def _drop_partition(self, pk: str) -> None:
        self._results.write_many(deletes=[(pk, item["sk"]) for item in self._results.query(pk)])
