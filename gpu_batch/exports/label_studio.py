"""Label Studio: a task with predictions for `VideoRectangle`, boxes in percent of the frame; frames count from 1.

One region per track, with a keyframe per sighting. Label Studio shows a box from a keyframe with `enabled` true on, up
to and with the next one, and no longer than its own frame where `enabled` is false: that is the last sighting before a
gap. A row without a track is a region of one frame.

The statement, and the labelling configuration that fits, are in `data.reelscan`. `data.video` is the video's file name:
put there the URL under which your Label Studio finds it. `time` is the media time in seconds of that frame; Label
Studio itself counts frames by a constant rate, which a video of variable rate does not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from xml.sax.saxutils import quoteattr

from chalicelib.contracts.blocks import BOX_UNITS, SCORE_UNITS
from chalicelib.domain.exports import ExportFormat
from gpu_batch.exports.facts import ExportFacts, ExportFrame, Sink, number_of
from gpu_batch.exports.sightings import Sighting, follow
from gpu_batch.exports.sorting import SortedSpool
from gpu_batch.exports.text import compact_json, decimal


def write_label_studio(facts: ExportFacts, frames: Iterator[ExportFrame], sink: Sink) -> None:
    """See the module's docstring."""
    last_number = -1

    def numbered() -> Iterator[ExportFrame]:
        nonlocal last_number
        for frame in frames:
            last_number = number_of(frame)
            yield frame

    with SortedSpool() as spool:
        for sighting in follow(numbered()):
            key = (int(sighting.thing.is_single), sighting.thing.number, facts.categories[sighting.row.label])
            # The score and model come first, to be taken off again: they are the region's.
            spool.add(key, f"{sighting.row.score_units} {sighting.row.model} {_keyframe(facts, sighting)}")
        frame_count = facts.frame_count if facts.frame_count is not None else last_number + 1
        sink.write(_head(facts).encode())
        names = list(facts.categories)
        for count, (key, entries) in enumerate(groupby(spool.read(), key=lambda entry: entry[0])):
            is_single, number, category = key
            region_id = f"row_{number}" if is_single else f"track_{number}"
            sink.write((b",\n" if count else b"\n") + b'{"id":"' + region_id.encode())
            sink.write(b'","type":"videorectangle","from_name":"box","to_name":"video","value":{"sequence":[')
            best = model = 0
            for position, (_, text) in enumerate(entries):
                score, model_text, keyframe = text.split(" ", 2)
                best, model = max(best, int(score)), int(model_text)
                sink.write((",\n" if position else "\n").encode() + keyframe.encode())
            duration = decimal(facts.seconds(facts.end_pts - facts.start_pts), 6)
            labels = compact_json([names[category]])
            sink.write(f'],"framesCount":{frame_count},"duration":{duration},"labels":{labels}}},'.encode())
            meta = compact_json({"model": facts.models[model].name, "track_id": None if is_single else number})
            sink.write(f'"score":{decimal(best / SCORE_UNITS, 4)},"meta":{meta}}}'.encode())
        sink.write(b"]}]}]\n")


def labelling_config(facts: ExportFacts) -> str:
    """The labelling configuration of a project that takes the task."""
    labels = "".join(f"<Label value={quoteattr(name)}/>" for name in facts.categories)
    rate = f' frameRate="{decimal(facts.frame_rate, 6)}"' if facts.frame_rate else ""
    return (
        f'<View><Labels name="label" toName="video">{labels}</Labels>'
        f'<Video name="video" value="$video"{rate}/><VideoRectangle name="box" toName="video"/></View>'
    )


def _head(facts: ExportFacts) -> str:
    form = {"statement": facts.statement(ExportFormat.LABEL_STUDIO), "labelling_config": labelling_config(facts)}
    data = compact_json({"video": facts.filename, "reelscan": form})
    version = compact_json(" ".join(f"{model.name} {model.version}" for model in facts.models))
    return f'[{{"data":{data},"predictions":[{{"model_version":{version},"result":['


def _keyframe(facts: ExportFacts, sighting: Sighting) -> str:
    x1, y1, x2, y2 = sighting.row.box_units
    width, height = facts.width * BOX_UNITS / 100, facts.height * BOX_UNITS / 100
    parts = {"x": x1 / width, "y": y1 / height, "width": (x2 - x1) / width, "height": (y2 - y1) / height}
    sides = ",".join(f'"{name}":{decimal(part, 6)}' for name, part in parts.items())
    enabled = "false" if sighting.is_last else "true"
    time = decimal(facts.seconds(sighting.frame.pts), 6)
    return f'{{"frame":{number_of(sighting.frame) + 1},"enabled":{enabled},"rotation":0,{sides},"time":{time}}}'
