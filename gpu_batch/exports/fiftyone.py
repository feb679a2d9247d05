"""FiftyOne: the folder of a `FiftyOneVideoLabelsDataset`, as an archive; frames count from 1, boxes are relative.

    README.txt           what is what, and the statement
    manifest.json        which labels belong to which video; its description is the statement
    labels/<video>.json  by frame number, every sampled frame, also those without a row
    data/                to be made by the reader: the video goes there, under its own name

A detection has the attribute `model`; `index` is its track.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

from chalicelib.contracts.blocks import BOX_UNITS
from chalicelib.domain.exports import ExportFormat, file_suffix
from gpu_batch.exports.facts import ExportFacts, ExportFrame, ExportRow, Sink, number_of
from gpu_batch.exports.text import compact_json, readme
from gpu_batch.exports.zip_stream import ZipStream

ABOUT = """
manifest.json, labels/    a FiftyOneVideoLabelsDataset, without the video

Put the video at data/{name} beside them, then

    fiftyone.Dataset.from_dir(".", dataset_type=fiftyone.types.FiftyOneVideoLabelsDataset)
"""


def write_fiftyone(facts: ExportFacts, frames: Iterator[ExportFrame], sink: Sink) -> None:
    """See the module's docstring."""
    statement = facts.statement(ExportFormat.FIFTYONE)
    video, labels = f"{facts.stem}{file_suffix(facts.filename)}", f"labels/{facts.stem}.json"
    manifest = {
        "type": "eta.core.datasets.LabeledVideoDataset",
        "description": compact_json(statement),
        "index": [{"data": f"data/{video}", "labels": labels}],
    }
    with ZipStream(sink) as archive, tempfile.TemporaryFile() as spool:
        archive.add("README.txt", readme(statement, ABOUT.format(name=video)))
        archive.add("manifest.json", compact_json(manifest).encode())
        spool.write(b'{"frames":{')
        for frame in frames:
            number = number_of(frame) + 1
            objects = [_object(facts, row) for row in frame.rows]
            form = compact_json({"frame_number": number, "objects": {"objects": objects}})
            spool.write(f'{"," if frame.sampled_index else ""}\n"{number}":{form}'.encode())
        spool.write(b"}}\n")
        archive.add_file(labels, spool)


def _object(facts: ExportFacts, row: ExportRow) -> dict[str, Any]:
    x1, y1, x2, y2 = row.box_units
    width, height = facts.width * BOX_UNITS, facts.height * BOX_UNITS
    model = facts.models[row.model].name
    form: dict[str, Any] = {
        "type": "eta.core.objects.DetectedObject",
        "label": row.label,
        "bounding_box": {
            "top_left": {"x": x1 / width, "y": y1 / height},
            "bottom_right": {"x": x2 / width, "y": y2 / height},
        },
        "confidence": row.score,
        "attrs": {"attrs": [{"type": "eta.core.data.CategoricalAttribute", "name": "model", "value": model}]},
    }
    if row.track_id is not None:
        form["index"] = row.track_id
    return form
