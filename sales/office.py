"""The ticket office: the use cases of every channel, from quote to ticket.

Each step is idempotent by the caller's key and durable before it is answered, so a caller who got no answer repeats the call.
Rules are in `resort/orders.py` and `resort/inventory.py`, prices in the pricing shards, rows in `storage/orders_sql.py`.
"""

import logging
from datetime import date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from resort.access.codes import CodeReading, SiteKeys, examine_code, issue_code
from resort.access.entitlement import TicketRecord
from resort.access.issue import tickets_for
from resort.clock import Clock
from resort.errors import (
    AmountMismatch,
    Bug,
    Busy,
    HoldExpired,
    Invalid,
    KeyReused,
    NotFound,
    QuoteExpired,
    SoldOut,
    Unavailable,
    WrongState,
)
from resort.ids import IdSource, TicketId
from resort.orders import OrderState, OrderTrigger, fingerprint
from resort.ports import EntitlementPublisher, PricingShards
from resort.pricing import Quote, QuoteRequest
from resort.site import ProductSite, Site
from resort.slots import cell_of
from sales.explanation import Explanation, explain_code, place_of
from sales.relay import EntitlementRelay
from sales.slot_shelf import SlotShelf
from sales.views import OrderView, Payment, SlotView, TicketView
from storage.database import Database
from storage.inventory_sql import find_quote, hold_expiry, load_cell, store_changes
from storage.orders_sql import (
    StoredOrder,
    StoredTicket,
    claim_key,
    find_order,
    find_ticket,
    insert_order,
    insert_payment,
    insert_tickets,
    order_tickets,
    overdue_orders,
    store_state,
)
from storage.rounds import Rounds

NET_S = 1.0  # how often the background net looks for what a crash left behind
MAX_KEY = 200
_LAPSED_AT_ONCE = 100
_OPEN = (OrderState.NEW, OrderState.ON_HOLD)

_log = logging.getLogger("snowgate.sales")


