"""Bookings of sales partners in SQL, beside the orders that hold their places.

Functions work within a caller's unit of work and decide nothing; `sales/partners.py` does. Whether a booking is on hold,
confirmed, expired or cancelled is its order's state, and stands nowhere else.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Row, Select, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from resort.ids import OrderId
from resort.inventory import HoldState
from resort.octo.words import Contact
from storage.database import insert_into
from storage.journal_sql import USES, not_annulled
from storage.tables import inventory_holds, journal, orders, partner_bookings

_columns = partner_bookings.c


class ItemKept(msgspec.Struct, frozen=True, omit_defaults=True):
    """One ticket that was asked for."""

    uuid: str
    unit_id: str
    reseller_reference: str | None = None
    contact: Contact = Contact()


class BookingBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a booking says besides its order. Holds names and addresses: never in a log."""

    items: tuple[ItemKept, ...]
    contact: Contact = Contact()
    notes: str | None = None
    reason: str | None = None  # why it was cancelled

    def __repr__(self) -> str:
        return f"BookingBody({len(self.items)} items)"


class StoredBooking(msgspec.Struct, frozen=True):
    """One row of `partner_bookings`."""

    partner: str
    uuid: str
    booking_id: str
    supplier_reference: str
    reseller_reference: str | None
    order_id: OrderId
    fingerprint: str
    net_percent: int
    body: BookingBody
    created_at: datetime
    updated_at: datetime
    confirmed_at: datetime | None = None
    cancelled_at: datetime | None = None


_body = msgspec.json.Decoder(BookingBody)


async def insert_booking(connection: AsyncConnection, booking: StoredBooking) -> bool:
    """Store a new booking; False when the partner has one of this uuid already."""
    values = msgspec.structs.asdict(booking) | {"body": msgspec.json.encode(booking.body).decode()}
    statement = insert_into(connection, partner_bookings).values(values)
    done = await connection.execute(statement.on_conflict_do_nothing(index_elements=["partner", "uuid"]))
    return done.rowcount == 1


async def store_booking(connection: AsyncConnection, before: StoredBooking, after: StoredBooking) -> bool:
    """Store what changed in a booking; False when somebody else gave it another order meanwhile."""
    done = await connection.execute(
        update(partner_bookings)
        .where(_columns.partner == before.partner, _columns.uuid == before.uuid, _columns.order_id == before.order_id)
        .values(
            order_id=after.order_id,
            reseller_reference=after.reseller_reference,
            net_percent=after.net_percent,
            body=msgspec.json.encode(after.body).decode(),
            updated_at=after.updated_at,
            confirmed_at=after.confirmed_at,
            cancelled_at=after.cancelled_at,
        )
    )
    return done.rowcount == 1


async def find_booking(connection: AsyncConnection, partner: str, uuid: str) -> StoredBooking | None:
    """The partner's booking, or None."""
    row = (await connection.execute(_bookings().where(_columns.partner == partner, _columns.uuid == uuid))).first()
    return None if row is None else _booking(row)


async def find_bookings(
    connection: AsyncConnection,
    partner: str,
    *,
    reseller_reference: str | None = None,
    supplier_reference: str | None = None,
    days: tuple[date, date] | None = None,
    limit: int,
) -> list[StoredBooking]:
    """The partner's bookings of a reference, or of days from the first to the last; newest first."""
    query = _bookings().where(_columns.partner == partner)
    if reseller_reference is not None:
        query = query.where(_columns.reseller_reference == reseller_reference)
    if supplier_reference is not None:
        query = query.where(_columns.supplier_reference == supplier_reference)
    if days is not None:
        query = query.join(orders, orders.c.order_id == _columns.order_id).where(orders.c.day.between(*days))
    rows = await connection.execute(query.order_by(_columns.created_at.desc(), _columns.booking_id).limit(limit))
    return [_booking(row) for row in rows]


async def channel_places(
    connection: AsyncConnection,
    channel: str,
    cells: Collection[str],
    first: date,
    last: date,
    now: datetime,
    without: str = "",
) -> dict[tuple[str, date], int]:
    """Places that a channel holds or has sold in each cell from `first` to `last`, but for the order `without`."""
    held = (inventory_holds.c.state == HoldState.HELD) & (inventory_holds.c.expires_at > now)
    rows = await connection.execute(
        select(inventory_holds.c.product, inventory_holds.c.day, func.sum(inventory_holds.c.places))
        .join(orders, orders.c.order_id == inventory_holds.c.order_id)
        .where(orders.c.channel == channel, orders.c.order_id != without)
        .where(inventory_holds.c.product.in_(cells), inventory_holds.c.day.between(first, last))
        .where(or_(held, inventory_holds.c.state == HoldState.CONFIRMED))
        .group_by(inventory_holds.c.product, inventory_holds.c.day)
    )
    return {(cell, day): int(places) for cell, day, places in rows}


async def first_uses(connection: AsyncConnection, ticket_ids: Sequence[str]) -> dict[str, datetime]:
    """When each of these tickets was used first; those that never were are missing."""
    if not ticket_ids:
        return {}
    rows = await connection.execute(
        select(journal.c.ticket_id, func.min(journal.c.at))
        .where(journal.c.ticket_id.in_(ticket_ids), journal.c.kind.in_(USES), not_annulled())
        .group_by(journal.c.ticket_id)
    )
    return {str(ticket_id): at for ticket_id, at in rows}


def _bookings() -> Select[Any]:
    return select(*partner_bookings.columns)


def _booking(row: Row[Any]) -> StoredBooking:
    return StoredBooking(**(dict(row._mapping) | {"body": _body.decode(row.body)}))
