"""Events that reach SQL past the stream: once each, by both ways, with the conflicts that come to light."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.ids import LaneId, OrderId, SeededIds, TicketId
from resort.messages import AdmissionConflict, JournalEvent
from resort.orders import OrderState
from resort.pricing import QuoteRequest, make_quote
from sim.ticket_shop import MORNING, TODAY, shop_site
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.ledger_books import LedgerBooks
from storage.migrate import upgrade
from storage.orders_sql import StoredOrder, insert_order, insert_tickets
from storage.past_stream import BATCH, store_past_stream, store_spools
from storage.spool import Spool
from tests.unit.storage.lane_events import LANE, OTHER, TICKET, a_change, a_grant, a_passage, a_refusal, a_release, an_unknown

SEASON = TicketId("00000000000000bb")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    site = shop_site()
    request = QuoteRequest("day", TODAY, {"adult": 2})
    quote = make_quote(request, site.products[0], site.tariff, site.sales_limits, MORNING, SeededIds("quote"))
    order = StoredOrder(OrderId("o1"), "shop", OrderState.NEW, ("new",), quote, None, None, MORNING, MORNING)
    once = Entitlement("day", "adult", TODAY, 1, ("standard",))
    season = Entitlement("season", "adult", TODAY, None, ("standard",))
    async with database.write() as connection:
        await insert_order(connection, order)
        sold = [(TICKET, TicketRecord(1, once, Usage())), (SEASON, TicketRecord(1, season, Usage()))]
        await insert_tickets(connection, "o1", sold, MORNING)
    yield database
    await database.dispose()


@pytest.fixture
def journal(database: Database) -> JournalStore:
    return JournalStore(database)


@pytest.fixture
def books(database: Database) -> LedgerBooks:
    return LedgerBooks(database)


def used(lane: LaneId, first: int = 1, ticket: TicketId = TICKET) -> list[JournalEvent]:
    grant = a_grant(first, lane, ticket)
    return [grant, a_passage(first + 1, grant)]


async def conflicts(journal: JournalStore) -> list[AdmissionConflict]:
    stored = [entry.event for entry in await journal.events_after(0, 10_000)]
    return [event for event in stored if isinstance(event, AdmissionConflict)]


async def test_events_are_stored_once_whichever_way_they_come(journal: JournalStore, books: LedgerBooks) -> None:
    events = [a_refusal(number) for number in range(1, 6)]
    await journal.store([(f"{number}-0", event) for number, event in enumerate(events[:3], start=1)])
    assert await store_past_stream(journal, books, events) == 2
    assert await store_past_stream(journal, books, events) == 0
    await journal.store([(f"{number}-0", event) for number, event in enumerate(events, start=1)])
    assert [entry.event for entry in await journal.events_after(0, 100)] == events
    assert await journal.last_stream_id() == "3-0", "what came past the stream says nothing of it"


async def test_a_grant_that_a_thawed_ledger_carried_out_unheard_is_not_stored(database: Database, books: LedgerBooks) -> None:
    journal = JournalStore(database)
    grants = [a_grant(number) for number in (1, 3, 4)]
    await journal.store([("1-0", grants[0]), ("2-0", a_passage(2, grants[0]))])
    await store_past_stream(journal, books, [a_refusal(5), a_release(6, grants[1])])  # the lane gave 3 and 4 up
    for again in (journal, JournalStore(database)):  # also after a restart
        assert await again.store([("3-0", grants[1]), ("4-0", grants[2])]) == 0
    late = a_passage(4, grants[0])  # what happened, happened, whenever it is told
    assert await journal.store([("5-0", late), ("6-0", a_grant(7))]) == 2
    assert await journal.store([("1-0", a_grant(1, OTHER))]) == 1


async def test_more_events_than_fit_into_one_batch(journal: JournalStore, books: LedgerBooks) -> None:
    assert await store_past_stream(journal, books, [a_refusal(number) for number in range(1, BATCH + 2)]) == BATCH + 1


async def test_a_ticket_used_twice_is_a_conflict_told_once(journal: JournalStore, books: LedgerBooks) -> None:
    await store_past_stream(journal, books, used(LANE))
    assert await conflicts(journal) == []
    twice = used(OTHER)
    assert await store_past_stream(journal, books, twice) == 2
    assert await store_past_stream(journal, books, twice) == 0
    (conflict,) = await conflicts(journal)
    assert (conflict.ticket_id, conflict.allowed, conflict.used) == (TICKET, 1, 2)


async def test_a_conflict_with_what_came_by_the_stream_is_found(journal: JournalStore, books: LedgerBooks) -> None:
    await journal.store([("1-0", used(LANE)[0]), ("2-0", used(LANE)[1])])
    grant = a_grant(1, OTHER, decided_by="alone")
    await store_past_stream(journal, books, [grant])
    assert await conflicts(journal) == [], "it may still be released"
    await store_past_stream(journal, books, [an_unknown(2, grant)])
    assert [conflict.used for conflict in await conflicts(journal)] == [2]


async def test_a_conflict_that_a_crash_kept_from_being_stored_is_found_again(journal: JournalStore, books: LedgerBooks) -> None:
    events = [*used(LANE), *used(OTHER)]
    await journal.store([("", event) for event in events])
    assert await store_past_stream(journal, books, events) == 0
    assert len(await conflicts(journal)) == 1


async def test_a_season_pass_and_an_unknown_ticket_have_no_conflict(journal: JournalStore, books: LedgerBooks) -> None:
    stranger = TicketId("00000000000000cc")
    for ticket in (SEASON, stranger):
        lane = LaneId(f"lane {ticket}")
        await store_past_stream(journal, books, [*used(lane, 1, ticket), *used(lane, 3, ticket)])
    assert await conflicts(journal) == []


async def test_spools_of_dead_processes_are_stored_and_a_living_one_is_left(
    journal: JournalStore, books: LedgerBooks, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    dead, alive = Spool.open(folder / "a.spool"), Spool.open(folder / "b.spool")
    await dead.append([a_change(1), a_refusal(2)])
    await alive.append([a_refusal(1, OTHER)])
    await dead.close()
    assert await store_spools(journal, books, folder) == 2
    assert await store_spools(journal, books, folder) == 0
    await alive.close()
    assert await store_spools(journal, books, folder) == 1
    assert await store_spools(journal, books, tmp_path / "nowhere") == 0


async def test_a_spool_that_cannot_be_read_keeps_nobody_from_opening(
    journal: JournalStore, books: LedgerBooks, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    spool = Spool.open(folder / "b.spool")
    await spool.append([a_refusal(1)])
    await spool.close()
    (folder / "a.spool").mkdir()
    assert await store_spools(journal, books, folder) == 1
