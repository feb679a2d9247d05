"""A small job with everything that exports stumble over, and a long one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from gpu_batch.exports.facts import ExportedModel, ExportFacts, ExportFrame, ExportRow, Writer

TIMEBASE = Fraction(1, 1000)
QUOTED = 'say "hi", <b>&\r\nbye'
ARROW = "left --> right"
WIDTH, HEIGHT = 96, 160
"""A video that is turned: taller than wide, as shown."""
FRAME_COUNT = 12


def some_facts(**changes: Any) -> ExportFacts:
    """Two models that share a label, a turned video, two samples a second."""
    facts: dict[str, Any] = {
        "job_id": "job_1",
        "video_id": "vid_1",
        "filename": "Straße & co.mp4",
        "content_digest": "c" * 64,
        "width": WIDTH,
        "height": HEIGHT,
        "rotation": 90,
        "timebase": TIMEBASE,
        "start_pts": 0,
        "end_pts": 3_700_000,
        "frame_count": FRAME_COUNT,
        "models": (
            ExportedModel("near", "1", "a" * 64, ("person", QUOTED), 0.3),
            ExportedModel("far", "2", "b" * 64, (ARROW, "person", "犬"), 0.25),
        ),
        "sampling": {"kind": "per_second", "n": 2},
        "tracker": {"version": 1, "parameters": {"score_high": 0.4}},
        "missing": ({"start_seconds": 1.0, "end_seconds": 2.0, "code": "DAMAGED_RANGES"},),
    }
    return ExportFacts(**(facts | changes))


def some_frames() -> list[ExportFrame]:
    """Uneven times up to more than an hour; track 1 has a gap, track 2 is seen once; a frame shows nothing."""
    walker = ExportRow(0, "person", 9123, (16, 33, 160, 801), 1)
    return [
        ExportFrame(0, 0, 0, 0, (walker, ExportRow(1, ARROW, 8000, (0, 0, 1536, 2560), None))),
        ExportFrame(533, 0, 2, 1, (walker._replace(score_units=8765, box_units=(17, 34, 161, 802)),)),
        ExportFrame(1034, 0, 5, 2, ()),
        ExportFrame(
            1501,
            0,
            6,
            3,
            (
                ExportRow(0, QUOTED, 10000, (1, 2, 3, 4), 2),
                walker._replace(box_units=(800, 900, 1000, 1200)),
                ExportRow(1, "犬", 2500, (5, 6, 70, 80), None),
            ),
        ),
        ExportFrame(3_661_001, 0, 9, 4, (walker._replace(box_units=(801, 901, 1001, 1201)),)),
        ExportFrame(3_661_001, 1, 10, 5, (ExportRow(1, "person", 2501, (5, 6, 71, 81), 4),)),
    ]


def written(writer: Writer, facts: ExportFacts | None = None, frames: list[ExportFrame] | None = None) -> bytes:
    """The bytes of an export."""
    sink = io.BytesIO()
    writer(facts or some_facts(), iter(some_frames() if frames is None else frames), sink)
    return sink.getvalue()


def all_rows(frames: list[ExportFrame] | None = None) -> list[tuple[ExportFrame, ExportRow]]:
    """Every row with its frame."""
    return [(frame, row) for frame in frames or some_frames() for row in frame.rows]


def a_long_job(frames: int, things: int) -> Iterator[ExportFrame]:
    """That many frames at 25 a second, each with that many things that come and go."""
    for index in range(frames):
        rows = []
        for thing in range(things):
            track = 1 + thing + things * (index // 250)
            left = 16 * (thing * 7 % 40)
            rows.append(
                ExportRow(0, "person", 5000 + thing, (left, 16, left + 320, 960), track if index % 50 else None)
            )
        yield ExportFrame(index * 40, 0, index, index, tuple(rows))
