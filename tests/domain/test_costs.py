"""Work, rates and dollars: pure arithmetic."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.budgets import Ledger, Price, nano_usd, text_of
from chalicelib.domain.costs import (
    BUSY,
    VCPUS_BY_LANE,
    Effort,
    Quote,
    Requests,
    choose_children,
    effort_of_segments,
    price,
)
from chalicelib.domain.prices import UnitPrices, prices_from_json
from chalicelib.domain.rates import (
    DECODE_BY_CODEC,
    DEFAULT_BY_NAME,
    KEYFRAME_WEIGHT,
    MAX_OBSERVATIONS,
    Observation,
    Observations,
    Rates,
    decode_name,
    infer_name,
)
from chalicelib.domain.receipts import actual_parts, observe_job
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.units import Lane
from chalicelib.domain.usage import JobUsage, ModelUsage, Usage
from chalicelib.domain.work import Work, count_work
from chalicelib.services.quotes import quote_job
from chalicelib.settings import PRICES, read_prices
from infra.wiring import WIRING
from tests.fakes.makers import make_index, make_manifest, make_media
from tests.services.world import World, make_request

UNITS = read_prices().units
TWO_PER_SECOND = Sampling(SamplingKind.PER_SECOND, Fraction(2))


def a_work(sampling: Sampling | None = None, stored: tuple[set[int], ...] = ()) -> Work:
    """Ten seconds of 640 x 360, 250 frames in ten cells with a keyframe each."""
    return count_work(
        make_media(),
        make_index(),
        sampling or Sampling(),
        [make_manifest()],
        lane=Lane.CPU,
        segments=5,
        children=2,
        stored=stored,
    )


def a_quote() -> Quote:
    world = World()
    return quote_job(world.ports, world.ready(), make_request())


@given(
    seconds=st.floats(1, 1e6),
    segments=st.integers(1, 500),
    most=st.integers(1, 64),
    boot=st.sampled_from([0.0, 5.0, 90.0, 300.0]),
    lane=st.sampled_from(Lane),
)
def test_machines_boot_no_longer_than_they_work_unless_there_is_one(
    seconds: float, segments: int, most: int, boot: float, lane: Lane
) -> None:
    work = replace(a_work(), lane=lane, segments=segments, frames_decoded=seconds, models=(), pixels=10**9)
    effort = effort_of_segments(work, Rates())
    busy = effort.gpu_seconds + effort.fast_seconds + effort.vcpu_seconds / VCPUS_BY_LANE[lane]
    children = choose_children(work, Rates(), boot_seconds=boot, max_children=most)
    assert 1 <= children <= min(segments, most)
    assert children == 1 or children * boot <= busy
    # One more would not be worth it, or cannot be had.
    assert children == min(segments, most) or (children + 1) * boot > busy


@pytest.mark.parametrize(
    ("sampling", "looked_at", "decoded"),
    [
        (Sampling(), 250, 250),
        (TWO_PER_SECOND, 20, 250),
        (Sampling(SamplingKind.PER_SECOND, Fraction(1, 2)), 5, 125),
        (Sampling(SamplingKind.KEYFRAMES), 10, 10),
        (Sampling(SamplingKind.KEYFRAMES, Fraction(1, 2), Fraction(1)), 5, 5),
    ],
)
def test_frames_are_counted_as_the_sampling_takes_them(sampling: Sampling, looked_at: int, decoded: int) -> None:
    work = a_work(sampling)
    assert (work.frames, work.models[0].frames, work.frames_decoded) == (looked_at, looked_at, decoded)


def test_what_is_stored_is_taken_off() -> None:
    work = a_work(stored=({0, 1, 2, 3},))
    assert (work.cells, work.frames_decoded, work.models[0].frames, work.frames) == (6, 150, 150, 250)


def test_a_cell_that_one_model_lacks_is_decoded() -> None:
    work = count_work(
        make_media(),
        make_index(),
        Sampling(),
        [make_manifest(), make_manifest("other", sha256="b" * 64)],
        lane=Lane.CPU,
        segments=5,
        children=2,
        stored=(set(range(10)), {0, 1}),
    )
    assert (work.frames_decoded, [model.frames for model in work.models]) == (200, [0, 200])


def test_frames_that_nobody_counted_are_estimated_and_said_to_be() -> None:
    media = make_media(frame_count=None)
    work = count_work(media, make_index(), Sampling(), [], lane=Lane.CPU, segments=1, children=1)
    assert (work.frames, work.is_counted) == (300, False)


def test_a_part_of_the_segments_is_that_part_of_the_work() -> None:
    work, part = a_work(), a_work().part(2, 1)
    assert (part.segments, part.children, part.frames_decoded) == (2, 1, work.frames_decoded * 2 / 5)


@given(st.lists(st.tuples(st.floats(0.001, 1000), st.floats(0.1, 1e6)), min_size=1, max_size=MAX_OBSERVATIONS))
def test_a_rate_is_one_that_was_seen_whatever_the_order(seen: list[tuple[float, float]]) -> None:
    items = [Observation(f"job_{number}", seconds, amount) for number, (seconds, amount) in enumerate(seen)]
    forwards, backwards = Observations(), Observations()
    for item in items:
        forwards = forwards.add(item)
    for item in reversed(items):
        backwards = backwards.add(item)
    assert forwards.estimate() == backwards.estimate()
    assert forwards.estimate() in [item.rate for item in items]


def test_one_job_in_trouble_moves_no_rate() -> None:
    rates = Observations()
    for number in range(5):
        rates = rates.add(Observation(f"job_{number}", 1.0, 1.0))
    assert rates.add(Observation("slow", 100.0, 1.0)).estimate() == 1.0


def test_a_size_that_was_never_seen_takes_the_rate_of_the_nearest() -> None:
    work = a_work()
    family = decode_name(work).rpartition(":")[0]
    rates = Rates({f"{family}:10": 9.0, f"{family}:34": 2.0, infer_name(work.models[0]): 3.0})
    assert (rates.decode(work), rates.infer(work.models[0])) == (2.0, 3.0)
    assert rates.infer(replace(work.models[0], sha256="c" * 64)) == DEFAULT_BY_NAME["infer"]


def test_a_keyframe_is_dearer_than_a_frame_until_a_job_has_shown_what_it_takes() -> None:
    keyframes = a_work(Sampling(SamplingKind.KEYFRAMES))
    assert Rates().decode(keyframes) == KEYFRAME_WEIGHT * Rates().decode(a_work())
    # Every frame of these is one.
    assert Rates().decode(replace(keyframes, codec="mjpeg")) == DECODE_BY_CODEC["mjpeg"]
    assert Rates({decode_name(keyframes): 7.0}).decode(keyframes) == 7.0


def test_what_a_job_took_is_what_the_next_like_it_is_quoted() -> None:
    """One job's rates give back its own CPU seconds, whatever they were."""
    work = a_work()
    model = work.models[0]
    analysis = Usage(
        cpu=20.0,
        start=2.0,
        children=2,
        load={model.sha256: ModelUsage(0.5, 2)},
        decode=3.0,
        prepare=1.0,
        infer={f"{model.sha256}:{model.input_pixels}": ModelUsage(9.0, 250)},
        frames=250,
    )
    seen = observe_job("job", work, JobUsage(analysis, Usage(cpu=2.0, start=1.2, children=1)), Rates())
    rates = Rates({name: item.rate for name, item in seen.items()})
    started = work.children * (rates.get("start:analyze") + rates.get(f"load:{model.sha256}"))
    finish = rates.get("start:finish") + work.frames * rates.get("finish")
    assert started + effort_of_segments(work, rates).cpu_seconds == pytest.approx(20.0)
    assert finish == pytest.approx(2.0)


