"""CSV (RFC 4180): a header row, then a row per detection; empty fields for what is not known.

The format has no place for a statement: that is in the service's answer about the export. What a row needs to be
understood by itself, its job and its timebase, is in every row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from gpu_batch.exports.facts import ExportFacts, ExportFrame, Sink

COLUMNS = (
    "job_id",
    "pts",
    "timebase",
    "time_seconds",
    "frame_index",
    "sampled_index",
    "model",
    "label",
    "score",
    "x1",
    "y1",
    "x2",
    "y2",
    "track_id",
)


def write_csv(facts: ExportFacts, frames: Iterator[ExportFrame], sink: Sink) -> None:
    """See the module's docstring."""
    text = io.TextIOWrapper(sink, encoding="utf-8", newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    timebase = f"{facts.timebase.numerator}/{facts.timebase.denominator}"
    for frame in frames:
        for row in frame.rows:
            table.writerow(
                (
                    facts.job_id,
                    frame.pts,
                    timebase,
                    facts.seconds(frame.pts),
                    frame.frame_index,
                    frame.sampled_index,
                    facts.models[row.model].name,
                    row.label,
                    row.score,
                    *row.box,
                    row.track_id,
                )
            )
    text.detach()
