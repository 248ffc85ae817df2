"""What a guest is told of each result, by the commands of the real lane machine."""

import msgspec
import pytest

from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.access.gate_rules import GateRules
from resort.access.lane_messages import (
    AdmitByHand,
    Command,
    GrantStored,
    LedgerFailed,
    PulseTurnstile,
    PulseUnsent,
    ShowLamp,
    Stimulus,
    TestScan,
    TicketFound,
)
from resort.access.lane_voice import LaneVoice, TellGuest
from resort.access.reasons import Reason
from resort.ids import GateId
from resort.site import LaneClass
from tests.unit.resort.access.lane_stand import CODE, RECORD, ZONE, LaneStand


class SpeakingStand(LaneStand):
    """A lane machine with its voice; `said` is the whole story."""

    def __init__(self, lane_class: LaneClass = "standard", **changes: object) -> None:
        self.voice = LaneVoice(lane_class)
        self.said: list[TellGuest] = []
        self.whole: list[Command] = []  # the last answer with what is told
        super().__init__(lane_class=lane_class, **changes)

    def tell(self, stimulus: Stimulus) -> list[str]:
        names = super().tell(stimulus)
        self.whole = self.voice.accompany(stimulus, self.last)
        self.said += [command for command in self.whole if isinstance(command, TellGuest)]
        return names


def with_entitlement(**changes: object) -> TicketRecord:
    entitlement: Entitlement = msgspec.structs.replace(RECORD.entitlement, **changes)
    return msgspec.structs.replace(RECORD, entitlement=entitlement)


def test_an_admitted_guest_is_told_after_the_pulse_and_the_lamp_goes_out_after_the_turn() -> None:
    stand = SpeakingStand()
    stand.show()
    stand.tell(TicketFound(RECORD))
    assert stand.said == []
    stand.tell(GrantStored())
    assert stand.whole == [PulseTurnstile(), TellGuest("admitted", "go"), ShowLamp("go")]
    stand.see(counter_in=8)
    assert stand.said == [TellGuest("admitted", "go"), TellGuest("", "idle")]


def test_a_refused_guest_is_told_why() -> None:
    stand = SpeakingStand()
    stand.show()
    stand.tell(TicketFound(msgspec.structs.replace(RECORD, usage=Usage(used=1))))
    assert stand.said == [TellGuest("already_used", "refused")]


@pytest.mark.parametrize(("text", "cue"), [("nonsense", "malformed_code"), (None, "unreadable")])
def test_what_cannot_be_read_is_told_at_once(text: str | None, cue: str) -> None:
    stand = SpeakingStand()
    stand.show(text)
    assert stand.said == [TellGuest(cue, "refused")]


def test_who_has_to_wait_for_staff_sees_amber() -> None:
    stand = SpeakingStand()
    stand.show()
    stand.tell(LedgerFailed("full", Reason.SPOOL_FULL))
    assert stand.said == [TellGuest("spool_full", "look")]


def test_amber_beside_green_tells_staff_to_look_at_the_holder() -> None:
    stand = SpeakingStand()
    stand.grant(with_entitlement(attention=("photo",)))
    assert stand.said == [TellGuest("admitted", "go_look")]


@pytest.mark.parametrize(
    ("lane_class", "ticket_classes", "cue"),
    [
        ("standard", ("fast",), "use_fast_lane"),
        ("vip", ("standard", "fast"), "use_fast_lane"),
        ("fast", ("standard",), "wrong_lane"),
        ("standard", ("vip",), "wrong_lane"),
    ],
)
def test_a_ticket_for_the_fast_lane_is_sent_there(lane_class: LaneClass, ticket_classes: tuple[str, ...], cue: str) -> None:
    stand = SpeakingStand(lane_class)
    stand.show()
    stand.tell(TicketFound(with_entitlement(lane_classes=ticket_classes)))
    assert stand.said == [TellGuest(cue, "refused")]


def test_an_arm_that_was_not_reached_is_no_admission() -> None:
    stand = SpeakingStand()
    stand.show()
    stand.tell(TicketFound(RECORD))
    stand.tell(GrantStored())
    stand.tell(PulseUnsent("not connected"))
    assert [told.cue for told in stand.said] == ["admitted", "turnstile_unavailable"]


def test_the_next_guest_who_waited_is_told_in_the_same_breath() -> None:
    stand = SpeakingStand()
    stand.grant()
    stand.show("nonsense")
    assert stand.said == [TellGuest("admitted", "go")]
    stand.see(counter_in=8)
    assert stand.said[1:] == [TellGuest("", "idle"), TellGuest("malformed_code", "refused")]


def test_an_exit_shows_green_and_says_nothing() -> None:
    stand = SpeakingStand(direction="exit", rules=GateRules(GateId("north"), ZONE, zone="base"))
    stand.show()
    assert stand.said == [TellGuest("", "go")]


def test_what_staff_try_out_is_told_to_no_guest() -> None:
    stand = SpeakingStand()
    stand.tell(TestScan("r1", "wang", "nonsense"))
    stand.tell(TestScan("r2", "wang", CODE))
    stand.tell(TicketFound(RECORD))
    assert stand.said == []


def test_somebody_admitted_by_hand_is_asked_through() -> None:
    stand = SpeakingStand()
    stand.tell(AdmitByHand("r1", "wang", "lost the ticket"))
    stand.tell(GrantStored())
    assert stand.said == [TellGuest("admitted", "go")]
