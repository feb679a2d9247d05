"""How good tracks are on a scene whose truth is public: `python -m tests.tracking.truth VIDEO GT [--peers PYTHON]`.

The whole path: the worker probes the video, runs the default model on every frame, commits, and finishes the job; rows
and their tracks are read from what it stored. `GT` is in the form of MOTChallenge 2015 (frame from 1, id, left, top,
width, height, 0 = to be ignored, …). Every tracker is scored twice: with all boxes of the truth, and with those alone
that it does not flag. Metrics are those of the package `trackeval`. `--peers` names a Python that has `trackers`: its
trackers get the stored detections, at their own defaults and at the model's threshold. Nothing of the scene is in this
repository.
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import BOX_UNITS, SCORE_UNITS
from chalicelib.contracts.track_ids import TrackIds
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.models import Manifest, manifest_from_json
from chalicelib.domain.units import UnitKind
from gpu_batch.finish import run_finish
from gpu_batch.job_results import JobResults
from gpu_batch.lease import Stop
from gpu_batch.models.loader import load_folder
from gpu_batch.segment_step import run_segments
from tests.models.paths import DEFAULT_MODELS
from tests.worker.memory_cloud import MemoryCloud
from tests.worker.scene import a_scene

LABEL = "person"
MODEL = "nanodet-g"
PEERS = ("ByteTrackTracker", "OCSORTTracker", "SORTTracker", "BoTSORTTracker")
MATCH_IOU = 0.5

# Columns: frame from 0, id, x1, y1, x2, y2, score.
Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Truth:
    """What should be found: with the boxes that are flagged as not to be counted, and without."""

    all_boxes: Rows
    not_flagged: Rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.tracking.truth", description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--peers", type=Path, help="a Python that has the package trackers")
    parser.add_argument("--cache", type=Path, help="keep the analysed scene in this file")
    arguments = parser.parse_args()
    cloud, order, seconds = _analyzed(arguments.video, arguments.cache)
    manifest = manifest_from_json(order.models[0].manifest)
    stored = read_rows(cloud, order, manifest)
    frames = int(np.max(stored[:, 0])) + 1
    truth = read_truth(arguments.truth)
    print(f"{frames} frames, {len(set(truth.all_boxes[:, 1]))} people, model {MODEL}, label {LABEL}")
    print(f"boxes of the truth: {len(truth.all_boxes)}, not flagged: {len(truth.not_flagged)}")
    _print_scores("reelscan", truth, stored[stored[:, 1] > 0], frames)
    threshold = manifest.score_default
    _print_scores(
        "  only rows from the threshold on", truth, stored[(stored[:, 1] > 0) & (stored[:, 6] >= threshold)], frames
    )
    if arguments.peers:
        for score_min in (0.0, threshold):
            shown = stored[stored[:, 6] >= score_min]
            for name, rows in run_peers(arguments.peers, shown, frames).items():
                _print_scores(f"{name}, scores from {score_min:g}", truth, rows, frames)
    print(f"CPU a frame: inference {seconds['inference'] / frames * 1000:.1f} ms,", end=" ")
    print(f"tracking {seconds['tracking'] / frames * 1000:.2f} ms: 1/{seconds['inference'] / seconds['tracking']:.0f}")


def analyze(video: Path) -> tuple[MemoryCloud, WorkOrder, dict[str, float]]:
    """The scene as a job that has finished, and CPU seconds of inference and of the tracking fold."""
    model = load_folder(DEFAULT_MODELS / MODEL)
    scene = a_scene(video.read_bytes(), models=[model])
    scene.cloud.objects["model-0"] = (DEFAULT_MODELS / MODEL / "model.onnx").read_bytes()
    segments = scene.segments(Fraction(10))
    for segment in segments:
        scene.cloud.open_unit(scene.order.pk, UnitKind.SEGMENT, segment)
    started = time.process_time()
    run_segments(scene.cloud, scene.order, [each.index for each in segments], claimed_by="truth", stop=Stop())
    inference = time.process_time() - started
    order = replace(scene.order, segments=segments)
    scene.cloud.open_unit(order.pk, UnitKind.FINISH)
    started = time.process_time()
    run_finish(scene.cloud, order, claimed_by="truth", stop=Stop())
    return scene.cloud, order, {"inference": inference, "tracking": time.process_time() - started}


def read_rows(cloud: MemoryCloud, order: WorkOrder, manifest: Manifest) -> Rows:
    """Every stored detection of the label, with its track, 0 for none."""
    results, rows, frame = JobResults(cloud, order, lambda: None), [], -1
    for segment, entry in results.entries():
        if entry is None:
            continue
        item = cloud.get("results", order.pk, table_keys.track_ids(0, segment.index, 0))
        ids_of_segment = TrackIds([item["body"]] if item else [])
        for position, found in enumerate(results.blocks(entry, 0)):
            block, row = found.block, 0
            ids = ids_of_segment.of_block(position, block.counts)
            for count in block.counts:
                frame += 1
                for number in range(row, row + count):
                    if block.labels[block.row_labels[number]] == LABEL:
                        box = (block.x1[number], block.y1[number], block.x2[number], block.y2[number])
                        track = ids[number] if ids is not None else 0
                        score = block.row_scores[number] / SCORE_UNITS
                        rows.append((frame, track, *(side / BOX_UNITS for side in box), score))
                row += count
    return np.array(rows, np.float64)


def read_truth(path: Path) -> Truth:
    """Both readings of the boxes."""
    table = np.loadtxt(path, delimiter=",", ndmin=2)
    frame, identity, left, top, width, height = table[:, :6].T
    boxes = np.stack([frame - 1, identity, left, top, left + width, top + height, np.ones_like(left)], 1)
    return Truth(all_boxes=boxes, not_flagged=boxes[table[:, 6] != 0])


def score(truth: Rows, found: Rows, frames: int) -> dict[str, float]:
    """MOTA, IDF1 and HOTA, with what they are made of."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    def numbered(ids: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.unique(ids, return_inverse=True)[1].astype(np.int64)

    truth_ids, found_ids = numbered(truth[:, 1]), numbered(found[:, 1])
    identities = int(np.max(found_ids)) + 1 if len(found_ids) else 0
    in_truth = [truth[:, 0] == frame for frame in range(frames)]
    in_found = [found[:, 0] == frame for frame in range(frames)]
    data = {
        "gt_ids": [truth_ids[mask] for mask in in_truth],
        "tracker_ids": [found_ids[mask] for mask in in_found],
        "similarity_scores": [
            iou(truth[one, 2:6], found[other, 2:6]) for one, other in zip(in_truth, in_found, strict=True)
        ],
        "num_timesteps": frames,
        "num_gt_ids": int(np.max(truth_ids)) + 1,
        "num_tracker_ids": identities,
        "num_gt_dets": len(truth),
        "num_tracker_dets": len(found),
    }
    config = {"THRESHOLD": MATCH_IOU, "PRINT_CONFIG": False}
    clear = CLEAR(config).eval_sequence(data)
    identity = Identity(config).eval_sequence(data)
    hota = HOTA().eval_sequence(data)
    counts = {name: float(clear[name]) for name in ("CLR_FN", "CLR_FP", "IDSW")}
    return {
        "MOTA": float(clear["MOTA"]),
        "IDF1": float(identity["IDF1"]),
        "HOTA": float(np.mean(hota["HOTA"])),
        "ids": float(identities),
        **counts,
    }


