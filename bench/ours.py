"""The worker's own paths: everything that the benchmarks call of the product is called here, and nowhere else.

(But for the making of models, which is `bench.models`.)
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import starmap
from pathlib import Path
from typing import Any

import av

from bench.at_once import count_at_once
from bench.clock import Clock, Done, Variant
from bench.limits import frames_of
from bench.range_server import HttpSource
from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.sample_table import CellSamples, pack_cells, unpack_chunks
from chalicelib.contracts.work_order import OrderedMedia, OrderedModel, OrderedSource, OrderKind, WorkOrder
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.media import MediaLimits
from chalicelib.domain.models import input_size
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.segments import Segment, assign_children, plan_segments
from chalicelib.domain.units import UnitKind
from gpu_batch.analyze import Analyzer
from gpu_batch.containers.probe import Probe, probe_video
from gpu_batch.containers.whole import decode_whole
from gpu_batch.finish import run_finish
from gpu_batch.frames import SampledFrame, TableFrames, WholeFrames
from gpu_batch.lease import Stop
from gpu_batch.meter import Meter
from gpu_batch.models.detect import detect
from gpu_batch.models.loader import Model, load_folder
from gpu_batch.models.preprocess import preprocess
from gpu_batch.pipeline import run_models
from gpu_batch.segment_step import run_segments
from gpu_batch.video.damage import Damage
from gpu_batch.video.decode import decode_cells
from gpu_batch.video.source import FileSource, Source
from tests.video.corpus import make_corpus
from tests.video.reading import Seen, see, single_pass
from tests.worker.memory_cloud import MemoryCloud

LIMITS = MediaLimits()
EVERY_FRAME = Sampling()


def _go_on() -> None:
    """Nobody stops a benchmark."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A probed video."""

    probe: Probe
    chunks: tuple[CellSamples, ...]
    """Of every cell; none when the video is read as a whole."""

    @property
    def timebase(self) -> Fraction:
        """Seconds per tick."""
        return self.probe.media.timebase

    def frames(self, source: Source, sampling: Sampling, cells: slice = slice(None)) -> Iterator[SampledFrame]:
        """The sampled frames of a run of cells, as a worker reads them."""
        if self.probe.table is None:
            return WholeFrames(source, LIMITS, sampling, self.timebase).decode(_go_on)
        config, run, load_cell = self.probe.table.config, self.chunks[cells], self.chunks.__getitem__
        return TableFrames(config, run, source, LIMITS, sampling, load_cell).decode(_go_on)

    def segment_at(self, seconds: float, length_seconds: float) -> slice:
        """The cells of about `length_seconds` from the one that shows `seconds` after the start."""
        cells = self.probe.cells
        start = cells[0].start_pts + seconds / self.timebase
        first = max(cell.index for cell in cells if cell.start_pts <= start)
        end = next(
            (c.index for c in cells[first:] if c.end_pts - cells[first].start_pts >= length_seconds / self.timebase),
            len(cells) - 1,
        )
        return slice(first, end + 1)


def make_plan(source: Source) -> Plan:
    """What the probe of a video leaves for its workers."""
    probe = probe_video(source, LIMITS)
    chunks = tuple(unpack_chunks(probe.table.data)) if probe.table else ()
    return Plan(probe, chunks)


def analyze(clock: Clock, *, clip: str, model: str, threads: str) -> Done:
    """From the bytes of a probed video to its detections, on `threads` threads; with what it says that stages took."""
    source = FileSource(Path(clip))
    plan, loaded = make_plan(source), load_folder(Path(model))
    rotation, meter = plan.probe.media.rotation, Meter()
    with clock:
        frames = plan.frames(source, EVERY_FRAME)
        results = run_models(frames, [loaded], rotation, threads=int(threads), check=_go_on, meter=meter)
        found = [len(result.rows_by_model[0].scores) for result in results]
    usage = meter.take()
    infer_seconds = sum(spent.seconds for spent in usage.infer.values())
    return Done(len(found), {"detections": sum(found), "decode_seconds": usage.decode, "infer_seconds": infer_seconds})


def loop(clock: Clock, *, clip: str, model: str) -> Done:
    """A plain loop on one thread: bare libav decodes, and each frame is brought to the model's size and run at once."""
    loaded, rotation = load_folder(Path(model)), make_plan(FileSource(Path(clip))).probe.media.rotation
    with clock:
        found = [len(detect(loaded, frame, rotation).scores) for frame in frames_of(clip)]
    return Done(len(found), {"detections": sum(found)})


def infer(clock: Clock, *, clip: str, model: str, copies: str = "1") -> Done:
    """The model alone over inputs that lie ready: one thread for each of `copies` that run at once."""
    source, loaded = FileSource(Path(clip)), load_folder(Path(model))
    frames = make_plan(source).frames(source, EVERY_FRAME)
    inputs = [_input_of(frame.image, loaded)[None] for frame in frames]
    with clock:
        count = count_at_once(int(copies), lambda: sum(1 for one in inputs if loaded.run(one)))
    return Done(count)


