"""Reading the first bytes of chosen samples: few requests, few bytes, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from chalicelib.contracts.sample_table import DecoderConfig
from chalicelib.domain.media import INTRA_ONLY_CODECS
from gpu_batch.containers.held import HeldSource
from gpu_batch.containers.track import Track
from gpu_batch.video.in_band import judge_sample
from gpu_batch.video.keyframes import Verdict
from gpu_batch.video.source import Source

HEAD_SIZES = (1 << 10, 64 << 10, 2 << 20)
"""Bytes to try in turn: parameter sets and encoder notes before the picture are short in most files."""
MAX_HEAD_BYTES = 256 << 20
"""For all heads of one size together: 64 KiB of each of 4096 cells, 2 MiB of 128 samples."""
MERGE_GAP_BYTES = 64 << 10
"""Closer heads are read as one: a request costs more time than this many bytes."""
MAX_HELD_SAMPLE_BYTES = 64 << 20
PARALLEL_READS = 16


class SampleJudge:
    """A `Judge` that reads what it judges: the first sample whole, since the probe decodes it, of others the head."""

    def __init__(self, source: HeldSource, config: DecoderConfig, track: Track) -> None:
        self._source = source
        self._config = config
        self._track = track
        self._is_first = True

    def __call__(self, positions: Sequence[int]) -> dict[int, Verdict]:
        """What the bitstream says of the samples at `positions`; bytes that never answer are a refutation."""
        config, track = self._config, self._track
        if config.codec in INTRA_ONLY_CODECS:
            return dict.fromkeys(positions, Verdict.PROVED_CLOSED)
        if self._is_first and positions:
            self._is_first = False
            self._hold(positions[0])
        verdicts = dict.fromkeys(positions, Verdict.MORE)
        open_positions = list(positions)
        for head_size in HEAD_SIZES:
            heads = _read_heads(self._source, track, open_positions[: MAX_HEAD_BYTES // head_size], head_size)
            for position, head in heads.items():
                verdicts[position] = judge_sample(config, int(track.description_indexes[position]), head)
            open_positions = [position for position in open_positions if verdicts[position] is Verdict.MORE]
            if not open_positions:
                break
        return verdicts | dict.fromkeys(open_positions, Verdict.REFUTED)

    def _hold(self, position: int) -> None:
        size = int(self._track.sizes[position])
        if size <= MAX_HELD_SAMPLE_BYTES:
            self._source.hold(int(self._track.offsets[position]), size)


def _read_heads(source: Source, track: Track, positions: Sequence[int], head_size: int) -> dict[int, bytes]:
    spans: list[tuple[int, int]] = []
    ranges: dict[int, tuple[int, int]] = {}
    for position in sorted(positions, key=lambda position: int(track.offsets[position])):
        start = int(track.offsets[position])
        ranges[position] = (start, start + min(int(track.sizes[position]), head_size))
        if spans and start - spans[-1][1] <= MERGE_GAP_BYTES:
            spans[-1] = (spans[-1][0], max(spans[-1][1], ranges[position][1]))
        else:
            spans.append(ranges[position])
    if not spans:
        return {}
    if len(spans) == 1:
        contents = [source.read(start, end - start) for start, end in spans]
    else:
        with ThreadPoolExecutor(min(PARALLEL_READS, len(spans))) as pool:
            contents = list(pool.map(lambda span: source.read(span[0], span[1] - span[0]), spans))
    heads: dict[int, bytes] = {}
    span_index = 0
    for position, (start, end) in ranges.items():
        while end > spans[span_index][1]:
            span_index += 1
        base = spans[span_index][0]
        heads[position] = contents[span_index][start - base : end - base]
    return heads