def test_a_second_of_the_fast_lane_is_its_memory_of_lambda_whatever_the_market() -> None:
    prices = [price(Effort(fast_seconds=1.0), UNITS, is_spot=is_spot).workers for is_spot in (True, False)]
    assert prices == [UNITS.lambda_gb_second * WIRING.fast.memory_mib // 1024] * 2


def test_the_same_work_takes_as_long_in_the_fast_lane_as_on_the_cpu_lane_of_one_machine() -> None:
    work = a_work().on_lane(Lane.FAST, children=1)
    fast, slow = (effort_of_segments(work.on_lane(lane, 1), Rates()) for lane in (Lane.FAST, Lane.CPU))
    assert fast.cpu_seconds == slow.cpu_seconds
    assert fast.fast_seconds * VCPUS_BY_LANE[Lane.CPU] == pytest.approx(slow.vcpu_seconds)
    assert (fast.vcpu_seconds, slow.fast_seconds) == (0.0, 0.0)


def test_a_receipt_of_the_fast_lane_is_what_its_seconds_cost() -> None:
    quote = replace(a_quote(), lane=Lane.FAST, finish_lane=Lane.FAST)
    alone = actual_parts(quote, JobUsage(Usage(), Usage(cpu=1.5)))
    assert alone.workers == 1.5 * UNITS.lambda_gb_second * 4
    both = actual_parts(quote, JobUsage(Usage(cpu=3.0, start=1.2), Usage(cpu=1.5)))
    assert both.workers - alone.workers == pytest.approx((1.2 + 1.8 / BUSY / 2) * UNITS.lambda_gb_second * 4, abs=1)


def test_every_part_is_rounded_up() -> None:
    parts = price(Effort(vcpu_seconds=0.0001, requests=Requests(puts=0.00001, functions=1e-6)), UNITS, is_spot=True)
    assert (parts.workers, parts.objects, parts.functions, parts.tables) == (1, 1, 1, 0)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9), st.data())
