"""Sampling is exact: a job looks at the frames of a single pass, though most samples are never decoded."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import pytest

from chalicelib.domain.sampling import Sampling, SamplingKind, select_sampled
from gpu_batch.containers.table import SampleTable
from gpu_batch.frames import TableFrames
from gpu_batch.video.damage import Damage
from gpu_batch.video.decode import Frame, decode_cells
from gpu_batch.video.decoders import try_decode
from gpu_batch.video.source import FileSource, Source
from tests.video.reading import LIMITS, CountingSource, Seen, cells_of, runs_of, see, single_pass, table_of
from tests.video.test_exactness import MANY_CELLS, REASON_BY_ONE_CELL

SAMPLINGS = [
    Sampling(SamplingKind.KEYFRAMES),
    Sampling(SamplingKind.KEYFRAMES, Fraction(2), Fraction(1, 4)),
    Sampling(SamplingKind.KEYFRAMES, Fraction(1, 2), Fraction(2)),
    Sampling(SamplingKind.PER_SECOND, Fraction(1)),
    Sampling(SamplingKind.PER_SECOND, Fraction(7)),
    Sampling(SamplingKind.PER_SECOND, Fraction(1, 3)),
]


def name_of(sampling: Sampling) -> str:
    return "-".join(str(value) for value in sampling.to_json().values())


def sample(table: SampleTable, source: Source, sampling: Sampling, length: int) -> list[Seen]:
    """The sampled frames, decoded in runs of `length` cells."""
    cells = cells_of(table)
    seen: list[Seen] = []
    for run in runs_of(cells, length):
        frames = TableFrames(table.config, run, source, LIMITS, sampling, cells.__getitem__)
        seen += [see(Frame(one.place.pts, one.place.ordinal, False, one.image)) for one in frames.decode(lambda: None)]
        assert frames.damage.ranges == ()
    return seen


@cache
def keyframes_of(video: Path) -> frozenset[int]:
    table, source = table_of(video), FileSource(video)
    frames = decode_cells(table.config, cells_of(table), source, LIMITS, Damage())
    return frozenset(frame.pts for frame in frames if frame.is_key)


def every_pair() -> Iterator[object]:
    """Every file in every sampling; a run of the tests takes two of a file, so that of a codec it has all of them."""
    for number, name in enumerate([*MANY_CELLS, *REASON_BY_ONE_CELL]):
        for place, sampling in enumerate(SAMPLINGS):
            is_slow = place % 3 != number % 3
            marks = [pytest.mark.slow] * is_slow
            yield pytest.param(name, sampling, id=f"{name}-{name_of(sampling)}", marks=marks)


@pytest.mark.parametrize(("name", "sampling"), list(every_pair()))
def test_sampled_frames_are_those_of_a_single_pass(corpus: dict[str, Path], name: str, sampling: Sampling) -> None:
    table, source = table_of(corpus[name]), FileSource(corpus[name])
    keys = keyframes_of(corpus[name])
    expected = list(
        select_sampled(
            single_pass(corpus[name]),
            sampling,
            table.config.timebase,
            pts_of=lambda frame: frame.pts,
            is_key=lambda frame: frame.pts in keys,
        )
    )
    assert expected
    for length in (1, 1000):
        assert sample(table, source, sampling, length) == expected


@pytest.mark.parametrize("name", ["h264_closed", "h264_open_pyramid", "hevc_closed", "hevc_open"])
def test_samples_that_nothing_refers_to_are_not_decoded(
    corpus: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed = count_packets(monkeypatch)
    table, source = table_of(corpus[name]), FileSource(corpus[name])
    sample(table, source, Sampling(), 1000)
    of_all = fed.pop()
    fed.append(0)
    sample(table, source, Sampling(SamplingKind.PER_SECOND, Fraction(1)), 1000)
    assert fed.pop() < 0.75 * of_all


@pytest.mark.parametrize("name", ["h264_closed", "hevc_open", "vp9", "av1"])
def test_keyframes_alone_are_read_and_decoded(
    corpus: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed = count_packets(monkeypatch)
    monkeypatch.setattr("gpu_batch.video.feed.MERGE_GAP_BYTES", 0)
    table, source = table_of(corpus[name]), CountingSource(FileSource(corpus[name]))
    frames = sample(table, source, Sampling(SamplingKind.KEYFRAMES), 1000)
    sizes = [cell.samples.sizes[0] for cell in cells_of(table)]
    assert fed == [len(frames)] == [len(sizes)]
    assert source.bytes_read == sum(sizes)


def test_a_cell_without_wanted_frames_is_not_read(corpus: dict[str, Path]) -> None:
    table, source = table_of(corpus["h264_closed"]), CountingSource(FileSource(corpus["h264_closed"]))
    frames = sample(table, source, Sampling(SamplingKind.PER_SECOND, Fraction(1, 1000)), 1)
    assert len(frames) == 1
    assert source.bytes_read < table.cells[0].byte_end


def count_packets(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One number in a list, which counts the samples that reach a decoder."""
    fed = [0]

    def note(decoder: Any, packet: Any) -> list[av.VideoFrame] | None:
        fed[-1] += packet is not None
        return try_decode(decoder, packet)

    monkeypatch.setattr("gpu_batch.video.decode.try_decode", note)
    return fed
