"""What units say they took: nothing twice, nothing left out, and attempts that broke off as well."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.work_order import OrderedModel
from chalicelib.domain.units import UnitKind
from chalicelib.domain.usage import ModelUsage, Usage
from gpu_batch.errors import Drained
from gpu_batch.lease import Stop
from gpu_batch.meter import Meter, Process, StageClock
from gpu_batch.segment_step import run_segments
from tests.models.makers import a_detector, a_manifest
from tests.worker.clips import make_clip
from tests.worker.scene import EVERY_CELL, Scene, a_scene

MODEL_BYTES = a_detector().SerializeToString()
BUSY_SECONDS = 0.02


def be_busy() -> None:
    """Spend CPU time."""
    until = time.thread_time() + BUSY_SECONDS
    while time.thread_time() < until:
        pass


def a_child() -> tuple[Scene, list[UnitKey]]:
    """A job of one segment of twelve frames for each cell, and a model that finds nothing."""
    scene = a_scene(make_clip())
    manifest = a_manifest(MODEL_BYTES)
    scene.cloud.objects["model"] = MODEL_BYTES
    order = replace(scene.order, models=(OrderedModel(manifest.name, "model", manifest.to_json()),))
    keys = [scene.cloud.open_unit(order.pk, UnitKind.SEGMENT, one) for one in scene.segments(EVERY_CELL)]
    return replace(scene, order=order), keys


def usage_of(scene: Scene, key: UnitKey) -> Usage:
    return Usage.from_json(scene.cloud.unit(key)["usage"])


def test_a_process_tells_every_cpu_second_once() -> None:
    process = Process()
    be_busy()
    process.begin()
    be_busy()
    first, second = process.take(), process.take()
    assert first.cpu >= first.start + BUSY_SECONDS
    assert (first.children, second.children, second.start) == (1, 0, 0.0)
    assert second.cpu < BUSY_SECONDS
    be_busy()
    assert process.take().cpu >= BUSY_SECONDS


def test_a_model_s_opening_is_told_by_whoever_ends_next() -> None:
    process = Process()
    with process.loading("a"):
        be_busy()
    meter = Meter(process)
    load = meter.take().load
    assert load["a"].amount == 1
    assert load["a"].seconds >= BUSY_SECONDS
    assert meter.take().load == {}


def test_threads_add_to_one_meter() -> None:
    meter = Meter(Process())

    def work() -> None:
        for _ in range(200):
            meter.add(Usage(frames=1))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.take().frames == 1600


def test_a_clock_tells_decoding_resizing_and_models_apart() -> None:
    clock = StageClock()
    be_busy()
    clock.decoded()
    be_busy()
    clock.prepared()
    clock.inferred("a", 100, 2)
    be_busy()
    clock.inferred("a", 100, 3)
    usage = clock.usage(frames=5)
    assert usage.decode >= BUSY_SECONDS
    assert usage.prepare >= BUSY_SECONDS
    assert usage.infer["a:100"].amount == usage.frames == 5
    assert usage.infer["a:100"].seconds >= BUSY_SECONDS


def test_the_units_of_a_child_sum_to_what_it_took() -> None:
    scene, keys = a_child()
    before = time.process_time()
    run_segments(scene.cloud, scene.order, [0, 1, 2], claimed_by="batch:0", stop=Stop())
    spent = time.process_time() - before
    usages = [usage_of(scene, key) for key in keys[:3]]
    total = sum(usages, Usage())
    model = scene.order.models[0].manifest["sha256"]
    assert (total.frames, total.frames_decoded) == (36, 36)
    media = scene.order.media
    assert media is not None
    assert total.pixels_decoded == 36 * media.width * media.height
    assert total.bytes_read > 0
    assert sum(one.amount for one in total.infer.values()) == 36
    assert total.load[model].amount == 1
    # The first has what this process spent before, too.
    assert sum(one.cpu for one in usages[1:]) <= spent
    assert all(one.told_apart - one.start <= one.cpu + 0.05 for one in usages)


def test_an_attempt_that_was_drained_counts_with_the_next() -> None:
    scene, keys = a_child()
    stop = Stop()
    stop.set()
    with pytest.raises(Drained):
        run_segments(scene.cloud, scene.order, [0], claimed_by="batch:0", stop=stop)
    first = usage_of(scene, keys[0])
    assert first.cpu > 0
    run_segments(scene.cloud, scene.order, [0], claimed_by="batch:1", stop=Stop())
    both = usage_of(scene, keys[0])
    assert (both.frames, both.cpu > first.cpu) == (12, True)
    assert both.wall >= first.wall


def test_what_models_took_is_added_by_name() -> None:
    one, other = (
        Usage(infer={"a:9": ModelUsage(1.0, 2)}),
        Usage(infer={"a:9": ModelUsage(2.0, 3), "b:9": ModelUsage(4.0, 1)}),
    )
    assert (one + other).infer == {"a:9": ModelUsage(3.0, 5), "b:9": ModelUsage(4.0, 1)}
