"""Faces at a lane: what is compared, what each verdict does, faces alone, and the looks of staff."""

import math

import msgspec
import pytest

from resort.access.entitlement import TicketRecord, Usage
from resort.access.lane_face import journaled
from resort.access.lane_messages import (
    AdmitByHand,
    Answer,
    CompareFace,
    ConfirmFace,
    FaceAway,
    FaceCompared,
    FaceRecognised,
    GrantStored,
    OpenLook,
    RejectFace,
    StoreGrant,
    TestScan,
    TicketFound,
    ViewFace,
)
from resort.access.reasons import Reason
from resort.face_rules import FaceDecision, FaceReason, FaceVerdict, OneToOne
from resort.ids import ScanId
from resort.messages import ScanRefused, StaffActed, decode_event, encode_event
from tests.unit.resort.access.lane_stand import CODE, RECORD, TICKET, LaneStand

PASS, LOOK, REFUSE = (OneToOne().decide(score) for score in (0.7, 0.35, 0.1))
OPENED_BY_FACE = TicketRecord(1, msgspec.structs.replace(RECORD.entitlement, media=("printed", "face")), Usage())


def compared(decision: FaceDecision | None, **changes: object) -> LaneStand:
    """A lane where a ticket was shown, found, and compared with that outcome."""
    stand = LaneStand(**{"faces": "verify", **changes})  # type: ignore[arg-type]
    stand.show()
    assert stand.tell(TicketFound(RECORD)) == ["CompareFace"]
    stand.tell(FaceCompared(decision))
    return stand


def looked_at(**changes: object) -> tuple[LaneStand, ScanId]:
    """Likewise, and staff are to look at it."""
    stand = compared(LOOK, **changes)
    return stand, stand.told(ScanRefused).scan_id


def alone(verdict: FaceVerdict = FaceVerdict.PASS, holder: str | None = TICKET) -> FaceDecision:
    """The answer to a face alone."""
    return FaceDecision(
        verdict=verdict, reason=FaceReason.MATCH, score=0.7, threshold=0.55, holder=holder, frames=3, holders=900, model_id="m"
    )


def recognise(stand: LaneStand, decision: FaceDecision, age_ms: float = 200) -> list[str]:
    """The pool recognised somebody in a frame of that age."""
    now = stand.clock.now()
    return stand.tell(FaceRecognised(decision, now.after_ms(-age_ms), now))


def answer_of(stand: LaneStand) -> Answer:
    """What staff are answered."""
    (answer,) = [command for command in stand.last if isinstance(command, Answer)]
    return answer


# ---- 1:1


def test_a_lane_without_faces_asks_for_none() -> None:
    stand = LaneStand()
    stand.show()
    assert stand.tell(TicketFound(RECORD)) == ["StoreGrant"]


def test_a_face_is_compared_only_once_all_other_rules_admit() -> None:
    stand = LaneStand(faces="verify")
    stand.show()
    used = TicketRecord(1, RECORD.entitlement, Usage(used=1))
    stand.tell(TicketFound(used))
    assert stand.told(ScanRefused).reason is Reason.ALREADY_USED
    stand.show()
    stand.tell(TicketFound(RECORD))
    assert [command.ticket_id for command in stand.last if isinstance(command, CompareFace)] == [TICKET]


def test_the_holders_face_is_granted_entry_and_its_score_is_journaled() -> None:
    stand = compared(PASS)
    (store,) = stand.last
    assert isinstance(store, StoreGrant)
    assert store.grant.face == journaled(PASS)
    assert decode_event(encode_event(store.grant)) == store.grant
    assert stand.tell(GrantStored())[0] == "PulseTurnstile"


def test_nobodys_face_enrolled_is_as_without_faces() -> None:
    stand = compared(None)
    (store,) = stand.last
    assert isinstance(store, StoreGrant)
    assert (store.grant.face, store.grant.face_away) == (None, False)


