"""Analysing segments: the same blocks however the video is cut, and nothing done twice."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any
from unittest import mock

import av
import pytest

from chalicelib.contracts.blocks import unpack_block
from chalicelib.contracts.work_order import OrderedSource
from chalicelib.domain.sampling import Sampling, SamplingKind
from gpu_batch.analyze import Analyzer, missing_runs
from gpu_batch.aws import S3Source
from gpu_batch.errors import BadOrder, Passing
from gpu_batch.models.detect import detect
from gpu_batch.models.loader import Model, load, load_folder
from gpu_batch.models.on_demand import ModelOnDemand
from tests.models.makers import a_classifier, a_classifier_manifest
from tests.worker.clips import GOP, damage_frame, make_clip
from tests.worker.memory_cloud import MemorySource
from tests.worker.scene import EVERY_CELL, ONE_SEGMENT, Scene, a_scene
from tests.worker.toy_models import LABELS, ToySession, a_model

ROOT = Path(__file__).parents[2]
SAMPLINGS = [
    Sampling(),
    Sampling(SamplingKind.KEYFRAMES),
    Sampling(SamplingKind.PER_SECOND, Fraction(2)),
    Sampling(SamplingKind.PER_SECOND, Fraction(7)),
]


def stored_cells(scene: Scene) -> list[dict[str, Any]]:
    """The heads of all cells, without who wrote them."""
    heads = scene.cloud.items("results", "BLOCK")
    return [{name: value for name, value in head.items() if name != "request_id"} for head in heads]


def stored_rows(scene: Scene) -> list[tuple[Any, ...]]:
    """(pts, label, score, box) of every row that is stored, in order."""
    rows = []
    for head in stored_cells(scene):
        block = unpack_block(head["body"])
        row = 0
        for pts, count in zip(block.pts, block.counts, strict=True):
            for _ in range(count):
                box = (block.x1[row], block.y1[row], block.x2[row], block.y2[row])
                rows.append((pts, block.labels[block.row_labels[row]], block.row_scores[row], box))
                row += 1
    return rows


def plain_loop(clip: bytes | Path, model: Model, frames: int | None = None) -> list[tuple[Any, ...]]:
    """The same rows from one pass over the file with plain PyAV: no segments, no table, no blocks."""
    source: Any = io.BytesIO(clip) if isinstance(clip, bytes) else str(clip)
    rows = []
    with av.open(source) as opened:
        for number, frame in enumerate(opened.decode(video=0)):
            if number == frames:
                break
            found = detect(model, frame, 0)
            labels = [model.manifest.labels[label] for label in found.labels]
            for label, score, box in zip(labels, found.scores.tolist(), found.boxes.tolist(), strict=True):
                rows.append((frame.pts, label, score, tuple(box)))
    return rows


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_many_segments_store_the_same_bytes_as_one(sampling: Sampling) -> None:
    one, many = a_scene(make_clip(), sampling=sampling), a_scene(make_clip(), sampling=sampling)
    one.analyze([a_model()], ONE_SEGMENT)
    results = many.analyze([a_model()], EVERY_CELL)
    assert len(results) == len(many.cells) > 1
    assert stored_cells(many) == stored_cells(one)


def test_what_is_stored_is_what_a_plain_loop_finds() -> None:
    scene = a_scene(make_clip())
    scene.analyze([a_model()], EVERY_CELL)
    assert sorted(stored_rows(scene)) == sorted(plain_loop(make_clip(), a_model()))


def test_a_container_without_a_table_gives_what_a_plain_loop_finds() -> None:
    clip = make_clip(container="matroska")
    scene = a_scene(clip)
    scene.analyze([a_model()])
    assert sorted(stored_rows(scene)) == sorted(plain_loop(clip, a_model()))


def test_the_demo_clip_and_the_default_model_give_what_a_plain_loop_finds() -> None:
    path = ROOT / ".cache" / "videos" / "bikes.mp4"
    if not path.exists():
        pytest.fail(f"the demo clip must be at {path}: run `make setup`")
    model = load_folder(ROOT / "gpu_batch" / "default_models" / "nanodet-g")
    scene = a_scene(path.read_bytes())
    Scene(scene.cloud, scene.order, scene.cells[:1]).analyze([model])
    expected = plain_loop(path, model, frames=scene.cells[0].frames)
    assert len(expected) > 100
    assert sorted(stored_rows(scene)) == sorted(expected)


def a_colour_model() -> Model:
    content = a_classifier().SerializeToString()
    return load(a_classifier_manifest(content, score_floor=0.01, score_default=0.01), content)


def test_a_detector_and_a_classifier_see_the_same_decoded_frames() -> None:
    session, colours = ToySession(), a_colour_model()
    scene = a_scene(make_clip())
    results = scene.analyze([a_model(session), colours], EVERY_CELL)
    frames = sum(cell.frames for cell in scene.cells)
    assert (session.frames_seen, sum(result.frames_inferred for result in results)) == (frames, frames)
    expected = plain_loop(make_clip(), a_model()) + plain_loop(make_clip(), colours)
    assert sorted(stored_rows(scene)) == sorted(expected)
    assert sum(label in colours.manifest.labels for _, label, _, _ in expected) > frames


def test_labels_of_frames_that_are_stored_are_not_inferred_again() -> None:
    scene = a_scene(make_clip())
    scene.analyze([a_colour_model()])
    session = ToySession()
    scene.analyze([a_model(session)])
    (again,) = scene.analyze([a_model(), a_colour_model()])
    assert again.frames_inferred == 0
    assert all(len(cell.blocks) == 1 for cells in again.entry.cells_by_model for cell in cells)


def test_stored_cells_are_not_inferred_again() -> None:
    scene, session = a_scene(make_clip()), ToySession()
    scene.analyze([a_model()])
    again = scene.analyze([a_model(session)], EVERY_CELL)
    assert (session.frames_seen, sum(result.frames_inferred for result in again)) == (0, 0)


def test_a_cell_that_is_missing_is_the_only_one_that_is_inferred_again() -> None:
    scene, session = a_scene(make_clip()), ToySession()
    scene.analyze([a_model()])
    head = scene.cloud.items("results", "BLOCK")[2]
    del scene.cloud.tables["results"][head["pk"], head["sk"]]
    (again,) = scene.analyze([a_model(session)])
    assert (session.frames_seen, again.frames_inferred) == (scene.cells[2].frames, scene.cells[2].frames)


def test_a_second_model_runs_alone_where_the_first_has_its_results() -> None:
    scene, first, second = a_scene(make_clip()), ToySession(), ToySession()
    scene.analyze([a_model()])
    both = [a_model(first), a_model(second, name="other", sha256="b" * 64)]
    (result,) = scene.analyze(both)
    assert (first.frames_seen, second.frames_seen) == (0, 60)
    assert [len(cells) for cells in result.entry.cells_by_model] == [len(scene.cells)] * 2
    assert (result.frames_inferred, result.reuse) == (60, ((len(scene.cells), 0), (0, 60)))


def test_each_model_runs_on_just_the_cells_that_it_lacks_and_each_frame_is_decoded_once() -> None:
    scene, plain, first, second = a_scene(make_clip()), a_scene(make_clip()), ToySession(), ToySession()
    both = [a_model(first), a_model(second, name="other", sha256="b" * 64)]
    plain.analyze([a_model(), a_model(name="other", sha256="b" * 64)])
    scene.analyze([a_model()])
    for lost in (1, 2, 4):
        head = scene.cloud.items("results", "BLOCK")
        del scene.cloud.tables["results"][next((one["pk"], one["sk"]) for one in head if one["cell"] == lost)]
    (result,) = scene.analyze(both)
    assert (first.frames_seen, second.frames_seen) == (3 * GOP, 60)
    assert (result.frames_inferred, result.reuse) == (60, ((2, 3 * GOP), (0, 60)))
    assert stored_cells(scene) == stored_cells(plain)


def test_a_model_is_not_opened_where_all_its_cells_are_stored() -> None:
    scene = a_scene(make_clip())
    scene.analyze([a_model()], EVERY_CELL)
    opened = note_sources(scene)
    model = ModelOnDemand(a_model().manifest, "cpu", lambda: pytest.fail("the model was opened"))
    results = scene.analyze([model], EVERY_CELL)
    assert (opened, sum(result.frames_inferred for result in results)) == ([], 0)


def test_results_get_the_key_of_what_a_model_really_runs_on_whatever_was_expected() -> None:
    scene, plain, session = a_scene(make_clip()), a_scene(make_clip()), ToySession()
    # One cell is there under the class that was expected, and answers no more once the model is open.
    scene.analyze([replace(a_model(), provider_class="cuda")], EVERY_CELL)
    for head in scene.cloud.items("results", "BLOCK")[1:]:
        del scene.cloud.tables["results"][head["pk"], head["sk"]]
    expected = scene.cloud.items("results", "BLOCK")
    (result,) = scene.analyze([ModelOnDemand(a_model().manifest, "cuda", lambda: a_model(session))])
    plain.analyze([a_model()])
    of_cpu = [cell for cell in stored_cells(scene) if cell["sk"] != expected[0]["sk"]]
    assert (session.frames_seen, result.provider, result.reuse) == (60, "cpu", ((0, 60),))
    assert of_cpu == stored_cells(plain)


def test_what_is_stored_under_the_expected_class_answers_without_a_session() -> None:
    scene = a_scene(make_clip())
    (made,) = scene.analyze([replace(a_model(), provider_class="cuda")])
    model = ModelOnDemand(a_model().manifest, "cuda", lambda: pytest.fail("the model was opened"))
    (result,) = scene.analyze([model])
    assert (result.provider, result.entry, result.analyses) == ("cuda", made.entry, made.analyses)


def test_results_of_one_sampling_do_not_answer_another() -> None:
    scene, session = a_scene(make_clip()), ToySession()
    scene.analyze([a_model()])
    other = a_scene(make_clip(), sampling=Sampling(SamplingKind.KEYFRAMES))
    Scene(scene.cloud, other.order, other.cells).analyze([a_model(session)])
    assert session.frames_seen == 5


@pytest.mark.parametrize("segment_seconds", [ONE_SEGMENT, EVERY_CELL], ids=["one segment", "a segment for each cell"])
def test_a_damaged_gop_is_left_out_whole(segment_seconds: Fraction) -> None:
    scene = a_scene(damage_frame(make_clip(), 2 * GOP))
    results = scene.analyze([a_model()], segment_seconds)
    damage = [gap for result in results for cell in result.entry.cells_by_model[0] for gap in cell.damage]
    gop = (2 * GOP * 512, 3 * GOP * 512)
    assert [(gap.start_pts, gap.end_pts) for gap in damage] == [gop]
    seen = {pts for pts, *_ in stored_rows(scene)}
    assert seen == {number * 512 for number in range(60)} - set(range(*gop, 512))


def test_damage_is_stored_the_same_in_any_cut() -> None:
    clip = damage_frame(make_clip(), 2 * GOP + 3)
    one, many = a_scene(clip), a_scene(clip)
    one.analyze([a_model()], ONE_SEGMENT)
    many.analyze([a_model()], EVERY_CELL)
    assert stored_cells(many) == stored_cells(one)


def test_frames_keep_their_rank_when_a_gop_before_them_is_damaged() -> None:
    scene = a_scene(damage_frame(make_clip(), 0))
    scene.analyze([a_model()])
    ranks = [rank for head in stored_cells(scene)[1:] for rank in unpack_block(head["body"]).ranks]
    assert ranks == [rank for cell in scene.cells[1:] for rank in range(cell.frames)]


def test_a_segment_counts_shown_frames_whatever_the_sampling() -> None:
    scene = a_scene(make_clip(), sampling=Sampling(SamplingKind.KEYFRAMES))
    (result,) = scene.analyze([a_model()])
    assert (result.entry.frames_shown, result.frames_inferred) == (60, 5)


def test_a_run_of_cells_is_read_with_one_request() -> None:
    scene = a_scene(make_clip())
    opened = note_sources(scene)
    scene.analyze([a_model()])
    assert [source.requests for source in opened] == [1]


def note_sources(scene: Scene) -> list[S3Source]:
    """Every source that is opened from now on."""
    opened: list[S3Source] = []
    open_source = scene.cloud.open_source

    def note(source: OrderedSource) -> S3Source:
        opened.append(open_source(source))
        return opened[-1]

    scene.cloud.open_source = note  # type: ignore[method-assign]
    return opened


def wait_for(event: Event) -> Callable[[], None]:
    """A check that lets nothing go on before the event."""

    def check() -> None:
        assert event.wait(10), "nothing was read ahead"

    return check


def test_the_next_segment_is_read_while_one_is_decoded() -> None:
    scene = a_scene(make_clip())
    opened, is_read_ahead = note_sources(scene), Event()
    read = MemorySource.read

    def note_second(source: MemorySource, offset: int, size: int) -> bytes:
        data = read(source, offset, size)
        if any(each.requests for each in opened[1:]):
            is_read_ahead.set()
        return data

    first, second = scene.segments(EVERY_CELL)[:2]
    with (
        closing(Analyzer(scene.cloud, scene.order, [a_model()], scene.cells, threads=1)) as analyzer,
        mock.patch.object(MemorySource, "read", note_second),
    ):
        # Nothing of the first segment is decoded before this check lets it.
        analyzer.analyze(first, wait_for(is_read_ahead), second)
        assert [source.requests for source in opened] == [1, 1]
        analyzer.analyze(second, lambda: None)
    assert [source.requests for source in opened] == [1, 1]


def test_a_segment_that_was_read_ahead_in_vain_does_no_harm() -> None:
    scene, plain = a_scene(make_clip()), a_scene(make_clip())
    segments = scene.segments(EVERY_CELL)
    with closing(Analyzer(scene.cloud, scene.order, [a_model()], scene.cells, threads=1)) as analyzer:
        for segment in segments:
            analyzer.analyze(segment, lambda: None, segments[0])
    plain.analyze([a_model()], EVERY_CELL)
    assert stored_cells(scene) == stored_cells(plain)


def test_an_error_of_reading_ahead_comes_when_its_segment_is_analysed() -> None:
    scene = a_scene(make_clip())
    first, second = scene.segments(EVERY_CELL)[:2]
    with closing(Analyzer(scene.cloud, scene.order, [a_model()], scene.cells, threads=1)) as analyzer:
        get_object, is_failing = scene.cloud.get_object, True

        def fail(key: str, start: int = 0, size: int | None = None) -> bytes:
            if is_failing and start == scene.cells[1].table_offset:
                raise Passing("S3 did not answer")
            return get_object(key, start, size)

        scene.cloud.get_object = fail  # type: ignore[method-assign]
        analyzer.analyze(first, lambda: None, second)
        with pytest.raises(Passing, match="did not answer"):
            analyzer.analyze(second, lambda: None)
        is_failing = False
        assert analyzer.analyze(second, lambda: None).frames_inferred == GOP


def test_labels_are_kept_by_name() -> None:
    scene = a_scene(make_clip())
    scene.analyze([a_model()])
    assert {label for _, label, *_ in stored_rows(scene)} == set(LABELS)


def test_an_order_without_media_is_a_bad_order() -> None:
    scene = a_scene(make_clip())
    with pytest.raises(BadOrder, match="media facts"):
        Analyzer(scene.cloud, replace(scene.order, media=None), [a_model()], scene.cells, threads=1)


@pytest.mark.parametrize(
    ("found", "runs"),
    [
        ([{}], [[0, 1, 2, 3, 4]]),
        ([{0: 1, 1: 1, 2: 1, 3: 1, 4: 1}], []),
        ([{2: 1}], [[0, 1], [3, 4]]),
        ([{0: 1, 4: 1}, {0: 1, 1: 1, 4: 1}], [[1], [2, 3]]),
        ([{0: 1, 1: 1, 2: 1, 3: 1, 4: 1}, {0: 1, 2: 1, 4: 1}], [[1], [3]]),
    ],
)
def test_missing_runs_are_the_longest_that_the_same_models_lack(found: list[Any], runs: list[list[int]]) -> None:
    assert missing_runs(range(5), found) == runs
