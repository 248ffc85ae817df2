"""Rebuilding the ledger from SQL: on a real Valkey and a real SQLite file, with losses as they really happen."""

from pathlib import Path

import pytest

from resort.access.entitlement import Usage
from resort.access.usage import use
from resort.errors import LedgerUnavailable
from resort.messages import (
    GrantIssued,
    PassageConfirmed,
)
from resort.ports import Conflict, LaneMemory
from storage.journal_stream import JournalStream, stream_order
from storage.ledger_books import LedgerBooks
from storage.rebuild import ensure_ledger
from storage.redis_client import connect
from tests.unit.storage.ledger_stand import (
    EAST,
    FAR,
    FRESH,
    KEYS,
    NORTH,
    ONCE,
    OPEN,
    SITE,
    SOUTH,
    TICKETS,
    UNKNOWN,
    USED,
    Books,
    a_change,
    a_grant,
    a_morning,
    a_passage,
    after_the_millisecond_of,
    back_to,
    everything_in,
    replace,
)


async def test_a_whole_ledger_is_left_alone(books: Books) -> None:
    await a_morning(books)
    await books.store()
    before = await everything_in(books.redis)
    assert await books.ensure() is None
    assert await everything_in(books.redis) == before


async def test_a_whole_ledger_with_events_not_yet_stored_is_left_alone(books: Books) -> None:
    await a_morning(books)
    await books.store()
    await books.use_up(FRESH, NORTH, 40)
    before = await everything_in(books.redis)
    assert await books.ensure() is None
    assert await everything_in(books.redis) == before


async def test_an_empty_ledger_comes_back_as_it_was(books: Books) -> None:
    await a_morning(books)
    await books.store()
    tickets, lanes = await books.state()
    assert tickets[USED].usage == ONCE
    assert tickets[UNKNOWN].usage == replace(ONCE, unknown=1)
    assert tickets[OPEN].usage.open_lane == SOUTH
    assert (lanes[EAST].counter_in, lanes[EAST].counter_out) == (23, 9)
    await books.redis.flushall()
    assert await books.ensure() == len(TICKETS)
    rebuilt, rebuilt_lanes = await books.state()
    assert rebuilt_lanes == lanes
    for ticket in TICKETS:
        assert (rebuilt[ticket].entitlement, rebuilt[ticket].usage) == (tickets[ticket].entitlement, tickets[ticket].usage)
        assert rebuilt[ticket].version > tickets[ticket].version + FAR


async def test_counters_of_a_changed_lane_alone_come_back(books: Books) -> None:
    change = a_change("c1", NORTH, 7, 3)
    await books.ledger.append([change])
    await books.store()
    await books.redis.flushall()
    await books.ensure()
    memory = LaneMemory(open_grant=None, counter_in=7, counter_out=3, last_seq=change.lane_seq)
    assert await books.ledger.lane_memory(NORTH) == memory


async def test_an_open_grant_can_be_settled_after_a_rebuild(books: Books) -> None:
    await a_morning(books)
    await books.store()
    await books.redis.flushall()
    await books.ensure()
    grant = (await books.ledger.lane_memory(SOUTH)).open_grant
    assert grant is not None
    passage = a_passage(grant)
    await books.settle(passage)
    assert (await books.record(OPEN)).usage == ONCE
    memory = LaneMemory(open_grant=None, counter_in=31, counter_out=4, last_seq=passage.lane_seq)
    assert await books.ledger.lane_memory(SOUTH) == memory


async def test_a_record_from_before_the_loss_conflicts(books: Books) -> None:
    stale = await books.record(FRESH)
    await a_morning(books)
    await books.store()
    await books.redis.flushall()
    await books.ensure()
    grant = a_grant(FRESH, NORTH, 50)
    conflict = await books.ledger.commit_grant(grant, stale, use(stale.usage, grant))
    assert conflict == Conflict(await books.record(FRESH))
    assert (await books.record(FRESH)).usage == Usage()


async def test_a_record_from_before_the_second_loss_conflicts(books: Books) -> None:
    await a_morning(books)
    await books.store()
    await books.redis.flushall()
    await books.ensure()
    stale = await books.record(FRESH)
    await books.redis.flushall()
    await books.ensure()
    grant = a_grant(FRESH, NORTH, 50)
    assert isinstance(await books.ledger.commit_grant(grant, stale, use(stale.usage, grant)), Conflict)


