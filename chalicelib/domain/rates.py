"""CPU seconds for one of each kind of work: measured by finished jobs, or stated before any has finished.

A rate has a name, and a measured one is the median of what the last jobs took (`Observations`), weighted by how much
each did: one job on a machine that was in trouble moves nothing, and the same jobs in the same order give the same.

    start:{probe|analyze|finish}        a child job, from its start to its first unit of work
    probe                               the probe of a video, beside the start
    load:{sha256}                       opening a model
    decode:{codec}:{sampling}:{size}    a pixel that is decoded
    prepare:{size}                      a pixel of the source, brought to a model's size
    infer:{sha256}:{pixels}             a pixel of the model's input, when it has so many
    segment                             a segment, beside all that: reading, storing, committing
    frame                               likewise, a frame that models saw
    finish                              a frame that the finish folds over, beside the start
    encode                              a pixel of a proxy
    admit                               the admission of a model, beside the start of a probe
    gpu:{sha256}                        wall seconds of a child with a GPU, for a pixel of the model's input
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from chalicelib.domain.media import INTRA_ONLY_CODECS
from chalicelib.domain.sampling import SamplingKind
from chalicelib.domain.work import ModelWork, Work, size_class

MAX_OBSERVATIONS = 15
"""Jobs that a rate remembers: the median forgets what a release, a machine or a model no longer is."""

DEFAULT_BY_NAME: Mapping[str, float] = {
    "start:probe": 1.3,
    "start:analyze": 1.5,
    "start:finish": 1.3,
    "probe": 0.15,
    "load": 0.15,
    "decode": 3.0e-9,
    "prepare": 0.7e-9,
    "infer": 220e-9,
    "segment": 0.06,
    "frame": 0.0006,
    "finish": 0.0004,
    "encode": 15e-9,
    "admit": 30.0,
    "gpu": 15e-9,
}
"""Before any job has been measured.

Source: `make bench` on two cores of a Xeon: 5.6 CPU ms for a decoded frame of 1080p H.264, 25 CPU ms for nanodet-g at
416 x 256 pixels (7.3 and 32 on the EPYC of docs/performance.md, whose nanodet-g pads in its convolutions); starts,
segments and frames of docs/costs.md; `encode` of docs/renditions.md. `gpu` is not measured (docs/gpu.md).
"""
DECODE_BY_CODEC: Mapping[str, float] = {
    "h264": 3.0e-9,
    "hevc": 3.8e-9,
    "vp8": 3.0e-9,
    "vp9": 3.5e-9,
    "av1": 4.0e-9,
    "mjpeg": 6.0e-9,
    "prores": 9.0e-9,
    "dnxhd": 6.0e-9,
    "mpeg4": 3.0e-9,
    "mpeg2video": 3.0e-9,
}

KEYFRAME_WEIGHT = 4.0
"""What a keyframe takes that is decoded alone, in average frames of its video: it has most of the bits, and the decoder
begins anew. Source: CPU time of keyframes against all frames, 4.9 with H.264 of 1080p, 4.4 with 720p, 3.1 with HEVC of
1080p, all with 8 s between keyframes (docs/costs.md)."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one job took for work of one kind."""

    job_id: str
    seconds: float
    amount: float
    """How much it did, in the unit of the rate; more than 0."""

    @property
    def rate(self) -> float:
        """Seconds for one."""
        return self.seconds / self.amount


@dataclass(frozen=True, slots=True)
class Observations:
    """What the last jobs took, oldest first: one for each job."""

    items: tuple[Observation, ...] = ()

    def add(self, seen: Observation) -> Observations:
        """With one more job; a job that is there already changes nothing."""
        if seen.amount <= 0 or seen.seconds < 0 or any(item.job_id == seen.job_id for item in self.items):
            return self
        return replace(self, items=(*self.items, seen)[-MAX_OBSERVATIONS:])

    def estimate(self) -> float | None:
        """The median rate, each job as heavy as the work that it did; None when there is no job."""
        ordered = sorted(self.items, key=lambda item: (item.rate, item.job_id))
        half = sum(item.amount for item in ordered) / 2
        passed = 0.0
        for item in ordered:
            passed += item.amount
            if passed >= half:
                return item.rate
        return None


@dataclass(frozen=True, slots=True)
class Rates:
    """Measured rates by name, and the stated ones for the rest."""

    measured: Mapping[str, float] = field(default_factory=dict)

    def get(self, name: str) -> float:
        """Seconds for one; the default of its family when it was never measured."""
        if name in self.measured:
            return self.measured[name]
        return DEFAULT_BY_NAME.get(name) or DEFAULT_BY_NAME[name.partition(":")[0]]

    def decode(self, work: Work) -> float:
        """Seconds for a pixel: of this codec and sampling, at this size or the nearest; else as stated."""
        found = self._nearest(f"decode:{work.codec}:{work.sampling}:", size_class(work.pixels))
        if found is not None:
            return found
        stated = DECODE_BY_CODEC.get(work.codec, DEFAULT_BY_NAME["decode"])
        are_keyframes = work.sampling is SamplingKind.KEYFRAMES and work.codec not in INTRA_ONLY_CODECS
        return stated * KEYFRAME_WEIGHT if are_keyframes else stated

    def prepare(self, work: Work) -> float:
        """Seconds for a pixel of the source, at this size or the nearest."""
        found = self._nearest("prepare:", size_class(work.pixels))
        return DEFAULT_BY_NAME["prepare"] if found is None else found

    def infer(self, model: ModelWork) -> float:
        """Seconds for a pixel of the model's input, at this size or the nearest."""
        found = self._nearest(f"infer:{model.sha256}:", model.input_pixels)
        return DEFAULT_BY_NAME["infer"] if found is None else found

    def _nearest(self, family: str, wanted: int) -> float | None:
        sizes = [int(name.removeprefix(family)) for name in self.measured if name.startswith(family)]
        if not sizes:
            return None
        return self.measured[f"{family}{min(sizes, key=lambda size: (abs(size - wanted), size))}"]

    def knows(self, work: Work) -> bool:
        """Whether jobs have told all that this work takes, at its own size."""
        names = [decode_name(work), prepare_name(work), *map(infer_name, work.models)]
        return all(name in self.measured for name in names)


def decode_name(work: Work) -> str:
    """Name of the rate by which such frames are decoded."""
    return f"decode:{work.codec}:{work.sampling}:{size_class(work.pixels)}"


def prepare_name(work: Work) -> str:
    """Name of the rate by which such frames are brought to a model's size."""
    return f"prepare:{size_class(work.pixels)}"


def infer_name(model: ModelWork) -> str:
    """Name of the rate by which the model sees frames at this size."""
    return f"infer:{model.sha256}:{model.input_pixels}"
