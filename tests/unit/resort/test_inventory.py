"""The inventory cell, step by step."""

from datetime import UTC, date, datetime, timedelta

import pytest

from resort.errors import HoldExpired, Invalid, InvalidTransition, SoldOut, WrongState
from resort.inventory import Hold, HoldChange, HoldState, InventoryCell

NOW = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)
DAY = date(2026, 12, 24)


def cell(quota: int = 3) -> InventoryCell:
    return InventoryCell("day", DAY, quota)


def test_holding_takes_places() -> None:
    one = cell()
    assert one.hold("a", 2, LATER, NOW) == [HoldChange(None, Hold("a", 2, HoldState.HELD, LATER))]
    assert (one.taken, one.places_left(NOW)) == (2, 1)


def test_too_few_places_change_nothing_and_say_how_many_are_left() -> None:
    one = cell()
    one.hold("a", 2, LATER, NOW)
    with pytest.raises(SoldOut) as caught:
        one.hold("b", 2, LATER, NOW)
    assert caught.value.args == ("day", "2026-12-24", 1)
    assert (one.taken, set(one.holds)) == (2, {"a"})


def test_repetitions_change_nothing() -> None:
    one = cell()
    one.hold("a", 3, LATER, NOW)
    assert one.hold("a", 3, LATER + timedelta(hours=1), NOW) == []
    assert len(one.confirm("a", NOW)) == 1
    assert one.confirm("a", LATER) == []
    assert one.hold("a", 3, LATER, LATER) == []
    assert one.taken == 3


def test_released_places_are_free_again() -> None:
    one = cell()
    one.hold("a", 3, LATER, NOW)
    assert [change.delta for change in one.release("a", NOW)] == [-3]
    assert one.release("a", NOW) == []
    assert one.release("never", NOW) == []
    assert one.places_left(NOW) == 3
    with pytest.raises(WrongState):
        one.hold("a", 3, LATER, NOW)


def test_holds_that_ran_out_make_room_only_when_it_is_needed() -> None:
    one = cell()
    one.hold("a", 1, LATER, NOW)
    assert [change.hold.order_id for change in one.hold("b", 1, LATER + timedelta(1), LATER)] == ["b"]
    assert one.places_left(LATER) == 2
    changes = one.hold("c", 2, LATER + timedelta(1), LATER)
    assert [(change.hold.order_id, change.hold.state, change.delta) for change in changes] == [
        ("a", HoldState.EXPIRED, -1),
        ("c", HoldState.HELD, 2),
    ]
    assert one.taken == 3


@pytest.mark.parametrize("swept", [False, True])
def test_a_hold_that_ran_out_cannot_be_paid_or_held_again(swept: bool) -> None:
    one = cell()
    one.hold("a", 1, LATER, NOW)
    if swept:
        assert [change.delta for change in one.expire(LATER)] == [-1]
    with pytest.raises(HoldExpired):
        one.confirm("a", LATER)
    with pytest.raises(HoldExpired):
        one.hold("a", 1, LATER, LATER)
    assert [change.hold.state for change in one.release("a", LATER)] == ([] if swept else [HoldState.EXPIRED])
    assert one.taken == 0


def test_the_last_instant_of_a_hold_is_before_its_expiry() -> None:
    one = cell()
    one.hold("a", 1, LATER, NOW)
    assert one.expire(LATER - timedelta(microseconds=1)) == []
    assert len(one.confirm("a", LATER - timedelta(microseconds=1))) == 1
    assert one.expire(LATER) == []


def test_paid_places_are_never_given_back() -> None:
    one = cell()
    one.hold("a", 1, LATER, NOW)
    one.confirm("a", NOW)
    with pytest.raises(WrongState):
        one.release("a", NOW)
    assert one.taken == 1


def test_what_only_a_mistake_can_ask() -> None:
    one = cell()
    with pytest.raises(Invalid):
        one.hold("a", 0, LATER, NOW)
    with pytest.raises(InvalidTransition):
        one.confirm("a", NOW)
    one.hold("a", 1, LATER, NOW)
    with pytest.raises(InvalidTransition):
        one.hold("a", 2, LATER, NOW)


def test_a_cell_loaded_in_part_counts_all_places() -> None:
    part = InventoryCell("day", DAY, 10, taken=9)
    with pytest.raises(SoldOut):
        part.hold("a", 2, LATER, NOW)
    part.hold("a", 1, LATER, NOW)
    assert part.taken == 10


def test_a_quota_below_what_is_sold_sells_nothing() -> None:
    assert InventoryCell("day", DAY, 5, taken=9).places_left(NOW) == 0
