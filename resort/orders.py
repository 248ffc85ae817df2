"""The life of an order: pure rules.

    new ──places held──► on_hold ──paid and issued──► issued
     │ └─sold out──► refused  │
     └────────────lapsed──────┴──► expired
     └──────────cancelled─────┴──► cancelled       issued ──given back──► refunded

Payment and issue are one unit of work, so no order rests in between. Nothing else has to know all states.
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
    REFUNDED = "refunded"  # paid, then given back whole: its tickets ended, its places are for sale again


class OrderTrigger(StrEnum):
    """What happens to an order. Those of `ASKED_FOR` are asked for by people; the others are found out by ourselves."""

    HELD = "hold of places"
    SOLD_OUT = "refusal of places"
    LAPSED = "end of its time"
    PAY = "be paid"
    CANCEL = "be cancelled"
    EXTEND = "be held longer"
    REFUND = "be refunded"


ORDER_TABLE: dict[tuple[OrderState, OrderTrigger], OrderState] = {
    (OrderState.NEW, OrderTrigger.HELD): OrderState.ON_HOLD,
    (OrderState.NEW, OrderTrigger.SOLD_OUT): OrderState.REFUSED,
    (OrderState.NEW, OrderTrigger.LAPSED): OrderState.EXPIRED,
    (OrderState.NEW, OrderTrigger.CANCEL): OrderState.CANCELLED,
    (OrderState.ON_HOLD, OrderTrigger.PAY): OrderState.ISSUED,
    (OrderState.ON_HOLD, OrderTrigger.LAPSED): OrderState.EXPIRED,
    (OrderState.ON_HOLD, OrderTrigger.CANCEL): OrderState.CANCELLED,
    (OrderState.CANCELLED, OrderTrigger.CANCEL): OrderState.CANCELLED,
    (OrderState.ON_HOLD, OrderTrigger.EXTEND): OrderState.ON_HOLD,
    (OrderState.ISSUED, OrderTrigger.REFUND): OrderState.REFUNDED,
    (OrderState.REFUNDED, OrderTrigger.REFUND): OrderState.REFUNDED,
}

ASKED_FOR = frozenset({OrderTrigger.PAY, OrderTrigger.CANCEL, OrderTrigger.EXTEND, OrderTrigger.REFUND})


class Order(msgspec.Struct):
    """One order's state and how it came there (`story`, oldest first)."""

    order_id: str
    state: OrderState = OrderState.NEW
    story: tuple[str, ...] = (OrderState.NEW.value,)

    def take(self, trigger: OrderTrigger) -> OrderState:
        """The state after `trigger`. Raises HoldExpired (too late to pay), WrongState (asked for at the wrong time) or,
        where only a mistake of ours can have led here, InvalidTransition."""
        after = ORDER_TABLE.get((self.state, trigger))
        if after is None:
            if trigger in (OrderTrigger.PAY, OrderTrigger.EXTEND) and self.state is OrderState.EXPIRED:
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