class TicketOffice:
    """Sells tickets. Every method may raise Busy (come back) or Unavailable (repeat the call) besides what it says.

    `start` runs the net that publishes tickets and ends unpaid orders; `close` ends it. The database stays the caller's.
    """

    def __init__(
        self,
        db: Database,
        pricing: PricingShards,
        publisher: EntitlementPublisher,
        keys: SiteKeys,
        site: Site,
        clock: Clock,
        ids: IdSource,
    ) -> None:
        self._db = db
        self._pricing = pricing
        self._relay = EntitlementRelay(db, publisher, clock)
        self._keys = keys
        self._site = site
        self._clock = clock
        self._ids = ids
        self._shelf = SlotShelf(db, site, clock)
        self._net = Rounds("ticket office net", self._keep_tidy, NET_S)

    async def start(self) -> None:
        """Begin the background net; idempotent."""
        self._net.start()

    async def close(self) -> None:
        """Stop the net; idempotent."""
        await self._net.close()

    def use_keys(self, keys: SiteKeys) -> None:
        """Print codes with these keys from now on."""
        self._keys = keys

    def products(self) -> list[ProductSite]:
        """What is sold, in the site file's order."""
        return list(self._site.products)

    async def places_left(self, product: str, day: date, slot: str | None = None) -> int:
        """Places that can be sold now, of a timed product in one slot. Raises NotFound."""
        return await self._pricing.places_left(cell_of(product, slot), day)

    async def slots(self, product: str, day: date) -> list[SlotView]:
        """Every slot of a timed product that day, with its places left. Raises NotFound, Invalid."""
        return await self._shelf.slots(product, day)

    async def quote(self, request: QuoteRequest) -> Quote:
        """A price with its parts, honoured until it expires. Raises NotFound, Invalid, SoldOut. Next: `place_order`."""
        return await self._pricing.quote(request)

    async def place_order(self, quote_id: str, channel: str, idempotency_key: str) -> OrderView:
        """Order what was quoted and take its places. Next: `pay` before `expires_at`, or `cancel`.

        The same key with the same quote gives the same order, and goes on with it where a crash left it. Raises NotFound,
        QuoteExpired, SoldOut (the order is kept as refused), KeyReused, Invalid.
        """
        _check_key(channel, idempotency_key)
        order = await self._insert_once(quote_id, channel, idempotency_key)
        if order.state is OrderState.NEW:
            order = await self._take_places(order)
            if order.state is OrderState.ON_HOLD:
                return self._order_view(order, [])
        if order.state is OrderState.REFUSED:
            raise SoldOut(order.quote.cell, order.quote.day.isoformat(), order.refusal_left or 0)
        return await self.order(order.order_id)

    async def order(self, order_id: str) -> OrderView:
        """The order as it stands. Raises NotFound."""
        _check_id("order", order_id)
        async with self._db.read() as connection:
            order = await _existing(connection, order_id)
            tickets = await order_tickets(connection, order_id) if order.state is OrderState.ISSUED else []
        if order.state in _OPEN and order.expires_at <= self._clock.now().at:
            await self._move(order_id, OrderTrigger.LAPSED)
            return await self.order(order_id)
        return self._order_view(order, tickets)

    async def pay(self, order_id: str, payment: Payment, channel: str, idempotency_key: str) -> OrderView:
        """Take the payment and issue the tickets, in one unit: there is no payment without tickets, nor tickets without.

        Raises NotFound, AmountMismatch, HoldExpired, WrongState, KeyReused, Invalid; then nothing was taken and the key is
        still free. The lanes are told before the answer; if they cannot be reached, as soon as they can.
        """
        _check_key(channel, idempotency_key)
        now = self._clock.now().at
        amount = payment.amount
        _check_id("order", order_id)
        mark = fingerprint("pay", order_id, payment.method, str(amount.minor), amount.currency)
        try:
            async with self._db.write() as connection:
                claim = await claim_key(connection, channel, "pay", idempotency_key, mark, order_id, now)
                if claim.fingerprint != mark:
                    raise KeyReused
                if claim.fresh:
                    await self._capture_and_issue(connection, order_id, payment, now)
        except HoldExpired:
            await self._move(order_id, OrderTrigger.LAPSED)
            raise
        await self._relay.try_publish()
        return await self.order(order_id)

    async def extend(self, order_id: str, until: datetime) -> OrderView:
        """Hold an unpaid order's places until then, never shorter. Raises NotFound, HoldExpired, WrongState (paid or over)."""
        await self.order(order_id)
        now = self._clock.now().at
        async with self._db.write() as connection:
            order = await _existing(connection, order_id, lock=True)
            after = order.machine()
            after.take(OrderTrigger.EXTEND)
            cell = await load_cell(connection, order.quote.cell, order.quote.day, order_id, now)
            if cell is None:
                raise Bug(f"order {order_id} is on hold in a cell that does not exist")
            changes = cell.extend(order_id, until, now)
            await store_changes(connection, cell, changes)
            if changes:
                await store_state(connection, order, after, expires_at=until)
        return await self.order(order_id)

    async def cancel(self, order_id: str) -> OrderView:
        """Give up an unpaid order and its places; idempotent. Raises NotFound, WrongState (paid, refused or expired)."""
        await self.order(order_id)  # an order whose time is over is expired, not cancelled
        async with self._db.write() as connection:
            before = await _existing(connection, order_id, lock=True)
            after = before.machine()
            after.take(OrderTrigger.CANCEL)
            if after.state is not before.state:
                await store_state(connection, before, after)
        await self._give_back(before)
        return await self.order(order_id)

    async def ticket(self, ticket_id: str) -> TicketView:
        """The ticket with its code. Raises NotFound."""
        _check_id("ticket", ticket_id)
        async with self._db.read() as connection:
            found = await find_ticket(connection, ticket_id)
        if found is None:
            raise NotFound("ticket", ticket_id)
        return self._ticket_view(found)

    async def find(self, text: str) -> TicketId:
        """The ticket that is meant by a number, or by a code's text, stale or not. Raises NotFound; it never says the text."""
        reading = examine_code(text, self._keys, self._clock.now().at)
        ticket_id = reading.ticket_id if isinstance(reading, CodeReading) else text
        if len(ticket_id) <= 64 and ticket_id.isascii() and ticket_id.isprintable():
            async with self._db.read() as connection:
                found = await find_ticket(connection, ticket_id)
            if found is not None:
                return found.ticket_id
        raise NotFound("ticket", "that")

    async def explain(self, code: str, lane_id: str) -> Explanation:
        """Why a lane would admit or refuse this code now, rule by rule, as far as SQL knows. Raises Invalid, NotFound."""
        gate_id = next((gate.id for gate, lane in self._site.lanes() if lane.id == lane_id), "")
        place = place_of(self._site, gate_id, lane_id)
        async with self._db.read() as connection:
            return await explain_code(connection, code, place, self._clock.now().at, self._site, self._keys)

    async def publish_pending(self) -> int:
        """Tell the lanes of every issued ticket that they do not know; answers how many. Idempotent."""
        return await self._relay.publish_pending()

    async def lapse_overdue(self) -> int:
        """End orders that were not paid in time; answers how many. Their places are given back by the pricing shards."""
        async with self._db.read() as connection:
            overdue = await overdue_orders(connection, self._clock.now().at, _LAPSED_AT_ONCE)
        for order in overdue:
            await self._move(order.order_id, OrderTrigger.LAPSED)
        return len(overdue)

    async def _insert_once(self, quote_id: str, channel: str, key: str) -> StoredOrder:
        """The order that this key stands for, stored as new if the key is."""
        _check_id("quote", quote_id)
        mark = fingerprint("place", quote_id)
        now = self._clock.now().at
        async with self._db.write() as connection:
            claim = await claim_key(connection, channel, "place", key, mark, self._ids.new("order"), now)
            if claim.fingerprint != mark:
                raise KeyReused
            if not claim.fresh:
                return await _existing(connection, claim.order_id)
            quote = await find_quote(connection, quote_id)
            if quote is None:
                raise NotFound("quote", quote_id)
            if quote.expires_at <= now:
                raise QuoteExpired(quote_id)
            until = now + timedelta(seconds=self._site.sales_limits.hold_s)
            story = (OrderState.NEW.value,)
            order = StoredOrder(claim.order_id, channel, OrderState.NEW, story, quote, None, None, now, until)
            await insert_order(connection, order)
            return order

    async def _take_places(self, order: StoredOrder) -> StoredOrder:
        """Let a new order have its places; answers the order in its new state. Safe to repeat and to do twice at once."""
        try:
            await self._pricing.hold(order.quote, order.order_id)
        except SoldOut as error:
            return await self._move(order.order_id, OrderTrigger.SOLD_OUT, refusal=error.code, left=error.left)
        except (HoldExpired, WrongState):
            return await self._move(order.order_id, OrderTrigger.LAPSED)
        order = await self._move(order.order_id, OrderTrigger.HELD)
        if order.state not in (OrderState.ON_HOLD, OrderState.ISSUED):
            await self._give_back(order)  # it was cancelled, or found to have lapsed, while its places were being taken
        return order

    async def _move(
        self, order_id: str, trigger: OrderTrigger, *, refusal: str | None = None, left: int | None = None
    ) -> StoredOrder:
        """Store what we found out about an order, unless it has moved on meanwhile; answers it as it stands."""
        async with self._db.write() as connection:
            before = await _existing(connection, order_id, lock=True)
            late = before.expires_at <= self._clock.now().at
            if trigger is OrderTrigger.LAPSED:
                applies = before.state is OrderState.NEW or (before.state is OrderState.ON_HOLD and late)
            else:
                applies = before.state is OrderState.NEW
            if not applies:
                return before
            until = None
            if trigger is OrderTrigger.HELD:
                until = await hold_expiry(connection, before.quote.cell, before.quote.day, order_id)
                if until is None:
                    trigger = OrderTrigger.LAPSED
            after = before.machine()
            after.take(trigger)
            await store_state(connection, before, after, expires_at=until, refusal=refusal, refusal_left=left)
            return await _existing(connection, order_id, lock=True)

    async def _capture_and_issue(self, connection: AsyncConnection, order_id: str, payment: Payment, now: datetime) -> None:
        """Within the unit: places held become sold, the payment is booked, tickets are made and put in the outbox."""
        order = await _existing(connection, order_id, lock=True)
        after = order.machine()
        after.take(OrderTrigger.PAY)
        quote = order.quote
        if payment.amount != quote.total:
            raise AmountMismatch(str(payment.amount), str(quote.total))
        cell = await load_cell(connection, quote.cell, quote.day, order_id, now)
        if cell is None:
            raise Bug(f"order {order_id} is on hold in a cell that does not exist")
        await store_changes(connection, cell, cell.confirm(order_id, now))
        await insert_payment(connection, self._ids.new("payment"), order_id, payment.method, payment.amount, now)
        await insert_tickets(connection, order_id, self._make_tickets(quote), now)
        await store_state(connection, order, after)

    def _make_tickets(self, quote: Quote) -> list[tuple[TicketId, TicketRecord]]:
        product = self._site.product(quote.product)
        if product is None:
            raise NotFound("product", quote.product)
        return tickets_for(product, quote.day, quote.units, self._ids, quote.slot)

    async def _give_back(self, order: StoredOrder) -> None:
        """Return an order's places now; if the shard is away, they return by themselves when the hold runs out."""
        try:
            await self._pricing.release(order.quote.cell, order.quote.day, order.order_id)
        except (Unavailable, Busy) as error:
            _log.warning("order %s: its places return when its hold runs out: %s", order.order_id, error)

    def _order_view(self, order: StoredOrder, tickets: list[StoredTicket]) -> OrderView:
        return OrderView(
            order_id=order.order_id,
            state=order.state.value,
            channel=order.channel,
            product=order.quote.product,
            day=order.quote.day,
            units=order.quote.units,
            total=order.quote.total,
            expires_at=order.expires_at,
            tickets=[self._ticket_view(ticket) for ticket in tickets],
            refusal=order.refusal,
            slot=order.quote.slot,
        )

    def _ticket_view(self, ticket: StoredTicket) -> TicketView:
        allowed = ticket.entitlement
        return TicketView(
            ticket_id=ticket.ticket_id,
            unit=allowed.unit,
            product=allowed.product,
            valid_on=allowed.valid_on,
            code=issue_code(ticket.ticket_id, self._keys),
            entries=allowed.entries,
            used=ticket.used,
            slot=allowed.slot,
        )

    async def _keep_tidy(self) -> None:
        try:
            await self._relay.try_publish()
            await self.lapse_overdue()
        except Unavailable as error:
            _log.debug("unpaid orders are ended later: %s", error)
        except Exception:
            _log.exception("the net of the ticket office failed")


async def _existing(connection: AsyncConnection, order_id: str, *, lock: bool = False) -> StoredOrder:
    """The order. Raises NotFound."""
    order = await find_order(connection, order_id, lock=lock)
    if order is None:
        raise NotFound("order", order_id)
    return order


def _check_key(channel: str, key: str) -> None:
    for field, value in (("channel", channel), ("idempotency_key", key)):
        if not (0 < len(value) <= MAX_KEY and value.isascii() and value.isprintable()):
            raise Invalid(field, f"must be 1 to {MAX_KEY} printable ASCII characters")


def _check_id(what: str, value: str) -> None:
    """Ids of ours are short and plain; anything else names nothing, and databases differ in what they make of it."""
    if not (0 < len(value) <= 64 and value.isascii() and value.isprintable()):
        raise NotFound(what, ascii(value[:64]))


__all__ = ["OrderView", "Payment", "SlotView", "TicketOffice", "TicketView"]
