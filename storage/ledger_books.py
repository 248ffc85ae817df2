"""What the ledger is rebuilt from, as SQL has it: each ticket with its usage, each lane with its memory. Reading only.

Tickets are read in order of their ids, each page with its own events, so that a season's journal needs no more memory than a
page; usage is folded in whatever order events were stored (`resort/access/reconcile.py`).
"""

from collections.abc import AsyncIterator, Sequence

from sqlalchemy import ColumnElement, func, or_, select

from resort.access.entitlement import Entitlement, Usage
from resort.access.lane_memory import NO_MEMORY
from resort.access.reconcile import fold_usage
from resort.ids import GrantId, LaneId, TicketId
from resort.messages import (
    GrantIssued,
    GrantOutcome,
    GrantReleased,
    JournalEvent,
    PassageConfirmed,
    TicketEvent,
    TicketExited,
    decode_event,
)
from resort.ports import LaneMemory, accounted
from storage.database import Database
from storage.orders_sql import TicketStore
from storage.tables import journal

PAGE = 500
_UNUSED = Usage()

BookedTicket = tuple[TicketId, Entitlement, Usage]


class LedgerBooks:
    """Reads SQL. Every method raises DatabaseUnavailable while it is away."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._tickets = TicketStore(db)

    async def tickets(self) -> AsyncIterator[BookedTicket]:
        """Every ticket, by id."""
        page: list[tuple[TicketId, Entitlement]] = []
        async for sold in self._tickets.entitlements():
            page.append(sold)
            if len(page) == PAGE:
                for booked in await self._booked(page, journal.c.ticket_id.between(page[0][0], page[-1][0])):
                    yield booked
                page = []
        if page:
            for booked in await self._booked(page, journal.c.ticket_id.between(page[0][0], page[-1][0])):
                yield booked

    async def tickets_since(self, seq: int) -> AsyncIterator[BookedTicket]:
        """Every ticket that an event after `seq` is about."""
        query = select(journal.c.ticket_id).where(journal.c.seq > seq, journal.c.ticket_id.is_not(None)).distinct()
        async with self._db.read() as connection:
            touched = sorted(TicketId(ticket_id) for (ticket_id,) in await connection.execute(query))
        for start in range(0, len(touched), PAGE):
            ids = touched[start : start + PAGE]
            sold = [(ticket_id, await self._tickets.entitlement(ticket_id)) for ticket_id in ids]
            page = [(ticket_id, allowed) for ticket_id, allowed in sold if allowed is not None]
            for booked in await self._booked(page, journal.c.ticket_id.in_(ids)):
                yield booked

    async def ticket_events(self, ids: Sequence[TicketId]) -> dict[TicketId, list[TicketEvent]]:
        """The events that tell how these tickets were used."""
        return await self._events_of(journal.c.ticket_id.in_(ids))

    async def entitlement(self, ticket_id: TicketId) -> Entitlement | None:
        """What a ticket allows, None when it was never sold."""
        return await self._tickets.entitlement(ticket_id)

    async def lane_memories(self) -> dict[LaneId, LaneMemory]:
        """What each lane that ever told anything needs to know when it starts."""
        memories: dict[LaneId, LaneMemory] = {}
        lane_id = ""
        while True:
            async with self._db.read() as connection:
                found = await connection.scalar(select(func.min(journal.c.lane_id)).where(journal.c.lane_id > lane_id))
            if found is None:
                return memories
            lane_id = found
            memories[LaneId(lane_id)] = await self._lane_memory(lane_id)

    # ---- parts

    async def _booked(self, page: Sequence[tuple[TicketId, Entitlement]], which: ColumnElement[bool]) -> list[BookedTicket]:
        events = await self._events_of(which)
        return [
            (ticket_id, allowed, fold_usage(events[ticket_id]) if ticket_id in events else _UNUSED)
            for ticket_id, allowed in page
        ]

    async def _events_of(self, which: ColumnElement[bool]) -> dict[TicketId, list[TicketEvent]]:
        uses = or_(journal.c.grant_id.is_not(None), journal.c.kind == TicketExited.__name__)
        async with self._db.read() as connection:
            rows = await connection.execute(select(journal.c.body).where(which, uses))
            bodies = [body for (body,) in rows]
        events: dict[TicketId, list[TicketEvent]] = {}
        for body in bodies:
            event = decode_event(body)
            if isinstance(event, TicketEvent) and event.ticket_id is not None:
                events.setdefault(event.ticket_id, []).append(event)
        return events

    async def _lane_memory(self, lane_id: str) -> LaneMemory:
        """From the newest event backwards, until both counters and the newest grant are known."""
        walk = _Walk()
        place: tuple[int, int] | None = None
        while not walk.done:
            rows = await self._lane_page(lane_id, place)
            for _, _, event in rows:
                walk.take(event)
            if len(rows) < PAGE:
                break
            place = rows[-1][:2]
        return walk.memory()

    async def _lane_page(self, lane_id: str, before: tuple[int, int] | None) -> list[tuple[int, int, JournalEvent]]:
        query = select(journal.c.lane_seq, journal.c.seq, journal.c.body).where(journal.c.lane_id == lane_id)
        if before is not None:
            number, seq = before
            earlier = (journal.c.lane_seq == number) & (journal.c.seq < seq)
            query = query.where(journal.c.lane_seq <= number, or_(journal.c.lane_seq < number, earlier))
        async with self._db.read() as connection:
            found = await connection.execute(query.order_by(journal.c.lane_seq.desc(), journal.c.seq.desc()).limit(PAGE))
            return [(number, seq, decode_event(body)) for number, seq, body in found]


class _Walk:
    """One lane's events, newest first."""

    def __init__(self) -> None:
        self._last_seq = 0
        self._counters: dict[str, int] = {}
        self._settled: set[GrantId] = set()
        self._grant: GrantIssued | None = None

    @property
    def done(self) -> bool:
        """Whether nothing that is older matters."""
        return self._grant is not None and len(self._counters) == 2

    def take(self, event: JournalEvent) -> None:
        """The next older event."""
        self._last_seq = max(self._last_seq, event.lane_seq)
        counters = accounted(event)
        if isinstance(event, GrantIssued | PassageConfirmed | GrantReleased):
            counters = {"counter_in": event.counter_in}
        for name, counter in counters.items():
            self._counters.setdefault(name, counter)
        if isinstance(event, GrantOutcome):
            self._settled.add(event.grant_id)
        elif isinstance(event, GrantIssued) and self._grant is None:
            self._grant = event

    def memory(self) -> LaneMemory:
        """What the lane needs to know."""
        grant = self._grant
        return LaneMemory(
            open_grant=None if grant is None or GrantId(grant.event_id) in self._settled else grant,
            counter_in=self._counters.get("counter_in", NO_MEMORY.counter_in),
            counter_out=self._counters.get("counter_out", NO_MEMORY.counter_out),
            last_seq=self._last_seq,
        )
