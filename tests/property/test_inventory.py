"""No sequence of steps oversells a cell, loses places, or lets a repetition count twice."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from resort.errors import HoldExpired, InvalidTransition, SoldOut, WrongState
from resort.inventory import LIVE, HoldChange, HoldState, InventoryCell

NOW = datetime(2026, 12, 1, tzinfo=UTC)
DAY = date(2026, 12, 24)
REFUSALS = (SoldOut, HoldExpired, WrongState, InvalidTransition)

orders = st.sampled_from([f"order {number}" for number in range(6)])


class CellMachine(RuleBasedStateMachine):
    """A cell beside the plainest possible account of its places, kept from the changes alone."""

    @initialize(quota=st.integers(0, 12))
    def open(self, quota: int) -> None:
        self.now = NOW
        self.cell = InventoryCell("day", DAY, quota)
        self.account: dict[str, tuple[HoldState, int]] = {}
        self.sold: set[str] = set()

    @rule(order_id=orders, places=st.integers(1, 5), minutes=st.integers(1, 30))
    def hold(self, order_id: str, places: int, minutes: int) -> None:
        until = self.now + timedelta(minutes=minutes)
        if self._book("hold", order_id, lambda: self.cell.hold(order_id, places, until, self.now)):
            assert self.cell.hold(order_id, self.account[order_id][1], until, self.now) == []

    @rule(order_id=orders)
    def confirm(self, order_id: str) -> None:
        if self._book("confirm", order_id, lambda: self.cell.confirm(order_id, self.now)):
            self.sold.add(order_id)
            assert self.cell.confirm(order_id, self.now + timedelta(days=1)) == []

    @rule(order_id=orders)
    def release(self, order_id: str) -> None:
        if self._book("release", order_id, lambda: self.cell.release(order_id, self.now)):
            assert self.cell.release(order_id, self.now) == []

    @rule(order_id=orders, minutes=st.integers(1, 60))
    def extend(self, order_id: str, minutes: int) -> None:
        until = self.now + timedelta(minutes=minutes)
        if self._book("extend", order_id, lambda: self.cell.extend(order_id, until, self.now)):
            assert self.cell.holds[order_id].expires_at >= until

    @rule(order_id=orders)
    def refund(self, order_id: str) -> None:
        if self._book("refund", order_id, lambda: self.cell.refund(order_id, self.now)):
            self.sold.discard(order_id)
            assert self.cell.refund(order_id, self.now) == []

    @rule()
    def expire(self) -> None:
        self._book("expire", "", lambda: self.cell.expire(self.now))
        assert self.cell.expire(self.now) == []

    @rule(minutes=st.integers(1, 40))
    def pass_time(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @invariant()
    def never_oversold(self) -> None:
        live = sum(places for state, places in self.account.values() if state in LIVE)
        assert 0 <= self.cell.taken == live <= self.cell.quota
        self.cell.validate()

    @invariant()
    def sold_stays_sold(self) -> None:
        assert all(self.account[order_id][0] is HoldState.CONFIRMED for order_id in self.sold)

    def _book(self, step: str, order_id: str, take: Callable[[], list[HoldChange]]) -> bool:
        taken = self.cell.taken
        try:
            changes = take()
        except REFUSALS:
            assert self.cell.taken == taken, f"a refused {step} of {order_id} changed the cell"
            return False
        for change in changes:
            known = self.account.get(change.hold.order_id)
            assert change.before is (known[0] if known else None)
            self.account[change.hold.order_id] = (change.hold.state, change.hold.places)
        return True


CellMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestCell = CellMachine.TestCase
