"""Sending a file as its upload ticket says: one form straight to S3, or signed parts, several at once.

An upload can be killed at any moment and started again: it goes on with the parts that S3 has not (see `journal`). Each
part is signed together with its SHA-256, so S3 refuses what is damaged on the way; and it is signed when its turn has
come, so no URL is ever old.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from reelscan.connection import Connection, Json
from reelscan.errors import NotFound, ReelscanError, StorageRefused, problem_of
from reelscan.files import Body, CountedFile, LocalFile
from reelscan.journal import Journal
from reelscan.reading import read_record
from reelscan.records import Job, Upload, Video

PARALLEL_PARTS = 4
DECLARED_SHA256_BYTES = 128 << 20
"""Files up to this size are declared with their SHA-256, as S3 checks a form as a whole; parts it checks each."""


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far an upload is."""

    size_bytes: int
    sent_bytes: int
    """Of this and of earlier runs; falls when a part has to be sent again."""
    resumed_bytes: int
    """What S3 had when this run began."""
    part_count: int
    """0 for a file that is sent in one form."""
    parts_done: int
    part_number: int
    """The part that moved; 0 when none did."""
    part_sent_bytes: int
    part_size_bytes: int


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What an upload made."""

    video: Video
    job: Job | None
    """The analysis that was asked for with it."""


OnProgress = Callable[[UploadProgress], None]


async def upload_video(
    connection: Connection,
    file: LocalFile,
    announced: Json,
    on_progress: OnProgress | None,
    parallel: int,
    folder: Path,
) -> Uploaded:
    """Announce a file, send it, or what S3 does not have of it yet, and say that it is there."""
    # The same file, told the same of, at the same service: that is the upload to go on with.
    identity = {
        "base_url": connection.base_url,
        "path": str(file.path),
        "modified_ns": file.modified_ns,
        "announced": announced,
    }
    journal = Journal.open(folder, identity)
    while True:
        answer = (await connection.call("POST", "/videos", body=announced, key=journal.key)).json
        created = Uploaded(read_record(Video, answer["video"]), _record_of(Job, answer.get("job")))
        if not journal.is_resumed:
            break
        # The answer may be that of the earlier run, and things have moved on since.
        video, state = await _state_now(connection, created.video)
        if state in ("UPLOADED", "READY"):
            journal.close()
            return Uploaded(video, created.job)
        if state == "AWAITING_UPLOAD" and answer["upload"]["kind"] == "multipart":
            break
        # An old form may have run out: with a new key there is a new one, and the video that waits ends by itself.
        journal = journal.renewed(identity)
    ticket = read_record(Upload, answer["upload"])
    progress = _Progress(on_progress, file.size_bytes)
    if ticket.kind == "post":
        await send_form(connection, ticket, file, progress)
        file.check_unchanged()
        video = created.video
    else:
        parts = _Parts(connection, created.video.video_id, ticket, file, progress)
        video = await parts.send(parallel, is_resumed=journal.is_resumed)
    journal.close()
    if video.error is not None:
        raise problem_of(video.error)
    return Uploaded(video, created.job)


async def _state_now(connection: Connection, video: Video) -> tuple[Video, str]:
    try:
        video = await connection.get(f"/videos/{video.video_id}", Video, "video")
    except NotFound:
        return video, "DELETED"
    return video, video.state


async def send_form(connection: Connection, ticket: Upload, file: LocalFile, progress: _Progress) -> None:
    """Send a file as one form.

    Raises:
        StorageRefused: S3 refuses it, or does not answer.
    """
    failures = 0
    while True:
        with file.path.open("rb") as opened:
            counted = CountedFile(opened, lambda count: progress.moved(0, count))
            # The fields come before the file, as S3 asks: it ignores those that come after.
            request = httpx.Request(
                "POST",
                ticket.url or "",
                data=ticket.fields or {},
                files={"file": (file.path.name, counted)},  # type: ignore[dict-item]
            )
            try:
                await ask_storage(connection, request)
            except StorageRefused as error:
                failures += 1
                if failures >= connection.retries.tries or error.status in (400, 403):
                    raise
            else:
                return
        progress.taken_back(0)
        await connection.world.sleep(connection.retries.pause_seconds(failures))


class _Parts:
    """The parts of one upload that are still to be sent."""

    def __init__(
        self, connection: Connection, video_id: str, ticket: Upload, file: LocalFile, progress: _Progress
    ) -> None:
        self._connection = connection
        self._path = f"/videos/{video_id}/upload"
        self._file = file
        self._progress = progress
        self._part_bytes = ticket.part_size_bytes or 0
        self._count = ticket.part_count or 0
        self._etags: dict[int, str] = {}
        self._pending: deque[int] = deque()
        self._is_stopped = False

    async def send(self, parallel: int, *, is_resumed: bool) -> Video:
        """Send what S3 does not have, and make the object of all."""
        self._progress.part_count = self._count
        if is_resumed:
            await self._take_over()
        self._pending.extend(number for number in range(1, self._count + 1) if number not in self._etags)
        workers = [self._send_pending] * min(parallel, len(self._pending))
        await self._connection.world.all_of(workers, self._stop)
        self._file.check_unchanged()
        parts = [{"part_number": number, "etag": etag} for number, etag in sorted(self._etags.items())]
        return await self._connection.post(f"{self._path}/complete", {"parts": parts}, Video, "video")

    async def _take_over(self) -> None:
        """Count what S3 has of an earlier run; a part of another size is sent again."""
        for part in (await self._connection.call("GET", f"{self._path}/parts")).json["items"]:
            number = part["part_number"]
            if part["size_bytes"] == self._size(number):
                self._etags[number] = part["etag"]
                self._progress.had(part["size_bytes"])

    async def _send_pending(self) -> None:
        while self._pending and not self._is_stopped:
            try:
                number = self._pending.popleft()
            except IndexError:
                # Another worker took the last one.
                return
            await self._send(number)

    async def _send(self, number: int) -> None:
        offset, size_bytes = (number - 1) * self._part_bytes, self._size(number)
        digest = await self._connection.world.in_thread(lambda: self._file.sha256(offset, size_bytes))
        body = {"part_numbers": [number], "sha256_by_part": {str(number): digest}}
        failures = 0
        self._progress.began(number, size_bytes)
        while not self._is_stopped:
            signed = (await self._connection.call("POST", f"{self._path}/parts", body=body)).json["items"][0]
            headers = httpx.Headers(signed["headers"])
            headers["Content-Length"] = str(size_bytes)
            stream = Body(self._until_stopped(offset, size_bytes), lambda count: self._progress.moved(number, count))
            # httpx adds no header of its own to a request whose body is given as a stream.
            headers["Host"] = httpx.URL(signed["url"]).netloc.decode("ascii")
            request = httpx.Request("PUT", signed["url"], headers=headers, stream=stream)
            try:
                response = await ask_storage(self._connection, request)
            except StorageRefused as error:
                failures += 1
                if failures >= self._connection.retries.tries or error.status == 404:
                    raise
            else:
                self._etags[number] = response.headers["ETag"].strip('"')
                self._progress.ended(number)
                return
            self._progress.taken_back(number)
            await self._connection.world.sleep(self._connection.retries.pause_seconds(failures))

    def _until_stopped(self, offset: int, size_bytes: int) -> Iterator[bytes]:
        for piece in self._file.pieces(offset, size_bytes):
            if self._is_stopped:
                raise ReelscanError("the upload was stopped", "Start it again: it goes on where it was")
            yield piece

    def _stop(self) -> None:
        self._is_stopped = True

    def _size(self, number: int) -> int:
        return min(self._part_bytes, self._file.size_bytes - (number - 1) * self._part_bytes)


@dataclass
class _Progress:
    """Adds up what several parts report, and tells it one after the other."""

    tell: OnProgress | None
    size_bytes: int
    part_count: int = 0
    _sent_bytes: int = 0
    _resumed_bytes: int = 0
    _parts_done: int = 0
    _part_sizes: dict[int, int] = field(default_factory=dict)
    _sent_by_part: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def had(self, size_bytes: int) -> None:
        """S3 has a part of an earlier run."""
        with self._lock:
            self._resumed_bytes += size_bytes
            self._sent_bytes += size_bytes
            self._parts_done += 1
            self._say(0)

    def began(self, number: int, size_bytes: int) -> None:
        """A part begins."""
        with self._lock:
            self._part_sizes[number] = size_bytes
            self._say(number)

    def moved(self, number: int, count: int) -> None:
        """So many bytes went out."""
        with self._lock:
            # A form's fields and borders are not bytes of the file.
            count = min(count, self.size_bytes - self._sent_bytes)
            self._sent_bytes += count
            self._sent_by_part[number] = self._sent_by_part.get(number, 0) + count
            self._say(number)

    def taken_back(self, number: int) -> None:
        """They did not arrive."""
        with self._lock:
            self._sent_bytes -= self._sent_by_part.pop(number, 0)
            self._say(number)

    def ended(self, number: int) -> None:
        """S3 has the part."""
        with self._lock:
            self._parts_done += 1
            self._say(number)

    def _say(self, number: int) -> None:
        if self.tell is not None:
            self.tell(
                UploadProgress(
                    size_bytes=self.size_bytes,
                    sent_bytes=self._sent_bytes,
                    resumed_bytes=self._resumed_bytes,
                    part_count=self.part_count,
                    parts_done=self._parts_done,
                    part_number=number,
                    part_sent_bytes=self._sent_by_part.get(number, 0),
                    part_size_bytes=self._part_sizes.get(number, self.size_bytes),
                )
            )


def watch(on_progress: OnProgress | None, file: LocalFile) -> _Progress:
    """What tells `on_progress` how far the sending of `file` is."""
    return _Progress(on_progress, file.size_bytes)


async def ask_storage(connection: Connection, request: httpx.Request) -> httpx.Response:
    """S3's answer, read.

    Raises:
        StorageRefused: it says no (in XML, with a code and a message), or nothing.
    """
    body = bytearray()
    try:
        response = await connection.world.store(request)
        await connection.world.pieces(response, body.extend)
    except httpx.TransportError as error:
        raise StorageRefused(
            f"S3 does not answer: {str(error) or type(error).__name__}", "Run it again: an upload goes on where it was"
        ) from error
    if response.is_error:
        raise refusal(response.status_code, body.decode(errors="replace"))
    return response


def refusal(status: int, text: str) -> StorageRefused:
    """The error that S3's XML describes."""
    code, message = (re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL) for name in ("Code", "Message"))
    return StorageRefused(
        f"S3 answered {status}{f' {code[1]}' if code else ''}: {message[1] if message else text[:300]}",
        "A ticket or URL may have run out, or the file is not the one that was announced: start again",
        status=status,
        s3_code=code[1] if code else "",
    )


def _record_of(kind: type[Any], json: Any) -> Any:
    return None if json is None else read_record(kind, json)
