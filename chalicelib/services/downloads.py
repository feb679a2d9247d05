"""Where a file that a worker has made can be had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.services.ports import Ports


@dataclass(frozen=True, slots=True)
class Download:
    """A URL, and until when it is good."""

    url: str
    expires_at: datetime


def make_download(ports: Ports, key: str) -> Download:
    """A URL of an object in our bucket, which gives ranges of it as well."""
    seconds = ports.limits.download_seconds
    url = ports.objects.presign_get(ports.bucket, key, version_id="", seconds=seconds)
    return Download(url, ports.clock.now() + timedelta(seconds=seconds))
