"""Getting the bytes of a sample, as a decoder takes them, out of its range of the source.

Source: ISO/IEC 13818-1, sections 2.4.3.2 (transport packets) and 2.4.3.6 (PES packets).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chalicelib.contracts.sample_table import TRANSPORT_PACKET_BYTES, TransportPackets

HEADER_BYTES = 4
PES_START = b"\0\0\1"
PES_FIXED_BYTES = 9
"""Up to the byte that says how many optional bytes follow."""
MAX_ODD_PACKETS = 16
"""Packets with an adaptation field that are copied one by one; with more of them, all are copied byte by byte."""


def unpack_sample(packaging: TransportPackets | None, content: bytes) -> bytes:
    """The sample in `content`, its range of the source; b"" when the range holds no whole sample of that packaging."""
    if packaging is None:
        return content
    payload = _payload(packaging, content)
    if len(payload) < PES_FIXED_BYTES or payload[:3] != PES_START:
        return b""
    stated_bytes = int.from_bytes(payload[4:6])
    end = 6 + stated_bytes if stated_bytes else len(payload)
    return payload[PES_FIXED_BYTES + payload[8] : end]


def _payload(packaging: TransportPackets, content: bytes) -> bytes:
    """The payloads of the stream's packets, joined."""
    size, sync_at = packaging.packet_size, packaging.sync_at
    count = len(content) // size
    packets = np.frombuffer(content, np.uint8, count * size).reshape(count, size)
    packets = packets[:, sync_at : sync_at + TRANSPORT_PACKET_BYTES]
    pid = (packets[:, 1] & 0x1F).astype(np.uint16) << 8 | packets[:, 2]
    packets = packets[(pid == packaging.pid) & (packets[:, 3] & 0x10 != 0) & (packets[:, 0] == 0x47)]
    has_adaptation = packets[:, 3] & 0x20 != 0
    odd = np.flatnonzero(has_adaptation)
    if len(odd) > MAX_ODD_PACKETS:
        return _copy_by_bytes(packets, has_adaptation)
    pieces: list[bytes] = []
    done = 0
    for position in odd.tolist():
        pieces.append(packets[done:position, HEADER_BYTES:].tobytes())
        pieces.append(packets[position, HEADER_BYTES + 1 + int(packets[position, 4]) :].tobytes())
        done = position + 1
    pieces.append(packets[done:, HEADER_BYTES:].tobytes())
    return b"".join(pieces)


def _copy_by_bytes(packets: NDArray[np.uint8], has_adaptation: NDArray[np.bool_]) -> bytes:
    starts = np.where(has_adaptation, HEADER_BYTES + 1 + packets[:, 4].astype(np.int64), HEADER_BYTES)
    return packets[np.arange(TRANSPORT_PACKET_BYTES) >= starts[:, None]].tobytes()
