"""The lane machine: what it asks for, stimulus by stimulus."""

import msgspec
import pytest

from resort.access.codes import SiteKeys, issue_code
from resort.access.entitlement import TicketRecord, Usage
from resort.access.lane_cycle import CYCLE_TABLE, Cycle
from resort.access.lane_journal import COUNTER_MODULUS
from resort.access.lane_messages import (
    CodeSighted,
    GrantConflicted,
    GrantStored,
    LedgerFailed,
    ModeOrdered,
    PulseAcknowledged,
    PulseUncertain,
    PulseUnsent,
    TicketFound,
    TurnstileLost,
)
from resort.access.reasons import Reason
from resort.errors import InvalidTransition
from resort.messages import (
    GrantOutcomeUnknown,
    GrantReleased,
    LaneChanged,
    PassageConfirmed,
    PassageOut,
    PassageUncontrolled,
    ScanRefused,
)
from resort.ports import LaneMemory, Sighting
from tests.unit.resort.access.lane_stand import CODE, OPEN, RECORD, TICKET, LaneStand


def test_a_guest_goes_through() -> None:
    stand = LaneStand()
    assert stand.show() == ["LookUp"]
    stand.clock.advance_ms(2)
    assert stand.tell(TicketFound(RECORD)) == ["StoreGrant"]
    stand.clock.advance_ms(3)
    assert stand.tell(GrantStored()) == ["PulseTurnstile", "ShowLamp"]
    stand.clock.advance_ms(4)
    assert stand.tell(PulseAcknowledged(stand.clock.now())) == []
    assert stand.see(unlocked=True) == []
    stand.clock.advance_ms(700)
    assert stand.see(counter_in=8) == ["SettleGrant", "ShowLamp"]
    passage = stand.event()
    assert isinstance(passage, PassageConfirmed)
    assert (passage.counter_in, passage.decision_ms, passage.open_ms, passage.recovered) == (8, 5.0, 9.0, False)
    assert stand.machine.cycle is Cycle.IDLE


def test_an_unused_grant_is_released_only_once_the_arm_is_locked() -> None:
    stand = LaneStand()
    grant = stand.grant()
    stand.clock.advance_ms(5_999)
    assert stand.see() == []
    stand.clock.advance_ms(2)
    assert stand.see(unlocked=True) == []  # the guest may still push
    assert stand.see() == ["SettleGrant", "ShowLamp"]
    released = stand.event()
    assert isinstance(released, GrantReleased)
    assert released.grant_id == grant.event_id


def test_an_old_reading_judges_nothing_that_came_after_it() -> None:
    stand = LaneStand()
    stand.grant()
    stand.clock.advance_ms(10_000)  # the process was frozen; this reading was asked for before the pulse
    assert stand.see(age_ms=10_001) == []
    stand.see(counter_in=8)
    assert isinstance(stand.event(), PassageConfirmed)


def test_a_guest_who_pushes_at_the_last_moment_has_passed() -> None:
    stand = LaneStand()
    stand.grant()
    stand.clock.advance_ms(9_000)
    stand.see(counter_in=8)
    assert isinstance(stand.event(), PassageConfirmed)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, Reason.UNREADABLE),
        ("https://example.com", Reason.MALFORMED_CODE),
        (issue_code(TICKET, SiteKeys(1, {1: b"f" * 32})), Reason.FORGED_CODE),
    ],
)
def test_what_is_no_code_is_refused_without_a_look_up(text: str | None, reason: Reason) -> None:
    stand = LaneStand()
    assert stand.show(text) == ["ShowLamp", "AppendEvent"]
    refused = stand.event(1)
    assert isinstance(refused, ScanRefused)
    assert refused.reason is reason
    assert refused.ticket_id is None


def test_a_used_ticket_is_refused() -> None:
    stand = LaneStand()
    stand.show()
    assert stand.tell(TicketFound(msgspec.structs.replace(RECORD, usage=Usage(used=1)))) == ["ShowLamp", "AppendEvent"]
    refused = stand.event(1)
    assert isinstance(refused, ScanRefused)
    assert (refused.reason, refused.ticket_id) == (Reason.ALREADY_USED, TICKET)


def test_a_conflict_is_decided_again_on_the_new_record() -> None:
    stand = LaneStand()
    stand.show()
    stand.tell(TicketFound(RECORD))
    taken = TicketRecord(2, RECORD.entitlement, Usage(open=OPEN))
    assert stand.tell(GrantConflicted(taken)) == ["ShowLamp", "AppendEvent"]
    refused = stand.event(1)
    assert isinstance(refused, ScanRefused)
    assert refused.reason is Reason.IN_USE


def test_endless_conflicts_end_as_busy() -> None:
    stand = LaneStand()
    stand.show()
    answers = [stand.tell(TicketFound(RECORD))]
    while answers[-1] == ["StoreGrant"]:
        answers.append(stand.tell(GrantConflicted(RECORD)))
    refused = stand.event(1)
    assert isinstance(refused, ScanRefused)
    assert refused.reason is Reason.LANE_BUSY
    assert len(answers) == stand.machine.settings.limits.conflict_tries + 1


