"""Lanes that people leave by: they note, and refuse nothing."""

from datetime import timedelta

import pytest

from resort.access.codes import issue_code, step_at
from resort.access.gate_rules import GateRules
from resort.access.lane_messages import ModeOrdered, TurnstileLost
from resort.ids import GateId
from resort.messages import PassageOut, TicketExited
from tests.unit.resort.access.lane_stand import CODE, KEYS, TICKET, ZONE, LaneStand


@pytest.fixture
def stand() -> LaneStand:
    return LaneStand(direction="exit", rules=GateRules(GateId("north"), ZONE, zone="base"))


def test_a_code_tells_that_its_holder_left(stand: LaneStand) -> None:
    assert stand.show(CODE) == ["ShowLamp", "AmendTicket"]
    exited = stand.told(TicketExited)
    assert (exited.ticket_id, exited.zone) == (TICKET, "base")
    stand.see(counter_out=4)
    assert stand.told(PassageOut).rotations == 1


@pytest.mark.parametrize("text", [None, "nonsense", "A" * 39])
def test_whatever_is_held_up_the_lamp_says_go(stand: LaneStand, text: str | None) -> None:
    assert stand.show(text) == ["ShowLamp"]


def test_a_code_that_is_out_of_date_tells_nothing(stand: LaneStand) -> None:
    old = issue_code(TICKET, KEYS, step_at(stand.clock.now().at - timedelta(hours=1)))
    assert stand.show(old) == ["ShowLamp"]


def test_nothing_closes_an_exit(stand: LaneStand) -> None:
    stand.tell(ModeOrdered("closed"))
    assert stand.show() == ["ShowLamp", "AmendTicket"]
    stand.tell(TurnstileLost("away"))
    assert stand.show() == ["ShowLamp", "AmendTicket"]


def test_the_lamp_goes_out_by_itself(stand: LaneStand) -> None:
    stand.show()
    stand.clock.advance_ms(1_300)
    assert stand.see() == ["ShowLamp"]


def test_without_a_zone_there_is_nothing_to_note() -> None:
    assert LaneStand(direction="exit").show() == ["ShowLamp"]
