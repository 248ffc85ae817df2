"""Whom a lane admits beside the tickets of its own class, as staff ordered for the moment: kept until ordered otherwise."""

from datetime import datetime

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from resort.messages import StaffActed, decode_event
from resort.site import LaneClass
from storage.database import Database, insert_into
from storage.tables import journal, lane_policies
from storage.tickets_sql import insert_order_of_staff

NOBODY = "nobody"  # the outcome of an order that admits no other class
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


def policy_outcome(admits: frozenset[LaneClass]) -> str:
    """What the journal says of such an order (`StaffActed.outcome`)."""
    return ",".join(sorted(admits)) or NOBODY


async def policy_at(connection: AsyncConnection, lane_id: str, at: datetime) -> frozenset[LaneClass]:
    """Whom the lane admitted then beside tickets of its own class; from the journal if it was ordered otherwise since."""
    newest = await connection.execute(
        select(lane_policies.c.admits, lane_policies.c.at).where(lane_policies.c.lane_id == lane_id)
    )
    row = newest.one_or_none()
    if row is None:
        return frozenset()
    if row.at <= at:
        return _classes.decode(row.admits)
    orders = await connection.execute(
        select(journal.c.body)
        .where(
            journal.c.lane_id == lane_id,
            journal.c.kind == StaffActed.__name__,
            journal.c.at <= at,
            journal.c.body.contains('"action":"policy"', autoescape=True),
        )
        .order_by(journal.c.at.desc(), journal.c.seq.desc())
        .limit(1)
    )
    body = orders.scalar_one_or_none()
    if body is None:
        return frozenset()
    order = decode_event(body)
    assert isinstance(order, StaffActed)
    return frozenset() if order.outcome == NOBODY else msgspec.convert(order.outcome.split(","), frozenset[LaneClass])
