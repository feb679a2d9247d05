"""Keys of tables and bucket: nothing of one tenant can be named by another, and sort keys sort as their numbers do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contracts import object_keys, table_keys
from chalicelib.domain.ids import is_id, is_tenant, make_id
from tests.contracts.domain_objects import job_ids, tenants, video_ids

names = video_ids | job_ids | st.from_regex(r"[0-9a-f]{64}", fullmatch=True) | st.just("videos")
hostile = st.text(alphabet="ab#/_-.\n\0 ", max_size=8)


@given(tenants, names, tenants, names)
def test_two_partitions_are_one_only_for_the_same_thing_of_the_same_tenant(
    tenant: str, name: str, other_tenant: str, other_name: str
) -> None:
    is_same = (tenant, name) == (other_tenant, other_name)
    assert (table_keys.partition(tenant, name) == table_keys.partition(other_tenant, other_name)) is is_same


@given(tenants, st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True), tenants, names)
def test_no_pipeline_has_the_partition_of_something_else(tenant: str, name: str, other: str, thing: str) -> None:
    assert table_keys.pipeline_partition(tenant, name) != table_keys.partition(other, thing)
    assert table_keys.pipeline_partition(tenant, name) != table_keys.pipeline_list(other)


@given(tenants, names)
def test_a_partition_says_whose_it_is(tenant: str, name: str) -> None:
    assert table_keys.parse_partition(table_keys.partition(tenant, name)) == (tenant, name)


@given(tenants, names)
def test_no_tenant_has_a_partition_that_is_shared_by_all(tenant: str, name: str) -> None:
    assert table_keys.partition(tenant, name) != table_keys.PUBLIC_MODELS


@given(tenants)
def test_no_tenant_has_the_models_of_everybody(tenant: str) -> None:
    assert table_keys.own_models(tenant) != table_keys.PUBLIC_MODELS
    assert not is_tenant("public")


@given(tenants, hostile)
def test_what_can_be_a_tenant_holds_no_separator_of_a_key(tenant: str, tail: str) -> None:
    name = tenant + tail
    assert not is_tenant(name) or not set(name) & set("#/\n\0 .")


@given(hostile)
def test_what_can_be_an_id_holds_no_separator_of_a_key(tail: str) -> None:
    good = make_id("vid", 1_793_709_000_000, b"0123456789")
    assert is_id("vid", good + tail) is (tail == "")


@pytest.mark.parametrize("name", ["", "acme\n", "-acme", "a" * 65, "a#b", "a/b", "ä"])
def test_a_name_that_could_leave_its_place_is_no_tenant(name: str) -> None:
    assert not is_tenant(name)


@given(tenants, video_ids, tenants, video_ids)
def test_the_prefix_of_a_video_holds_no_object_of_another(
    tenant: str, video_id: str, other_tenant: str, other_id: str
) -> None:
    key = object_keys.source_key(other_tenant, other_id)
    is_same = (tenant, video_id) == (other_tenant, other_id)
    assert key.startswith(object_keys.video_prefix(tenant, video_id)) is is_same


@given(tenants, video_ids)
def test_a_source_key_says_whose_it_is(tenant: str, video_id: str) -> None:
    assert object_keys.parse_source_key(object_keys.source_key(tenant, video_id)) == (tenant, video_id)


@pytest.mark.parametrize(
    "key",
    [
        "tenants/acme/videos/vid_1/source/more",
        "tenants/acme/videos/vid_1/index/source",
        "tenants/a/b/videos/vid_1/source",
        "x/tenants/acme/videos/vid_1/source",
        "tenants/acme/videos/vid_1/source\n",
        "",
    ],
)
def test_a_key_that_is_no_source_names_nothing(key: str) -> None:
    assert object_keys.parse_source_key(key) is None


@given(tenants, video_ids, job_ids)
def test_every_object_of_a_tenant_lies_below_its_own_prefix(tenant: str, video_id: str, job_id: str) -> None:
    keys = [
        object_keys.source_key(tenant, video_id),
        object_keys.index_key(tenant, video_id, "ab" * 32, "cells"),
        object_keys.video_order_key(tenant, video_id, "probe"),
        object_keys.job_order_key(tenant, job_id, "analyze"),
        object_keys.checkpoint_key(tenant, job_id),
    ]
    assert [key for key in keys if not key.startswith(f"tenants/{tenant}/")] == []


@given(st.integers(0, 99_999), st.integers(0, 99_999))
@pytest.mark.parametrize("make_key", [table_keys.segment, table_keys.open_marker, table_keys.index_entry])
def test_sort_keys_of_segments_sort_as_their_numbers(make_key: object, one: int, other: int) -> None:
    assert callable(make_key)
    assert (make_key(one) < make_key(other)) is (one < other)


def test_the_parts_of_a_cell_follow_its_head() -> None:
    head, part = table_keys.block_head("a" * 32, 7), table_keys.block_part("a" * 32, 7, "f" * 64)
    assert head < part < table_keys.block_head("a" * 32, 8)


def test_the_due_index_is_spread_over_all_its_shards() -> None:
    pks = [table_keys.partition("acme", make_id("job", 1, number.to_bytes(10, "big"))) for number in range(200)]
    assert {table_keys.due_shard(pk) for pk in pks} == {f"due#{shard}" for shard in range(table_keys.DUE_SHARDS)}
