"""Orders in SQL and what comes of them: idempotency keys, payments, tickets and the outbox of entitlements.

Functions work within a caller's unit of work and decide nothing; `sales/office.py` does. `TicketStore` reads on its own.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, Select, distinct, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from resort.access.entitlement import Entitlement, TicketRecord, persons_allowed
from resort.errors import Bug
from resort.ids import OrderId, TicketId
from resort.money import Money
from resort.orders import Order, OrderState
from resort.pricing import Quote
from storage.database import Database, insert_into
from storage.journal_sql import USES, not_annulled
from storage.tables import entitlement_outbox, journal, order_keys, orders, payments, tickets

PAGE = 1_000  # tickets read at a time by iterators

_entitlements = msgspec.json.Decoder(Entitlement)
_story = msgspec.json.Decoder(tuple[str, ...])
_quote = msgspec.json.Decoder(Quote)
_record = msgspec.json.Decoder(TicketRecord)


class StoredOrder(msgspec.Struct, frozen=True):
    """One row of `orders`. `expires_at`: until when it can be paid."""

    order_id: OrderId
    channel: str
    state: OrderState
    story: tuple[str, ...]
    quote: Quote
    refusal: str | None
    refusal_left: int | None
    created_at: datetime
    expires_at: datetime

    def machine(self) -> Order:
        """The order's machine in its stored state."""
        return Order(self.order_id, self.state, self.story)


class StoredTicket(msgspec.Struct, frozen=True):
    """One row of `tickets`, with the entries that the journal says were used."""

    ticket_id: TicketId
    order_id: OrderId
    position: int
    entitlement: Entitlement
    used: int


class KeyClaim(msgspec.Struct, frozen=True):
    """What an idempotency key stands for; `fresh` if this unit is the first to use it."""

    order_id: OrderId
    fingerprint: str
    fresh: bool


async def claim_key(
    connection: AsyncConnection, channel: str, step: str, key: str, fingerprint: str, order_id: str, at: datetime
) -> KeyClaim:
    """Bind a key of a channel and step to a request and its order, unless it is bound already."""
    statement = insert_into(connection, order_keys).values(
        channel=channel, step=step, key=key, fingerprint=fingerprint, order_id=order_id, created_at=at
    )
    done = await connection.execute(statement.on_conflict_do_nothing())
    row = (
        await connection.execute(
            select(order_keys.c.order_id, order_keys.c.fingerprint).where(
                order_keys.c.channel == channel, order_keys.c.step == step, order_keys.c.key == key
            )
        )
    ).one()
    return KeyClaim(OrderId(row.order_id), row.fingerprint, done.rowcount == 1)


async def insert_order(connection: AsyncConnection, order: StoredOrder) -> None:
    """Store a new order."""
    await connection.execute(
        insert(orders).values(
            order_id=order.order_id,
            channel=order.channel,
            state=order.state,
            story=msgspec.json.encode(order.story).decode(),
            product=order.quote.product,
            day=order.quote.day,
            total_minor=order.quote.total.minor,
            currency=order.quote.total.currency,
            quote=msgspec.json.encode(order.quote).decode(),
            created_at=order.created_at,
            expires_at=order.expires_at,
        )
    )


