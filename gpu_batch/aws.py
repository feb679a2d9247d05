"""The worker's side of AWS: the two tables and the bucket. Only here does the worker import boto3.

Whatever AWS refuses for a while becomes `Passing`, so that Batch repeats the attempt; what it refuses for good becomes
the cause of the end.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.contracts import claims
from chalicelib.contracts.attribute_values import Item, item_from_wire, item_to_wire
from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.work_order import OrderedSource
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.units import UnitState
from gpu_batch.errors import BadInput, Passing

CONNECT_SECONDS = 5
READ_SECONDS = 20
MAX_CONNECTIONS = 20
READ_ROUNDS = 6
BATCH_ROUNDS = 10
CONFLICT_ROUNDS = 5
ITEMS_PER_BATCH_READ = 100
ITEMS_PER_BATCH_WRITE = 25
BACKOFF_SECONDS = 0.2
PART_BYTES = 16 << 20
"""Of an upload, held in memory. Source: S3 takes 10,000 parts, so a file may have 156 GiB."""


class Superseded(Exception):
    """The claim is not ours any more: somebody else does, did, or cancelled this unit."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A unit that this process holds."""

    key: UnitKey
    fence: str
    item: Item
    """The unit's item as of the claim."""


class Cloud:
    """Tables and bucket of this deployment."""

    def __init__(self, meta_table: str, results_table: str, bucket: str, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self.meta_table = meta_table
        self.results_table = results_table
        self.bucket = bucket
        retries: Any = {"mode": "standard", "total_max_attempts": 5}
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries=retries,
            max_pool_connections=MAX_CONNECTIONS,
            signature_version="s3v4",
            # botocore makes its own name of forty parts anew, twice for every call.
            user_agent="reelscan",
        )
        self._dynamodb = boto3.client("dynamodb", config=config.merge(Config(signature_version="v4")))
        self._s3 = boto3.client("s3", config=config)

    @staticmethod
    def from_environment(environment: Mapping[str, str] = os.environ) -> Cloud:
        """The deployment that the environment names."""
        return Cloud(
            environment["REELSCAN_META_TABLE"], environment["REELSCAN_RESULTS_TABLE"], environment["REELSCAN_BUCKET"]
        )

    # --- claims
    # -----------------------------------------------------------------------------------------------------------------

    def claim(self, key: UnitKey, *, claimed_by: str, lease_seconds: float) -> Claim | None:
        """Take the unit; None when it is held, ended, or out of attempts."""
        fence = f"fnc_{uuid.uuid4().hex}"
        request = claims.claim(
            self.meta_table, key, fence=fence, claimed_by=claimed_by, now=self._now(), lease_seconds=lease_seconds
        )
        try:
            with passing_errors("claiming a unit"):
                item = item_from_wire(self._dynamodb.update_item(**request)["Attributes"])
        except Refused as refused:
            # Our own claim, whose answer was lost on the way: botocore asked again and was refused by it.
            if refused.item is None or refused.item.get("fence") != fence:
                return None
            item = refused.item
        return Claim(key, fence, item)

    def keep(self, claim: Claim, *, lease_seconds: float) -> None:
        """Extend the lease.

        Raises:
            Superseded: the claim is not ours any more.
        """
        request = claims.heartbeat(
            self.meta_table, claim.key, fence=claim.fence, now=self._now(), lease_seconds=lease_seconds
        )
        try:
            with passing_errors("keeping a claim"):
                self._dynamodb.update_item(**request)
        except Refused as refused:
            raise Superseded from refused

    def release(self, claim: Claim, *, is_drained: bool, failure: Item, usage: Item | None = None) -> None:
        """Give the unit back; an attempt that was drained does not count against it. A claim that is gone is fine.

        `usage` is what all attempts so far took.
        """
        request = claims.release(
            self.meta_table, claim.key, fence=claim.fence, refund=int(is_drained), failure=failure, usage=usage
        )
        try:
            with passing_errors("releasing a claim"):
                self._dynamodb.update_item(**request)
        except Refused:
            return

    def end(
        self,
        claim: Claim,
        state: UnitState,
        *,
        failure: Item | None = None,
        facts: Item | None = None,
        more: Sequence[dict[str, Any]] = (),
    ) -> None:
        """End the unit, and do `more`, in one transaction.

        Raises:
            Superseded: the claim is not ours any more, or what `more` depends on has moved on; nothing was written.
        """
        entries = claims.finish_unit(
            self.meta_table, claim.key, fence=claim.fence, state=state, failure=failure, facts=facts
        )
        wire: Any = [*entries, *more]
        token = uuid.uuid4().hex
        try:
            for _ in _rounds(CONFLICT_ROUNDS, "ending a unit"):
                with passing_errors("ending a unit"):
                    if self._transact(wire, token):
                        break
        except Refused as refused:
            # Ended by this very claim: the first answer was lost on the way.
            if refused.item and refused.item.get("fence") == claim.fence and refused.item.get("state") == state:
                return
            raise Superseded from refused

    def _transact(self, entries: Any, token: str) -> bool:
        """Send a transaction; False when another one was at the same items, which botocore does not try again."""
        try:
            self._dynamodb.transact_write_items(TransactItems=entries, ClientRequestToken=token)
        except ClientError as error:
            if not is_conflict(error):
                raise
            return False
        return True

    # --- items
    # ------------------------------------------------------------------------------------------------------------------

    def get(self, table: str, pk: str, sk: str) -> Item | None:
        """One item, read consistently."""
        with passing_errors("reading an item"):
            answer = self._dynamodb.get_item(
                TableName=table, Key=item_to_wire({"pk": pk, "sk": sk}), ConsistentRead=True
            )
        return item_from_wire(answer["Item"]) if "Item" in answer else None

    def get_many(self, table: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Item]:
        """Items by key, read consistently; those that are not there are missing."""
        found: dict[tuple[str, str], Item] = {}
        for start in range(0, len(keys), ITEMS_PER_BATCH_READ):
            chunk = keys[start : start + ITEMS_PER_BATCH_READ]
            wire = [item_to_wire({"pk": pk, "sk": sk}) for pk, sk in chunk]
            pending: Any = {table: {"Keys": wire, "ConsistentRead": True}}
            for _ in _rounds(BATCH_ROUNDS, "reading items"):
                with passing_errors("reading items"):
                    answer = self._dynamodb.batch_get_item(RequestItems=pending)
                for item in map(item_from_wire, answer["Responses"].get(table, [])):
                    found[item["pk"], item["sk"]] = item
                pending = answer.get("UnprocessedKeys")
                if not pending:
                    break
        return found

    def put_many(self, table: str, items: Sequence[Item]) -> None:
        """Write items, whatever was there: for what is the same whoever writes it."""
        for start in range(0, len(items), ITEMS_PER_BATCH_WRITE):
            chunk = items[start : start + ITEMS_PER_BATCH_WRITE]
            pending: Any = {table: [{"PutRequest": {"Item": item_to_wire(item)}} for item in chunk]}
            for _ in _rounds(BATCH_ROUNDS, "writing items"):
                with passing_errors("writing items"):
                    answer = self._dynamodb.batch_write_item(RequestItems=pending)
                pending = answer.get("UnprocessedItems")
                if not pending:
                    break

    def delete_from(self, table: str, pk: str, sort_keys: Iterable[str]) -> None:
        """Delete items one by one, up to the first that is not there."""
        for sk in sort_keys:
            if self.get(table, pk, sk) is None:
                return
            with passing_errors("deleting an item"):
                self._dynamodb.delete_item(TableName=table, Key=item_to_wire({"pk": pk, "sk": sk}))

    def put_first(self, table: str, item: Item) -> Item:
        """Write an item unless there is one: the first writer wins, and everybody gets what the first one wrote."""
        try:
            with passing_errors("writing an item"):
                self._dynamodb.put_item(
                    TableName=table,
                    Item=item_to_wire(item),
                    ConditionExpression="attribute_not_exists(pk)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except Refused as refused:
            stored = refused.item or self.get(table, item["pk"], item["sk"])
            return stored if stored is not None else self.put_first(table, item)
        return item

    def put_entry(self, table: str, item: Item) -> dict[str, Any]:
        """A put, as an entry of the transaction of `end`."""
        return {"Put": {"TableName": table, "Item": item_to_wire(item)}}

    # --- objects
    # ----------------------------------------------------------------------------------------------------------------

    def get_object(self, key: str, start: int = 0, size: int | None = None) -> bytes:
        """A small object of ours, or `size` bytes of it from `start` on."""
        reader = _RangeReader(self._s3, {"Bucket": self.bucket, "Key": key}, f"object {key}")
        if size == 0:
            return b""
        return reader.read(start, size)

    def find_object(self, key: str) -> bytes | None:
        """A small object of ours, if it is there."""
        try:
            return self.get_object(key)
        except BadInput:
            return None

    def put_object(self, key: str, body: bytes) -> None:
        """Write a small object of ours."""
        with passing_errors("writing an object"):
            self._s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def upload_file(
        self, key: str, file: IO[bytes], *, content_type: str, file_name: str, check: Callable[[], None]
    ) -> None:
        """Write a file of any size, part by part; whoever downloads it is told its type and name.

        It appears whole or not at all. Parts of an upload that was broken off hard are for the bucket's lifecycle.
        """
        file.seek(0)
        where = {"Bucket": self.bucket, "Key": key}
        s3: Any = self._s3
        with passing_errors("starting an upload"):
            disposition = attachment(file_name)
            started = s3.create_multipart_upload(**where, ContentType=content_type, ContentDisposition=disposition)
        where["UploadId"] = started["UploadId"]
        try:
            parts: list[dict[str, Any]] = []
            # An empty file has one empty part.
            while (piece := file.read(PART_BYTES)) or not parts:
                check()
                number = len(parts) + 1
                with passing_errors("uploading a part"):
                    answer = s3.upload_part(**where, PartNumber=number, Body=piece)
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            with passing_errors("completing an upload"):
                s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
        except BaseException:
            with suppress(Passing), passing_errors("dropping an upload"):
                s3.abort_multipart_upload(**where)
            raise

    def delete_object(self, key: str) -> None:
        """Delete an object of ours, if it is there."""
        with passing_errors("deleting an object"):
            self._s3.delete_object(Bucket=self.bucket, Key=key)

    def open_source(self, source: OrderedSource) -> S3Source:
        """The bytes of the video, pinned."""
        pinned = {"Bucket": source.bucket, "Key": source.key}
        if source.version_id:
            pinned["VersionId"] = source.version_id
        if source.etag:
            pinned["IfMatch"] = f'"{source.etag}"'
        return S3Source(_RangeReader(self._s3, pinned, "the source"), source.size_bytes)


class S3Source:
    """The port `gpu_batch.video.source.Source` over ranged GETs."""

    def __init__(self, reader: _RangeReader, size_bytes: int) -> None:
        self._reader = reader
        self.size_bytes = size_bytes
        self.requests = 0
        """GETs so far, for the log."""
        self.bytes_read = 0

    def read(self, offset: int, size: int) -> bytes:
        """The bytes [offset, offset + size), short only at the end.

        Raises:
            BadInput: the object is gone (SOURCE_GONE) or was replaced (SOURCE_CHANGED).
            Passing: S3 did not answer in time.
        """
        size = min(size, self.size_bytes - offset)
        if size <= 0:
            return b""
        body = self._reader.read(offset, size)
        self.requests += 1
        self.bytes_read += len(body)
        return body


class Refused(Exception):
    """A conditional write was refused; `item` is what is stored, when AWS said so."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition of a write does not hold")
        self.item = item


@contextmanager
def passing_errors(doing: str) -> Iterator[None]:
    """Turns what AWS raises into what the worker knows.

    Raises:
        Refused: a condition does not hold.
        Passing: anything else; botocore has tried several times already.
    """
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ConditionalCheckFailedException":
            raise Refused(_stored(error.response)) from error
        reasons: Any = error.response.get("CancellationReasons", [])
        failed = [reason for reason in reasons if reason.get("Code") == "ConditionalCheckFailed"]
        if failed:
            raise Refused(next((_stored(reason) for reason in failed if reason.get("Item")), None)) from error
        raise Passing(f"{doing} failed: {code}") from error
    except BotoCoreError as error:
        raise Passing(f"{doing} failed: {type(error).__name__}") from error


def is_conflict(error: ClientError) -> bool:
    """Whether a transaction failed only because another one was under way."""
    reasons: Any = error.response.get("CancellationReasons", [])
    codes = {reason.get("Code") for reason in reasons} - {"None", None}
    return codes == {"TransactionConflict"}


class _RangeReader:
    """Ranged GETs that go on where a body broke off: botocore retries requests, but no truncated bodies."""

    def __init__(self, s3: Any, pinned: dict[str, str], name: str) -> None:
        self._s3 = s3
        self._pinned = pinned
        self._name = name

    def read(self, start: int, size: int | None) -> bytes:
        body = bytearray()
        for _ in _rounds(READ_ROUNDS, f"reading {self._name}"):
            first = start + len(body)
            last = "" if size is None else start + size - 1
            try:
                answer = self._get(f"bytes={first}-{last}")
                expected = answer["ContentLength"]
                for piece in answer["Body"].iter_chunks(1 << 20):
                    body += piece
                    expected -= len(piece)
                if expected <= 0 and (size is None or len(body) >= size):
                    return bytes(body)
            except BotoCoreError:
                continue  # broken off: go on from where it ended
        raise AssertionError("_rounds raises after the last one")

    def _get(self, asked_range: str) -> Any:
        try:
            return self._s3.get_object(**self._pinned, Range=asked_range)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # Without the right to list, S3 says 403 for what is not there.
            if code in ("NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404", "MethodNotAllowed", "403", "AccessDenied"):
                hint = "Upload the video again; a video that has been deleted cannot be analysed"
                raise BadInput(
                    f"{self._name} is gone, or may not be read", code=ErrorCode.SOURCE_GONE, hint=hint
                ) from error
            if code in ("PreconditionFailed", "412"):
                hint = "Do not write to the key of an accepted upload; create a new video for new bytes"
                raise BadInput(f"{self._name} was replaced", code=ErrorCode.SOURCE_CHANGED, hint=hint) from error
            raise Passing(f"reading {self._name} failed: {code}") from error


def attachment(file_name: str) -> str:
    """The header Content-Disposition by which a browser saves a file under its name, whatever its letters.

    Source: RFC 6266, section 4.3, and RFC 8187.
    """
    plain = "".join(letter if " " <= letter <= "~" and letter not in '"\\%' else "_" for letter in file_name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"


def _stored(form: Any) -> Item | None:
    return item_from_wire(form["Item"]) if form.get("Item") else None


def _rounds(count: int, doing: str, sleep: Callable[[float], None] = time.sleep) -> Iterator[int]:
    """Tries with growing pauses between them.

    Raises:
        Passing: after the last one.
    """
    for attempt in range(count):
        yield attempt
        sleep(BACKOFF_SECONDS * 2**attempt)
    raise Passing(f"{doing} did not end in {count} rounds")
