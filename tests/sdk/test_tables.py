"""Detections as the tables and objects of other libraries, and diffs added up."""

from __future__ import annotations

import reelscan
from reelscan.reading import read_record
from reelscan.records import Detection
from tests.api.service import ACME, Service
from tests.docs.street import seed_street, seed_two_streets
from tests.sdk.answers import Answers, in_async_client, make_client, ok
from tests.sdk.fake_service import make_detection
from tests.sdk.in_memory import BASE_URL, InMemory

FOUND = [
    make_detection(512),
    make_detection(1024, box=(1, 2, 3, 4)) | {"label": "dog", "frame_index": None, "track_id": None},
]


def test_a_table_has_a_row_for_each_detection_and_knows_what_is_missing() -> None:
    table = make_client(Answers(ok({"items": FOUND, "next_cursor": None}))).jobs.detections("job_1").to_pandas()
    assert list(table["label"]) == ["person", "dog"]
    assert list(table.loc[1, ["x1", "y1", "x2", "y2"]]) == [1, 2, 3, 4]
    assert table["track_id"].isna().tolist() == table["frame_index"].isna().tolist() == [False, True]
    assert table["pts"].sum() == 1536


def test_an_empty_answer_is_an_empty_table_with_the_same_columns() -> None:
    full = reelscan.to_pandas([read_record(Detection, row) for row in FOUND])
    empty = reelscan.to_pandas([])
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


def test_supervision_gets_boxes_classes_and_tracks() -> None:
    answers = Answers(ok({"items": FOUND, "next_cursor": None}))
    found = in_async_client(answers, lambda client: client.jobs.detections("job_1").to_supervision())
    assert found.xyxy.tolist() == [[20, 20, 80, 80], [1, 2, 3, 4]]
    assert found.class_id.tolist() == [1, 0]
    assert found.data["class_name"].tolist() == ["person", "dog"]
    assert found.data["frame_index"].tolist() == [1, -1]
    assert found.tracker_id.tolist() == [1, 0]
    assert len(found[found.class_id == 1]) == 1


def test_nothing_found_is_nothing_in_supervision_too() -> None:
    assert len(reelscan.to_supervision([])) == 0


def test_a_street_is_the_same_by_pages_of_any_size() -> None:
    memory = InMemory(Service())
    job_id = seed_street(memory.service).job_id
    client = reelscan.Client(BASE_URL, ACME, transport=memory)
    whole = client.jobs.detections(job_id).all()
    assert client.jobs.detections(job_id, limit=3).all() == whole
    assert len(whole) == 34
    in_time = client.jobs.detections(job_id, label="dog", from_seconds=1, to_seconds=2)
    assert [found.time_seconds for found in in_time] == [1.0, 1.5]


def test_a_diff_that_comes_in_pieces_is_added_up() -> None:
    memory = InMemory(Service())
    a, b = seed_two_streets(memory.service)
    client = reelscan.Client(BASE_URL, ACME, transport=memory)
    whole = client.jobs.diff(a, b, buckets=5)
    changes = client.jobs.changes(a, b).all()
    assert whole.is_complete
    assert whole.total.added == sum(change.kind == "added" for change in changes)
    assert whole.total.removed == sum(change.kind == "removed" for change in changes)

    pieces = [piece for piece in whole.over_time if piece.a_count + piece.b_count]
    assert sum(piece.matched for piece in pieces) == whole.total.matched
