"""Rebuilding in two steps, from late events and from spools, as after a loss that nobody can see in the stream."""

from pathlib import Path

import pytest

from resort.access.entitlement import Usage
from resort.errors import LedgerUnavailable
from resort.messages import GrantOutcomeUnknown
from resort.ports import LaneMemory
from storage.ledger_books import LedgerBooks
from storage.rebuild import begin_rebuild, finish_rebuild
from storage.spool import Spool
from tests.unit.storage.ledger_stand import (
    EAST,
    FRESH,
    KEYS,
    NORTH,
    ONCE,
    OPEN,
    SITE,
    TICKETS,
    USED,
    Books,
    a_change,
    a_grant,
    a_morning,
    a_passage,
    back_to,
    everything_in,
    replace,
)


async def test_counters_come_from_before_a_lane_that_changed_without_reading_them(books: Books) -> None:
    counted, blind = a_change("c1", NORTH, 7, 3), a_change("c2", NORTH)
    await books.ledger.append([counted, blind])
    await books.store()
    await books.redis.flushall()
    await books.ensure()
    memory = LaneMemory(open_grant=None, counter_in=7, counter_out=3, last_seq=blind.lane_seq)
    assert await books.ledger.lane_memory(NORTH) == memory


async def test_late_events_of_a_lane_are_taken_by_their_numbers(books: Books) -> None:
    grant = a_grant(FRESH, NORTH, 40)
    passage, change, next_grant = a_passage(grant), a_change("c1", NORTH, 41, 2), a_grant(OPEN, NORTH, 41)
    await books.journal.store([("5-0", change), ("6-0", next_grant)])
    await books.journal.store([("", passage), ("", grant)])  # from the spool, late
    await books.redis.flushall()
    await books.ensure()
    memory = LaneMemory(open_grant=next_grant, counter_in=41, counter_out=2, last_seq=next_grant.lane_seq)
    assert await books.ledger.lane_memory(NORTH) == memory
    assert (await books.record(FRESH)).usage == ONCE
    assert (await books.record(OPEN)).usage.open_grant == next_grant.event_id


async def test_a_grant_by_hand_without_ticket_is_a_lanes_open_grant(books: Books) -> None:
    by_hand = replace(a_grant(FRESH, NORTH, 40), ticket_id=None, by="ann", note="broken phone")
    await books.journal.store([("5-0", by_hand)])
    await books.redis.flushall()
    await books.ensure()
    assert (await books.ledger.lane_memory(NORTH)).open_grant == by_hand
    outcome = replace(a_passage(by_hand), ticket_id=None)
    await books.journal.store([("", outcome)])
    await books.redis.flushall()
    await books.ensure()
    assert (await books.ledger.lane_memory(NORTH)).open_grant is None


async def test_between_its_two_steps_gates_go_on_and_nobody_decides_on_the_ledger(books: Books) -> None:
    await a_morning(books)
    await books.store()
    await books.redis.flushall()
    sql = LedgerBooks(books.database)
    begun = await begin_rebuild(books.redis, SITE, books.journal, sql, books.clock)
    assert begun.tickets == len(TICKETS)
    with pytest.raises(LedgerUnavailable):
        await books.ledger.find(FRESH)
    grant = a_grant(FRESH, NORTH, 40)
    passage = a_passage(grant)
    await books.journal.store([("", grant), ("", passage)])
    assert await finish_rebuild(books.redis, SITE, books.journal, sql, begun, term=7) == 7
    assert (await books.record(FRESH)).usage == ONCE
    assert (await books.record(FRESH)).version > begun.version, "nobody can have read it before"
    assert (await books.ledger.lane_memory(NORTH)).last_seq == passage.lane_seq
    epoch = await books.redis.get(KEYS.epoch)
    assert epoch.decode().split(" ")[2] == "7"
    assert await books.redis.hget(KEYS.stored, NORTH) == str(passage.lane_seq).encode()
    assert await books.ensure() is None


async def test_a_rebuild_keeps_the_term_of_an_epoch_that_is_there(books: Books) -> None:
    await books.redis.set(KEYS.epoch, "1 0-0 4")
    await books.journal.store([("99-0", a_change("c1", NORTH, 1, 1))])
    await books.ensure()
    epoch = await books.redis.get(KEYS.epoch)
    assert epoch.decode().split(" ")[2] == "4"


