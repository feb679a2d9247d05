"""The contract of the port `ResultStore`."""

from __future__ import annotations

import pytest

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import BlockRef
from chalicelib.contracts.cell_results import CellResult, DamagedRange
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.summary_tree import Summary, pack_node
from chalicelib.contracts.tracks import TrackRow
from chalicelib.contracts.tree_fold import PlacedNode
from chalicelib.domain.errors import NotFound
from chalicelib.domain.ids import JobId, TenantId, VideoId
from chalicelib.services.ports import Ports
from tests.ports.deployments import Deployment

DIGEST = "d" * 64


@pytest.fixture
def job_id(ports: Ports) -> JobId:
    return JobId(ports.ids.make("job"))


def make_ref(sk: str) -> BlockRef:
    return BlockRef(sk, "ab" * 32, -5, 90, 3, 2, {"person": (2, 9876)})


def make_entry(segment: int) -> IndexEntry:
    cell = CellResult(segment, 50, 25, (DamagedRange(3, 9, "bad NAL"),), (make_ref(f"x#{segment:06}"),))
    return IndexEntry(segment, segment * 100, segment * 100 + 100, 50, ((cell,), ()))


def make_track(track_id: int) -> TrackRow:
    return TrackRow(track_id, "toy", "person", track_id * 10, track_id * 10 + 50, 6, 9000)


def make_summary(number: int) -> Summary:
    return Summary(number, 0, 100, 7, ({"person": (2, 9876)},))


def write_finish(deployment: Deployment, tenant: TenantId, job_id: JobId) -> None:
    chunks = [[make_track(1), make_track(2)], [make_track(3)]]
    ids = {table_keys.track_ids(0, 0, 0): b"ids of block 0"}
    deployment.outside.write_tracks(tenant, job_id, chunks, ids)
    nodes = [
        PlacedNode(1, 3, pack_node(1, [make_summary(200)], 1)),
        PlacedNode(2, None, pack_node(2, [make_summary(3)], 1)),
    ]
    deployment.outside.write_nodes(tenant, job_id, table_keys.SEGMENT_TREE, nodes)


def test_committed_segments_are_listed_in_order_from_one_on(
    deployment: Deployment, tenant: TenantId, job_id: JobId
) -> None:
    for segment in (12, 0, 3, 2):
        deployment.outside.write_index(tenant, job_id, make_entry(segment))
    listed = deployment.ports.results.list_index(tenant, job_id, 1, 2)
    assert list(listed) == [make_entry(2), make_entry(3)]


def test_committed_segments_are_read_by_index_and_others_are_missing(
    deployment: Deployment, tenant: TenantId, job_id: JobId
) -> None:
    for segment in (12, 0):
        deployment.outside.write_index(tenant, job_id, make_entry(segment))
    assert deployment.ports.results.get_index(tenant, job_id, [12, 3]) == {12: make_entry(12)}


def test_a_job_without_a_commit_has_no_index(ports: Ports, tenant: TenantId, job_id: JobId) -> None:
    assert list(ports.results.list_index(tenant, job_id, 0, 10)) == []


def test_blocks_are_read_by_key_and_those_that_were_swept_are_missing(deployment: Deployment, tenant: TenantId) -> None:
    for name in ("a", "b"):
        deployment.outside.write_block(tenant, DIGEST, name, name.encode())
    blocks = deployment.ports.results.get_blocks(tenant, DIGEST, [make_ref(sk) for sk in ("b", "gone", "a")])
    assert dict(blocks) == {"a": b"a", "b": b"b"}


def test_more_blocks_than_one_read_takes_are_all_read(deployment: Deployment, tenant: TenantId) -> None:
    names = [f"{number:03}" for number in range(130)]
    for name in names:
        deployment.outside.write_block(tenant, DIGEST, name, name.encode())
    blocks = deployment.ports.results.get_blocks(tenant, DIGEST, [make_ref(name) for name in names])
    assert sorted(blocks) == names


def test_no_blocks_are_asked_for_and_none_are_read(ports: Ports, tenant: TenantId) -> None:
    assert dict(ports.results.get_blocks(tenant, DIGEST, [])) == {}


def test_another_tenants_blocks_are_missing(deployment: Deployment, tenant: TenantId) -> None:
    deployment.outside.write_block(tenant, DIGEST, "a", b"a")
    assert dict(deployment.ports.results.get_blocks(TenantId("stranger"), DIGEST, [make_ref("a")])) == {}


