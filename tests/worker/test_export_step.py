"""An export as a unit of work: the job's results, read as the API reads them, become a file in the bucket."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import pytest

from chalicelib.contracts import object_keys, table_keys
from chalicelib.contracts.blocks import make_ref, pack_block
from chalicelib.contracts.cell_results import CellResult
from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.export_parameters import ExportParameters
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.track_ids import IdColumn, pack_track_ids
from chalicelib.contracts.work_order import OrderedMedia, OrderedModel, OrderedSource, OrderKind, WorkOrder
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.exports import ExportFormat, ExportRequest
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.segments import Segment
from chalicelib.domain.units import UnitKind, UnitState
from gpu_batch.errors import BadInput, BadOrder
from gpu_batch.export_step import run_export
from gpu_batch.lease import Stop
from tests.contracts.block_makers import FrameOf, make_block
from tests.models.makers import a_classifier_manifest, a_manifest
from tests.video.corpus import HEIGHT, TICKS_PER_FRAME, TIMEBASE, WIDTH
from tests.worker.clips import make_clip
from tests.worker.memory_cloud import MemoryCloud

FINISHED_AT = "2026-03-01T12:00:00.000Z"
NAME = "exp_1"
VERSION = 3
"""Of the tracks."""
UNIT = UnitKey("acme#job_1", UnitKind.EXPORT, name=NAME)
KEY = object_keys.export_key("acme", "job_1", NAME)
NEAR = a_manifest(name="near", labels=("person", "dog"), score_floor=0.1, score_default=0.4)
FAR = a_manifest(name="far", labels=("dog", "person"), score_floor=0.1, score_default=0.6)
CELLS, FRAMES = 2, 4
"""Cells of a segment; frames of a cell, of which every other one is sampled."""
STEP = TICKS_PER_FRAME


def an_order(request: ExportRequest, segments: int = 3, **changes: Any) -> WorkOrder:
    width = CELLS * FRAMES * STEP
    order = WorkOrder(
        kind=OrderKind.EXPORT,
        tenant="acme",
        video_id="vid_1",
        job_id="job_1",
        submission=SubmissionId("export-1"),
        source=OrderedSource("bucket", "source", "", "", 1, "digest"),
        lease_seconds=30.0,
        heartbeat_seconds=3600.0,
        media=OrderedMedia(WIDTH, HEIGHT, 0, str(TIMEBASE), "cells", "table", ""),
        models=(OrderedModel("near", "n", NEAR.to_json()), OrderedModel("far", "f", FAR.to_json())),
        sampling={"kind": "per_second", "n": 12.5},
        segments=tuple(Segment(i, i * width, (i + 1) * width, i * CELLS, (i + 1) * CELLS) for i in range(segments)),
        step=NAME,
        parameters=ExportParameters(request, "clip.mp4", VERSION, {"lost_seconds": 2.5}).to_json(),
        job_finished_at=FINISHED_AT,
    )
    return replace(order, **changes)


def a_frame(model: int, cell: int, rank: int) -> FrameOf:
    """A sure dog and a person that only the first model's threshold lets through."""
    pts = (cell * FRAMES + rank) * STEP
    return (pts, 0, rank, 0, [(0, 9000 - model, 16, 16, 160 + cell, 320), (1, 4500, 0, 0, 64, 64)])


