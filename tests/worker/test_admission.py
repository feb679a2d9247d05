"""The admission of a model as a unit of work: what is good is stored, what is bad is refused, and nothing breaks it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from chalicelib.contracts import object_keys
from chalicelib.contracts.model_items import manifest_of
from chalicelib.contracts.model_recipe import TASK_BY_ADAPTER, ModelRecipe
from chalicelib.contracts.work_order import OrderedSource, OrderKind, WorkOrder
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.model_versions import MAX_MODEL_BYTES
from chalicelib.domain.units import UnitKind, UnitState
from gpu_batch.admit_step import AdmissionLimits, run_admission
from gpu_batch.aws import Superseded
from gpu_batch.compiler import admission as compilation
from gpu_batch.compiler import trial
from gpu_batch.compiler.adapters import ADAPTER_BY_NAME
from gpu_batch.compiler.refusal import ModelRefused
from gpu_batch.errors import Drained
from gpu_batch.lease import Stop
from gpu_batch.main import STEP_BY_KIND
from gpu_batch.models.loader import load
from gpu_batch.sandbox import Ended, Limits, run_limited
from tests.models import networks
from tests.models.test_compiler_adapters import some_frames
from tests.worker.bad_models import BAD_MODELS
from tests.worker.memory_cloud import MemoryCloud, facts_of

GIB = 1 << 30
SHORT = Limits(memory_bytes=2 * GIB, cpu_seconds=3, wall_seconds=60, file_bytes=64 << 20)
"""Enough for what is good, whatever else the machine does."""
LIMITS = AdmissionLimits(SHORT, SHORT)
IN_EVERY_TEST_RUN = {"noise", "a bomb", "a bomb that grows", "any size", "random", "endless", "slow"}
"""Of the corpus, through the two processes: what is no model, what no process survives, a refusal by each of them."""
MODEL_ID = "mdl_01JD8GQ0M5X2R7T4V9W3Y6Z1AB"


class Admission:
    """A deployment with an uploaded model, and the order to admit it."""

    def __init__(self, content: bytes, adapter: str = "yolox", **told: Any) -> None:
        self.cloud = MemoryCloud()
        self.cloud.videos["upload"] = content
        fields: dict[str, Any] = {"name": "tiny", "version": "1", "adapter": adapter, "labels": ("a", "b", "c")}
        self.order = WorkOrder(
            kind=OrderKind.ADMIT,
            tenant="acme",
            video_id="",
            model_id=MODEL_ID,
            submission=SubmissionId("admit"),
            source=OrderedSource("bucket", "upload", "", "", len(content), hashlib.sha256(content).hexdigest()),
            lease_seconds=30.0,
            heartbeat_seconds=10.0,
            parameters=ModelRecipe(**{**fields, **told}).to_json(),
        )
        self.key = self.cloud.open_unit(self.order.pk, UnitKind.ADMIT)

    def run(self, limits: AdmissionLimits = LIMITS, stop: Stop | None = None) -> None:
        # As it lies in S3.
        order = WorkOrder.from_bytes(self.order.to_bytes())
        run_admission(self.cloud, order, claimed_by="batch:0", stop=stop or Stop(), limits=limits)

    def run_here(self, folder: Path) -> None:
        """Compile in this process, which has no limits but has imported all; leaves in `folder` what the other does."""
        (folder / compilation.SOURCE).write_bytes(self.cloud.videos["upload"])
        (folder / compilation.RECIPE).write_text(json.dumps(self.order.parameters))
        compilation.main(folder)

    def refusal(self, limits: AdmissionLimits = LIMITS) -> dict[str, Any]:
        """What is recorded of one that must be refused."""
        with pytest.raises(ModelRefused) as refused:
            self.run(limits)
        assert refused.value.exit_code == 66
        assert self.cloud.unit(self.key)["state"] == UnitState.FAILED
        assert self.cloud.objects == {}
        (outcome,) = self.cloud.outcomes
        facts = facts_of(outcome)
        assert (facts["state"], facts["from_state"]) == ("REJECTED", "UPLOADED")
        assert facts["failure"] == self.cloud.unit(self.key)["failure"]
        return facts


@pytest.fixture(scope="module")
def admitted() -> Admission:
    """One that was done."""
    admission = Admission(networks.yolox())
    admission.run()
    return admission


# --- what is good ----------------------------------------------------------------------------------------------------


def test_a_good_model_is_stored_in_canonical_form_and_is_ready() -> None:
    admission = Admission(networks.yolox(), labels=("person", None, "dog"), score_floor=0.3, licence="MIT")
    admission.run()
    record, place = map(facts_of, admission.cloud.outcomes)
    manifest = json.loads(record["manifest"])
    content = admission.cloud.objects[object_keys.own_model_key("acme", MODEL_ID)]
    assert (record["state"], record["from_state"]) == ("READY", "UPLOADED")
    assert (manifest["labels"], manifest["score_floor"], manifest["licence"]) == (["person", "dog"], 0.3, "MIT")
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert place["manifest"] == record["manifest"]
    assert set(record["trial"]) == {"cpu_ms_by_input", "memory_mb"}
    assert list(record["trial"]["cpu_ms_by_input"]) == ["128x64"]
    (digest,) = admission.cloud.items("meta", "MODEL_DIGEST")
    assert (digest["pk"], digest["model_id"]) == ("acme#models", MODEL_ID)
    assert admission.cloud.unit(admission.key)["state"] == UnitState.DONE
    found = manifest_of(digest)
    assert found is not None
    assert (load(found, content).run(some_frames(1))[1] > 0.3).any()


def test_an_admission_gives_the_same_bytes_each_time_and_others_for_other_labels(
    admitted: Admission, tmp_path: Path
) -> None:
    (stored,) = admitted.cloud.objects.values()
    again = Admission(networks.yolox())
    again.run()
    assert list(again.cloud.objects.values()) == [stored]
    Admission(networks.yolox(), labels=("c", "b", "a")).run_here(tmp_path)
    assert (tmp_path / "model.onnx").read_bytes() != stored


def test_an_admission_that_was_done_is_not_done_again(admitted: Admission) -> None:
    admitted.run()
    assert len(admitted.cloud.outcomes) == 2


# --- what is bad -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, bad in BAD_MODELS.items() if bad.code is ErrorCode.MODEL_INVALID])
def test_a_bad_model_has_its_reason(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = BAD_MODELS[name]
    Admission(bad.make(), bad.adapter, **bad.recipe).run_here(tmp_path)
    refusal = tmp_path / compilation.REFUSAL
    if not refusal.exists():
        trial.main(tmp_path)
    told = json.loads(refusal.read_text() if refusal.exists() else capsys.readouterr().out)
    assert bad.reason in "\n".join(told["reasons"])


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in IN_EVERY_TEST_RUN)) for name in BAD_MODELS]
)
def test_a_bad_model_is_refused_with_its_reason(name: str) -> None:
    bad = BAD_MODELS[name]
    facts = Admission(bad.make(), bad.adapter, **bad.recipe).refusal()
    assert bad.reason in "\n".join(facts["reasons"])
    assert facts["failure"]["code"] == bad.code
    assert facts["failure"]["detail"].startswith("the model is refused for")
    assert facts["failure"]["hint"]


def test_the_corpus_is_as_large_as_was_promised() -> None:
    assert len(BAD_MODELS) >= 30


def test_every_reason_is_recorded_at_once_in_the_words_of_the_manifest() -> None:
    network = networks.yolox(shape=networks.image_input(height="h", width="w"))
    reasons = Admission(network, activation="softmax", box_form="xyxy", clip_frames=3).refusal()["reasons"]
    joined = "\n".join(reasons)
    for part in ("head.activation must be", "head.box_form means nothing", "clip_frames means", "say input.shapes"):
        assert part in joined
    assert "--" not in joined


def test_a_file_that_is_too_large_is_refused_unread() -> None:
    admission = Admission(b"x")
    admission.order = replace(admission.order, source=replace(admission.order.source, size_bytes=MAX_MODEL_BYTES + 1))
    assert "must have at most" in admission.refusal()["reasons"][0]


def test_the_bytes_of_another_version_are_refused_with_its_name(admitted: Admission) -> None:
    (digest,) = admitted.cloud.items("meta", "MODEL_DIGEST")
    second = Admission(networks.yolox(), version="2")
    second.cloud.tables["meta"][digest["pk"], digest["sk"]] = digest | {"model_id": "mdl_other"}
    assert "it is tiny@1, byte for byte" in second.refusal()["reasons"][0]
    third = Admission(networks.yolox(), version="2")
    third.cloud.tables["meta"][digest["pk"], digest["sk"]] = digest | {"model_id": "mdl_other", "removed_at": 1}
    third.run()
    assert third.cloud.unit(third.key)["state"] == UnitState.DONE


def test_a_model_that_takes_too_long_in_its_trial_is_refused_as_such() -> None:
    impatient = AdmissionLimits(SHORT, replace(SHORT, wall_seconds=0.0))

    def sleep(_: str, __: object, *rest: Any) -> Ended:
        # A real trial may be over before a busy machine looks at the clock again.
        return run_limited("timeit", ["-n", "1", "import time; time.sleep(60)"], *rest)

    with mock.patch.object(trial, "run_limited", sleep):
        facts = Admission(networks.yolox()).refusal(impatient)
    assert facts["failure"]["code"] == ErrorCode.MODEL_TIMEOUT
    assert facts["reasons"] == ["its trial took more than 0 seconds"]


# --- what happens to the worker --------------------------------------------------------------------------------------


def test_a_worker_that_must_stop_gives_the_claim_back_at_once() -> None:
    admission, stop = Admission(BAD_MODELS["endless"].make(), "logits"), Stop()
    with mock.patch("gpu_batch.sandbox.time.sleep", side_effect=lambda _: stop.set()), pytest.raises(Drained):
        admission.run(stop=stop)
    assert admission.cloud.unit(admission.key)["state"] == UnitState.OPEN
    assert admission.cloud.outcomes == []


def test_a_model_that_was_deleted_meanwhile_leaves_no_file() -> None:
    admission = Admission(networks.yolox())

    def refuse(*_: object, **__: object) -> None:
        raise Superseded

    with mock.patch.object(admission.cloud, "end", refuse), pytest.raises(Superseded):
        admission.run()
    assert admission.cloud.objects == {}


def test_the_worker_has_a_step_for_it() -> None:
    admission = Admission(networks.yolox())
    STEP_BY_KIND[OrderKind.ADMIT](admission.cloud, admission.order, 0, "batch:0", Stop())
    assert admission.cloud.unit(admission.key)["state"] == UnitState.DONE


# --- the process with limits -----------------------------------------------------------------------------------------

BREAKERS = {
    "segfault": ("import ctypes; ctypes.string_at(0)", ErrorCode.MODEL_INVALID, "crashed with SIGSEGV"),
    "abort": ("import os; os.abort()", ErrorCode.MODEL_INVALID, "crashed with SIGABRT"),
    "memory": ("x = bytearray(1 << 40)", ErrorCode.RESOURCE_LIMIT, "needs more than 2 GiB of memory"),
    "cpu": ("while True: pass", ErrorCode.MODEL_TIMEOUT, "took more than 1 seconds of CPU time"),
    "sleep": ("import time; time.sleep(60)", ErrorCode.MODEL_TIMEOUT, "took more than 0.2 seconds"),
    "disk": ("open('x', 'wb').write(bytes(2 << 20))", ErrorCode.RESOURCE_LIMIT, "makes a file of more than"),
    "exit": ("import sys; sys.exit('bad luck')", ErrorCode.MODEL_INVALID, "ended with code 1: SystemExit: bad luck"),
}


@pytest.mark.parametrize("name", BREAKERS)
def test_a_process_that_breaks_is_a_failure_with_its_cause(name: str, tmp_path: Path) -> None:
    code, error, words = BREAKERS[name]
    wall_seconds = 0.2 if name == "sleep" else 60
    limits = Limits(memory_bytes=2 * GIB, cpu_seconds=1, wall_seconds=wall_seconds, file_bytes=1 << 20)
    ended = run_limited("timeit", ["-n1", "-r1", code], tmp_path, limits)
    assert words in ended.failure
    assert ended.code is error


def test_a_limited_process_sees_nothing_of_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("REELSCAN_META_TABLE", "meta")
    ended = run_limited("timeit", ["-n1", "-r1", "import os; print(sorted(os.environ))"], tmp_path, SHORT)
    assert ended.failure == ""
    assert "AWS" not in ended.output
    assert "REELSCAN" not in ended.output
    assert "PATH" in ended.output


def test_a_check_that_raises_ends_the_process(tmp_path: Path) -> None:
    def stop() -> None:
        raise Drained("the machine is being taken away")

    marker = tmp_path / "alive"
    code = f"import time; time.sleep(1); open({str(marker)!r}, 'w')"
    with pytest.raises(Drained):
        run_limited("timeit", ["-n1", "-r1", code], tmp_path, SHORT, stop)
    assert not marker.exists()


def test_the_api_knows_the_adapters_of_the_compiler() -> None:
    assert {name: adapter.task for name, adapter in ADAPTER_BY_NAME.items()} == TASK_BY_ADAPTER
