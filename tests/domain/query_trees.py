"""Queries for Hypothesis: about the labels, times and places of `tests/services/query_archive.py`, and any at all."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

from chalicelib.domain.query import ast

LABELS = ("bicycle", "dog", "person", "unicorn")


def tenths(least: int, most: int) -> st.SearchStrategy[Fraction]:
    return st.integers(least, most).map(lambda number: Fraction(number, 10))


times = st.integers(0, 90).map(lambda number: Fraction(number, 20))
gaps = st.sampled_from(
    [Fraction(1, 100), Fraction(1, 20), Fraction(1, 10), Fraction(1, 5), Fraction(1, 2), Fraction(2)]
)
widths = st.sampled_from([Fraction(1, 200), Fraction(1, 20), Fraction(1, 10), Fraction(7, 10), Fraction(10)])
anchors = st.sampled_from(ast.Anchor)
places = st.builds(
    ast.Point,
    *(st.one_of(st.integers(-2, 20).map(lambda number: Fraction(number * 4)), tenths(-50, 800)) for _ in range(2)),
)


def _is_polygon(points: list[ast.Point]) -> bool:
    try:
        ast.Polygon(tuple(points))
    except ValueError:
        return False
    return True


polygons = st.lists(places, min_size=3, max_size=6).filter(_is_polygon).map(lambda points: ast.Polygon(tuple(points)))
_middles = st.sampled_from([(32, -8, 32, 80), (-8, 40, 80, 40), (0, 0, 64, 64), (60, 8, 8, 60), (20, 30, 44, 30)])
lines = st.one_of(
    _middles.map(lambda ends: ast.Line(*(ast.Point(*map(Fraction, point)) for point in (ends[:2], ends[2:])))),
    st.lists(places, min_size=2, max_size=2, unique=True).map(lambda points: ast.Line(*points)),
)
crossings = st.builds(ast.Crosses, anchors, lines, st.sampled_from([None, *ast.Direction]))
insides = st.builds(ast.Inside, anchors, polygons)
label_names = st.lists(st.sampled_from(LABELS), min_size=1, max_size=3, unique=True).map(tuple)
model_names = st.lists(st.sampled_from(["ant", "bee", "nobody"]), min_size=1, max_size=2, unique=True).map(tuple)
track_ids = st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True).map(tuple)
windows = st.tuples(times, times).filter(lambda ends: ends[0] != ends[1]).map(lambda ends: ast.TimeIn(*sorted(ends)))
whole_track_leaves = st.one_of(
    st.builds(ast.LabelIn, label_names),
    st.builds(ast.LabelIn, label_names),
    st.builds(ast.ModelIn, model_names),
    st.builds(ast.TrackIn, track_ids),
)
leaves: st.SearchStrategy[ast.Condition] = st.one_of(
    whole_track_leaves,
    st.builds(ast.ScoreIs, st.sampled_from(ast.Comparison), st.sampled_from([Fraction(x, 100) for x in (0, 35, 50)])),
    st.builds(ast.TimeIs, st.sampled_from(ast.Comparison), times),
    windows,
    insides,
)


def joined(leaf: st.SearchStrategy[ast.Condition]) -> st.SearchStrategy[ast.Condition | None]:
    """Trees of these leaves, or no condition at all."""
    parts = st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(ast.Not, inner),
            st.builds(ast.And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
            st.builds(ast.Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        ),
        max_leaves=4,
    )
    return st.one_of(st.none(), leaf, parts)


conditions = joined(leaves)
mild = st.one_of(st.none(), st.none(), st.builds(ast.LabelIn, label_names), conditions)
"""Conditions that mostly leave enough for lines and regions to matter."""
detections = st.builds(ast.Detections, conditions)
tracks = st.builds(ast.Tracks, mild, st.lists(crossings, max_size=2).map(tuple))
crossing_tracks = st.builds(ast.Tracks, mild, st.lists(crossings, min_size=1, max_size=2).map(tuple))
per_track = st.builds(ast.PerTrack, st.sampled_from(ast.Choice), conditions)
rankings = st.builds(ast.Ranking, st.sampled_from(ast.Order), st.integers(1, 5))
appearances = st.builds(ast.Appearances, conditions, gaps, st.none())
ranked_appearances = st.builds(ast.Appearances, conditions, gaps, rankings)
counted_detections = st.builds(ast.Count, detections, st.none() | widths, st.booleans())
counted_tracks = st.builds(ast.Count, tracks, st.none() | widths, st.booleans())
counted_crossings = st.builds(
    ast.Count, crossing_tracks, st.sampled_from([Fraction(1, 200), Fraction(1, 20)]), st.booleans()
)
dwells = st.builds(ast.Dwells, insides, mild, st.none() | tenths(1, 12), st.none() | st.integers(1, 4))
_sides = st.builds(ast.Appearances, mild)
_whole_tracks = st.builds(ast.Tracks, joined(whole_track_leaves))


def _relating(
    sides: st.SearchStrategy[ast.Appearances] | st.SearchStrategy[ast.Tracks],
) -> st.SearchStrategy[ast.Pairs]:
    return st.one_of(
        st.builds(ast.Pairs, sides, st.just(ast.Relation.BEFORE), sides, tenths(1, 20)),
        st.builds(ast.Pairs, sides, st.sampled_from([ast.Relation.OVERLAPS, ast.Relation.DURING]), sides),
    )


appearance_pairs = st.builds(
    lambda pairs, gap: ast.Pairs(pairs.left, pairs.relation, pairs.right, pairs.within, gap), _relating(_sides), gaps
)
track_pairs = _relating(_whole_tracks)
_mild_detections = st.builds(ast.Detections, mild)
frame_pairs = st.builds(
    ast.Pairs,
    _mild_detections,
    st.just(ast.Relation.TOGETHER),
    _mild_detections,
    st.none() | st.sampled_from([0, 4, 10]).map(Fraction),
)
queries: st.SearchStrategy[ast.Query] = st.one_of(
    detections,
    tracks,
    per_track,
    appearances,
    ranked_appearances,
    counted_detections,
    counted_tracks,
    dwells,
    appearance_pairs,
    track_pairs,
    frame_pairs,
)
by_operator: dict[str, st.SearchStrategy[ast.Query]] = {
    "detections": detections,
    "tracks": tracks,
    "tracks that cross": crossing_tracks,
    "one detection per track": per_track,
    "appearances": appearances,
    "ranked appearances": ranked_appearances,
    "counted detections": counted_detections,
    "counted tracks": counted_tracks,
    "counted crossings": counted_crossings,
    "dwells": dwells,
    "pairs of appearances": appearance_pairs,
    "pairs of tracks": track_pairs,
    "pairs in a frame": frame_pairs,
}