async def test_a_lost_tail_is_noticed_though_a_lane_appended_since(books: Books) -> None:
    await a_morning(books)
    await books.store()
    saved = await everything_in(books.redis)
    await books.use_up(FRESH, NORTH, 40)
    stored = await books.store()
    await back_to(books.redis, saved)
    await after_the_millisecond_of(books.redis, stored)
    await books.ledger.append([a_change("back", NORTH, 41, 2)])
    assert (await books.record(FRESH)).usage == Usage(), "the loss is real"
    assert stream_order(await books.last_id()) >= stream_order(stored), "comparing ids would have found nothing amiss"
    assert await books.ensure() == len(TICKETS)
    assert (await books.record(FRESH)).usage == ONCE
    assert await books.journal.knows("back")
    assert await books.ensure() is None


async def test_a_lost_tail_is_noticed_when_nobody_appended(books: Books) -> None:
    saved = await everything_in(books.redis)
    await books.use_up(FRESH, NORTH, 40)
    await books.store()
    await back_to(books.redis, saved)
    assert await books.ensure() == len(TICKETS)
    assert (await books.record(FRESH)).usage == ONCE


async def test_when_only_the_epoch_was_lost_the_tail_counts(books: Books) -> None:
    await a_morning(books)
    await books.store()
    before = await books.journal.count()
    await books.use_up(FRESH, NORTH, 40)
    tickets, lanes = await books.state()
    await books.redis.delete(KEYS.epoch)
    assert await books.ensure() == len(TICKETS)
    assert await books.journal.count() == before + 2
    assert await books.journal.last_stream_id() == await books.last_id()
    rebuilt, rebuilt_lanes = await books.state()
    assert rebuilt_lanes == lanes
    assert {ticket: record.usage for ticket, record in rebuilt.items()} == {
        ticket: record.usage for ticket, record in tickets.items()
    }


@pytest.mark.parametrize("only_the_epoch", [False, True])
async def test_new_entries_come_after_the_last_stored_one(books: Books, only_the_epoch: bool) -> None:
    await a_morning(books)
    stored = await books.store()
    await (books.redis.delete(KEYS.epoch) if only_the_epoch else books.redis.flushall())
    await books.ensure()
    assert stream_order(await books.last_id()) >= stream_order(stored)
    await books.use_up(FRESH, NORTH, 40)
    entries = await JournalStream(books.redis, SITE).read_after(stored, 10, wait_ms=0)
    assert [type(entry.event) for entry in entries] == [GrantIssued, PassageConfirmed]


@pytest.mark.parametrize("only_the_epoch", [False, True])
async def test_new_entries_come_after_the_last_stored_one_when_the_clock_was_set_back(
    books: Books, only_the_epoch: bool
) -> None:
    await a_morning(books)
    future = f"{stream_order(await books.store())[0] + 86_400_000}-3"
    await books.journal.store([(future, a_change("tomorrow", NORTH, 11, 2))])
    await (books.redis.delete(KEYS.epoch) if only_the_epoch else books.redis.flushall())
    await books.ensure()
    assert await books.ensure() is None
    await books.use_up(FRESH, NORTH, 40)
    entries = await JournalStream(books.redis, SITE).read_after(future, 10, wait_ms=0)
    assert [type(entry.event) for entry in entries] == [GrantIssued, PassageConfirmed]
    await books.store()
    assert await books.ensure() is None


@pytest.mark.parametrize("used_before", [False, True])
async def test_right_after_a_rebuild_nothing_is_rebuilt(books: Books, used_before: bool) -> None:
    if used_before:
        await a_morning(books)
        await books.store()
    await books.redis.flushall()
    assert await books.ensure() == len(TICKETS)
    before = await everything_in(books.redis)
    assert await books.ensure() is None
    assert await everything_in(books.redis) == before


async def test_a_second_loss_after_a_rebuild_is_noticed(books: Books) -> None:
    await a_morning(books)
    await books.store()
    await books.redis.flushall()
    await books.ensure()
    saved = await everything_in(books.redis)
    await books.use_up(FRESH, NORTH, 40)
    await books.store()
    await back_to(books.redis, saved)
    assert await books.ensure() == len(TICKETS)
    assert (await books.record(FRESH)).usage == ONCE


async def test_without_an_epoch_the_ledger_is_fenced_until_it_is_rebuilt(books: Books) -> None:
    await books.redis.delete(KEYS.epoch)
    with pytest.raises(LedgerUnavailable):
        await books.ledger.find(FRESH)
    await books.ensure()
    assert (await books.record(FRESH)).usage == Usage()


async def test_a_ledger_that_is_away_is_unavailable(books: Books, short_folder: Path) -> None:
    nobody = connect(f"unix://{short_folder}/nobody.sock")
    with pytest.raises(LedgerUnavailable):
        await ensure_ledger(nobody, SITE, books.journal, LedgerBooks(books.database), books.clock)
    await nobody.aclose()
