"""Uploads by a real process that is killed at random moments, and started again until it is done."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sdk.parts_server import PartsServer, serving_parts

CLIENT = Path(__file__).resolve().parents[2] / "client"
MIB = 1 << 20
UPLOAD = """
import sys
import reelscan

base_url, path, journal_folder, parallel = sys.argv[1:]
with reelscan.Client(base_url, "token") as client:
    client.videos.upload(path, journal_folder=journal_folder, parallel=int(parallel))
"""


def write_file(path: Path, size_bytes: int) -> str:
    """Bytes that are different everywhere, so that no part can stand for another; their digest."""
    digest, chance = hashlib.sha256(), random.Random(1)
    with path.open("wb") as file:
        while file.tell() < size_bytes:
            block = chance.randbytes(min(MIB, size_bytes - file.tell()))
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", UPLOAD, *arguments], env={**os.environ, "PYTHONPATH": str(CLIENT)})


def upload_with_kills(folder: Path, size_bytes: int, part_bytes: int, *, parallel: int, kills: int, seed: int) -> None:
    """Upload, killing the process after random numbers of bytes, and check what came."""
    expected = write_file(folder / "clip.mp4", size_bytes)
    stored = folder / "stored"
    stored.write_bytes(b"")
    chance = random.Random(seed)
    with serving_parts(PartsServer(part_bytes, stored)) as server:
        arguments = [server.base_url, str(folder / "clip.mp4"), str(folder / "journal"), str(parallel)]
        for _ in range(kills):
            process = start(arguments)
            server.wait_for(server.received.total() + chance.randrange(1, 2 * size_bytes // kills))
            process.kill()
            if process.wait() == 0:
                # It was done before the kill reached it: the same call again would be another upload.
                break
        else:
            assert start(arguments).wait() == 0
        assert server.is_complete
    twice = sum(count - 1 for count in server.whole.values())
    again_bytes = server.received.total() - size_bytes
    print(f"{kills} kills: {twice} parts came whole twice, {again_bytes:,} of {size_bytes:,} bytes were sent again")
    assert hashlib.sha256(stored.read_bytes()).hexdigest() == expected
    assert len(set(server.keys)) == 1
    # A part may have come whole just as the parts were listed for the next run; nothing else is ever sent whole again.
    assert twice <= 1
    assert again_bytes <= kills * parallel * part_bytes
    assert list((folder / "journal").iterdir()) == []


def test_an_upload_goes_on_after_kills(tmp_path: Path) -> None:
    upload_with_kills(tmp_path, 6 * MIB, 256 << 10, parallel=3, kills=2, seed=7)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("parallel", "seed"), [(4, 1), (4, 2), (1, 3)])
def test_a_gigabyte_arrives_whatever_kills_its_upload(tmp_path: Path, parallel: int, seed: int) -> None:
    upload_with_kills(tmp_path, 1 << 30, 8 * MIB, parallel=parallel, kills=10, seed=seed)
