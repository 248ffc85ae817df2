"""The inventory cell of one product on one day: pure rules of quota and holds.

A cell decides and says what changed (`HoldChange`); the shell stores the changes with a guard of its own. A cell may be
loaded with only the holds that matter to a step: `taken` counts the places of all live holds, loaded or not.
"""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum

import msgspec

from resort.errors import HoldExpired, Invalid, InvalidTransition, SoldOut, WrongState


class HoldState(StrEnum):
    """What became of the places that an order took."""

    HELD = "held"
    CONFIRMED = "confirmed"  # paid: never given back by time
    RELEASED = "released"  # given back by the buyer
    EXPIRED = "expired"  # given back by time
    REFUNDED = "refunded"  # paid, and given back with the money


class Hold(msgspec.Struct, frozen=True):
    """The places of one order in one cell."""

    order_id: str
    places: int
    state: HoldState
    expires_at: datetime


class HoldChange(msgspec.Struct, frozen=True):
    """One hold went from `before` (None: it is new) to `hold.state`; the shell stores it and moves `taken` by `delta`."""

    before: HoldState | None
    hold: Hold

    @property
    def delta(self) -> int:
        """How many places the cell has taken more (or, negative, less) after this change."""
        return self.hold.places * ((self.hold.state in LIVE) - (self.before in LIVE))


LIVE = frozenset({HoldState.HELD, HoldState.CONFIRMED})

# (state, step) -> state after it. A pair with the same state on both sides is a repetition and changes nothing; what is
# missing is refused by `_refuse`.
HOLD_TABLE: dict[tuple[HoldState | None, str], HoldState | None] = {
    (None, "hold"): HoldState.HELD,
    (HoldState.HELD, "hold"): HoldState.HELD,
    (HoldState.CONFIRMED, "hold"): HoldState.CONFIRMED,
    (HoldState.HELD, "confirm"): HoldState.CONFIRMED,
    (HoldState.CONFIRMED, "confirm"): HoldState.CONFIRMED,
    (None, "release"): None,
    (HoldState.HELD, "release"): HoldState.RELEASED,
    (HoldState.RELEASED, "release"): HoldState.RELEASED,
    (HoldState.EXPIRED, "release"): HoldState.EXPIRED,
    (HoldState.HELD, "extend"): HoldState.HELD,
    (HoldState.CONFIRMED, "refund"): HoldState.REFUNDED,
    (HoldState.REFUNDED, "refund"): HoldState.REFUNDED,
}


class InventoryCell:
    """Quota and holds of one product on one day.

    Every step names its order and is idempotent by it: a repetition returns no change. Whatever is raised, nothing changed.
    """

    def __init__(self, product: str, day: date, quota: int, taken: int = 0, holds: Iterable[Hold] = ()) -> None:
        self.product = product
        self.day = day
        self.quota = quota
        self.taken = taken
        self.holds = {hold.order_id: hold for hold in holds}

    def places_left(self, now: datetime) -> int:
        """Places that can be sold at `now`, counting loaded holds that have run out as free; never negative."""
        return max(0, self.quota - self.taken + sum(hold.places for hold in self._overdue(now)))

    def hold(self, order_id: str, places: int, expires_at: datetime, now: datetime) -> list[HoldChange]:
        """Take `places` until `expires_at`. Raises SoldOut, HoldExpired (this order's hold ran out), WrongState, Invalid."""
        if places < 1:
            raise Invalid("places", "must be at least 1")
        known = self._known(order_id, now)
        state = known.state if known else None
        after = self._after(state, "hold", order_id)
        if known is not None:
            if known.places != places:
                raise InvalidTransition(f"hold of {order_id}", f"held for {known.places}", f"hold of {places}", self._story())
            return []
        left = self.places_left(now)
        if places > left:
            raise SoldOut(self.product, self.day.isoformat(), left)
        changes = self.expire(now) if self.taken + places > self.quota else []
        assert after is not None
        return [*changes, self._move(None, Hold(order_id, places, after, expires_at))]

    def confirm(self, order_id: str, now: datetime) -> list[HoldChange]:
        """Keep the order's places for good: it is paid. Raises HoldExpired, WrongState, InvalidTransition (never held)."""
        return self._step(order_id, "confirm", now)

    def release(self, order_id: str, now: datetime) -> list[HoldChange]:
        """Give an unpaid order's places back; a hold that ran out becomes expired. Raises WrongState when it is paid."""
        return self._step(order_id, "release", now)

    def extend(self, order_id: str, until: datetime, now: datetime) -> list[HoldChange]:
        """Hold the order's unpaid places until then, never shorter. Raises HoldExpired, WrongState, InvalidTransition."""
        known = self._known(order_id, now)
        self._after(known.state if known else None, "extend", order_id)
        assert known is not None
        if until <= known.expires_at:
            return []
        return [self._move(known.state, msgspec.structs.replace(known, expires_at=until))]

    def refund(self, order_id: str, now: datetime) -> list[HoldChange]:
        """Give a paid order's places back. Raises WrongState when it is not paid, HoldExpired, InvalidTransition."""
        return self._step(order_id, "refund", now)

    def expire(self, now: datetime) -> list[HoldChange]:
        """Give back the places of every loaded hold that ran out."""
        return [self._move(hold.state, msgspec.structs.replace(hold, state=HoldState.EXPIRED)) for hold in self._overdue(now)]

    def validate(self) -> None:
        """Assert what ties the fields together; for tests and rehearsal."""
        live = sum(hold.places for hold in self.holds.values() if hold.state in LIVE)
        assert self.taken >= live, f"{self.taken} taken but {live} held"

    def _step(self, order_id: str, step: str, now: datetime) -> list[HoldChange]:
        known = self._known(order_id, now)
        state = known.state if known else None
        after = self._after(state, step, order_id)
        if known is None or after is None or after is self.holds[order_id].state:
            return []
        return [self._move(self.holds[order_id].state, msgspec.structs.replace(known, state=after))]

    def _known(self, order_id: str, now: datetime) -> Hold | None:
        """The order's hold as it is at `now`: one that ran out counts as expired even before the sweep says so."""
        hold = self.holds.get(order_id)
        if hold is not None and hold.state is HoldState.HELD and hold.expires_at <= now:
            return msgspec.structs.replace(hold, state=HoldState.EXPIRED)
        return hold

    def _after(self, state: HoldState | None, step: str, order_id: str) -> HoldState | None:
        if (state, step) in HOLD_TABLE:
            return HOLD_TABLE[state, step]
        if state is HoldState.EXPIRED:
            raise HoldExpired(order_id)
        if state is None:
            raise InvalidTransition(f"hold of {order_id}", "unknown", step, self._story())
        raise WrongState("hold", state.value, f"take the step '{step}'")

    def _overdue(self, now: datetime) -> list[Hold]:
        return [hold for hold in self.holds.values() if hold.state is HoldState.HELD and hold.expires_at <= now]

    def _move(self, before: HoldState | None, hold: Hold) -> HoldChange:
        change = HoldChange(before, hold)
        self.holds[hold.order_id] = hold
        self.taken += change.delta
        return change

    def _story(self) -> tuple[str, ...]:
        return (f"{self.product} on {self.day}", f"{self.taken} of {self.quota} taken")
