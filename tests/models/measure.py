"""Prints what docs/models.md says of the default models: `python -m tests.models.measure VIDEO...`.

CPU milliseconds per frame, on one thread, for each step; rows per frame at the floor; and AP50 of NanoDet against the
OpenCV loop's detections above 0.5. At most 100 frames, spread over the video.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import av
import numpy as np

from chalicelib.domain.models import input_size
from gpu_batch.compiler.accuracy import Found, as_found, average_precision_50
from gpu_batch.models.detect import Rows, to_rows
from gpu_batch.models.loader import Model, load_folder
from gpu_batch.models.preprocess import preprocess
from tests.models.opencv_reference import NanodetReference, shown_rgb
from tests.models.paths import DEFAULT_MODELS

PERSON = 0
MAX_FRAMES = 100
In = TypeVar("In")
Out = TypeVar("Out")


def main(video: Path) -> None:
    """Measure both models on one video, which must not be rotated."""
    frames = spread_frames(video)
    print(f"{video.name}: {len(frames)} frames of {frames[0].width} x {frames[0].height}")
    rows = {path.name: measure(load_folder(path), frames) for path in sorted(DEFAULT_MODELS.iterdir()) if path.is_dir()}
    reference = NanodetReference(DEFAULT_MODELS / "nanodet-g" / "model.onnx")
    truth = [reference.detect(shown_rgb(frame, 0), score_floor=0.5, nms_iou=0.6) for frame in frames]
    found = [as_found(one) for one in rows["nanodet-g"]]
    print(
        f"  nanodet-g against the OpenCV loop: AP50 {average_precision_50(found, truth):.4f},"
        f" person {average_precision_50(only_people(found), only_people(truth)):.4f},"
        f" {sum(len(one.scores) for one in truth)} boxes"
    )


def spread_frames(video: Path) -> list[av.VideoFrame]:
    """Up to MAX_FRAMES frames at equal distances."""
    with av.open(str(video)) as container:
        count = sum(1 for _ in container.decode(video=0))
    step = -(-count // MAX_FRAMES)
    with av.open(str(video)) as container:
        return [frame for index, frame in enumerate(container.decode(video=0)) if index % step == 0]


def measure(model: Model, frames: list[av.VideoFrame]) -> list[Rows]:
    """Print the cost of each step, and give back the rows."""
    width, height = frames[0].width, frames[0].height
    size = input_size(model.manifest, width, height)
    inputs, preprocess_ms = timed(lambda frame: preprocess(frame, 0, size)[np.newaxis], frames)
    outputs, run_ms = timed(model.run, inputs)
    rows, rows_ms = timed(lambda o: to_rows(o[0][0], o[1][0], o[2][0], size, width, height), outputs)
    print(
        f"  {model.manifest.name} at {size.input_w} x {size.input_h}:"
        f" preprocess {preprocess_ms:.2f}, run {run_ms:.2f}, rows {rows_ms:.3f} ms CPU per frame;"
        f" {np.mean([len(one.scores) for one in rows]):.1f} rows per frame,"
        f" {sum(one.overflow for one in rows)} frames overflow"
    )
    return rows


def timed(step: Callable[[In], Out], inputs: list[In]) -> tuple[list[Out], float]:
    """The outputs of a step, and its CPU milliseconds per input."""
    step(inputs[0])
    start = time.process_time()
    outputs = [step(one) for one in inputs]
    return outputs, (time.process_time() - start) * 1000 / len(inputs)


def only_people(found: list[Found]) -> list[Found]:
    """Each frame's detections of people."""
    return [
        Found(one.boxes[one.labels == PERSON], one.scores[one.labels == PERSON], one.labels[one.labels == PERSON])
        for one in found
    ]


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        main(Path(argument))