def test_somebody_elses_face_is_refused_and_no_look_is_opened() -> None:
    stand = compared(REFUSE)
    refused = stand.told(ScanRefused)
    assert (refused.reason, refused.face) == (Reason.FACE_OF_ANOTHER, journaled(REFUSE))
    assert not any(isinstance(command, OpenLook) for command in stand.last)


@pytest.mark.parametrize("decision", [LOOK, OneToOne().decide(0.9, faces=2), OneToOne().decide(-1.0, faces=0)])
def test_an_unsure_face_a_second_one_or_none_opens_a_look(decision: FaceDecision) -> None:
    stand = compared(decision)
    refused = stand.told(ScanRefused)
    assert (refused.reason, refused.face) == (Reason.FACE_UNSURE, journaled(decision))
    assert [command.scan_id for command in stand.last if isinstance(command, OpenLook)] == [refused.scan_id]


def test_a_face_that_cannot_be_compared_is_admitted_and_noted() -> None:
    stand = LaneStand(faces="verify")
    stand.show()
    stand.tell(TicketFound(RECORD))
    stand.tell(FaceAway("no frames"))
    (store,) = stand.last
    assert isinstance(store, StoreGrant)
    assert store.grant.face_away


def test_or_looked_at_where_the_site_wants_that() -> None:
    stand = LaneStand(faces="verify", face_away="look")
    stand.show()
    stand.tell(TicketFound(RECORD))
    stand.tell(FaceAway("no frames"))
    refused = stand.told(ScanRefused)
    assert (refused.reason, refused.face_away) == (Reason.FACE_UNSURE, True)


def test_of_a_party_only_the_first_is_compared() -> None:
    party = msgspec.structs.replace(RECORD.entitlement, party=2)
    stand = LaneStand(faces="verify")
    stand.show()
    assert stand.tell(TicketFound(TicketRecord(1, party, Usage()))) == ["CompareFace"]
    stand = LaneStand(faces="verify")
    stand.show()
    assert stand.tell(TicketFound(TicketRecord(2, party, Usage(used=1)))) == ["StoreGrant"]


def test_a_test_scan_compares_nobody() -> None:
    stand = LaneStand(faces="verify")
    stand.tell(TestScan("t", "anna", CODE))
    stand.tell(TicketFound(RECORD))
    assert answer_of(stand).outcome.outcome == "admitted"


# ---- 1:N


def test_a_face_alone_begins_a_scan_and_is_granted_by_the_same_rules() -> None:
    stand = LaneStand(faces="identify")
    assert recognise(stand, alone()) == ["LookUp"]
    assert stand.tell(TicketFound(OPENED_BY_FACE)) == ["StoreGrant"]  # and is not compared once more
    (store,) = stand.last
    assert isinstance(store, StoreGrant)
    assert (store.grant.medium, store.grant.face) == ("face", journaled(alone()))


def test_a_face_alone_of_a_used_ticket_is_refused() -> None:
    stand = LaneStand(faces="identify")
    recognise(stand, alone())
    stand.tell(TicketFound(TicketRecord(1, OPENED_BY_FACE.entitlement, Usage(used=1))))
    assert stand.told(ScanRefused).reason is Reason.ALREADY_USED


def test_a_ticket_that_no_face_opens_is_passed_over_in_silence_and_its_code_goes_on() -> None:
    stand = LaneStand(faces="identify")
    recognise(stand, alone())
    assert stand.tell(TicketFound(RECORD)) == []
    assert stand.show() == ["LookUp"]


@pytest.mark.parametrize(
    ("decision", "age_ms", "faces"),
    [
        (alone(FaceVerdict.REFUSE), 200, "identify"),
        (alone(FaceVerdict.LOOK), 200, "identify"),
        (alone(holder=None), 200, "identify"),
        (alone(), 1_200, "identify"),
        (alone(), 200, "verify"),
        (alone(), 200, "off"),
    ],
)
def test_anything_less_than_a_fresh_pass_at_a_lane_for_it_begins_nothing(
    decision: FaceDecision, age_ms: float, faces: str
) -> None:
    assert recognise(LaneStand(faces=faces), decision, age_ms) == []


