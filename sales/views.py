"""What the ticket office takes and shows: payments, orders and tickets as every channel sees them."""

from datetime import date, datetime
from typing import Literal

import msgspec

from resort.ids import OrderId, TicketId
from resort.money import Money

SlotState = Literal["open", "sold_out", "over"]


class Payment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money that was received in full; `amount` has to be the order's total."""

    method: Literal["cash", "partner"]  # partner: on invoice, by the partner's own terms
    amount: Money


class TicketView(msgspec.Struct, frozen=True):
    """One ticket. `code` is the text of its printed QR code: show it to nobody but the buyer, and log it nowhere."""

    ticket_id: TicketId
    unit: str
    product: str
    valid_on: date  # local day at the site
    code: str
    entries: int | None  # None: as often as the ticket's days and hours allow
    used: int  # entries used, as the journal in SQL knows; the gates may be a second ahead
    slot: str | None = None  # local start time of a timed product


class OrderView(msgspec.Struct, frozen=True):
    """One order. `state` is a value of `resort.orders.OrderState`; `refusal` an error code that says why it was refused."""

    order_id: OrderId
    state: str
    channel: str
    product: str
    day: date
    units: dict[str, int]
    total: Money
    expires_at: datetime  # unpaid at that time, the order's places go back to sale
    tickets: list[TicketView]
    refusal: str | None
    slot: str | None = None


class SlotView(msgspec.Struct, frozen=True):
    """One start time of a timed product on one day; `slot` is local, as quotes take it."""

    slot: str
    starts_at: datetime
    state: SlotState
    left: int  # places that can be sold now
