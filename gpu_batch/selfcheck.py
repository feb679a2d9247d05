"""Compares this machine's models with the CPU on a video, and says how fast each part is.

    python -m gpu_batch.selfcheck VIDEO MODEL_FOLDER [--provider cpu|cuda|tensorrt] [--frames N]

Prints one JSON line: the provider and decoder with their reasons; how many frames were resized where they lie, and how
far their inputs are from the host's; the sure boxes that the CPU finds (score above 0.5), and how many of them are
found here within 1 px and 0.02; frames per second of each part; and what failed, in words. Exit code 1 when anything
did. With `--provider cpu`, the CPU stands for the GPU: all of the path but the device is the same.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar, cast

import av
import numpy as np
import onnxruntime
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext

from chalicelib.domain.media import MediaLimits
from chalicelib.domain.models import InputSize, input_size, manifest_from_json
from gpu_batch.containers.sniff import SNIFF_BYTES, sniff_container
from gpu_batch.containers.untrusted import first_video_stream, open_untrusted
from gpu_batch.frames import FramePlace, SampledFrame
from gpu_batch.models.detect import BOX_STEPS_PER_PIXEL, SCORE_STEPS, Rows, box_step, detect
from gpu_batch.models.engines import ENGINES_NAME
from gpu_batch.models.loader import Model, load, load_in_batches
from gpu_batch.models.planes import Device, FramePlanes, find_planes
from gpu_batch.models.preprocess import preprocess
from gpu_batch.models.providers import GPU_BATCH, ProviderClass, provider_class_of, providers_in_order
from gpu_batch.models.resize import Resizer
from gpu_batch.pipeline import run_models
from gpu_batch.segment_step import GPU_SESSIONS
from gpu_batch.selfcheck_report import Report
from gpu_batch.video.decoders import DecoderChoice, choose_decoder
from gpu_batch.video.source import FileSource

Answer = TypeVar("Answer")

PIXELS_APART = 1
SCORES_APART = 0.02
LEVELS_APART_BY_FORMAT = {"nv12": 0, "p010le": 6}
"""With ten bits the host dithers: each plane may be a level off, and colours add them up."""
COMPARED_EVERY = 25
"""Frames of which the input of one is compared."""
ROTATIONS = (0, 90, 180, 270)
SURE_SCORE = 0.5
"""Boxes near the floor come and go with the last bits of a score."""


def main(arguments: Sequence[str]) -> int:
    """Compare and measure; 0 when nothing failed."""
    parser = argparse.ArgumentParser(prog="python -m gpu_batch.selfcheck", description="Compare with the CPU.")
    parser.add_argument("video", type=Path)
    parser.add_argument("model", type=Path, help="a folder with manifest.json and model.onnx")
    parser.add_argument("--provider", default="cuda")
    parser.add_argument("--frames", type=int, default=200)
    options = parser.parse_args(arguments)
    report = check(options.video, options.model, provider_class_of(options.provider), options.frames)
    failures = report.find_failures()
    sys.stdout.write(json.dumps(asdict(report) | {"failures": failures}) + "\n")
    return 1 if failures else 0


def check(video: Path, folder: Path, asked: ProviderClass, limit: int) -> Report:
    """Run the first frames of a video on the CPU and as this machine would, part by part."""
    width, height, codec, extradata = _facts(video)
    reference, model = load_both(folder, asked, (width, height))
    choice = choose_decoder(codec, [extradata], is_on_gpu=model.provider_class != "cpu")
    opener = _Opener(video, limit, choice, in_place_on=model.in_place_on)
    count, decode_seconds = _timed(lambda: sum(1 for _ in opener.frames()))
    _, first_seconds = _timed(lambda: next(opener.frames(), None))
    many, many_seconds = _timed(lambda: _decode_side_by_side(opener))
    in_place, inputs = _compare_inputs(opener, model)
    resize_fps = _resize_fps(opener, model)
    results, whole_seconds = _timed(lambda: _run(model, opener.frames()))
    _, inference_seconds = _timed(lambda: _run_black(model, count, (width, height)))
    on_cpu = _Opener(video, limit, DecoderChoice(None, "the reference"), in_place_on=None)
    truth = [detect(reference, frame, 0) for frame in on_cpu.frames()]
    sure, matched = count_matches(truth, results, box_step=box_step(width, height))
    return Report(
        asked=asked,
        provider=model.provider_class,
        provider_reason=model.provider_reason,
        decoder_reason=choice.reason,
        is_decoded_on_gpu=choice.hwaccel is not None,
        frames=len(truth),
        frames_answered=len(results),
        frames_in_place=in_place,
        inputs_compared=len(inputs),
        levels_apart=max((levels for levels, _ in inputs), default=0),
        levels_allowed=max((allowed for _, allowed in inputs), default=0),
        sure_boxes=sure,
        matched_boxes=matched,
        decode_fps=round(count / decode_seconds, 1),
        decode_side_by_side_fps=round(many / many_seconds, 1),
        first_frame_ms=round(first_seconds * 1000, 1),
        resize_fps=resize_fps,
        inference_fps=round(count / inference_seconds, 1),
        whole_fps=round(count / whole_seconds, 1),
    )


def load_both(folder: Path, provider_class: ProviderClass, shown: tuple[int, int]) -> tuple[Model, Model]:
    """The model on the CPU, one frame at a time, and as this machine runs it, in batches."""
    manifest = manifest_from_json(json.loads((folder / "manifest.json").read_text()))
    content = (folder / "model.onnx").read_bytes()
    reference = load(manifest, content, provider_class="cpu", shown=shown)
    engines = os.environ.get(ENGINES_NAME)
    model = load(
        manifest, content, provider_class=provider_class, engines=Path(engines) if engines else None, shown=shown
    )
    return reference, model if model.provider_class != "cpu" else load_in_batches(manifest, content, GPU_BATCH)


def count_matches(truth: Sequence[Rows], found: Sequence[Rows], *, box_step: int = 1) -> tuple[int, int]:
    """Sure boxes of `truth`, and how many of them `found` has, within the tolerances and under the same label.

    Where boxes are rounded to more than a pixel (`box_step` is in sixteenths of one), a step apart is near.
    """
    near = max(PIXELS_APART * BOX_STEPS_PER_PIXEL, box_step)
    sure = matched = 0
    for expected, rows in zip(truth, found, strict=False):
        for label, score, box in zip(expected.labels, expected.scores, expected.boxes, strict=True):
            if score <= SURE_SCORE * SCORE_STEPS:
                continue
            sure += 1
            is_near = np.abs(rows.boxes - box).max(axis=1, initial=0) <= near
            is_as_sure = np.abs(rows.scores.astype(np.int32) - int(score)) <= SCORES_APART * SCORE_STEPS
            matched += bool((is_near & is_as_sure & (rows.labels == label)).any())
    return sure, matched


def _facts(video: Path) -> tuple[int, int, str, bytes]:
    with _opened(video) as container:
        context = first_video_stream(container).codec_context
        return context.width, context.height, context.name, context.extradata or b""


def _opened(video: Path) -> AbstractContextManager[InputContainer]:
    source = FileSource(video)
    return open_untrusted(source, sniff_container(source.read(0, SNIFF_BYTES)), MediaLimits())


@dataclass(frozen=True, slots=True)
class _Opener:
    """A video that is decoded several times."""

    video: Path
    limit: int
    choice: DecoderChoice
    in_place_on: Device | None

    def frames(self) -> Iterator[av.VideoFrame]:
        """The first frames, as a GPU would have them where the CPU stands for one."""
        for frame in islice(self._decode(), self.limit):
            is_deep = any(component.bits > 8 for component in frame.format.components)
            yield frame.reformat(format="p010le" if is_deep else "nv12") if self.in_place_on == "cpu" else frame

    def _decode(self) -> Iterator[av.VideoFrame]:
        with _opened(self.video) as container:
            stream = first_video_stream(container)
            context = stream.codec_context
            decoder = cast(
                "VideoCodecContext", VideoCodecContext.create(context.name, "r", hwaccel=self.choice.hwaccel)
            )
            decoder.extradata = context.extradata
            decoder.thread_count = 1
            for packet in container.demux(stream):
                yield from decoder.decode(packet)


def _decode_side_by_side(opener: _Opener) -> int:
    with ThreadPoolExecutor(GPU_SESSIONS) as pool:
        return sum(pool.map(lambda _: sum(1 for _ in opener.frames()), range(GPU_SESSIONS)))


def _compare_inputs(opener: _Opener, model: Model) -> tuple[int, list[tuple[int, int]]]:
    """How many frames can be resized where they lie; of some, how far the input is from the host's, and may be.

    The first frame is turned by every quarter.
    """
    in_place = 0
    apart: list[tuple[int, int]] = []
    for number, frame in enumerate(opener.frames()):
        planes = find_planes(frame, model.in_place_on) if model.in_place_on else "none is"
        if not isinstance(planes, FramePlanes):
            continue
        in_place += 1
        if number % COMPARED_EVERY == 0:
            allowed = LEVELS_APART_BY_FORMAT[planes.pixel_format]
            apart += [(_levels_apart(model, planes, rotation), allowed) for rotation in ROTATIONS[: 1 if apart else 4]]
    return in_place, apart


def _levels_apart(model: Model, planes: FramePlanes, rotation: int) -> int:
    """How far the pixel of an input is that is furthest from the host's."""
    frame = planes.frame
    shown = (frame.height, frame.width) if rotation in (90, 270) else (frame.width, frame.height)
    size = input_size(model.manifest, *shown)
    pixels = _resize(model, planes, rotation, size, times=1).numpy()
    return int(np.abs(pixels.astype(np.int16) - preprocess(frame, rotation, size)).max())


