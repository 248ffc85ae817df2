"""What the ledger is rebuilt from, as SQL has it: each ticket with its usage, each lane with its memory. Reading only, but for
the ledger's term, which no ledger that lost its memory may begin anew.

Tickets are read in order of their ids, each page with its own events, so that a season's journal needs no more memory than a
page; usage is folded in whatever order events were stored (`resort/access/reconcile.py`).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, or_, select

from resort.access.entitlement import Entitlement, Usage
from resort.access.reconcile import fold_usage
from resort.ids import GrantId, LaneId, TicketId
from resort.messages import (
    GrantIssued,
    GrantOutcome,
    GrantOutcomeUnknown,
    GrantReleased,
    JournalEvent,
    LaneChanged,
    PassageConfirmed,
    PassageOut,
    PassageUncontrolled,
    TicketEvent,
    TicketExited,
    decode_event,
)
from resort.ports import LaneMemory, accounted
from storage.database import Database
from storage.orders_sql import TicketStore
from storage.site_meta import SiteMeta
from storage.tables import journal

LEDGER_TERM = "ledger term"  # the key in `site_meta`
PAGE = 500  # tickets
LANES = 100  # asked about at once
LANE_PAGE = 20  # events of a lane: what is looked for is seldom far
_OUTCOMES = [kind.__name__ for kind in (PassageConfirmed, GrantReleased, GrantOutcomeUnknown)]
_GRANTS = [GrantIssued.__name__, *_OUTCOMES]
_TELL_IN = [kind.__name__ for kind in (GrantIssued, PassageConfirmed, GrantReleased, PassageUncontrolled, LaneChanged)]
_TELL_OUT = [kind.__name__ for kind in (PassageOut, LaneChanged)]
_UNUSED = Usage()

BookedTicket = tuple[TicketId, Entitlement, Usage]


class LedgerBooks:
    """Reads SQL. Every method raises DatabaseUnavailable while it is away."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._tickets = TicketStore(db)
        self._meta = SiteMeta(db)

    async def latest_term(self) -> int:
        """The term of the newest ledger that was ever whole, 0 when there was none."""
        return int(await self._meta.get(LEDGER_TERM) or 0)

    async def note_term(self, term: int) -> None:
        """A ledger is about to be whole in this term."""
        await self._meta.put(LEDGER_TERM, str(term))

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
            page = await self._tickets.entitlements_of(ids)
            for booked in await self._booked(page, journal.c.ticket_id.in_(ids)):
                yield booked

    async def ticket_events(self, ids: Sequence[TicketId]) -> dict[TicketId, list[TicketEvent]]:
        """The events that tell how these tickets were used."""
        return await self._events_of(journal.c.ticket_id.in_(ids))

    async def ticket_events_past(self, numbers: Mapping[LaneId, int]) -> list[TicketEvent]:
        """What these lanes did with tickets after their events of these numbers."""
        lanes, found = list(numbers.items()), []
        for start in range(0, len(lanes), LANES):
            page = lanes[start : start + LANES]
            past = or_(*((journal.c.lane_id == lane_id) & (journal.c.lane_seq > number) for lane_id, number in page))
            found += [event for events in (await self._events_of(past)).values() for event in events]
        return found

    async def entitlements_of(self, ids: Sequence[TicketId]) -> list[tuple[TicketId, Entitlement]]:
        """What these tickets allow; those that were never sold are missing."""
        return await self._tickets.entitlements_of(ids)

    async def entitlement(self, ticket_id: TicketId) -> Entitlement | None:
        """What a ticket allows, None when it was never sold."""
        return await self._tickets.entitlement(ticket_id)

    async def grants_left_behind(self, since: datetime) -> list[GrantIssued]:
        """Grants on tickets since then without outcome that their lanes know nothing of: they granted again later, and lanes
        settle one before the next; or they gave the number to something else."""
        outcome, later = journal.alias(), journal.alias()
        of_grant = (outcome.c.ticket_id == journal.c.ticket_id) & (outcome.c.grant_id == journal.c.grant_id)
        settled = exists().where(of_grant, outcome.c.kind.in_(_OUTCOMES))
        granted_again = (later.c.lane_seq > journal.c.lane_seq) & (later.c.kind == GrantIssued.__name__)
        numbered_again = (later.c.lane_seq == journal.c.lane_seq) & (later.c.event_id != journal.c.event_id)
        went_on = exists().where(later.c.lane_id == journal.c.lane_id, or_(granted_again, numbered_again))
        open_grants = select(journal.c.body).where(
            journal.c.at >= since, journal.c.kind == GrantIssued.__name__, journal.c.ticket_id.is_not(None), ~settled, went_on
        )
        async with self._db.read() as connection:
            bodies = [body for (body,) in await connection.execute(open_grants)]
        return [event for event in map(decode_event, bodies) if isinstance(event, GrantIssued)]

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
        async with self._db.read() as connection:
            last_seq = await connection.scalar(select(func.max(journal.c.lane_seq)).where(journal.c.lane_id == lane_id))
        counters: dict[str, int | None] = {"counter_in": None, "counter_out": None}
        for name, kinds in (("counter_in", _TELL_IN), ("counter_out", _TELL_OUT)):
            async for event in self._backwards(lane_id, kinds):
                counters[name] = _counters(event).get(name)
                if counters[name] is not None:
                    break
        settled: set[GrantId] = set()
        open_grant: GrantIssued | None = None
        async for event in self._backwards(lane_id, _GRANTS):
            if isinstance(event, GrantOutcome):
                settled.add(event.grant_id)
            elif isinstance(event, GrantIssued):
                open_grant = None if GrantId(event.event_id) in settled else event
                break
        return LaneMemory(open_grant, counters["counter_in"], counters["counter_out"], last_seq or 0)

    async def _backwards(self, lane_id: str, kinds: Sequence[str]) -> AsyncIterator[JournalEvent]:
        """A lane's events of these kinds by their numbers, newest first."""
        of_lane = select(journal.c.lane_seq, journal.c.seq, journal.c.body).where(
            journal.c.lane_id == lane_id, journal.c.kind.in_(kinds)
        )
        query = of_lane.order_by(journal.c.lane_seq.desc(), journal.c.seq.desc()).limit(LANE_PAGE)
        before = query
        while True:
            async with self._db.read() as connection:
                page = (await connection.execute(before)).all()
            for row in page:
                yield decode_event(row.body)
            if len(page) < LANE_PAGE:
                return
            number, seq, _ = page[-1]
            earlier = (journal.c.lane_seq == number) & (journal.c.seq < seq)
            before = query.where(journal.c.lane_seq <= number, or_(journal.c.lane_seq < number, earlier))


def _counters(event: JournalEvent) -> dict[str, int]:
    if isinstance(event, GrantIssued | PassageConfirmed | GrantReleased):
        return {"counter_in": event.counter_in}
    return accounted(event)
