"""Summary trees: going down finds what looking at every leaf finds, and bytes of today stay readable."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.contracts.summary_tree import (
    FAN_OUT,
    MAX_NODE_BYTES,
    BadNode,
    Counted,
    Node,
    Summary,
    Wanted,
    pack_node,
    unpack_node,
)
from chalicelib.contracts.tracks import TrackRow
from chalicelib.contracts.tree_fold import PlacedNode, TreeFold, build_track_tree

GOLDEN = (Path(__file__).parent / "golden" / "node_1.bin").read_bytes()
LABELS = ("bicycle", "dog", "fahrrad ü", "person")
TICKS = 100


def a_node() -> list[Summary]:
    labels: tuple[Counted, ...] = ({"dog": (3, 9000), "person": (120, 9999)}, {})
    return [
        Summary(4096, -50, 40, 0, labels, ((1, 9), (0, 0))),
        Summary(4100, 40, 90, None, ({}, {"fahrrad ü": (1, 0)}), ((3, 11), (2, 2))),
    ]


def draw_leaves(seed: int, leaves: int, models: int) -> list[Summary]:
    """Leaves in order, some numbers left out as those of segments that failed."""
    chance = random.Random(seed)
    step = chance.choice([1, 1, 7, 90])
    return [
        Summary(
            number,
            number * TICKS,
            number * TICKS + chance.randint(1, 2 * TICKS),
            chance.choice([None, number * 7]),
            tuple(
                {
                    label: (chance.randint(1, 99), chance.randint(0, 10_000))
                    for label in LABELS
                    if chance.random() < chance.choice([0.02, 0.5])
                }
                for _ in range(models)
            ),
        )
        for number in range(0, leaves * step, step)
        if chance.random() < 0.9
    ]


def fold(leaves: Sequence[Summary], models: int, *, broken_at: int = -1) -> list[PlacedNode]:
    tree, nodes = TreeFold(models), []
    for position, leaf in enumerate(leaves):
        if position == broken_at:
            state = json.loads(json.dumps(tree.state()))
            tree = TreeFold(models)
            tree.restore(state)
        nodes += tree.push(leaf)
    return nodes + tree.finish()


def descend(nodes: Sequence[PlacedNode], wanted: Wanted) -> list[int]:
    """The numbers of the leaves that going down finds."""
    body_by_place = {(node.level, node.number): node.body for node in nodes}

    def below(node: Node) -> Iterator[int]:
        for child in node.find(wanted):
            if node.level == 1:
                yield child.number
            else:
                yield from below(unpack_node(body_by_place[node.level - 1, child.number]))

    return list(below(unpack_node(nodes[-1].body)))


def matches(leaf: Summary, wanted: Wanted) -> bool:
    return (
        (wanted.from_pts is None or leaf.end_pts > wanted.from_pts)
        and (wanted.to_pts is None or leaf.start_pts < wanted.to_pts)
        and any(
            best >= wanted.score_floors[model] and (wanted.labels is None or label in wanted.labels)
            for model in wanted.models
            for label, (_, best) in leaf.labels[model].items()
        )
    )


wanteds = st.builds(
    Wanted,
    models=st.sampled_from([(), (0,), (1,), (0, 1)]),
    score_floors=st.tuples(*(st.sampled_from([0, 5000, 9900]) for _ in range(2))),
    labels=st.one_of(st.none(), st.frozensets(st.sampled_from([*LABELS, "unicorn"]), min_size=1, max_size=2)),
    from_pts=st.one_of(st.none(), st.integers(-10, 150 * TICKS)),
    to_pts=st.one_of(st.none(), st.integers(-10, 150 * TICKS)),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), leaves=st.integers(0, 150), wanted=wanteds)
def test_going_down_finds_what_looking_at_every_leaf_finds(seed: int, leaves: int, wanted: Wanted) -> None:
    drawn = draw_leaves(seed, leaves, 2)
    assert descend(fold(drawn, 2), wanted) == [leaf.number for leaf in drawn if matches(leaf, wanted)]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), leaves=st.integers(1, 150), broken_at=st.integers(0, 150))
def test_a_fold_that_was_broken_off_gives_the_same_nodes(seed: int, leaves: int, broken_at: int) -> None:
    drawn = draw_leaves(seed, leaves, 1)
    assert fold(drawn, 1, broken_at=broken_at) == fold(drawn, 1)


@pytest.mark.parametrize(
    ("leaves", "level"), [(0, 1), (1, 1), (64, 1), (65, 2), (4096, 2), (4097, 3)], ids=lambda value: str(value)
)
def test_a_tree_has_as_few_levels_as_it_needs(leaves: int, level: int) -> None:
    nodes = fold([Summary(number, number, number + 1, number, ({},)) for number in range(leaves)], 1)
    root = nodes[-1]
    assert (root.level, root.number) == (level, None)
    assert sum(node.number is None for node in nodes) == 1


def test_a_child_says_how_many_frames_come_before_it() -> None:
    leaves = [Summary(n, n, n + 1, n * 10 if n < 70 else None, ({"dog": (1, 1)},)) for n in range(2 * FAN_OUT)]
    nodes = fold(leaves, 1)
    root = unpack_node(nodes[-1].body)
    assert [child.frames_before for child in root.find(Wanted((0,), (0,)))] == [0, 640]


@cache
def crowded() -> tuple[list[Summary], PlacedNode]:
    """Thousands of labels in every leaf, and one in a single leaf."""
    chance = random.Random(1)
    names = [f"label {i:04d}" for i in range(2000)]
    leaves = []
    for number in range(8):
        labels = {name: (chance.randint(1, 9999), chance.randint(0, 8000)) for name in names}
        leaves.append(
            Summary(number, number, number + 1, None, (labels | ({"rare": (1, 9900)} if number == 4 else {}),))
        )
    (node,) = fold(leaves, 1)
    return leaves, node


@pytest.mark.parametrize("label", ["rare", "label 0007", "unicorn", None])
def test_a_node_with_thousands_of_labels_stays_small_and_misses_nothing(label: str | None) -> None:
    leaves, node = crowded()
    assert len(node.body) <= MAX_NODE_BYTES
    assert unpack_node(node.body).models[0].is_coarse
    wanted = Wanted((0,), (7990,), None if label is None else frozenset({label}))
    found = descend([node], wanted)
    assert set(found) >= {leaf.number for leaf in leaves if matches(leaf, wanted)}


def test_a_rare_label_keeps_its_column_in_a_coarse_node() -> None:
    _, node = crowded()
    assert descend([node], Wanted((0,), (3000,), frozenset({"rare"}))) == [4]


def test_a_crowded_node_of_eighty_labels_keeps_them_all() -> None:
    chance = random.Random(1)
    counted = [
        {f"l{i:02d}": (chance.randint(1, 500), chance.randint(3000, 9999)) for i in range(80)} for _ in range(64)
    ]
    (node,) = fold([Summary(n, n * 64_000, n * 64_000 + 64_000, n * 1600, (counted[n],)) for n in range(64)], 1)
    assert len(node.body) < 20 * 1024
    assert not unpack_node(node.body).models[0].is_coarse


def test_counts_of_a_label_are_told_for_each_child() -> None:
    node = unpack_node(pack_node(1, a_node(), 2))
    assert [node.counts(0, labels) for labels in (None, frozenset({"dog"}), frozenset({"unicorn"}))] == [
        [123, 0],
        [3, 0],
        [0, 0],
    ]


@pytest.mark.parametrize(
    ("model", "track_id", "found"), [(0, 1, [4096]), (0, 9, [4096, 4100]), (1, 2, [4100]), (1, 4, [])]
)
def test_a_track_is_looked_for_where_ids_reach_over_it(model: int, track_id: int, found: list[int]) -> None:
    node = unpack_node(pack_node(1, a_node(), 2))
    assert [child.number for child in node.find_track(model, track_id)] == found


def test_a_chunk_of_tracks_is_seen_from_its_first_frame_to_its_last() -> None:
    tracks = [TrackRow(1, "ant", "dog", 5, 90, 3, 8000), TrackRow(2, "bee", "cat", 7, 20, 3, 9000)]
    (root,) = build_track_tree([tracks], ["ant", "bee"])
    (chunk,) = unpack_node(root.body).find(Wanted((0, 1), (0, 0)))
    assert (chunk.start_pts, chunk.end_pts) == (5, 91)


def test_a_node_is_written_as_it_always_was() -> None:
    assert unpack_node(pack_node(2, a_node(), 2)) == unpack_node(GOLDEN)


def test_a_node_that_exists_is_read() -> None:
    node = unpack_node(GOLDEN)
    assert (node.level, list(node.children), list(node.starts), list(node.ends), list(node.frames_before)) == (
        2,
        [4096, 4100],
        [-50, 40],
        [40, 90],
        [0, -1],
    )
    assert [model.names for model in node.models] == [("dog", "person"), ("fahrrad ü",)]


@pytest.mark.parametrize("body", [b"", b"no node", GOLDEN[:-6]])
def test_bytes_that_are_no_node_are_refused(body: bytes) -> None:
    with pytest.raises(BadNode):
        unpack_node(body)