async def find_order(connection: AsyncConnection, order_id: str, *, lock: bool = False) -> StoredOrder | None:
    """The order, or None; with `lock` no other unit changes it until this one ends."""
    query = _orders().where(orders.c.order_id == order_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else _order(row)


async def overdue_orders(connection: AsyncConnection, now: datetime, limit: int) -> list[StoredOrder]:
    """Orders that are neither paid nor given up although their time is over."""
    query = _orders().where(orders.c.state.in_((OrderState.NEW, OrderState.ON_HOLD)), orders.c.expires_at <= now)
    return [_order(row) for row in await connection.execute(query.order_by(orders.c.expires_at).limit(limit))]


async def store_state(
    connection: AsyncConnection,
    before: StoredOrder,
    after: Order,
    *,
    expires_at: datetime | None = None,
    refusal: str | None = None,
    refusal_left: int | None = None,
) -> None:
    """Store the state that the order's machine came to. Raises Bug if the row is no longer in `before`'s state."""
    done = await connection.execute(
        update(orders)
        .where(orders.c.order_id == before.order_id, orders.c.state == before.state)
        .values(
            state=after.state,
            story=msgspec.json.encode(after.story).decode(),
            expires_at=expires_at or before.expires_at,
            refusal=refusal,
            refusal_left=refusal_left,
        )
    )
    if done.rowcount != 1:
        raise Bug(f"order {before.order_id} was not {before.state} when it became {after.state}")


async def insert_payment(
    connection: AsyncConnection, payment_id: str, order_id: str, method: str, amount: Money, at: datetime
) -> None:
    """Store a captured payment."""
    await connection.execute(
        insert(payments).values(
            payment_id=payment_id,
            order_id=order_id,
            method=method,
            state="captured",
            amount_minor=amount.minor,
            currency=amount.currency,
            at=at,
        )
    )


async def refund_payments(connection: AsyncConnection, order_id: str) -> None:
    """Mark an order's payments as given back."""
    await connection.execute(update(payments).where(payments.c.order_id == order_id).values(state="refunded"))


async def insert_tickets(
    connection: AsyncConnection,
    order_id: str,
    issued: Sequence[tuple[TicketId, TicketRecord]],
    at: datetime,
    *,
    first_position: int = 0,
) -> None:
    """Store an order's tickets and, in the same unit, that the lanes have to be told of them."""
    await connection.execute(
        insert(tickets),
        [
            {
                "ticket_id": ticket_id,
                "order_id": order_id,
                "position": position,
                "product": record.entitlement.product,
                "unit": record.entitlement.unit,
                "valid_on": record.entitlement.valid_on,
                "valid_until": record.entitlement.valid_until,
                "entries": persons_allowed(record.entitlement),
                "status": record.entitlement.status,
                "entitlement": msgspec.json.encode(record.entitlement).decode(),
                "issued_at": at,
            }
            for position, (ticket_id, record) in enumerate(issued, first_position)
        ],
    )
    await connection.execute(
        insert(entitlement_outbox),
        [
            {"ticket_id": ticket_id, "body": msgspec.json.encode(record).decode(), "created_at": at}
            for ticket_id, record in issued
        ],
    )


async def find_ticket(connection: AsyncConnection, ticket_id: str) -> StoredTicket | None:
    """The ticket, or None."""
    found = await _tickets_with_use(connection, _tickets().where(tickets.c.ticket_id == ticket_id))
    return found[0] if found else None


async def order_tickets(connection: AsyncConnection, order_id: str) -> list[StoredTicket]:
    """The order's tickets, in order."""
    query = _tickets().where(tickets.c.order_id == order_id).order_by(tickets.c.position)
    return await _tickets_with_use(connection, query)


async def pending_entitlements(connection: AsyncConnection, limit: int) -> list[tuple[int, TicketId, TicketRecord]]:
    """The oldest tickets that the lanes have not been told of, each with its place in the outbox."""
    rows = await connection.execute(
        select(entitlement_outbox.c.seq, entitlement_outbox.c.ticket_id, entitlement_outbox.c.body)
        .where(entitlement_outbox.c.published_at.is_(None))
        .order_by(entitlement_outbox.c.seq)
        .limit(limit)
    )
    return [(seq, TicketId(ticket_id), _record.decode(body)) for seq, ticket_id, body in rows]


async def mark_published(connection: AsyncConnection, places: Sequence[int], at: datetime) -> None:
    """Remember that the lanes know these."""
    await connection.execute(
        update(entitlement_outbox)
        .where(entitlement_outbox.c.seq.in_(places), entitlement_outbox.c.published_at.is_(None))
        .values(published_at=at)
    )


class TicketStore:
    """All sold tickets, for rebuilding the ledger. Raises DatabaseUnavailable while SQL is away."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def entitlements(self) -> AsyncIterator[tuple[TicketId, Entitlement]]:
        """Every ticket with what it allows, by id."""
        last = ""
        while True:
            async with self._db.read() as connection:
                rows = await connection.execute(
                    _tickets().where(tickets.c.ticket_id > last).order_by(tickets.c.ticket_id).limit(PAGE)
                )
                page = rows.all()
            for row in page:
                yield TicketId(row.ticket_id), _entitlement(row)
            if len(page) < PAGE:
                return
            last = page[-1].ticket_id

    async def entitlements_of(self, ids: Sequence[TicketId]) -> list[tuple[TicketId, Entitlement]]:
        """What these tickets allow, by id; those that were never sold are missing."""
        async with self._db.read() as connection:
            rows = await connection.execute(_tickets().where(tickets.c.ticket_id.in_(ids)).order_by(tickets.c.ticket_id))
            return [(TicketId(row.ticket_id), _entitlement(row)) for row in rows]

    async def entitlement(self, ticket_id: TicketId) -> Entitlement | None:
        """What one ticket allows, or None."""
        async with self._db.read() as connection:
            row = (await connection.execute(_tickets().where(tickets.c.ticket_id == ticket_id))).first()
        return None if row is None else _entitlement(row)

    async def count(self) -> int:
        """How many tickets were sold."""
        async with self._db.read() as connection:
            return int(await connection.scalar(select(func.count()).select_from(tickets)) or 0)


def _orders() -> Select[Any]:
    return select(
        orders.c.order_id,
        orders.c.channel,
        orders.c.state,
        orders.c.story,
        orders.c.quote,
        orders.c.refusal,
        orders.c.refusal_left,
        orders.c.created_at,
        orders.c.expires_at,
    )


def _order(row: Row[Any]) -> StoredOrder:
    return StoredOrder(
        order_id=OrderId(row.order_id),
        channel=row.channel,
        state=OrderState(row.state),
        story=_story.decode(row.story),
        quote=_quote.decode(row.quote),
        refusal=row.refusal,
        refusal_left=row.refusal_left,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def _tickets() -> Select[Any]:
    return select(tickets.c.ticket_id, tickets.c.order_id, tickets.c.position, tickets.c.status, tickets.c.entitlement)


def _entitlement(row: Row[Any]) -> Entitlement:
    return msgspec.structs.replace(_entitlements.decode(row.entitlement), status=row.status)


async def _tickets_with_use(connection: AsyncConnection, query: Select[Any]) -> list[StoredTicket]:
    rows = (await connection.execute(query)).all()
    if not rows:
        return []
    uses = await connection.execute(
        select(journal.c.ticket_id, func.count(distinct(journal.c.grant_id)))
        .where(journal.c.ticket_id.in_([row.ticket_id for row in rows]), journal.c.kind.in_(USES), not_annulled())
        .group_by(journal.c.ticket_id)
    )
    used = {ticket_id: int(number) for ticket_id, number in uses}
    return [
        StoredTicket(
            TicketId(row.ticket_id), OrderId(row.order_id), row.position, _entitlement(row), used.get(row.ticket_id, 0)
        )
        for row in rows
    ]
