"""The ledger lost and found: single use holds among the gates, and nothing that happened meanwhile is forgotten."""

import asyncio
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis

from actors.ledger_links import Route
from resort.errors import LedgerUnavailable, SpoolFull
from resort.ids import TicketId
from resort.messages import GrantIssued, LaneChanged
from resort.site import OfflineSite as OfflinePolicy
from resort.site import Site
from storage.database import Database
from tests.integration.offline_lane import GRANTED
from tests.integration.offline_site import GATES, OfflineSite, opened
from tests.integration.offline_store import Store, at, show_everywhere


async def used_in(redis: Redis, site: OfflineSite, tickets: list[TicketId]) -> list[int]:
    ledger = site.centrals[GATES[0]]
    records = [await ledger.find(ticket) for ticket in tickets]
    return [record.usage.used if record is not None else -1 for record in records]


async def test_single_use_holds_while_the_ledger_is_lost_and_after_it_returned(site: OfflineSite, store: Store) -> None:
    async with opened(site):
        tickets = await site.sell(40)
        before, during, after = tickets[:10], tickets[10:30], tickets[30:]
        await show_everywhere(site, before)
        await store.kill()
        assert set((await show_everywhere(site, [*before, *during])).values()) == {1}
        assert at(site, "home")
        await store.start(empty=True)
        await site.until(lambda: at(site, "ledger"))
        assert set((await show_everywhere(site, tickets)).values()) == {1}
        assert await used_in(site.journal.redis, site, tickets) == [1] * 40
        await site.journal.drain()
        events = [stored.event for stored in await site.journal.store.events_after(0, 10_000)]
        grants = [event for event in events if isinstance(event, GrantIssued)]
        assert Counter(grant.decided_by for grant in grants) == {"ledger": 20, "home": 20}
        assert len({event.event_id for event in events}) == len(events)
        assert len(after) == 10


async def test_a_wiped_ledger_is_lost_as_well(site: OfflineSite, store: Store) -> None:
    async with opened(site):
        tickets = await site.sell(10)
        await show_everywhere(site, tickets[:5])
        await site.journal.redis.flushall()
        assert set((await show_everywhere(site, tickets)).values()) == {1}
        await site.until(lambda: at(site, "ledger"))
        assert set((await show_everywhere(site, tickets)).values()) == {1}


async def test_what_only_a_dead_lane_knew_is_in_its_spool(site: OfflineSite, store: Store) -> None:
    async with opened(site):
        [ticket, other] = await site.sell(2)
        lane = site.lanes[0]
        # The stream does not tell of it: as if the ledger had lost it together with the lane.
        for source in site.sources.values():
            source.deaf = True
        assert await lane.show(ticket) == GRANTED
        turned = list(lane.turned)
        await site.stop_lane(lane)
        await store.kill()
        counts = await show_everywhere(site, [ticket, other])
        assert counts[ticket] == 0
        assert counts[other] == 1
        assert turned == [ticket]


async def test_a_gate_that_was_killed_meanwhile_knows_what_its_tickets_are_worth(site: OfflineSite, store: Store) -> None:
    async with opened(site):
        tickets = await site.sell(30)
        await store.kill()
        await show_everywhere(site, tickets[:20])
        await site.stop_gate(GATES[1])
        await site.start_gate(GATES[1])
        await site.until(lambda: at(site, "home"))
        assert set((await show_everywhere(site, tickets)).values()) == {1}


async def test_a_ledger_that_only_one_gate_lost_is_left_by_nobody_else(
    demo_site: Site, store: Store, database: Database, tmp_path: Path
) -> None:
    site = OfflineSite(demo_site, tmp_path, store.url, database)
    async with opened(site):
        [ticket] = await site.sell(1)
        gate = site.gates[GATES[2]].ledger
        assert gate is not None
        site.sources[GATES[2]].blind = True
        await site.until(lambda: gate.route.kind == "alone")
        with pytest.raises(LedgerUnavailable):
            await site.lanes[-1].show(ticket)
        assert await site.lanes[0].show(ticket) == GRANTED
        assert site.lanes[0].ledger.route.kind == "ledger"
        site.sources[GATES[2]].blind = False
        await site.until(lambda: at(site, "ledger"))
        assert await site.lanes[-1].show(ticket) == "used"


async def test_a_gate_cut_off_admits_by_policy_and_tells_afterwards(
    demo_site: Site, store: Store, database: Database, tmp_path: Path
) -> None:
    lenient = _with_policy(demo_site, OfflinePolicy(cut_off="admit"))
    site = OfflineSite(lenient, tmp_path, store.url, database)
    async with opened(site):
        [twice, once] = await site.sell(2)
        gate = site.gates[GATES[2]].ledger
        assert gate is not None
        site.sources[GATES[2]].blind = True
        await site.until(lambda: gate.route.kind == "alone")
        assert await site.lanes[-1].show(twice) == GRANTED
        assert await site.lanes[-1].show(twice) == "used"
        assert await site.lanes[-1].show(once) == GRANTED
        assert await site.lanes[0].show(twice) == GRANTED  # nobody could tell this lane
        site.sources[GATES[2]].blind = False
        await site.until(lambda: at(site, "ledger"))
        assert await site.lanes[0].show(once) == "used"
        assert await used_in(site.journal.redis, site, [twice, once]) == [2, 1]


