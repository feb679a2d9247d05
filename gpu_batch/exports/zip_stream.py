"""ZIP archives of any number of files in bounded memory, the same bytes for the same files.

Every file has one fixed date, and the list of files at the end of the archive is kept in a temporary file: the standard
library's writer holds it in memory, half a kilobyte per file. Archives past 65,535 files or 4 GiB are ZIP64.
Source: PKWARE APPNOTE 6.3.10, sections 4.3.7 to 4.3.16.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
import zlib
from types import TracebackType
from typing import IO, Self

from gpu_batch.exports.facts import Sink

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<IIQI")
_DATE = (1 << 5) | 1
"""1980-01-01, the first day that the format knows."""
_UTF8_NAMES = 0x800
_DEFLATED = 8
_VERSION, _VERSION64 = 20, 45
_UNIX = 3 << 8
_MODE = 0o100644 << 16
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
SPOOL_BYTES = 1 << 20


class ZipStream:
    """Writes an archive, file by file."""

    def __init__(self, sink: Sink, *, full: int = 0xFFFFFFFF) -> None:
        """`full` is the size and offset from which on numbers need the 64 bits of ZIP64."""
        self._sink = sink
        self._full = full
        self._offset = 0
        self._files = 0
        self._central: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115  closed by __exit__

    def __enter__(self) -> Self:
        """Files may be added."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write the list of files."""
        with self._central:
            if error is None:
                self._end()

    def add(self, name: str, content: bytes) -> None:
        """One more file."""
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        packed = packer.compress(content) + packer.flush()
        self._write_header(name, zlib.crc32(content), len(content), len(packed))
        self._put(packed)

    def add_file(self, name: str, content: IO[bytes]) -> None:
        """One more file, read from its start; packed into a temporary file first, since its size stands in front."""
        content.seek(0)
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        crc = size = 0
        with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as packed:
            while piece := content.read(SPOOL_BYTES):
                crc, size = zlib.crc32(piece, crc), size + len(piece)
                packed.write(packer.compress(piece))
            packed.write(packer.flush())
            packed_size = packed.tell()
            packed.seek(0)
            self._write_header(name, crc, size, packed_size)
            shutil.copyfileobj(packed, self._sink, SPOOL_BYTES)
            self._offset += packed_size

    def _write_header(self, name: str, crc: int, size: int, packed_size: int) -> None:
        encoded, offset = name.encode(), self._offset
        sizes = [size, packed_size] if max(size, packed_size) >= self._full else []
        offsets = [offset] if offset >= self._full else []
        version = _VERSION64 if sizes or offsets else _VERSION
        stated = [_FULL32, _FULL32] if sizes else [packed_size, size]
        common = (_UTF8_NAMES, _DEFLATED, 0, _DATE, crc, *stated, len(encoded))
        extra = _extra64(sizes)
        self._put(_LOCAL.pack(0x04034B50, version, *common, len(extra)) + encoded + extra)
        extra = _extra64([*sizes, *offsets])
        where = (len(extra), 0, 0, 0, _MODE, _FULL32 if offsets else offset)
        entry = _CENTRAL.pack(0x02014B50, _UNIX | version, version, *common, *where)
        self._central.write(entry + encoded + extra)
        self._files += 1

    def _end(self) -> None:
        start, size = self._offset, self._central.tell()
        self._central.seek(0)
        shutil.copyfileobj(self._central, self._sink, SPOOL_BYTES)
        self._offset += size
        stated = [min(self._files, _FULL16)] * 2 + [min(size, _FULL32), min(start, _FULL32)]
        if self._files >= _FULL16 or max(start, size) >= self._full:
            at = self._offset
            counts = (self._files, self._files, size, start)
            self._put(_END64.pack(0x06064B50, 44, _UNIX | _VERSION64, _VERSION64, 0, 0, *counts))
            self._put(_LOCATOR64.pack(0x07064B50, 0, at, 1))
            stated = [_FULL16, _FULL16, _FULL32, _FULL32]
        self._put(_END.pack(0x06054B50, 0, 0, *stated, 0))

    def _put(self, piece: bytes) -> None:
        self._sink.write(piece)
        self._offset += len(piece)


def _extra64(numbers: list[int]) -> bytes:
    """The field with what does not fit in 32 bits; nothing when all does."""
    return struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""