def test_what_was_started_never_costs_more_than_was_reserved(
    child: int, units: int, finish: int, data: st.DataObject
) -> None:
    asked = Price(child, units, finish)
    children = data.draw(st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=4), min_size=1, max_size=5))
    numbered = [[100 * child + position for position, _ in enumerate(of)] for child, of in enumerate(children)]
    everything = {index for of in numbered for index in of}
    claimed = data.draw(st.sets(st.sampled_from(sorted(everything))))
    total = asked.total(len(numbered))
    assert 0 <= asked.started(numbered, claimed, is_finish_started=False) <= total
    assert asked.started(numbered, everything, is_finish_started=True) == total
    assert asked.started(numbered, (), is_finish_started=False) == 0


def test_a_ledger_allows_what_is_left() -> None:
    ledger = Ledger(100, 30, 40)
    assert (ledger.left_nano_usd, ledger.allows(30), ledger.allows(31)) == (30, True, False)
    assert Ledger(10, 30, 40).left_nano_usd == 0
    assert Ledger(None, 30, 40).allows(10**20)


def test_money_is_whole_nano_dollars_and_a_cap_is_not_rounded_up() -> None:
    assert (nano_usd(0.1), nano_usd(1e-9), nano_usd(1.9e-9)) == (100_000_000, 1, 1)
    assert (text_of(123), text_of(2_000_000_000), text_of(0)) == ("$0.000000123", "$2", "$0")


def test_usage_is_written_and_read_back() -> None:
    usage = Usage(cpu=1.25, start=0.5, children=1, load={"a": ModelUsage(0.1, 1)}, infer={"a:9": ModelUsage(2.0, 7)})
    assert Usage.from_json(json.loads(json.dumps(usage.to_json()))) == usage
    assert (usage + usage).infer["a:9"] == ModelUsage(4.0, 14)
    assert Usage().to_json() == {}


def test_a_quote_is_written_and_read_back() -> None:
    quote = a_quote()
    read = Quote.from_json(json.loads(json.dumps(quote.to_json())))
    assert read.to_json() == quote.to_json()
    assert read.cost_nano_usd == quote.cost_nano_usd


def test_a_receipt_is_priced_as_its_quote_was() -> None:
    quote = replace(a_quote(), units=replace(UNITS, vcpu_second_spot=1_000_000))
    parts = actual_parts(quote, JobUsage(Usage(cpu=9.0), Usage(cpu=1.0)))
    assert parts.workers == 12_000_000
    assert parts.tables == quote.parts.tables


def test_requests_of_a_job_that_broke_off_are_those_of_what_was_begun() -> None:
    quote = a_quote()
    begun = actual_parts(quote, JobUsage(Usage(cpu=9.0), share=0.5))
    assert (begun.tables, begun.functions, begun.objects) == (
        ceil(quote.parts.tables / 2),
        ceil(quote.parts.functions / 2),
        ceil(quote.parts.objects / 2),
    )
    assert begun.workers == actual_parts(quote, JobUsage(Usage(cpu=9.0))).workers
    assert actual_parts(quote, JobUsage(share=0.0)).total == 0


@pytest.mark.parametrize("share", [1.0, 0.25, 0.0])
def test_the_usage_of_a_job_is_written_and_read_back(share: float) -> None:
    usage = JobUsage(Usage(cpu=1.5), Usage(cpu=0.5), share)
    assert JobUsage.from_json(json.loads(json.dumps(usage.to_json()))) == usage


def test_vcpus_are_those_of_the_job_definitions() -> None:
    assert (VCPUS_BY_LANE[Lane.CPU], VCPUS_BY_LANE[Lane.GPU]) == (
        WIRING.cpu.definition.vcpus,
        WIRING.gpu.definition.vcpus,
    )


def test_the_price_list_says_when_and_where_it_is_from() -> None:
    prices = read_prices()
    assert (prices.dated, prices.region, prices.currency) == ("2026-11-01", "us-east-1", "USD")
    assert len(prices.sources) >= 5


@pytest.mark.parametrize("name", [field.name for field in fields(UnitPrices)])
@pytest.mark.parametrize("value", [-1, 1.5, "1", True, None])
def test_a_price_that_is_no_whole_number_is_refused(name: str, value: object) -> None:
    document = json.loads(PRICES.read_text())
    document["nano_usd"][name] = value
    with pytest.raises(ValueError, match=name):
        prices_from_json(document)