def decode(clock: Clock, *, clip: str) -> Done:
    """Every frame of a probed video from its sample table, on one thread."""
    source = FileSource(Path(clip))
    plan = make_plan(source)
    with clock:
        count = sum(1 for _ in plan.frames(source, EVERY_FRAME))
    return Done(count)


def decode_and_convert(clock: Clock, *, clip: str, model: str) -> Done:
    """The same, each frame brought to the model's input."""
    source, loaded = FileSource(Path(clip)), load_folder(Path(model))
    plan = make_plan(source)
    with clock:
        count = sum(1 for frame in plan.frames(source, EVERY_FRAME) if _input_of(frame.image, loaded).size)
    return Done(count)


def sample(clock: Clock, *, clip: str, kind: str) -> Done:
    """The frames that a sampling chooses: `per_second` (one) or `keyframes`; costs are per frame of the video."""
    source = FileSource(Path(clip))
    plan, sampling = make_plan(source), _sampling(kind)
    with clock:
        frames = plan.frames(source, sampling)
        kept = sum(1 for _ in frames)
    shown = sum(cell.frames for cell in plan.probe.cells)
    return Done(shown, {"kept": kept})


def check_sample(clock: Clock, *, clip: str, kind: str) -> Done:
    """Sampled frames, and how many of them have the PTS and the pixels of that frame in a single pass."""
    source = FileSource(Path(clip))
    plan = make_plan(source)
    with clock:
        reference = {frame.pts: frame.md5 for frame in single_pass(Path(clip))}
        kept = [
            (frame.place.pts, hashlib.md5(b"".join(_rows(frame.image))).hexdigest())
            for frame in plan.frames(source, _sampling(kind))
        ]
    equal = sum(reference.get(pts) == md5 for pts, md5 in kept)
    return Done(len(kept), {"equal": equal})


def read_segment(clock: Clock, *, clip: str, url: str, seconds: str, length_seconds: str) -> Done:
    """Decode one segment over HTTP; the plan is made before, from the file."""
    path = Path(clip)
    plan = make_plan(FileSource(path))
    cells = plan.segment_at(float(seconds), float(length_seconds))
    source = HttpSource(url, path.stat().st_size)
    with clock:
        count = sum(1 for _ in plan.frames(source, EVERY_FRAME, cells))
    bounds = plan.probe.cells[cells.start].start_pts, plan.probe.cells[cells.stop - 1].end_pts
    origin = plan.probe.cells[0].start_pts
    start_seconds, end_seconds = (float((pts - origin) * plan.timebase) for pts in bounds)
    table_bytes = sum(cell.table_size for cell in plan.probe.cells[cells])
    facts = {"start_seconds": start_seconds, "end_seconds": end_seconds, "table_bytes": table_bytes}
    return Done(count, facts | _whole_facts(plan))


def read_job(clock: Clock, *, clip: str, url: str, length_seconds: str) -> Done:
    """Probe a video and decode all of its segments over HTTP, each on its own."""
    path = Path(clip)
    count = 0
    with clock:
        source = HttpSource(url, path.stat().st_size)
        plan = make_plan(source)
        segments = plan_segments(plan.probe.cells, plan.timebase, Fraction(length_seconds))
        for segment in segments:
            count += sum(1 for _ in plan.frames(source, EVERY_FRAME, slice(segment.first_cell, segment.end_cell)))
    return Done(count, {"segments": len(segments)} | _whole_facts(plan))


def probe(clock: Clock, *, clip: str, url: str) -> Done:
    """Probe a video over HTTP."""
    source = HttpSource(url, Path(clip).stat().st_size)
    with clock:
        found = probe_video(source, LIMITS)
    table_bytes = len(found.table.data) if found.table else 0
    return Done(1, {"cells": len(found.cells), "frames": found.media.frame_count, "table_bytes": table_bytes})


def first_frame(clock: Clock, *, clip: str, url: str, model: str) -> Done:
    """From the claim of a segment to the first frame that the model answered; the model is loaded.

    The facts tell when the first bytes were there, and what came before the claim: the load of the model.
    """
    started = time.perf_counter()
    loaded = load_folder(Path(model))
    load_seconds = time.perf_counter() - started
    path = Path(clip)
    plan = make_plan(FileSource(path))
    source = _TimedSource(HttpSource(url, path.stat().st_size))
    session = _TimedSession(loaded._session)
    loaded = replace(loaded, _session=session)
    cloud, order = _deploy(plan, path, [loaded], source)
    (segment, *_) = plan_segments(plan.probe.cells, plan.timebase, None)
    key = cloud.open_unit(order.pk, UnitKind.SEGMENT, segment)
    with closing(Analyzer(cloud, order, [loaded], plan.probe.cells, threads=1)) as analyzer, clock:
        claimed = time.perf_counter()
        assert cloud.claim(key, claimed_by="bench", lease_seconds=30) is not None
        analyzer.analyze(segment, _go_on)
    assert session.first_answer is not None
    facts = {
        "first_frame_ms": (session.first_answer - claimed) * 1000,
        "get_ms": source.seconds * 1000,
        "model_ms": session.first_seconds * 1000,
        "load_ms": load_seconds * 1000,
    }
    return Done(1, facts)


