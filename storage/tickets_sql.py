"""What staff made of tickets, in SQL: the new status, what the lanes have to be told of it, and how a ticket was used so far.

Functions work within a caller's unit of work and decide nothing; `sales/tickets.py` does. How tickets are sold is in
`storage/orders_sql.py`.
"""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec
from sqlalchemy import exists, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from resort.access.entitlement import Entitlement, TicketRecord, TicketStatus, Usage
from resort.access.usage import use
from resort.errors import Bug
from resort.ids import TicketId
from resort.messages import (
    FaceEnrolled,
    FaceForgotten,
    GrantAnnulled,
    GrantOutcomeUnknown,
    StaffActed,
    TicketChanged,
    TicketEvent,
    TicketExited,
    decode_event,
    encode_event,
)
from storage.database import insert_into
from storage.orders_sql import StoredTicket, find_ticket, insert_tickets
from storage.tables import journal, staff_orders, tickets

FaceEvent = FaceEnrolled | FaceForgotten
StaffEvent = TicketChanged | GrantAnnulled | StaffActed | FaceEvent  # what staff order away from any lane


class StaffOrder(msgspec.Struct, frozen=True):
    """One row of `staff_orders`. `told`: the ledger has it, and with it the stream."""

    seq: int
    event: StaffEvent
    told: bool
    successor: TicketId | None
    issued: bool


async def lock_ticket(connection: AsyncConnection, ticket_id: str) -> StoredTicket | None:
    """The ticket, or None; nobody else changes it until this unit ends."""
    await connection.execute(select(tickets.c.ticket_id).where(tickets.c.ticket_id == ticket_id).with_for_update())
    return await find_ticket(connection, ticket_id)


async def store_status(connection: AsyncConnection, ticket_id: str, status: TicketStatus) -> None:
    """Give the ticket its new status: what every ledger is rebuilt from."""
    await connection.execute(update(tickets).where(tickets.c.ticket_id == ticket_id).values(status=status))


async def insert_order_of_staff(connection: AsyncConnection, event: StaffEvent, successor: TicketId | None = None) -> bool:
    """Store, in the same unit, that the lanes have to be told; False when it was stored before."""
    # What became of a face is no order about the ticket itself: the last of those stays the one that says how it stands.
    ticket_id = None if isinstance(event, FaceEvent) else event.ticket_id
    statement = insert_into(connection, staff_orders).values(
        event_id=event.event_id, ticket_id=ticket_id, body=encode_event(event).decode(), successor=successor
    )
    done = await connection.execute(statement.on_conflict_do_nothing(index_elements=["event_id"]))
    return done.rowcount == 1


async def pending_orders(connection: AsyncConnection, limit: int) -> list[StaffOrder]:
    """The oldest orders of staff that the ledger has not taken yet, in order."""
    return await _orders(connection, staff_orders.c.told_at.is_(None), limit)


async def pending_successors(connection: AsyncConnection, limit: int) -> list[StaffOrder]:
    """Transfers whose new ticket can be issued now: SQL has the journal up to the end of the old ticket, so that its use is
    known for good."""
    in_journal = exists(select(literal(1)).where(journal.c.event_id == staff_orders.c.event_id))
    waiting = staff_orders.c.successor.is_not(None) & staff_orders.c.issued_at.is_(None)
    return await _orders(connection, staff_orders.c.told_at.is_not(None) & waiting & in_journal, limit)


async def last_order(connection: AsyncConnection, ticket_id: str) -> StaffOrder | None:
    """The newest order of staff for a ticket, or None."""
    newest = select(func.max(staff_orders.c.seq)).where(staff_orders.c.ticket_id == ticket_id).scalar_subquery()
    found = await _orders(connection, staff_orders.c.seq == newest, 1)
    return found[0] if found else None


async def forget_lost(connection: AsyncConnection, told_before: datetime, told_after: datetime) -> int:
    """Let orders be told again that the ledger took and the journal never got: its end was lost with the power, and the effect
    with it. Answers how many."""
    in_journal = exists(select(literal(1)).where(journal.c.event_id == staff_orders.c.event_id))
    done = await connection.execute(
        update(staff_orders)
        .where(staff_orders.c.told_at <= told_before, staff_orders.c.told_at > told_after, ~in_journal)
        .values(told_at=None)
    )
    return done.rowcount


