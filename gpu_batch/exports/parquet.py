"""Parquet: a row per detection in typed columns; the statement is the key `reelscan` of the file's metadata, as JSON.

A file names the version of the library that wrote it, so its bytes are those of one version of pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow
import pyarrow.parquet

from chalicelib.domain.exports import ExportFormat
from gpu_batch.exports.facts import ExportFacts, ExportFrame, Sink
from gpu_batch.exports.text import compact_json

ROWS_PER_GROUP = 65_536
"""Held in memory at a time."""
METADATA_KEY = "reelscan"
SCHEMA = pyarrow.schema(
    [
        pyarrow.field("pts", pyarrow.int64(), nullable=False),
        pyarrow.field("time_seconds", pyarrow.float64(), nullable=False),
        pyarrow.field("frame_index", pyarrow.int64()),
        pyarrow.field("sampled_index", pyarrow.int64(), nullable=False),
        pyarrow.field("model", pyarrow.string(), nullable=False),
        pyarrow.field("label", pyarrow.string(), nullable=False),
        pyarrow.field("score", pyarrow.float64(), nullable=False),
        pyarrow.field("x1", pyarrow.float64(), nullable=False),
        pyarrow.field("y1", pyarrow.float64(), nullable=False),
        pyarrow.field("x2", pyarrow.float64(), nullable=False),
        pyarrow.field("y2", pyarrow.float64(), nullable=False),
        pyarrow.field("track_id", pyarrow.int64()),
    ]
)


def write_parquet(facts: ExportFacts, frames: Iterator[ExportFrame], sink: Sink) -> None:
    """See the module's docstring."""
    with pyarrow.parquet.ParquetWriter(
        sink, SCHEMA, compression="zstd", use_dictionary=["model", "label"], store_schema=False
    ) as table:
        group: list[tuple[Any, ...]] = []
        for row in _rows(facts, frames):
            group.append(row)
            if len(group) == ROWS_PER_GROUP:
                _write(table, group)
                group = []
        if group:
            _write(table, group)
        table.add_key_value_metadata({METADATA_KEY: compact_json(facts.statement(ExportFormat.PARQUET))})


def _write(table: Any, group: Sequence[tuple[Any, ...]]) -> None:
    columns = [
        pyarrow.array(column, field.type) for column, field in zip(zip(*group, strict=True), SCHEMA, strict=True)
    ]
    table.write_table(pyarrow.Table.from_arrays(columns, schema=SCHEMA), row_group_size=ROWS_PER_GROUP)


def _rows(facts: ExportFacts, frames: Iterator[ExportFrame]) -> Iterator[tuple[Any, ...]]:
    for frame in frames:
        seconds = facts.seconds(frame.pts)
        for row in frame.rows:
            yield (
                frame.pts,
                seconds,
                frame.frame_index,
                frame.sampled_index,
                facts.models[row.model].name,
                row.label,
                row.score,
                *row.box,
                row.track_id,
            )
