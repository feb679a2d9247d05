"""A few frames of the annotated video, as pictures: those that show most."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as Pillow

from reelscan.records import Detection
from tools.demo.video import read_frames

STILLS = 4


@dataclass(frozen=True, slots=True)
class Still:
    """A frame worth looking at."""

    frame_index: int
    seconds: float


def choose_stills(detections: Iterable[Detection], duration_seconds: float) -> list[Still]:
    """The frame with the highest scores in each of `STILLS` equal parts of the video, in order.

    `detections` are items of the API, in its order. Frames without a number are passed over.
    """
    part_seconds = max(duration_seconds, 1e-3) / STILLS
    worth_by_still: dict[Still, float] = {}
    first_seconds: float | None = None
    for item in detections:
        first_seconds = item.time_seconds if first_seconds is None else first_seconds
        if item.frame_index is not None:
            still = Still(item.frame_index, item.time_seconds)
            worth_by_still[still] = worth_by_still.get(still, 0.0) + item.score
    best_by_part: dict[int, Still] = {}
    for still, worth in worth_by_still.items():
        part = min(int((still.seconds - (first_seconds or 0.0)) / part_seconds), STILLS - 1)
        if part not in best_by_part or worth > worth_by_still[best_by_part[part]]:
            best_by_part[part] = still
    return [still for _, still in sorted(best_by_part.items())]


def save_stills(video: Path, stem: str, stills: list[Still], out: Path) -> list[Path]:
    """Pictures of these frames of `video`, in the folder `out`; those of an earlier run are replaced."""
    for old in out.glob(f"{stem}-at-*s.png"):
        old.unlink()
    still_by_index = {still.frame_index: still for still in stills}
    paths = []
    for index, image in enumerate(read_frames(video)):
        if index in still_by_index:
            path = out / f"{stem}-at-{still_by_index[index].seconds:06.3f}s.png"
            Pillow.fromarray(image).save(path)
            paths.append(path)
    return paths
