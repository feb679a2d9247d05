from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from gpu_batch.tracking import FrameTracks, TrackFold, TrackSummary
from tests.tracking.bikes import GOLDEN_PATH, PARAMS, describe, read_bikes, track_bikes

CUT = 140

# What another process does with a checkpoint: take it, go on to the end, say all it found.
CONTINUE = """
import json, sys
from pathlib import Path
from gpu_batch.tracking import TrackFold
from tests.tracking.bikes import PARAMS, read_bikes
fold = TrackFold.from_state(PARAMS, Path(sys.argv[1]).read_bytes())
settled = [done for frame in read_bikes()[0][int(sys.argv[2]):] for done in fold.push(frame)] + fold.finish()
tracks = fold.closed_tracks()
Path(sys.argv[3]).write_text(json.dumps([[done.ids.tolist() for done in settled], [one.track_id for one in tracks]]))
"""


def test_real_detections_give_the_stored_tracks() -> None:
    assert track_bikes() == json.loads(GOLDEN_PATH.read_text())


def test_another_process_goes_on_from_a_checkpoint_with_the_same_ids(tmp_path: Path) -> None:
    frames, fold = read_bikes()
    for frame in frames[:CUT]:
        fold.push(frame)
    (tmp_path / "state").write_bytes(fold.state())
    arguments = [sys.executable, "-c", CONTINUE, str(tmp_path / "state"), str(CUT), str(tmp_path / "out")]
    subprocess.run(arguments, check=True, cwd=Path(__file__).parents[2])

    rest = [done for frame in frames[CUT:] for done in fold.push(frame)] + fold.finish()
    assert json.loads((tmp_path / "out").read_text()) == [
        [done.ids.tolist() for done in rest],
        [one.track_id for one in fold.closed_tracks()],
    ]


def test_a_checkpoint_after_every_frame_changes_nothing() -> None:
    frames, fold = read_bikes()
    settled: list[FrameTracks] = []
    tracks: list[TrackSummary] = []
    for frame in frames:
        settled += fold.push(frame)
        tracks += fold.closed_tracks()
        fold = TrackFold.from_state(PARAMS, fold.state())
    settled += fold.finish()
    assert describe(settled, tracks + fold.closed_tracks()) == json.loads(GOLDEN_PATH.read_text())