async def test_tickets_are_given_back_without_waiting_for_who_only_waits(site: OfflineSite) -> None:
    async with opened(site):
        lane = site.lanes[0]
        site.gates[lane.gate_id].cut = True
        lane.ledger.take_route(Route("held", 0))
        closed = LaneChanged(**lane.head("changed"), state="closed", detail="")  # type: ignore[arg-type]
        told = asyncio.create_task(lane.ledger.append([closed]))
        await asyncio.sleep(0)
        handed = await lane.ledger.hold(0)
        assert handed.events[-1] == closed
        assert not told.done()  # else it was given up first, and every guest of the site had to wait for that
        lane.ledger.take_route(Route("ledger", 0))
        await told


async def test_guests_do_not_wait_when_the_ledger_is_lost_again_while_it_is_given_the_tickets(
    site: OfflineSite, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.gate_ledger.THAW_MS", float("inf"))  # nobody comes to his senses by waiting long enough
    async with opened(site):
        tickets = await site.sell(20)
        await store.kill()
        await show_everywhere(site, tickets[:10])
        site.journal.may_finish.clear()
        await store.start()
        async with asyncio.timeout(20):
            await site.journal.finishing.wait()
        assert at(site, "held")
        with store.frozen():
            async with asyncio.timeout(20):
                served = await show_everywhere(site, tickets)
            assert set(served.values()) == {1}
        site.journal.may_finish.set()  # it finishes in a term that the gates have left
        await site.until(lambda: at(site, "ledger"))
        assert await used_in(site.journal.redis, site, tickets) == [1] * len(tickets)
        assert set((await show_everywhere(site, tickets)).values()) == {1}


async def test_a_gate_that_was_too_busy_to_follow_asks_sql_what_spools_have_forgotten(
    site: OfflineSite, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.spool_keeper.SPOOL_KEEPS_MS", -1.0)  # long ago is now
    monkeypatch.setattr("actors.gate_replica.NEAR_MS", -1.0)
    async with opened(site):
        tickets = await site.sell(10)
        for source in site.sources.values():
            source.deaf = True
        await show_everywhere(site, tickets)
        await site.journal.drain()
        await asyncio.gather(*(lane.spool.tend() for lane in site.lanes))
        assert not [event for lane in site.lanes for event in lane.spool.unconfirmed()]
        await store.kill()
        assert set((await show_everywhere(site, tickets)).values()) == {1}


async def test_spools_keep_for_a_while_what_sql_has(site: OfflineSite, store: Store) -> None:
    async with opened(site):
        tickets = await site.sell(10)
        for source in site.sources.values():
            source.deaf = True
        await show_everywhere(site, tickets)
        await site.journal.drain()
        await asyncio.gather(*(lane.spool.tend() for lane in site.lanes))
        for source in site.sources.values():
            source.bookless = True  # nobody asks SQL what happened
        await store.kill()
        assert set((await show_everywhere(site, tickets)).values()) == {1}


async def test_a_ticket_sold_and_used_just_before_the_loss_is_used(site: OfflineSite, store: Store) -> None:
    async with opened(site):
        for source in site.sources.values():
            source.deaf = True
        tickets = await site.sell(10)  # no gate's copy has heard of them
        await show_everywhere(site, tickets)
        await store.kill()
        assert set((await show_everywhere(site, tickets)).values()) == {1}


async def test_a_frozen_lane_does_not_keep_the_others_from_deciding(site: OfflineSite, store: Store) -> None:
    async with opened(site):
        [ticket, other] = await site.sell(2)
        lane = site.lanes[0]
        for source in site.sources.values():
            source.deaf = True
        assert await lane.show(ticket) == GRANTED
        await site.freeze_lane(lane)
        await store.kill()
        counts = await show_everywhere(site, [ticket, other])
        assert counts[ticket] == 0
        assert counts[other] == 1


async def test_a_lane_killed_with_a_full_spool_starts_again(site: OfflineSite) -> None:
    site.spool_bytes = 1 << 20
    async with opened(site):
        [ticket] = await site.sell(1)
        lane = site.lanes[0]
        assert await lane.show(ticket) == GRANTED
        while lane.spool.percent_used < 100:
            long = LaneChanged(**lane.head("changed"), state="closed", detail="x" * 2_000)  # type: ignore[arg-type]
            await lane.spool.append([long])
        with pytest.raises(SpoolFull):
            lane.spool.check_room()
        await site.stop_lane(lane)
        again = await site.start_lane(lane.gate_id, 0)
        memory = await again.ledger.lane_memory(again.lane_id)
        assert memory.last_seq == lane.seq
        assert memory.open_grant is None


def _with_policy(site: Site, policy: OfflinePolicy) -> Site:
    return msgspec.structs.replace(site, offline=policy)


async def test_without_handover_a_ticket_gets_through_twice(site: OfflineSite, store: Store) -> None:
    """The control: what the gates ask each other for is what keeps single use."""
    site.handover = False
    async with opened(site):
        tickets = await site.sell(10)
        for source in site.sources.values():
            source.deaf = True
        await show_everywhere(site, tickets)
        await store.kill()
        assert max((await show_everywhere(site, tickets)).values()) > 1
