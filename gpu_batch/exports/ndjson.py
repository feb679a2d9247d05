"""NDJSON: a header line, a line per detection, and an end line, by which a file that was cut off is known.

    {"kind":"header", … the statement of `ExportFacts.statement`}
    {"kind":"detection","pts","time_seconds","frame_index","sampled_index","model","label","score","box","track_id"}
    {"kind":"end","frames","detections"}     sampled frames, also those without a detection; detections

`box` is [x1, y1, x2, y2] in pixels of the frame as shown. `frame_index` is null after a part of the video that is
missing, `track_id` for a detection without a track.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from chalicelib.domain.exports import ExportFormat
from gpu_batch.exports.facts import ExportFacts, ExportFrame, Sink
from gpu_batch.exports.text import compact_json


def write_ndjson(facts: ExportFacts, frames: Iterator[ExportFrame], sink: Sink) -> None:
    """See the module's docstring."""

    def write_line(form: dict[str, object]) -> None:
        sink.write(compact_json(form).encode() + b"\n")

    write_line({"kind": "header", **facts.statement(ExportFormat.NDJSON)})
    frame_count = detections = 0
    for frame in frames:
        frame_count += 1
        for row in frame.rows:
            detections += 1
            write_line(
                {
                    "kind": "detection",
                    "pts": frame.pts,
                    "time_seconds": facts.seconds(frame.pts),
                    "frame_index": frame.frame_index,
                    "sampled_index": frame.sampled_index,
                    "model": facts.models[row.model].name,
                    "label": row.label,
                    "score": row.score,
                    "box": row.box,
                    "track_id": row.track_id,
                }
            )
    write_line({"kind": "end", "frames": frame_count, "detections": detections})


def write_ndjson_gzip(facts: ExportFacts, frames: Iterator[ExportFrame], sink: Sink) -> None:
    """The same, packed; the bytes are those of one version of zlib."""
    # Neither a time nor a name in the header, so that the same results give the same bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=sink, mtime=0) as packed:
        write_ndjson(facts, frames, packed)  # type: ignore[arg-type]
