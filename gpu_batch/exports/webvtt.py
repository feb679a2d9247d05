"""WebVTT: a cue for each time that a thing is in sight; the statement is a NOTE at the top.

A cue of a track lasts from the sampled frame that shows it first to the first one that does not; rows without a track
make one cue per label and time in sight. Times are the video's own, unshifted, rounded to milliseconds, and a cue has
at least one. Cues are in order of their starts and may overlap. Text is `#7 person 0.93`: track, label, best score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from chalicelib.contracts.blocks import SCORE_UNITS
from chalicelib.domain.exports import ExportFormat
from chalicelib.domain.media import Pts
from chalicelib.domain.webvtt import clock, milliseconds
from gpu_batch.exports.facts import ExportFacts, ExportFrame, Sink
from gpu_batch.exports.sorting import SortedSpool
from gpu_batch.exports.text import compact_json


class _Name(NamedTuple):
    """What a cue is about."""

    label: str
    track_id: int
    """0 for all rows of that label without a track."""


@dataclass(slots=True)
class _Cue:
    start_pts: Pts
    score_units: int


def write_webvtt(facts: ExportFacts, frames: Iterator[ExportFrame], sink: Sink) -> None:
    """See the module's docstring."""
    # An arrow may not stand in a note; JSON knows another way to write it.
    statement = compact_json(facts.statement(ExportFormat.WEBVTT)).replace("-->", r"--\u003e")
    sink.write(f"WEBVTT\n\nNOTE\n{statement}\n".encode())
    with SortedSpool() as spool:
        for name, cue, end_pts in _cues(facts, frames):
            start_ms = milliseconds(cue.start_pts, facts.timebase)
            end_ms = max(milliseconds(end_pts, facts.timebase), start_ms + 1)
            number = f"#{name.track_id} " if name.track_id else ""
            text = f"{number}{_escape(name.label)} {cue.score_units / SCORE_UNITS:.2f}"
            spool.add((start_ms, end_ms, name.track_id), text)
        for count, ((start_ms, end_ms, _), text) in enumerate(spool.read(), 1):
            sink.write(f"\n{count}\n{clock(start_ms)} --> {clock(end_ms)}\n{text}\n".encode())


def _cues(facts: ExportFacts, frames: Iterator[ExportFrame]) -> Iterator[tuple[_Name, _Cue, Pts]]:
    """Cues and their ends, in order of ends."""
    open_cues: dict[_Name, _Cue] = {}
    last_pts = facts.start_pts
    for frame in frames:
        last_pts = frame.pts
        seen: dict[_Name, int] = {}
        for row in frame.rows:
            name = _Name(row.label, row.track_id or 0)
            seen[name] = max(seen.get(name, 0), row.score_units)
        for name in [name for name in open_cues if name not in seen]:
            yield name, open_cues.pop(name), frame.pts
        for name, score in seen.items():
            cue = open_cues.setdefault(name, _Cue(frame.pts, score))
            cue.score_units = max(cue.score_units, score)
    for name, cue in open_cues.items():
        yield name, cue, max(facts.end_pts, last_pts)


def _escape(text: str) -> str:
    """On one line, and without what the format gives a meaning."""
    line = " ".join(text.split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
