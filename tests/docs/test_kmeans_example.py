"""The example with k-means, run as its page says: from scikit-learn to queries, over a local stack."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.local.stack import LocalStack, StackOptions
from tests.flow.tenant import Json, Tenant

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "examples" / "kmeans.md"
pytestmark = pytest.mark.timeout(300)


class Example(NamedTuple):
    """What the example made, said and left behind."""

    folder: Path
    said: str
    tenant: Tenant
    job: Json
    rows: list[Json]
    """Of every label above the floor."""


def run_step(step: str, folder: Path, *options: str) -> str:
    """What `python -m docs.examples.kmeans_digits` says, in this process: scikit-learn takes seconds to import."""
    # Late: every process of a test run imports this file, and scikit-learn is a quarter of all that they import.
    from docs.examples import kmeans_digits

    said = io.StringIO()
    with redirect_stdout(said):
        assert kmeans_digits.main([step, str(folder), *options]) == 0
    assert f".venv/bin/python -m {kmeans_digits.__name__} {step} out/kmeans\n" in PAGE.read_text(encoding="utf-8")
    return said.getvalue()


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    folder = tmp_path_factory.mktemp("kmeans")
    run_step("prepare", folder)
    with LocalStack(StackOptions(out=folder / "out", slots=2, cores=2)) as stack:
        local_json = folder / "local.json"
        local_json.write_text(json.dumps(stack.describe()))
        said = run_step("analyze", folder, "--local", str(local_json))
        tenant = Tenant(stack.base_url, stack.describe()["token"])
        (video,) = tenant.pages("/videos")
        (job,) = tenant.pages(f"/videos/{video['video_id']}/jobs")
        yield Example(folder, said, tenant, job, tenant.all_items(job["job_id"]))


def frames_of(example: Example) -> list[Json]:
    return list(json.loads((example.folder / "frames.json").read_text()))


def best_of(example: Example) -> dict[int, str]:
    best: dict[int, tuple[float, str]] = {}
    for row in example.rows:
        best[row["frame_index"]] = max(best.get(row["frame_index"], (0.0, "")), (row["score"], row["label"]))
    return {index: label for index, (_, label) in best.items()}


def test_every_frame_is_in_the_cluster_that_scikit_learn_has_it_in(example: Example) -> None:
    expected = {index: frame["cluster"] for index, frame in enumerate(frames_of(example))}
    found = best_of(example)
    assert set(found) == set(expected)
    assert sum(found[index] == cluster for index, cluster in expected.items()) >= 0.97 * len(expected)


def test_frames_of_one_digit_are_mostly_in_one_cluster(example: Example) -> None:
    found, frames = best_of(example), frames_of(example)
    shares = []
    for digit in range(10):
        seen = Counter(found[index] for index, frame in enumerate(frames) if frame["digit"] == digit)
        shares.append(seen.most_common(1)[0][1] / seen.total())
    assert sum(shares) / len(shares) > 0.75
    assert min(shares) > 0.4


def test_the_example_says_what_the_rows_say(example: Example) -> None:
    (same,) = re.findall(r"As scikit-learn has it: (\d+) of 80 frames", example.said)
    found = best_of(example)
    assert int(same) == sum(found[index] == frame["cluster"] for index, frame in enumerate(frames_of(example)))


def test_rows_are_labels_of_the_whole_frame_best_first_and_on_no_track(example: Example) -> None:
    assert {tuple(row["box"]) for row in example.rows} == {(0, 0, 128, 128)}
    assert all("track_id" not in row for row in example.rows)
    assert list(example.tenant.pages(f"/jobs/{example.job['job_id']}/tracks")) == []
    by_frame: dict[int, list[float]] = {}
    for row in example.rows:
        by_frame.setdefault(row["frame_index"], []).append(row["score"])
    assert all(scores == sorted(scores, reverse=True) and sum(scores) < 1.01 for scores in by_frame.values())
    assert max(map(len, by_frame.values())) > 1


def test_the_job_says_what_its_model_is_for(example: Example) -> None:
    (model,) = example.job["models"]
    assert (model["name"], model["task"]) == ("kmeans-digits", "classification")


def test_clusters_have_appearances_as_things_have(example: Example) -> None:
    counts = Counter(row["label"] for row in example.rows if row["score"] > 0.5)
    label = counts.most_common(1)[0][0]
    path = f"/jobs/{example.job['job_id']}/query"
    found = list(example.tenant.pages(path, q=f'appearances where label = "{label}" and score > 0.5 gap 0.5s'))
    assert sum(item["detections"] for item in found) == counts[label]


def test_an_export_of_boxes_is_refused_since_there_are_none(example: Example) -> None:
    path = f"/jobs/{example.job['job_id']}/exports"
    problem = example.tenant.post(path, {"format": "coco"}, expect=409)
    assert "kmeans-digits only label whole frames" in problem["detail"]


def test_beside_a_detector_the_clusters_are_the_same_and_only_boxes_are_exported_as_such(example: Example) -> None:
    path, models = f"/videos/{example.job['video_id']}/jobs", ["ssdlite-mobilenet-v2", "kmeans-digits"]
    job_id = example.tenant.post(path, {"models": models}, expect=202)["job"]["job_id"]
    job = example.tenant.succeed(job_id)
    assert [model["task"] for model in job["models"]] == ["detection", "classification"]
    of_clusters = [row for row in example.tenant.all_items(job_id) if row["model"] == "kmeans-digits"]
    assert of_clusters == example.rows
    _, coco = example.tenant.export(job_id, "coco", score_min=0)
    export = json.loads(coco)
    assert {annotation["model"] for annotation in export["annotations"]} <= {"ssdlite-mobilenet-v2"}
    assert not any(category["name"].startswith("cluster") for category in export["categories"])
    assert export["info"]["reelscan"]["models_left_out"] == ["kmeans-digits"]
