"""Whoever writes a long file is asked now and then whether to go on."""

from __future__ import annotations

import pytest

from gpu_batch.checked_file import BUFFER_BYTES, checked_file
from gpu_batch.errors import Drained
from gpu_batch.exports.facts import Writer
from gpu_batch.exports.writers import WRITER_BY_FORMAT
from tests.exports.job import some_facts, some_frames


def test_what_was_written_is_read_back() -> None:
    with checked_file(lambda: None) as file:
        file.write(b"some")
        file.write(bytes(BUFFER_BYTES))
        file.seek(0)
        assert file.read() == b"some" + bytes(BUFFER_BYTES)


def test_a_check_is_made_for_about_every_mebibyte() -> None:
    checks = []
    with checked_file(lambda: checks.append(1)) as file:
        for _ in range(40):
            file.write(bytes(BUFFER_BYTES // 4))
    assert 10 <= len(checks) <= 40


@pytest.mark.parametrize("writer", WRITER_BY_FORMAT.values(), ids=WRITER_BY_FORMAT)
def test_a_check_that_says_stop_stops_every_writer(writer: Writer) -> None:
    with pytest.raises(Drained):
        write_until_stopped(writer)


def write_until_stopped(writer: Writer) -> None:
    def stop() -> None:
        raise Drained("the machine is being taken away")

    with checked_file(stop) as file:
        writer(some_facts(), iter(some_frames()), file)