def run_job(clock: Clock, *, clip: str, model: str, segments: str) -> Done:
    """A job of the first cells of a video, a segment each: seconds of the probe, of each segment, and of the finish."""
    started = time.perf_counter()
    loaded = load_folder(Path(model))
    load_seconds = time.perf_counter() - started
    path = Path(clip)
    with clock:
        started = time.perf_counter()
        plan = make_plan(FileSource(path))
        probe_seconds = time.perf_counter() - started
        cloud, order = _deploy(plan, path, [loaded], FileSource(path))
        all_segments = plan_segments(plan.probe.cells, plan.timebase, Fraction(1, 1000))
        chosen = all_segments[: int(segments)]
        cloud.objects["model-0"] = (Path(model) / "model.onnx").read_bytes()
        segment_seconds = [_run_segment(cloud, order, segment) for segment in chosen]
        finish_seconds = _finish(cloud, replace(order, kind=OrderKind.FINISH, segments=tuple(chosen)))
    facts = {
        "load_seconds": load_seconds,
        "probe_seconds": probe_seconds,
        # Each of these loaded the model, as the first segment of a child does.
        "segment_seconds": [max(seconds - load_seconds, 0.0) for seconds in segment_seconds],
        "finish_seconds": finish_seconds,
        "segments_of_video": len(all_segments),
    }
    return Done(sum(plan.probe.cells[segment.first_cell].frames for segment in chosen), facts)


def start_worker(clock: Clock, *, model: str) -> Done:
    """A process of its own that imports the worker and loads a model: what comes before a child's first segment."""
    code = (
        "import sys, time; started = time.perf_counter(); import gpu_batch.main; imported = time.perf_counter();"
        "from pathlib import Path; from gpu_batch.models.loader import load_folder; load_folder(Path(sys.argv[1]));"
        "print(imported - started, time.perf_counter() - imported)"
    )
    with clock:
        output = subprocess.run([sys.executable, "-c", code, model], check=True, capture_output=True, text=True).stdout
    import_seconds, load_seconds = map(float, output.split())
    return Done(1, {"import_ms": import_seconds * 1000, "load_ms": load_seconds * 1000})


def compare_corpus(clock: Clock, *, folder: str) -> Done:
    """Over the corpus of odd videos, cell by cell: frames with the PTS and pixels of a single pass.

    Frames of GOPs that are reported as damaged are not given out; they are counted apart, and not compared.
    """
    equal = total = damaged = 0
    reasons: Counter[str] = Counter()
    unequal: list[str] = []
    with clock:
        paths = make_corpus(Path(folder))
        for name, path in sorted(paths.items()):
            found, damage, reason = _decode_cell_by_cell(path)
            single = single_pass(path)
            expected = [frame for frame in single if not damage.covers(frame.pts)]
            hits = sum(starmap(_is_same, zip(found, expected, strict=False)))
            longest = max(len(found), len(expected))
            equal, total, damaged = equal + hits, total + longest, damaged + len(single) - len(expected)
            if reason:
                reasons[reason] += 1
            if hits < longest:
                unequal.append(name)
    facts = {"equal": equal, "damaged": damaged, "files": len(paths), "reasons": dict(reasons), "unequal": unequal}
    return Done(total, facts)


def _is_same(found: Seen, expected: Seen) -> bool:
    # A frame for which libav has no time is read as 0; there the worker makes one up.
    return found.md5 == expected.md5 and (found.pts == expected.pts or not expected.pts)


def deal_segments(count: int, children: int) -> Sequence[Sequence[int]]:
    """Which child of a job takes which segments."""
    return assign_children(range(count), children)


def _decode_cell_by_cell(path: Path) -> tuple[list[Seen], Damage, str | None]:
    source, damage = FileSource(path), Damage()
    plan = make_plan(source)
    table = plan.probe.table
    if table is None:
        frames = [see(frame) for frame in decode_whole(source, LIMITS, damage)]
    else:
        load_cell = plan.chunks.__getitem__
        frames = [
            see(frame)
            for chunk in plan.chunks
            for frame in decode_cells(table.config, [chunk], source, LIMITS, damage, load_cell=load_cell)
        ]
    reason = plan.probe.whole_reason
    return [frame for frame in frames if not damage.covers(frame.pts)], damage, reason.value if reason else None


