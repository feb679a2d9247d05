"""What a file is, told from its first bytes: only containers on this list ever reach libav, by the demuxer named here.

Names and content types that a client gives are never used. Playlists, concat scripts, SDP, subtitles and images are
on no line of the list, and an allow-list has no gap to slip through.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.errors import ErrorCode
from gpu_batch.errors import BadInput

SNIFF_BYTES = 1024
ISO_BOX_KINDS = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})
IMAGE_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"crx ", b"jpeg"}
)
TRANSPORT_LAYOUTS = ((188, 0), (192, 4))
"""Packet size and place of the byte 0x47: plain, and behind the four bytes of M2TS."""
HINT = "Upload MP4, MOV, MKV, WebM, MPEG-TS, MPEG-PS, AVI or FLV; convert other files first"


@dataclass(frozen=True, slots=True)
class Container:
    """A kind of file that is accepted."""

    name: str
    """As `Media.container` says it."""
    demuxer: str
    """libav's demuxer, and the only one that may open the file."""


MP4 = Container("mp4", "mov")
MOV = Container("mov", "mov")
MATROSKA = Container("matroska", "matroska")
WEBM = Container("webm", "matroska")
MPEGTS = Container("mpegts", "mpegts")
MPEGPS = Container("mpegps", "mpeg")
AVI = Container("avi", "avi")
FLV = Container("flv", "flv")


def sniff_container(head: bytes) -> Container:
    """The container that the first `SNIFF_BYTES` of a file belong to.

    Raises:
        BadInput: EMPTY_FILE, or FORMAT_NOT_ALLOWED for anything that is not on the list.
    """
    if not head:
        raise BadInput(
            "the file has 0 bytes", code=ErrorCode.EMPTY_FILE, hint="Upload the file again; the upload sent no data"
        )
    if head[4:8] in ISO_BOX_KINDS:
        return _sniff_iso(head)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM if b"webm" in head[:64] else MATROSKA
    if head.startswith(b"RIFF") and head[8:12] in (b"AVI ", b"AVIX"):
        return AVI
    if head.startswith(b"FLV\x01"):
        return FLV
    if head.startswith(b"\x00\x00\x01\xba"):
        return MPEGPS
    if any(_is_transport_stream(head, *layout) for layout in TRANSPORT_LAYOUTS):
        return MPEGTS
    what = "text" if _is_text(head) else f"bytes {head[:8].hex(' ')}"
    raise BadInput(
        f"the file must begin like a video container that is accepted but begins with {what}",
        code=ErrorCode.FORMAT_NOT_ALLOWED,
        hint=HINT,
    )


def _sniff_iso(head: bytes) -> Container:
    brand = head[8:12] if head[4:8] == b"ftyp" else b"qt  "
    if brand in IMAGE_BRANDS:
        raise BadInput(
            f"the file must be a video but is an image (brand {brand.decode('latin-1')})",
            code=ErrorCode.FORMAT_NOT_ALLOWED,
            hint=HINT,
        )
    return MOV if brand == b"qt  " else MP4


def transport_layout(head: bytes) -> tuple[int, int]:
    """Packet size, and where in it the byte 0x47 stands, of a file that `sniff_container` calls a transport stream."""
    return next(layout for layout in TRANSPORT_LAYOUTS if _is_transport_stream(head, *layout))


def _is_transport_stream(head: bytes, packet_size: int, sync_at: int) -> bool:
    marks = head[sync_at::packet_size]
    return len(marks) >= 2 and set(marks) == {0x47}


def _is_text(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\r\n" for byte in head)
