"""The relay of staff's orders: tells the lanes what became of tickets, at once when it can and again until it could.

Orders reach their table in the unit of work that stores the ticket's new status (`storage/tickets_sql.py`). Here they go to
the ledger in order, and from its stream to the journal. While the ledger is away the gates' own copies of the tickets are
told instead, each round anew. Telling twice changes nothing.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from resort.access.ticket_status import remainder
from resort.access.usage import use
from resort.clock import Clock, Moment
from resort.errors import LedgerUnavailable, Unavailable, WrongState
from resort.ids import TicketId
from resort.messages import FaceEnrolled, FaceForgotten, GrantAnnulled, StaffActed, TicketChanged
from resort.ports import AdmissionLedger, EntitlementPublisher, TicketNews
from sales.relay import EntitlementRelay
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.journal_stream import StreamEntry
from storage.orders_sql import find_ticket
from storage.tickets_sql import (
    StaffOrder,
    forget_lost,
    issue_successor,
    mark_told,
    pending_orders,
    pending_successors,
    ticket_events,
    ticket_history,
    usage_after,
)

BATCH = 256
PAGE = 1_000  # stream entries read at a time
LOST = timedelta(seconds=30)  # what the journal has not got so long after the ledger took it, the ledger has lost
LOOK_BACK = timedelta(days=2)
LOOK_EVERY_MS = 10_000.0
_log = logging.getLogger("snowgate.sales")


class EventTail(Protocol):
    """What `JournalStream` reads of the stream."""

    async def read_after(self, stream_id: str, most: int, wait_ms: int) -> list[StreamEntry]:
        """See there."""
        ...


class StaffRelay:
    """Tells what stands in `staff_orders`, in order, and issues the tickets that take transferred ones' places."""

    def __init__(
        self,
        db: Database,
        publisher: EntitlementPublisher,
        ledger: AdmissionLedger,
        stream: EventTail,
        news: TicketNews,
        clock: Clock,
    ) -> None:
        self._db = db
        self._tickets = EntitlementRelay(db, publisher, clock)
        self._publisher = publisher
        self._ledger = ledger
        self._stream = stream
        self._journal = JournalStore(db)
        self._news = news
        self._clock = clock
        self._turn = asyncio.Lock()  # one at a time, so that orders for one ticket keep their order
        self._away = False
        self._looked: Moment | None = None  # for orders that were lost

    async def tell_pending(self) -> int:
        """Tell every order that the ledger has not taken; answers how many. Raises Unavailable; call again then."""
        told = 0
        async with self._turn:
            await self._issue_successors()
            await self._find_lost()
            await self._tickets.publish_pending()
            while orders := await self._pending():
                await self._tickets.publish_pending()  # a ticket has to be known before what became of it
                for order in orders:
                    await self._tell(order)
                    async with self._db.write() as connection:
                        await mark_told(connection, [order.seq], self._clock.now().at)
                    told += 1
            if told:
                await self._issue_successors()
        return told

    async def try_tell(self) -> bool:
        """Tell, or leave it to the next time when a part is away; then the gates are told. Answers whether all was told."""
        try:
            await self.tell_pending()
        except LedgerUnavailable as error:
            self._note(str(error))
            await self._tell_gates()
        except Unavailable as error:
            self._note(str(error))
        except Exception:
            # A mistake in telling must not turn an order that is stored into an error for who gave it.
            _log.exception("what staff ordered of tickets could not be told")
        else:
            self._note("")
            return True
        return False

    async def _pending(self) -> list[StaffOrder]:
        async with self._db.read() as connection:
            return await pending_orders(connection, BATCH)

    async def _tell(self, order: StaffOrder) -> None:
        match order.event:
            case TicketChanged():
                await self._change(order.event)
            case GrantAnnulled():
                await self._annul(order.event)
            case StaffActed() | FaceEnrolled() | FaceForgotten():
                await self._ledger.append([order.event])

    async def _change(self, change: TicketChanged) -> None:
        """Give the ticket the status that SQL has for it, and the journal this event. Another process may tell a newer order at
        the same moment; whoever writes last looks again, so the newest status stays."""
        await self._publisher.change_status(change)
        told = change
        while (newest := await self._newest(change.ticket_id)) is not None and newest.status != told.status:
            await self._publisher.change_status(newest)
            told = newest

    async def _newest(self, ticket_id: TicketId) -> TicketChanged | None:
        async with self._db.read() as connection:
            history = await ticket_history(connection, ticket_id)
        return next((order.event for order in reversed(history) if isinstance(order.event, TicketChanged)), None)

    async def _find_lost(self) -> None:
        now = self._clock.now()
        if self._looked is not None and now.ms_since(self._looked) < LOOK_EVERY_MS:
            return
        async with self._db.write() as connection:
            lost = await forget_lost(connection, now.at - LOST, now.at - LOOK_BACK)
        self._looked = now
        if lost:
            _log.warning("%s orders of staff were lost by the ledger and are told again", lost)

    async def _annul(self, annulled: GrantAnnulled) -> None:
        """Give the entry back, once: an event whose answer was lost is in the stream or, by now, in SQL."""
        if await self._is_appended(annulled):
            return
        while (record := await self._ledger.find(annulled.ticket_id)) is not None:
            if await self._ledger.amend(annulled, record, use(record.usage, annulled)) is None:
                return
        await self._ledger.append([annulled])  # the ledger holds no such ticket any more; the journal does

    async def _is_appended(self, annulled: GrantAnnulled) -> bool:
        # Entries move from the stream to SQL, so the stream's end is looked at first; what it holds no more SQL has.
        last = await self._journal.last_stream_id()
        while entries := await self._stream.read_after(last, PAGE, wait_ms=0):
            if any(entry.event is not None and entry.event.event_id == annulled.event_id for entry in entries):
                return True
            last = entries[-1].stream_id
        return await self._journal.knows(annulled.event_id)

    async def _issue_successors(self) -> None:
        async with self._db.read() as connection:
            waiting = await pending_successors(connection, BATCH)
        for order in waiting:
            async with self._db.write() as connection:
                await self._issue(connection, order)
        if waiting:
            await self._tickets.publish_pending()

    async def _issue(self, connection: AsyncConnection, order: StaffOrder) -> None:
        ticket_id = order.event.ticket_id or ""
        before = await find_ticket(connection, ticket_id)
        usage = usage_after(await ticket_events(connection, ticket_id))
        if before is None or usage.open is not None:
            return  # somebody is passing on the old ticket at this moment: the next round knows
        try:
            rest = remainder(before.entitlement, usage)
        except WrongState as error:
            _log.warning("ticket %s was transferred and leaves nothing: %s", ticket_id, error)
            rest = None
        await issue_successor(connection, order, rest, self._clock.now().at)

    async def _tell_gates(self) -> None:
        try:
            changes = [order.event for order in await self._pending() if isinstance(order.event, TicketChanged)]
            if changes:
                await self._news.tell(changes)
        except Unavailable as error:
            _log.debug("gates are told of tickets later: %s", error)
        except Exception:
            _log.exception("gates could not be told what became of tickets")

    def _note(self, problem: str) -> None:
        """Log edges only."""
        if problem and not self._away:
            _log.warning("what staff ordered of tickets waits for the lanes to be told: %s", problem)
        elif self._away and not problem:
            _log.info("the lanes are told of staff's orders again")
        self._away = bool(problem)
