"""Who may decide after the ledger was lost for a moment, to some, or while a gate was away: never two for one ticket, and
never nobody for ever."""

import asyncio

import pytest

from actors.gate_ledger import GateLedger
from actors.ledger_links import Route
from resort.errors import LedgerUnavailable
from resort.ids import GateId
from tests.integration.offline_lane import Lane
from tests.integration.offline_site import GATES, OfflineSite, Source, opened
from tests.integration.offline_store import Store, at, show_everywhere

A, B, C = GATES


def ledger_of(site: OfflineSite, gate_id: GateId) -> GateLedger:
    ledger = site.gates[gate_id].ledger
    assert ledger is not None
    return ledger


def lanes_of(site: OfflineSite, *gate_ids: GateId) -> list[Lane]:
    return [lane for lane in site.lanes if lane.gate_id in gate_ids]


async def lose_and_regain(site: OfflineSite, store: Store) -> None:
    """So that the ledger's term is not the first."""
    await store.kill()
    await site.until(lambda: at(site, "home"))
    await store.start()
    await site.until(lambda: at(site, "ledger"))


async def test_who_handed_over_leaves_the_ledger_to_whom_it_was_handed(
    site: OfflineSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A and B lose sight of the ledger, A sees it again while B still waits for C, and then C loses sight of it, too."""
    monkeypatch.setattr("actors.gate_peers.PEER_S", 20.0)
    async with opened(site):
        tickets = await site.sell(20)
        stalled = site.stalled[B, C] = asyncio.Event()
        site.sources[A].blind = site.sources[B].blind = True
        await site.until(lambda: (A, B) in site.handed_over)
        site.sources[A].blind = False
        await site.until(lambda: ledger_of(site, A).route.kind in ("ledger", "home"))
        site.sources[C].blind = True
        stalled.set()
        await site.until(lambda: ledger_of(site, B).route.kind == "home")
        assert set((await show_everywhere(site, tickets)).values()) == {1}
        site.sources[B].blind = site.sources[C].blind = False
        await site.until(lambda: at(site, "ledger"))
        assert set((await show_everywhere(site, tickets)).values()) == {1}


async def test_a_gate_cut_off_does_not_take_a_thawed_ledger_for_whole(
    site: OfflineSite, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.gate_ledger.LEASE_MS", 300.0)
    async with opened(site):
        tickets = await site.sell(6)
        site.journal.idle = True
        with store.frozen():
            await show_everywhere(site, tickets[:3])
            site.apart.add(A)
            await site.until(lambda: ledger_of(site, A).route.kind == "alone")
        for lane in lanes_of(site, A):
            with pytest.raises(LedgerUnavailable):
                await lane.show(tickets[0])
        site.journal.idle = False
        site.apart.clear()
        await site.until(lambda: at(site, "ledger"))
        assert set((await show_everywhere(site, tickets)).values()) == {1}


@pytest.mark.parametrize("forgets", [False, True])
async def test_a_ledger_lost_while_a_gate_is_away_is_taken_back_without_it(
    site: OfflineSite, store: Store, monkeypatch: pytest.MonkeyPatch, forgets: bool
) -> None:
    monkeypatch.setattr("actors.rejoin.AWAY_MS", 500.0)
    async with opened(site):
        tickets = await site.sell(6)
        await show_everywhere(site, tickets[:3])
        await site.stop_gate(B)
        there = lanes_of(site, A, C)
        if forgets:
            await store.kill()
            await site.until(lambda: {lane.ledger.route.kind for lane in there} == {"alone"})
            await store.start(empty=True)
        else:
            with store.frozen():
                await site.until(lambda: {lane.ledger.route.kind for lane in there} == {"alone"})
        await site.until(lambda: {lane.ledger.route.kind for lane in there} == {"ledger"})
        await site.start_gate(B)
        await site.until(lambda: at(site, "ledger"))
        assert set((await show_everywhere(site, tickets)).values()) == {1}


async def test_a_gate_that_starts_while_the_tickets_are_given_back_waits_for_that(site: OfflineSite, store: Store) -> None:
    async with opened(site):
        tickets = await site.sell(20)
        await store.kill()
        await show_everywhere(site, tickets[:10])
        site.journal.may_finish.clear()
        await store.start()
        async with asyncio.timeout(20):
            await site.journal.finishing.wait()
        await site.stop_gate(C)
        await site.start_gate(C)
        await site.until(lambda: ledger_of(site, C).route.term > 0)
        with pytest.raises(LedgerUnavailable):  # what is being given back is nobody's any more
            await ledger_of(site, A).collect(ledger_of(site, C).route.term, C, 0)
        site.journal.may_finish.set()
        await site.until(lambda: at(site, "ledger"))
        assert set((await show_everywhere(site, tickets)).values()) == {1}


@pytest.mark.parametrize("lanes_too", [False, True])
async def test_gates_that_start_while_the_ledger_is_frozen_do_not_decide_in_its_own_term(
    site: OfflineSite, store: Store, monkeypatch: pytest.MonkeyPatch, lanes_too: bool
) -> None:
    async with opened(site):
        await lose_and_regain(site, store)
        tickets = await site.sell(20)
        await show_everywhere(site, tickets[:5])
        await site.journal.drain()
        before = ledger_of(site, A).route.term
        monkeypatch.setattr(Source, "termless", not lanes_too)  # then the lanes know
        with store.frozen():
            for gate_id in GATES:
                await site.stop_gate(gate_id)
            if lanes_too:
                for lane in list(site.lanes):
                    await site.stop_lane(lane)
            for gate_id in GATES:
                await site.start_gate(gate_id)
            if lanes_too:
                for gate_id in GATES:
                    for number in range(2):
                        await site.start_lane(gate_id, number)
            await show_everywhere(site, tickets[:15])
            assert min(ledger_of(site, gate_id).route.term for gate_id in GATES) > before
        await site.until(lambda: at(site, "ledger"))
        counts = await show_everywhere(site, tickets)
        assert max(counts.values()) == 1


async def test_a_home_that_was_frozen_looks_around_before_it_decides(
    site: OfflineSite, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(site):
        [ticket] = await site.sell(1)
        await store.kill()
        await site.until(lambda: at(site, "home"))
        gate = ledger_of(site, A)
        route = gate.route
        await gate.find(route, ticket)
        monkeypatch.setattr("actors.gate_ledger.LEASE_MS", -1.0)  # it was heard of too long ago, and nothing told it yet
        with pytest.raises(LedgerUnavailable):
            await gate.find(route, ticket)


async def test_tickets_are_not_given_back_without_a_gate_that_may_still_be_a_home(
    site: OfflineSite, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal does not reach it; the other gates do."""
    async with opened(site):
        await store.kill()
        await site.until(lambda: at(site, "home"))
        term = ledger_of(site, A).route.term
        with pytest.raises(LedgerUnavailable):
            await ledger_of(site, A).hold(term, [B])
        monkeypatch.setattr("actors.gate_ledger.LEASE_MS", 300.0)
        await site.stop_gate(B)
        await site.until(lambda: ledger_of(site, A).route.kind == "alone")
        await ledger_of(site, A).hold(term, [B])
        assert ledger_of(site, A).route.kind == "held"


async def test_tickets_are_given_back_however_long_sql_takes(
    site: OfflineSite, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.gate_ledger.THAW_MS", 300.0)
    monkeypatch.setattr("actors.rejoin.KEEP_S", 0.05)
    async with opened(site):
        await store.kill()
        await site.until(lambda: at(site, "home"))
        term = ledger_of(site, A).route.term
        site.journal.may_finish.clear()
        await store.start()
        async with asyncio.timeout(20):
            await site.journal.finishing.wait()
        gate = ledger_of(site, A)
        held_since = site.clock.now().tick_ns
        await site.until(lambda: site.clock.now().tick_ns - held_since > 1_000_000_000)
        site.journal.may_finish.set()
        await site.until(lambda: at(site, "ledger"))
        assert gate.route.term == term


async def test_a_route_that_comes_after_a_later_order_is_not_taken(site: OfflineSite) -> None:
    async with opened(site):
        lane = site.lanes[0].ledger
        before = site.clock.now().tick_ns
        await lane.fence(lane.route.term + 1, site.clock.now().tick_ns)
        lane.take_order(Route("ledger", 0), before)
        assert lane.route.kind == "held"
        lane.take_order(Route("ledger", 0), site.clock.now().tick_ns)
        assert lane.route.kind == "ledger"
