"""The life of an order: pure rules.

    new ──places held──► on_hold ──paid and issued──► issued
     │ └─sold out──► refused  │
     └────────────lapsed──────┴──► expired
     └──────────cancelled─────┴──► cancelled

Payment and issue are one unit of work, so no order rests in between. Steps after issue (change, refund, redemption) get
states of their own in the same table; nothing else has to know all states.
"""

import hashlib
from enum import StrEnum

import msgspec

from resort.errors import HoldExpired, InvalidTransition, WrongState


class OrderState(StrEnum):
    """Where an order stands. Stored and shown to programs: added to, never renamed."""

    NEW = "new"  # stored, places not yet taken
    ON_HOLD = "on_hold"  # places taken until `expires_at`
    ISSUED = "issued"  # paid, tickets made
    REFUSED = "refused"  # there were too few places
    EXPIRED = "expired"  # not paid in time
    CANCELLED = "cancelled"  # given up by the buyer before paying


class OrderTrigger(StrEnum):
    """What happens to an order. PAY and CANCEL are asked for by people; the others are found out by ourselves."""

    HELD = "hold of places"
    SOLD_OUT = "refusal of places"
    LAPSED = "end of its time"
    PAY = "be paid"
    CANCEL = "be cancelled"


ORDER_TABLE: dict[tuple[OrderState, OrderTrigger], OrderState] = {
    (OrderState.NEW, OrderTrigger.HELD): OrderState.ON_HOLD,
    (OrderState.NEW, OrderTrigger.SOLD_OUT): OrderState.REFUSED,
    (OrderState.NEW, OrderTrigger.LAPSED): OrderState.EXPIRED,
    (OrderState.NEW, OrderTrigger.CANCEL): OrderState.CANCELLED,
    (OrderState.ON_HOLD, OrderTrigger.PAY): OrderState.ISSUED,
    (OrderState.ON_HOLD, OrderTrigger.LAPSED): OrderState.EXPIRED,
    (OrderState.ON_HOLD, OrderTrigger.CANCEL): OrderState.CANCELLED,
    (OrderState.CANCELLED, OrderTrigger.CANCEL): OrderState.CANCELLED,
}

ASKED_FOR = frozenset({OrderTrigger.PAY, OrderTrigger.CANCEL})


class Order(msgspec.Struct):
    """One order's state and how it came there (`story`, oldest first)."""

    order_id: str
    state: OrderState = OrderState.NEW
    story: tuple[str, ...] = (OrderState.NEW.value,)

    def take(self, trigger: OrderTrigger) -> OrderState:
        """The state after `trigger`. Raises HoldExpired (paying too late), WrongState (asked for at the wrong time) or,
        where only a mistake of ours can have led here, InvalidTransition."""
        after = ORDER_TABLE.get((self.state, trigger))
        if after is None:
            if trigger is OrderTrigger.PAY and self.state is OrderState.EXPIRED:
                raise HoldExpired(self.order_id)
            if trigger in ASKED_FOR:
                raise WrongState("order", self.state.value, trigger.value)
            raise InvalidTransition(f"order {self.order_id}", self.state.value, trigger.value, self.story)
        if after is not self.state:
            self.story = (*self.story, after.value)
        self.state = after
        return after


def fingerprint(*parts: str) -> str:
    """A digest of a request's content, by which a repeated idempotency key is told from a reused one."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
