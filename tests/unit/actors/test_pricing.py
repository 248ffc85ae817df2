"""A pricing shard on real SQL: quotes that outlive it, holds that cannot oversell, places that come back."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, time, timedelta
from pathlib import Path

import msgspec
import pytest

from actors.pricing import QUEUE_PER_CELL, PricingActor
from resort.clock import ManualClock
from resort.errors import Bug, Busy, DatabaseUnavailable, HoldExpired, Invalid, NotFound, SoldOut, WrongState
from resort.ids import SeededIds
from resort.pricing import Quote, QuoteRequest, shard_of
from resort.site import Site
from sim.ticket_shop import MORNING, TODAY, shop_site
from storage.database import Database
from storage.inventory_sql import find_quote
from storage.migrate import upgrade

HOLD_MS = 600_000


@pytest.fixture
async def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    return url


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MORNING)


@asynccontextmanager
async def shard(url: str, clock: ManualClock, site: Site | None = None, seed: str = "a") -> AsyncIterator[PricingActor]:
    """The only shard of a site with three places a day."""
    actor = PricingActor(0, 1, site or shop_site(quota=3, shards=1), url, clock, SeededIds(seed))
    try:
        yield actor
    finally:
        await actor.close()


async def quoted(actor: PricingActor, adults: int = 1) -> Quote:
    return await actor.quote(QuoteRequest("day", TODAY, {"adult": adults}))


async def test_constructing_needs_neither_loop_nor_database() -> None:
    actor = await asyncio.to_thread(PricingActor, 0, 1, shop_site(), "sqlite:////nowhere/at/all.db")
    assert await actor.ping()
    with pytest.raises(DatabaseUnavailable):
        await quoted(actor)
    await actor.close()
    await actor.close()


async def test_a_quote_is_stored_before_it_is_answered(url: str, clock: ManualClock) -> None:
    async with shard(url, clock) as actor:
        quote = await quoted(actor, adults=2)
    assert quote.total.minor == 24_000
    database = Database(url)
    async with database.read() as connection:
        assert await find_quote(connection, quote.quote_id) == quote
    await database.dispose()


async def test_past_midnight_the_day_that_is_under_way_can_still_be_bought(url: str) -> None:
    """Lanes take 01:00 for the night session of the day before; who buys then for "today" must get a ticket they admit."""
    site = shop_site(quota=3, shards=1)
    late = msgspec.structs.replace(site, admission=msgspec.structs.replace(site.admission, day_begins=time(5)))
    night = ManualClock(datetime.combine(TODAY + timedelta(days=1), time(1), tzinfo=site.zone))
    async with shard(url, night, late) as actor:
        assert (await quoted(actor)).day == TODAY
    async with shard(url, night, site) as actor:  # a site whose days begin at midnight
        with pytest.raises(Invalid, match="today"):
            await quoted(actor)


async def test_requests_that_cannot_be_priced(url: str, clock: ManualClock) -> None:
    async with shard(url, clock) as actor:
        with pytest.raises(NotFound):
            await actor.quote(QuoteRequest("moon", TODAY, {"adult": 1}))
        with pytest.raises(NotFound):
            await actor.places_left("moon", TODAY)
        with pytest.raises(Invalid):
            await actor.quote(QuoteRequest("day", TODAY - timedelta(days=1), {"adult": 1}))


async def test_today_is_the_sites_day_not_utcs(url: str, clock: ManualClock) -> None:
    clock.advance_ms(15.5 * 3_600_000)  # 0:30 on the 2nd in Shanghai, still the 1st in UTC
    async with shard(url, clock) as actor:
        with pytest.raises(Invalid):
            await quoted(actor)


async def test_holds_take_places_once_until_there_are_too_few(url: str, clock: ManualClock) -> None:
    async with shard(url, clock) as actor:
        two = await quoted(actor, adults=2)
        assert await actor.places_left("day", TODAY) == 3
        await actor.hold(two, "order 1")
        await actor.hold(two, "order 1")
        assert await actor.places_left("day", TODAY) == 1
        with pytest.raises(SoldOut) as caught:
            await actor.hold(two, "order 2")
        assert caught.value.left == 1
        await actor.hold(await quoted(actor), "order 3")
        assert await actor.places_left("day", TODAY) == 0


async def test_released_places_can_be_sold_again(url: str, clock: ManualClock) -> None:
    async with shard(url, clock) as actor:
        three = await quoted(actor, adults=3)
        await actor.hold(three, "order 1")
        await actor.release("day", TODAY, "order 1")
        await actor.release("day", TODAY, "order 1")
        await actor.release("day", TODAY, "never held")
        assert await actor.places_left("day", TODAY) == 3
        with pytest.raises(WrongState):
            await actor.hold(three, "order 1")
        await actor.hold(three, "order 2")


async def test_a_restarted_shard_knows_every_hold(url: str, clock: ManualClock) -> None:
    async with shard(url, clock) as actor:
        quote = await quoted(actor, adults=2)
        await actor.hold(quote, "order 1")
    async with shard(url, clock, seed="b") as actor:
        await actor.hold(quote, "order 1")
        assert await actor.places_left("day", TODAY) == 1
        with pytest.raises(SoldOut):
            await actor.hold(quote, "order 2")


async def test_sweeping_returns_places_of_holds_that_ran_out(url: str, clock: ManualClock) -> None:
    async with shard(url, clock) as actor:
        quote = await quoted(actor, adults=3)
        await actor.hold(quote, "order 1")
        assert await actor.sweep() == 0
        clock.advance_ms(HOLD_MS)
        assert await actor.places_left("day", TODAY) == 3
        assert await actor.sweep() == 1
        assert await actor.sweep() == 0
        with pytest.raises(HoldExpired):
            await actor.hold(quote, "order 1")
        await actor.hold(quote, "order 2")


async def test_places_that_ran_out_are_sold_even_before_the_sweep(url: str, clock: ManualClock) -> None:
    async with shard(url, clock) as actor:
        quote = await quoted(actor, adults=3)
        await actor.hold(quote, "order 1")
        clock.advance_ms(HOLD_MS)
        await actor.hold(quote, "order 2")
        assert await actor.places_left("day", TODAY) == 0
        await actor.release("day", TODAY, "order 1")
        assert await actor.places_left("day", TODAY) == 0


class WatchedShard(PricingActor):
    """Tells when a sweep gave places back."""

    given_back: asyncio.Event

    async def sweep(self) -> int:
        expired = await super().sweep()
        if expired:
            self.given_back.set()
        return expired


async def test_the_sweep_runs_by_itself(url: str, clock: ManualClock, tmp_path: Path) -> None:
    actor = WatchedShard(0, 1, shop_site(quota=3, shards=1), url, clock, SeededIds("a"))
    actor.given_back = asyncio.Event()
    await actor.hold(await quoted(actor, adults=3), "order 1")
    clock.advance_ms(HOLD_MS)
    async with asyncio.timeout(60):
        await actor.given_back.wait()
    await actor.close()
    rows = sqlite3.connect(tmp_path / "snowgate.db")
    assert rows.execute("SELECT state FROM inventory_holds").fetchone() == ("expired",)
    assert rows.execute("SELECT taken FROM inventory_cells").fetchone() == (0,)
    rows.close()


async def test_old_quotes_are_forgotten(url: str, clock: ManualClock, tmp_path: Path) -> None:
    async with shard(url, clock) as actor:
        await quoted(actor)
        clock.advance_ms(23 * 3_600_000)
        await actor.sweep()
        rows = sqlite3.connect(tmp_path / "snowgate.db")
        assert rows.execute("SELECT count(*) FROM quotes").fetchone() == (1,)
        clock.advance_ms(2 * 3_600_000)
        await actor.sweep()
        assert rows.execute("SELECT count(*) FROM quotes").fetchone() == (0,)
        rows.close()


async def test_a_changed_quota_counts_from_the_next_start(url: str, clock: ManualClock) -> None:
    async with shard(url, clock) as actor:
        await actor.hold(await quoted(actor, adults=3), "order 1")
    async with shard(url, clock, shop_site(quota=5, shards=1), "b") as actor:
        await actor.hold(await quoted(actor, adults=2), "order 2")
        assert await actor.places_left("day", TODAY) == 0
    async with shard(url, clock, shop_site(quota=2, shards=1), "c") as actor:
        assert await actor.places_left("day", TODAY) == 0
        with pytest.raises(SoldOut):
            await actor.hold(await quoted(actor), "order 3")


async def test_two_incarnations_of_a_shard_sell_no_place_twice(url: str, clock: ManualClock) -> None:
    async with shard(url, clock) as dying, shard(url, clock, seed="b") as fresh:
        quote = await quoted(fresh)
        holds = [actor.hold(quote, f"order {number}") for number in range(6) for actor in (dying, fresh)]
        answers = await asyncio.gather(*holds, return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["NoneType"] * 6 + ["SoldOut"] * 6
        assert await fresh.places_left("day", TODAY) == 0


async def test_a_cell_of_another_shard_is_refused(url: str, clock: ManualClock) -> None:
    owner = shard_of("day", TODAY, 2)
    stranger = PricingActor(1 - owner, 2, shop_site(), url, clock)
    with pytest.raises(Bug):
        await stranger.quote(QuoteRequest("day", TODAY, {"adult": 1}))
    await stranger.close()


async def test_too_many_callers_at_one_cell_are_told_to_come_back(url: str, clock: ManualClock) -> None:
    async with shard(url, clock, shop_site(quota=10_000, shards=1)) as actor:
        quote = await quoted(actor)
        calls = [actor.hold(quote, f"order {number}") for number in range(QUEUE_PER_CELL + 5)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers if answer is not None] == [Busy] * 5
        await actor.hold(quote, "afterwards")


def test_routing_is_the_same_everywhere_and_uses_every_shard() -> None:
    days = [TODAY + timedelta(days=number) for number in range(60)]
    assert shard_of("day", TODAY, 1) == 0
    assert [shard_of("single", day, 3) for day in days[:6]] == [shard_of("single", day, 3) for day in days[:6]]
    assert shard_of("single", TODAY, 1000) == 692  # known value: routing must never move
    assert {shard_of("single", day, 3) for day in days} == {0, 1, 2}
