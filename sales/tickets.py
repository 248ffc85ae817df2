"""What staff do with tickets that were sold: block, revoke, refund, transfer, give an entry back; and their own cards.

SQL first, in one unit with what the lanes have to be told; then the lanes, at once or as soon as they can be reached. So an
order that was answered holds whatever dies afterwards. Every use case is idempotent, and nobody is anonymous: `by` and
`note` go into the journal.
"""

import logging
from datetime import date
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from resort.access.entitlement import Entitlement, TicketRecord, TicketStatus, Usage
from resort.access.service_day import site_day
from resort.access.ticket_status import check_by, check_note, check_transition, remainder
from resort.clock import Clock
from resort.errors import Bug, Invalid, NotFound, WrongState
from resort.ids import EventId, GateId, IdSource, LaneId, OrderId, QuoteId, TicketId
from resort.messages import GrantAnnulled, GrantOutcomeUnknown, TicketChanged
from resort.money import Money
from resort.orders import OrderState, OrderTrigger
from resort.pricing import Quote
from resort.site import LaneClass, Site
from sales.staff_relay import StaffRelay
from storage.database import Database
from storage.inventory_sql import load_cell, store_changes
from storage.orders_sql import (
    StoredOrder,
    StoredTicket,
    find_order,
    insert_order,
    insert_tickets,
    order_tickets,
    refund_payments,
    store_state,
)
from storage.rounds import Rounds
from storage.tickets_sql import (
    insert_order_of_staff,
    last_order,
    lock_ticket,
    store_status,
    ticket_events,
    unknown_grants,
    usage_after,
)

NET_S = 1.0  # how often what could not be told is told again
STAFF_PRODUCT = "staff-card"
LANE_CLASSES: tuple[LaneClass, ...] = ("standard", "fast", "vip")
_log = logging.getLogger("snowgate.sales")


class TicketStanding(msgspec.Struct, frozen=True):
    """A ticket after an order of staff.

    `told`: every lane goes by it now; else the ledger is away, the gates' own copies were told as far as they could be
    reached, and telling goes on by itself. `successor`: the ticket that takes a transferred one's place; it can be used as
    soon as `successor_issued`.
    """

    ticket_id: TicketId
    status: TicketStatus
    told: bool
    successor: TicketId | None = None
    successor_issued: bool = False


