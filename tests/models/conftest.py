"""What the tests of models share: the shipped models, loaded once, and the demo clip."""

from __future__ import annotations

import av
import pytest

from gpu_batch.models.loader import Model, load_folder
from tests.models.paths import DEFAULT_MODELS, ROOT


@pytest.fixture(scope="session")
def nanodet() -> Model:
    return load_folder(DEFAULT_MODELS / "nanodet-g")


@pytest.fixture(scope="session")
def ssd() -> Model:
    return load_folder(DEFAULT_MODELS / "ssdlite-mobilenet-v2")


@pytest.fixture(scope="session")
def bikes() -> list[av.VideoFrame]:
    """Every fifth frame of the demo clip: 50 frames of 640 x 272."""
    path = ROOT / ".cache" / "videos" / "bikes.mp4"
    if not path.exists():
        pytest.fail(f"the demo clip must be at {path}: run `make setup`")
    with av.open(str(path)) as container:
        return [frame for index, frame in enumerate(container.decode(video=0)) if index % 5 == 0]
