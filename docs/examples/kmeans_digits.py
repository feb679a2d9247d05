"""A model of one's own, from scikit-learn to queries: clusters of handwritten digits, found again in a video.

    make local                                                              in another terminal
    .venv/bin/python -m docs.examples.kmeans_digits prepare out/kmeans      cluster and export; a clip of digits
    .venv/bin/python -m docs.examples.kmeans_digits analyze out/kmeans      register, upload, analyse, compare

k-means knows no digits, only pictures that are alike: nobody tells it which are which. The last step says how far its
clusters are digits, and that the service finds what scikit-learn finds. docs/examples/kmeans.md goes through it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import onnx.compose
import onnx.parser
from skl2onnx import to_onnx
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from reelscan import Client
from reelscan.records import Detection, Job, ModelManifestForm

CLUSTERS = 10
MANIFEST: ModelManifestForm = {
    "name": "kmeans-digits",
    "version": "1",
    "task": "classification",
    "adapter": "logits",
    "labels": [f"cluster {number}" for number in range(CLUSTERS)],
    "input": {"policy": "stretch", "mean": [0, 0, 0], "std": [1, 1, 1]},
    "score_floor": 0.01,
    "score_default": 0.1,
    "licence": "BSD-3-Clause",
    "source": "k-means of scikit-learn's digits",
}
"""What the worker has to know of the network: pictures of 0..1 go in, at whatever aspect, and logits come out."""
SIDE = 8
"""Pixels of a digit, across and down."""
LEVELS = 16
"""A pixel of a digit is 0, black, to 16."""
ENLARGED = 16
"""A pixel of a digit is a square of so many pixels of the clip."""
FRAMES_PER_DIGIT = 8
"""Each of them another person's; at as many frames a second, so a digit lasts for a second."""

POLL_SECONDS = 0.2

# What is around the clusters: a picture of 0..1 becomes the 64 numbers that they were made of …
BEFORE = f"""
<ir_version: 8, opset_import: ["": 17]>
before (float[N, 3, {SIDE}, {SIDE}] images) => (float[N, {SIDE * SIDE}] pixels) {{
    grey = ReduceMean <axes = [1], keepdims = 0> (images)
    shape = Constant <value = int64[2] {{0, -1}}> ()
    row = Reshape (grey, shape)
    levels = Constant <value = float {{{LEVELS}.0}}> ()
    pixels = Mul (row, levels)
}}
"""
# … and distances become logits: of their softmax, which the adapter adds, the nearest cluster has most.
AFTER = f"""
<ir_version: 8, opset_import: ["": 17]>
after (float[N, {CLUSTERS}] distances) => (float[N, {CLUSTERS}] logits) {{
    logits = Neg (distances)
}}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a step."""
    parser = argparse.ArgumentParser(
        prog="python -m docs.examples.kmeans_digits", description="Clusters of digits as a model of one's own"
    )
    parser.add_argument("step", choices=("prepare", "analyze"))
    parser.add_argument("folder", type=Path, help="for everything that is made")
    parser.add_argument(
        "--local", type=Path, default=Path("out/local.json"), help="where the local stack says what it is"
    )
    options = parser.parse_args(arguments)
    if options.step == "prepare":
        prepare(options.folder)
        return 0
    local = json.loads(options.local.read_text(encoding="utf-8"))
    return analyze(options.folder, local["base_url"], local["token"])


