"""The contract of the port `RateStore`."""

from __future__ import annotations

from chalicelib.domain.ids import TenantId
from chalicelib.domain.rates import MAX_OBSERVATIONS, Observation, Observations
from chalicelib.services.ports import Ports


def test_what_jobs_took_is_kept_by_name_and_in_order(ports: Ports, tenant: TenantId) -> None:
    first, second = Observation("job_1", 2.5, 100.0), Observation("job_2", 3.25, 50.0)
    ports.rates.add(tenant, {"segment": first, "decode:h264:every_frame:40": first})
    ports.rates.add(tenant, {"segment": second})
    assert ports.rates.get(tenant) == {
        "segment": Observations((first, second)),
        "decode:h264:every_frame:40": Observations((first,)),
    }


def test_a_job_that_tells_twice_counts_once(ports: Ports, tenant: TenantId) -> None:
    seen = {"segment": Observation("job_1", 2.5, 100.0)}
    ports.rates.add(tenant, seen)
    ports.rates.add(tenant, seen)
    assert ports.rates.get(tenant)["segment"].items == (seen["segment"],)


def test_only_the_last_jobs_are_kept(ports: Ports, tenant: TenantId) -> None:
    for number in range(MAX_OBSERVATIONS + 3):
        ports.rates.add(tenant, {"segment": Observation(f"job_{number}", 1.0, 1.0)})
    kept = [item.job_id for item in ports.rates.get(tenant)["segment"].items]
    assert kept == [f"job_{number}" for number in range(3, MAX_OBSERVATIONS + 3)]


def test_another_tenant_learns_nothing_of_it(ports: Ports, tenant: TenantId) -> None:
    ports.rates.add(tenant, {"segment": Observation("job_1", 2.5, 100.0)})
    assert ports.rates.get(TenantId(ports.ids.make("ten"))) == {}
