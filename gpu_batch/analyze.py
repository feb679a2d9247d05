"""Analysing a segment: find which of its cells are not stored yet, decode and infer those, and store them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

from chalicelib.contracts.blocks import analysis_id
from chalicelib.contracts.cell_results import CellResult, DamagedRange
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.sample_table import CellSamples, DecoderConfig, unpack_chunks
from chalicelib.contracts.work_order import OrderedMedia, WorkOrder
from chalicelib.domain.cells import CELL_RULE, Cell
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
from gpu_batch.models.preprocess import PREPROCESSING_VERSION
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


@dataclass(frozen=True, slots=True)
class _OpenedRun:
    """Consecutive cells that some model lacks, and their frames; none of them is decoded yet."""

    cells: list[int]
    frames: RunFrames
    source: S3Source


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is known of a segment before its first frame is decoded."""

    found: list[dict[int, CellResult]]
    """By model: what is stored of its cells."""
    runs: list[list[int]]
    first: _OpenedRun | None
    """The first of the runs, its bytes on their way."""


class Analyzer:
    """Analyses segments of one job; made once per child, and closed at its end."""

    def __init__(
        self,
        cloud: Cloud,
        order: WorkOrder,
        models: Sequence[Model],
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
        self._models = models
        self._cells = cells
        self._threads = threads
        self._meter = meter or Meter()
        self._sampling: Sampling = order.parsed_sampling
        self._timebase: Fraction = order.parsed_timebase
        self._limits = MediaLimits()
        self._decoder = DecoderConfig.from_json(json.loads(order.media.decoder)) if order.media.decoder else None
        self._choice = self._choose_decoder()
        self._stores = [self._store_of(model) for model in models]
        self._pool = ThreadPoolExecutor(1 + PARTS_AHEAD, thread_name_prefix="ahead")
        self._ahead: tuple[Segment, Future[_Prepared]] | None = None

    @property
    def provider(self) -> str:
        """The provider class that the models really run on; by model, with commas, where they differ."""
        classes = [model.provider_class for model in self._models]
        return classes[0] if len(set(classes)) == 1 else ",".join(classes)

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
        prepared = self._take_prepared(segment) or self._prepare(segment)
        if following is not None:
            self._ahead = following, self._pool.submit(self._prepare, following, parts_ahead=PARTS_AHEAD)
        numbers, inferred = range(segment.first_cell, segment.end_cell), 0
        for number, run in enumerate(prepared.runs):
            opened = prepared.first if prepared.first and not number else self._open_run(run)
            inferred += self._analyze_run(opened, prepared.found, check)
        cells_by_model = tuple(tuple(results[number] for number in numbers) for results in prepared.found)
        shown = sum(result.frames_shown for result in cells_by_model[0])
        entry = IndexEntry(segment.index, segment.start_pts, segment.end_pts, shown, cells_by_model)
        return SegmentResult(entry, inferred)

    def _take_prepared(self, segment: Segment) -> _Prepared | None:
        """What was read ahead, if it was this segment and all went well; an error comes again where it counts."""
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead[0] != segment or ahead[1].cancel() or ahead[1].exception() is not None:
            return None
        return ahead[1].result()

    def _prepare(self, segment: Segment, *, parts_ahead: int = 0) -> _Prepared:
        numbers = range(segment.first_cell, segment.end_cell)
        found = [store.find(numbers) for store in self._stores]
        runs = missing_runs(numbers, found)
        return _Prepared(found, runs, self._open_run(runs[0], parts_ahead) if runs else None)

    def _choose_decoder(self) -> DecoderChoice | None:
        """Where samples are decoded; None for a video that is read as a whole, by libav on the CPU."""
        if self._decoder is None:
            return None
        is_on_gpu = any(model.provider_class != "cpu" for model in self._models)
        extradata = [description.extradata for description in self._decoder.descriptions]
        choice = choose_decoder(self._decoder.codec, extradata, is_on_gpu=is_on_gpu)
        logger.info("decoder chosen", is_on_gpu=choice.hwaccel is not None, reason=choice.reason)
        return choice

    def _store_of(self, model: Model) -> CellStore:
        order = self._order
        analysis = analysis_id(
            model_sha256=model.digest,
            preprocessing=PREPROCESSING_VERSION,
            sampling=self._sampling.to_json(),
            provider_class=model.provider_class,
            cell_rule=CELL_RULE,
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
        self, opened: _OpenedRun, found: Sequence[dict[int, CellResult]], check: Callable[[], None]
    ) -> int:
        """Decode consecutive cells, infer with the models that lack them, store and note the results.

        Frames that were inferred.
        """
        run, frames = opened.cells, opened.frames
        wanted = [index for index, results in enumerate(found) if any(number not in results for number in run)]
        models = [self._models[index] for index in wanted]
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
            if number not in found[index]:
                check()
                found[index][number] = self._stores[index].write(self._sound(cell, frames))
        return inferred

    def _open_run(self, run: list[int], parts_ahead: int = 0) -> _OpenedRun:
        source = self._cloud.open_source(self._order.source)
        if self._decoder is None:
            return _OpenedRun(run, WholeFrames(source, self._limits, self._sampling, self._timebase), source)
        cells = self._load_cells(run[0], run[-1])
        frames = TableFrames(self._decoder, cells, source, self._limits, self._sampling, self._load_cell, self._choice)
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
    """Maximal runs of consecutive cells that some model lacks."""
    runs: list[list[int]] = []
    for number in numbers:
        if all(number in results for results in found):
            continue
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs
