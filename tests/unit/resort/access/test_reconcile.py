"""What comes out when everything is known afterwards: the same usage in any order of events, and admissions too many."""

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from resort.access.entitlement import Entitlement, Usage
from resort.access.reconcile import find_conflict, fold_usage
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
from tests.unit.storage.lane_events import AT, TICKET, a_grant, a_passage, a_release, an_unknown

ONE = Entitlement("day", "adult", date(2026, 12, 1), 1, ("standard",))
replace = msgspec.structs.replace


@st.composite
def histories(draw: st.DrawFn) -> list[TicketEvent]:
    """What one ticket can live through, in its true order, one event each second."""
    events: list[TicketEvent] = []

    def head(name: str) -> dict[str, object]:
        number = len(events)
        lane = draw(st.sampled_from(["l1", "l2", "l3"]))
        which = {"event_id": EventId(f"{name}{number}"), "at": AT + timedelta(seconds=number), "lane_id": LaneId(lane)}
        return {**which, "caused_by": "scan", "gate_id": GateId(lane.upper()), "lane_seq": number + 1, "ticket_id": TICKET}

    def grant() -> GrantIssued:
        what = {"scan_id": ScanId("s"), "product": "day", "unit": "adult", "counter_in": 0}
        place = {"zone": draw(st.sampled_from(["", "valley", "peak"])), "lift": draw(st.sampled_from(["", "a", "b"]))}
        day = date(2026, 12, draw(st.integers(1, 3)))
        issued = GrantIssued(**head("g"), **what, **place, day=day, step=draw(st.integers(0, 9)))  # type: ignore[arg-type]
        events.append(issued)
        return issued

    def settle(of: GrantIssued) -> None:
        which = {"grant_id": GrantId(of.event_id)}
        match draw(st.sampled_from(["passed", "released", "unknown", "annulled", "unknown, annulled"])):
            case "passed":
                events.append(PassageConfirmed(**head("o"), **which, counter_in=1))  # type: ignore[arg-type]
            case "released":
                events.append(GrantReleased(**head("o"), **which, counter_in=0))  # type: ignore[arg-type]
            case "unknown":
                events.append(GrantOutcomeUnknown(**head("o"), **which, detail=""))  # type: ignore[arg-type]
            case "annulled":
                events.append(PassageConfirmed(**head("o"), **which, counter_in=1))  # type: ignore[arg-type]
                events.append(GrantAnnulled(**head("a"), **which, was_unknown=False, by="b", note=""))  # type: ignore[arg-type]
            case _:
                events.append(GrantOutcomeUnknown(**head("o"), **which, detail=""))  # type: ignore[arg-type]
                events.append(GrantAnnulled(**head("a"), **which, was_unknown=True, by="b", note=""))  # type: ignore[arg-type]

    for _ in range(draw(st.integers(0, 6))):
        settle(grant())
        if draw(st.booleans()):
            events.append(TicketExited(**head("x"), zone="valley"))  # type: ignore[arg-type]
    if draw(st.booleans()):
        grant()
    return events


def live(events: Sequence[TicketEvent]) -> Usage:
    usage = Usage()
    for event in events:
        usage = use(usage, event)
    return usage


@settings(deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_in_any_order_and_however_often_told_the_usage_is_the_one_that_lanes_saw(history: list[TicketEvent], random) -> None:  # type: ignore[no-untyped-def]
    told = [*history, *random.choices(history, k=3)] if history else []
    random.shuffle(told)
    assert fold_usage(told) == live(history)


def test_no_event_is_no_use() -> None:
    assert fold_usage([]) == Usage()


def test_an_outcome_without_its_grant_counts_as_a_use() -> None:
    grant = a_grant(1)
    passage = a_passage(2, grant)
    lost = fold_usage([passage])
    assert (lost.used, lost.unknown, lost.first_at, lost.last_gate) == (1, 0, passage.at, passage.gate_id)
    assert fold_usage([an_unknown(2, grant)]).unknown == 1
    assert fold_usage([a_release(2, grant)]) == Usage()


def test_of_two_outcomes_the_earlier_counts() -> None:
    grant = a_grant(1)
    both = [grant, a_passage(3, grant), an_unknown(2, grant)]
    assert fold_usage(both).unknown == 1
    assert fold_usage(both).used == 1


def test_a_grant_taken_back_while_it_was_open_is_no_use() -> None:
    grant = a_grant(1)
    taken_back = GrantAnnulled(
        event_id=EventId("a"),
        caused_by="c",
        at=grant.at,
        gate_id=GateId("g"),
        lane_id=LaneId(""),
        grant_id=GrantId(grant.event_id),
        ticket_id=TICKET,
        was_unknown=False,
        by="b",
        note="",
    )
    assert fold_usage([grant, taken_back]) == Usage()
    assert fold_usage([an_unknown(2, grant), grant, taken_back]) == Usage()


def test_more_uses_than_allowed_are_a_conflict() -> None:
    first, second = a_grant(1), a_grant(2, LaneId("other"), decided_by="alone")
    events: list[TicketEvent] = [first, a_passage(3, first), second, an_unknown(4, second)]
    conflict = find_conflict(TICKET, ONE, events)
    assert conflict is not None
    assert (conflict.allowed, conflict.used, conflict.ticket_id) == (1, 2, TICKET)
    assert set(conflict.grants) == {first.event_id, second.event_id}
    assert find_conflict(TICKET, ONE, events[::-1]) == conflict, "found again it is the same event"


def test_a_conflict_that_grew_is_another_event() -> None:
    grants = [a_grant(number, LaneId(f"l{number}")) for number in range(1, 4)]
    events: list[TicketEvent] = [event for grant in grants for event in (grant, a_passage(9, grant))]
    two, three = find_conflict(TICKET, ONE, events[:4]), find_conflict(TICKET, ONE, events)
    assert two is not None
    assert three is not None
    assert two.event_id != three.event_id


def test_what_is_allowed_is_no_conflict() -> None:
    first, second = a_grant(1), a_grant(3)
    used_twice: list[TicketEvent] = [first, a_passage(2, first), second, a_passage(4, second)]
    assert find_conflict(TICKET, ONE, used_twice[:3]) is None, "the second is not known to be used"
    assert find_conflict(TICKET, ONE, [*used_twice[:3], a_release(4, second)]) is None
    assert find_conflict(TICKET, replace(ONE, entries=2), used_twice) is None
    assert find_conflict(TICKET, replace(ONE, party=2), used_twice) is None
    assert find_conflict(TICKET, replace(ONE, entries=None), used_twice) is None
    assert find_conflict(TicketId("ff"), ONE, []) is None