class TicketDesk:
    """Staff's use cases on tickets. Every method may raise DatabaseUnavailable besides what it says; repeat it then.

    `start` runs the net that tells lanes what they could not be told at once; `close` ends it.
    """

    def __init__(self, db: Database, relay: StaffRelay, site: Site, clock: Clock, ids: IdSource) -> None:
        self._db = db
        self._relay = relay
        self._site = site
        self._clock = clock
        self._ids = ids
        self._net = Rounds("ticket desk net", self._keep_telling, NET_S)

    async def start(self) -> None:
        """Begin the net; idempotent."""
        self._net.start()

    async def close(self) -> None:
        """Stop the net; idempotent."""
        await self._net.close()

    async def tell_pending(self) -> int:
        """Tell the lanes of every order that they do not know; answers how many. Raises Unavailable."""
        return await self._relay.tell_pending()

    async def change_status(self, ticket_id: str, status: TicketStatus, by: str, note: str) -> TicketStanding:
        """Block (`blocked`), unblock (`active`), revoke, refund or transfer a ticket; asking again changes nothing.

        A transferred ticket ends at once; the new one gets what is left as soon as the use of the old one is certain, within
        a second or so. Raises NotFound, Invalid, WrongState.
        """
        by, note = check_by(by), check_note(note)
        async with self._db.write() as connection:
            ticket = await _existing(connection, ticket_id)
            if check_transition(ticket.entitlement.status, status):
                successor = await self._successor(connection, ticket) if status == "transferred" else None
                await store_status(connection, ticket_id, status)
                await insert_order_of_staff(connection, self._changed(ticket.ticket_id, status, by, note), successor)
        await self._relay.try_tell()
        return await self.standing(ticket_id)

    async def refund_order(self, order_id: str, by: str, note: str) -> None:
        """End every ticket of a paid order, give its places back to sale and mark its payment as returned, all in one unit;
        asking again changes nothing. Raises NotFound, Invalid, WrongState (not paid, or a ticket of it was used)."""
        by, note = check_by(by), check_note(note)
        now = self._clock.now().at
        async with self._db.write() as connection:
            order = await find_order(connection, order_id, lock=True)
            if order is None:
                raise NotFound("order", ascii(order_id[:64]).strip("'"))
            after = order.machine()
            after.take(OrderTrigger.REFUND)
            if after.state is order.state:
                return
            for ticket in await order_tickets(connection, order_id):
                ticket = await _existing(connection, ticket.ticket_id)
                if ticket.used:
                    raise WrongState("ticket", "used", "be refunded")
                if check_transition(ticket.entitlement.status, "refunded"):
                    await store_status(connection, ticket.ticket_id, "refunded")
                    await insert_order_of_staff(connection, self._changed(ticket.ticket_id, "refunded", by, note))
            cell = await load_cell(connection, order.quote.cell, order.quote.day, order_id, now)
            if cell is None:
                raise Bug(f"order {order_id} was paid in a cell that does not exist")
            await store_changes(connection, cell, cell.refund(order_id, now))
            await refund_payments(connection, order_id)
            await store_state(connection, order, after)
        await self._relay.try_tell()

    async def standing(self, ticket_id: str) -> TicketStanding:
        """The ticket as staff left it. Raises NotFound."""
        async with self._db.read() as connection:
            ticket = await _existing(connection, ticket_id)
            order = await last_order(connection, ticket_id)
        status = ticket.entitlement.status
        if order is None:
            return TicketStanding(ticket.ticket_id, status, told=True)
        return TicketStanding(ticket.ticket_id, status, order.told, order.successor, order.issued)

    async def unknown_grants(self, ticket_id: str) -> list[GrantOutcomeUnknown]:
        """Grants of which nobody knows whether somebody passed, and that staff have not settled. Raises NotFound."""
        async with self._db.read() as connection:
            await _existing(connection, ticket_id)
            return unknown_grants(await ticket_events(connection, ticket_id))

    async def settle(self, ticket_id: str, grant_id: str, by: str, note: str) -> TicketStanding:
        """Give the entry of a grant of unknown outcome back: staff know that nobody passed on it; asking again changes nothing.

        Raises NotFound, Invalid, WrongState (its outcome is known, or a lane gave it back).
        """
        by, note = check_by(by), check_note(note)
        async with self._db.write() as connection:
            ticket = await _existing(connection, ticket_id)
            events = await ticket_events(connection, ticket_id)
            unknown = next((event for event in unknown_grants(events) if event.grant_id == grant_id), None)
            if unknown is not None:
                await insert_order_of_staff(connection, self._annulled(ticket.ticket_id, unknown, by, note))
            elif not any(isinstance(event, GrantAnnulled) and event.grant_id == grant_id for event in events):
                raise WrongState("grant", "not one of unknown outcome", "be given back")
        await self._relay.try_tell()
        return await self.standing(ticket_id)

    async def issue_staff_card(self, name: str, until: date, by: str) -> TicketId:
        """A card for somebody on the staff: every lane, any number of entries, no anti-passback, from today to `until`.

        Its code is that of a card: `issue_code` with the step CARD. Raises Invalid.
        """
        name, by = check_note(name), check_by(by)
        now = self._clock.now().at
        today = site_day(now, self._site)
        if until < today:
            raise Invalid("until", "must be today or later")
        allowed = Entitlement(
            STAFF_PRODUCT, "staff", today, None, LANE_CLASSES, valid_until=until, media=("card",), passback=False
        )
        ticket_id = self._ids.ticket_id()
        async with self._db.write() as connection:
            order = self._gift(name, by, today)
            await insert_order(connection, order)
            await insert_tickets(connection, order.order_id, [(ticket_id, TicketRecord(1, allowed, Usage()))], now)
        await self._relay.try_tell()
        return ticket_id

    async def _successor(self, connection: AsyncConnection, ticket: StoredTicket) -> TicketId:
        """The id of the ticket that will take this one's place. Raises WrongState where nothing is left to be passed on, as far
        as SQL knows; what is left for certain is found out once the old ticket has ended."""
        usage = usage_after(await ticket_events(connection, ticket.ticket_id))
        remainder(ticket.entitlement, msgspec.structs.replace(usage, open=None))
        return self._ids.ticket_id()

    def _changed(self, ticket_id: TicketId, status: TicketStatus, by: str, note: str) -> TicketChanged:
        return TicketChanged(**self._head("change", by), ticket_id=ticket_id, status=status, by=by, note=note)

    def _annulled(self, ticket_id: TicketId, unknown: GrantOutcomeUnknown, by: str, note: str) -> GrantAnnulled:
        head = self._head("annulled", unknown.grant_id) | {"event_id": EventId(f"{unknown.grant_id}:annulled")}
        return GrantAnnulled(**head, grant_id=unknown.grant_id, ticket_id=ticket_id, was_unknown=True, by=by, note=note)

    def _head(self, prefix: str, caused_by: str) -> dict[str, Any]:
        return {
            "event_id": EventId(self._ids.new(prefix)),
            "caused_by": caused_by,
            "at": self._clock.now().at,
            "gate_id": GateId(""),
            "lane_id": LaneId(""),
        }

    def _gift(self, name: str, by: str, today: date) -> StoredOrder:
        """The order that a staff card belongs to: it costs nothing, takes no place, and says who got it from whom."""
        now = self._clock.now().at
        nothing = Money(0, self._site.tariff.currency)
        quote_id = QuoteId(self._ids.new("quote"))
        quote = Quote(quote_id, STAFF_PRODUCT, today, {"staff": 1}, "desk", (), nothing, f"issued by {by} for {name}", now, now)
        order_id = OrderId(self._ids.new("order"))
        return StoredOrder(order_id, "staff", OrderState.ISSUED, (OrderState.ISSUED.value,), quote, None, None, now, now)

    async def _keep_telling(self) -> None:
        await self._relay.try_tell()


async def _existing(connection: AsyncConnection, ticket_id: str) -> StoredTicket:
    """The ticket, locked in a unit that writes. Raises NotFound."""
    plain = 0 < len(ticket_id) <= 64 and ticket_id.isascii() and ticket_id.isprintable()
    ticket = await lock_ticket(connection, ticket_id) if plain else None
    if ticket is None:
        raise NotFound("ticket", ascii(ticket_id[:64]).strip("'"))
    return ticket
