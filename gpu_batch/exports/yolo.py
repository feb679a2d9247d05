"""YOLO: an archive with one text file per sampled frame, of lines `class x y width height`, and no scores or tracks.

    README.txt                what is what, and the statement
    data.yaml                 names by class, counted from 0; where pictures and labels lie
    classes.txt               the same names, a line each
    labels/<video>_<n>.txt    n is the frame's number in the video from 0; empty for a frame without a row
    frames.csv                number, pts and time of every one of them

Centre and size are parts of the frame's width and height, with eight decimals: enough to find the sixteenth of a pixel
again. Pictures are not in the archive: README.txt says how to make them.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator

from chalicelib.contracts.blocks import BOX_UNITS
from chalicelib.domain.exports import ExportFormat
from gpu_batch.exports.facts import ExportFacts, ExportFrame, ExportRow, Sink, number_of
from gpu_batch.exports.text import compact_json, readme
from gpu_batch.exports.zip_stream import ZipStream

ABOUT = """
labels/    one file per sampled frame: class, centre x, centre y, width, height, as parts of the frame's size
classes.txt, data.yaml    the classes, counted from 0
frames.csv    frame_index (from 0, of the frames as shown), pts and time of every sampled frame

The pictures are not here. All frames of the video, under the names that the labels expect:

    ffmpeg -i VIDEO -fps_mode passthrough -start_number 0 images/{stem}_%06d.jpg

With a sampling, pictures without a label file are frames that nobody looked at: remove them before training.
"""


def write_yolo(facts: ExportFacts, frames: Iterator[ExportFrame], sink: Sink) -> None:
    """See the module's docstring."""
    about = ABOUT.format(stem=facts.stem)
    with ZipStream(sink) as archive, tempfile.TemporaryFile() as listed:
        archive.add("README.txt", readme(facts.statement(ExportFormat.YOLO), about))
        archive.add("data.yaml", _data_yaml(facts))
        # A line break in a name would be two classes.
        names = (name.replace("\r", " ").replace("\n", " ") for name in facts.categories)
        archive.add("classes.txt", "".join(f"{name}\n" for name in names).encode())
        listing = io.TextIOWrapper(listed, encoding="utf-8", newline="")
        table = csv.writer(listing)
        table.writerow(("file", "frame_index", "pts", "time_seconds"))
        for frame in frames:
            name = facts.frame_name(number_of(frame))
            archive.add(f"labels/{name}.txt", "".join(_line(facts, row) for row in frame.rows).encode())
            table.writerow((name, frame.frame_index, frame.pts, facts.seconds(frame.pts)))
        listing.detach()
        archive.add_file("frames.csv", listed)


def _line(facts: ExportFacts, row: ExportRow) -> str:
    x1, y1, x2, y2 = row.box_units
    width, height = facts.width * BOX_UNITS, facts.height * BOX_UNITS
    parts = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
    return " ".join([str(facts.categories[row.label]), *(f"{part:.8f}" for part in parts)]) + "\n"


def _data_yaml(facts: ExportFacts) -> bytes:
    # A JSON string is a YAML string, whatever is in it.
    names = "".join(f"  {number}: {compact_json(name)}\n" for name, number in facts.categories.items())
    return f"path: .\ntrain: images\nval: images\nnames:\n{names}".encode()