def iou(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of every pair of boxes."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (one, other)]
    return np.asarray(shared / np.maximum(areas[0][:, None] + areas[1][None, :] - shared, 1e-9))


PEER_CODE = """
import json, sys
import numpy as np
import supervision as sv
import trackers
rows = np.load(sys.argv[1]); frames = int(sys.argv[2]); found = {}
for name in json.loads(sys.argv[3]):
    make = getattr(trackers, name, None)
    if make is None:
        continue
    try:
        tracker = make()
    except Exception as error:
        print(name, repr(error), file=sys.stderr)
        continue
    out = []
    for frame in range(frames):
        seen = rows[rows[:, 0] == frame]
        given = sv.Detections(xyxy=seen[:, 2:6].astype(np.float32), confidence=seen[:, 6].astype(np.float32),
                              class_id=np.zeros(len(seen), int))
        try:
            given = tracker.update(given)
        except TypeError:
            break
        if given.tracker_id is None:
            continue
        for box, score, track in zip(given.xyxy, given.confidence, given.tracker_id):
            if track >= 0:
                out.append([frame, int(track), *map(float, box), float(score)])
    found[name] = out
print(json.dumps(found))
"""


def run_peers(python: Path, stored: Rows, frames: int) -> dict[str, Rows]:
    """What the trackers of the package `trackers` make of these detections, at their defaults."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, stored)
        file.flush()
        arguments = [str(python), "-c", PEER_CODE, file.name, str(frames), json.dumps(PEERS)]
        output = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name: np.array(rows, np.float64) for name, rows in json.loads(output.splitlines()[-1]).items() if rows}


def _print_scores(name: str, truth: Truth, found: Rows, frames: int) -> None:
    for reading, boxes in (("all boxes", truth.all_boxes), ("not flagged", truth.not_flagged)):
        scores = score(boxes, found, frames)
        shares = "  ".join(f"{name} {scores[name]:.3f}" for name in ("MOTA", "IDF1", "HOTA"))
        counts = "  ".join(f"{name} {scores[name]:.0f}" for name in ("CLR_FN", "CLR_FP", "IDSW", "ids"))
        print(f"{name:36}{reading:13}{shares}  {counts}")


def _analyzed(video: Path, cache: Path | None) -> tuple[MemoryCloud, WorkOrder, dict[str, float]]:
    if cache is not None and cache.exists():
        tables, order, seconds = pickle.loads(cache.read_bytes())
        cloud = MemoryCloud()
        cloud.tables = tables
        return cloud, order, seconds
    cloud, order, seconds = analyze(video)
    if cache is not None:
        cache.write_bytes(pickle.dumps((cloud.tables, order, seconds)))
    return cloud, order, seconds


if __name__ == "__main__":
    main()
