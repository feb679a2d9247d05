"""The frames that are drawn on: those of a single pass over the file, whichever way they are read."""

from __future__ import annotations

import io

import av
import pytest

from gpu_batch.errors import Drained
from gpu_batch.source_frames import source_frames
from tests.worker.clips import make_clip
from tests.worker.scene import a_scene


@pytest.mark.parametrize(("container", "cells_per_run"), [("mp4", 1), ("mp4", 2), ("mp4", 8), ("matroska", 8)])
def test_they_are_those_of_a_single_pass(container: str, cells_per_run: int) -> None:
    clip = make_clip(60, container)
    scene = a_scene(clip)
    frames = [
        (frame.pts, frame.image.to_ndarray().tobytes())
        for frame in source_frames(scene.cloud, scene.order, lambda: None, cells_per_run=cells_per_run)
    ]
    with av.open(io.BytesIO(clip), "r") as opened:
        expected = [(frame.pts, frame.to_ndarray().tobytes()) for frame in opened.decode(video=0)]
    assert frames == expected


def test_they_stop_when_told_to() -> None:
    scene = a_scene(make_clip())
    checks = iter([None, None])

    def check() -> None:
        if next(checks, "over") == "over":
            raise Drained("the machine is being taken away")

    with pytest.raises(Drained):
        list(source_frames(scene.cloud, scene.order, check))
