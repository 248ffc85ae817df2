"""Persons who passed each lane within stretches of time, counted by SQL out of the journal's index: no row is read."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select

from resort.messages import PassageConfirmed
from storage.database import Database
from storage.tables import journal

CONFIRMED = PassageConfirmed.__name__


async def first_arrival(database: Database) -> datetime | None:
    """When the first person of the journal passed. Raises DatabaseUnavailable."""
    async with database.read() as connection:
        first: datetime | None = await connection.scalar(select(func.min(journal.c.at)).where(journal.c.kind == CONFIRMED))
    return first


async def lane_arrivals(database: Database, stretches: Sequence[tuple[datetime, datetime]]) -> list[dict[str, int]]:
    """For each stretch, from its first moment to just before its last, the persons by lane id. Raises DatabaseUnavailable."""
    counted = []
    for begin, end in stretches:
        within = (journal.c.at >= begin) & (journal.c.at < end) & (journal.c.kind == CONFIRMED)
        async with database.read() as connection:
            rows = await connection.execute(select(journal.c.lane_id, func.count()).where(within).group_by(journal.c.lane_id))
            counted.append({lane_id: int(number) for lane_id, number in rows})
    return counted
