"""A table whose cells start at pictures that are no keyframes: the worker finds out, and decodes what comes before."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from chalicelib.contracts.sample_table import CellSamples
from chalicelib.domain.sampling import Sampling, SamplingKind, select_sampled
from gpu_batch.containers.boxes import read_movie
from gpu_batch.containers.held import HeldSource
from gpu_batch.containers.table import SampleTable, find_cuts, pack_table
from gpu_batch.containers.timeline import apply_edits
from gpu_batch.containers.track import read_track
from gpu_batch.frames import TableFrames
from gpu_batch.video.damage import Damage
from gpu_batch.video.decode import decode_cells
from gpu_batch.video.keyframes import Verdict
from gpu_batch.video.source import BytesSource, FileSource
from tests.video.reading import LIMITS, CountingSource, Seen, cells_of, fingerprint, runs_of, see, single_pass, table_of

NAMES = ["h264_closed", "h264_open", "h264_open_pyramid", "hevc_closed", "hevc_open"]


def with_false_boundaries(path: Path, every: int) -> SampleTable:
    """The table of a file whose index calls more samples sync samples than it has, and is believed."""
    source = HeldSource(FileSource(path))
    track = read_track(read_movie(source, LIMITS).moov, source.size_bytes)
    is_key = track.is_key | (np.arange(len(track.sizes)) % every == 0)
    track = replace(track, is_key=is_key)
    timeline = apply_edits(track)
    assert timeline is not None
    cuts, _ = find_cuts(
        lambda positions: dict.fromkeys(positions, Verdict.PROVED_CLOSED), source.size_bytes, track, timeline
    )
    assert cuts is not None
    return pack_table(source.size_bytes, table_of(path).config, track, timeline, cuts)


def decode(cells: list[CellSamples], table: SampleTable, source: FileSource | CountingSource, run: int) -> list[Seen]:
    damage = Damage()
    frames = [
        see(frame)
        for part in runs_of(cells, run)
        for frame in decode_cells(table.config, part, source, LIMITS, damage, load_cell=cells.__getitem__)
    ]
    assert damage.ranges == ()
    return frames


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("run", [1, 2, 1000])
def test_frames_are_those_of_a_single_pass(corpus: dict[str, Path], name: str, run: int) -> None:
    table = with_false_boundaries(corpus[name], every=7)
    assert len(table.cells) > len(table_of(corpus[name]).cells)
    assert decode(cells_of(table), table, FileSource(corpus[name]), run) == single_pass(corpus[name])


@pytest.mark.parametrize("run", [1, 3])
@pytest.mark.parametrize(
    "sampling", [Sampling(SamplingKind.PER_SECOND, Fraction(5)), Sampling(SamplingKind.KEYFRAMES)], ids=str
)
def test_sampled_frames_are_those_of_a_single_pass(corpus: dict[str, Path], sampling: Sampling, run: int) -> None:
    path = corpus["h264_open"]
    table, source = with_false_boundaries(path, every=7), FileSource(path)
    cells = cells_of(table)
    keys = {cell.start_pts for cell in table_of(path).cells}
    expected = select_sampled(
        single_pass(path),
        sampling,
        table.config.timebase,
        pts_of=lambda frame: frame.pts,
        is_key=lambda frame: frame.pts in keys,
    )
    found = [
        Seen(frame.place.pts, fingerprint(frame.image))
        for part in runs_of(cells, run)
        for frame in TableFrames(table.config, part, source, LIMITS, sampling, cells.__getitem__).decode(lambda: None)
    ]
    assert found == list(expected)


def test_damage_is_told_by_the_cells_that_have_it(corpus: dict[str, Path]) -> None:
    path = corpus["h264_closed"]
    table, content = with_false_boundaries(path, every=8), bytearray(path.read_bytes())
    cells = cells_of(table)
    samples = cells[4].samples
    content[samples.offsets[2] : samples.offsets[2] + samples.sizes[2]] = bytes(samples.sizes[2])
    whole = Damage()
    list(decode_cells(table.config, cells, BytesSource(bytes(content)), LIMITS, whole))
    parts = Damage()
    for cell in cells:
        source = BytesSource(bytes(content))
        list(decode_cells(table.config, [cell], source, LIMITS, parts, load_cell=cells.__getitem__))
    assert whole.ranges
    assert parts.ranges == whole.ranges


def test_all_in_one_run_decodes_nothing_twice(corpus: dict[str, Path]) -> None:
    path = corpus["h264_closed"]
    table, source = with_false_boundaries(path, every=8), CountingSource(FileSource(path))
    decode(cells_of(table), table, source, 1000)
    assert len(source.ranges) == 1
