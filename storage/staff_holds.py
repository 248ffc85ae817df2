"""Which lanes staff gave an order of late, so that nothing automatic overrules them."""

from datetime import datetime

from sqlalchemy import select

from storage.database import Database
from storage.tables import lane_modes, lane_policies


async def ordered_by_staff(database: Database, since: datetime, but: str) -> dict[str, datetime]:
    """The newest order since then by lane id, mode or policy, by anybody `but` that one. Raises DatabaseUnavailable."""
    newest: dict[str, datetime] = {}
    async with database.read() as connection:
        for table in (lane_modes, lane_policies):
            wanted = (table.c.at >= since) & (table.c.ordered_by != but)
            for row in await connection.execute(select(table.c.lane_id, table.c.at).where(wanted)):
                newest[row.lane_id] = max(row.at, newest.get(row.lane_id, row.at))
    return newest