def commit(cloud: MemoryCloud, segment: int) -> None:
    """What a worker and the finish leave of a segment: tracks of the first model's dogs."""
    pk, models = table_keys.partition("acme", "digest"), []
    for model in range(2):
        cells = []
        for cell in range(segment * CELLS, (segment + 1) * CELLS):
            block = make_block(
                TIMEBASE, ["dog", "person"], [a_frame(model, cell, rank) for rank in range(0, FRAMES, 2)]
            )
            body = pack_block(block)
            ref = make_ref(block, body, table_keys.block_head(str(model) * 32, cell))
            cloud.put_many("results", [{"pk": pk, "sk": ref.sk, "kind": "BLOCK", "body": body}])
            cells.append(CellResult(cell, FRAMES, FRAMES // 2, (), (ref,)))
        models.append(tuple(cells))
        columns = [IdColumn([2, 2], [7, 0, 7, 0] if model == 0 else [0] * 4)] * CELLS
        # Parts so small that there is one for each block.
        for number, part in enumerate(pack_track_ids(columns, max_part_bytes=1)):
            sk = table_keys.track_ids(VERSION, segment, model, number)
            cloud.put_many("results", [{"pk": "acme#job_1", "sk": sk, "kind": "TRACKIDS", "body": part}])
    width = CELLS * FRAMES * STEP
    entry = IndexEntry(segment, segment * width, (segment + 1) * width, CELLS * FRAMES, tuple(models))
    cloud.put_many("results", [entry.to_item("acme", "job_1")])
    unit = {"pk": "acme#job_1", "sk": table_keys.segment(segment), "state": "DONE", "frames_shown": CELLS * FRAMES}
    cloud.put_many("meta", [unit])


def a_job(segments: int = 3, *, without: tuple[int, ...] = ()) -> MemoryCloud:
    cloud = MemoryCloud()
    cloud.open_unit(UNIT.pk, UNIT.kind, name=NAME)
    cloud.tables["meta"]["acme#job_1", table_keys.JOB] = {"state": "SUCCEEDED", "finished_at": FINISHED_AT}
    for segment in range(segments):
        if segment not in without:
            commit(cloud, segment)
    return cloud


def export(cloud: MemoryCloud, request: ExportRequest, **changes: Any) -> bytes:
    """The object that a worker leaves."""
    run_export(cloud, an_order(request, **changes), claimed_by="batch", stop=Stop())
    return cloud.objects[KEY]


def rows(cloud: MemoryCloud, **asked: Any) -> list[dict[str, Any]]:
    lines = export(cloud, ExportRequest(ExportFormat.NDJSON, **asked)).splitlines()
    return [json.loads(line) for line in lines[1:-1]]


def test_every_row_above_its_models_threshold_comes_in_the_order_of_the_api() -> None:
    found = rows(a_job())
    first = [(row["model"], row["label"], row["score"]) for row in found if row["pts"] == 0]
    assert first == [("near", "dog", 0.9), ("far", "dog", 0.8999), ("near", "person", 0.45)]
    times = [row["pts"] for row in found]
    assert times == sorted(times)
    assert len(found) == 3 * CELLS * FRAMES // 2 * 3


def test_frames_are_numbered_in_the_video_and_among_the_samples() -> None:
    found = {row["pts"]: (row["frame_index"], row["sampled_index"]) for row in rows(a_job())}
    assert list(found.values()) == [(number * 2, number) for number in range(12)]
    assert all(pts == number * STEP for pts, (number, _) in found.items())


def test_track_ids_lie_beside_their_rows() -> None:
    found = rows(a_job())
    assert {row["track_id"] for row in found if (row["model"], row["label"]) == ("near", "dog")} == {7}
    assert {row["track_id"] for row in found if (row["model"], row["label"]) != ("near", "dog")} == {None}


def test_the_version_of_the_tracks_is_stated() -> None:
    header = json.loads(export(a_job(), ExportRequest(ExportFormat.NDJSON)).splitlines()[0])
    assert header["tracker"] == {"version": VERSION, "parameters": {"lost_seconds": 2.5}}


def test_without_tracks_no_row_has_an_id() -> None:
    order = an_order(ExportRequest(ExportFormat.NDJSON))
    assert order.parameters is not None
    cloud = a_job()
    parameters = order.parameters | {"tracks_version": None}
    lines = export(cloud, ExportRequest(ExportFormat.NDJSON), parameters=parameters).splitlines()
    assert {json.loads(line)["track_id"] for line in lines[1:-1]} == {None}
    assert json.loads(lines[0])["tracker"] is None


@pytest.mark.parametrize(
    ("asked", "count"), [({"score_min": 0.1}, 4), ({"labels": ("person",)}, 1), ({"models": ("far",)}, 1)]
)
def test_only_what_was_asked_for_is_exported(asked: dict[str, Any], count: int) -> None:
    assert len([row for row in rows(a_job(), **asked) if row["pts"] == 0]) == count


def test_what_the_job_was_asked_for_holds_unless_the_export_says_more() -> None:
    cloud = a_job()
    lines = export(cloud, ExportRequest(ExportFormat.NDJSON), score_min=0.1, labels=("dog",)).splitlines()
    assert {json.loads(line)["label"] for line in lines[1:-1]} == {"dog"}
    assert [model["score_min"] for model in json.loads(lines[0])["models"]] == [0.1, 0.1]


def test_the_end_says_what_was_made() -> None:
    cloud = a_job()
    content = export(cloud, ExportRequest(ExportFormat.CSV))
    unit = cloud.unit(UNIT)
    assert unit["state"] == UnitState.DONE
    result = unit["result"]
    assert (result["sha256"], result["size_bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (result["file_name"], result["frames"], result["detections"]) == ("clip.csv", 12, 36)
    assert result["statement"]["video"]["frame_count"] == 3 * CELLS * FRAMES


def test_frames_without_a_detection_are_counted_and_written() -> None:
    cloud = a_job()
    export(cloud, ExportRequest(ExportFormat.COCO, labels=("person",), models=("far",)))
    result = cloud.unit(UNIT)["result"]
    assert (result["frames"], result["detections"]) == (12, 0)
    assert len(json.loads(cloud.objects[KEY])["images"]) == 12


def test_packed_ndjson_is_named_so() -> None:
    cloud = a_job()
    content = export(cloud, ExportRequest(ExportFormat.NDJSON, is_packed=True))
    assert gzip.decompress(content).startswith(b'{"kind":"header"')
    assert cloud.unit(UNIT)["result"]["file_name"] == "clip.ndjson.gz"


def test_another_worker_makes_the_same_bytes() -> None:
    request = ExportRequest(ExportFormat.PARQUET)
    assert export(a_job(), request) == export(a_job(), request)


def test_after_a_missing_segment_frames_have_no_number() -> None:
    found = rows(a_job(without=(1,)))
    numbers = {row["pts"] // STEP: row["frame_index"] for row in found}
    assert numbers == {0: 0, 2: 2, 4: 4, 6: 6, 16: None, 18: None, 20: None, 22: None}


def test_a_format_of_numbers_refuses_frames_without_one() -> None:
    cloud = a_job(without=(1,))
    with pytest.raises(BadInput, match="names frames by number"):
        export(cloud, ExportRequest(ExportFormat.COCO))
    unit = cloud.unit(UNIT)
    assert (unit["state"], unit["failure"]["code"]) == (UnitState.FAILED, ErrorCode.CONFLICT)
    assert KEY not in cloud.objects


def test_missing_ranges_are_stated() -> None:
    cloud = a_job()
    gap = {"start_seconds": 1.5, "end_seconds": 2.0, "failure": {"code": "DAMAGED_RANGES", "detail": "d", "hint": "h"}}
    cloud.tables["meta"]["acme#job_1", table_keys.JOB]["missing"] = [gap]
    export(cloud, ExportRequest(ExportFormat.CSV))
    stated = cloud.unit(UNIT)["result"]["statement"]["missing"]
    assert stated == [{"start_seconds": 1.5, "end_seconds": 2, "code": "DAMAGED_RANGES"}]


def test_an_export_of_another_release_is_a_bad_order() -> None:
    cloud = a_job()
    order = an_order(ExportRequest(ExportFormat.CSV))
    assert order.parameters is not None
    with pytest.raises(BadOrder, match="unknown"):
        run_export(cloud, replace(order, parameters=order.parameters | {"version": 99}), claimed_by="b", stop=Stop())


def test_an_export_of_a_job_that_was_deleted_leaves_nothing() -> None:
    cloud = a_job()
    del cloud.tables["meta"]["acme#job_1", table_keys.JOB]
    run_export(cloud, an_order(ExportRequest(ExportFormat.CSV)), claimed_by="batch", stop=Stop())
    assert KEY not in cloud.objects


def test_an_mp4_has_every_frame_of_the_source_at_its_time() -> None:
    cloud = a_job()
    cloud.videos["source"] = make_clip(24)
    content = export(cloud, ExportRequest(ExportFormat.MP4))
    with av.open(io.BytesIO(content), "r") as container:
        frames = list(container.decode(video=0))
        assert json.loads(container.metadata["comment"])["job_id"] == "job_1"
    assert len(frames) == 24
    assert [frame.time for frame in frames] == pytest.approx([float(Fraction(number, 25)) for number in range(24)])
    # The dogs are where they were found; between the samples their track goes on.
    before, with_box = (picture_of(make_clip(24), number) for number in (0, 1))
    assert abs(picture_of(content, 0).astype(int) - before.astype(int)).max() > 80
    assert abs(picture_of(content, 1).astype(int) - with_box.astype(int)).max() > 80


def picture_of(content: bytes, number: int) -> Any:
    with av.open(io.BytesIO(content), "r") as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][number]


def test_a_source_that_is_gone_is_said_to_be() -> None:
    cloud = a_job()

    def gone(_: OrderedSource) -> Any:
        raise BadInput("the source is gone", code=ErrorCode.SOURCE_GONE)

    cloud.open_source = gone  # type: ignore[assignment, method-assign]
    with pytest.raises(BadInput, match="gone"):
        export(cloud, ExportRequest(ExportFormat.MP4))
    assert cloud.unit(UNIT)["failure"]["code"] == ErrorCode.SOURCE_GONE


SCENES = a_classifier_manifest(name="scenes", labels=("dog", "person"), score_floor=0.1, score_default=0.6)
WITH_SCENES = (OrderedModel("near", "n", NEAR.to_json()), OrderedModel("scenes", "s", SCENES.to_json()))


def test_labels_of_frames_are_rows_of_a_table() -> None:
    lines = [
        json.loads(line)
        for line in export(a_job(), ExportRequest(ExportFormat.NDJSON), models=WITH_SCENES).splitlines()
    ]
    assert {line["model"] for line in lines[1:-1]} == {"near", "scenes"}
    assert [(model["name"], model["task"]) for model in lines[0]["models"]] == [
        ("near", "detection"),
        ("scenes", "classification"),
    ]
    assert lines[0]["models_left_out"] == []


def test_labels_of_frames_are_left_out_of_a_format_of_boxes_which_says_so() -> None:
    models = (WITH_SCENES[1], WITH_SCENES[0])
    coco = json.loads(export(a_job(), ExportRequest(ExportFormat.COCO), models=models))
    assert {annotation["model"] for annotation in coco["annotations"]} == {"near"}
    assert [category["name"] for category in coco["categories"]] == list(NEAR.labels)
    assert coco["info"]["reelscan"]["models_left_out"] == ["scenes"]