def prepare(folder: Path) -> None:
    """Make the network, and a clip on which it can be tried."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures, digits = load_digits(return_X_y=True)
    clusters = KMeans(n_clusters=CLUSTERS, n_init=4, random_state=0).fit(pictures)
    (folder / "net.onnx").write_bytes(export(clusters).SerializeToString(deterministic=True))

    chosen = np.concatenate([np.flatnonzero(digits == digit)[:FRAMES_PER_DIGIT] for digit in range(10)])
    write_clip(folder / "digits.mp4", pictures[chosen])
    frames = [
        {"digit": int(digit), "cluster": f"cluster {cluster}"}
        for digit, cluster in zip(digits[chosen], clusters.predict(pictures[chosen]), strict=True)
    ]
    (folder / "frames.json").write_text(json.dumps(frames))
    print(f"{folder} has a network (net.onnx) and {len(frames)} frames of digits (digits.mp4)")


def export(clusters: KMeans) -> onnx.ModelProto:
    """The clusters as a network: pictures in, [N, 3, 8, 8] of 0..1, and a logit for each cluster out."""
    nearest = to_onnx(clusters, np.zeros((1, SIDE * SIDE), np.float32), target_opset=17)
    nearest.ir_version = 8
    # Imported, but of these operators clusters need none.
    for imported in [entry for entry in nearest.opset_import if entry.domain]:
        nearest.opset_import.remove(imported)
    nearest = onnx.compose.add_prefix(nearest, "clusters_")
    before, after = onnx.parser.parse_model(BEFORE), onnx.parser.parse_model(AFTER)
    network = onnx.compose.merge_models(before, nearest, [("pixels", "clusters_X")], outputs=["clusters_scores"])
    return onnx.compose.merge_models(network, after, [("clusters_scores", "distances")])


def write_clip(path: Path, pictures: npt.NDArray[np.float64]) -> None:
    """A video of one frame for each picture."""
    side = SIDE * ENLARGED
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_DIGIT, options={"crf": "10", "g": "24"})
        stream.width, stream.height, stream.pix_fmt = side, side, "yuv420p"
        for picture in pictures:
            grey = np.rint(picture.reshape(SIDE, SIDE) * (255 / LEVELS)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.kron(grey, np.ones((ENLARGED, ENLARGED), np.uint8)), format="gray")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode())


def analyze(folder: Path, base_url: str, token: str) -> int:
    """Have the clip analysed, and say what was found; 0 when the clusters are what they were for scikit-learn."""
    with Client(base_url, token) as client:
        register(client, folder / "net.onnx")
        job = run_job(client, folder / "digits.mp4")
        rows = client.jobs.detections(job).all()
    found = best_by_frame(rows)
    frames = json.loads((folder / "frames.json").read_text())
    same = sum(found.get(index) == frame["cluster"] for index, frame in enumerate(frames))
    pure = 0
    for digit in range(10):
        seen = Counter(found.get(index, "none") for index, frame in enumerate(frames) if frame["digit"] == digit)
        pure += seen.most_common(1)[0][1]
        print(f"{digit}: " + ", ".join(f"{cluster} in {count} frames" for cluster, count in seen.most_common()))
    print(f"As scikit-learn has it: {same} of {len(frames)} frames")
    print(f"In the cluster that most frames of their digit are in: {pure} of {len(frames)} frames")
    return 0 if same >= 0.95 * len(frames) else 1


def register(client: Client, network: Path) -> None:
    """Have the network compiled, tried and made known by its name. To do it again changes nothing."""
    version = client.models.wait(client.models.add(network, MANIFEST), poll_seconds=POLL_SECONDS)
    if version.state == "REJECTED":
        reasons = version.reasons or (version.error.detail if version.error else "",)
        raise SystemExit("the model was refused: " + "; ".join(reasons))


def run_job(client: Client, clip: Path) -> Job:
    """The job that classifies every frame of the clip, once it has ended well."""
    uploaded = client.videos.upload(clip, analyze={"models": [MANIFEST["name"]]})
    assert uploaded.job is not None, "it was asked for"
    job = client.jobs.wait(uploaded.job, poll_seconds=POLL_SECONDS)
    if job.state != "SUCCEEDED":
        raise SystemExit(f"the job must succeed but is {job.state}: {job.error or job.missing}")
    return job


def best_by_frame(rows: Sequence[Detection]) -> dict[int, str]:
    """The label of each frame, by its number: rows come frame by frame, the best one first."""
    found: dict[int, str] = {}
    for row in rows:
        if row.frame_index is not None:
            found.setdefault(row.frame_index, row.label)
    return found


if __name__ == "__main__":
    sys.exit(main())
