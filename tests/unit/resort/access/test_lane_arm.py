"""Why an arm turned without a grant."""

import pytest

from resort.access.lane_messages import TurnstileLost
from resort.messages import PassageUncontrolled
from resort.ports import LaneMemory
from tests.unit.resort.access.lane_stand import LaneStand


def test_a_locked_arm_was_forced() -> None:
    stand = LaneStand()
    stand.see(counter_in=8)
    assert stand.told(PassageUncontrolled).cause == "forced"


@pytest.mark.parametrize("before", [True, False])
def test_an_arm_that_others_unlocked_turned_without_a_grant(before: bool) -> None:
    stand = LaneStand()
    stand.see(unlocked=before)
    stand.see(unlocked=not before, counter_in=8)
    assert stand.told(PassageUncontrolled).cause == "no_grant"


def test_what_nobody_saw_is_not_called_anything_else() -> None:
    restarted = LaneStand(LaneMemory(open_grant=None, counter_in=5, counter_out=3), started=False)
    restarted.see()
    lost = LaneStand()
    lost.tell(TurnstileLost("away"))
    lost.see(counter_in=8)
    assert {restarted.told(PassageUncontrolled).cause, lost.told(PassageUncontrolled).cause} == {"unobserved"}


def test_under_fire_release_and_just_after_it_everybody_may_turn_it() -> None:
    stand = LaneStand()
    stand.see(fire_release=True, unlocked=True, counter_in=8)
    assert stand.told(PassageUncontrolled).cause == "fire_release"
    stand.see(counter_in=9)
    turned = stand.told(PassageUncontrolled)
    assert (turned.cause, turned.released) == ("fire_release", False)


def test_who_slips_through_behind_a_guest_before_the_arm_locks_is_tailgating() -> None:
    stand = LaneStand()
    grant = stand.grant()
    stand.see(unlocked=True, counter_in=8)
    stand.see(counter_in=9)
    turned = stand.told(PassageUncontrolled)
    assert (turned.cause, turned.grant_id) == ("tailgating", grant.event_id)


def test_once_the_arm_was_locked_it_is_no_tailgating_any_more() -> None:
    stand = LaneStand()
    stand.grant()
    stand.see(counter_in=8)
    stand.see(counter_in=9)
    turned = stand.told(PassageUncontrolled)
    assert (turned.cause, turned.grant_id) == ("forced", None)
