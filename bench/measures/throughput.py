"""Measures 1, 2 and 3: frames per second of file to detections, beside the ideal of the cores and the peers' loops."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.bench_run import Bench
from bench.models import LIGHT, NANO, YOLO, YOLO_RAW
from bench.paths import CLIPS, ULTRALYTICS_PYTHON
from bench.rounds import Call, Rounds, Run
from bench.rows import Bound, Row, at_least

CLIP = CLIPS / "h264_1080p.mp4"
OPENCV = "OpenCV, onnxruntime"
THREADED = "reader thread, onnxruntime"
SUPERVISION = "supervision, onnxruntime"
ULTRALYTICS = "ultralytics predict(stream=True)"
ULTRALYTICS_SHAPE = "a loop of ultralytics' shape"
ALL_CORES_DECODE = "decode, on all cores at once"
ALL_CORES_INFER = "infer, on all cores at once"
_NO_RATE = ("decode", "infer", ALL_CORES_DECODE, ALL_CORES_INFER, "loop")
"""What has no frames per second to compare."""


def measure_nano(bench: Bench) -> list[Row]:
    """The default detector, float32."""
    peers = _plain_peers(bench, NANO)
    return _rows(bench, "nanodet-g fp32", NANO, peers, ideal=(1, at_least(0.95)), peer=at_least(1.2))


def measure_light(bench: Bench) -> list[Row]:
    """The light detector in int8, made here by static quantisation."""
    peers = _plain_peers(bench, LIGHT)
    return _rows(bench, "ssdlite int8", LIGHT, peers, ideal=(2, at_least(0.93)), peer=at_least(1.7))


def measure_yolo(bench: Bench) -> list[Row]:
    """The yolov8n architecture with random weights, beside ultralytics itself or, said so, a loop of its shape."""
    if not (YOLO / "model.onnx").exists():
        return [Row(3, "yolov8n", (), at_least(1.2), note="make bench-ultralytics makes the model")]
    is_installed = ULTRALYTICS_PYTHON.exists()
    name, variant = (ULTRALYTICS, "ultralytics_predict") if is_installed else (ULTRALYTICS_SHAPE, "ultralytics_shape")
    peers = {name: bench.peer(variant, clip=CLIP, model=YOLO_RAW)}
    return _rows(bench, "yolov8n fp32", YOLO, peers, ideal=None, peer=at_least(1.2))


def _plain_peers(bench: Bench, model: Path) -> dict[str, Call]:
    variant_by_peer = {OPENCV: "opencv_serial", THREADED: "opencv_threaded", SUPERVISION: "supervision_frames"}
    return {peer: bench.peer(variant, clip=CLIP, model=model) for peer, variant in variant_by_peer.items()}


def _rows(
    bench: Bench, title: str, model: Path, peers: Mapping[str, Call], *, ideal: tuple[int, Bound] | None, peer: Bound
) -> list[Row]:
    calls = {
        "ours": bench.ours("analyze", clip=CLIP, model=model, threads=bench.cores),
        "decode": bench.limit("decode", clip=CLIP),
        "infer": bench.ours("infer", clip=CLIP, model=model),
        **(_beside_ideal(bench, model) if ideal else {}),
        **peers,
    }
    rounds = bench.run(calls)

    rows = _ideal_rows(rounds, title, bench.cores, *ideal) if ideal else []
    ran = [name for name in peers if rounds.has(name)]
    missing = "; ".join(f"{name}: {why}" for name, why in rounds.failure_by_key.items())
    rows += [
        Row(
            3,
            f"{title}: fps ÷ best peer's",
            rounds.values(lambda runs: runs["ours"].per_second / max(runs[name].per_second for name in ran))
            if ran
            else (),
            peer,
            note=missing or "wall time",
        ),
        Row(
            3,
            f"{title}: CPU of best peer ÷ CPU of ours",
            rounds.values(lambda runs: min(runs[name].cpu_ms for name in ran) / runs["ours"].cpu_ms) if ran else (),
            peer,
        ),
        Row(
            3,
            f"{title}: … no more can be had: CPU of best peer ÷ CPU of decode + inference alone",
            rounds.values(lambda runs: min(runs[name].cpu_ms for name in ran) / _ideal_cpu_ms(runs)) if ran else (),
        ),
    ]
    first = ideal[0] if ideal else 3
    for key in calls:
        rows += _cost_rows(rounds, first, key)
    return rows


def _beside_ideal(bench: Bench, model: Path) -> dict[str, Call]:
    """What 1 and 2 are read by."""
    return {
        ALL_CORES_DECODE: bench.limit("decode", clip=CLIP, copies=bench.cores),
        ALL_CORES_INFER: bench.ours("infer", clip=CLIP, model=model, copies=bench.cores),
        "loop": bench.ours("loop", clip=CLIP, model=model),
    }


def _ideal_cpu_ms(runs: Mapping[str, Run]) -> float:
    return runs["decode"].cpu_ms + runs["infer"].cpu_ms


def _ideal_rows(rounds: Rounds, title: str, cores: int, measure: int, bound: Bound) -> list[Row]:
    """The measure, and the same with what its strictest form leaves to chance taken out."""

    def all_cores_cpu_ms(runs: Mapping[str, Run]) -> float:
        return runs[ALL_CORES_DECODE].cpu_ms + runs[ALL_CORES_INFER].cpu_ms

    def stages_seconds(run: Run) -> float:
        return float(run.facts["decode_seconds"] + run.facts["infer_seconds"])

    return [
        Row(
            measure,
            f"{title}: CPU of decode + inference alone ÷ CPU of ours",
            rounds.values(lambda runs: _ideal_cpu_ms(runs) / runs["ours"].cpu_ms),
            bound,
        ),
        Row(
            measure,
            f"{title}: fps ÷ ideal fps of {cores} cores",
            rounds.values(lambda runs: runs["ours"].per_second * _ideal_cpu_ms(runs) / 1000 / cores),
            bound,
            note="wall time: holds only on a quiet machine",
        ),
        Row(
            measure,
            f"{title}: … a decoder, then a model, on each of {cores} cores: their CPU ÷ CPU of ours",
            rounds.values(lambda runs: all_cores_cpu_ms(runs) / runs["ours"].cpu_ms),
            note="a core costs more while the others work, for anybody",
        ),
        Row(
            measure,
            f"{title}: … share of decode + inference in the CPU of ours",
            rounds.values(lambda runs: stages_seconds(runs["ours"]) / runs["ours"].cpu_seconds),
            note="by the worker's own clocks, which count the making of rows with inference",
        ),
        Row(
            measure,
            f"{title}: … CPU of a plain loop on one thread ÷ CPU of ours",
            rounds.values(lambda runs: runs["loop"].cpu_ms / runs["ours"].cpu_ms),
            note="the loop resizes too",
        ),
    ]


def _cost_rows(rounds: Rounds, measure: int, key: str) -> list[Row]:
    """What one variant cost by itself."""
    note = ", ".join(f"{name} {value}" for name, value in _versions(rounds.runs, key).items())
    rows = [Row(measure, f"… {key}", rounds.values(lambda runs: runs[key].cpu_ms), unit="CPU ms/frame", note=note)]
    if key not in _NO_RATE:
        rows.append(Row(measure, f"… {key}", rounds.values(lambda runs: runs[key].per_second), unit="fps"))
    if key == "ours":
        rows.append(Row(measure, f"… {key}, memory", rounds.values(lambda runs: runs[key].rss_mib), unit="MiB RSS"))
    return rows


def _versions(runs: tuple[Mapping[str, Run], ...], key: str) -> dict[str, str]:
    facts = runs[0][key].facts if runs and key in runs[0] else {}
    return {name: value for name, value in facts.items() if isinstance(value, str)}
