"""What the project promises to equal: a plain loop over all frames, in one process, with no segment and no block."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import NamedTuple

import av

from gpu_batch.models.detect import detect
from gpu_batch.models.loader import Model, load_folder
from infra.default_models import DEFAULT_MODELS
from tests.flow.tenant import FAST_MODEL, Json


class Loop(NamedTuple):
    """What a plain loop sees."""

    frames: int
    items: list[Json]
    """Every detection of every frame that is looked at, as the API should show it, but for tracks."""


FIVE_A_SECOND: Json = {"kind": "per_second", "n": 5}
"""As a job asks for them: of the clip of the demo, which has 25, one in `EVERY_FIFTH`."""
EVERY_FIFTH = 5


@cache
def plain_loop(path: Path, model_name: str = FAST_MODEL, every: int = 1) -> Loop:
    """Decode, detect, next; of so many frames, the first one is looked at."""
    model = _model(model_name)
    frames, items = 0, []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        timebase = Fraction(stream.time_base.numerator, stream.time_base.denominator)
        for frame in container.decode(stream):
            if frames % every == 0:
                items += _items_of(frame, frames, timebase, model)
            frames += 1
    return Loop(frames, items)


def without_tracks(items: list[Json]) -> list[Json]:
    """The items as a plain loop can know them."""
    return [{name: value for name, value in item.items() if name != "track_id"} for item in items]


def _items_of(frame: av.VideoFrame, index: int, timebase: Fraction, model: Model) -> list[Json]:
    assert frame.pts is not None
    rows = detect(model, frame, -frame.rotation % 360)
    items: list[Json] = [
        {
            "pts": frame.pts,
            "timebase": f"{timebase.numerator}/{timebase.denominator}",
            "time_seconds": float(frame.pts * timebase),
            "frame_index": index,
            "model": model.manifest.name,
            "label": model.manifest.labels[label],
            "score": int(score) / 10_000,
            "box": [int(side) / 16 for side in box],
        }
        for label, score, box in zip(rows.labels, rows.scores, rows.boxes, strict=True)
    ]
    return sorted(items, key=lambda item: (-item["score"], item["label"], item["box"]))


@cache
def _model(name: str) -> Model:
    return load_folder(DEFAULT_MODELS / name)
