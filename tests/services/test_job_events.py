"""The outbox: whatever is lost, doubled or late, events are numbered without a gap and tell each change once."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib import wiring
from chalicelib.api import events as api_events
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import item_to_wire
from chalicelib.contracts.blocks import BlockRef
from chalicelib.contracts.items import event_to_item, job_to_item, unit_to_item
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.domain.errors import DependencyFailed
from chalicelib.domain.events import CommittedRange, JobEvent, JobEventKind, LabelCount
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.units import UnitKind, UnitState
from chalicelib.services.dispatch import owner_of
from chalicelib.services.job_events import MAX_LABELS, count_labels, list_events
from chalicelib.services.jobs import cancel_job, start_job
from chalicelib.services.ports import Ports
from tests.fakes.makers import A_FAILURE, make_commit_event
from tests.services.test_faults import Faults
from tests.services.world import World, make_entry, make_request

CELLS = 4
Record = dict[str, Any]


class Stream:
    """Notices what changes in the memory of a world, as the stream of the table does."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._seen: dict[tuple[str, str], Record] = {}

    def read(self) -> list[Record]:
        """What changed since the last look, as records."""
        memory = self.world.fakes.memory
        images = [item_to_wire(job_to_item(job, None)) for job in memory.jobs.values()]
        for owner, units in memory.units.items():
            for (kind, index), unit in units.items():
                if kind is UnitKind.SEGMENT and isinstance(index, int):
                    pk = table_keys.partition(owner.tenant, owner.name)
                    segment = memory.segments[owner][index]
                    images.append(item_to_wire(unit_to_item(pk, table_keys.segment(index), unit, segment)))
        records = []
        for image in images:
            key = (image["pk"]["S"], image["sk"]["S"])
            old = self._seen.get(key)
            if old != image:
                change = {"NewImage": image} | ({"OldImage": old} if old else {})
                records.append({"dynamodb": change})
                self._seen[key] = image
        return records


def deliver(ports: Ports, *records: Record) -> bool:
    """Whether the stream's function took them; if not, the stream brings them again."""
    with wiring.using(ports):
        try:
            api_events.follow_changes({"Records": list(records)})
        except DependencyFailed:
            return False
    return True


def run(world: World, job: Job, deliver_all: Callable[[list[Record]], None]) -> list[JobEvent]:
    """The whole job, with what the stream brings; its events in the end."""
    stream = Stream(world)
    for _ in range(40):
        deliver_all(stream.read())
        for batch_job, child in world.waiting():
            world.run_worker(batch_job, child)
            deliver_all(stream.read())
        if world.job(job).is_terminal and not world.waiting():
            break
        world.tick()
    deliver_all(stream.read())
    return list(list_events(world.ports, world.job(job), 0, 1000))


def run_undisturbed(world: World, job: Job) -> list[JobEvent]:
    def deliver_all(records: list[Record]) -> None:
        for record in records:
            deliver(world.ports, record)

    return run(world, job, deliver_all)


def started() -> tuple[World, Job]:
    world = World()
    world.cells = CELLS
    video = world.ready(CELLS)
    return world, start_job(world.ports, video, make_request())


