"""What counts as evidence, from when on it is an alarm, and when that is over."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from resort.access.reasons import Reason, explain
from resort.alarms import INVALID_REASONS, KINDS, LANE_REASONS, Cause, EventAlarms, kind_of
from resort.clock import ManualClock
from resort.ids import EventId, GateId, GrantId, LaneId, ScanId, TicketId
from resort.messages import (
    AdmissionConflict,
    GrantIssued,
    GrantReleased,
    JournalEvent,
    PassageUncontrolled,
    ScanRefused,
)
from resort.site import AlarmLimits

LIMITS = AlarmLimits(invalid_scans=4, skew_codes=5)
TICKET = TicketId("00112233445566ff")


class Stand:
    """Detectors with a clock, and events made short."""

    def __init__(self, limits: AlarmLimits = LIMITS) -> None:
        self.clock = ManualClock(datetime(2026, 12, 12, 1, 0, tzinfo=UTC))
        self.alarms = EventAlarms(limits)
        self._number = 0

    def take(self, event: JournalEvent) -> JournalEvent:
        self.alarms.take(event, self.clock.now())
        return event

    def head(self, lane: str) -> dict[str, object]:
        self._number += 1
        gate = lane.rpartition("-")[0]
        at = self.clock.now().at
        ids = {"event_id": EventId(f"e{self._number}"), "gate_id": GateId(gate), "lane_id": LaneId(lane)}
        return {**ids, "caused_by": "test", "at": at}

    def refuse(self, lane: str, reason: Reason, ticket: TicketId | None = None, **more: object) -> None:
        head = self.head(lane)
        self.take(ScanRefused(**head, scan_id=ScanId("s"), ticket_id=ticket, reason=reason, decision_ms=1.0, **more))  # type: ignore[arg-type]

    def grant(self, lane: str, ticket: TicketId = TICKET, **more: object) -> GrantIssued:
        fixed = {"product": "single", "unit": "adult", "counter_in": 1, "day": date(2026, 12, 12)}
        event = GrantIssued(**self.head(lane), ticket_id=ticket, scan_id=ScanId("s"), **fixed, **more)  # type: ignore[arg-type]
        self.take(event)
        return event

    def turn(self, lane: str, cause: str, rotations: int = 1) -> None:
        whole = self.head(lane)
        self.take(PassageUncontrolled(**whole, counter_in=2, rotations=rotations, released=False, cause=cause))  # type: ignore[arg-type]

    def wait(self, seconds: float) -> None:
        self.clock.advance_ms(seconds * 1000)

    def held(self) -> list[Cause]:
        return self.alarms.holding(self.clock.now())

    def keys(self) -> list[str]:
        return sorted(cause.alarm_key for cause in self.held())

    def kinds(self) -> list[str]:
        return sorted(cause.kind for cause in self.held())


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_every_kind_has_words_in_both_languages() -> None:
    assert all(kind.text.zh and kind.text.en for kind in KINDS.values())
    assert all(kind_of(f"{name}:a:b") == name for name in KINDS)
    assert not INVALID_REASONS & LANE_REASONS


def test_invalid_codes_at_one_lane(stand: Stand) -> None:
    for _ in range(3):
        stand.refuse("north-1", Reason.FORGED_CODE)
        stand.refuse("north-2", Reason.MALFORMED_CODE)
    assert stand.keys() == []
    stand.refuse("north-1", Reason.UNKNOWN_TICKET, TICKET)
    (cause,) = stand.held()
    assert (cause.alarm_key, cause.lane_id, cause.severity) == ("invalid_scans:north-1", "north-1", "warning")
    assert (cause.evidence["count"], cause.evidence["threshold"], cause.evidence["window_s"]) == (4, 4, 60)


def test_mistakes_of_honest_guests_are_no_invalid_codes(stand: Stand) -> None:
    for reason in (Reason.WRONG_DAY, Reason.ALREADY_USED, Reason.UNREADABLE, Reason.LANE_CLOSED) * 5:
        stand.refuse("north-1", reason)
    assert stand.keys() == []


def test_what_left_the_window_does_not_count(stand: Stand) -> None:
    for _ in range(20):
        stand.refuse("north-1", Reason.FORGED_CODE)
        stand.wait(25)
    assert stand.keys() == []


def test_it_holds_while_half_as_much_goes_on_and_ends_after_quiet(stand: Stand) -> None:
    for _ in range(4):
        stand.refuse("north-1", Reason.FORGED_CODE)
    first = stand.held()
    for _ in range(10):
        stand.wait(55)
        stand.refuse("north-1", Reason.FORGED_CODE)
    assert stand.held() == first, "more evidence prolongs it and changes nothing that was told"
    stand.wait(119)
    stand.refuse("north-1", Reason.FORGED_CODE)  # one alone is too little to go on
    stand.wait(1)
    assert stand.keys() == []


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        ("forced", "forced_arm"),
        ("tailgating", "tailgating"),
        ("no_grant", "turn_without_grant"),
        ("unobserved", "turn_unobserved"),
        ("fire_release", None),
    ],
)
def test_turns_that_no_grant_covers(stand: Stand, cause: str, kind: str | None) -> None:
    stand.turn("north-1", cause, rotations=2)
    assert stand.keys() == ([f"{kind}:north-1"] if kind else [])
    stand.wait(LIMITS.quiet_s)
    assert stand.keys() == []


def test_turns_are_counted_one_by_one_against_the_threshold() -> None:
    stand = Stand(AlarmLimits(tailgated_turns=3))
    stand.turn("north-1", "tailgating", rotations=2)
    assert stand.keys() == []
    stand.turn("north-1", "tailgating")
    assert stand.kinds() == ["tailgating"]


def test_one_code_at_many_lanes(stand: Stand) -> None:
    stand.grant("north-1")
    stand.refuse("north-2", Reason.ALREADY_USED, TICKET)
    assert stand.kinds() == []
    stand.refuse("village-1", Reason.ALREADY_USED, TICKET)
    (cause,) = stand.held()
    assert (cause.kind, cause.lane_id, cause.evidence["lanes"]) == ("code_at_many_lanes", "village-1", 3)
    assert TICKET not in repr(cause), "consoles of every role read this"


def test_a_code_that_names_no_ticket_is_known_by_its_mark(stand: Stand) -> None:
    for lane in ("north-1", "north-2", "village-1"):
        stand.refuse(lane, Reason.FORGED_CODE, code_mark="abc")
        stand.refuse(lane, Reason.MALFORMED_CODE)  # different things, of which nothing is known
    assert stand.keys() == ["code_at_many_lanes:abc"]


def test_a_guest_who_is_sent_on_by_lanes_is_no_thief(stand: Stand) -> None:
    for lane in ("north-1", "north-2", "north-3", "north-fast"):
        stand.refuse(lane, Reason.LANE_CLOSED, TICKET)
    stand.grant("village-1")
    assert stand.keys() == []


def test_a_season_pass_that_is_admitted_everywhere_is_no_thief(stand: Stand) -> None:
    for lane in ("north-1", "village-1", "summit-1", "north-2"):
        stand.grant(lane)
    assert stand.keys() == []


def test_a_rotating_code_that_opened_one_lane_and_is_shown_at_another_is_a_copy(stand: Stand) -> None:
    stand.grant("north-1", step=7)
    stand.wait(3)
    stand.refuse("north-2", Reason.IN_USE, TICKET, step=7)
    (cause,) = stand.held()
    assert (cause.kind, cause.severity) == ("cloned_code", "critical")
    assert (cause.evidence["first_lane"], cause.evidence["second_lane"], cause.evidence["apart_s"]) == ("north-1", "north-2", 3)


def test_one_step_at_two_gates_is_a_copy_even_if_nobody_was_admitted(stand: Stand) -> None:
    stand.refuse("north-1", Reason.WRONG_DAY, TICKET, step=7)
    stand.refuse("village-1", Reason.WRONG_DAY, TICKET, step=7)
    assert "cloned_code" in stand.kinds()


def test_a_ticket_at_two_gates_faster_than_anybody_skis_is_a_copy(stand: Stand) -> None:
    stand.refuse("village-1", Reason.IMPOSSIBLE_TRAVEL, TICKET)
    (cause,) = stand.held()
    assert (cause.kind, cause.evidence["reason"]) == ("cloned_code", "impossible_travel")
    assert cause.evidence["detail_zh"] == explain(Reason.IMPOSSIBLE_TRAVEL).zh


def test_a_soft_passback_rule_that_was_broken(stand: Stand) -> None:
    stand.grant("north-1")
    assert stand.kinds() == []
    stand.grant("north-1", warning=Reason.STILL_INSIDE)
    (cause,) = stand.held()
    assert (cause.alarm_key, cause.severity) == ("soft_passback:north-1", "info")


def _other_lane_after_a_lane_of_its_own(stand: Stand) -> None:
    stand.refuse("north-fast", Reason.WRONG_LANE, TICKET, step=7)
    stand.grant("north-1", step=7)


def _again_at_the_same_lane(stand: Stand) -> None:
    stand.grant("north-1", step=7)
    stand.refuse("north-1", Reason.IN_USE, TICKET, step=7)


def _elsewhere_after_the_arm_did_not_turn(stand: Stand) -> None:
    grant = stand.grant("north-1", step=7)
    released = GrantReleased(**stand.head("north-1"), grant_id=GrantId(grant.event_id), ticket_id=TICKET, counter_in=1)  # type: ignore[arg-type]
    stand.take(released)
    stand.grant("north-2", step=7)


def _another_step(stand: Stand) -> None:
    stand.grant("north-1", step=7)
    stand.grant("village-1", step=8)


def _a_printed_code(stand: Stand) -> None:
    stand.grant("north-1")
    stand.refuse("village-1", Reason.ALREADY_USED, TICKET)


@pytest.mark.parametrize(
    "story",
    [
        _other_lane_after_a_lane_of_its_own,
        _again_at_the_same_lane,
        _elsewhere_after_the_arm_did_not_turn,
        _another_step,
        _a_printed_code,
    ],
)
def test_what_is_no_copy(stand: Stand, story: Callable[[Stand], None]) -> None:
    story(stand)
    assert stand.kinds() == []


def test_a_lane_whose_phones_are_all_late_has_a_wrong_clock(stand: Stand) -> None:
    for number in range(5):
        stand.grant("north-1", TicketId(f"{number:016x}"), step=100 + number, steps_off=-1 if number else 0)
    (cause,) = stand.held()
    assert (cause.alarm_key, cause.evidence["median_steps"]) == ("clock_skew:north-1", -1)
    stand.wait(10_000)
    assert stand.kinds() == ["clock_skew"], "only better codes tell that it is over"
    for number in range(3):
        stand.grant("north-1", TicketId(f"{number:016x}"), step=900 + number, steps_off=0)
    assert stand.kinds() == []


def test_one_phone_that_is_late_is_no_matter(stand: Stand) -> None:
    for number in range(20):
        stand.grant("north-1", TicketId(f"{number:016x}"), step=100 + number, steps_off=0 if number % 3 else 1)
    assert stand.kinds() == []


def test_a_conflict_stays_for_long(stand: Stand) -> None:
    head = stand.head("")
    stand.take(AdmissionConflict(**head, ticket_id=TICKET, grants=[GrantId("a"), GrantId("b")], allowed=1, used=2))  # type: ignore[arg-type]
    (cause,) = stand.held()
    assert (cause.kind, cause.evidence["admitted"], cause.evidence["allowed"]) == ("admission_conflict", 2, 1)
    stand.wait(LIMITS.conflict_quiet_s - 1)
    assert stand.kinds() == ["admission_conflict"]
    stand.wait(1)
    assert stand.kinds() == []


def test_detectors_that_took_the_last_minutes_again_hold_the_same(stand: Stand) -> None:
    """A restart: everything within `memory_s`, and what was open."""
    events: list[tuple[float, JournalEvent]] = []
    other = Stand()
    take = stand.take

    def record(event: JournalEvent) -> JournalEvent:
        events.append((stand.clock.now().tick_ns / 1e6, event))
        return take(event)

    stand.take = record  # type: ignore[method-assign]
    for number in range(60):
        stand.refuse("north-1", Reason.FORGED_CODE)
        stand.wait(20)
        if number % 7 == 0:
            stand.turn("north-2", "forced")
            for _ in range(4):
                stand.refuse("village-1", Reason.STALE_CODE)
    now_ms = stand.clock.now().tick_ns / 1e6
    for cause in stand.held():
        other.alarms.resume(cause, other.clock.now())
    for at_ms, event in events:
        if now_ms - at_ms <= other.alarms.memory_s * 1000:
            other.alarms.take(event, stand.clock.now().after_ms(at_ms - now_ms))
    assert {cause.alarm_key for cause in other.alarms.holding(stand.clock.now())} == set(stand.keys())
    assert stand.keys()


def test_nothing_is_kept_for_ever(stand: Stand) -> None:
    for number in range(500):
        stand.grant(f"north-{number % 5}", TicketId(f"{number:016x}"), step=number + 1)
        stand.refuse("village-1", Reason.FORGED_CODE, code_mark=f"m{number}")
    stand.wait(10_000)
    stand.held()
    alarms = stand.alarms
    assert not any((alarms._tried, alarms._steps, alarms._open_steps, alarms._counts))
