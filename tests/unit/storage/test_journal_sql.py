"""The journal in SQL: each event once, in order, and the figures that come from its rows."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from resort.access.reasons import Reason
from resort.ids import EventId, GateId, GrantId, LaneId, ScanId, TicketId
from resort.messages import (
    AlarmCleared,
    AlarmRaised,
    GrantIssued,
    GrantOutcomeUnknown,
    GrantReleased,
    JournalEvent,
    LaneChanged,
    PassageConfirmed,
    ScanRefused,
)
from resort.site_board import LaneTotals
from resort.texts import Text
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.migrate import upgrade
from storage.tables import orders, tickets

AT = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
TICKET = TicketId("00000000000000aa")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    yield database
    await database.dispose()


@pytest.fixture
def store(database: Database) -> JournalStore:
    return JournalStore(database)


def common(event_id: str, lane: str = "l1", at: datetime = AT) -> dict[str, object]:
    return {"event_id": EventId(event_id), "caused_by": "cause", "at": at, "gate_id": GateId("g"), "lane_id": LaneId(lane)}


def grant(event_id: str, ticket: TicketId = TICKET) -> GrantIssued:
    head = common(event_id)
    return GrantIssued(**head, ticket_id=ticket, scan_id=ScanId("s"), product="day", unit="adult", counter_in=1, day=AT.date())  # type: ignore[arg-type]


def passage(event_id: str, grant_id: str, ticket: TicketId = TICKET, **head: object) -> PassageConfirmed:
    whole = {**common(event_id), **head}
    return PassageConfirmed(**whole, grant_id=GrantId(grant_id), ticket_id=ticket, counter_in=2)  # type: ignore[arg-type]


def refusal(event_id: str, **head: object) -> ScanRefused:
    whole = {**common(event_id), **head}
    return ScanRefused(**whole, scan_id=ScanId("s"), ticket_id=None, reason=Reason.FORGED_CODE, decision_ms=1.5)  # type: ignore[arg-type]


async def put(store: JournalStore, *events: JournalEvent) -> int:
    first = await store.count()
    return await store.store([(f"{first + place}-0", event) for place, event in enumerate(events, start=1)])


async def test_an_empty_journal(store: JournalStore) -> None:
    assert await store.store([]) == 0
    assert (await store.last_stream_id(), await store.count(), await store.duplicates()) == ("0-0", 0, 0)
    assert await store.events_after(0, 10) == []


async def test_events_come_back_whole_and_in_order(store: JournalStore) -> None:
    events: list[JournalEvent] = [grant("e1"), passage("e2", "e1"), refusal("e3")]
    assert await put(store, *events) == 3
    stored = await store.events_after(0, 10)
    assert [entry.event for entry in stored] == events
    assert [entry.stream_id for entry in stored] == ["1-0", "2-0", "3-0"]
    assert await store.events_after(stored[0].seq, 1) == stored[1:2]
    assert await store.events_between(stored[1].seq, stored[2].seq) == stored[1:]
    assert await store.last_stream_id() == "3-0"
    assert await store.knows("e2")
    assert not await store.knows("e4")


async def test_known_events_are_ignored_within_and_between_batches(store: JournalStore) -> None:
    assert await store.store([("1-0", refusal("e1")), ("2-0", refusal("e1")), ("3-0", refusal("e2"))]) == 2
    assert await store.store([("4-0", refusal("e2")), ("5-0", refusal("e3"))]) == 1
    assert await store.count() == 3
    assert [entry.stream_id for entry in await store.events_after(0, 9)] == ["1-0", "3-0", "5-0"]
    assert await store.duplicates() == 0


async def test_batches_of_the_writers_size(store: JournalStore) -> None:
    assert await put(store, *(refusal(f"e{number}") for number in range(256))) == 256


async def test_duplicates_counts_event_ids_stored_twice(store: JournalStore, database: Database) -> None:
    await put(store, refusal("e1"))
    async with database.write() as connection:  # what only a damaged database could hold
        await connection.execute(text("CREATE TABLE copy AS SELECT * FROM journal"))
        await connection.execute(text("DROP TABLE journal"))
        await connection.execute(text("ALTER TABLE copy RENAME TO journal"))
        await connection.execute(text("INSERT INTO journal SELECT * FROM journal"))
    assert await store.duplicates() == 1


async def test_duplicates_counts_tickets_admitted_twice(store: JournalStore) -> None:
    await put(store, grant("e1"), passage("e2", "e1"))
    assert await store.duplicates() == 0
    await put(store, grant("e3"), passage("e4", "e3"))
    assert await store.duplicates() == 1


async def test_an_unknown_outcome_uses_an_entry_and_a_release_does_not(store: JournalStore) -> None:
    unknown = GrantOutcomeUnknown(**common("e2"), grant_id=GrantId("e1"), ticket_id=TICKET, detail="")  # type: ignore[arg-type]
    released = GrantReleased(**common("e4"), grant_id=GrantId("e3"), ticket_id=TICKET, counter_in=1)  # type: ignore[arg-type]
    await put(store, grant("e1"), unknown, grant("e3"), released)
    assert await store.duplicates() == 0
    await put(store, passage("e5", "e3"))
    assert await store.duplicates() == 1


async def test_two_outcomes_of_one_grant_are_one_entry(store: JournalStore) -> None:
    unknown = GrantOutcomeUnknown(**common("e2"), grant_id=GrantId("e1"), ticket_id=TICKET, detail="")  # type: ignore[arg-type]
    await put(store, grant("e1"), unknown, passage("e3", "e1"))
    assert await store.duplicates() == 0


async def test_a_ticket_may_be_used_as_often_as_it_was_sold_for(store: JournalStore, database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(
            insert(orders).values(
                order_id="o",
                channel="shop",
                state="issued",
                story="[]",
                product="day",
                day=date(2026, 12, 1),
                total_minor=1,
                currency="CNY",
                quote="{}",
                created_at=AT,
                expires_at=AT,
            )
        )
        await connection.execute(
            insert(tickets).values(
                ticket_id=TICKET,
                order_id="o",
                position=0,
                product="day",
                unit="adult",
                valid_on=date(2026, 12, 1),
                entries=2,
                entitlement="{}",
                issued_at=AT,
            )
        )
    await put(store, passage("e1", "g1"), passage("e2", "g2"))
    assert await store.duplicates() == 0
    await put(store, passage("e3", "g3"))
    assert await store.duplicates() == 1


async def test_lane_totals_count_since_a_time_by_lane(store: JournalStore) -> None:
    early = AT - timedelta(hours=1)
    await put(store, passage("e0", "g0", at=early), passage("e1", "g1"), passage("e2", "g2"), refusal("e3"))
    await put(store, refusal("e4", lane_id=LaneId("l2")), grant("e5"))
    assert await store.lane_totals(AT) == {"l1": LaneTotals(2, 1), "l2": LaneTotals(0, 1)}
    assert await store.lane_totals(AT + timedelta(microseconds=1)) == {}


async def test_alarm_events_since_a_time(store: JournalStore) -> None:
    raised = AlarmRaised(**common("a1"), alarm_key="k", severity="warning", text=Text("警", "alarm"))  # type: ignore[arg-type]
    cleared = AlarmCleared(**common("a2", at=AT + timedelta(seconds=1)), alarm_key="k")  # type: ignore[arg-type]
    changed = LaneChanged(**common("c1"), state="ready", detail="")  # type: ignore[arg-type]
    await put(store, raised, changed, cleared)
    assert await store.alarm_events(AT) == [raised, cleared]
    assert await store.alarm_events(AT + timedelta(seconds=1)) == [cleared]
