"""Table `results` in DynamoDB, as the service reads and drops it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chalicelib.adapters.table import Table
from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import BlockRef
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.summary_tree import Node, unpack_node
from chalicelib.contracts.tracks import TrackRow, unpack_tracks
from chalicelib.domain.errors import NotFound
from chalicelib.domain.ids import JobId, TenantId, VideoId


class DynamoResultStore:
    """The port `ResultStore`."""

    def __init__(self, results: Table) -> None:
        self._results = results

    def list_index(self, tenant: TenantId, job_id: JobId, first_segment: int, limit: int) -> Sequence[IndexEntry]:
        pk = table_keys.partition(tenant, job_id)
        items = self._results.query(pk, "INDEX#", from_=table_keys.index_entry(first_segment), limit=limit)
        return [IndexEntry.from_item(item) for item in items]

    def get_index(self, tenant: TenantId, job_id: JobId, segments: Sequence[int]) -> Mapping[int, IndexEntry]:
        pk = table_keys.partition(tenant, job_id)
        keys = [table_keys.index_entry(segment) for segment in segments]
        items = {item["sk"]: item for item in self._results.get_many([(pk, sk) for sk in keys])}
        # An entry never changes, but the cheap read may be a moment behind the commit that wrote it.
        for sk in keys:
            if sk not in items and (item := self._results.get(pk, sk)):
                items[sk] = item
        return {item["segment"]: IndexEntry.from_item(item) for item in items.values()}

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

    def get_track_chunks(
        self, tenant: TenantId, job_id: JobId, version: int, numbers: Sequence[int]
    ) -> Mapping[int, Sequence[TrackRow]]:
        number_by_key = {table_keys.track_chunk(version, number): number for number in numbers}
        bodies = self._bodies(table_keys.partition(tenant, job_id), list(number_by_key), is_consistent=True)
        return {number_by_key[sk]: unpack_tracks(body) for sk, body in bodies.items()}

    def get_root(self, tenant: TenantId, job_id: JobId, tree: str) -> Node | None:
        item = self._results.get(table_keys.partition(tenant, job_id), table_keys.tree_node(tree, 0, None))
        return unpack_node(item["body"]) if item else None

    def get_node(self, tenant: TenantId, job_id: JobId, tree: str, level: int, number: int) -> Node:
        # A job that was retried has its nodes rewritten: what a moment ago was true must not be read.
        item = self._results.get(table_keys.partition(tenant, job_id), table_keys.tree_node(tree, level, number))
        if item is None:
            raise NotFound(f"results of job {job_id} were removed", hint="Start a new job on this video")
        return unpack_node(item["body"])

    def add_reference(self, tenant: TenantId, content_digest: str, video_id: VideoId) -> None:
        pk = table_keys.partition(tenant, content_digest)
        self._results.put({"pk": pk, "sk": table_keys.content_reference(video_id), "kind": "REF"})

    def list_references(self, tenant: TenantId, content_digest: str, limit: int) -> Sequence[VideoId]:
        pk = table_keys.partition(tenant, content_digest)
        items = self._results.query(pk, table_keys.content_reference(""), limit=limit, backwards=True)
        return [VideoId(item["sk"].partition("#")[2]) for item in items]

    def drop_job(self, tenant: TenantId, job_id: JobId) -> None:
        self._drop_partition(table_keys.partition(tenant, job_id))

    def drop_reference(self, tenant: TenantId, content_digest: str, video_id: VideoId) -> None:
        pk = table_keys.partition(tenant, content_digest)
        self._results.delete(pk, table_keys.content_reference(video_id))
        if self._results.count(pk, "REF#", at_most=1) == 0:
            self._drop_partition(pk)

    def _bodies(self, pk: str, sort_keys: Sequence[str], *, is_consistent: bool = False) -> dict[str, bytes]:
        items = self._results.get_many([(pk, sk) for sk in sort_keys], is_consistent=is_consistent)
        return {item["sk"]: item["body"] for item in items}

    def _drop_partition(self, pk: str) -> None:
        self._results.write_many(deletes=[(pk, item["sk"]) for item in self._results.query(pk)])
