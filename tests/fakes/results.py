"""Table `results` in memory; `write_*` does what the worker does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import BlockRef
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.summary_tree import Node, unpack_node
from chalicelib.contracts.tracks import TrackRow, pack_tracks, unpack_tracks
from chalicelib.contracts.tree_fold import PlacedNode
from chalicelib.domain.errors import NotFound
from chalicelib.domain.ids import JobId, TenantId, VideoId

Partition = tuple[TenantId, str]


class FakeResultStore:
    """The port `ResultStore`."""

    def __init__(self) -> None:
        self._index: dict[Partition, dict[int, IndexEntry]] = {}
        self._blocks: dict[Partition, dict[str, bytes]] = {}
        self._track_ids: dict[Partition, dict[str, bytes]] = {}
        self._tracks: dict[Partition, dict[int, list[list[TrackRow]]]] = {}
        self._nodes: dict[Partition, dict[str, bytes]] = {}
        self._references: dict[Partition, set[str]] = {}

    def write_index(self, tenant: TenantId, job_id: JobId, entry: IndexEntry) -> None:
        """What the commit of a segment writes."""
        self._index.setdefault((tenant, job_id), {})[entry.segment] = entry

    def write_block(self, tenant: TenantId, content_digest: str, sk: str, packed: bytes) -> None:
        """A block; the first writer wins."""
        self._blocks.setdefault((tenant, content_digest), {}).setdefault(sk, packed)

    def write_tracks(
        self,
        tenant: TenantId,
        job_id: JobId,
        chunks: Sequence[Sequence[TrackRow]],
        ids_by_key: Mapping[str, bytes],
        *,
        version: int = 0,
    ) -> None:
        """The tracks that the finish or a re-tracking writes, without their tree."""
        self._tracks.setdefault((tenant, job_id), {})[version] = [list(chunk) for chunk in chunks]
        self._track_ids.setdefault((tenant, job_id), {}).update(ids_by_key)

    def write_nodes(self, tenant: TenantId, job_id: JobId, tree: str, nodes: Iterable[PlacedNode]) -> None:
        """Nodes of a summary tree, that the finish writes."""
        bodies = {table_keys.tree_node(tree, node.level, node.number): node.body for node in nodes}
        self._nodes.setdefault((tenant, job_id), {}).update(bodies)

    def has_block(self, tenant: TenantId, content_digest: str, sk: str) -> bool:
        return sk in self._blocks.get((tenant, content_digest), {})

    def items_of_finish(self, tenant: TenantId, job_id: JobId) -> list[dict[str, Any]]:
        """All that a finished job has here, as items without their `pk`, but for later versions of its tracks."""
        at = (tenant, job_id)
        items = [entry.to_item(tenant, job_id) for _, entry in sorted(self._index.get(at, {}).items())]
        for item in items:
            del item["pk"]
        items += [
            {"sk": sk, "kind": "TRACKIDS", "body": body}
            for sk, body in self._track_ids.get(at, {}).items()
            if sk.startswith(table_keys.track_ids(0, 0, 0)[: len("TRACKIDS#0000#")])
        ]
        for number, chunk in enumerate(self._tracks.get(at, {}).get(0, [])):
            items.append({"sk": table_keys.track_chunk(0, number), "kind": "TRACKS", "body": pack_tracks(chunk)})
        trees = (table_keys.SEGMENT_TREE, table_keys.track_tree(0))
        items += [
            {"sk": sk, "kind": "NODE", "body": body}
            for sk, body in self._nodes.get(at, {}).items()
            if sk.startswith(trees)
        ]
        return items

    def put_item(self, tenant: TenantId, job_id: JobId, item: dict[str, Any]) -> None:
        """One of these items, as another job's."""
        at, sk = (tenant, job_id), item["sk"]
        match item["kind"]:
            case "INDEX":
                self.write_index(tenant, job_id, IndexEntry.from_item(item))
            case "TRACKIDS":
                self._track_ids.setdefault(at, {})[sk] = item["body"]
            case "TRACKS":
                chunks = self._tracks.setdefault(at, {}).setdefault(0, [])
                number = int(sk.rpartition("#")[2])
                chunks[number : number + 1] = [unpack_tracks(item["body"])]
            case "NODE":
                self._nodes.setdefault(at, {})[sk] = item["body"]

    def list_index(self, tenant: TenantId, job_id: JobId, first_segment: int, limit: int) -> Sequence[IndexEntry]:
        entries = sorted(self._index.get((tenant, job_id), {}).items())
        return [entry for segment, entry in entries if segment >= first_segment][:limit]

    def get_index(self, tenant: TenantId, job_id: JobId, segments: Sequence[int]) -> Mapping[int, IndexEntry]:
        entries = self._index.get((tenant, job_id), {})
        return {segment: entries[segment] for segment in segments if segment in entries}

    def get_blocks(self, tenant: TenantId, content_digest: str, refs: Sequence[BlockRef]) -> Mapping[str, bytes]:
        blocks = self._blocks.get((tenant, content_digest), {})
        return {ref.sk: blocks[ref.sk] for ref in refs if ref.sk in blocks}

    def get_track_ids(self, tenant: TenantId, job_id: JobId, sort_keys: Sequence[str]) -> Mapping[str, bytes]:
        ids = self._track_ids.get((tenant, job_id), {})
        return {sk: ids[sk] for sk in sort_keys if sk in ids}

    def get_track_chunks(
        self, tenant: TenantId, job_id: JobId, version: int, numbers: Sequence[int]
    ) -> Mapping[int, Sequence[TrackRow]]:
        chunks = self._tracks.get((tenant, job_id), {}).get(version, [])
        return {number: chunks[number] for number in numbers if number < len(chunks)}

    def get_root(self, tenant: TenantId, job_id: JobId, tree: str) -> Node | None:
        body = self._nodes.get((tenant, job_id), {}).get(tree)
        return unpack_node(body) if body else None

    def get_node(self, tenant: TenantId, job_id: JobId, tree: str, level: int, number: int) -> Node:
        body = self._nodes.get((tenant, job_id), {}).get(table_keys.tree_node(tree, level, number))
        if body is None:
            raise NotFound(f"results of job {job_id} were removed")
        return unpack_node(body)

    def add_reference(self, tenant: TenantId, content_digest: str, video_id: VideoId) -> None:
        self._references.setdefault((tenant, content_digest), set()).add(video_id)

    def list_references(self, tenant: TenantId, content_digest: str, limit: int) -> Sequence[VideoId]:
        found = sorted(self._references.get((tenant, content_digest), set()), reverse=True)
        return [VideoId(video_id) for video_id in found[:limit]]

    def drop_job(self, tenant: TenantId, job_id: JobId) -> None:
        for part in (self._index, self._track_ids, self._tracks, self._nodes):
            part.pop((tenant, job_id), None)

    def drop_reference(self, tenant: TenantId, content_digest: str, video_id: VideoId) -> None:
        references = self._references.get((tenant, content_digest), set())
        references.discard(video_id)
        if not references:
            self._blocks.pop((tenant, content_digest), None)


class CountingResults:
    """The port `ResultStore`, with a count of the blocks that were read of it."""

    def __init__(self, results: Any) -> None:
        self._results = results
        self.blocks_read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._results, name)

    def get_blocks(self, tenant: TenantId, content_digest: str, refs: Sequence[BlockRef]) -> Mapping[str, bytes]:
        self.blocks_read += len(refs)
        blocks: Mapping[str, bytes] = self._results.get_blocks(tenant, content_digest, refs)
        return blocks
