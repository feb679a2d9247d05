"""Builds TensorRT engines when deploying, on a machine with the GPU that will use them: minutes that no job waits for.

    python -m gpu_batch.engines FOLDER MODEL_FOLDER WIDTHxHEIGHT [WIDTHxHEIGHT …]

For each size of video, as shown, the engine of the model's input is put where `gpu_batch/models/engines.py` says, by
model, size and platform; one that is there is left alone. Workers find FOLDER by the environment variable
REELSCAN_ENGINES.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import onnxruntime

from chalicelib.domain.models import input_size, manifest_from_json
from gpu_batch.errors import WorkerError
from gpu_batch.log import logger
from gpu_batch.models.engines import engine_place, find_platform
from gpu_batch.models.loader import build_engine
from gpu_batch.models.providers import GPU_BATCH, TENSORRT

CANNOT_BUILD = 69
"""Source: sysexits.h, EX_UNAVAILABLE."""


def main(arguments: Sequence[str], available: Sequence[str], platform: str | None) -> int:
    """Build what the command line asks for; the exit code.

    `available` is what onnxruntime was built with, and `platform` what engines must be made for here.
    """
    parser = argparse.ArgumentParser(prog="python -m gpu_batch.engines", description="Build TensorRT engines.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("model", type=Path, help="a folder with manifest.json and model.onnx")
    parser.add_argument("sizes", type=_size, nargs="+", metavar="WIDTHxHEIGHT")
    options = parser.parse_args(arguments)
    if TENSORRT not in available or platform is None:
        lack = "onnxruntime has no TensorRT provider" if TENSORRT not in available else "there is no GPU or no TensorRT"
        logger.error("engines cannot be built here", reason=lack)
        return CANNOT_BUILD
    manifest = manifest_from_json(json.loads((options.model / "manifest.json").read_text()))
    model_bytes = (options.model / "model.onnx").read_bytes()
    for shown in options.sizes:
        size = input_size(manifest, *shown)
        place = engine_place(options.folder, manifest.sha256, platform, (size.input_h, size.input_w))
        if place.is_complete:
            logger.info("engine is there", shown=shown, folder=str(place.folder))
            continue
        try:
            lack_of_engine = build_engine(manifest, model_bytes, place, shown)
        except WorkerError as error:
            logger.error("no engine", shown=shown, detail=error.failure.detail)
            return error.exit_code
        if lack_of_engine is not None:
            logger.error("no engine", shown=shown, reason=lack_of_engine)
            return CANNOT_BUILD
        logger.info("engine built", shown=shown, folder=str(place.folder))
    return 0


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], onnxruntime.get_available_providers(), find_platform(GPU_BATCH)))
