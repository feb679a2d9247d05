"""What a job took, beside what it was quoted: dollars at the quote's own prices, and what that teaches of rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil

from chalicelib.domain.costs import BUSY, VCPUS_BY_LANE, Parts, Quote, fast_second
from chalicelib.domain.rates import Observation, Rates, decode_name, prepare_name
from chalicelib.domain.units import Lane
from chalicelib.domain.usage import JobUsage, Usage
from chalicelib.domain.work import Work


def actual_parts(quote: Quote, usage: JobUsage) -> Parts:
    """Nano-dollars of what workers really took; requests are those of the quote, which counts them by the same laws.

    Of a job that broke off they are taken for the share of its segments that were begun.

    A child with a GPU is paid for by its CPU seconds as well, over all its vCPUs: its wall time is not told apart.
    """
    units, analysis = quote.units, usage.analysis
    requests = quote.parts.part(usage.share)
    alone = analysis.start + sum(model.seconds for model in analysis.load.values())
    together = max(0.0, analysis.cpu - alone)
    vcpu = units.vcpu_second_spot if quote.is_spot else units.vcpu_second
    gpu = units.gpu_second_spot if quote.is_spot else units.gpu_second
    fast = fast_second(units)
    finish = usage.finish.cpu * (fast if quote.finish_lane is Lane.FAST else VCPUS_BY_LANE[Lane.CPU] * vcpu)
    if quote.lane is Lane.GPU:
        return replace(requests, workers=ceil((alone + together / VCPUS_BY_LANE[Lane.GPU]) * gpu + finish))
    if quote.lane is Lane.FAST:
        return replace(requests, workers=ceil((alone + together / BUSY / VCPUS_BY_LANE[Lane.FAST]) * fast + finish))
    return replace(requests, workers=ceil((alone * VCPUS_BY_LANE[quote.lane] + together / BUSY) * vcpu + finish))


def observe_job(job_id: str, work: Work, usage: JobUsage, rates: Rates) -> dict[str, Observation]:
    """What a finished job tells of rates, by name; `work` is that of its whole video, with nothing taken off."""
    analysis, finish = usage.analysis, usage.finish
    seen: dict[str, tuple[float, float]] = {}
    if analysis.children:
        seen["start:analyze"] = analysis.start, analysis.children
    for sha256, model in analysis.load.items():
        seen[f"load:{sha256}"] = model.seconds, model.amount
    for name, model in analysis.infer.items():
        seen[f"infer:{name}"] = model.seconds, model.amount * int(name.rpartition(":")[2])
    if analysis.frames:
        # Of the frames that the job looks at, some may have been stored before.
        share = analysis.frames / work.frames if work.frames else 0.0
        seen[decode_name(work)] = analysis.decode, work.frames_decoded * share * work.pixels
        seen[prepare_name(work)] = analysis.prepare, analysis.frames * work.pixels
    seen |= _rest(analysis, work.segments, rates)
    if finish.children:
        seen["start:finish"] = finish.start, finish.children
        seen["finish"] = max(0.0, finish.cpu - finish.start), work.frames
    return {name: Observation(job_id, seconds, amount) for name, (seconds, amount) in seen.items() if amount > 0}


def observe_probe(video_id: str, usage: Usage) -> Mapping[str, Observation]:
    """What a probe tells of rates, by name."""
    if not usage.children:
        return {}
    return {
        "start:probe": Observation(video_id, usage.start, usage.children),
        "probe": Observation(video_id, max(0.0, usage.cpu - usage.start), 1.0),
    }


def _rest(analysis: Usage, segments: int, rates: Rates) -> dict[str, tuple[float, float]]:
    """What is not told apart, dealt out to segments and frames as the rates so far would."""
    rest = max(0.0, analysis.cpu - analysis.told_apart)
    of_segments, of_frames = segments * rates.get("segment"), analysis.frames * rates.get("frame")
    scale = rest / (of_segments + of_frames) if of_segments + of_frames else 0.0
    if not scale:
        return {}
    return {"segment": (of_segments * scale, segments), "frame": (of_frames * scale, analysis.frames)}