def test_a_lost_look_up_refuses_and_stores_nothing() -> None:
    stand = LaneStand()
    stand.show()
    assert stand.tell(LedgerFailed("gone")) == ["ShowLamp", "AppendEvent"]


def test_a_grant_of_unknown_storage_is_released_because_it_never_reached_the_arm() -> None:
    stand = LaneStand()
    stand.show()
    stand.tell(TicketFound(RECORD))
    assert stand.tell(LedgerFailed("reply lost")) == ["ShowLamp", "AppendEvent", "SettleGrant"]
    assert isinstance(stand.event(2), GrantReleased)


def test_an_unconfirmed_pulse_without_a_turn_is_unknown_and_never_pulsed_again() -> None:
    stand = LaneStand()
    stand.show()
    stand.tell(TicketFound(RECORD))
    stand.tell(GrantStored())
    assert "PulseTurnstile" not in stand.tell(PulseUncertain("no answer"))
    stand.clock.advance_ms(6_001)
    commands = stand.see()
    assert "PulseTurnstile" not in commands
    assert any(isinstance(stand.event(index), GrantOutcomeUnknown) for index in range(len(commands)))


def test_a_pulse_that_was_never_sent_releases_the_grant_and_tells_the_guest() -> None:
    stand = LaneStand()
    stand.show()
    stand.tell(TicketFound(RECORD))
    stand.tell(GrantStored())
    assert stand.tell(PulseUnsent("not connected")) == ["SettleGrant", "AppendEvent", "ShowLamp"]
    assert isinstance(stand.event(), GrantReleased)
    assert stand.machine.lasting_state == "faulted"
    stand.see(counter_in=8)  # somebody forced the arm: not this guest's passage
    assert not isinstance(stand.event(), PassageConfirmed)


def test_an_unconfirmed_pulse_with_a_turn_is_a_passage() -> None:
    stand = LaneStand()
    stand.show()
    stand.tell(TicketFound(RECORD))
    stand.tell(GrantStored())
    stand.tell(PulseUncertain("no answer"))
    stand.see(counter_in=8)
    assert isinstance(stand.event(), PassageConfirmed)


def test_a_restarted_lane_finds_the_turn_by_its_counter() -> None:
    before = LaneStand()
    grant = before.grant()
    memory = LaneMemory(open_grant=grant, counter_in=7, counter_out=3)
    after = LaneStand(memory, started=False)
    after.see(counter_in=8)
    passage = after.event()
    assert isinstance(passage, PassageConfirmed)
    assert passage.recovered
    assert passage.event_id == f"{grant.event_id}:outcome"


def test_a_restarted_lane_waits_for_an_unlocked_arm() -> None:
    memory = LaneMemory(open_grant=LaneStand().grant(), counter_in=7, counter_out=3)
    stand = LaneStand(memory, started=False)
    assert "SettleGrant" not in stand.see(unlocked=True)
    stand.clock.advance_ms(3_000)
    stand.see(counter_in=8)
    assert isinstance(stand.event(), PassageConfirmed)


def test_a_restarted_lane_calls_an_unturned_grant_unknown_and_does_not_pulse() -> None:
    memory = LaneMemory(open_grant=LaneStand().grant(), counter_in=7, counter_out=3)
    stand = LaneStand(memory, started=False)
    commands = stand.see()
    assert commands[0] == "SettleGrant"
    assert "PulseTurnstile" not in commands
    assert isinstance(stand.event(), GrantOutcomeUnknown)


def test_turns_while_the_lane_was_away_are_accounted() -> None:
    stand = LaneStand(LaneMemory(open_grant=None, counter_in=5, counter_out=1), started=False)
    commands = stand.see()
    out, uncontrolled = stand.event(0), stand.event(1)
    assert isinstance(out, PassageOut)
    assert isinstance(uncontrolled, PassageUncontrolled)
    assert (out.rotations, uncontrolled.rotations, commands.count("AppendEvent")) == (2, 2, 3)


def test_a_second_turn_on_one_grant_is_uncontrolled() -> None:
    stand = LaneStand()
    stand.grant()
    stand.see(counter_in=9)
    assert isinstance(stand.event(0), PassageConfirmed)
    uncontrolled = next(
        event for index in range(len(stand.last)) if isinstance(event := stand.event(index), PassageUncontrolled)
    )
    assert uncontrolled.rotations == 1


def test_counters_wrap() -> None:
    stand = LaneStand(LaneMemory(open_grant=None, counter_in=COUNTER_MODULUS - 1, counter_out=3), started=False)
    stand.see(counter_in=COUNTER_MODULUS - 1)
    stand.grant()
    stand.see(counter_in=0)
    passage = stand.event()
    assert isinstance(passage, PassageConfirmed)
    assert passage.counter_in == 0


