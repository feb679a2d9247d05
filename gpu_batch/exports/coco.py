"""COCO JSON with the video extension of TAO: what pycocotools reads, and `videos` and `tracks` beside it.

Only sampled frames are `images`; their ids count them from 1, `frame_index` is their number in the video from 0.
Annotations have `bbox` as [x, y, width, height] in pixels, `area`, `iscrowd` 0, `score`, and `track_id` where they have
a track; ids count from 1. `categories` are all labels that the job's models know. The statement is in `info`.

One part of the file comes after the other, so annotations and tracks wait in temporary files; in memory is one bit per
track id.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from chalicelib.contracts.blocks import BOX_UNITS
from chalicelib.domain.exports import ExportFormat
from gpu_batch.exports.facts import ExportFacts, ExportFrame, ExportRow, Sink, number_of
from gpu_batch.exports.ids import IdSet
from gpu_batch.exports.text import compact_json

SPOOL_BYTES = 1 << 20
VIDEO_ID = 1


def write_coco(facts: ExportFacts, frames: Iterator[ExportFrame], sink: Sink) -> None:
    """See the module's docstring."""
    statement = facts.statement(ExportFormat.COCO)
    info = {"description": statement["title"], "version": str(statement["export_version"]), "reelscan": statement}
    video = {
        "id": VIDEO_ID,
        "name": facts.stem,
        "file_name": facts.filename,
        "width": facts.width,
        "height": facts.height,
        "frame_count": facts.frame_count,
        "timebase": statement["timebase"],
    }
    categories = [{"id": number + 1, "name": name} for name, number in facts.categories.items()]
    head = {"info": info, "licenses": [], "videos": [video], "categories": categories}
    with tempfile.TemporaryFile() as annotation_spool, tempfile.TemporaryFile() as track_spool:
        images = _JsonList(sink)
        annotations, tracks = _JsonList(annotation_spool), _JsonList(track_spool)
        seen = IdSet()
        sink.write(compact_json(head)[:-1].encode() + b',"images":[')
        for frame in frames:
            images.add(_image(facts, frame))
            for row in frame.rows:
                annotations.add(_annotation(facts, frame, row, annotations.length + 1))
                if row.track_id is not None and seen.add(row.track_id):
                    category = facts.categories[row.label] + 1
                    tracks.add({"id": row.track_id, "video_id": VIDEO_ID, "category_id": category})
        for name, spool in (("annotations", annotation_spool), ("tracks", track_spool)):
            sink.write(f'],"{name}":['.encode())
            spool.seek(0)
            shutil.copyfileobj(spool, sink, SPOOL_BYTES)
        sink.write(b"]}\n")


def _image(facts: ExportFacts, frame: ExportFrame) -> dict[str, Any]:
    number = number_of(frame)
    return {
        "id": frame.sampled_index + 1,
        "video_id": VIDEO_ID,
        "frame_index": number,
        "file_name": f"{facts.frame_name(number)}.jpg",
        "width": facts.width,
        "height": facts.height,
        "pts": frame.pts,
        "time_seconds": facts.seconds(frame.pts),
    }


def _annotation(facts: ExportFacts, frame: ExportFrame, row: ExportRow, number: int) -> dict[str, Any]:
    x1, y1, x2, y2 = row.box_units
    width, height = x2 - x1, y2 - y1
    form = {
        "id": number,
        "image_id": frame.sampled_index + 1,
        "video_id": VIDEO_ID,
        "category_id": facts.categories[row.label] + 1,
        "bbox": [x1 / BOX_UNITS, y1 / BOX_UNITS, width / BOX_UNITS, height / BOX_UNITS],
        "area": width * height / BOX_UNITS**2,
        "iscrowd": 0,
        "score": row.score,
        "model": facts.models[row.model].name,
    }
    if row.track_id is not None:
        form["track_id"] = row.track_id
    return form


class _JsonList:
    """The entries of a JSON array, written one by one."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self.length = 0

    def add(self, form: dict[str, Any]) -> None:
        self._sink.write((b",\n" if self.length else b"\n") + compact_json(form).encode())
        self.length += 1
