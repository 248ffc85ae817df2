"""What staff order at a lane, what it does, and what it leaves in the journal."""

import pytest

from resort.access.entitlement import TicketRecord, Usage
from resort.access.lane_cycle import Cycle
from resort.access.lane_messages import (
    AdmitByHand,
    AmendTicket,
    AnnulLast,
    Answer,
    GrantStored,
    LedgerFailed,
    ModeOrdered,
    PolicyOrdered,
    PulseAcknowledged,
    StaffOrder,
    StaffOutcome,
    StoreGrant,
    TestScan,
    TicketFound,
    TurnstileLost,
)
from resort.access.reasons import Reason
from resort.messages import GrantAnnulled, GrantReleased, PassageConfirmed, ScanRefused, StaffActed
from resort.ports import LaneMemory
from tests.unit.resort.access.lane_stand import CODE, RECORD, TICKET, LaneStand

BY_HAND = AdmitByHand("r1", "anna", "lost ticket, seen the receipt")
ANNUL = AnnulLast("r2", "anna", "went back")
TEST = TestScan("r3", "anna", CODE)


def answer(stand: LaneStand) -> StaffOutcome:
    """The one answer among the last commands."""
    (found,) = [command for command in stand.last if isinstance(command, Answer)]
    return found.outcome


def admit(stand: LaneStand, order: AdmitByHand = BY_HAND) -> StoreGrant:
    """Somebody let in by hand, up to the acknowledged pulse."""
    assert stand.tell(order) == ["StoreGrant"]
    (store,) = stand.last
    assert isinstance(store, StoreGrant)
    assert stand.tell(GrantStored()) == ["PulseTurnstile", "ShowLamp", "Answer"]
    assert answer(stand).outcome == "ok"
    stand.tell(PulseAcknowledged(stand.clock.now()))
    return store


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_somebody_is_let_in_by_hand_also_at_a_closed_lane(mode: str) -> None:
    stand = LaneStand()
    stand.tell(ModeOrdered(mode))  # type: ignore[arg-type]
    store = admit(stand)
    assert (store.expected, store.usage, store.grant.ticket_id) == (None, None, None)
    assert (store.grant.by, store.grant.note, store.grant.caused_by) == (BY_HAND.by, BY_HAND.note, "r1")
    stand.see(counter_in=8)
    assert stand.told(PassageConfirmed).ticket_id is None


def test_an_order_that_was_carried_out_is_not_carried_out_again() -> None:
    stand = LaneStand()
    admit(stand)
    stand.see(counter_in=8)
    assert stand.tell(BY_HAND) == ["Answer"]
    assert answer(stand).outcome == "ok"


def test_a_grant_by_hand_that_may_not_be_stored_never_reaches_the_arm() -> None:
    stand = LaneStand()
    stand.tell(BY_HAND)
    assert stand.tell(LedgerFailed("no room", Reason.SPOOL_FULL)) == ["AppendEvent", "Answer", "SettleGrant"]
    assert answer(stand).outcome == "spool_full"
    acted = stand.told(StaffActed)
    assert (acted.action, acted.outcome, acted.by, acted.note) == ("admit_by_hand", "spool_full", "anna", BY_HAND.note)
    assert isinstance(stand.told(GrantReleased), GrantReleased)


@pytest.mark.parametrize("order", [BY_HAND, TEST])
def test_what_cannot_be_done_now_is_answered_with_its_reason(order: StaffOrder) -> None:
    busy, away, released, leaving = LaneStand(), LaneStand(), LaneStand(), LaneStand(direction="exit")
    busy.grant()
    away.tell(TurnstileLost("no answer"))
    released.see(fire_release=True, unlocked=True)
    reasons = ("lane_busy", "turnstile_unavailable", "lane_released", "exit_lane")
    for stand, reason in zip((busy, away, released, leaving), reasons, strict=True):
        assert stand.tell(order) == ["AppendEvent", "Answer"]
        assert (answer(stand).outcome, stand.told(StaffActed).outcome) == (reason, reason)


def test_the_last_guest_gets_his_entry_back_once() -> None:
    stand = LaneStand()
    grant = stand.grant()
    assert stand.tell(ANNUL) == ["AppendEvent", "Answer"]
    assert answer(stand).outcome == "grant_open"
    stand.see(counter_in=8)
    assert stand.tell(AnnulLast("r4", "anna", "went back")) == ["AmendTicket", "Answer"]
    annulled = stand.told(GrantAnnulled)
    assert (annulled.grant_id, annulled.ticket_id, annulled.was_unknown) == (grant.event_id, TICKET, False)
    assert (annulled.by, annulled.note, annulled.event_id) == ("anna", "went back", f"{grant.event_id}:annulled")
    assert isinstance(stand.last[0], AmendTicket)
    stand.tell(AnnulLast("r5", "anna", "again"))
    assert answer(stand).outcome == "nothing_to_annul"


def test_an_unknown_outcome_can_be_annulled_also_after_a_restart() -> None:
    stand = LaneStand(LaneMemory(open_grant=LaneStand().grant(), counter_in=7, counter_out=3))
    stand.tell(ANNUL)
    assert stand.told(GrantAnnulled).was_unknown


def test_nobody_else_gets_an_entry_back_for_the_last_guest() -> None:
    released, by_hand = LaneStand(), LaneStand()
    for stand in (released, by_hand):
        stand.grant()
        stand.see(counter_in=8)
    released.grant()
    released.clock.advance_ms(6_001)
    released.see(counter_in=8)
    admit(by_hand)
    by_hand.see(counter_in=9)
    for stand in (released, by_hand):
        stand.tell(ANNUL)
        assert answer(stand).outcome == "nothing_to_annul"


@pytest.mark.parametrize(
    ("record", "reason"),
    [(RECORD, "admitted"), (TicketRecord(1, RECORD.entitlement, Usage(used=1)), "already_used"), (None, "unknown_ticket")],
)
def test_a_test_scan_decides_and_does_nothing(record: TicketRecord | None, reason: str) -> None:
    stand = LaneStand()
    assert stand.tell(TEST) == ["LookUp"]
    assert stand.tell(TicketFound(record)) == ["AppendEvent", "Answer"]
    assert (answer(stand).outcome, answer(stand).ticket_id) == (reason, TICKET)
    acted = stand.told(StaffActed)
    assert (acted.action, acted.outcome, acted.ticket_id, acted.note) == ("test_scan", reason, TICKET, "")
    assert stand.machine.cycle is Cycle.IDLE


def test_a_test_scan_says_what_the_lane_would() -> None:
    stand = LaneStand()
    assert stand.tell(TestScan("r1", "anna", "nonsense")) == ["AppendEvent", "Answer"]
    assert answer(stand).outcome == "malformed_code"
    stand.tell(ModeOrdered("closed"))
    stand.tell(TEST)
    assert answer(stand).outcome == "lane_closed"


def test_a_fast_lane_follows_the_policy_of_the_moment() -> None:
    stand = LaneStand(lane_class="fast")
    stand.show()
    stand.tell(TicketFound(RECORD))
    assert stand.told(ScanRefused).reason is Reason.WRONG_LANE
    assert stand.tell(PolicyOrdered(frozenset({"standard"}))) == []
    assert stand.machine.admits == {"standard"}
    stand.show()
    assert stand.tell(TicketFound(RECORD)) == ["StoreGrant"]
