"""Items of table `meta`: every domain object comes back from DynamoDB's typed values as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contracts import items, table_keys, version_items
from chalicelib.contracts.attribute_values import Item, item_from_wire, item_to_wire
from chalicelib.domain.errors import ErrorCode, Failure
from chalicelib.domain.events import JobEvent
from chalicelib.domain.ids import JobId, SubmissionId, TenantId, VideoId
from chalicelib.domain.jobs import Job, JobRequest, JobState, MissingRange, ModelRef, PlanFacts
from chalicelib.domain.media import Media, WholeReason
from chalicelib.domain.models import ModelTask
from chalicelib.domain.pipelines import Pipeline
from chalicelib.domain.result_versions import MOVES_KEPT, Move, MoveKind, ResultVersion
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.segments import Segment
from chalicelib.domain.side_steps import SideStep
from chalicelib.domain.units import Lane, Unit, UnitKind, UnitState
from chalicelib.domain.videos import Index, Source, Upload, UploadKind, Video, VideoState
from tests.contracts import domain_objects

GOLDEN = json.loads((Path(__file__).parent / "golden" / "items.json").read_text())
"""The items below as release 0.1 writes them, in wire form: a table that exists is not rewritten."""
MOMENT = datetime(2026, 11, 3, 12, 30, 0, 250_000, tzinfo=UTC)
FAILURE = Failure(ErrorCode.DAMAGED_RANGES, "a frame could not be decoded", "Upload the file again")


def a_video() -> Video:
    return Video(
        tenant=TenantId("acme"),
        video_id=VideoId("vid_01JD8GQ0M5X2R7T4V9W3Y6Z1AB"),
        filename="bikes.mp4",
        state=VideoState.READY,
        created_at=MOMENT,
        content_type="video/mp4",
        upload=Upload(UploadKind.MULTIPART, MOMENT + timedelta(hours=1), "upload-1", 8 << 20, 3),
        source=Source("bucket", "tenants/acme/videos/v/source", 20_000_000, "etag", "version", "ab" * 32),
        sha256="ab" * 32,
        media=Media("mp4", "h264", 640, 272, 90, Fraction(1, 12800), 10.0, 250, 6),
        index=Index("cells", "table", 6, '{"codec": "h264"}', -512, 128_000, None),
    )


def a_job() -> Job:
    return Job(
        tenant=TenantId("acme"),
        job_id=JobId("job_01JD8GQ0M5X2R7T4V9W3Y6Z1AB"),
        video_id=VideoId("vid_01JD8GQ0M5X2R7T4V9W3Y6Z1AB"),
        state=JobState.PARTIAL,
        request=JobRequest(
            ("nanodet-g",), Sampling(SamplingKind.PER_SECOND, Fraction(5, 2)), 0.35, ("person",), Fraction(1, 3)
        ),
        models=(ModelRef("nanodet-g", "1", "cd" * 32),),
        created_at=MOMENT,
        deadline_at=MOMENT + timedelta(days=1),
        plan=PlanFacts(1, 6, WholeReason.SHORT),
        finished_at=MOMENT + timedelta(minutes=1),
        summary={"detections": 3, "labels": [{"label": "person", "score_max": 0.91}]},
        missing=(MissingRange(1.5, 2.0, FAILURE),),
        failure=FAILURE,
        version=7,
    )


def a_unit() -> tuple[Unit, Segment]:
    unit = Unit(
        UnitKind.SEGMENT,
        3,
        UnitState.CLAIMED,
        attempt=1,
        fence="fnc_1",
        lease_until=1_793_709_000.5,
        claimed_by="batch-job:2",
        submission=SubmissionId("analyze"),
        child=2,
        lane=Lane.GPU,
        failure=FAILURE,
    )
    return unit, Segment(3, 38_912, 70_144, 2, 3)


@given(domain_objects.videos)
def test_a_video_survives_the_table(video: Video) -> None:
    assert items.video_from_item(_through_the_table(items.video_to_item(video, None))) == video


@given(domain_objects.jobs)
def test_a_job_survives_the_table(job: Job) -> None:
    assert items.job_from_item(_through_the_table(items.job_to_item(job, None))) == job


@given(domain_objects.pipelines)
def test_a_pipeline_survives_the_table(pipeline: Pipeline) -> None:
    assert version_items.pipeline_from_item(_through_the_table(version_items.pipeline_to_item(pipeline))) == pipeline


@given(domain_objects.result_versions)
def test_a_version_of_results_survives_the_table(version: ResultVersion) -> None:
    item = _through_the_table(version_items.result_version_to_item(version))
    assert version_items.result_version_from_item(item) == version


def test_an_alias_with_all_the_moves_it_may_have_is_a_small_item() -> None:
    """They are read with every page by alias, and a page of aliases must fit into an answer."""
    move = Move(MoveKind.PROMOTED, a_job().job_id, a_job().job_id, "c" * 200, "s" * 64, MOMENT)
    version = ResultVersion(TenantId("t" * 64), a_job().video_id, "p" * 64, "a" * 32, (move,) * MOVES_KEPT, None, 9)
    assert len(json.dumps(_as_json(version_items.result_version_to_item(version)))) < 30_000


@given(domain_objects.events, st.none() | st.integers(0, 2**40))
def test_an_event_survives_the_table(event: JobEvent, expires_at: int | None) -> None:
    assert items.event_from_item(_through_the_table(items.event_to_item(event, expires_at))) == event


@given(domain_objects.units(UnitKind.SEGMENT), st.integers(-(2**40), 2**40), st.integers(1, 2**40))
def test_a_segment_survives_the_table(unit: Unit, start_pts: int, ticks: int) -> None:
    segment = Segment(unit.index, start_pts, start_pts + ticks, 4, 5)
    item = _through_the_table(items.unit_to_item("acme#job", table_keys.segment(unit.index), unit, segment))
    assert (items.unit_from_item(item), items.segment_from_item(item)) == (unit, segment)


@pytest.mark.parametrize(("kind", "sk"), [(UnitKind.PROBE, table_keys.PROBE), (UnitKind.FINISH, table_keys.FINISH)])
def test_a_step_survives_the_table(kind: UnitKind, sk: str) -> None:
    unit = Unit(kind, 0, UnitState.OPEN, lease_until=0.0)
    assert items.unit_from_item(_through_the_table(items.unit_to_item("acme#vid", sk, unit))) == unit


@given(domain_objects.side_steps)
def test_a_side_step_survives_the_table(step: SideStep) -> None:
    sk = table_keys.side_step(step.unit.kind, step.unit.name)
    item = _through_the_table(items.side_step_to_item("acme#job", sk, step, MOMENT))
    assert items.side_step_from_item(item) == step
    assert item["due_at"] == MOMENT.timestamp()


@pytest.mark.parametrize("kind", ["video", "job", "unit"])
def test_items_are_written_as_they_always_were(kind: str) -> None:
    assert _as_json(_golden_items()[kind]) == GOLDEN[kind]


@pytest.mark.parametrize("kind", ["video", "job", "unit"])
def test_items_that_exist_are_read(kind: str) -> None:
    read = {"video": items.video_from_item, "job": items.job_from_item, "unit": items.unit_from_item}[kind]
    meant = {"video": a_video(), "job": a_job(), "unit": a_unit()[0]}[kind]
    assert read(item_from_wire(GOLDEN[kind])) == meant


def test_an_item_that_is_due_lies_in_the_due_index() -> None:
    item = items.video_to_item(a_video(), MOMENT)
    assert (item["due_shard"], item["due_at"]) == (table_keys.due_shard(item["pk"]), MOMENT.timestamp())


def test_an_item_that_is_not_due_is_not_in_the_due_index() -> None:
    assert not {"due_shard", "due_at"} & set(items.job_to_item(a_job(), None))


def test_an_item_of_a_segment_stays_under_a_kilobyte() -> None:
    item = items.unit_to_item("t" * 64 + "#" + a_job().job_id, table_keys.segment(3), *a_unit())
    assert len(json.dumps(_as_json(item))) < 1024


def test_times_are_written_in_utc_to_the_millisecond() -> None:
    berlin = datetime(2026, 11, 3, 13, 30, 0, 250_999, tzinfo=timezone(timedelta(hours=1)))
    assert items.time_to_text(berlin) == "2026-11-03T12:30:00.250Z"


def test_plain_gives_what_a_round_trip_gives() -> None:
    value = {"state": JobState.FAILED, "pair": (1, 2.5), "none": None}
    read = item_from_wire({"value": item_to_wire({"value": value})["value"]})["value"]
    assert items.plain(value) == read
    assert type(items.plain(value)["state"]) is str


def test_a_missing_range_without_a_cause_is_refused() -> None:
    with pytest.raises(ValueError, match="must have a cause"):
        items.missing_from_map({"start_seconds": 0, "end_seconds": 1, "failure": None})


def _golden_items() -> dict[str, Item]:
    unit, segment = a_unit()
    return {
        "video": items.video_to_item(a_video(), MOMENT),
        "job": items.job_to_item(a_job(), MOMENT),
        "unit": items.unit_to_item("acme#" + a_job().job_id, table_keys.segment(3), unit, segment),
    }


def _through_the_table(item: Item) -> Item:
    return item_from_wire(item_to_wire(item))


def _as_json(item: Item) -> Any:
    return json.loads(json.dumps(item_to_wire(item)))


if __name__ == "__main__":
    golden = {kind: _as_json(item) for kind, item in _golden_items().items()}
    (Path(__file__).parent / "golden" / "items.json").write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")


def test_an_item_of_a_job_says_what_a_model_is_for_unless_it_detects() -> None:
    models = (ModelRef("nanodet-g", "1", "cd" * 32), ModelRef("scenes", "1", "ef" * 32, ModelTask.CLASSIFICATION))
    job = replace(a_job(), models=models)
    item = item_from_wire(item_to_wire(items.job_to_item(job, None)))
    assert ["task" in ref for ref in item["models"]] == [False, True]
    assert items.job_from_item(item).models == models
