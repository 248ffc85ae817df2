"""Reversible lanes: closed, clear, turned, then open the other way; whatever fails, the way out is free."""

import pytest

from resort.access.lane_messages import (
    AdmitByHand,
    Answer,
    LaneMode,
    ModeOrdered,
    SetWay,
    TurnstileLost,
    WayNotSet,
    WaySet,
)
from resort.access.reasons import Reason
from resort.messages import PassageOut, ScanRefused
from tests.unit.resort.access.lane_stand import LaneStand

CLEARANCE_MS = 10_000


@pytest.fixture
def stand() -> LaneStand:
    """A reversible lane whose arm was set for entry as it started."""
    stand = LaneStand(reversible=True)
    (order,) = [command for command in stand.last if isinstance(command, SetWay)]
    assert (order.way, stand.machine.lasting_state, stand.machine.detail) == ("entry", "closed", "changes direction")
    stand.tell(WaySet("entry"))
    assert stand.machine.lasting_state == "ready"
    return stand


def turned(stand: LaneStand, mode: LaneMode) -> None:
    """The lane after a whole change."""
    stand.tell(ModeOrdered(mode))
    stand.clock.advance_ms(CLEARANCE_MS)
    stand.see()
    (order,) = [command for command in stand.last if isinstance(command, SetWay)]
    stand.tell(WaySet(order.way))


def test_it_is_closed_and_clear_before_its_arm_is_turned(stand: LaneStand) -> None:
    stand.tell(ModeOrdered("exit"))
    assert (stand.machine.lasting_state, stand.machine.detail) == ("closed", "changes direction")
    stand.show()
    assert stand.told(ScanRefused).reason is Reason.LANE_CLOSED
    stand.clock.advance_ms(CLEARANCE_MS - 1)
    assert "SetWay" not in stand.see()
    stand.clock.advance_ms(1)
    assert "SetWay" in stand.see()
    assert stand.see() == [], "one order at a time"
    stand.tell(WaySet("exit_only"))
    assert (stand.machine.lasting_state, stand.machine.detail) == ("exit", "leads out by order")


def test_people_leave_by_it_and_nobody_is_let_in(stand: LaneStand) -> None:
    turned(stand, "exit")
    assert stand.show() == ["ShowLamp"], "an exit notes, and refuses nothing"
    stand.see(counter_out=4)
    assert stand.told(PassageOut).rotations == 1
    stand.tell(AdmitByHand("r1", "anna", "lost glove"))
    (answer,) = [command for command in stand.last if isinstance(command, Answer)]
    assert answer.outcome.outcome == Reason.EXIT_LANE.value


def test_back_again_guests_are_let_in_only_once_the_arm_is_set(stand: LaneStand) -> None:
    turned(stand, "exit")
    stand.tell(ModeOrdered("open"))
    assert stand.machine.lasting_state == "closed"
    stand.clock.advance_ms(CLEARANCE_MS)
    stand.see()
    stand.tell(WayNotSet("no answer within 250 ms"))
    assert (stand.machine.lasting_state, stand.machine.detail) == ("closed", "no answer within 250 ms")
    assert "SetWay" in stand.see(), "asked again with the next reading"
    stand.tell(WaySet("entry"))
    assert stand.grant().lane_id == "north-1"


def test_a_guest_who_was_admitted_goes_through_before_the_arm_turns(stand: LaneStand) -> None:
    stand.grant()
    stand.tell(ModeOrdered("exit"))
    stand.clock.advance_ms(CLEARANCE_MS)
    assert "SetWay" not in stand.see(unlocked=True)
    assert "SettleGrant" in stand.see(counter_in=8)
    assert any(isinstance(command, SetWay) for command in stand.last)


def test_a_change_that_is_taken_back_in_time_turns_nothing(stand: LaneStand) -> None:
    stand.tell(ModeOrdered("exit"))
    stand.tell(ModeOrdered("open"))
    assert stand.machine.lasting_state == "ready"
    stand.clock.advance_ms(CLEARANCE_MS)
    assert stand.see() == []


def test_after_its_line_was_lost_the_arm_is_set_again(stand: LaneStand) -> None:
    turned(stand, "exit")
    stand.tell(TurnstileLost("away"))
    assert stand.machine.lasting_state == "faulted"
    stand.see()
    (order,) = [command for command in stand.last if isinstance(command, SetWay)]
    assert order.way == "exit_only"


def test_closing_and_fire_release_turn_nothing(stand: LaneStand) -> None:
    turned(stand, "exit")
    stand.tell(ModeOrdered("closed"))
    assert stand.machine.lasting_state == "closed"
    stand.clock.advance_ms(CLEARANCE_MS)
    assert stand.see() == []
    stand.see(fire_release=True)
    assert stand.machine.lasting_state == "released"


def test_a_lane_that_is_not_reversible_is_never_turned() -> None:
    stand = LaneStand()
    assert stand.machine.lasting_state == "ready"
    stand.tell(ModeOrdered("closed"))
    stand.tell(ModeOrdered("open"))
    stand.clock.advance_ms(CLEARANCE_MS)
    assert stand.see() == []
    assert stand.machine.lasting_state == "ready"