def _resize_fps(opener: _Opener, model: Model) -> float | None:
    """Of resizing one frame again and again where it lies; None where frames go through the host."""
    frame = next(opener.frames(), None)
    planes = find_planes(frame, model.in_place_on) if frame and model.in_place_on else None
    if not isinstance(planes, FramePlanes):
        return None
    size = input_size(model.manifest, planes.frame.width, planes.frame.height)
    _, seconds = _timed(lambda: _resize(model, planes, 0, size, times=opener.limit))
    return round(opener.limit / seconds, 1)


def _resize(model: Model, planes: FramePlanes, rotation: int, size: InputSize, *, times: int) -> onnxruntime.OrtValue:
    """An input, in the memory that the planes lie in."""
    device = model.in_place_on
    providers = providers_in_order(device) if device else None
    if device is None or providers is None:
        raise ValueError("the model takes no frames in place")
    resizer = Resizer(device, providers)
    pixels = onnxruntime.OrtValue.ortvalue_from_shape_and_type([size.input_h, size.input_w, 3], np.uint8, device, 0)
    for _ in range(times):
        resizer.write(planes, rotation, size, pixels.data_ptr())
    return pixels


def _run(model: Model, frames: Iterator[av.VideoFrame]) -> list[Rows]:
    sampled = (SampledFrame(FramePlace(0, rank, 0, rank), frame) for rank, frame in enumerate(frames))
    threads = len(os.sched_getaffinity(0))
    return [result.rows_by_model[0] for result in run_models(sampled, [model], 0, threads=threads, check=_go_on)]


def _go_on() -> None:
    """Nobody stops a self-check."""


def _run_black(model: Model, count: int, shown: tuple[int, int]) -> None:
    size = input_size(model.manifest, *shown)
    batch = np.zeros((model.batch_size, size.input_h, size.input_w, 3), np.uint8)
    for _ in range(-(-count // model.batch_size)):
        model.run(batch)


def _timed(work: Callable[[], Answer]) -> tuple[Answer, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