def test_a_code_wins_over_a_face() -> None:
    stand = LaneStand(faces="identify")
    stand.show()
    assert recognise(stand, alone(holder="00000000000000bb")) == []
    assert stand.tell(TicketFound(RECORD)) == ["CompareFace"]


# ---- staff


def test_staff_confirm_and_the_ticket_is_decided_on_again_without_comparing() -> None:
    stand, scan_id = looked_at()
    assert stand.tell(ConfirmFace("c1", "anna", scan_id)) == ["LookUp"]
    assert stand.tell(TicketFound(RECORD)) == ["StoreGrant"]
    (store,) = stand.last
    assert isinstance(store, StoreGrant)
    assert (store.grant.face_by, store.grant.face, store.grant.ticket_id) == ("anna", journaled(LOOK), TICKET)
    stand.tell(GrantStored())
    assert (answer_of(stand).outcome.outcome, answer_of(stand).outcome.ticket_id) == ("ok", TICKET)
    assert stand.tell(ConfirmFace("c1", "anna", scan_id)) == ["Answer"]  # repeated: answered, nothing moves


def test_all_other_rules_still_hold_for_who_is_confirmed() -> None:
    stand, scan_id = looked_at()
    stand.tell(ConfirmFace("c1", "anna", scan_id))
    stand.tell(TicketFound(TicketRecord(2, RECORD.entitlement, Usage(used=1))))
    assert answer_of(stand).outcome.outcome == "already_used"


def test_a_look_is_over_after_its_time_and_after_it_was_used() -> None:
    stand, scan_id = looked_at(look_s=20)
    stand.clock.advance_ms(20_001)
    stand.tell(ConfirmFace("late", "anna", scan_id))
    assert answer_of(stand).outcome.outcome == "look_over"
    stand, scan_id = looked_at()
    stand.tell(RejectFace("r", "anna", scan_id))
    assert stand.told(StaffActed).action == "reject_face"
    stand.tell(ConfirmFace("after", "anna", scan_id))
    assert answer_of(stand).outcome.outcome == "look_over"


def test_a_look_is_over_once_the_ticket_was_granted_otherwise() -> None:
    stand, scan_id = looked_at()
    stand.clock.advance_ms(100)
    stand.show()
    stand.tell(TicketFound(RECORD))
    stand.tell(FaceCompared(PASS))
    stand.tell(GrantStored())
    stand.tell(ViewFace("v", "anna", scan_id))
    assert answer_of(stand).outcome.outcome == "look_over"


def test_seeing_the_pictures_is_audited_and_moves_nothing() -> None:
    stand, scan_id = looked_at()
    stand.tell(ViewFace("v", "anna", scan_id))
    acted = stand.told(StaffActed)
    assert (acted.action, acted.by, acted.ticket_id, acted.outcome) == ("view_face", "anna", TICKET, "ok")
    assert stand.tell(ConfirmFace("c", "anna", scan_id)) == ["LookUp"]


def test_control_an_unknown_look_is_none() -> None:
    stand = LaneStand(faces="verify")
    stand.tell(ViewFace("v", "anna", ScanId("scan_nowhere")))
    assert answer_of(stand).outcome.outcome == "look_over"
    assert stand.tell(AdmitByHand("h", "anna", "why")) == ["StoreGrant"]


def test_what_is_no_number_is_journaled_as_nobodys_likeness() -> None:
    decision = msgspec.structs.replace(PASS, score=math.nan, runner_up=-math.inf, liveness=0.123456)
    told = journaled(decision)
    assert (told.score, told.runner_up, told.liveness) == (-1.0, -1.0, 0.1235)