def assert_sound(events: list[JobEvent]) -> None:
    """Numbered from 1 without a gap; every commit once; the end last and once."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    committed = [event.committed.segment_index for event in events if event.committed]
    assert sorted(committed) == list(range(CELLS))
    assert events[-1].state is JobState.SUCCEEDED
    assert len({event.origin for event in events}) == len(events)


def test_a_job_is_told_from_its_start_to_its_end() -> None:
    world, job = started()
    events = run_undisturbed(world, job)
    assert_sound(events)
    assert [event.state for event in events if event.state][-2:] == [JobState.FINISHING, JobState.SUCCEEDED]


def test_an_event_of_a_commit_says_where_and_how_much() -> None:
    world, job = started()
    events = run_undisturbed(world, job)
    committed = next(event.committed for event in events if event.committed and event.committed.segment_index == 2)
    assert (committed.start_pts, committed.end_pts) == (4000, 6000)
    assert (committed.start_seconds, committed.end_seconds) == (4.0, 6.0)


@pytest.mark.parametrize("is_done_first", [False, True], ids=["refused", "reply lost"])
def test_every_single_fault_of_the_outbox_leaves_neither_gap_nor_double(is_done_first: bool) -> None:
    calls = Faults()
    run_with_fault(calls)
    assert calls.calls > CELLS * 5
    for fails_at in range(calls.calls):
        run_with_fault(Faults(fails_at, is_done_first=is_done_first))


def run_with_fault(faults: Faults) -> None:
    world, job = started()
    ports = replace(faults.wrap(world.fakes.ports), events=_Faulty(world.fakes.ports.events, faults))

    def deliver_all(records: list[Record]) -> None:
        for record in records:
            # The stream brings a record again until it is taken.
            while not deliver(ports, record):
                pass

    assert_sound(run(world, job, deliver_all))


class _Faulty:
    def __init__(self, port: Any, faults: Faults) -> None:
        self._port, self._faults = port, faults

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        return lambda *args, **kwargs: self._faults.call(lambda: method(*args, **kwargs))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_records_that_are_lost_doubled_or_late_leave_neither_gap_nor_double(seed: int) -> None:
    dice = random.Random(seed)
    world, job = started()
    late: list[Record] = []

    def deliver_all(records: list[Record]) -> None:
        for record in records:
            times = dice.choice([0, 1, 1, 2])
            late.extend([record] * dice.choice([0, 0, 1]))
            for _ in range(times):
                deliver(world.ports, record)
        if late and dice.random() < 0.3:
            deliver(world.ports, late.pop(dice.randrange(len(late))))

    events = run(world, job, deliver_all)
    for record in late:
        deliver(world.ports, record)
    assert_sound(events)
    assert list(list_events(world.ports, world.job(job), 0, 1000)) == events


@given(reads=st.lists(st.integers(1, 4), max_size=20))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_who_reads_on_from_its_last_seq_misses_nothing_and_sees_nothing_twice(reads: list[int]) -> None:
    world, job = started()
    seen: list[JobEvent] = []

    def deliver_all(records: list[Record]) -> None:
        for record in records:
            deliver(world.ports, record)
        limit = reads.pop() if reads else 3
        seen.extend(list_events(world.ports, world.job(job), seen[-1].seq if seen else 0, limit))

    events = run(world, job, deliver_all)
    while more := list_events(world.ports, world.job(job), seen[-1].seq if seen else 0, 3):
        seen.extend(more)
    assert seen == events


def test_whoever_asks_after_the_last_event_that_was_told_still_learns_of_the_end() -> None:
    world, job = started()

    def lose_the_end(records: list[Record]) -> None:
        for record in records:
            if record["dynamodb"]["NewImage"]["state"]["S"] != JobState.SUCCEEDED:
                deliver(world.ports, record)

    run(world, job, lose_the_end)
    last = world.fakes.ports.events.list(owner_of(job), 0, 1000)[-1]
    assert last.state is JobState.SUCCEEDED
    assert list(list_events(world.ports, world.job(job), last.seq - 1, 10)) == [last]
    assert list(list_events(world.ports, world.job(job), last.seq, 10)) == []


def test_tracks_that_become_current_are_no_second_end() -> None:
    world, job = started()
    events = run_undisturbed(world, job)
    owner, ended = owner_of(job), world.job(job)
    # As a worker does that has tracked again: a newer version in the same state.
    world.fakes.memory.jobs[owner] = replace(ended, tracks_version=1, version=ended.version + 1)
    for after in (0, len(events) - 1, len(events), len(events) + 7):
        assert list(list_events(world.ports, world.job(job), after, 1000)) == events[after:]


def test_what_cannot_be_told_by_graphql_holds_up_no_other_event() -> None:
    world, _ = started()
    beyond = CommittedRange(0, 2**53 + 1, 2**53 + 2, 0.0, 1.0, ())
    events = [replace(make_commit_event(0, committed=beyond), seq=1), replace(make_commit_event(1), seq=2)]
    records = [{"dynamodb": {"NewImage": item_to_wire(event_to_item(event, None))}} for event in events]
    with wiring.using(world.ports):
        api_events.publish_recorded({"Records": records})
    assert [event.seq for event, _ in world.fakes.publisher.published] == [2]


def test_a_cancelled_job_is_told_with_its_cause() -> None:
    world, job = started()
    stream = Stream(world)
    cancel_job(world.ports, world.job(job))
    for record in stream.read():
        deliver(world.ports, record)
    (event,) = [event for event in list_events(world.ports, world.job(job), 0, 10) if event.state]
    assert (event.state, event.failure) == (JobState.CANCELLED, world.job(job).failure)


def test_a_record_of_a_job_that_was_deleted_since_is_passed_over() -> None:
    world, job = started()
    records = Stream(world).read()
    world.ports.jobs.delete(world.job(job))
    assert deliver(world.ports, *records)
    assert world.fakes.memory.events == {}


def test_a_segment_that_failed_is_no_commit() -> None:
    world, job = started()
    stream = Stream(world)
    stream.read()
    unit = world.unit(job, 1)
    world.ports.units.end(owner_of(job), unit, state=UnitState.FAILED, fence="f", failure=A_FAILURE)
    deliver(world.ports, *stream.read())
    assert [event for event in list_events(world.ports, world.job(job), 0, 10) if event.committed] == []


def test_what_is_recorded_is_published_and_a_failure_is_the_streams_to_repeat() -> None:
    world, _ = started()
    event = replace(make_commit_event(1), seq=3)
    record = {"eventName": "INSERT", "dynamodb": {"NewImage": item_to_wire(event_to_item(event, None))}}
    publisher = world.fakes.publisher
    publisher.failures_left = 1
    with wiring.using(world.ports):
        with pytest.raises(DependencyFailed):
            api_events.publish_recorded({"Records": [record]})
        api_events.publish_recorded({"Records": [record]})
    ((told, fields),) = publisher.published
    assert told == event
    assert (fields["seq"], fields["kind"], fields["segmentIndex"]) == (3, JobEventKind.SEGMENT_COMMITTED, 1)
    assert fields["labels"] == [
        {"label": "person", "detections": 3, "scoreMax": 0.9},
        {"label": "dog", "detections": 1, "scoreMax": 0.5},
    ]


def test_counts_of_a_commit_are_those_of_all_its_blocks_the_most_frequent_first() -> None:
    entry = make_entry(0)
    ref = _ref({"dog": (1, 5000), "person": (2, 9000)})
    cell = replace(entry.cells_by_model[0][0], blocks=(ref, _ref({"dog": (4, 7500)})))
    counted = count_labels(replace(entry, cells_by_model=((cell,), (replace(cell, blocks=(ref,)),))))
    assert counted == (LabelCount("dog", 6, 0.75), LabelCount("person", 4, 0.9))


def test_an_event_stays_far_below_what_may_be_published() -> None:
    entry = make_entry(0)
    ref = _ref({f"{number:04d}" + "ä" * 251: (number + 1, 5000) for number in range(MAX_LABELS + 50)})
    cell = replace(entry.cells_by_model[0][0], blocks=(ref,))
    counted = count_labels(replace(entry, cells_by_model=((cell,),)))
    assert (len(counted), counted[0].detections) == (MAX_LABELS, MAX_LABELS + 50)
    assert sum(len(count.label.encode()) + 80 for count in counted) < 240_000


def _ref(labels: dict[str, tuple[int, int]]) -> BlockRef:
    return BlockRef("sk", "sha", 0, 1, 1, sum(count for count, _ in labels.values()), labels)


def test_a_commit_whose_index_was_dropped_has_no_event() -> None:
    world, job = started()
    stream = Stream(world)
    stream.read()
    batch_job, child = world.waiting()[0]
    world.run_worker(batch_job, child)
    world.ports.results.drop_job(job.tenant, job.job_id)
    deliver(world.ports, *stream.read())
    assert [event for event in list_events(world.ports, world.job(job), 0, 10) if event.committed] == []


def test_an_entry_is_only_taken_for_its_own_segment() -> None:
    world, job = started()
    entry: IndexEntry = make_entry(3)
    world.fakes.results.write_index(job.tenant, job.job_id, entry)
    unit = replace(world.unit(job, 1), state=UnitState.DONE)
    world.fakes.memory.units[owner_of(job)][UnitKind.SEGMENT, 1] = unit
    stream = Stream(world)
    deliver(world.ports, *stream.read())
    assert [event for event in list_events(world.ports, world.job(job), 0, 10) if event.committed] == []
