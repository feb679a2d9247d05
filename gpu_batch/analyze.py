"""Analysing a segment: find which of its cells are not stored yet, decode and infer those, and store them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from threading import Lock

from chalicelib.contracts.cell_results import CellResult, DamagedRange
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.recipes import current_analysis
from chalicelib.contracts.sample_table import CellSamples, DecoderConfig, unpack_chunks
from chalicelib.contracts.work_order import OrderedMedia, WorkOrder
from chalicelib.domain.cells import Cell
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.media import MediaLimits
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.segments import Segment
from chalicelib.domain.usage import Usage
from gpu_batch.aws import Cloud, S3Source
from gpu_batch.cell_store import AnalyzedCell, AnalyzedFrame, CellStore
from gpu_batch.errors import BadOrder
from gpu_batch.frames import RunFrames, TableFrames, WholeFrames
from gpu_batch.log import logger
from gpu_batch.meter import Meter
from gpu_batch.models.loader import Model
from gpu_batch.models.on_demand import ModelOnDemand
from gpu_batch.pipeline import run_models
from gpu_batch.video.damage import Damage
from gpu_batch.video.decoders import DecoderChoice, choose_decoder
from gpu_batch.video.read_ahead import ReadAhead
from gpu_batch.video.run_reader import cut_parts

PARTS_AHEAD = 1
"""Parts of the next segment (`run_reader.PART_BYTES` each) that are read while one is decoded."""


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """What a segment's commit makes readable, and what it cost."""

    entry: IndexEntry
    frames_inferred: int
    """Frames that a model really saw; fewer than analysed when stored cells were used."""
    provider: str
    """The provider class that the models run on; by model, with commas, where they differ."""
    analyses: tuple[str, ...]
    """By model: what its blocks are keyed by."""
    reuse: tuple[tuple[int, int], ...]
    """By model: cells that were stored already, and frames that it saw."""


