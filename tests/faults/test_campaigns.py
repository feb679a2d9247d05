"""A campaign over copies and variants of a real clip: the real app, adapters, worker and models, over moto."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import boto3
import numpy as np
import pytest

from chalicelib.adapters import clients
from chalicelib.adapters.model_registry import DynamoModelRegistry
from chalicelib.adapters.table import Table
from infra.default_models import register_models
from infra.wiring import WIRING
from tests.faults.wire import Fault, Plan
from tests.faults.world import Rig, World, a_rig, make_request

CLIP = Path(__file__).parents[2] / ".cache" / "videos" / "bikes.mp4"
VARIANTS = 8
CANARY = 2
FRAMES, WIDTH, HEIGHT = 6, 320, 136
OLD, NEW = "nanodet-g", "ssdlite-mobilenet-v2"
ROUNDS = 30


@pytest.fixture(scope="module")
def variants() -> list[bytes]:
    """Short clips from several places of the real one, some of them mirrored."""
    if not CLIP.exists():
        pytest.fail(f"{CLIP} is missing: run `make setup`, which fetches it", pytrace=False)
    with av.open(str(CLIP)) as source:
        frames = [
            frame.reformat(WIDTH, HEIGHT, "rgb24").to_ndarray()
            for number, frame in enumerate(source.decode(video=0))
            if number < VARIANTS * FRAMES * 4
        ]
    return [
        encode([frame[:, ::-1] if number % 2 else frame for frame in frames[number * FRAMES * 4 :: 4][:FRAMES]])
        for number in range(VARIANTS)
    ]


def encode(pictures: list[np.ndarray[Any, Any]]) -> bytes:
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as output:
        stream: Any = output.add_stream("libx264", rate=6)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {
            "preset": "veryfast",
            "x264-params": "threads=1:keyint=3:min-keyint=3:scenecut=0:mbtree=0",
        }
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 6)
            output.mux(stream.encode(frame.reformat(format="yuv420p")))
        output.mux(stream.encode(None))
    return target.getvalue()


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with a_rig() as rig:
        yield rig


class Client:
    """A tenant with two versions of a pipeline, whose archive the first one analysed."""

    def __init__(self, world: World, clips: list[bytes]) -> None:
        self.world = world
        registry = DynamoModelRegistry(Table(clients.dynamodb(), WIRING.meta.name))
        register_models(boto3.client("s3"), WIRING.bucket.name, registry)
        for model in (OLD, NEW):
            self.post("/pipelines", {"name": "people", "models": [model], "tracking": False})
        self.video_ids = [self._upload(number, clip) for number, clip in enumerate(clips)]
        world.settle()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.world.call("POST", path, json.dumps(body).encode(), {})
        assert answer.status_code in (200, 201, 202), answer.get_data()
        return json.loads(answer.get_data())

    def get(self, path: str) -> Any:
        return self.world.get(path)

    def campaign(self, **more: Any) -> dict[str, Any]:
        """A campaign for the new version, and its run, when that is over."""
        asked = {"name": "finer", "pipeline": "people@2", "concurrency": 8, **more}
        campaign_id = self.post("/campaigns", asked)["campaign"]["campaign_id"]
        run: dict[str, Any] = {}
        for _ in range(ROUNDS):
            self.world.settle()
            (run,) = self.get(f"/campaigns/{campaign_id}/runs")["items"]
            if "finished_at" in run:
                break
            self.world.pass_time(60)
        return dict(self.get(f"/campaigns/{campaign_id}/runs/{run['run_id']}")["run"])

    def jobs(self, video_id: str) -> list[Any]:
        return list(self.get(f"/videos/{video_id}/jobs")["items"])

    def latest(self) -> list[int]:
        """Of which version of the pipeline the current results of each video are."""
        job_by_id = {job["job_id"]: job for video_id in self.video_ids for job in self.jobs(video_id)}
        found = [self.get(f"/videos/{video_id}/versions")["items"] for video_id in self.video_ids]
        return [job_by_id[version["job_id"]]["pipeline"]["version"] for (version,) in found]

    def _upload(self, number: int, clip: bytes) -> str:
        asked = {
            "filename": f"clip-{number}.mp4",
            "content_type": "video/mp4",
            "size_bytes": len(clip),
            "analyze": {"pipeline": "people@1"},
        }
        created = self.post("/videos", asked)
        fields = {**created["upload"]["fields"], "file": (io.BytesIO(clip), "clip.mp4")}
        answer = self.world.s3.handle(make_request("POST", f"/{WIRING.bucket.name}", {}, fields))
        assert answer.status_code == 204, answer.get_data()
        # One at a time, so that a copy finds what the first of its kind has left.
        self.world.settle()
        return str(created["video"]["video_id"])


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("videos", "kinds"), [(4, 2), pytest.param(40, 8, marks=pytest.mark.slow)])
def test_a_canary_that_stops_leaves_the_old_results_and_one_that_holds_promotes_all(
    rig: Rig, variants: list[bytes], videos: int, kinds: int
) -> None:
    clips = [variants[number % kinds] for number in range(videos)]
    with rig.world() as world:
        client = Client(world, clips)
        assert client.latest() == [1] * videos

        estimate = world.call("POST", "/campaigns?dry_run=true", b'{"name": "finer", "pipeline": "people@2"}', {})
        assert estimate.status_code == 200
        assert json.loads(estimate.get_data())["estimate"]["videos"] == videos

        stopped = client.campaign(canary={"videos": CANARY, "bounds": {"min_agreement": 0.999}})
        assert (stopped["state"], stopped["reason"]["code"]) == ("STOPPED", "CANARY")
        assert "at least 0.999 was asked for" in stopped["reason"]["detail"]
        assert stopped["progress"]["promoted"] == 0
        assert client.latest() == [1] * videos
        assert sum(len(client.jobs(video_id)) for video_id in client.video_ids) == videos + CANARY

        agreement = stopped["report"]["total"]["agreement"]
        done = client.campaign(canary={"videos": CANARY, "bounds": {"min_agreement": round(agreement * 0.9, 4)}})
        assert (done["state"], done.get("reason")) == ("SUCCEEDED", None)
        assert (done["progress"]["succeeded"], done["progress"]["promoted"]) == (videos, videos)
        assert client.latest() == [2] * videos

        jobs = [job for video_id in client.video_ids for job in client.jobs(video_id)]
        inferred = sum(job["summary"]["frames_inferred"] for job in jobs)
        assert inferred == 2 * kinds * FRAMES, "each variant is to be analysed once by each model"

        again = client.campaign()
        assert again["progress"]["unchanged"] == videos


@pytest.mark.parametrize(
    "call", [9, pytest.param(77, marks=pytest.mark.slow), pytest.param(150, marks=pytest.mark.slow)]
)
def test_killed_at_any_call_of_aws_it_ends_the_same(rig: Rig, variants: list[bytes], call: int) -> None:
    with rig.world() as world:
        client = Client(world, variants[:2])
        # Counted from here on.
        world.wire.begin(Plan(call, Fault.DIED_BEFORE))
        done = client.campaign(canary={"videos": 1, "bounds": {"min_agreement": 0.0}}, concurrency=2)
        assert world.wire.has_struck
        assert (done["state"], done["progress"]["promoted"]) == ("SUCCEEDED", 2)
        assert client.latest() == [2, 2]
        jobs = [job for video_id in client.video_ids for job in client.jobs(video_id)]
        assert sorted(job["pipeline"]["version"] for job in jobs) == [1, 1, 2, 2]
