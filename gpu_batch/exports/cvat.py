"""CVAT for video 1.1: an XML file of tracks, each a list of boxes at keyframes; frames count from 0.

Every sighting is a keyframe. Where a thing is not seen any more, its last box is repeated in the next sampled frame
with `outside="1"`, so that CVAT neither shows nor interpolates it further. A row without a track is a track of one
frame, as CVAT itself writes it. The statement is a comment at the top. Boxes have the attributes `score` and
`model`, which the labels in `meta` declare.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from xml.sax.saxutils import escape, quoteattr

from chalicelib.contracts.blocks import BOX_UNITS
from chalicelib.domain.exports import ExportFormat
from gpu_batch.exports.facts import ExportFacts, ExportFrame, Sink, number_of
from gpu_batch.exports.sightings import Sighting, follow
from gpu_batch.exports.sorting import SortedSpool
from gpu_batch.exports.text import compact_json, decimal

ATTRIBUTES = (("score", "True"), ("model", "False"))
"""Names, and whether they change within a track."""
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_cvat(facts: ExportFacts, frames: Iterator[ExportFrame], sink: Sink) -> None:
    """See the module's docstring."""
    last_number = -1

    def numbered() -> Iterator[ExportFrame]:
        nonlocal last_number
        for frame in frames:
            last_number = number_of(frame)
            yield frame

    with SortedSpool() as spool:
        # What every sighting is worth is known in order of time, what a track is, in order of tracks.
        for sighting in follow(numbered()):
            key = (int(sighting.thing.is_single), sighting.thing.number, facts.categories[sighting.row.label])
            for box in _boxes(facts, sighting):
                spool.add(key, box)
        size = facts.frame_count if facts.frame_count is not None else last_number + 1
        sink.write(_head(facts, size).encode())
        names = list(facts.categories)
        highest = -1
        for (is_single, number, category), entries in groupby(spool.read(), key=lambda entry: entry[0]):
            # A row without a track gets an id after all tracks.
            track_id = highest + 1 if is_single else number
            highest = max(highest, track_id)
            label = quoteattr(_legal(names[category]))
            sink.write(f'  <track id="{track_id}" label={label} source="auto">\n'.encode())
            for _, box in entries:
                sink.write(box.encode())
            sink.write(b"  </track>\n")
        sink.write(b"</annotations>\n")


def _boxes(facts: ExportFacts, sighting: Sighting) -> Iterator[str]:
    number = number_of(sighting.frame)
    yield _box(facts, sighting, number, is_outside=False)
    if sighting.is_last:
        after = number_of(sighting.next_frame) if sighting.next_frame is not None else number + 1
        if facts.frame_count is None or after < facts.frame_count:
            yield _box(facts, sighting, after, is_outside=True)


def _box(facts: ExportFacts, sighting: Sighting, number: int, *, is_outside: bool) -> str:
    row = sighting.row
    sides = zip(("xtl", "ytl", "xbr", "ybr"), row.box_units, strict=True)
    corners = " ".join(f'{name}="{decimal(side / BOX_UNITS, 4)}"' for name, side in sides)
    values = (("score", decimal(row.score, 4)), ("model", facts.models[row.model].name))
    attributes = "".join(f'<attribute name="{name}">{escape(value)}</attribute>' for name, value in values)
    flags = f'outside="{int(is_outside)}" occluded="0" keyframe="1"'
    return f'    <box frame="{number}" {flags} {corners} z_order="0">{attributes}</box>\n'


def _head(facts: ExportFacts, size: int) -> str:
    # Two dashes may not stand in a comment; JSON knows another way to write one.
    statement = _legal(compact_json(facts.statement(ExportFormat.CVAT))).replace("--", r"-\u002d")
    labels = "".join(_label(name) for name in facts.categories)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<!-- {statement} -->
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <name>{_text(facts.stem)}</name>
      <size>{size}</size>
      <mode>interpolation</mode>
      <overlap>0</overlap>
      <flipped>False</flipped>
      <start_frame>0</start_frame>
      <stop_frame>{max(size - 1, 0)}</stop_frame>
      <frame_filter></frame_filter>
      <labels>
{labels}      </labels>
      <original_size>
        <width>{facts.width}</width>
        <height>{facts.height}</height>
      </original_size>
      <source>{_text(facts.filename)}</source>
    </task>
  </meta>
"""


def _label(name: str) -> str:
    attributes = "".join(
        f"            <attribute><name>{attribute}</name><mutable>{mutable}</mutable><input_type>text</input_type>"
        "<default_value></default_value><values></values></attribute>\n"
        for attribute, mutable in ATTRIBUTES
    )
    return (
        f"        <label>\n          <name>{_text(name)}</name>\n          <type>rectangle</type>\n"
        f"          <attributes>\n{attributes}          </attributes>\n        </label>\n"
    )


def _text(text: str) -> str:
    # A reader makes a line feed of a carriage return, unless it is written so.
    return escape(_legal(text), {"\r": "&#13;"})


def _legal(text: str) -> str:
    """The text, with a mark for each character that XML 1.0 cannot hold at all."""
    return _ILLEGAL.sub("\ufffd", text)
