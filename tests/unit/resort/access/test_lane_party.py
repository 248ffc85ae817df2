"""Parties and companions at a lane: person by person, each with a grant of his own."""

import msgspec

from resort.access.entitlement import TicketRecord, Usage
from resort.access.lane_cycle import Cycle
from resort.access.lane_messages import LedgerFailed, LookUp, ModeOrdered, TicketFound
from resort.access.reasons import Reason
from resort.access.usage import use
from resort.ids import GateId, TicketId
from resort.messages import (
    GrantIssued,
    GrantOutcomeUnknown,
    GrantReleased,
    PassageConfirmed,
    PassageUncontrolled,
    ScanRefused,
)
from tests.unit.resort.access.lane_stand import RECORD, LaneStand

GROUP = TicketRecord(1, msgspec.structs.replace(RECORD.entitlement, party=3), Usage())
CHILD = TicketId("00000000000000cc")
COMPANION = TicketRecord(1, msgspec.structs.replace(RECORD.entitlement, companion_of=CHILD), Usage())


def after(record: TicketRecord, grant: GrantIssued, outcome: object) -> TicketRecord:
    """The ticket after the grant and its outcome."""
    usage = use(use(record.usage, grant), outcome)  # type: ignore[arg-type]
    return TicketRecord(record.version + 2, record.entitlement, usage)


def test_a_party_passes_one_by_one_each_on_a_grant_of_his_own() -> None:
    stand, record, grants = LaneStand(), GROUP, []
    stand.show()
    for member in (1, 2, 3):
        grant = stand.found(record)
        assert (grant.member, grant.party) == (member, 3)
        grants.append(grant)
        stand.clock.advance_ms(600)
        commands = stand.see(counter_in=7 + member)
        assert commands == ["SettleGrant", "ShowLamp", *(["LookUp"] if member < 3 else [])]
        record = after(record, grant, stand.told(PassageConfirmed))
    assert len({grant.event_id for grant in grants}) == 3
    assert len({grant.scan_id for grant in grants}) == 1
    assert record.usage.used == 3
    assert stand.machine.cycle is Cycle.IDLE


def test_who_does_not_turn_the_arm_loses_only_his_own_place() -> None:
    stand = LaneStand()
    first = stand.grant(GROUP)
    stand.see(counter_in=8)
    record = after(GROUP, first, stand.told(PassageConfirmed))
    second = stand.found(record)
    stand.clock.advance_ms(6_001)
    assert stand.see(counter_in=8) == ["SettleGrant", "ShowLamp"]
    record = after(record, second, stand.told(GrantReleased))
    third = stand.grant(record)
    assert (third.member, third.scan_id != first.scan_id) == (2, True)


def test_a_second_turn_on_one_grant_is_tailgating_even_in_a_party() -> None:
    stand = LaneStand()
    grant = stand.grant(GROUP)
    assert stand.see(counter_in=9) == ["SettleGrant", "ShowLamp", "AppendEvent", "LookUp"]
    turned = stand.told(PassageUncontrolled)
    assert (turned.cause, turned.grant_id, turned.rotations) == ("tailgating", grant.event_id, 1)


def test_nobody_follows_an_unknown_outcome() -> None:
    stand = LaneStand()
    stand.grant(GROUP)
    assert "LookUp" not in stand.see(counter_in=0)
    stand.told(GrantOutcomeUnknown)


def test_the_rest_that_went_elsewhere_needs_no_grant_here() -> None:
    stand = LaneStand()
    stand.grant(GROUP)
    stand.see(counter_in=8)
    assert stand.tell(TicketFound(TicketRecord(9, GROUP.entitlement, Usage(used=3)))) == []
    assert stand.machine.cycle is Cycle.IDLE


def test_a_ticket_that_is_blocked_on_the_way_lets_nobody_follow() -> None:
    stand = LaneStand()
    stand.grant(GROUP)
    stand.see(counter_in=8)
    blocked = msgspec.structs.replace(GROUP.entitlement, status="blocked")
    stand.tell(TicketFound(TicketRecord(9, blocked, Usage(used=1))))
    assert stand.told(ScanRefused).reason is Reason.BLOCKED


def test_a_ledger_that_goes_away_ends_the_party_with_its_reason() -> None:
    stand = LaneStand()
    stand.grant(GROUP)
    stand.see(counter_in=8)
    stand.tell(LedgerFailed("full", Reason.SPOOL_FULL))
    assert stand.told(ScanRefused).reason is Reason.SPOOL_FULL


def test_a_lane_that_is_closed_or_stopped_ends_the_party() -> None:
    closed, stopped = LaneStand(), LaneStand()
    closed.grant(GROUP)
    closed.tell(ModeOrdered("closed"))
    stopped.grant(GROUP)
    stopped.machine.forget_next()
    for stand in (closed, stopped):
        assert "LookUp" not in stand.see(counter_in=8)
        assert stand.machine.cycle is Cycle.IDLE


def test_a_companion_has_the_other_ticket_looked_up_last() -> None:
    stand = LaneStand()
    stand.show()
    assert stand.tell(TicketFound(COMPANION)) == ["LookUp"]
    (look_up,) = stand.last
    assert isinstance(look_up, LookUp)
    assert look_up.ticket_id == CHILD
    passed = Usage(used=1, last_at=stand.clock.now().at, last_gate=GateId("north"))
    assert stand.tell(TicketFound(TicketRecord(4, RECORD.entitlement, passed))) == ["StoreGrant"]


def test_a_companion_alone_is_told_so() -> None:
    stand = LaneStand()
    stand.show()
    stand.tell(TicketFound(COMPANION))
    assert stand.tell(TicketFound(None)) == ["ShowLamp", "AppendEvent"]
    assert stand.told(ScanRefused).reason is Reason.COMPANION_ALONE


def test_a_companion_who_is_refused_anyway_costs_no_second_look_up() -> None:
    stand = LaneStand()
    stand.show()
    blocked = TicketRecord(1, msgspec.structs.replace(COMPANION.entitlement, status="blocked"), Usage())
    assert stand.tell(TicketFound(blocked)) == ["ShowLamp", "AppendEvent"]
