"""DynamoDB streams to Lambda: filtered batches in order, retried, bisected, at last given up one record at a time."""

from __future__ import annotations

import logging
import threading
from typing import Any

from infra.local import moto_patches
from infra.local.functions import Functions
from infra.local.patterns import matches
from infra.wiring import StreamMapping

# Writes wake the pump; this only bounds the wait if one is missed.
IDLE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 5.0

log = logging.getLogger(__name__)


class SharedStream:
    """A table's stream with several consumers; a record is dropped when all of them have taken it."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._taken: list[int] = []
        """By consumer: how many of the records that are still there it has taken."""
        self._lock = threading.Lock()

    def add_consumer(self) -> int:
        """The number of a new consumer, which begins with the oldest record."""
        with self._lock:
            self._taken.append(0)
            return len(self._taken) - 1

    def read(self, consumer: int, limit: int) -> moto_patches.StreamBatch:
        """The next records of this consumer."""
        with self._lock:
            return moto_patches.read_stream(self._table, limit, self._taken[consumer])

    def take(self, consumer: int, count: int) -> None:
        """This consumer is done with its next `count` records."""
        with self._lock:
            self._taken[consumer] += count
            done = min(self._taken)
            if done:
                moto_patches.drop_stream_records(self._table, done)
                self._taken = [taken - done for taken in self._taken]


class StreamPump:
    """One event source mapping, on a thread of its own."""

    def __init__(
        self, mapping: StreamMapping, functions: Functions, stream: SharedStream, retry_seconds: float = 0.2
    ) -> None:
        """`retry_seconds` is the pause before the first retry of a record; it doubles up to a bound."""
        self._mapping = mapping
        self._stream = stream
        self._consumer = stream.add_consumer()
        self._functions = functions
        self._retry_seconds = retry_seconds
        self._written = threading.Event()
        self._stopping = threading.Event()
        self._dead_letters: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._pump_until_stopped, name=f"stream-{mapping.handler}", daemon=True)

    def start(self) -> None:
        """Begin with the oldest undelivered record."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Start nothing more, and wait for the handler if it runs. What it did not finish is delivered again later."""
        self._stopping.set()
        self._written.set()
        self._thread.join(timeout_seconds)

    def notify(self) -> None:
        """The table may have changed."""
        self._written.set()

    def dead_letters(self) -> list[dict[str, Any]]:
        """Records that were given up."""
        return list(self._dead_letters)

    def _pump_until_stopped(self) -> None:
        while not self._stopping.is_set():
            self._written.wait(IDLE_SECONDS)
            self._written.clear()
            while self._pump_one_batch():
                pass

    def _pump_one_batch(self) -> bool:
        """Whether there was anything to deliver."""
        batch = self._stream.read(self._consumer, self._mapping.batch_size)
        records = [{**record, "eventSourceARN": batch.arn} for record in batch.records]
        wanted = [record for record in records if any(matches(pattern, record) for pattern in self._mapping.filters)]
        if wanted and not self._deliver(wanted):
            return False
        if records:
            self._stream.take(self._consumer, len(records))
        return bool(records)

    def _deliver(self, records: list[dict[str, Any]]) -> bool:
        """Whether every record was handled or given up; False when the pump was stopped before."""
        for attempt in range(1 + self._mapping.max_retries):
            if self._stopping.wait(self._pause(attempt)):
                return False
            try:
                self._functions.invoke(self._mapping.handler, {"Records": records})
            except Exception:  # The border of the function: report, bisect, retry.
                log.exception("%s failed on %d records, retry %d", self._mapping.handler, len(records), attempt)
            else:
                return True
            if len(records) > 1:
                middle = len(records) // 2
                return self._deliver(records[:middle]) and self._deliver(records[middle:])
        log.error("%s gave up record %s", self._mapping.handler, records[0]["dynamodb"]["Keys"])
        self._dead_letters += records
        return True

    def _pause(self, attempt: int) -> float:
        return min(self._retry_seconds * 2 ** (attempt - 1), LONGEST_PAUSE_SECONDS) if attempt else 0.0
