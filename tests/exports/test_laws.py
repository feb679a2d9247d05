"""What holds for every format: the same bytes twice, the statement, bounded memory; and the pieces they share."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.exports import FACTS_BY_FORMAT, ExportFormat
from gpu_batch.exports.facts import ExportFrame, ExportRow
from gpu_batch.exports.ids import IdSet
from gpu_batch.exports.sightings import follow
from gpu_batch.exports.sorting import SortedSpool
from gpu_batch.exports.text import decimal
from gpu_batch.exports.writers import WRITER_BY_FORMAT
from gpu_batch.exports.zip_stream import ZipStream
from tests.exports.job import some_facts, written

TABLE_FORMATS = list(WRITER_BY_FORMAT)


@pytest.mark.parametrize("export", TABLE_FORMATS)
def test_the_same_results_give_the_same_bytes(export: ExportFormat) -> None:
    assert written(WRITER_BY_FORMAT[export]) == written(WRITER_BY_FORMAT[export])


@pytest.mark.slow
@pytest.mark.parametrize("export", TABLE_FORMATS)
def test_the_bytes_do_not_depend_on_the_process(export: ExportFormat) -> None:
    program = (
        "import hashlib; from tests.exports.job import written; from gpu_batch.exports.writers import WRITER_BY_FORMAT;"
        f"print(hashlib.sha256(written(WRITER_BY_FORMAT[{export.value!r}])).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


@pytest.mark.parametrize("export", [export for export in TABLE_FORMATS if export is not ExportFormat.CSV])
def test_every_export_states_job_timebase_and_model_digests(export: ExportFormat) -> None:
    content = written(WRITER_BY_FORMAT[export])
    if FACTS_BY_FORMAT[export].suffix.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read("README.txt")
    for stated in ("job_1", "1/1000", "a" * 64, "per_second", "score_high"):
        assert stated.encode() in content


def test_every_format_is_described() -> None:
    assert set(FACTS_BY_FORMAT) == set(ExportFormat)
    assert set(WRITER_BY_FORMAT) | {ExportFormat.MP4} == set(ExportFormat)


@pytest.mark.slow
@pytest.mark.parametrize("export", TABLE_FORMATS)
def test_memory_does_not_grow_with_the_video(export: ExportFormat) -> None:
    """An hour at 25 frames a second takes no more than six minutes take, but for a few MiB."""
    short, long = (peak_mib(export, frames) for frames in (9_000, 90_000))
    assert long - short < 40


def peak_mib(export: ExportFormat, frames: int) -> float:
    program = f"""
import resource, tempfile
from gpu_batch.exports.writers import WRITER_BY_FORMAT
from tests.exports.job import a_long_job, some_facts
with tempfile.TemporaryFile() as sink:
    WRITER_BY_FORMAT[{export.value!r}](some_facts(frame_count={frames}), a_long_job({frames}, 2), sink)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return float(answer.stdout)


track_ids = st.one_of(st.none(), st.integers(1, 4))


@given(st.lists(st.lists(track_ids, max_size=4, unique=True), max_size=8))
def test_every_row_is_one_sighting_and_every_run_ends_once(tracks_by_frame: list[list[int | None]]) -> None:
    frames = [
        ExportFrame(index, 0, index, index, tuple(ExportRow(0, "x", 1, (0, 0, 1, 1), track) for track in tracks))
        for index, tracks in enumerate(tracks_by_frame)
    ]
    sightings = list(follow(iter(frames)))
    found = Counter((sighting.frame.pts, sighting.row.track_id) for sighting in sightings)
    assert found == Counter((frame.pts, row.track_id) for frame in frames for row in frame.rows)
    for sighting in sightings:
        after = sighting.next_frame
        is_seen_next = (
            after is not None
            and sighting.row.track_id is not None
            and any(row.track_id == sighting.row.track_id for row in after.rows)
        )
        assert sighting.is_last is not is_seen_next


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(-3, 3))))
def test_a_spool_sorts_and_keeps_the_order_of_equals(keys: list[tuple[int, int, int]]) -> None:
    entries = [(key, str(number)) for number, key in enumerate(keys)]
    with SortedSpool() as spool:
        for key, text in entries:
            spool.add(key, text)
        assert list(spool.read()) == sorted(entries, key=lambda entry: entry[0])


@given(st.lists(st.integers(0, 300)))
def test_a_set_of_ids_knows_what_is_new(numbers: list[int]) -> None:
    ids, seen = IdSet(), set[int]()
    for number in numbers:
        assert ids.add(number) is (number not in seen)
        seen.add(number)


files = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1), st.binary(), max_size=4
)


@settings(max_examples=30)
@given(files, st.sampled_from([0xFFFFFFFF, 40]))
def test_the_standard_library_reads_any_archive(content_by_name: dict[str, bytes], full: int) -> None:
    """With a small limit every number takes the way of those over 4 GiB."""
    sink = io.BytesIO()
    with ZipStream(sink, full=full) as archive:
        for number, (name, content) in enumerate(content_by_name.items()):
            if number % 2:
                archive.add(name, content)
            else:
                archive.add_file(name, io.BytesIO(content))
    with zipfile.ZipFile(sink) as archive:
        assert archive.testzip() is None
        assert [entry.orig_filename for entry in archive.infolist()] == list(content_by_name)
        assert [archive.read(entry) for entry in archive.infolist()] == list(content_by_name.values())


@pytest.mark.slow
def test_an_archive_holds_more_files_than_16_bits_count() -> None:
    sink = io.BytesIO()
    with ZipStream(sink) as archive:
        for number in range(65_600):
            archive.add(str(number), b"")
    with zipfile.ZipFile(sink) as archive:
        assert len(archive.infolist()) == 65_600


@pytest.mark.parametrize(
    ("number", "text"), [(0.5, "0.5"), (1.0, "1"), (100.0, "100"), (-0.00001, "0"), (1e-7, "0"), (0.0625, "0.0625")]
)
def test_numbers_have_no_exponent_and_no_idle_zeros(number: float, text: str) -> None:
    assert decimal(number, 4) == text


def test_names_of_files_are_safe() -> None:
    assert some_facts(filename="../../etc/passwd").stem == "passwd"
    assert some_facts(filename="C:\\films\\a b.mp4").stem == "a_b"
    assert some_facts(filename="...").stem == "video"


def test_an_average_rate_is_known_only_with_a_frame_count() -> None:
    assert some_facts(end_pts=500, frame_count=12).frame_rate == 24
    assert some_facts(frame_count=None).frame_rate is None
