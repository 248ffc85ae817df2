"""A shard's slots on real SQL: counted one by one, metered, and metered still after a restart."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.pricing import PricingActor
from resort.clock import ManualClock
from resort.errors import Invalid, NotFound, SoldOut
from resort.ids import SeededIds
from resort.pricing import Quote, QuoteRequest
from sim.memory_sales import LocalPricing
from sim.ticket_shop import MORNING, TIMED, TODAY, shop_site
from storage.migrate import upgrade

HOLD_MS = 600_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MORNING)


@pytest.fixture
async def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    return url


def opened(url: str, clock: ManualClock, seed: str = "a") -> PricingActor:
    return PricingActor(0, 1, shop_site(shards=1), url, clock, SeededIds(seed))


@pytest.fixture
async def shard(url: str, clock: ManualClock) -> AsyncIterator[PricingActor]:
    actor = opened(url, clock)
    yield actor
    await actor.close()


async def quoted(actor: PricingActor, slot: str = "10:00", adults: int = 1) -> Quote:
    return await actor.quote(QuoteRequest(TIMED, TODAY, {"adult": adults}, slot=slot))


async def left(actor: PricingActor, slot: str = "10:00") -> int:
    return await actor.places_left(f"{TIMED}@{slot}", TODAY)


async def test_each_slot_counts_its_own_places(shard: PricingActor) -> None:
    quote = await quoted(shard, adults=3)
    assert (quote.slot, quote.cell) == ("10:00", "timed@10:00")
    await shard.hold(quote, "order 1")
    assert (await left(shard), await left(shard, "09:00")) == (1, 4)
    await shard.release(quote.cell, TODAY, "order 1")
    assert await left(shard) == 4


async def test_a_slot_that_is_full_is_refused_with_the_quote(shard: PricingActor) -> None:
    await shard.hold(await quoted(shard, adults=3), "order 1")
    with pytest.raises(SoldOut) as refused:
        await quoted(shard, adults=2)
    assert (refused.value.product, refused.value.left) == ("timed@10:00", 1)
    with pytest.raises(SoldOut):
        await quoted(shard, "11:00")  # one that the site gives no places
    told = await shard.quotes([QuoteRequest(TIMED, TODAY, {"adult": 1}, slot=slot) for slot in ("11:00", "09:00")])
    assert [type(answer) for answer in told] == [SoldOut, Quote]


async def test_what_no_slot_goes_by_is_no_cell(shard: PricingActor) -> None:
    for cell in (TIMED, "timed@10:15", "day@10:00", "moon@10:00"):
        with pytest.raises(NotFound):
            await shard.places_left(cell, TODAY)
    with pytest.raises(Invalid, match="say one"):
        await shard.quote(QuoteRequest(TIMED, TODAY, {"adult": 1}))
    with pytest.raises(Invalid, match="over"):
        await quoted(shard, "08:00")


async def test_a_meter_lowers_and_raises_what_a_slot_may_sell(shard: PricingActor) -> None:
    assert await shard.meter(TIMED, TODAY, {"09:00": 1, "10:00": 2}) == {"09:00": 1, "10:00": 2}
    assert (await left(shard, "09:00"), await left(shard)) == (1, 2)
    await shard.hold(await quoted(shard, adults=2), "order 1")
    with pytest.raises(SoldOut):
        await quoted(shard)
    assert await shard.meter(TIMED, TODAY, {"10:00": 3}) == {"10:00": 3}
    await shard.hold(await quoted(shard), "order 2")
    assert await shard.meter(TIMED, TODAY, {"10:00": 400, "11:00": 5}) == {"10:00": 4, "11:00": 0}
    assert await left(shard) == 1


async def test_no_meter_takes_back_what_is_sold_or_held(shard: PricingActor, clock: ManualClock) -> None:
    quote = await quoted(shard, adults=3)
    await shard.hold(quote, "order 1")
    assert await shard.meter(TIMED, TODAY, {"10:00": 1}) == {"10:00": 3}
    await shard.hold(quote, "order 1")
    assert await left(shard) == 0
    clock.advance_ms(HOLD_MS)
    assert await shard.meter(TIMED, TODAY, {"10:00": 1}) == {"10:00": 1}
    assert await left(shard) == 1  # the hold ran out, and the meter holds


async def test_a_meter_that_came_between_quote_and_hold_counts(shard: PricingActor) -> None:
    quote = await quoted(shard, adults=3)
    await shard.meter(TIMED, TODAY, {"10:00": 2})
    with pytest.raises(SoldOut):
        await shard.hold(quote, "order 1")


async def test_a_restarted_shard_keeps_its_meters(url: str, clock: ManualClock, shard: PricingActor) -> None:
    await shard.hold(await quoted(shard), "order 1")
    await shard.meter(TIMED, TODAY, {"10:00": 2})
    again = opened(url, clock, "b")
    assert await left(again) == 1
    await again.hold(await quoted(again), "order 2")
    with pytest.raises(SoldOut):
        await quoted(again)
    await again.close()


async def test_meters_are_refused_for_what_has_no_slots(shard: PricingActor) -> None:
    with pytest.raises(NotFound):
        await shard.meter("moon", TODAY, {"10:00": 1})
    with pytest.raises(Invalid):
        await shard.meter("day", TODAY, {"10:00": 1})
    with pytest.raises(Invalid):
        await shard.meter(TIMED, TODAY, {"10:00": 1, "09:00": -1})
    assert await left(shard) == 4


async def test_meters_reach_every_shard(url: str, clock: ManualClock) -> None:
    shards = LocalPricing(shop_site(shards=3), url, clock)
    wished = {"08:00": 1, "09:00": 2, "10:00": 3, "11:00": 4}
    assert await shards.meter(TIMED, TODAY, wished) == {"08:00": 1, "09:00": 2, "10:00": 3, "11:00": 0}
    assert [await shards.places_left(f"{TIMED}@{slot}", TODAY) for slot in wished] == [1, 2, 3, 0]
    await shards.close()