@dataclass(frozen=True, slots=True)
class _OpenedRun:
    """Consecutive cells that the same models lack, and their frames; none of them is decoded yet."""

    cells: list[int]
    frames: RunFrames
    source: S3Source


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is known of a segment before its first frame is decoded."""

    stores: list[CellStore]
    """By model."""
    found: list[dict[int, CellResult]]
    """By model: what is stored of its cells."""
    provider: str
    """As in `SegmentResult`."""
    runs: list[list[int]]
    first: _OpenedRun | None
    """The first of the runs, its bytes on their way; None as long as a model that it needs is not open."""

    @property
    def analyses(self) -> tuple[str, ...]:
        return tuple(store.analysis for store in self.stores)


class Analyzer:
    """Analyses segments of one job; made once per child, and closed at its end."""

    def __init__(
        self,
        cloud: Cloud,
        order: WorkOrder,
        models: Sequence[Model | ModelOnDemand],
        cells: Sequence[Cell],
        *,
        threads: int,
        meter: Meter | None = None,
    ) -> None:
        if order.media is None:
            raise BadOrder("an order to analyse must have media facts", code=ErrorCode.INTERNAL)
        self._cloud = cloud
        self._order = order
        self._media: OrderedMedia = order.media
        self._models = [model if isinstance(model, ModelOnDemand) else ModelOnDemand.opened(model) for model in models]
        self._cells = cells
        self._threads = threads
        self._meter = meter or Meter()
        self._sampling: Sampling = order.parsed_sampling
        self._timebase: Fraction = order.parsed_timebase
        self._limits = MediaLimits()
        self._decoder = DecoderConfig.from_json(json.loads(order.media.decoder)) if order.media.decoder else None
        self._choice_by_device: dict[bool, DecoderChoice] = {}
        # The segment that is read ahead chooses in another thread.
        self._choosing = Lock()
        self._pool = ThreadPoolExecutor(1 + PARTS_AHEAD, thread_name_prefix="ahead")
        self._ahead: tuple[Segment, Future[_Prepared]] | None = None

    def close(self) -> None:
        """Forget what was read ahead."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def analyze(self, segment: Segment, check: Callable[[], None], following: Segment | None = None) -> SegmentResult:
        """The results of a segment, stored but not committed; meanwhile the `following` one is read ahead.

        Raises:
            BadInput: the source is gone or was replaced.
            BadOrder: a model cannot be run on it.
            Passing: AWS did not answer.
        """
        prepared = self._with_models(segment, self._take_prepared(segment) or self._prepare(segment))
        if following is not None:
            self._ahead = following, self._pool.submit(self._prepare, following, parts_ahead=PARTS_AHEAD)
        numbers, inferred = range(segment.first_cell, segment.end_cell), 0
        cells_found = [len(results) for results in prepared.found]
        inferred_by_model = [0] * len(self._models)
        for number, run in enumerate(prepared.runs):
            opened = prepared.first if prepared.first and not number else self._open_run(run)
            lacking = _lacking(run[0], prepared.found)
            frames = self._analyze_run(opened, lacking, prepared, check)
            inferred += frames
            for index in lacking:
                inferred_by_model[index] += frames
        cells_by_model = tuple(tuple(results[number] for number in numbers) for results in prepared.found)
        shown = sum(result.frames_shown for result in cells_by_model[0])
        entry = IndexEntry(segment.index, segment.start_pts, segment.end_pts, shown, cells_by_model)
        reuse = tuple(zip(cells_found, inferred_by_model, strict=True))
        return SegmentResult(entry, inferred, prepared.provider, prepared.analyses, reuse)

    def _take_prepared(self, segment: Segment) -> _Prepared | None:
        """What was read ahead, if it was this segment and all went well; an error comes again where it counts."""
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead[0] != segment or ahead[1].cancel() or ahead[1].exception() is not None:
            return None
        return ahead[1].result()

    def _with_models(self, segment: Segment, prepared: _Prepared) -> _Prepared:
        """What is known of a segment once every model that lacks a cell of it is open."""
        while True:
            for run in prepared.runs:
                for index in _lacking(run[0], prepared.found):
                    self._models[index].get()
            stores = [self._store_of(model, model.provider_class) for model in self._models]
            if prepared.analyses == tuple(store.analysis for store in stores):
                return prepared
            # A model came to another class than was expected, and so its results to other keys.
            prepared = self._prepare(segment)

    def _prepare(self, segment: Segment, *, parts_ahead: int = 0) -> _Prepared:
        numbers = range(segment.first_cell, segment.end_cell)
        classes = [model.provider_class for model in self._models]
        stores = [self._store_of(model, of_model) for model, of_model in zip(self._models, classes, strict=True)]
        found = [store.find(numbers) for store in stores]
        runs = missing_runs(numbers, found)
        can_open = bool(runs) and all(self._models[index].is_open for index in _lacking(runs[0][0], found))
        first = self._open_run(runs[0], parts_ahead) if can_open else None
        provider = classes[0] if len(set(classes)) == 1 else ",".join(classes)
        return _Prepared(stores, found, provider, runs, first)

    def _choose_decoder(self, config: DecoderConfig) -> DecoderChoice:
        """Where samples are decoded, for the models that are open: one that is not runs on no frame."""
        is_on_gpu = any(model.is_open and model.provider_class != "cpu" for model in self._models)
        with self._choosing:
            if is_on_gpu not in self._choice_by_device:
                extradata = [description.extradata for description in config.descriptions]
                choice = choose_decoder(config.codec, extradata, is_on_gpu=is_on_gpu)
                logger.info("decoder chosen", is_on_gpu=choice.hwaccel is not None, reason=choice.reason)
                self._choice_by_device[is_on_gpu] = choice
            return self._choice_by_device[is_on_gpu]

    def _store_of(self, model: ModelOnDemand, provider_class: str) -> CellStore:
        order = self._order
        analysis = current_analysis(
            model_sha256=model.manifest.sha256,
            sampling=self._sampling.to_json(),
            provider_class=provider_class,
        )
        return CellStore(
            self._cloud,
            tenant=order.tenant,
            content_digest=order.source.content_digest,
            analysis=analysis,
            labels=model.manifest.labels,
            timebase=self._timebase,
        )

    def _analyze_run(
        self, opened: _OpenedRun, wanted: Sequence[int], prepared: _Prepared, check: Callable[[], None]
    ) -> int:
        """Decode consecutive cells, infer with the `wanted` models, which lack them, store and note the results.

        Frames that were inferred.
        """
        run, frames = opened.cells, opened.frames
        models = [self._models[index].get() for index in wanted]
        analyzed = {(index, number): AnalyzedCell(number) for index in wanted for number in run}
        inferred = 0
        for result in run_models(
            frames.decode(check), models, self._media.rotation, threads=self._threads, check=check, meter=self._meter
        ):
            inferred += 1
            place = result.place
            for index, rows in zip(wanted, result.rows_by_model, strict=True):
                frame = AnalyzedFrame(place.pts, place.ordinal, place.rank, rows)
                analyzed[index, place.cell].frames.append(frame)
        self._meter.add(
            Usage(
                frames_decoded=frames.decoded,
                pixels_decoded=frames.decoded * self._media.width * self._media.height,
                bytes_read=opened.source.bytes_read,
            )
        )
        logger.info(
            "run of cells decoded",
            cells=len(run),
            frames=inferred,
            requests=opened.source.requests,
            bytes_read=opened.source.bytes_read,
        )
        for (index, number), cell in analyzed.items():
            check()
            prepared.found[index][number] = prepared.stores[index].write(self._sound(cell, frames))
        return inferred

    def _open_run(self, run: list[int], parts_ahead: int = 0) -> _OpenedRun:
        source = self._cloud.open_source(self._order.source)
        if self._decoder is None:
            return _OpenedRun(run, WholeFrames(source, self._limits, self._sampling, self._timebase), source)
        cells = self._load_cells(run[0], run[-1])
        choice = self._choose_decoder(self._decoder)
        frames = TableFrames(self._decoder, cells, source, self._limits, self._sampling, self._load_cell, choice)
        if parts_ahead:
            parts = cut_parts(frames.spans)[:parts_ahead]
            frames.source = ReadAhead(source, parts, self._pool)
        return _OpenedRun(run, frames, source)

    def _load_cells(self, first: int, last: int) -> list[CellSamples]:
        start = self._cells[first].table_offset
        size = self._cells[last].table_offset + self._cells[last].table_size - start
        return list(unpack_chunks(self._cloud.get_object(self._media.table_key, start, size)))

    def _load_cell(self, index: int) -> CellSamples:
        return self._load_cells(index, index)[0]

    def _sound(self, cell: AnalyzedCell, frames: RunFrames) -> AnalyzedCell:
        """The cell without the frames of damaged GOPs, which are left out whole."""
        damage = self._damage_of(cell.cell, frames.damage)
        kept = [frame for frame in cell.frames if not any(gap.start_pts <= frame.pts < gap.end_pts for gap in damage)]
        # A timeline that goes backwards is stored in order of time all the same: readers and tracks rely on it.
        kept.sort(key=lambda frame: (frame.pts, frame.ordinal))
        return AnalyzedCell(cell.cell, kept, frames.shown(cell.cell), damage)

    def _damage_of(self, number: int, damage: Damage) -> tuple[DamagedRange, ...]:
        cell = self._cells[number]
        is_whole = not self._media.table_key
        return tuple(
            DamagedRange(gap.start_pts, gap.end_pts, gap.cause)
            for gap in damage.ranges
            # The times of a whole are estimates; those of a cell are exact.
            if is_whole or cell.start_pts <= gap.start_pts < cell.end_pts
        )


def missing_runs(numbers: Sequence[int], found: Sequence[dict[int, CellResult]]) -> list[list[int]]:
    """Maximal runs of consecutive cells that the same models lack, so that each is run on just what it lacks."""
    runs: list[list[int]] = []
    for number in numbers:
        lacking = _lacking(number, found)
        if not lacking:
            continue
        if runs and runs[-1][-1] == number - 1 and _lacking(number - 1, found) == lacking:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def _lacking(number: int, found: Sequence[dict[int, CellResult]]) -> list[int]:
    """The models that lack this cell."""
    return [index for index, results in enumerate(found) if number not in results]
