"""Arrivals by hour, in the site's own time, from the journal's passages alone."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from resort.ids import EventId, GateId, GrantId, LaneId
from resort.messages import GrantReleased, JournalEvent, PassageConfirmed
from storage.arrivals_sql import arrivals_by_hour
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.migrate import upgrade

ZONE = ZoneInfo("Asia/Shanghai")
MIDNIGHT = datetime(2026, 12, 1, tzinfo=ZONE)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    yield database
    await database.dispose()


def passed(number: int, gate: str, after: timedelta, kind: type = PassageConfirmed) -> JournalEvent:
    event: JournalEvent = kind(
        event_id=EventId(f"e{number}"), caused_by="c", at=(MIDNIGHT + after).astimezone(UTC), gate_id=GateId(gate),
        lane_id=LaneId("l"), grant_id=GrantId(f"g{number}"), ticket_id=None, counter_in=1,
    )  # fmt: skip
    return event


async def test_persons_are_counted_by_gate_and_local_hour(database: Database) -> None:
    hours = [("a", 8.0), ("a", 8.99), ("a", 9.0), ("b", 0.0), ("b", 47.5), ("gone", 9.0), ("a", 50.0)]
    events = [passed(number, gate, timedelta(hours=hour)) for number, (gate, hour) in enumerate(hours)]
    events.append(passed(90, "a", timedelta(hours=8.5), GrantReleased))
    await JournalStore(database).store([(f"{number}-0", event) for number, event in enumerate(events, 1)])
    found = await arrivals_by_hour(database, ZONE, ["a", "b"])
    assert found is not None
    first, counts = found
    assert first == date(2026, 12, 1)
    assert {gate: {hour: n for hour, n in enumerate(hours_) if n} for gate, hours_ in counts.items()} == {
        "a": {8: 2, 9: 1},
        "b": {0: 1, 47: 1},
    }
    assert {len(hours_) for hours_ in counts.values()} == {48}  # the third day is not over


async def test_without_a_whole_day_there_is_nothing(database: Database) -> None:
    assert await arrivals_by_hour(database, ZONE, ["a"]) is None
    await JournalStore(database).store([("1-0", passed(1, "a", timedelta(hours=9)))])
    assert await arrivals_by_hour(database, ZONE, ["a"]) is None
