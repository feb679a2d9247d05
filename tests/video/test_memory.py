"""How much memory the probe of a very long video takes: measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.video.long_movie import write_long_movie

MAX_MEGABYTES = 700
"""Of which 100 are Python and its libraries; the fast lane has 1,024."""
MEASURE = """
import resource, sys
from pathlib import Path
from chalicelib.domain.media import MediaLimits
from gpu_batch.containers.probe import probe_video
from gpu_batch.video.source import FileSource
probe = probe_video(FileSource(Path(sys.argv[1])), MediaLimits())
print(probe.media.frame_count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("index_at_end", [True, False])
def test_a_day_of_video_is_probed_in_bounded_memory(
    corpus: dict[str, Path], tmp_path: Path, index_at_end: bool
) -> None:
    path = tmp_path / "day.mp4"
    write_long_movie(path, corpus["h264_gop_250"], hours=24, index_at_end=index_at_end)
    printed = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    frames, megabytes = map(int, printed.stdout.split())
    assert frames == 24 * 3600 * 30
    assert megabytes <= MAX_MEGABYTES
