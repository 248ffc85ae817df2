"""The order machine: its whole table, and what is refused how."""

import pickle

import pytest

from resort.errors import HoldExpired, InvalidTransition, WrongState
from resort.orders import ASKED_FOR, ORDER_TABLE, Order, OrderState, OrderTrigger, fingerprint


@pytest.mark.parametrize("state", OrderState)
@pytest.mark.parametrize("trigger", OrderTrigger)
def test_every_pair_is_either_in_the_table_or_refused(state: OrderState, trigger: OrderTrigger) -> None:
    order = Order("o", state, ("new", state.value))
    if (state, trigger) in ORDER_TABLE:
        assert order.take(trigger) is ORDER_TABLE[state, trigger]
        assert order.story[-1] == order.state.value
        return
    expected = InvalidTransition
    if trigger in ASKED_FOR:
        late = state is OrderState.EXPIRED and trigger in (OrderTrigger.PAY, OrderTrigger.EXTEND)
        expected = HoldExpired if late else WrongState  # type: ignore[assignment]
    with pytest.raises(expected) as caught:
        order.take(trigger)
    assert order.state is state
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert (type(again), str(again)) == (type(caught.value), str(caught.value))


def test_the_usual_way() -> None:
    order = Order("o")
    for trigger in (OrderTrigger.HELD, OrderTrigger.PAY):
        order.take(trigger)
    assert order.story == ("new", "on_hold", "issued")


def test_cancelling_twice_is_once() -> None:
    order = Order("o")
    order.take(OrderTrigger.CANCEL)
    order.take(OrderTrigger.CANCEL)
    assert order.story == ("new", "cancelled")


def test_no_state_is_left_after_an_order_has_ended_except_by_repetition() -> None:
    ends = {OrderState.REFUNDED, OrderState.REFUSED, OrderState.EXPIRED, OrderState.CANCELLED}
    assert all(after is before for (before, _), after in ORDER_TABLE.items() if before in ends)


def test_fingerprints_tell_requests_apart_by_their_parts() -> None:
    assert fingerprint("pay", "a", "b") == fingerprint("pay", "a", "b")
    assert fingerprint("pay", "a", "b") != fingerprint("pay", "ab", "")
