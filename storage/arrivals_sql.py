"""Arrivals by hour out of the journal: how many persons passed each gate in each hour of the site's own time.

Reads day by day, so that memory stays small and a season's journal locks nobody out. What they mean is the caller's matter.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from resort.messages import PassageConfirmed
from storage.database import Database
from storage.tables import journal

CONFIRMED = PassageConfirmed.__name__
HOURS = 24


async def arrivals_by_hour(database: Database, zone: ZoneInfo, gates: list[str]) -> tuple[date, dict[str, list[int]]] | None:
    """The first day, and for each gate the persons by hour up to the last whole day that the journal holds; None: there is
    no such day. An hour that the clocks repeat counts both. Raises DatabaseUnavailable."""
    async with database.read() as connection:
        chosen = select(func.min(journal.c.at), func.max(journal.c.at)).where(journal.c.kind == CONFIRMED)
        first_at, last_at = (await connection.execute(chosen)).one()
    if first_at is None:
        return None
    first, last = first_at.astimezone(zone).date(), last_at.astimezone(zone).date()
    days = (last - first).days  # the last one is not over yet
    if days < 1:
        return None
    counts = {gate: [0] * (days * HOURS) for gate in gates}
    for number in range(days):
        day = first + timedelta(days=number)
        for gate, at in await _passages(database, zone, day):
            if gate in counts:
                counts[gate][number * HOURS + at.astimezone(zone).hour] += 1
    return first, counts


async def _passages(database: Database, zone: ZoneInfo, day: date) -> list[tuple[str, datetime]]:
    begin, end = (datetime.combine(when, time(), zone).astimezone(UTC) for when in (day, day + timedelta(days=1)))
    query = select(journal.c.gate_id, journal.c.at).where(
        journal.c.kind == CONFIRMED, journal.c.at >= begin, journal.c.at < end
    )
    async with database.read() as connection:
        return [(gate, at) for gate, at in await connection.execute(query)]
