"""Types of arguments on the command line: what is not there, or out of range, is said before anything is done."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

import numpy as np
import numpy.typing as npt

from chalicelib.domain.models import BY_ASPECT
from gpu_batch.compiler.label_file import BUILT_IN_LABELS

MODEL_FILES = ("manifest.json", "model.onnx")


def existing_file(text: str) -> Path:
    """The path of a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise ArgumentTypeError(f"{text} must be a file but there is none")
    return path


def model_folder(text: str) -> Path:
    """The path of a folder that holds a model."""
    path = Path(text)
    if not path.is_dir():
        raise ArgumentTypeError(f"{text} must be the folder of a model but there is none")
    missing = [name for name in MODEL_FILES if not (path / name).is_file()]
    if missing:
        raise ArgumentTypeError(f"{text} must hold {' and '.join(MODEL_FILES)} but lacks {' and '.join(missing)}")
    return path


def labels(text: str) -> str:
    """The name of labels that are built in, or of a file that is there."""
    return text if text in BUILT_IN_LABELS else str(existing_file(text))


def share(text: str) -> float:
    """A number of 0 to 1."""
    value = float(text)
    # Not a number is in no range.
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"must be of 0 to 1 but is {text}")
    return value


def sizes(text: str) -> tuple[tuple[int, int | None], ...]:
    """Shapes of inputs, such as 640x384,384x640 or 640xby_aspect."""
    pairs = [part.split("x", 1) for part in text.split(",")]
    return tuple((int(width), None if height == BY_ASPECT else int(height)) for width, height in pairs)


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas."""
    return tuple(float(part) for part in text.split(","))


def integers(text: str) -> tuple[int, ...]:
    """Whole numbers with commas."""
    return tuple(int(part) for part in text.split(","))


def words(text: str) -> tuple[str, ...]:
    """Words with commas."""
    return tuple(text.split(","))


def anchors(text: str) -> npt.NDArray[np.float32]:
    """Anchors from a file of numpy, float32 (A, 4)."""
    found = np.load(existing_file(text), allow_pickle=False).astype(np.float32)
    if found.ndim != 2 or found.shape[1] != 4:
        raise ArgumentTypeError(f"anchors must be [A, 4] but are {list(found.shape)}")
    return np.asarray(found, np.float32)
