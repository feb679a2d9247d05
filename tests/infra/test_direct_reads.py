"""What AppSync reads by itself answers like the function: the same data, and the same refusals, over many items."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from chalicelib.api.graphql import lambda_entry
from chalicelib.contracts.attribute_values import item_from_wire, item_to_wire
from chalicelib.contracts.items import video_from_item, video_to_item
from chalicelib.domain.errors import DependencyFailed, ErrorCode, Failure
from chalicelib.domain.ids import TenantId, VideoId
from chalicelib.domain.videos import Video, VideoState
from chalicelib.wiring import using
from infra.direct_reads import resolver_code
from infra.wiring import WIRING
from tests.fakes.make import make_ports
from tests.fakes.makers import A_FAILURE, NOW, TENANT, VIDEO_ID, make_index, make_media, make_video
from tests.infra.templates import ROOT

pytestmark = pytest.mark.infra

NODE = ROOT / ".cache" / "cdk" / "bin" / "node"
FIELD = ("Query", "video")
CODE = WIRING.graphql.direct_code_path_by_field[FIELD]
ACCESS = {"token_use": "access", "sub": "somebody", "scope": "reelscan/read"}
Event = dict[str, Any]


def video(number: int, **changes: Any) -> Video:
    return make_video(video_id=VideoId(f"vid_{number:026d}"), **changes)


MEDIA = [
    make_media(),
    make_media(timebase=Fraction(1), duration_seconds=7.0, frame_count=None, keyframes=0),
    make_media(timebase=Fraction(1001, 30000), duration_seconds=1 / 3, rotation=270, width=1, height=8192),
    make_media(container="mpegts", codec="hevc", duration_seconds=172_800.25, frame_count=10_368_015),
    make_media(duration_seconds=1e-7),
]
VIDEOS = [
    *(video(10 + index, state=state) for index, state in enumerate(VideoState)),
    *(video(20 + index, state=VideoState.READY, media=media, index=make_index()) for index, media in enumerate(MEDIA)),
    *(
        video(100 + index, state=VideoState.REJECTED, failure=Failure(code, 'it "broke"\n', "mend it"))
        for index, code in enumerate(ErrorCode)
    ),
    video(
        200,
        filename='Straße "7" – 夜.mp4',
        sha256="0" * 64,
        created_at=datetime(2026, 3, 1, 12, 0, 0, 7000, tzinfo=UTC),
    ),
    video(201, media=make_media(), failure=A_FAILURE, state=VideoState.REJECTED),
    video(202, source=replace(make_video().source, size_bytes=200 << 30)),
    # Another tenant's, by an id of the form of ours.
    video(300, tenant=TenantId("other")),
]


def event(video_id: str, tenant: Any = TENANT, **claims: Any) -> Event:
    given = {**ACCESS, "custom:tenant": tenant, **claims}
    return {
        "info": {"parentTypeName": FIELD[0], "fieldName": FIELD[1]},
        "arguments": {"videoId": video_id},
        "identity": {"claims": {name: value for name, value in given.items() if value is not None}},
    }


def ask_appsync(events: list[Event]) -> list[Any]:
    """The answers of AppSync's own resolver."""
    if not NODE.exists():
        pytest.fail(f"{NODE} is missing: run `make test-infra`, which installs it", pytrace=False)
    items = {}
    for one in VIDEOS:
        item = video_to_item(one, due_at=NOW)
        items[f"{item['pk']}/{item['sk']}"] = item_to_wire(item)
    asked = json.dumps({"code": resolver_code(CODE), "items": items, "events": events})
    done = subprocess.run(
        [NODE, ROOT / "tests" / "infra" / "appsync.js"], input=asked, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    return answers


def ask_function(events: list[Event]) -> list[Any]:
    """The answers of the function, as `infra/resolver.js` hands them on."""
    ports = make_ports()
    for one in VIDEOS:
        # As it comes out of the table.
        ports.videos.add(video_from_item(item_from_wire(item_to_wire(video_to_item(one, None)))), None)
    with using(ports):
        return [_handed_on(lambda_entry.resolve(one)) for one in events]


def _handed_on(answer: Any) -> Any:
    if answer.get("errorType"):
        return {
            "error": {
                "message": answer["errorMessage"],
                "type": answer["errorType"],
                "data": None,
                "info": answer["errorInfo"],
            }
        }
    return {"data": answer["data"]}


def as_seen(answer: Any) -> Any:
    """As a client sees it: a field that is not there is null."""
    if isinstance(answer, dict):
        return {name: as_seen(value) for name, value in answer.items() if value is not None}
    return answer


def both(events: list[Event]) -> list[tuple[Any, Any]]:
    """Of each event the answers of AppSync and of the function."""
    return [
        (as_seen(theirs), as_seen(ours)) for theirs, ours in zip(ask_appsync(events), ask_function(events), strict=True)
    ]


def test_every_video_is_shown_as_the_function_shows_it() -> None:
    for one, (theirs, ours) in zip(VIDEOS, both([event(one.video_id, one.tenant) for one in VIDEOS]), strict=True):
        assert theirs == ours
        assert theirs["data"]["videoId"] == one.video_id


REFUSED = [
    event(VIDEO_ID.replace("1", "9")),
    event(VIDEOS[-1].video_id),
    event(VIDEOS[0].video_id, "other"),
    event(""),
    event("vid_"),
    event("job_" + "0" * 26),
    event("vid_" + "0" * 27),
    event("vid_" + "0" * 26 + "\n"),
    event(f"vid_{'0' * 26}#VIDEO"),
    event("vid_" + "I" * 26),
    event("x" * 5000),
    event(VIDEOS[0].video_id, None),
    event(VIDEOS[0].video_id, ""),
    event(VIDEOS[0].video_id, "public"),
    event(VIDEOS[0].video_id, f"{TENANT}#x"),
    event(VIDEOS[0].video_id, "-acme"),
    event(VIDEOS[0].video_id, "a" * 65),
    event(VIDEOS[0].video_id, ["acme"]),
    event(VIDEOS[0].video_id, token_use="id"),
    event(VIDEOS[0].video_id, token_use=None),
    event(VIDEOS[0].video_id) | {"identity": None},
    event(VIDEOS[0].video_id) | {"identity": {"userArn": "arn:aws:sts::1:assumed-role/x/y"}},
]


def test_what_the_function_refuses_is_refused_in_the_same_words() -> None:
    for asked, (theirs, ours) in zip(REFUSED, both(REFUSED), strict=True):
        assert "error" in ours, asked
        assert theirs == ours, asked


def test_another_tenants_video_answers_like_one_that_never_was() -> None:
    never, others = VIDEO_ID.replace("1", "9"), VIDEOS[-1].video_id
    first, second = (theirs["error"] for theirs in ask_appsync([event(never), event(others)]))

    assert second == first | {"message": first["message"].replace(never, others)}


def test_a_table_that_does_not_answer_is_told_as_the_function_tells_it() -> None:
    (theirs,) = ask_appsync([event(VIDEOS[0].video_id) | {"failure": "ThrottlingException"}])
    failure = DependencyFailed("reading an item failed: ThrottlingException").failure

    assert theirs["error"] == {
        "message": failure.detail,
        "type": failure.code,
        "data": None,
        "info": {"title": failure.title, "hint": failure.hint, "status": 503},
    }


@pytest.mark.parametrize("path", [CODE, WIRING.graphql.resolver_code_path], ids=lambda path: path.name)
def test_the_code_keeps_to_what_appsync_runs(path: Any) -> None:
    """Source: https://docs.aws.amazon.com/appsync/latest/devguide/supported-features.html"""
    code = re.sub(r"//.*|'[^']*'", "", path.read_text(encoding="utf-8"))

    assert re.findall(r"\b(?:try|catch|finally|throw|while|do|continue|class|new|this|async|await|in)\b", code) == []
    assert re.findall(r"\+\+|--|~|\bfor *\([^)]*;|=> *{|/[^/\n]+/[a-z]*\.", code) == []
    # Source: AppSync quotas, the size of a function's code.
    assert len(resolver_code(path)) < 32_768
