"""The worker's process: what it was told, and the exit code that Batch's retry rules read."""

from __future__ import annotations

import json

import pytest

from chalicelib.contracts.work_order import ENVIRONMENT_NAME
from chalicelib.domain.errors import DomainError, NotFound
from chalicelib.domain.units import UnitKind, UnitState
from gpu_batch.aws import Superseded
from gpu_batch.errors import BadInput, BadOrder, Drained, Passing
from gpu_batch.lease import Stop
from gpu_batch.main import exit_code_of, follow_order
from tests.worker.clips import make_clip
from tests.worker.memory_cloud import MemoryCloud, facts_of
from tests.worker.scene import a_scene, as_probe
from tests.worker.test_finish import a_cloud, an_order
from tests.worker.test_segment_step import a_child


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput("the file is cut off"), 65),
        (BadOrder("the model is not canonical"), 66),
        (Passing("reading an item failed: ThrottlingException"), 75),
        (Drained("the machine is being taken away"), 143),
        (Superseded(), 0),
        (DomainError("a rule was broken"), 1),
        (NotFound("it is gone"), 1),
        (KeyError("a bug"), 1),
    ],
    ids=repr,
)
def test_every_end_has_its_exit_code(error: Exception, code: int) -> None:
    def work() -> None:
        raise error

    assert exit_code_of(work) == code


def test_work_that_is_done_exits_with_zero() -> None:
    assert exit_code_of(lambda: None) == 0


def test_the_end_of_a_worker_is_logged_with_its_cause(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise BadInput("the file is cut off")

    exit_code_of(work)
    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["code"], line["detail"]) == ("ERROR", "MALFORMED", "the file is cut off")


def test_a_bug_is_logged_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise KeyError("a bug")

    exit_code_of(work)
    assert "KeyError: 'a bug'" in json.loads(capsys.readouterr().out)["trace"]


def follow(cloud: MemoryCloud, order: bytes, **environment: str) -> None:
    cloud.objects["orders/1"] = order
    follow_order(cloud, {ENVIRONMENT_NAME: "s3://bucket/orders/1", **environment}, Stop())


def test_a_child_takes_its_own_segments() -> None:
    scene, _, keys = a_child()
    form = json.loads(scene.order.to_bytes()) | {"children": [[0, 2], [1, 3]]}
    follow(scene.cloud, json.dumps(form).encode(), AWS_BATCH_JOB_ARRAY_INDEX="1", AWS_BATCH_JOB_ID="batch-7:1")
    assert [str(scene.cloud.unit(key)["state"]) for key in keys] == ["OPEN", "DONE", "OPEN", "DONE", "OPEN"]
    assert scene.cloud.unit(keys[1])["claimed_by"] == "batch-7:1"


def test_a_plain_job_is_its_only_child() -> None:
    scene, _, keys = a_child()
    follow(scene.cloud, scene.order.to_bytes())
    assert scene.cloud.unit(keys[0])["state"] == UnitState.DONE


def test_an_order_to_finish_ends_the_job() -> None:
    cloud = a_cloud(2)
    follow(cloud, an_order(2).to_bytes())
    assert facts_of(cloud.outcomes[0])["state"] == "SUCCEEDED"


def test_an_order_to_probe_makes_the_video_ready() -> None:
    scene = as_probe(a_scene(make_clip()))
    scene.cloud.open_unit(scene.order.pk, UnitKind.PROBE)
    follow(scene.cloud, scene.order.to_bytes())
    facts = facts_of(scene.cloud.outcomes[0])
    assert (facts["state"], facts["media"]["frame_count"], facts["index"]["cell_count"]) == ("READY", 60, 5)


def test_what_a_probe_stores_is_what_an_analysis_reads() -> None:
    scene = as_probe(a_scene(make_clip()))
    scene.cloud.open_unit(scene.order.pk, UnitKind.PROBE)
    follow(scene.cloud, scene.order.to_bytes())
    index = facts_of(scene.cloud.outcomes[0])["index"]
    assert scene.cloud.objects[index["cells_key"]] == scene.cloud.objects["cells"]
    assert scene.cloud.objects[index["table_key"]] == scene.cloud.objects["table"]


def test_a_video_that_cannot_be_read_is_rejected_with_its_cause() -> None:
    scene = as_probe(a_scene(make_clip()))
    scene.cloud.videos["source"] = b"this is no video" * 100
    key = scene.cloud.open_unit(scene.order.pk, UnitKind.PROBE)
    with pytest.raises(BadInput):
        follow(scene.cloud, scene.order.to_bytes())
    assert facts_of(scene.cloud.outcomes[0])["state"] == "REJECTED"
    assert scene.cloud.unit(key)["failure"] == facts_of(scene.cloud.outcomes[0])["failure"]


def test_a_second_probe_does_nothing() -> None:
    scene = as_probe(a_scene(make_clip()))
    scene.cloud.claim(scene.cloud.open_unit(scene.order.pk, UnitKind.PROBE), claimed_by="another", lease_seconds=30)
    follow(scene.cloud, scene.order.to_bytes())
    assert scene.cloud.outcomes == []


def test_an_order_of_another_release_is_a_bad_order() -> None:
    form = json.loads(an_order(2).to_bytes()) | {"version": 2}
    with pytest.raises(BadOrder, match="must be of version 1") as caught:
        follow(MemoryCloud(), json.dumps(form).encode())
    assert caught.value.exit_code == 66


def test_an_order_that_is_gone_is_no_reason_to_try_again() -> None:
    with pytest.raises(BadInput, match="is gone"):
        follow_order(MemoryCloud(), {ENVIRONMENT_NAME: "s3://bucket/orders/1"}, Stop())
