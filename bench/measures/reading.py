"""Measures 7, 8, 9 and 11: bytes and requests of segments, of whole jobs and of the probe, as a server counted them."""

from __future__ import annotations

from bench.bench_run import Bench
from bench.limits import moov_bytes, span_of
from bench.paths import CLIPS
from bench.rounds import Rounds
from bench.rows import Bound, Row, at_most

SEGMENT_AT_SECONDS = 300
SEGMENT_SECONDS = 30


def measure_segments(bench: Bench) -> list[Row]:
    """One segment of half a minute, from the middle of videos in every container."""
    rows = []
    for clip in ("two_hours_moov_last.mp4", "two_hours_moov_first.mp4"):
        rows += _segment_rows(bench, 7, clip, at_most(1.02), at_most(2))
    for clip, bound in (
        ("ten_minutes_sidx.mp4", at_most(1.15)),
        ("ten_minutes_no_index.mp4", at_most(1.15)),
        ("ten_minutes.ts", at_most(1.2)),
        ("ten_minutes.mkv", None),
    ):
        rows += _segment_rows(bench, 9, clip, bound, None)
    return rows


def measure_jobs(bench: Bench) -> list[Row]:
    """Probe and every segment, all frames decoded."""
    return [
        *_job_rows(bench, "ten_minutes.mp4", at_most(1.01)),
        *_job_rows(bench, "ten_minutes_sidx.mp4", None),
        *_job_rows(bench, "ten_minutes.ts", None),
    ]


def measure_probe(bench: Bench) -> list[Row]:
    """The probe of two hours, beside libav's opening of the same file."""
    return [*_probe_rows(bench, "two_hours_moov_last.mp4"), *_probe_rows(bench, "two_hours_moov_first.mp4")]


def _job_rows(bench: Bench, clip: str, bound: Bound | None) -> list[Row]:
    call = bench.ours("read_job", **bench.remote(clip), length_seconds=SEGMENT_SECONDS)
    rounds = bench.run({"ours": call}, rounds=1)
    size = (CLIPS / clip).stat().st_size
    return [
        Row(
            8,
            f"{clip}: bytes of probe and all segments ÷ file",
            rounds.values(lambda runs: runs["ours"].bytes_sent / size),
            bound,
            note=_note(rounds),
        ),
        Row(8, "… requests", rounds.values(lambda runs: runs["ours"].requests)),
    ]


def _probe_rows(bench: Bench, clip: str) -> list[Row]:
    remote = bench.remote(clip)
    rounds = bench.run(
        {"ours": bench.ours("probe", **remote), "libav": bench.limit("open_with_libav", url=remote["url"])}
    )
    moov = moov_bytes(CLIPS / clip)
    return [
        Row(
            11,
            f"{clip}: CPU of the probe",
            rounds.values(lambda runs: runs["ours"].cpu_ms),
            at_most(60),
            "ms",
            note="imports are not in it",
        ),
        Row(11, "… requests", rounds.values(lambda runs: runs["ours"].requests), at_most(4)),
        Row(
            11,
            f"… bytes ÷ moov ({moov / 1e6:.2f} MB)",
            rounds.values(lambda runs: runs["ours"].bytes_sent / moov),
            at_most(1.02),
        ),
        Row(11, "… memory", rounds.values(lambda runs: runs["ours"].rss_mib), unit="MiB RSS"),
        Row(11, "… libav opens it: CPU", rounds.values(lambda runs: runs["libav"].cpu_ms), unit="ms"),
        Row(11, "… libav opens it: requests", rounds.values(lambda runs: runs["libav"].requests)),
        Row(
            11,
            "… libav opens it: bytes ÷ moov",
            rounds.values(lambda runs: runs["libav"].bytes_sent / moov),
            note="and has no PTS yet",
        ),
    ]


def _segment_rows(
    bench: Bench, number: int, clip: str, bytes_bound: Bound | None, requests_bound: Bound | None
) -> list[Row]:
    remote = bench.remote(clip)
    where = {"seconds": SEGMENT_AT_SECONDS, "length_seconds": SEGMENT_SECONDS}
    ours = bench.run({"ours": bench.ours("read_segment", **remote, **where)}, rounds=1)
    start, end = float(SEGMENT_AT_SECONDS), float(SEGMENT_AT_SECONDS + SEGMENT_SECONDS)
    is_cut = ours.has("ours") and ours.runs[0]["ours"].facts["whole_reason"] is None
    if is_cut:
        facts = ours.runs[0]["ours"].facts
        start, end = facts["start_seconds"], facts["end_seconds"]
    span = span_of(CLIPS / clip, start, end)
    libav = bench.run(
        {"libav": bench.limit("read_segment_with_libav", url=remote["url"], start_seconds=start, end_seconds=end)},
        rounds=1,
    )
    return [
        Row(
            number,
            f"{clip}: bytes sent ÷ span of a segment ({span / 1e6:.2f} MB)",
            ours.values(lambda runs: runs["ours"].bytes_sent / span),
            bytes_bound,
            note=_note(ours) or f"{end - start:.1f} s, {ours.runs[0]['ours'].units} frames",
        ),
        Row(number, "… requests", ours.values(lambda runs: runs["ours"].requests), requests_bound),
        Row(
            number,
            "… libav: bytes ÷ span",
            libav.values(lambda runs: runs["libav"].bytes_sent / span),
            note="; ".join(libav.failure_by_key.values()),
        ),
        Row(number, "… libav: requests", libav.values(lambda runs: runs["libav"].requests)),
    ]


def _note(rounds: Rounds) -> str:
    """What went wrong, or why the video could not be cut."""
    if rounds.failure_by_key:
        return "; ".join(rounds.failure_by_key.values())
    reason = rounds.runs[0]["ours"].facts["whole_reason"]
    return f"one segment, {reason}" if reason else ""
