"""Events of a lane, numbered by hand, for the tests of what keeps and stores them."""

from datetime import UTC, date, datetime, timedelta

from resort.access.reasons import Reason
from resort.ids import EventId, GateId, GrantId, LaneId, ScanId, TicketId
from resort.messages import (
    GrantIssued,
    GrantOutcomeUnknown,
    GrantReleased,
    LaneChanged,
    PassageConfirmed,
    ScanRefused,
)

AT = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
DAY = date(2026, 12, 1)
LANE, OTHER = LaneId("north-1"), LaneId("north-2")
TICKET = TicketId("00000000000000aa")


def head(number: int, lane: LaneId = LANE, name: str = "") -> dict[str, object]:
    event_id = EventId(name or f"{lane}:{number}")
    at = AT + timedelta(seconds=number)
    return {
        "event_id": event_id,
        "caused_by": "scan",
        "at": at,
        "gate_id": GateId("north"),
        "lane_id": lane,
        "lane_seq": number,
    }


def a_grant(number: int, lane: LaneId = LANE, ticket: TicketId | None = TICKET, **more: object) -> GrantIssued:
    what = {"ticket_id": ticket, "scan_id": ScanId("s"), "product": "day", "unit": "adult", "day": DAY, "counter_in": number}
    return GrantIssued(**head(number, lane), **{**what, **more})  # type: ignore[arg-type]


def a_passage(number: int, grant: GrantIssued) -> PassageConfirmed:
    which = {"grant_id": GrantId(grant.event_id), "ticket_id": grant.ticket_id}
    return PassageConfirmed(**head(number, grant.lane_id), **which, counter_in=grant.counter_in + 1)  # type: ignore[arg-type]


def a_release(number: int, grant: GrantIssued) -> GrantReleased:
    which = {"grant_id": GrantId(grant.event_id), "ticket_id": grant.ticket_id}
    return GrantReleased(**head(number, grant.lane_id), **which, counter_in=grant.counter_in)  # type: ignore[arg-type]


def an_unknown(number: int, grant: GrantIssued) -> GrantOutcomeUnknown:
    which = {"grant_id": GrantId(grant.event_id), "ticket_id": grant.ticket_id}
    return GrantOutcomeUnknown(**head(number, grant.lane_id), **which, detail="")  # type: ignore[arg-type]


def a_refusal(number: int, lane: LaneId = LANE) -> ScanRefused:
    what = {"scan_id": ScanId("s"), "ticket_id": None, "reason": Reason.FORGED_CODE, "decision_ms": 1.5}
    return ScanRefused(**head(number, lane), **what)  # type: ignore[arg-type]


def a_change(
    number: int,
    lane: LaneId = LANE,
    *,
    counter_in: int | None = None,
    counter_out: int | None = None,
    detail: str = "",
) -> LaneChanged:
    what = {"state": "ready", "detail": detail, "counter_in": counter_in, "counter_out": counter_out}
    return LaneChanged(**head(number, lane), **what)  # type: ignore[arg-type]