async def mark_told(connection: AsyncConnection, seqs: Sequence[int], at: datetime) -> None:
    """Remember that the ledger has these."""
    await connection.execute(
        update(staff_orders).where(staff_orders.c.seq.in_(seqs), staff_orders.c.told_at.is_(None)).values(told_at=at)
    )


async def issue_successor(connection: AsyncConnection, order: StaffOrder, allowed: Entitlement | None, at: datetime) -> None:
    """Issue the ticket that takes a transferred one's place, once; None: nothing was left to issue."""
    done = await connection.execute(
        update(staff_orders).where(staff_orders.c.seq == order.seq, staff_orders.c.issued_at.is_(None)).values(issued_at=at)
    )
    if done.rowcount != 1 or allowed is None:
        return
    before = await find_ticket(connection, order.event.ticket_id or "")
    if before is None or order.successor is None:
        raise Bug(f"ticket {order.event.ticket_id} was transferred and is not there")
    last = await connection.scalar(select(func.max(tickets.c.position)).where(tickets.c.order_id == before.order_id))
    issued = [(order.successor, TicketRecord(1, allowed, Usage()))]
    await insert_tickets(connection, before.order_id, issued, at, first_position=int(last or 0) + 1)


async def ticket_events(connection: AsyncConnection, ticket_id: str, until: datetime | None = None) -> list[TicketEvent]:
    """What the journal tells of the ticket's use, in order; `until` is included."""
    uses = or_(journal.c.grant_id.is_not(None), journal.c.kind == TicketExited.__name__)
    query = select(journal.c.body).where(journal.c.ticket_id == ticket_id, uses).order_by(journal.c.seq)
    if until is not None:
        query = query.where(journal.c.at <= until)
    events = [decode_event(body) for (body,) in await connection.execute(query)]
    return [event for event in events if isinstance(event, TicketEvent)]


async def ticket_history(connection: AsyncConnection, ticket_id: str) -> list[StaffOrder]:
    """Every order of staff for a ticket, oldest first."""
    return await _orders(connection, staff_orders.c.ticket_id == ticket_id, None)


async def count_printed(connection: AsyncConnection, since: datetime | None, until: datetime | None, today: date) -> int:
    """How many tickets that can still be used were issued from `since` until `until`; None leaves that end open."""
    query = select(func.count()).select_from(tickets)
    query = query.where(tickets.c.status.in_(("active", "blocked")))
    query = query.where(func.coalesce(tickets.c.valid_until, tickets.c.valid_on) >= today)
    if since is not None:
        query = query.where(tickets.c.issued_at >= since)
    if until is not None:
        query = query.where(tickets.c.issued_at < until)
    return int(await connection.scalar(query) or 0)


def usage_after(events: Sequence[TicketEvent]) -> Usage:
    """The usage that these events add up to."""
    usage = Usage()
    for event in events:
        usage = use(usage, event)
    return usage


def unknown_grants(events: Sequence[TicketEvent]) -> list[GrantOutcomeUnknown]:
    """Outcomes that nobody knew and staff have not settled, oldest first."""
    annulled = {event.grant_id for event in events if isinstance(event, GrantAnnulled)}
    return [event for event in events if isinstance(event, GrantOutcomeUnknown) and event.grant_id not in annulled]


async def _orders(connection: AsyncConnection, condition: object, limit: int | None) -> list[StaffOrder]:
    columns = staff_orders.c
    query = select(columns.seq, columns.body, columns.told_at, columns.successor, columns.issued_at)
    rows = await connection.execute(query.where(condition).order_by(columns.seq).limit(limit))  # type: ignore[arg-type]
    found = []
    for row in rows:
        event = decode_event(row.body)
        if not isinstance(event, StaffEvent):
            raise Bug(f"row {row.seq} of staff_orders holds {type(event).__name__}")
        successor = TicketId(row.successor) if row.successor is not None else None
        found.append(StaffOrder(row.seq, event, row.told_at is not None, successor, row.issued_at is not None))
    return found
