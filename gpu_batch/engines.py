"""Builds TensorRT engines when deploying, on a machine with the GPU that will use them: minutes that no job waits for.

    python -m gpu_batch.engines FOLDER MODEL_FOLDER WIDTHxHEIGHT [WIDTHxHEIGHT …]

For each size of video, as shown, the engine of the model's input is put into FOLDER/<SHA-256 of the model>/. Workers
find FOLDER by the environment variable REELSCAN_ENGINES. An engine is good for one model of GPU and one version of
TensorRT.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import onnxruntime

from chalicelib.domain.models import manifest_from_json
from gpu_batch.errors import WorkerError
from gpu_batch.log import logger
from gpu_batch.models.loader import build_engine
from gpu_batch.models.providers import TENSORRT

CANNOT_BUILD = 69
"""Source: sysexits.h, EX_UNAVAILABLE."""


def main(arguments: Sequence[str], available: Sequence[str]) -> int:
    """Build what the command line asks for; the exit code. `available` is what onnxruntime was built with."""
    parser = argparse.ArgumentParser(prog="python -m gpu_batch.engines", description="Build TensorRT engines.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("model", type=Path, help="a folder with manifest.json and model.onnx")
    parser.add_argument("sizes", type=_size, nargs="+", metavar="WIDTHxHEIGHT")
    options = parser.parse_args(arguments)
    if TENSORRT not in available:
        logger.error("engines cannot be built here", reason="onnxruntime has no TensorRT provider")
        return CANNOT_BUILD
    manifest = manifest_from_json(json.loads((options.model / "manifest.json").read_text()))
    model_bytes = (options.model / "model.onnx").read_bytes()
    for shown in options.sizes:
        try:
            model = build_engine(manifest, model_bytes, options.folder, shown)
        except WorkerError as error:
            logger.error("no engine", shown=shown, detail=error.failure.detail)
            return error.exit_code
        if model.provider_class != "tensorrt":
            logger.error("no engine", shown=shown, reason=model.provider_reason)
            return CANNOT_BUILD
        logger.info("engine built", shown=shown, reason=model.provider_reason)
    return 0


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], onnxruntime.get_available_providers()))