async def test_a_rebuild_that_was_begun_can_be_begun_again(books: Books) -> None:
    sql = LedgerBooks(books.database)
    await books.redis.flushall()
    first = await begin_rebuild(books.redis, SITE, books.journal, sql, books.clock)
    books.clock.advance_ms(1)
    second = await begin_rebuild(books.redis, SITE, books.journal, sql, books.clock)
    await finish_rebuild(books.redis, SITE, books.journal, sql, second, term=0)
    assert (await books.record(FRESH)).version == second.version > first.version


async def test_power_loss_of_the_whole_site_loses_no_event_that_was_spooled(books: Books, tmp_path: Path) -> None:
    """The store's last moments are gone, SQL had not taken them, and its stream looks whole: the spool alone knows."""
    await a_morning(books)
    await books.store()
    saved = await everything_in(books.redis)
    folder = tmp_path / "spool"
    spool = Spool.open(folder / "north.spool")
    grant = await books.grant(FRESH, NORTH, 40)
    passage, left_open = a_passage(grant), a_grant(USED, EAST, 50)
    await books.settle(passage)
    await spool.append([grant, passage, left_open])
    await spool.close()
    await back_to(books.redis, saved)
    assert (await books.record(FRESH)).usage == Usage(), "the loss is real"
    assert await books.ensure() is None, "and cannot be seen in the stream"

    assert await books.recover(folder) == len(TICKETS)
    assert (await books.record(FRESH)).usage == ONCE
    assert (await books.ledger.lane_memory(EAST)).open_grant == left_open
    assert await books.journal.knows(passage.event_id)
    assert await books.recover(folder) is None, "again there is nothing new"


async def test_a_stream_that_is_only_behind_is_stored_and_not_rebuilt(books: Books, tmp_path: Path) -> None:
    await a_morning(books)
    folder = tmp_path / "spool"
    spool = Spool.open(folder / "north.spool")
    grant = await books.grant(FRESH, NORTH, 40)
    await spool.append([grant])
    await spool.close()
    assert await books.recover(folder) is None
    assert await books.journal.knows(grant.event_id)


async def test_without_any_spool_a_site_opens(books: Books, tmp_path: Path) -> None:
    assert await books.recover(tmp_path / "nothing there") is None


async def test_what_gates_decided_without_the_ledger_until_the_site_was_closed_is_in_it_when_it_opens(
    books: Books, tmp_path: Path
) -> None:
    await a_morning(books)
    await books.store()
    grant = a_grant(FRESH, NORTH, 40)
    await books.journal.store([("", grant), ("", a_passage(grant))])  # past the stream; the spools are empty again
    assert await books.ensure() is None, "its stream looks whole"
    assert await books.recover(tmp_path / "spool") == len(TICKETS)
    assert (await books.record(FRESH)).usage == ONCE


@pytest.mark.parametrize("granted_since", [False, True])
async def test_a_grant_that_its_lane_never_heard_of_does_not_keep_its_ticket_in_use(books: Books, granted_since: bool) -> None:
    """The ledger froze with it, the lane was killed and went on at the gates, and then the ledger carried it out."""
    unheard = a_grant(FRESH, NORTH, 40)
    again, other = replace(a_change("c1", NORTH), lane_seq=unheard.lane_seq), a_grant(OPEN, NORTH, 40)
    under_way = a_grant(USED, EAST, 50)
    await books.journal.store([("5-0", unheard)])
    await books.journal.store([("", again), ("", under_way)])
    if granted_since:
        await books.journal.store([("", other), ("", a_passage(other))])
    for _ in range(2):
        await books.redis.flushall()
        await books.ensure()
        assert (await books.record(FRESH)).usage.open_grant is None
        assert (await books.record(FRESH)).usage.used == 1
        assert (await books.record(USED)).usage.open_grant == under_way.event_id
        told = [stored.event for stored in await books.journal.events_after(0, 100)]
        assert [event.grant_id for event in told if isinstance(event, GrantOutcomeUnknown)] == [unheard.event_id]
