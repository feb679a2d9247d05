"""Tracks of a job: the id columns and tracks are the same, wherever the fold was stored and taken up again."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from chalicelib.contracts.blocks import Block
from chalicelib.contracts.track_ids import IdColumn
from chalicelib.domain.models import Manifest, manifest_from_json
from chalicelib.domain.tracking import TrackingParameters
from gpu_batch.track_job import ModelTracks, tracker_params
from gpu_batch.tracking import TrackerParams
from tests.models.makers import a_manifest
from tests.models.paths import DEFAULT_MODELS
from tests.tracking.bikes import read_bikes

NANODET = manifest_from_json(json.loads((DEFAULT_MODELS / "nanodet-g" / "manifest.json").read_text()))
TIMEBASE = Fraction(1, 12800)
FRAMES_PER_BLOCK = 25


def bikes_blocks() -> list[Block]:
    """The detections of the demo clip in ten blocks."""
    frames, _ = read_bikes()
    names = NANODET.labels
    used = sorted({names[label] for frame in frames for label in frame.labels})
    blocks = []
    for first in range(0, len(frames), FRAMES_PER_BLOCK):
        part = frames[first : first + FRAMES_PER_BLOCK]
        boxes = np.concatenate([np.rint(frame.boxes * 16) for frame in part]).astype(int)
        blocks.append(
            Block(
                TIMEBASE,
                tuple(used),
                array("q", [frame.pts for frame in part]),
                array("H", [0] * len(part)),
                array("I", range(len(part))),
                array("H", [len(frame.labels) for frame in part]),
                array("B", [0] * len(part)),
                array("H", [used.index(names[label]) for frame in part for label in frame.labels]),
                array("H", [round(float(score) * 10_000) for frame in part for score in frame.scores]),
                *(array("i", boxes[:, side].tolist()) for side in range(4)),
            )
        )
    return blocks


def fold(manifest: Manifest = NANODET, index: int = 0, count: int = 1) -> ModelTracks:
    return ModelTracks(manifest, index, count, width=640, height=272, timebase=TIMEBASE)


def track_all(blocks: Sequence[Block], tracks: ModelTracks) -> list[IdColumn]:
    columns = [column for block in blocks for column in tracks.push(block)]
    return columns + list(tracks.finish())


def test_every_block_gets_one_id_for_each_row() -> None:
    blocks = bikes_blocks()
    columns = track_all(blocks, fold())
    assert [list(column.counts) for column in columns] == [list(block.counts) for block in blocks]
    assert [len(column.ids) for column in columns] == [len(block.row_labels) for block in blocks]


def test_a_fold_that_is_stored_after_every_block_gives_the_same_columns_and_tracks() -> None:
    blocks, whole = bikes_blocks(), fold()
    expected = track_all(blocks, whole)
    columns: list[IdColumn] = []
    tracks = fold()
    for block in blocks:
        columns += tracks.push(block)
        stored = json.loads(json.dumps(tracks.state()))
        tracks = fold()
        tracks.restore(stored)
    columns += tracks.finish()
    assert (columns, tracks.closed) == (expected, whole.closed)


def test_every_track_that_is_told_of_has_its_rows() -> None:
    blocks, tracks = bikes_blocks(), fold()
    columns = track_all(blocks, tracks)
    rows = [track_id for column in columns for track_id in column.ids if track_id]
    assert len(tracks.closed) > 5
    assert {track.track_id: track.frames for track in tracks.closed} == {name: rows.count(name) for name in set(rows)}


@pytest.mark.parametrize(("index", "count"), [(0, 2), (1, 2), (2, 3)])
def test_ids_of_several_models_never_meet(index: int, count: int) -> None:
    blocks = bikes_blocks()
    alone = [column.ids for column in track_all(blocks, fold())]
    shared = [column.ids for column in track_all(blocks, fold(index=index, count=count))]
    assert shared == [[(one - 1) * count + index + 1 if one else 0 for one in ids] for ids in alone]


def test_a_block_without_rows_is_settled_with_an_empty_column() -> None:
    empty = Block(
        TIMEBASE,
        (),
        array("q", [0]),
        array("H", [0]),
        array("I", [0]),
        array("H", [0]),
        array("B", [0]),
        *(array(code) for code in "HHiiii"),
    )
    assert track_all([empty], fold(a_manifest())) == [IdColumn([0], [])]


def test_a_label_that_is_not_asked_for_gets_no_track() -> None:
    blocks = bikes_blocks()
    asked = ModelTracks(
        NANODET, 0, 1, width=640, height=272, timebase=TIMEBASE, parameters=TrackingParameters(labels=("person",))
    )
    track_all(blocks, asked)
    assert {track.label for track in asked.closed} == {"person"}


def test_what_is_not_told_is_as_the_finish_does_it() -> None:
    usual = TrackerParams(score_high=NANODET.score_default)
    assert tracker_params(NANODET, TrackingParameters()) == usual


@pytest.mark.parametrize(
    ("told", "hits", "frames"),
    [
        ({"confirm_hits": 10}, 10, 10),
        ({"confirm_frames": 2}, 2, 2),
        ({"confirm_frames": 9}, 3, 9),
        ({"confirm_hits": 2, "confirm_frames": 4}, 2, 4),
    ],
)
def test_hits_and_frames_to_confirm_fit_each_other(told: dict[str, int], hits: int, frames: int) -> None:
    params = tracker_params(NANODET, TrackingParameters(**told))  # type: ignore[arg-type]
    assert (params.confirm_hits, params.confirm_frames) == (hits, frames)


def test_a_track_may_be_lost_for_as_long_as_was_told() -> None:
    params = tracker_params(NANODET, TrackingParameters(lost_seconds=30.0))
    assert (params.lost_seconds, params.gap_seconds) == (30.0, 30.0)