def test_track_ids_are_read_by_key(deployment: Deployment, tenant: TenantId, job_id: JobId) -> None:
    write_finish(deployment, tenant, job_id)
    keys = [table_keys.track_ids(0, segment, 0) for segment in (0, 1)]
    assert dict(deployment.ports.results.get_track_ids(tenant, job_id, keys)) == {keys[0]: b"ids of block 0"}


def test_chunks_of_tracks_are_read_by_number(deployment: Deployment, tenant: TenantId, job_id: JobId) -> None:
    write_finish(deployment, tenant, job_id)
    chunks = deployment.ports.results.get_track_chunks(tenant, job_id, 0, [1, 0, 2])
    assert {number: list(chunk) for number, chunk in chunks.items()} == {
        0: [make_track(1), make_track(2)],
        1: [make_track(3)],
    }


def test_a_tree_has_a_root_from_the_finish_on(deployment: Deployment, tenant: TenantId, job_id: JobId) -> None:
    results = deployment.ports.results
    before = results.get_root(tenant, job_id, table_keys.SEGMENT_TREE)
    write_finish(deployment, tenant, job_id)
    root = results.get_root(tenant, job_id, table_keys.SEGMENT_TREE)
    other = results.get_root(tenant, job_id, table_keys.track_tree(0))
    assert (before, root and root.level, other) == (None, 2, None)


def test_a_node_is_read_by_level_and_number(deployment: Deployment, tenant: TenantId, job_id: JobId) -> None:
    write_finish(deployment, tenant, job_id)
    node = deployment.ports.results.get_node(tenant, job_id, table_keys.SEGMENT_TREE, 1, 3)
    assert (node.level, list(node.children)) == (1, [200])


def test_a_node_that_was_dropped_is_said_to_be_gone(ports: Ports, tenant: TenantId, job_id: JobId) -> None:
    with pytest.raises(NotFound, match="were removed"):
        ports.results.get_node(tenant, job_id, table_keys.SEGMENT_TREE, 1, 0)


def test_dropping_a_job_leaves_nothing_of_it(deployment: Deployment, tenant: TenantId, job_id: JobId) -> None:
    results = deployment.ports.results
    deployment.outside.write_index(tenant, job_id, make_entry(0))
    write_finish(deployment, tenant, job_id)
    results.drop_job(tenant, job_id)
    left = (
        list(results.list_index(tenant, job_id, 0, 10)),
        dict(results.get_track_chunks(tenant, job_id, 0, [0, 1])),
        dict(results.get_track_ids(tenant, job_id, [table_keys.track_ids(0, 0, 0)])),
        results.get_root(tenant, job_id, table_keys.SEGMENT_TREE),
    )
    assert left == ([], {}, {}, None)


def test_dropping_a_job_leaves_the_blocks(deployment: Deployment, tenant: TenantId, job_id: JobId) -> None:
    deployment.outside.write_block(tenant, DIGEST, "a", b"a")
    deployment.ports.results.drop_job(tenant, job_id)
    assert dict(deployment.ports.results.get_blocks(tenant, DIGEST, [make_ref("a")])) == {"a": b"a"}


def test_blocks_are_kept_as_long_as_any_video_has_the_bytes(deployment: Deployment, tenant: TenantId) -> None:
    results = deployment.ports.results
    videos = [VideoId(deployment.ports.ids.make("vid")) for _ in range(2)]
    deployment.outside.write_block(tenant, DIGEST, "a", b"a")
    for video_id in videos:
        results.add_reference(tenant, DIGEST, video_id)
    kept = []
    for video_id in videos:
        results.drop_reference(tenant, DIGEST, video_id)
        kept.append(bool(results.get_blocks(tenant, DIGEST, [make_ref("a")])))
    assert kept == [True, False]


def test_videos_with_the_same_bytes_are_listed_newest_first(deployment: Deployment, tenant: TenantId) -> None:
    results = deployment.ports.results
    videos = sorted(VideoId(deployment.ports.ids.make("vid")) for _ in range(4))
    deployment.outside.write_block(tenant, DIGEST, "a", b"a")
    for video_id in videos:
        results.add_reference(tenant, DIGEST, video_id)
    results.drop_reference(tenant, DIGEST, videos[2])
    assert list(results.list_references(tenant, DIGEST, 2)) == [videos[3], videos[1]]
    assert list(results.list_references(TenantId("stranger"), DIGEST, 2)) == []
