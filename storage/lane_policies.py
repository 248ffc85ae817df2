"""Whom a lane admits beside the tickets of its own class, as staff ordered for the moment: kept until ordered otherwise."""

from datetime import datetime

import msgspec
from sqlalchemy import select

from resort.messages import StaffActed
from resort.site import LaneClass
from storage.database import Database, insert_into
from storage.tables import lane_policies
from storage.tickets_sql import insert_order_of_staff

_classes = msgspec.json.Decoder(frozenset[LaneClass])


class LanePolicies:
    """Ordered policies by lane. Raises DatabaseUnavailable while SQL is away."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get_all(self) -> dict[str, frozenset[LaneClass]]:
        """The last ordered policy of each lane that ever had one, by lane id."""
        async with self._db.read() as connection:
            rows = await connection.execute(select(lane_policies.c.lane_id, lane_policies.c.admits))
            return {row.lane_id: _classes.decode(row.admits) for row in rows}

    async def set(
        self, lane_id: str, admits: frozenset[LaneClass], ordered_by: str, at: datetime, acted: StaffActed | None = None
    ) -> None:
        """Remember an order, and that the journal has to be told of it by `acted`; the newest call wins. Idempotent."""
        values = {"admits": msgspec.json.encode(sorted(admits)).decode(), "ordered_by": ordered_by, "at": at}
        async with self._db.write() as connection:
            statement = insert_into(connection, lane_policies).values(lane_id=lane_id, **values)
            await connection.execute(statement.on_conflict_do_update(index_elements=["lane_id"], set_=values))
            if acted is not None:
                await insert_order_of_staff(connection, acted)
