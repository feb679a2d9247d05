"""Tracking a job again: from what is stored, wherever it was broken off, and beside the version that is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.contracts import object_keys, table_keys
from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.track_ids import TrackIds
from chalicelib.contracts.tracks import unpack_tracks
from chalicelib.contracts.work_order import OrderedModel, OrderKind, WorkOrder
from chalicelib.domain.units import UnitKind, UnitState
from gpu_batch.errors import BadOrder, Drained
from gpu_batch.lease import Stop
from gpu_batch.main import follow_order
from gpu_batch.retrack import SEGMENTS_PER_CHECKPOINT, run_retrack
from tests.models.makers import a_classifier_manifest
from tests.worker.memory_cloud import MemoryCloud, facts_of
from tests.worker.test_finish import FRAMES, MANIFEST, a_cloud, an_order, finish, stop_when_read

KEY = UnitKey("acme#job_1", UnitKind.TRACKS, name="0003")
JOB = ("acme#job_1", table_keys.JOB)
FINISHED_AT = "2026-03-01T12:00:00.000Z"
SEGMENTS = SEGMENTS_PER_CHECKPOINT + 3


def a_retrack_order(segments: int = SEGMENTS, *, make_current: bool = False, **tracking: Any) -> WorkOrder:
    parameters = {"tracking": tracking, "make_current": make_current}
    changes = {"kind": OrderKind.TRACKS, "step": "0003", "parameters": parameters, "job_finished_at": FINISHED_AT}
    return an_order(segments, **changes)


def a_finished_job(segments: int = SEGMENTS) -> MemoryCloud:
    """Its video, its cells and its sample table are gone: what asks for them fails."""
    cloud = a_cloud(segments)
    finish(cloud, an_order(segments))
    cloud.outcomes.clear()
    cloud.open_unit(KEY.pk, KEY.kind, name=KEY.name)
    cloud.tables["meta"][JOB] = {"state": "SUCCEEDED", "finished_at": FINISHED_AT}
    cloud.objects.clear()
    return cloud


def retrack(cloud: MemoryCloud, order: WorkOrder | None = None, stop: Stop | None = None) -> None:
    run_retrack(cloud, order or a_retrack_order(), claimed_by="batch:0", stop=stop or Stop())


def written(cloud: MemoryCloud, version: int) -> dict[str, bytes]:
    """What is stored of one version, by kind of key and number."""
    found = {}
    for (_, sk), item in cloud.tables["results"].items():
        name, _, rest = sk.partition("#")
        if name in ("TRACKS", "TRACKIDS", "TRACKTREE") and rest.startswith(f"{version:04d}"):
            found[name + rest[4:]] = item["body"]
    return found


def test_with_nothing_told_the_tracks_are_those_of_the_finish() -> None:
    cloud = a_finished_job()
    retrack(cloud)
    assert written(cloud, 3) == written(cloud, 0)
    assert cloud.unit(KEY)["result"] == {"tracks": 1}


def test_other_parameters_give_other_tracks_and_leave_version_0_as_it_is() -> None:
    cloud = a_finished_job(4)
    before = written(cloud, 0)
    retrack(cloud, a_retrack_order(4, score_high=0.15))
    (chunk,) = [body for name, body in written(cloud, 3).items() if name.startswith("TRACKS")]
    assert sorted(track.label for track in unpack_tracks(chunk)) == ["dog", "person"]
    assert written(cloud, 0) == before


def test_only_the_labels_that_are_asked_for_are_tracked() -> None:
    cloud = a_finished_job(4)
    retrack(cloud, a_retrack_order(4, score_high=0.15, labels=["dog"]))
    ids = TrackIds([written(cloud, 3)["TRACKIDS#00000#00"]]).of_block(0, [2] * FRAMES)
    assert ids is not None
    assert list(ids) == [0, 1] * FRAMES


def test_neither_the_video_nor_a_model_is_read() -> None:
    cloud = a_finished_job(4)
    asked: list[str] = []

    def get_object(key: str, start: int = 0, size: int | None = None) -> bytes:
        asked.append(key)
        return MemoryCloud.get_object(cloud, key, start, size)

    cloud.get_object = get_object  # type: ignore[method-assign]
    cloud.open_source = lambda source: asked.append(source.key)  # type: ignore[assignment,method-assign,return-value]
    retrack(cloud, a_retrack_order(4))
    assert asked == [object_keys.tracks_checkpoint_key("acme", "job_1", 3)]


def test_the_job_does_not_change_unless_the_version_is_made_current() -> None:
    cloud = a_finished_job(4)
    retrack(cloud, a_retrack_order(4))
    assert cloud.outcomes == []


def test_a_version_is_made_current_in_the_transaction_that_ends_it() -> None:
    cloud = a_finished_job(4)
    retrack(cloud, a_retrack_order(4, make_current=True))
    (outcome,) = cloud.outcomes
    facts = facts_of(outcome)
    assert (facts["tracks"], facts["finished_at"]) == (3, FINISHED_AT)
    assert outcome["ConditionExpression"] == "finished_at = :finished_at"


@pytest.mark.parametrize("segment", [0, SEGMENTS_PER_CHECKPOINT, SEGMENTS - 1])
def test_a_run_that_was_broken_off_anywhere_ends_as_if_it_had_not_been(segment: int) -> None:
    undisturbed, cloud = a_finished_job(), a_finished_job()
    retrack(undisturbed)
    with pytest.raises(Drained):
        retrack(cloud, stop=stop_when_read(cloud, table_keys.index_entry(segment)))
    cloud.before_read = lambda sk: None
    retrack(cloud)
    assert written(cloud, 3) == written(undisturbed, 3)
    assert cloud.unit(KEY)["state"] == UnitState.DONE


def test_a_second_run_goes_on_from_the_checkpoint() -> None:
    cloud = a_finished_job()
    with pytest.raises(Drained):
        retrack(cloud, stop=stop_when_read(cloud, table_keys.index_entry(SEGMENTS - 1)))
    read: list[str] = []
    cloud.before_read = read.append
    retrack(cloud)
    assert next(sk for sk in read if sk.startswith("INDEX")) == table_keys.index_entry(SEGMENTS_PER_CHECKPOINT)


def test_nothing_is_left_of_a_version_whose_job_was_deleted_meanwhile() -> None:
    cloud = a_finished_job(4)
    del cloud.tables["meta"][JOB]
    retrack(cloud, a_retrack_order(4))
    assert written(cloud, 3) == {}


def test_the_worker_follows_an_order_to_track() -> None:
    cloud = a_finished_job(4)
    cloud.objects["orders/1"] = a_retrack_order(4).to_bytes()
    follow_order(cloud, {"REELSCAN_WORK_ORDER": "s3://bucket/orders/1"}, Stop())
    assert cloud.unit(KEY)["state"] == UnitState.DONE


def test_an_order_to_track_without_media_is_a_bad_order() -> None:
    with pytest.raises(BadOrder, match="media facts"):
        retrack(MemoryCloud(), an_order(2, media=None))


def test_labels_of_frames_are_passed_over() -> None:
    cloud, manifest = a_finished_job(2), a_classifier_manifest(labels=MANIFEST.labels)
    models = (OrderedModel("colours", "model", manifest.to_json()),)
    retrack(cloud, replace(a_retrack_order(2), models=models))
    # Nothing but the tree of no tracks.
    assert {name.partition("#")[0] for name in written(cloud, 3)} <= {"TRACKTREE"}
    assert cloud.unit(KEY)["result"] == {"tracks": 0}
