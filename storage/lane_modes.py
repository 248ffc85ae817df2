"""The modes that staff ordered for lanes, kept over restarts, with who ordered them and when."""

from datetime import datetime

from sqlalchemy import select

from storage.database import Database, insert_into
from storage.tables import lane_modes


class LaneModes:
    """Ordered modes by lane. Raises DatabaseUnavailable while SQL is away."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get_all(self) -> dict[str, str]:
        """The last ordered mode of each lane that ever had one, by lane id."""
        async with self._db.read() as connection:
            rows = await connection.execute(select(lane_modes.c.lane_id, lane_modes.c.mode))
            return {row.lane_id: row.mode for row in rows}

    async def set(self, lane_id: str, mode: str, ordered_by: str, at: datetime) -> None:
        """Remember an order; the newest call wins. Idempotent."""
        values = {"mode": mode, "ordered_by": ordered_by, "at": at}
        async with self._db.write() as connection:
            statement = insert_into(connection, lane_modes).values(lane_id=lane_id, **values)
            await connection.execute(statement.on_conflict_do_update(index_elements=["lane_id"], set_=values))
