"""A campaign over copies and variants of a real clip: the real app, adapters, worker and models, over moto."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib import wiring
from chalicelib.adapters import clients
from chalicelib.adapters.model_registry import DynamoModelRegistry
from chalicelib.adapters.table import Table
from chalicelib.domain.ids import TenantId, VideoId
from chalicelib.domain.prices import NANO
from chalicelib.domain.rates import Observation, Observations
from chalicelib.services.ports import Owner, Submission
from infra.default_models import register_models
from infra.wiring import WIRING
from tests.faults.wire import Fault, Plan, Site
from tests.faults.world import TENANT, Rig, World, a_rig, make_request
from tests.video.variants import FRAMES, make_variants

CLIP = Path(__file__).parents[2] / ".cache" / "videos" / "bikes.mp4"
VARIANTS = 8
CANARY = 2
OLD, NEW = "nanodet-g", "ssdlite-mobilenet-v2"
ROUNDS = 30


@pytest.fixture(scope="module")
def variants() -> list[bytes]:
    if not CLIP.exists():
        pytest.fail(f"{CLIP} is missing: run `make setup`, which fetches it", pytrace=False)
    return make_variants(CLIP, VARIANTS)


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with a_rig() as rig:
        yield rig


class StatedRates:
    """Rates that are never learned: what a job may cost then does not hang on how busy this machine just was."""

    def get(self, tenant: TenantId) -> Mapping[str, Observations]:
        return {}

    def add(self, tenant: TenantId, seen: Mapping[str, Observation]) -> None:
        pass


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

    def estimate_nano_usd(self) -> int:
        """What the campaign for the new version would cost."""
        answer = self.world.call("POST", "/campaigns?dry_run=true", b'{"name": "finer", "pipeline": "people@2"}', {})
        cost_usd: float = json.loads(answer.get_data())["estimate"]["cost_usd"]
        return round(cost_usd * NANO)

    def sent_again(self) -> list[Submission]:
        """Work that was handed on after its worker died, by the price at which that was."""
        jobs = [job for video_id in self.video_ids for job in self.jobs(video_id)]
        sent = [self.world.ports.submissions.list(Owner(TENANT, job["job_id"])) for job in jobs]
        return [submission for of_job in sent for submission in of_job if submission.submission_id.startswith("sub_")]

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


@pytest.mark.timeout(300)
def test_a_selection_by_results_is_pages_of_the_tables_too(rig: Rig, variants: list[bytes]) -> None:
    with rig.world() as world:
        client = Client(world, variants[:1])
        analysed = world.ports.videos.get(TENANT, VideoId(client.video_ids[0]))
        assert analysed is not None
        for number in range(30):
            # Older than the one that has results: the second page is of these alone.
            world.ports.videos.add(replace(analysed, video_id=VideoId(f"vid_{number:026d}")), None)
        done = client.campaign(select={"pipeline_older_than": {"name": "people", "version": 2}, "label_seen": "person"})
        assert (done["state"], done["progress"]["selected"], client.latest()) == ("SUCCEEDED", 1, [2])


BOTH = {"canary": {"videos": 1, "bounds": {"min_agreement": 0.0}}, "concurrency": 2}
"""One video, and then another one."""


@contextmanager
def two_videos(rig: Rig, variants: list[bytes]) -> Iterator[Client]:
    """A client with two videos, of whose first analysis nothing is learned; calls are counted from here on."""
    with rig.world() as world, wiring.using(replace(world.ports, rates=StatedRates())):
        yield Client(world, variants[:2])


@pytest.fixture(scope="module")
def sites(rig: Rig, variants: list[bytes]) -> list[Site]:
    """The calls of a campaign that nobody kills."""
    with two_videos(rig, variants) as client:
        client.world.wire.begin(None)
        client.campaign(**BOTH)
        return client.world.wire.sites


SLOW = pytest.mark.slow
KILLED_AT = [
    # By the process, and how far it is in all of its calls.
    pytest.param("on_meta_stream", 0.05, id="while videos are selected"),
    pytest.param("on_meta_stream", 0.25, id="while the canary is started", marks=SLOW),
    pytest.param("worker analyze", 0.25, id="in a segment"),
    pytest.param("on_batch_state_change", 0.25, id="after a segment", marks=SLOW),
    pytest.param("worker finish", 0.25, id="in a finish", marks=SLOW),
    pytest.param("on_meta_stream", 0.5, id="while the canary is judged", marks=SLOW),
    pytest.param("worker analyze", 0.75, id="in a segment after the canary", marks=SLOW),
    pytest.param("on_batch_state_change", 0.9, id="after a finish", marks=SLOW),
    pytest.param("on_meta_stream", 0.97, id="near the end", marks=SLOW),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("process", "how_far"), KILLED_AT)
def test_killed_at_any_call_of_aws_it_ends_the_same_and_pays_for_nothing_twice(
    rig: Rig, variants: list[bytes], sites: list[Site], process: str, how_far: float
) -> None:
    numbers = [site.number for site in sites if site.process == process]
    with two_videos(rig, variants) as client:
        expected = client.estimate_nano_usd()
        client.world.wire.begin(Plan(numbers[int(len(numbers) * how_far)], Fault.DIED_BEFORE))
        done = client.campaign(**BOTH)
        assert client.world.wire.hit is not None
        assert client.world.wire.hit.process == process
        assert (done["state"], done["progress"]["promoted"]) == ("SUCCEEDED", 2)
        assert client.latest() == [2, 2]
        jobs = [job for video_id in client.video_ids for job in client.jobs(video_id)]
        assert sorted(job["pipeline"]["version"] for job in jobs) == [1, 1, 2, 2]
        # What a killed worker had stored is taken, and not inferred again.
        assert all(job["summary"]["frames_inferred"] <= FRAMES == job["summary"]["frames_analyzed"] for job in jobs)

        # An attempt that was killed did run: it costs, and nothing else costs more than was quoted.
        again = client.sent_again()
        assert len(again) == int(process.startswith("worker"))
        dearer = sum(submission.price.total(len(submission.children)) for submission in again)
        assert round(done["spend"]["spent_usd"] * NANO) == expected + dearer