def test_a_counter_that_lost_its_memory_leaves_the_grant_unknown() -> None:
    stand = LaneStand()
    stand.grant()
    stand.see(counter_in=0)
    assert isinstance(stand.event(), GrantOutcomeUnknown)


def test_a_code_held_up_early_is_served_after_the_guest_before() -> None:
    stand = LaneStand()
    stand.grant()
    assert stand.show(CODE) == []
    stand.clock.advance_ms(400)
    assert stand.see(counter_in=8) == ["SettleGrant", "ShowLamp", "LookUp"]


def test_a_code_held_up_too_long_ago_is_not_served() -> None:
    stand = LaneStand()
    stand.grant()
    stand.show(CODE)
    stand.clock.advance_ms(3_000)
    assert stand.see(counter_in=8) == ["SettleGrant", "ShowLamp"]


def test_latency_counts_from_when_the_lane_was_free() -> None:
    stand = LaneStand()
    stand.grant()
    stand.show(CODE)
    stand.clock.advance_ms(1_000)
    stand.see(counter_in=8)
    stand.clock.advance_ms(2)
    stand.tell(TicketFound(RECORD))
    stand.tell(GrantStored())
    stand.clock.advance_ms(1)
    stand.tell(PulseAcknowledged(stand.clock.now()))
    stand.see(counter_in=9)
    passage = stand.event()
    assert isinstance(passage, PassageConfirmed)
    assert (passage.decision_ms, passage.open_ms) == (2.0, 3.0)


def test_a_closed_lane_refuses_but_finishes_its_guest() -> None:
    stand = LaneStand()
    stand.grant()
    assert stand.tell(ModeOrdered("closed")) == ["AppendEvent"]
    stand.see(counter_in=8)
    assert isinstance(stand.event(), PassageConfirmed)
    stand.show()
    refused = stand.event(1)
    assert isinstance(refused, ScanRefused)
    assert refused.reason is Reason.LANE_CLOSED


def test_a_lost_turnstile_is_told_once_and_refuses() -> None:
    stand = LaneStand()
    assert stand.tell(TurnstileLost("no answer")) == ["AppendEvent"]
    changed = stand.event()
    assert isinstance(changed, LaneChanged)
    assert (changed.state, changed.detail) == ("faulted", "no answer")
    assert stand.tell(TurnstileLost("no answer")) == []
    stand.show()
    refused = stand.event(1)
    assert isinstance(refused, ScanRefused)
    assert refused.reason is Reason.TURNSTILE_UNAVAILABLE
    assert stand.see() == ["AppendEvent"]


def test_a_lane_whose_turnstile_was_never_reached_says_so() -> None:
    stand = LaneStand(started=False)
    assert stand.machine.lasting_state == "starting"
    assert stand.tell(TurnstileLost("no route")) == ["AppendEvent"]
    assert stand.machine.lasting_state == "faulted"


def test_fire_release_lets_everybody_go_and_counts_them() -> None:
    stand = LaneStand()
    assert stand.see(fire_release=True, unlocked=True) == ["AppendEvent"]
    assert stand.show() == []
    stand.see(fire_release=True, unlocked=True, counter_in=10)
    uncontrolled = stand.event()
    assert isinstance(uncontrolled, PassageUncontrolled)
    assert (uncontrolled.rotations, uncontrolled.released) == (3, True)


def test_an_exit_is_always_counted() -> None:
    stand = LaneStand()
    stand.tell(ModeOrdered("closed"))
    stand.see(counter_out=4)
    assert isinstance(stand.event(), PassageOut)


def test_the_refusal_lamp_goes_out_by_itself() -> None:
    stand = LaneStand()
    stand.show("nonsense")
    stand.clock.advance_ms(500)
    assert stand.see() == []
    stand.clock.advance_ms(800)
    assert stand.see() == ["ShowLamp"]


def test_two_refusals_in_a_row_are_both_shown() -> None:
    stand = LaneStand()
    assert "ShowLamp" in stand.show("nonsense")
    assert "ShowLamp" in stand.show("other nonsense")


def test_an_impossible_answer_raises_with_the_story() -> None:
    stand = LaneStand()
    with pytest.raises(InvalidTransition) as caught:
        stand.tell(GrantStored())
    assert "GrantStored" in caught.value.story


def test_the_clock_on_the_wall_moves_no_time_limit() -> None:
    stand = LaneStand()
    stand.grant()
    now = stand.clock.now()
    jumped = msgspec.structs.replace(now, at=now.at.replace(hour=5))
    assert stand.machine.handle(CodeSighted(Sighting(None, jumped, jumped)), jumped) == []
    assert stand.machine.awaits_rotation


def test_every_cycle_can_be_left() -> None:
    assert {state for state, _ in CYCLE_TABLE} == set(Cycle)
