"""Compares this machine's models with the CPU on a video, and says how fast each part is.

    python -m gpu_batch.selfcheck VIDEO MODEL_FOLDER [--provider cpu|cuda|tensorrt] [--frames N]

Prints one JSON line: the provider and decoder with their reasons; the sure boxes that the CPU finds (score above 0.5),
and how many of them are found here within 1 px and 0.02; fps of decoding alone, of inference alone and of the whole.
Exit code 1 when a box has no match. On a machine without a GPU the batches of the GPU path run on the CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import TypeVar, cast

import av
import numpy as np
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext

from chalicelib.domain.media import MediaLimits
from chalicelib.domain.models import input_size, manifest_from_json
from gpu_batch.containers.sniff import SNIFF_BYTES, sniff_container
from gpu_batch.containers.untrusted import first_video_stream, open_untrusted
from gpu_batch.frames import FramePlace, SampledFrame
from gpu_batch.models.detect import BOX_STEPS_PER_PIXEL, SCORE_STEPS, Rows, detect
from gpu_batch.models.loader import Model, load, load_in_batches
from gpu_batch.models.providers import ENGINES_NAME, GPU_BATCH, ProviderClass, provider_class_of
from gpu_batch.pipeline import run_models
from gpu_batch.video.decoders import DecoderChoice, choose_decoder
from gpu_batch.video.source import FileSource

Answer = TypeVar("Answer")

PIXELS_APART = 1
SCORES_APART = 0.02
SURE_SCORE = 0.5
"""Boxes near the floor come and go with the last bits of a score."""


def main(arguments: Sequence[str]) -> int:
    """Compare and measure; 0 when every sure box has its match."""
    parser = argparse.ArgumentParser(prog="python -m gpu_batch.selfcheck", description="Compare with the CPU.")
    parser.add_argument("video", type=Path)
    parser.add_argument("model", type=Path, help="a folder with manifest.json and model.onnx")
    parser.add_argument("--provider", default="cuda")
    parser.add_argument("--frames", type=int, default=200)
    options = parser.parse_args(arguments)
    video: Path = options.video
    width, height, codec = _facts(video)
    reference, model = load_both(options.model, provider_class_of(options.provider), (width, height))
    choice = choose_decoder(codec, is_on_gpu=model.provider_class != "cpu")
    count, decode_seconds = _timed(lambda: sum(1 for _ in _frames(video, options.frames, choice)))
    results, whole_seconds = _timed(lambda: _run(model, _frames(video, options.frames, choice)))
    _, inference_seconds = _timed(lambda: _run_black(model, count, (width, height)))
    cpu_only = DecoderChoice(None, "the reference")
    truth = [detect(reference, frame, 0) for frame in _frames(video, options.frames, cpu_only)]
    sure, matched = count_matches(truth, results)
    report = {
        "provider": model.provider_class,
        "provider_reason": model.provider_reason,
        "decoder_reason": choice.reason,
        "frames": count,
        "sure_boxes": sure,
        "matched_boxes": matched,
        "decode_fps": round(count / decode_seconds, 1),
        "inference_fps": round(count / inference_seconds, 1),
        "whole_fps": round(count / whole_seconds, 1),
    }
    sys.stdout.write(json.dumps(report) + "\n")
    return 0 if matched == sure and len(results) == len(truth) else 1


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


def count_matches(truth: Sequence[Rows], found: Sequence[Rows]) -> tuple[int, int]:
    """Sure boxes of `truth`, and how many of them `found` has, within the tolerances and under the same label."""
    sure = matched = 0
    for expected, rows in zip(truth, found, strict=False):
        for label, score, box in zip(expected.labels, expected.scores, expected.boxes, strict=True):
            if score <= SURE_SCORE * SCORE_STEPS:
                continue
            sure += 1
            is_near = np.abs(rows.boxes - box).max(axis=1, initial=0) <= PIXELS_APART * BOX_STEPS_PER_PIXEL
            is_as_sure = np.abs(rows.scores.astype(np.int32) - int(score)) <= SCORES_APART * SCORE_STEPS
            matched += bool((is_near & is_as_sure & (rows.labels == label)).any())
    return sure, matched


def _facts(video: Path) -> tuple[int, int, str]:
    with _opened(video) as container:
        context = first_video_stream(container).codec_context
        return context.width, context.height, context.name


def _opened(video: Path) -> AbstractContextManager[InputContainer]:
    source = FileSource(video)
    return open_untrusted(source, sniff_container(source.read(0, SNIFF_BYTES)), MediaLimits())


def _frames(video: Path, limit: int, choice: DecoderChoice) -> Iterator[av.VideoFrame]:
    with _opened(video) as container:
        stream = first_video_stream(container)
        context = stream.codec_context
        decoder = cast("VideoCodecContext", VideoCodecContext.create(context.name, "r", hwaccel=choice.hwaccel))
        decoder.extradata = context.extradata
        decoder.thread_count = 1
        packets = container.demux(stream)
        yield from islice((frame for packet in packets for frame in decoder.decode(packet)), limit)


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