def _input_of(image: av.VideoFrame, model: Model) -> Any:
    return preprocess(image, 0, input_size(model.manifest, image.width, image.height))


def _sampling(kind: str) -> Sampling:
    return Sampling(SamplingKind(kind), Fraction(1) if kind == SamplingKind.PER_SECOND else None)


def _rows(image: av.VideoFrame) -> Iterator[bytes]:
    """The samples of all planes of an 8-bit frame, row by row, without the padding."""
    for plane in image.planes:
        content = memoryview(plane)
        for row in range(plane.height):
            yield bytes(content[row * plane.line_size : row * plane.line_size + plane.width])


def _whole_facts(plan: Plan) -> dict[str, Any]:
    reason = plan.probe.whole_reason
    return {"cells": len(plan.probe.cells), "whole_reason": reason.value if reason else None}


def _deploy(plan: Plan, path: Path, models: Sequence[Model], source: Source) -> tuple[MemoryCloud, WorkOrder]:
    """A deployment in memory with the probed video in it, and the order to analyse it."""
    cloud = MemoryCloud()
    cloud.objects["cells"] = pack_cells(plan.probe.cells)
    table, media = plan.probe.table, plan.probe.media
    if table is not None:
        cloud.objects["table"] = table.data
    cloud.open_source = lambda _: _Counted(source)  # type: ignore[method-assign,assignment,return-value]
    order = WorkOrder(
        kind=OrderKind.ANALYZE,
        tenant="bench",
        video_id="vid_1",
        job_id="job_1",
        submission=SubmissionId("analyze"),
        source=OrderedSource("bucket", "source", "", "", path.stat().st_size, "digest"),
        lease_seconds=30.0,
        heartbeat_seconds=10.0,
        media=OrderedMedia(
            width=media.width,
            height=media.height,
            rotation=media.rotation,
            timebase=str(media.timebase),
            cells_key="cells",
            table_key="table" if table else "",
            decoder=json.dumps(table.config.to_json()) if table else "",
        ),
        sampling=EVERY_FRAME.to_json(),
        models=tuple(OrderedModel(m.manifest.name, f"model-{i}", m.manifest.to_json()) for i, m in enumerate(models)),
    )
    return cloud, order


def _run_segment(cloud: MemoryCloud, order: WorkOrder, segment: Segment) -> float:
    key: UnitKey = cloud.open_unit(order.pk, UnitKind.SEGMENT, segment)
    started = time.perf_counter()
    run_segments(cloud, order, [key.index], claimed_by="bench", stop=Stop())
    return time.perf_counter() - started


def _finish(cloud: MemoryCloud, order: WorkOrder) -> float:
    cloud.open_unit(order.pk, UnitKind.FINISH)
    started = time.perf_counter()
    run_finish(cloud, order, claimed_by="bench", stop=Stop())
    return time.perf_counter() - started


class _Counted:
    """A source with the counters that the worker logs."""

    def __init__(self, inner: Source) -> None:
        self._inner = inner
        self.requests = 0
        self.bytes_read = 0

    @property
    def size_bytes(self) -> int:
        return self._inner.size_bytes

    def read(self, offset: int, size: int) -> bytes:
        content = self._inner.read(offset, size)
        self.requests, self.bytes_read = self.requests + 1, self.bytes_read + len(content)
        return content


class _TimedSource(_Counted):
    """Notes how long the first read took: nothing can be decoded before it."""

    def __init__(self, inner: Source) -> None:
        super().__init__(inner)
        self.seconds = 0.0

    def read(self, offset: int, size: int) -> bytes:
        started = time.perf_counter()
        content = super().read(offset, size)
        if self.requests == 1:
            self.seconds = time.perf_counter() - started
        return content


class _TimedSession:
    """onnxruntime's session, when it first answered, and how long that took it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.first_answer: float | None = None
        self.first_seconds = 0.0

    def run(self, names: Any, feeds: Any) -> Any:
        started = time.perf_counter()
        outputs = self._inner.run(names, feeds)
        if self.first_answer is None:
            self.first_answer = time.perf_counter()
            self.first_seconds = self.first_answer - started
        return outputs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


VARIANTS: Mapping[str, Variant] = {
    "analyze": analyze,
    "loop": loop,
    "infer": infer,
    "decode": decode,
    "decode_and_convert": decode_and_convert,
    "sample": sample,
    "check_sample": check_sample,
    "read_segment": read_segment,
    "read_job": read_job,
    "probe": probe,
    "first_frame": first_frame,
    "run_job": run_job,
    "start_worker": start_worker,
    "compare_corpus": compare_corpus,
}
