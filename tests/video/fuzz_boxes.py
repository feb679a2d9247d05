"""A structure-aware fuzzer of the box parser and the table builder: boxes of real files, bent in every way.

`python -m tests.video.fuzz_boxes COUNT [SEED]` runs it at length; `test_fuzz_boxes.py` runs a seeded few thousand.
"""

from __future__ import annotations

import random
import struct
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chalicelib.contracts.sample_table import DecoderConfig, unpack_chunks
from chalicelib.domain.media import WholeReason
from gpu_batch.containers.boxes import read_movie
from gpu_batch.containers.heads import SampleJudge
from gpu_batch.containers.held import HeldSource
from gpu_batch.containers.probe import CODEC_BY_TAG, read_samples
from gpu_batch.containers.table import Proof, find_cuts, pack_table, reorder_depth
from gpu_batch.containers.track import read_header
from gpu_batch.errors import BadInput
from gpu_batch.video.source import BytesSource
from tests.video.corpus import make_corpus
from tests.video.reading import LIMITS

CONTAINERS = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"mvex", b"moof", b"traf", b"mfra"}
)
KINDS = (
    *(b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"stsz", b"stz2", b"stsc", b"stco", b"co64", b"stts"),
    *(b"ctts", b"stss", b"sdtp", b"elst", b"edts", b"mvex", b"trex", b"moof", b"mfhd", b"traf", b"tfhd", b"tfdt"),
    *(b"trun", b"sidx", b"mfra", b"tfra", b"mfro", b"mdat", b"free", b"uuid", b"avcC", b"hvcC", b"tkhd", b"mdhd"),
)
NUMBERS = (0, 1, 2, 7, 8, 15, 16, 0x7F, 0xFF, 0xFFFF, 1 << 23, 1 << 24, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
SEEDS = (
    *("h264_closed", "h264_faststart", "h264_open_pyramid", "h264_edit", "h264_empty_edit", "h264_two_descriptions"),
    *("h264_in_band_change", "hevc_open", "av1", "vp9", "mjpeg_mov", "h264_fragmented", "frag_sidx", "frag_dash"),
    *("frag_audio", "frag_every_frame", "frag_short", "frag_edit", "box_frag_offset", "box_frag_implicit"),
    *("box_frag_defaults", "box_frag_mfra", "box_frag_front", "box_frag_signed", "frag_hevc_open"),
)
MAX_SECONDS = 2.0
"""For one input; thousands of times what it should take, since the machine may be busy."""
MAX_BYTES_PER_BYTE = 64
SPARE_BYTES = 24 << 20
"""The largest sample table that a file of some KB can ask for in earnest, and what it costs to refuse one."""


@dataclass
class Node:
    """A box as a tree: `before` its children, or all of it."""

    kind: bytes
    before: bytes
    children: list[Node]
    size: int | None = None
    """What the header states in place of the truth."""
    is_wide: bool = False

    def pack(self) -> bytes:
        content = self.before + b"".join(child.pack() for child in self.children)
        true_size = len(content) + (16 if self.is_wide else 8)
        size = true_size if self.size is None else self.size
        if self.is_wide:
            return struct.pack(">I4sQ", 1, self.kind, size & (1 << 64) - 1) + content
        return struct.pack(">I4s", size & 0xFFFFFFFF, self.kind) + content


def parse(content: bytes, start: int = 0, end: int | None = None) -> list[Node]:
    """The boxes of a sound file."""
    end = len(content) if end is None else end
    nodes = []
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", content, start)
        assert size >= 8, "the corpus has no wide boxes"
        if kind in CONTAINERS:
            nodes.append(Node(kind, b"", parse(content, start + 8, start + size)))
        else:
            nodes.append(Node(kind, content[start + 8 : start + size], []))
        start += size
    return nodes


def every(nodes: list[Node]) -> Iterator[tuple[list[Node], int]]:
    """Each box: the list that it is in, and where."""
    for index, node in enumerate(nodes):
        yield nodes, index
        yield from every(node.children)


def number(chance: random.Random) -> int:
    kind = chance.randrange(3)
    if kind == 0:
        return chance.choice(NUMBERS)
    return chance.randrange(1 << chance.choice((4, 8, 16, 32, 63)))


def bend_size(nodes: list[Node], at: int, chance: random.Random) -> None:
    node = nodes[at]
    node.is_wide = chance.random() < 0.2
    true_size = len(node.pack())
    node.size = chance.choice((0, 1, 7, 8, true_size - 1, true_size + 1, true_size // 2, number(chance)))


def bend_kind(nodes: list[Node], at: int, chance: random.Random) -> None:
    nodes[at].kind = chance.choice(KINDS)


def bend_numbers(nodes: list[Node], at: int, chance: random.Random) -> None:
    node = nodes[at]
    content = bytearray(node.before)
    if not content:
        return
    for _ in range(chance.choice((1, 1, 2, 5))):
        width = chance.choice((1, 2, 4, 4, 4, 8))
        # The first fields of a box are its version, its flags and its counts.
        last = max(0, min(len(content) - width, chance.choice((4, 8, 24, 1 << 20))))
        place = chance.randrange(last + 1)
        content[place : place + width] = (number(chance) & (1 << 8 * width) - 1).to_bytes(width)
    node.before = bytes(content)


def bend_length(nodes: list[Node], at: int, chance: random.Random) -> None:
    node = nodes[at]
    if chance.random() < 0.5:
        node.before = node.before[: chance.randrange(len(node.before) + 1)]
    else:
        node.before += chance.randbytes(chance.randrange(64))


def drop(nodes: list[Node], at: int, chance: random.Random) -> None:
    del nodes[at]


def duplicate(nodes: list[Node], at: int, chance: random.Random) -> None:
    nodes[at:at] = [nodes[at]] * chance.choice((1, 1, 2, 30))


def move(nodes: list[Node], at: int, chance: random.Random) -> None:
    node = nodes.pop(at)
    nodes.insert(chance.randrange(len(nodes) + 1), node)


def nest(nodes: list[Node], at: int, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 3, 60))):
        nodes[at] = Node(chance.choice((nodes[at].kind, b"moov", b"moof", b"trak", b"traf")), b"", [nodes[at]])


BENDS: tuple[Callable[[list[Node], int, random.Random], None], ...] = (
    *(bend_numbers, bend_numbers, bend_numbers, bend_numbers),
    *(bend_size, bend_size, bend_kind, bend_length, bend_length, drop, duplicate, move, nest),
)


def graft(nodes: list[Node], other: list[Node], chance: random.Random) -> None:
    """Put a box of another file in."""
    target, at = chance.choice(list(every(nodes)))
    source, place = chance.choice(list(every(other)))
    if source[place].kind != b"mdat":
        target.insert(at, source[place])


def mutate(seeds: list[bytes], chance: random.Random) -> bytes:
    """A file that is one of `seeds`, bent at one to four places."""
    nodes = parse(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 2, 3, 4))):
        # Media data is as good as any: there is nothing to bend in it.
        places = [(found, at) for found, at in every(nodes) if found[at].kind != b"mdat" or chance.random() < 0.1]
        if not places:
            break
        if chance.random() < 0.1:
            graft(nodes, parse(chance.choice(seeds)), chance)
        else:
            chance.choice(BENDS)(*chance.choice(places), chance)
    content = b"".join(node.pack() for node in nodes)
    if chance.random() < 0.15:
        content = content[: chance.randrange(len(content) + 1)]
    return content


