"""What the control runs of drills take away: with every guard on nothing is in the way, with one off its failure happens."""

from datetime import UTC, date, datetime

import pytest

from actors.unguarded import ledger_under, turnstile_under
from resort.access.entitlement import Entitlement
from resort.access.usage import use
from resort.clock import ManualClock
from resort.errors import TurnstileUnreachable
from resort.guards import Guards
from resort.ids import EventId, GateId, LaneId, ScanId, TicketId
from resort.messages import GrantIssued
from resort.ports import AdmissionLedger
from sim.memory_ledger import MemoryLedger
from sim.memory_turnstile import MemoryTurnstile
from sim.turnstile import SimTurnstile

AT = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
TICKET = TicketId("t1")


def grant(lane: str) -> GrantIssued:
    return GrantIssued(
        event_id=EventId(f"grant at {lane}"), caused_by="s", at=AT, gate_id=GateId("g"), lane_id=LaneId(lane), lane_seq=1,
        ticket_id=TICKET, scan_id=ScanId(lane), product="single", unit="adult", counter_in=7, day=date(2026, 12, 1),
    )  # fmt: skip


def sold() -> MemoryLedger:
    ledger = MemoryLedger()
    ledger.sell(TICKET, Entitlement("single", "adult", date(2026, 12, 1), 1, ("standard",)))
    return ledger


async def granted_at_two_lanes(ledger: AdmissionLedger) -> list[bool]:
    """Both look before either writes."""
    record = await ledger.find(TICKET)
    assert record is not None
    return [await ledger.commit_grant(grant(lane), record, use(record.usage, grant(lane))) is None for lane in ("a", "b")]


def test_with_every_guard_on_nothing_is_in_the_way() -> None:
    ledger, turnstile = sold(), MemoryTurnstile(SimTurnstile(1_000, ManualClock(AT)))
    assert ledger_under(Guards(), ledger) is ledger
    assert turnstile_under(Guards(), turnstile) is turnstile


async def test_without_the_comparison_two_lanes_grant_on_one_look() -> None:
    assert await granted_at_two_lanes(ledger_under(Guards(recovery=False), sold())) == [True, False]
    assert await granted_at_two_lanes(ledger_under(Guards(compare_and_set=False), sold())) == [True, True]


async def test_without_recovery_a_lane_forgets_what_was_open_but_not_its_number() -> None:
    ledger = sold()
    await granted_at_two_lanes(ledger)
    assert (await ledger.lane_memory(LaneId("a"))).open_grant == grant("a")
    forgotten = await ledger_under(Guards(recovery=False), ledger).lane_memory(LaneId("a"))
    assert (forgotten.open_grant, forgotten.counter_in, forgotten.last_seq) == (None, None, 1)


async def test_a_repeating_turnstile_pulses_twice_where_a_guarded_one_does_not() -> None:
    for guards, pulses in ((Guards(), 1), (Guards(pulse_once=False), 2)):
        steel = SimTurnstile(1_000, ManualClock(AT))
        driver = MemoryTurnstile(steel)
        driver.next_pulse = "unconfirmed"
        turnstile = turnstile_under(guards, driver)
        if guards.pulse_once:
            with pytest.raises(TurnstileUnreachable):
                await turnstile.pulse_entry()
        else:
            await turnstile.pulse_entry()
        assert steel.pulses == pulses
        await turnstile.close()
