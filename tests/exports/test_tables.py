"""NDJSON, CSV and Parquet: every row comes back exactly, read by others."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

import pyarrow.parquet

from chalicelib.domain.exports import EXPORT_VERSION, ExportFormat
from gpu_batch.exports.csv_table import COLUMNS, write_csv
from gpu_batch.exports.facts import ExportFrame, ExportRow
from gpu_batch.exports.ndjson import write_ndjson, write_ndjson_gzip
from gpu_batch.exports.parquet import ROWS_PER_GROUP, write_parquet
from tests.exports.job import all_rows, some_facts, some_frames, written


def expected(frame: ExportFrame, row: ExportRow) -> dict[str, Any]:
    """A detection as the API would say it."""
    return {
        "pts": frame.pts,
        "time_seconds": frame.pts / 1000,
        "frame_index": frame.frame_index,
        "sampled_index": frame.sampled_index,
        "model": ("near", "far")[row.model],
        "label": row.label,
        "score": row.score_units / 10_000,
        "box": [side / 16 for side in row.box_units],
        "track_id": row.track_id,
    }


ROWS = [expected(frame, row) for frame, row in all_rows()]


def test_ndjson_has_every_detection_between_a_header_and_an_end() -> None:
    header, *rows, end = [json.loads(line) for line in written(write_ndjson).split(b"\n")[:-1]]
    assert [row | {"kind": "detection"} for row in ROWS] == rows
    assert end == {"kind": "end", "frames": 6, "detections": len(ROWS)}
    assert header["kind"] == "header"


def test_the_header_states_everything() -> None:
    header = json.loads(written(write_ndjson).partition(b"\n")[0])
    assert (header["index_base"], header["timebase"], header["export_version"]) == (0, "1/1000", EXPORT_VERSION)
    assert (header["sampling"], header["job_id"]) == ({"kind": "per_second", "n": 2}, "job_1")
    assert [(model["name"], model["sha256"][:1]) for model in header["models"]] == [("near", "a"), ("far", "b")]
    assert header["tracker"] == {"version": 1, "parameters": {"score_high": 0.4}}
    assert header["video"]["content_digest"] == "c" * 64
    assert header["missing"][0]["code"] == "DAMAGED_RANGES"


def test_a_frame_without_a_number_has_none_in_ndjson() -> None:
    frames = [frame._replace(frame_index=None) for frame in some_frames()]
    _, row, *_ = written(write_ndjson, frames=frames).split(b"\n")
    assert json.loads(row)["frame_index"] is None


def test_packed_ndjson_is_the_same() -> None:
    assert gzip.decompress(written(write_ndjson_gzip)) == written(write_ndjson)


def test_csv_has_every_detection_whatever_the_label() -> None:
    names, *rows = csv.reader(io.StringIO(written(write_csv).decode(), newline=""))
    assert tuple(names) == COLUMNS
    assert len(rows) == len(ROWS)
    for fields, row in zip(rows, ROWS, strict=True):
        found = dict(zip(names, fields, strict=True))
        assert found["label"] == row["label"]
        assert [float(found[side]) for side in ("x1", "y1", "x2", "y2")] == row["box"]
        assert found["track_id"] == ("" if row["track_id"] is None else str(row["track_id"]))
        assert (int(found["pts"]), float(found["score"])) == (row["pts"], row["score"])
        assert (found["timebase"], found["job_id"]) == ("1/1000", "job_1")


def test_csv_lines_end_as_rfc_4180_says() -> None:
    assert written(write_csv, frames=some_frames()[:1]).endswith(b"\r\n")


def test_parquet_has_every_detection() -> None:
    table = pyarrow.parquet.read_table(io.BytesIO(written(write_parquet)))
    rows = table.to_pylist()
    boxes = [[row.pop(side) for side in ("x1", "y1", "x2", "y2")] for row in rows]
    assert [{**row, "box": box} for row, box in zip(rows, boxes, strict=True)] == ROWS


def test_parquet_carries_the_statement() -> None:
    metadata = pyarrow.parquet.read_metadata(io.BytesIO(written(write_parquet))).metadata
    assert json.loads(metadata[b"reelscan"]) == json.loads(json.dumps(some_facts().statement(ExportFormat.PARQUET)))


def test_parquet_of_a_job_without_a_detection_has_its_columns() -> None:
    table = pyarrow.parquet.read_table(io.BytesIO(written(write_parquet, frames=[])))
    assert (table.num_rows, table.column_names[:2]) == (0, ["pts", "time_seconds"])


def test_parquet_row_groups_are_bounded() -> None:
    row = some_frames()[0].rows[0]
    frames = [ExportFrame(0, 0, 0, 0, (row,) * (ROWS_PER_GROUP + 1))]
    metadata = pyarrow.parquet.read_metadata(io.BytesIO(written(write_parquet, frames=frames)))
    assert [metadata.row_group(group).num_rows for group in range(2)] == [ROWS_PER_GROUP, 1]
