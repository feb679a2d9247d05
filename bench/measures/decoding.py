"""Measures 4, 5 and 6: CPU of decoding, converting and sampling, beside bare libav and OpenCV."""

from __future__ import annotations

from bench.bench_run import Bench
from bench.models import NANO
from bench.paths import CLIPS
from bench.rows import Row, at_least, at_most

FPS = 30


def measure_convert(bench: Bench) -> list[Row]:
    """Decode to the model's input ÷ bare decode."""
    rows = []
    for clip, bound in (("h264_1080p.mp4", at_most(1.15)), ("h264_720p.mp4", None), ("hevc_1080p.mp4", None)):
        path = CLIPS / clip
        rounds = bench.run(
            {
                "limit": bench.limit("decode", clip=path),
                "ours": bench.ours("decode_and_convert", clip=path, model=NANO),
                "decode": bench.ours("decode", clip=path),
                "peer": bench.peer("opencv_convert", clip=path, width=416, height=234),
            }
        )
        rows += [
            Row(
                4,
                f"{path.stem}: CPU of decode + convert ÷ bare libav decode",
                rounds.values(lambda runs: runs["ours"].cpu_ms / runs["limit"].cpu_ms),
                bound,
            ),
            Row(4, "… decode alone", rounds.values(lambda runs: runs["decode"].cpu_ms / runs["limit"].cpu_ms)),
            Row(4, "… OpenCV", rounds.values(lambda runs: runs["peer"].cpu_ms / runs["limit"].cpu_ms)),
            Row(4, "… bare libav", rounds.values(lambda runs: runs["limit"].cpu_ms), unit="CPU ms/frame"),
        ]
    return rows


def measure_sampling(bench: Bench) -> list[Row]:
    """One frame per second ÷ all frames; keyframes ÷ OpenCV's stride."""
    path = CLIPS / "h264_1080p_38s.mp4"
    rounds = bench.run(
        {
            "limit": bench.limit("decode", clip=path),
            "per_second": bench.ours("sample", clip=path, kind="per_second"),
            "keyframes": bench.ours("sample", clip=path, kind="keyframes"),
            "stride": bench.peer("opencv_stride", clip=path, stride=FPS),
        }
    )
    kinds = ("per_second", "keyframes")
    checks = bench.run({kind: bench.ours("check_sample", clip=path, kind=kind) for kind in kinds}, rounds=1)
    return [
        Row(
            5,
            "CPU of 1 frame per second ÷ bare decode of all",
            rounds.values(lambda runs: runs["per_second"].cpu_ms / runs["limit"].cpu_ms),
            at_most(0.77),
        ),
        Row(
            5,
            "… share of its frames with the PTS and pixels of a single pass",
            checks.values(lambda runs: runs["per_second"].facts["equal"] / runs["per_second"].units),
            at_least(1),
        ),
        Row(
            5,
            "… OpenCV grab and retrieve ÷ bare decode",
            rounds.values(lambda runs: runs["stride"].cpu_ms / runs["limit"].cpu_ms),
        ),
        Row(
            6,
            "CPU of keyframes only ÷ OpenCV stride",
            rounds.values(lambda runs: runs["keyframes"].cpu_ms / runs["stride"].cpu_ms),
            at_most(1 / 13),
        ),
        Row(
            6,
            "… share of its frames with the PTS and pixels of a single pass",
            checks.values(lambda runs: runs["keyframes"].facts["equal"] / runs["keyframes"].units),
            at_least(1),
        ),
        Row(6, "… keyframes", rounds.values(lambda runs: runs["keyframes"].cpu_ms), unit="CPU ms/frame of the video"),
    ]