def drive(content: bytes) -> str:
    """Everything that the probe does with untrusted bytes short of libav; says how it ended.

    Whatever is neither a result nor `BadInput` gets out.
    """
    try:
        source = HeldSource(BytesSource(content))
        movie = read_movie(source, LIMITS)
        header = read_header(movie.moov)
        samples = read_samples(source, movie, header, LIMITS)
        codec = CODEC_BY_TAG.get(header.codec_tag)
        if isinstance(samples, WholeReason) or codec is None or len(header.descriptions) > 255:
            return "whole"
        track, timeline = samples
        depth = reorder_depth(timeline.pts)
        config = DecoderConfig(codec, track.codec_tag, track.timebase, track.rotation, depth, track.descriptions)
        judge = SampleJudge(source, config, track)
        cuts, _ = find_cuts(judge, source.size_bytes, track, timeline, proof=Proof.SPOT)
        if cuts is None:
            return "unproved"
        table = pack_table(source.size_bytes, config, track, timeline, cuts)
    except BadInput as refused:
        return f"refused {refused.failure.code}"
    cells = list(unpack_chunks(table.data))
    assert [cell.index for cell in cells] == list(range(len(table.cells)))
    for cell, stored in zip(cells, table.cells, strict=True):
        assert cell.byte_range == (stored.byte_start, stored.byte_end)
        assert stored.byte_end <= len(content)
    return "table"


def run(seeds: list[bytes], count: int, seed: int, *, watch_memory: bool) -> Counter[str]:
    """Drive so many inputs; fails with the input's number at the first that breaks a bound."""
    ends: Counter[str] = Counter()
    for index in range(count):
        content = mutate(seeds, random.Random(f"{seed}/{index}"))
        started = time.process_time()
        if watch_memory:
            tracemalloc.start()
        try:
            ends[drive(content)] += 1
            peak = tracemalloc.get_traced_memory()[1] if watch_memory else 0
        except Exception as error:
            raise AssertionError(f"input {seed}/{index} of {len(content)} bytes got {error!r}") from error
        finally:
            if watch_memory:
                tracemalloc.stop()
        took = time.process_time() - started
        assert took < MAX_SECONDS * (5 if watch_memory else 1), f"input {seed}/{index} took {took:.1f} s"
        assert peak < SPARE_BYTES + MAX_BYTES_PER_BYTE * len(content), f"input {seed}/{index} took {peak} bytes"
    return ends


def read_seeds(corpus: dict[str, Path]) -> list[bytes]:
    return [corpus[name].read_bytes() for name in SEEDS]


if __name__ == "__main__":
    inputs, first_seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = run(read_seeds(make_corpus(Path(folder))), inputs, first_seed, watch_memory=True)
    print(f"{inputs} inputs in {time.monotonic() - begin:.0f} s: {dict(found.most_common())}")
