"""What may become of a ticket: the whole table, and what a transfer leaves."""

from datetime import UTC, date, datetime
from itertools import product

import pytest

from resort.access.entitlement import Entitlement, OpenUse, Usage
from resort.access.ticket_status import (
    MAX_NOTE,
    STATUS_TABLE,
    STATUSES,
    check_by,
    check_note,
    check_transition,
    remainder,
)
from resort.errors import Invalid, WrongState
from resort.ids import GateId, GrantId, LaneId

DAY = date(2027, 1, 8)
AT = datetime(2027, 1, 8, 1, 0, tzinfo=UTC)
TEN = Entitlement("ten", "adult", DAY, 10, ("standard",))
ALLOWED = {
    ("active", "blocked"),
    ("active", "revoked"),
    ("active", "refunded"),
    ("active", "transferred"),
    ("blocked", "active"),
    ("blocked", "revoked"),
    ("blocked", "refunded"),
    ("revoked", "refunded"),
}


@pytest.mark.parametrize(("before", "after"), list(product(STATUSES, STATUSES)))
def test_every_pair_is_the_same_allowed_or_refused(before: str, after: str) -> None:
    if before == after:
        assert check_transition(before, after) is False  # type: ignore[arg-type]
    elif (before, after) in ALLOWED:
        assert check_transition(before, after) is True  # type: ignore[arg-type]
    else:
        with pytest.raises(WrongState, match=f"The ticket is {before}, so it cannot become {after}"):
            check_transition(before, after)  # type: ignore[arg-type]


def test_the_table_knows_every_status() -> None:
    assert set(STATUS_TABLE) == set(STATUSES)


@pytest.mark.parametrize("note", ["", "   ", "a\nb", "x" * (MAX_NOTE + 1), "\x1b[31m", "\u202e"])
def test_notes_are_bounded_and_printable(note: str) -> None:
    with pytest.raises(Invalid):
        check_note(note)
    with pytest.raises(Invalid):
        check_by(note if note.strip() else "")


def test_a_note_may_be_in_any_script() -> None:
    assert check_note("  孩子丢了票 ") == "孩子丢了票"


def test_a_transfer_leaves_what_was_not_used() -> None:
    assert remainder(TEN, Usage(used=3)).entries == 7
    assert remainder(TEN, Usage()) == TEN


def test_a_party_that_half_entered_used_that_entry() -> None:
    family = Entitlement("family", "family", DAY, 2, ("standard",), party=4)
    assert remainder(family, Usage(used=4)).entries == 1
    with pytest.raises(WrongState):
        remainder(family, Usage(used=5))


def test_a_transfer_leaves_the_days_that_are_left() -> None:
    three_days = Entitlement("three", "adult", DAY, None, ("standard",), valid_until=date(2027, 3, 1), days_of_use=3)
    assert remainder(three_days, Usage(used=9, days=(DAY,))).days_of_use == 2
    with pytest.raises(WrongState, match="used up"):
        remainder(three_days, Usage(used=9, days=(DAY, date(2027, 1, 9), date(2027, 1, 10))))


def test_a_used_up_ticket_one_in_use_and_running_hours_are_not_transferred() -> None:
    with pytest.raises(WrongState, match="used up"):
        remainder(TEN, Usage(used=10))
    opened = OpenUse(GrantId("g"), LaneId("l"), GateId("g"), "", "", DAY)
    with pytest.raises(WrongState, match="in use"):
        remainder(TEN, Usage(open=opened))
    hours = Entitlement("hours", "adult", DAY, None, ("standard",), minutes=120)
    assert remainder(hours, Usage()) == hours
    with pytest.raises(WrongState, match="running"):
        remainder(hours, Usage(used=1, first_at=AT))


def test_a_successor_begins_active() -> None:
    moved = Entitlement("ten", "adult", DAY, 10, ("standard",), status="transferred")
    assert remainder(moved, Usage()).status == "active"
