"""MOTChallenge: an archive with the tracks as a tracker's result, and the sequence's facts; frames count from 1.

    README.txt                   what is what, and the statement
    <video>.txt                  frame, id, left, top, width, height, score, -1, -1, -1; by frame, then id
    <video>/seqinfo.ini          name, length, size and average rate
    tracks.csv                   model and label of every id: the result itself has no place for them

Frames are those of the video, sampled or not: frame_index + 1. Rows without a track are left out.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator

from chalicelib.contracts.blocks import BOX_UNITS
from chalicelib.domain.exports import ExportFormat
from gpu_batch.exports.facts import ExportFacts, ExportFrame, ExportRow, Sink, number_of
from gpu_batch.exports.ids import IdSet
from gpu_batch.exports.text import decimal, readme
from gpu_batch.exports.zip_stream import ZipStream

ABOUT = """
{stem}.txt    the tracks: frame (from 1), id, left, top, width, height, score, -1, -1, -1
{stem}/seqinfo.ini    the sequence
tracks.csv    model and label of every id
"""


def write_mot(facts: ExportFacts, frames: Iterator[ExportFrame], sink: Sink) -> None:
    """See the module's docstring."""
    seen = IdSet()
    last_number = -1
    with ZipStream(sink) as archive, tempfile.TemporaryFile() as result, tempfile.TemporaryFile() as listed:
        listing = io.TextIOWrapper(listed, encoding="utf-8", newline="")
        table = csv.writer(listing)
        table.writerow(("track_id", "model", "label"))
        for frame in frames:
            last_number = number_of(frame)
            tracked = sorted((row.track_id, row) for row in frame.rows if row.track_id is not None)
            for track_id, row in tracked:
                result.write(_line(last_number + 1, track_id, row).encode())
                if seen.add(track_id):
                    table.writerow((track_id, facts.models[row.model].name, row.label))
        listing.detach()
        # Beside README.txt there is no room for the result of a video of that name, whatever its letters.
        stem = f"{facts.stem}_video" if facts.stem.lower() == "readme" else facts.stem
        about = ABOUT.format(stem=stem)
        archive.add("README.txt", readme(facts.statement(ExportFormat.MOT), about))
        archive.add(f"{stem}/seqinfo.ini", _sequence(facts, stem, last_number + 1))
        archive.add_file(f"{stem}.txt", result)
        archive.add_file("tracks.csv", listed)


def _line(frame: int, track_id: int, row: ExportRow) -> str:
    x1, y1, x2, y2 = row.box_units
    sides = ",".join(decimal(side / BOX_UNITS, 4) for side in (x1, y1, x2 - x1, y2 - y1))
    return f"{frame},{track_id},{sides},{decimal(row.score, 4)},-1,-1,-1\n"


def _sequence(facts: ExportFacts, stem: str, seen_frames: int) -> bytes:
    length = facts.frame_count if facts.frame_count is not None else seen_frames
    lines = {
        "name": stem,
        "imDir": "img1",
        "frameRate": decimal(facts.frame_rate or 0, 6),
        "seqLength": length,
        "imWidth": facts.width,
        "imHeight": facts.height,
        "imExt": ".jpg",
    }
    return ("[Sequence]\n" + "".join(f"{name}={value}\n" for name, value in lines.items())).encode()
