"""How events change a ticket's usage."""

from datetime import UTC, date, datetime

import pytest

from resort.access.entitlement import Usage
from resort.access.usage import use
from resort.ids import EventId, GateId, GrantId, LaneId, ScanId, TicketId
from resort.messages import (
    GrantAnnulled,
    GrantIssued,
    GrantOutcomeUnknown,
    GrantReleased,
    PassageConfirmed,
    TicketEvent,
    TicketExited,
)

AT = datetime(2026, 12, 12, 4, tzinfo=UTC)
TODAY = date(2026, 12, 12)
HEAD = {"caused_by": "test", "at": AT, "gate_id": GateId("north"), "lane_id": LaneId("north-1")}
TICKET = TicketId("00000000000000aa")


def granted(grant_id: str = "g", step: int = 7) -> GrantIssued:
    return GrantIssued(
        event_id=EventId(grant_id),
        **HEAD,  # type: ignore[arg-type]
        ticket_id=TICKET,
        scan_id=ScanId("s"),
        product="p",
        unit="adult",
        counter_in=1,
        day=TODAY,
        zone="base",
        lift="chair",
        step=step,
    )


def ended(kind: type, grant_id: str = "g") -> TicketEvent:
    fields = {"detail": "why"} if kind is GrantOutcomeUnknown else {"counter_in": 2}
    return kind(event_id=EventId(f"{grant_id}:outcome"), **HEAD, grant_id=GrantId(grant_id), ticket_id=TICKET, **fields)  # type: ignore[no-any-return]


def annulled(grant_id: str = "g", *, was_unknown: bool = False) -> GrantAnnulled:
    return GrantAnnulled(
        event_id=EventId(f"{grant_id}:annulled"),
        **HEAD,  # type: ignore[arg-type]
        grant_id=GrantId(grant_id),
        ticket_id=TICKET,
        was_unknown=was_unknown,
        by="anna",
        note="",
    )


def left(zone: str) -> TicketExited:
    return TicketExited(event_id=EventId("x"), **HEAD, ticket_id=TICKET, zone=zone)  # type: ignore[arg-type]


def after(*events: TicketEvent) -> Usage:
    usage = Usage()
    for event in events:
        usage = use(usage, event)
    return usage


PASSED = Usage(
    used=1,
    first_at=AT,
    last_at=AT,
    last_gate=GateId("north"),
    last_step=7,
    days=(TODAY,),
    lifts={"chair": AT},
    zone="base",
)


def test_a_passage_tells_when_and_where() -> None:
    assert after(granted(), ended(PassageConfirmed)) == PASSED


def test_an_unknown_outcome_counts_and_leaves_open_where_the_holder_is() -> None:
    usage = after(granted(), ended(GrantOutcomeUnknown))
    assert (usage.used, usage.unknown, usage.zone, usage.open) == (1, 1, None, None)


def test_a_released_grant_leaves_no_trace() -> None:
    assert after(granted(), ended(GrantReleased)) == Usage()


@pytest.mark.parametrize("kind", [PassageConfirmed, GrantReleased, GrantOutcomeUnknown])
def test_the_outcome_of_another_grant_changes_nothing(kind: type) -> None:
    opened = after(granted())
    assert use(opened, ended(kind, "other")) == opened
    assert use(PASSED, ended(kind)) == PASSED


def test_an_annulled_entry_is_there_again_and_no_interval_runs() -> None:
    usage = after(granted(), ended(PassageConfirmed), annulled())
    assert (usage.used, usage.last_at, usage.lifts, usage.zone, usage.days, usage.first_at) == (0, None, {}, None, (), None)
    assert usage.last_step == 7  # its code was used all the same


def test_an_unknown_outcome_is_taken_back_once() -> None:
    once = after(granted(), ended(GrantOutcomeUnknown), granted("h"), ended(PassageConfirmed, "h"), annulled(was_unknown=True))
    assert (once.used, once.unknown) == (1, 0)
    assert use(once, annulled(was_unknown=True)) == once


def test_who_leaves_is_out_of_that_zone_only() -> None:
    assert use(PASSED, left("base")).zone is None
    assert use(PASSED, left("peak")).zone == "base"
