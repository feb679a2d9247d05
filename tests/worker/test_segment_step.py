"""Segments as units of work: each claimed, analysed and committed; one that fails does not take the others along."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.recipes import current_analysis
from chalicelib.contracts.work_order import OrderedModel
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.models import ModelTask
from chalicelib.domain.segments import Segment
from chalicelib.domain.units import UnitKind, UnitState
from gpu_batch.aws import Claim
from gpu_batch.errors import BadInput, BadOrder, Drained, Passing
from gpu_batch.lease import Stop
from gpu_batch.segment_step import deal_threads, run_segments
from tests.models.makers import a_detector, a_manifest
from tests.worker.clips import make_clip
from tests.worker.scene import EVERY_CELL, Scene, a_scene

MODEL_BYTES = a_detector().SerializeToString()


def a_child() -> tuple[Scene, tuple[Segment, ...], list[UnitKey]]:
    """A deployment with a job of one segment for each cell, and a model that finds nothing."""
    scene = a_scene(make_clip())
    manifest = a_manifest(MODEL_BYTES)
    scene.cloud.objects["model"] = MODEL_BYTES
    order = replace(scene.order, models=(OrderedModel(manifest.name, "model", manifest.to_json()),))
    segments = scene.segments(EVERY_CELL)
    keys = [scene.cloud.open_unit(order.pk, UnitKind.SEGMENT, segment) for segment in segments]
    return replace(scene, order=order), segments, keys


def run(scene: Scene, indices: list[int], stop: Stop | None = None) -> None:
    run_segments(scene.cloud, scene.order, indices, claimed_by="batch:0", stop=stop or Stop())


def states(scene: Scene, keys: list[UnitKey]) -> list[str]:
    return [str(scene.cloud.unit(key)["state"]) for key in keys]


def test_every_segment_of_the_child_is_committed_and_no_other() -> None:
    scene, _, keys = a_child()
    run(scene, [0, 2, 4])
    assert states(scene, keys) == ["DONE", "OPEN", "DONE", "OPEN", "DONE"]


def test_a_commit_makes_the_segment_readable() -> None:
    scene, segments, _ = a_child()
    run(scene, [1])
    (entry,) = map(IndexEntry.from_item, scene.cloud.items("results", "INDEX"))
    assert (entry.segment, entry.start_pts, entry.end_pts) == (1, segments[1].start_pts, segments[1].end_pts)
    assert [cell.cell for cell in entry.cells_by_model[0]] == [1]


def test_a_commit_says_how_many_frames_were_shown_and_inferred() -> None:
    scene, _, keys = a_child()
    run(scene, [1])
    unit = scene.cloud.unit(keys[1])
    assert (unit["frames_shown"], unit["frames_inferred"]) == (12, 12)


def test_a_commit_says_what_its_blocks_are_keyed_by_and_what_was_there() -> None:
    scene, _, keys = a_child()
    run(scene, [1])
    unit = scene.cloud.unit(keys[1])
    model, sampling = scene.order.models[0].manifest["sha256"], scene.order.sampling or {}
    analysis = current_analysis(model_sha256=model, sampling=sampling, provider_class="cpu")
    assert (unit["analyses"], unit["reuse"]) == ([analysis], [[0, 12]])


def test_a_job_of_which_all_is_stored_needs_neither_model_nor_video() -> None:
    scene, segments, _ = a_child()
    run(scene, [0, 1, 2, 3, 4])
    scene.cloud.objects.pop("model")
    scene.cloud.videos.clear()
    scene.cloud.objects.pop("table")
    again = replace(scene, order=replace(scene.order, job_id="job_2"))
    keys = [scene.cloud.open_unit(again.order.pk, UnitKind.SEGMENT, segment) for segment in segments]
    run(again, [0, 1, 2, 3, 4])
    assert states(again, keys) == ["DONE"] * 5
    assert [scene.cloud.unit(key)["reuse"] for key in keys] == [[[1, 0]]] * 5


def test_a_commit_says_which_provider_the_models_ran_on_whatever_was_ordered() -> None:
    scene, _, keys = a_child()
    run(replace(scene, order=replace(scene.order, provider_class="cuda")), [1])
    assert scene.cloud.unit(keys[1])["provider"] == "cpu"


def test_a_segment_that_somebody_else_holds_is_passed_over() -> None:
    scene, _, keys = a_child()
    scene.cloud.claim(keys[0], claimed_by="another", lease_seconds=30)
    run(scene, [0, 1])
    assert states(scene, keys[:2]) == ["CLAIMED", "DONE"]


def test_a_segment_whose_holder_is_presumed_dead_is_taken_over() -> None:
    scene, _, keys = a_child()
    scene.cloud.claim(keys[0], claimed_by="another", lease_seconds=30)
    scene.cloud.time += 36
    run(scene, [0])
    unit = scene.cloud.unit(keys[0])
    assert (unit["state"], unit["attempt"], unit["claimed_by"]) == (UnitState.DONE, 2, "batch:0")


def test_a_segment_that_is_taken_away_at_its_commit_leaves_no_trace_and_the_next_is_done() -> None:
    scene, _, keys = a_child()
    end = scene.cloud.end

    def lose_the_first(claim: Claim, state: UnitState, **facts: object) -> None:
        if claim.key.index == 0:
            scene.cloud.unit(claim.key)["fence"] = "fnc_other"
        end(claim, state, **facts)  # type: ignore[arg-type]

    scene.cloud.end = lose_the_first  # type: ignore[method-assign]
    run(scene, [0, 1])
    assert states(scene, keys[:2]) == ["CLAIMED", "DONE"]
    assert [item["segment"] for item in scene.cloud.items("results", "INDEX")] == [1]


def test_a_model_with_other_bytes_fails_every_segment_with_its_cause() -> None:
    scene, _, keys = a_child()
    scene.cloud.objects["model"] = MODEL_BYTES + b"x"
    with pytest.raises(BadOrder, match="SHA-256"):
        run(scene, [0, 1])
    assert states(scene, keys[:2]) == ["FAILED", "FAILED"]
    assert scene.cloud.unit(keys[0])["failure"]["code"] == ErrorCode.MODEL_INVALID


def test_a_model_of_a_task_that_jobs_cannot_run_fails_the_segment() -> None:
    scene, _, keys = a_child()
    task = ModelTask.CLIP_CLASSIFICATION
    manifest = a_manifest(MODEL_BYTES, task=task, max_detections=None, nms_iou=None, clip_frames=8)
    order = replace(scene.order, models=(OrderedModel(manifest.name, "model", manifest.to_json()),))
    with pytest.raises(BadOrder, match="is for clip_classification"):
        run(replace(scene, order=order), [0])
    assert scene.cloud.unit(keys[0])["failure"]["code"] == ErrorCode.MODEL_INVALID


def test_a_model_is_loaded_under_a_claim() -> None:
    # A model that kills its worker must cost an attempt, or it would kill workers for ever.
    scene, _, keys = a_child()
    seen: list[str] = []
    get_object = scene.cloud.get_object

    def note_the_claim(key: str, start: int = 0, size: int | None = None) -> bytes:
        if key == "model":
            seen.append(str(scene.cloud.unit(keys[0])["state"]))
        return get_object(key, start, size)

    scene.cloud.get_object = note_the_claim  # type: ignore[method-assign]
    run(scene, [0, 1])
    assert seen == ["CLAIMED"]


def test_a_source_that_is_gone_fails_the_segment_with_its_cause() -> None:
    scene, _, keys = a_child()

    def gone(source: object) -> object:
        raise BadInput("the source is gone", code=ErrorCode.SOURCE_GONE)

    scene.cloud.open_source = gone  # type: ignore[method-assign,assignment]
    with pytest.raises(BadInput, match="the source is gone"):
        run(scene, [0])
    assert scene.cloud.unit(keys[0])["failure"]["code"] == ErrorCode.SOURCE_GONE


def test_a_stop_signal_gives_the_segment_back_and_leaves_the_rest() -> None:
    scene, _, keys = a_child()
    stop = Stop()
    stop.set()
    with pytest.raises(Drained):
        run(scene, [0, 1], stop)
    assert states(scene, keys[:2]) == ["OPEN", "OPEN"]
    assert [scene.cloud.unit(key)["attempts_allowed"] - scene.cloud.unit(key)["attempt"] for key in keys[:2]] == [3, 3]


def test_a_stop_signal_is_answered_whichever_thread_it_comes_to(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, _, keys = a_child()
    stop, answered, claim = Stop(), threading.Event(), scene.cloud.claim

    def answer(*_: object) -> None:
        stop.set()
        answered.set()

    def signal_and_claim(key: UnitKey, **claimed: Any) -> Claim | None:
        if key.index == 1:
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
            assert answered.wait(5), "the thread that waits for the sessions slept on"
        return claim(key, **claimed)

    monkeypatch.setattr(scene.cloud, "claim", signal_and_claim)
    before = signal.signal(signal.SIGUSR1, answer)
    try:
        with pytest.raises(Drained):
            run(scene, [0, 1], stop)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert states(scene, keys[:2]) == ["DONE", "OPEN"]


def test_a_killed_worker_is_followed_by_one_that_stores_the_same_and_infers_only_the_rest() -> None:
    scene, _, keys = a_child()
    undisturbed, _, _ = a_child()
    run(undisturbed, [0, 1, 2, 3, 4])

    def die(claim: Claim, state: UnitState, **facts: object) -> None:
        raise KeyboardInterrupt

    end, scene.cloud.end = scene.cloud.end, die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run(scene, [0])
    scene.cloud.end = end  # type: ignore[method-assign]
    scene.cloud.time += 36
    run(scene, [0, 1, 2, 3, 4])
    assert scene.cloud.unit(keys[0])["frames_inferred"] == 0
    bodies = [[item["body"] for item in one.cloud.items("results", "INDEX")] for one in (scene, undisturbed)]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    ("vcpus", "segments", "is_on_gpu", "threads"),
    [
        (1, 9, False, [1]),
        (2, 9, False, [2]),
        (3, 9, False, [3]),
        (8, 9, False, [2, 2, 2, 2]),
        (8, 3, False, [3, 3, 2]),
        (8, 1, False, [8]),
        (8, 0, False, [8]),
        (8, 9, True, [2, 2, 2, 2]),
        (2, 9, True, [1, 1, 1, 1]),
    ],
)
def test_threads_are_dealt_to_sessions(vcpus: int, segments: int, is_on_gpu: bool, threads: list[int]) -> None:
    assert deal_threads(vcpus, segments, is_on_gpu=is_on_gpu) == threads


def test_sessions_side_by_side_leave_what_one_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    one, _, _ = a_child()
    run(one, [0, 1, 2, 3, 4])
    monkeypatch.setenv("REELSCAN_VCPUS", "6")
    many, _, keys = a_child()
    loads: list[str] = []
    get_object = many.cloud.get_object

    def note_loads(key: str, start: int = 0, size: int | None = None) -> bytes:
        loads.extend([key] * (key == "model"))
        return get_object(key, start, size)

    many.cloud.get_object = note_loads  # type: ignore[method-assign]
    run(many, [0, 1, 2, 3, 4])
    assert states(many, keys) == ["DONE"] * 5
    assert loads == ["model"]
    bodies = [[item["body"] for item in scene.cloud.items("results", "INDEX")] for scene in (one, many)]
    assert bodies[0] == bodies[1]


def test_a_session_that_fails_leaves_the_others_to_their_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELSCAN_VCPUS", "4")
    scene, _, keys = a_child()
    end = scene.cloud.end

    def lose_the_first_commit(claim: Claim, state: UnitState, **facts: object) -> None:
        if claim.key.index == 0:
            raise Passing("DynamoDB did not answer")
        end(claim, state, **facts)  # type: ignore[arg-type]

    scene.cloud.end = lose_the_first_commit  # type: ignore[method-assign]
    with pytest.raises(Passing):
        run(scene, [0, 1, 2, 3])
    assert states(scene, keys[:4]) == ["CLAIMED", "DONE", "OPEN", "DONE"]
