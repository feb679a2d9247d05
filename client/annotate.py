"""Detections drawn on the very frames in which they were found: one MP4, and a few stills."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image as Pillow

from client.drawing import Mark, draw
from client.service import Json
from client.video import Image, Mp4Writer, read_frames

STILLS = 4

Progress = Callable[[float], None]
"""Called with the time, in seconds from the start, up to which the video is drawn."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """What was written."""

    video: Path
    stills: list[Path]
    frames: int
    detections: int
    """Drawn, each on the frame with its PTS."""
    unmatched: int
    """Detections whose PTS no frame of this file has; 0 unless the file is not the one that was analysed."""


def annotate(
    source: Path, media: Json, detections: Iterable[Json], out: Path, report: Progress = lambda _: None
) -> Annotated:
    """Draw `detections` (in order of time) on the frames of `source`, into the folder `out`.

    Args:
        source: the file that was analysed.
        media: the facts of it that the service states: `rotation`, `duration_seconds`.
        detections: items of the API, in its order.
        out: an existing folder; files of an earlier run on the same video are replaced.
        report: learns how far the work is.
    """
    for old in out.glob(f"{source.stem}-at-*s.png"):
        old.unlink()
    video = out / f"{source.stem}-annotated.mp4"
    by_frame = _ByFrame(detections)
    picker = _StillPicker(media["duration_seconds"])
    with Mp4Writer(video) as writer:
        first_seconds: float | None = None
        for frame in read_frames(source, media["rotation"]):
            seconds = float(frame.pts * frame.timebase)
            first_seconds = seconds if first_seconds is None else first_seconds
            marks = by_frame.take(frame.pts)
            image = draw(frame.image, marks, f"{seconds:.3f} s")
            writer.write(replace(frame, image=image))
            picker.offer(image, marks, seconds, seconds - first_seconds)
            report(seconds - first_seconds)
    by_frame.skip_rest()
    stills = [_save(image, out / f"{source.stem}-at-{seconds:06.3f}s.png") for image, seconds in picker.picked()]
    return Annotated(video, stills, writer.frames, by_frame.taken, by_frame.skipped)


class _ByFrame:
    """Walks detections and frames side by side, both in order of time, so that a long video needs little memory."""

    def __init__(self, detections: Iterable[Json]) -> None:
        self._items = iter(detections)
        self._next = next(self._items, None)
        self.taken = 0
        self.skipped = 0

    def take(self, pts: int) -> list[Mark]:
        """The detections of the frame with this PTS; those of earlier PTS that no frame had are skipped."""
        marks: list[Mark] = []
        while self._next is not None and self._next["pts"] <= pts:
            if self._next["pts"] == pts:
                marks.append(_mark(self._next))
            else:
                self.skipped += 1
            self._next = next(self._items, None)
        self.taken += len(marks)
        return marks

    def skip_rest(self) -> None:
        """No frame comes any more."""
        while self._next is not None:
            self.skipped += 1
            self._next = next(self._items, None)


class _StillPicker:
    """Keeps the frame that shows most in each of `STILLS` equal parts of the video."""

    def __init__(self, duration_seconds: float) -> None:
        self._part_seconds = max(duration_seconds, 1e-3) / STILLS
        self._best_by_part: dict[int, tuple[float, float, Image]] = {}

    def offer(self, image: Image, marks: list[Mark], seconds: float, since_start: float) -> None:
        """Keep `image` if it shows more than what its part of the video has so far."""
        worth = sum(mark.score for mark in marks)
        part = min(int(since_start / self._part_seconds), STILLS - 1)
        best = self._best_by_part.get(part)
        if worth > 0 and (best is None or worth > best[0]):
            self._best_by_part[part] = (worth, seconds, image)

    def picked(self) -> list[tuple[Image, float]]:
        """The frames and their times, in order."""
        return [(image, seconds) for _, (_, seconds, image) in sorted(self._best_by_part.items())]


def _mark(detection: Json) -> Mark:
    left, top, right, bottom = detection["box"]
    return Mark((left, top, right, bottom), detection["label"], detection["score"], detection.get("track_id"))


def _save(image: Image, path: Path) -> Path:
    Pillow.fromarray(image).save(path)
    return path
