"""The finish of a job: one answer, wherever it was broken off; and an honest account of what is missing."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from chalicelib.contracts import object_keys, table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.blocks import BlockRef, make_ref, pack_block
from chalicelib.contracts.cell_results import CellResult, DamagedRange
from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.recipes import recipe_of
from chalicelib.contracts.summary_tree import Wanted, unpack_node
from chalicelib.contracts.track_ids import TrackIds
from chalicelib.contracts.tracks import TrackRow, unpack_tracks
from chalicelib.contracts.work_order import OrderedMedia, OrderedModel, OrderedSource, OrderKind, WorkOrder
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.reuse import ModelReuse, ReuseReceipt
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.segments import Segment
from chalicelib.domain.units import UnitKind, UnitState
from gpu_batch.errors import BadInput, BadOrder, Drained
from gpu_batch.finish import SEGMENTS_PER_CHECKPOINT, run_finish
from gpu_batch.lease import Stop
from tests.contracts.block_makers import FrameOf, make_block
from tests.models.makers import a_classifier_manifest, a_manifest
from tests.worker.memory_cloud import MemoryCloud, facts_of

TIMEBASE = Fraction(1, 25)
FRAMES = 5
"""Of each segment, which is one cell."""
SEGMENTS = 40
ANALYSIS = "a" * 32
MANIFEST = a_manifest(labels=("person", "dog"), score_floor=0.1, score_default=0.4)
CHECKPOINT = object_keys.checkpoint_key("acme", "job_1")
FAILURE = {"code": "SOURCE_GONE", "detail": "the source is gone", "hint": "Upload the video again"}


def an_order(segments: int = SEGMENTS, **changes: Any) -> WorkOrder:
    order = WorkOrder(
        kind=OrderKind.FINISH,
        tenant="acme",
        video_id="vid_1",
        job_id="job_1",
        submission=SubmissionId("finish-1"),
        source=OrderedSource("bucket", "source", "", "", 1, "digest"),
        lease_seconds=30.0,
        heartbeat_seconds=3600.0,
        media=OrderedMedia(640, 360, 0, str(TIMEBASE), "cells", "table", "{}"),
        models=(OrderedModel("tiny", "model", MANIFEST.to_json()),),
        sampling={"kind": "every_frame"},
        segments=tuple(Segment(i, i * FRAMES, (i + 1) * FRAMES, i, i + 1) for i in range(segments)),
    )
    return replace(order, **changes)


def a_walker(index: int) -> FrameOf:
    """A person that walks to the right at ten pixels a frame, and a dog that is hardly to be seen."""
    x = index * 40 % 8000
    rows = [(1, 9000, x, 1600, x + 960, 3200), (0, 2000, 8000, 1600, 8960, 2400)]
    return (index, 0, index % FRAMES, 0, rows)


def commit(cloud: MemoryCloud, index: int, *, damage: Sequence[DamagedRange] = (), inferred: int = FRAMES) -> None:
    """What a worker leaves that committed a segment; a damaged one has no frames."""
    blocks: list[BlockRef] = []
    if not damage:
        frames = [a_walker(index * FRAMES + rank) for rank in range(FRAMES)]
        block = make_block(TIMEBASE, ["dog", "person"], frames)
        body = pack_block(block)
        blocks = [make_ref(block, body, table_keys.block_head(ANALYSIS, index))]
        pk = table_keys.partition("acme", "digest")
        cloud.put_many("results", [{"pk": pk, "sk": blocks[0].sk, "kind": "BLOCK", "body": body}])
    cell = CellResult(index, FRAMES, len(blocks) * FRAMES, tuple(damage), tuple(blocks))
    entry = IndexEntry(index, index * FRAMES, (index + 1) * FRAMES, FRAMES, ((cell,),))
    unit = {
        "pk": "acme#job_1",
        "sk": table_keys.segment(index),
        "state": "DONE",
        "frames_inferred": inferred,
        "analyses": [ANALYSIS],
        "reuse": [[int(not inferred), inferred]],
    }
    cloud.put_many("results", [entry.to_item("acme", "job_1")])
    cloud.put_many("meta", [unit])


def a_cloud(segments: int = SEGMENTS, *, without: Sequence[int] = ()) -> MemoryCloud:
    """A job whose segments are committed, but for some that failed."""
    cloud = MemoryCloud()
    cloud.open_unit("acme#job_1", UnitKind.FINISH)
    for index in range(segments):
        if index in without:
            unit = {"pk": "acme#job_1", "sk": table_keys.segment(index), "state": "FAILED", "failure": FAILURE}
            cloud.put_many("meta", [unit])
        else:
            commit(cloud, index)
    return cloud


def finish(cloud: MemoryCloud, order: WorkOrder | None = None, stop: Stop | None = None) -> None:
    run_finish(cloud, order or an_order(), claimed_by="batch:0", stop=stop or Stop())


def outcome_of(cloud: MemoryCloud) -> Item:
    (outcome,) = cloud.outcomes
    return facts_of(outcome)


def result_of(cloud: MemoryCloud) -> dict[str, Any]:
    """Everything that a finish leaves, but for when, and what it took."""
    written = {
        sk: item for (pk, sk), item in cloud.tables["results"].items() if pk == "acme#job_1" and "INDEX" not in sk
    }
    return {"outcome": outcome_of(cloud) | {"finished_at": "", "usage": {}}, "written": written}


def tracks_of(cloud: MemoryCloud) -> list[TrackRow]:
    return [track for item in cloud.items("results", "TRACKS") for track in unpack_tracks(item["body"])]


def bases_of(cloud: MemoryCloud) -> list[int | None]:
    """Frames before each segment that was committed."""
    root = unpack_node(cloud.tables["results"]["acme#job_1", table_keys.SEGMENT_TREE]["body"])
    return [leaf.frames_before for leaf in root.find(Wanted((0,), (0,)))]


def stop_when_read(cloud: MemoryCloud, sk: str) -> Stop:
    """A stop signal that comes when an item is read."""
    stop = Stop()
    cloud.before_read = lambda read: stop.set() if read == sk else None
    return stop


def test_a_complete_job_has_succeeded() -> None:
    cloud = a_cloud()
    finish(cloud)
    outcome = outcome_of(cloud)
    assert (outcome["state"], outcome["missing"], outcome["failure"]) == ("SUCCEEDED", [], None)
    assert cloud.unit(UnitKey("acme#job_1", UnitKind.FINISH))["state"] == UnitState.DONE


def test_the_summary_counts_every_segment() -> None:
    cloud = a_cloud()
    finish(cloud)
    summary = outcome_of(cloud)["summary"]
    counted = {name: summary[name] for name in ("frames_shown", "frames_analyzed", "frames_inferred", "detections")}
    assert counted == {"frames_shown": 200, "frames_analyzed": 200, "frames_inferred": 200, "detections": 200}
    assert [label["label"] for label in summary["labels"]] == ["person"]


def test_points_without_a_keyframe_near_them_are_counted_as_skipped() -> None:
    cloud = a_cloud(without=[4, 5, 6, 7])
    sampling = Sampling(SamplingKind.KEYFRAMES, 1 / (10 * TIMEBASE), TIMEBASE)
    finish(cloud, an_order(sampling=sampling.to_json()))
    summary = outcome_of(cloud)["summary"]
    # One point for each ten frames. Frames 20 to 39 are missing: point 20 has frame 19 near it, point 30 has none.
    assert (summary["points"], summary["points_skipped"]) == (SEGMENTS * FRAMES // 10, 1)


def test_a_job_without_a_grid_of_keyframes_counts_no_points() -> None:
    cloud = a_cloud()
    finish(cloud)
    assert "points" not in outcome_of(cloud)["summary"]


def test_the_receipt_adds_up_what_the_segments_found_and_inferred() -> None:
    cloud = a_cloud()
    for index in range(10):
        commit(cloud, index, inferred=0)
    finish(cloud)
    receipt = ReuseReceipt.from_json(outcome_of(cloud)["reused"])
    assert receipt.by_model == (ModelReuse(SEGMENTS, 10, SEGMENTS * FRAMES, 30 * FRAMES),)


def test_a_complete_job_says_how_it_came_about() -> None:
    cloud = a_cloud()
    finish(cloud)
    assert outcome_of(cloud)["made"] == {"recipe": recipe_of(an_order(), [ANALYSIS]), "analyses": [ANALYSIS]}


def test_a_job_that_lacks_a_segment_does_not_say_how_it_came_about() -> None:
    cloud = a_cloud(without=[3])
    finish(cloud)
    assert outcome_of(cloud)["made"] is None


def test_a_job_whose_segments_differ_in_their_keys_does_not_say_how_it_came_about() -> None:
    cloud = a_cloud()
    cloud.tables["meta"]["acme#job_1", table_keys.segment(5)]["analyses"] = ["b" * 32]
    finish(cloud)
    assert outcome_of(cloud)["made"] is None


@pytest.mark.parametrize("fact", ["analyses", "reuse"])
def test_segments_of_a_release_that_said_nothing_are_not_guessed_at(fact: str) -> None:
    cloud = a_cloud()
    del cloud.tables["meta"]["acme#job_1", table_keys.segment(20)][fact]
    finish(cloud)
    assert outcome_of(cloud)["made"] is None
    assert (outcome_of(cloud)["reused"] is None) == (fact == "reuse")


def test_a_checkpoint_of_a_release_that_said_nothing_leaves_all_unknown() -> None:
    cloud = a_cloud()
    with pytest.raises(Drained):
        finish(cloud, stop=stop_when_read(cloud, table_keys.index_entry(20)))
    state = json.loads(zlib.decompress(cloud.objects[CHECKPOINT]))
    del state["receipt"]
    cloud.put_object(CHECKPOINT, zlib.compress(json.dumps(state).encode()))
    cloud.before_read = lambda sk: None
    finish(cloud)
    assert (outcome_of(cloud)["made"], outcome_of(cloud)["reused"]) == (None, None)


def test_a_lower_score_of_the_job_counts_more() -> None:
    cloud = a_cloud()
    finish(cloud, an_order(score_min=0.2))
    assert outcome_of(cloud)["summary"]["detections"] == 400


def test_one_walker_is_one_track_over_all_segments() -> None:
    cloud = a_cloud()
    finish(cloud)
    assert [(track.label, track.first_pts, track.last_pts) for track in tracks_of(cloud)] == [("person", 0, 199)]


def test_every_row_of_the_walker_has_the_id_of_its_track() -> None:
    cloud = a_cloud()
    finish(cloud)
    (track,) = tracks_of(cloud)
    columns = [TrackIds([item["body"]]).of_block(0, [2] * FRAMES) for item in cloud.items("results", "TRACKIDS")]
    assert [column and list(column) for column in columns] == [[track.track_id, 0] * FRAMES] * SEGMENTS


def test_a_job_without_tracking_has_no_tracks() -> None:
    cloud = a_cloud()
    finish(cloud, an_order(tracking=False))
    assert tracks_of(cloud) == []
    assert cloud.items("results", "TRACKIDS") == []


def test_labels_of_frames_are_summed_up_but_on_no_track() -> None:
    manifest = a_classifier_manifest(labels=MANIFEST.labels)
    cloud = a_cloud(4)
    finish(cloud, an_order(4, models=(OrderedModel("colours", "model", manifest.to_json()),)))
    assert (tracks_of(cloud), cloud.items("results", "TRACKIDS")) == ([], [])
    summary = outcome_of(cloud)["summary"]
    (label,) = summary["labels"]
    assert (summary["tracks"], label["label"], label["detections"]) == (0, "person", 4 * FRAMES)


def test_frames_are_counted_before_every_segment() -> None:
    cloud = a_cloud(4)
    finish(cloud, an_order(4))
    assert bases_of(cloud) == [0, 5, 10, 15]


def test_after_a_missing_segment_no_frame_has_a_number() -> None:
    cloud = a_cloud(4, without=[1])
    finish(cloud, an_order(4))
    assert bases_of(cloud) == [0, None, None]


def test_a_missing_segment_makes_the_job_partial_with_its_range_and_cause() -> None:
    cloud = a_cloud(4, without=[1])
    finish(cloud, an_order(4))
    outcome = outcome_of(cloud)
    assert outcome["state"] == "PARTIAL"
    assert outcome["missing"] == [{"start_seconds": 0.2, "end_seconds": 0.4, "failure": FAILURE}]
    assert outcome["failure"] == FAILURE


def test_neighbouring_ranges_of_one_cause_are_one() -> None:
    cloud = a_cloud(5, without=[1, 2, 4])
    finish(cloud, an_order(5))
    missing = outcome_of(cloud)["missing"]
    assert [(gap["start_seconds"], gap["end_seconds"]) for gap in missing] == [(0.2, 0.6), (0.8, 1.0)]


def test_a_damaged_range_makes_the_job_partial() -> None:
    cloud = a_cloud(3)
    commit(cloud, 1, damage=[DamagedRange(5, 10, "a frame could not be decoded")])
    finish(cloud, an_order(3))
    outcome = outcome_of(cloud)
    (gap,) = outcome["missing"]
    assert (outcome["state"], gap["start_seconds"], gap["end_seconds"]) == ("PARTIAL", 0.2, 0.4)
    assert gap["failure"]["code"] == "DAMAGED_RANGES"


def test_frames_keep_their_numbers_after_a_damaged_range() -> None:
    cloud = a_cloud(3)
    commit(cloud, 1, damage=[DamagedRange(5, 10, "a frame could not be decoded")])
    finish(cloud, an_order(3))
    assert bases_of(cloud) == [0, 10]


def test_a_job_of_which_nothing_could_be_analysed_has_failed() -> None:
    cloud = a_cloud(1)
    commit(cloud, 0, damage=[DamagedRange(0, 5, "a frame could not be decoded")])
    finish(cloud, an_order(1))
    assert outcome_of(cloud)["state"] == "FAILED"


@pytest.mark.parametrize("segment", [0, 14, 15, 16, 33, 39])
def test_a_finish_that_was_drained_anywhere_ends_as_if_it_had_not_been(segment: int) -> None:
    undisturbed, cloud = a_cloud(without=[20]), a_cloud(without=[20])
    finish(undisturbed)
    with pytest.raises(Drained):
        finish(cloud, stop=stop_when_read(cloud, table_keys.segment(segment)))
    cloud.before_read = lambda sk: None
    finish(cloud)
    assert result_of(cloud) == result_of(undisturbed)


def test_a_finish_goes_on_from_its_checkpoint() -> None:
    cloud = a_cloud()
    with pytest.raises(Drained):
        finish(cloud, stop=stop_when_read(cloud, table_keys.segment(36)))
    read: list[str] = []
    cloud.before_read = read.append
    finish(cloud)
    assert [sk for sk in read if sk.startswith("INDEX")] == [
        table_keys.index_entry(index) for index in range(2 * SEGMENTS_PER_CHECKPOINT, SEGMENTS)
    ]


def test_a_drained_finish_may_be_claimed_again_at_once() -> None:
    cloud = a_cloud()
    with pytest.raises(Drained):
        finish(cloud, stop=stop_when_read(cloud, table_keys.segment(3)))
    unit = cloud.unit(UnitKey("acme#job_1", UnitKind.FINISH))
    assert (unit["state"], unit["attempts_allowed"] - unit["attempt"]) == (UnitState.OPEN, 3)


def test_the_finish_after_a_retry_starts_anew() -> None:
    cloud = a_cloud(without=[2])
    with pytest.raises(Drained):
        finish(cloud, stop=stop_when_read(cloud, table_keys.segment(20)))
    commit(cloud, 2)
    cloud.before_read = lambda sk: None
    finish(cloud, an_order(submission=SubmissionId("finish-2")))
    complete = a_cloud()
    finish(complete)
    assert result_of(cloud) == result_of(complete)


def test_a_second_finish_of_the_same_job_does_nothing() -> None:
    cloud = a_cloud(2)
    finish(cloud, an_order(2))
    finish(cloud, an_order(2))
    assert len(cloud.outcomes) == 1


def test_a_block_that_was_swept_fails_the_finish_with_its_cause() -> None:
    cloud = a_cloud(2)
    del cloud.tables["results"]["acme#digest", table_keys.block_head(ANALYSIS, 1)]
    with pytest.raises(BadInput, match="was removed"):
        finish(cloud, an_order(2))
    unit = cloud.unit(UnitKey("acme#job_1", UnitKind.FINISH))
    assert (unit["state"], unit["failure"]["code"]) == (UnitState.FAILED, "SOURCE_GONE")


def test_a_finish_that_was_taken_away_ends_without_a_word() -> None:
    cloud = a_cloud(2)
    finish_unit = cloud.unit(UnitKey("acme#job_1", UnitKind.FINISH))
    cloud.before_read = lambda sk: finish_unit.update(fence="fnc_other")
    finish(cloud, an_order(2))
    assert cloud.outcomes == []


def test_an_order_to_finish_without_media_is_a_bad_order() -> None:
    with pytest.raises(BadOrder, match="media facts"):
        finish(MemoryCloud(), an_order(2, media=None))


def test_a_finish_tracks_as_it_is_told() -> None:
    """The dog scores 0.2, far below the model's threshold, so that by default nobody follows it."""
    cloud, told = a_cloud(4), a_cloud(4)
    finish(cloud, an_order(4))
    finish(told, an_order(4, parameters={"tracking": {"score_high": 0.15, "labels": ["dog"]}}))
    assert [track.label for track in tracks_of(cloud)] == ["person"]
    assert [track.label for track in tracks_of(told)] == ["dog"]


def test_a_finish_that_is_told_how_to_track_goes_on_from_where_it_was_broken_off() -> None:
    order = an_order(parameters={"tracking": {"score_high": 0.15, "confirm_hits": 4}})
    whole, broken = a_cloud(), a_cloud()
    finish(whole, order)
    with pytest.raises(Drained):
        finish(broken, order, stop_when_read(broken, table_keys.segment(20)))
    finish(broken, order)
    assert result_of(broken) == result_of(whole)
