"""The history checker: a whole day without fault, and each fault by itself found as what it is."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta

import pytest

from resort.access.entitlement import Entitlement
from resort.access.reasons import Reason
from resort.history import Broken, HistoryCheck, HistoryReport
from resort.ids import EventId, GateId, GrantId, LaneId, ScanId, TicketId
from resort.messages import (
    AdmissionConflict,
    GrantAnnulled,
    GrantIssued,
    GrantOutcomeUnknown,
    GrantReleased,
    JournalEvent,
    LaneChanged,
    PassageConfirmed,
    PassageUncontrolled,
    ScanRefused,
    TicketChanged,
    TicketIssued,
)

AT = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
TODAY = date(2026, 12, 1)
SINGLE = Entitlement("single", "adult", TODAY, 1, ("standard",))


class Lane:
    """Writes what a lane would write: events with its numbers and its counter."""

    def __init__(self, name: str = "l1", counter: int = 0) -> None:
        self.name, self.counter, self.number = LaneId(name), counter, 0

    def head(self, event_id: str, at: datetime = AT) -> dict[str, object]:
        self.number += 1
        return {
            "event_id": EventId(event_id),
            "caused_by": "cause",
            "at": at,
            "gate_id": GateId("g"),
            "lane_id": self.name,
            "lane_seq": self.number,
        }

    def grant(self, name: str, ticket: str | None = "t1", at: datetime = AT, **more: object) -> GrantIssued:
        fields: dict[str, object] = {"day": TODAY, "scan_id": ScanId(f"s {name}"), **more}
        return GrantIssued(
            **self.head(name, at), ticket_id=ticket, product="single", unit="adult", counter_in=self.counter, **fields
        )

    def passage(self, grant: GrantIssued) -> PassageConfirmed:
        self.counter = (self.counter + 1) % 2**32
        return PassageConfirmed(**self.outcome(grant), counter_in=self.counter)

    def released(self, grant: GrantIssued) -> GrantReleased:
        return GrantReleased(**self.outcome(grant), counter_in=self.counter)

    def unknown(self, grant: GrantIssued) -> GrantOutcomeUnknown:
        return GrantOutcomeUnknown(**self.outcome(grant), detail="")

    def outcome(self, grant: GrantIssued) -> dict[str, object]:
        head = self.head(f"{grant.event_id}:outcome")
        return {**head, "grant_id": GrantId(grant.event_id), "ticket_id": grant.ticket_id}

    def forced(self, turns: int = 1) -> PassageUncontrolled:
        self.counter = (self.counter + turns) % 2**32
        head = self.head(f"{self.name} forced {self.counter}")
        return PassageUncontrolled(**head, counter_in=self.counter, rotations=turns, released=False)

    def ready(self) -> LaneChanged:
        head = self.head(f"{self.name} ready {self.number}")
        return LaneChanged(**head, state="ready", detail="", counter_in=self.counter, counter_out=0)


def check(events: Iterable[JournalEvent], sold: dict[str, Entitlement] | None = None) -> HistoryReport:
    tickets = {TicketId(name): entitlement for name, entitlement in (sold or {"t1": SINGLE, "t2": SINGLE}).items()}
    history = HistoryCheck(tickets)
    for event in events:
        history.take(event)
    return history.conclude()


def broken(events: Iterable[JournalEvent], sold: dict[str, Entitlement] | None = None) -> list[Broken]:
    return [finding.broken for finding in check(events, sold).findings]


def test_a_day_without_fault_has_no_findings_and_adds_up() -> None:
    one, other = Lane("l1", 2**32 - 2), Lane("l2", 7)
    events: list[JournalEvent] = [one.ready(), other.ready()]
    first = one.grant("a", "t1")
    second = other.grant("b", "t2")
    events += [first, second, one.passage(first), other.released(second), one.forced(3)]  # over the counter's end
    again = one.grant("c", "t2")
    events += [again, one.passage(again), one.ready()]
    refused = ScanRefused(**one.head("r"), scan_id=ScanId("r"), ticket_id=None, reason=Reason.FORGED_CODE, decision_ms=1.0)
    report = check([*events, refused])
    assert report.findings == []
    assert report.figures == {
        "events": 11,
        "grants": 3,
        "passages": 2,
        "released": 1,
        "unknown": 0,
        "without_outcome": 0,
        "uncontrolled": 3,
        "conflicts_reported": 0,
    }


def passed(lane: Lane, name: str, ticket: str = "t1", **more: object) -> list[JournalEvent]:
    grant = lane.grant(name, ticket, **more)
    return [grant, lane.passage(grant)]


def twice_in() -> list[JournalEvent]:
    return passed(Lane("l1"), "a") + passed(Lane("l2"), "b")


def stored_twice() -> list[JournalEvent]:
    events = passed(Lane(), "a")
    return [*events, events[-1]]


def one_scan_twice() -> list[JournalEvent]:
    lane = Lane()
    return passed(lane, "a", "t1", scan_id=ScanId("s")) + passed(lane, "b", "t2", scan_id=ScanId("s"))


def no_grant() -> list[JournalEvent]:
    return passed(Lane(), "a")[1:]


def two_outcomes() -> list[JournalEvent]:
    lane = Lane()
    grant, passage = passed(lane, "a")
    assert isinstance(grant, GrantIssued)
    other = GrantReleased(**{**lane.outcome(grant), "event_id": EventId("x")}, counter_in=1)
    return [grant, passage, other]


def another_ticket() -> list[JournalEvent]:
    lane = Lane()
    grant = lane.grant("a", "t1")
    outcome = {**lane.outcome(grant), "ticket_id": TicketId("t2")}
    return [grant, GrantReleased(**outcome, counter_in=0)]


def used_and_unknown() -> list[JournalEvent]:
    other = Lane("l2")
    grant = other.grant("b", "t1")
    return [*passed(Lane("l1"), "a"), grant, other.unknown(grant)]


def never_sold() -> list[JournalEvent]:
    return passed(Lane(), "a", "t9")


def yesterday() -> list[JournalEvent]:
    return passed(Lane(), "a", day=TODAY - timedelta(days=1))


def wrong_order() -> list[JournalEvent]:
    lane = Lane()
    first, second = passed(lane, "a", "t1"), passed(lane, "b", "t2")
    return [first[0], second[0], first[1], second[1]]


def grant_over_grant() -> list[JournalEvent]:
    lane = Lane()
    return [lane.grant("a", "t1"), lane.grant("b", "t2")]


def turn_missing() -> list[JournalEvent]:
    lane = Lane()
    events = passed(lane, "a")
    lane.counter += 1  # it turned, and nobody wrote it down
    return [*events, lane.ready()]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (twice_in, Broken.ADMITTED_TOO_OFTEN),
        (stored_twice, Broken.EVENT_TWICE),
        (one_scan_twice, Broken.SCAN_GRANTED_TWICE),
        (no_grant, Broken.OUTCOME_WITHOUT_GRANT),
        (two_outcomes, Broken.OUTCOME_TWICE),
        (another_ticket, Broken.OUTCOME_ELSEWHERE),
        (used_and_unknown, Broken.GRANTED_TOO_OFTEN),
        (never_sold, Broken.NOT_ENTITLED),
        (yesterday, Broken.NOT_ENTITLED),
        (wrong_order, Broken.LANE_ORDER),
        (grant_over_grant, Broken.GRANT_OVER_GRANT),
        (turn_missing, Broken.TURN_MISSING),
    ],
)
def test_each_fault_is_found_once_and_as_what_it_is(history: Callable[[], list[JournalEvent]], expected: Broken) -> None:
    assert broken(history()) == [expected]


def test_released_and_annulled_grants_leave_the_entry_and_staff_may_overrule() -> None:
    one, other = Lane("l1"), Lane("l2")
    first = one.grant("a", "t1")
    released = [first, one.released(first)]
    given_back = passed(one, "b", "t1")
    assert broken([*released, *given_back, *passed(other, "c", "t1", by="anna")]) == []
    annulled = GrantAnnulled(
        **one.head("x"),
        grant_id=GrantId("b"),
        ticket_id=TicketId("t1"),
        was_unknown=False,
        by="anna",
        note="",
    )
    again = passed(other, "d", "t1")
    assert broken([*given_back, *again]) == [Broken.ADMITTED_TOO_OFTEN]
    assert broken([*given_back, annulled, *again]) == []


def test_a_grant_that_was_told_to_be_void_need_not_be_stored() -> None:
    lane = Lane()
    grant, _ = passed(lane, "a")
    assert isinstance(grant, GrantIssued)
    void = GrantReleased(**lane.outcome(grant), counter_in=1)
    assert broken([void]) == []
    assert check([void]).figures["released"] == 0


def test_entries_parties_and_days_are_each_tickets_own() -> None:
    lane = Lane()
    family = Entitlement("family", "adult", TODAY, 2, ("standard",), party=2)
    four = [event for name in "abcd" for event in passed(lane, name)]
    assert broken(four, {"t1": family}) == []
    assert broken([*four, *passed(lane, "e")], {"t1": family}) == [Broken.ADMITTED_TOO_OFTEN]
    season = Entitlement(
        "season", "adult", TODAY, None, ("standard",),
        valid_until=TODAY + timedelta(days=9), days_of_use=2, blackout=(TODAY + timedelta(days=3),),
    )  # fmt: skip
    days = [event for number in (0, 0, 2) for event in passed(lane, f"s{lane.number}", day=TODAY + timedelta(days=number))]
    assert broken(days, {"t1": season}) == []
    for number in (3, 4, 10):  # a blackout day, a third day, and after its end
        late = passed(lane, f"s{lane.number}", day=TODAY + timedelta(days=number))
        assert Broken.NOT_ENTITLED in broken([*days, *late], {"t1": season})


def changed(status: str, at: datetime) -> TicketChanged:
    return TicketChanged(
        event_id=EventId(f"{status} {at}"), caused_by="desk", at=at, gate_id=GateId(""), lane_id=LaneId(""),
        ticket_id=TicketId("t1"), status=status, by="anna", note="",
    )  # fmt: skip


def test_a_block_counts_a_second_later_and_until_it_is_lifted() -> None:
    block = changed("blocked", AT)
    assert broken([block, *passed(Lane(), "a", at=AT + timedelta(seconds=0.9))]) == []
    late = passed(Lane(), "a", at=AT + timedelta(seconds=1.1))
    assert broken([block, *late]) == [Broken.NOT_ENTITLED]
    assert broken([block, changed("active", AT + timedelta(seconds=1)), *late]) == []


def test_a_ticket_is_known_by_its_event_too_and_a_reported_conflict_is_no_silent_double() -> None:
    issued = TicketIssued(
        event_id=EventId("i"), caused_by="o", at=AT, gate_id=GateId(""), lane_id=LaneId(""),
        ticket_id=TicketId("t9"), entitlement=SINGLE,
    )  # fmt: skip
    events = [issued, *passed(Lane("l1"), "a", "t9"), *passed(Lane("l2"), "b", "t9")]
    assert broken(events) == [Broken.ADMITTED_TOO_OFTEN]
    conflict = AdmissionConflict(
        event_id=EventId("c"), caused_by="b", at=AT, gate_id=GateId(""), lane_id=LaneId(""),
        ticket_id=TicketId("t9"), grants=[GrantId("a"), GrantId("b")], allowed=1, used=2,
    )  # fmt: skip
    report = check([*events, conflict])
    assert report.findings == []
    assert report.figures["conflicts_reported"] == 1


def test_a_controller_that_lost_its_memory_is_no_missing_turn_and_an_unknown_outcome_says_nothing_of_the_counter() -> None:
    lane = Lane("l1", 500)
    events: list[JournalEvent] = [lane.ready()]
    lane.counter = 0
    events.append(lane.ready())
    grant = lane.grant("a")
    events += [grant, lane.unknown(grant)]
    lane.counter = 40
    assert broken([*events, lane.ready()]) == []


def test_an_outcome_stored_before_its_grant_is_an_order_of_lanes_and_nothing_else() -> None:
    grant, passage = passed(Lane(), "a")
    assert broken([passage, grant]) == [Broken.LANE_ORDER]
