"""The verdict of a drill: a history that fits what the steel saw, and each way in which it may not."""

from datetime import UTC, date, datetime

from benchmarks.drills.witness import Against, Observed, Verdict, judge
from resort.ids import EventId, GateId, GrantId, LaneId, ScanId, TicketId
from resort.messages import GrantIssued, JournalEvent, PassageConfirmed, PassageUncontrolled
from sim.truth import ArmTurned, ArmUnlocked, CodeShown, SteelCounted, TicketBought, Truth

TODAY = date(2026, 12, 1)
AT = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
NOW = {"tick_ns": 1, "at_ms": 1}


def bought(*tickets: str, pool: str = "today") -> list[Truth]:
    return [TicketBought(ticket=ticket, code="", pool=pool, **NOW) for ticket in tickets]


def visit(lane: str, counter: int, ticket: str, kind: str = "honest") -> list[Truth]:
    """A guest who shows a code and walks in."""
    guest = counter + 100
    return [
        CodeShown(guest=guest, attempt=1, lane=lane, kind=kind, ticket=ticket, heard=True, **NOW),
        ArmUnlocked(lane=lane, pulse=counter, guest=guest, kind=kind, ticket=ticket, **NOW),
        ArmTurned(lane=lane, counter_in=counter, guest=guest, kind=kind, ticket=ticket, free=False, **NOW),
    ]


def told(lane: str, counter: int, ticket: str, number: str = "") -> list[JournalEvent]:
    """The grant before that turn and its passage, as the journal has them."""
    head = {"caused_by": "c", "at": AT, "gate_id": GateId("g"), "lane_id": LaneId(lane)}
    name = f"{lane} {counter}{number}"
    grant = GrantIssued(
        **head, event_id=EventId(name), ticket_id=TicketId(ticket), scan_id=ScanId(name), product="single", unit="adult",
        counter_in=counter - 1, day=TODAY,
    )  # fmt: skip
    passage = PassageConfirmed(
        **head, event_id=EventId(f"{name}:outcome"), grant_id=GrantId(name), ticket_id=TicketId(ticket), counter_in=counter
    )
    return [grant, passage]


def free(lane: str, counter: int, rotations: int) -> PassageUncontrolled:
    head = {"event_id": EventId(f"u {lane} {counter}"), "caused_by": "c", "at": AT, "gate_id": GateId("g")}
    return PassageUncontrolled(**head, lane_id=LaneId(lane), counter_in=counter, rotations=rotations, released=False)


def verdict(truth: list[Truth], events: list[JournalEvent]) -> Verdict:
    seen = Observed()
    for record in truth:
        seen.take(record)
    return judge(seen, events, TODAY)


def against(truth: list[Truth], events: list[JournalEvent]) -> list[Against]:
    return [charge.against for charge in verdict(truth, events).charges]


TRUTH = bought("t1", "t2", "t3") + visit("a", 1, "t1") + visit("b", 1, "t2")
TOLD = told("a", 1, "t1") + told("b", 1, "t2")


def test_a_journal_that_fits_has_nothing_against_it_and_its_figures_add_up() -> None:
    counted: list[Truth] = [SteelCounted(lane=lane, pulses=1, unlocks=1, turns_in=1, turns_out=0, **NOW) for lane in ("a", "b")]
    found = verdict(TRUTH + counted, TOLD)
    assert found.charges == []
    assert found.report.findings == []
    assert {name: found.figures[name] for name in ("scans", "turns", "grants", "passages", "lost_passages")} == {
        "scans": 2, "turns": 2, "grants": 2, "passages": 2, "lost_passages": 0,
    }  # fmt: skip


def test_a_turn_that_the_journal_lacks_is_lost_unless_it_was_told_as_one_without_grant() -> None:
    assert against(TRUTH, TOLD[:2] + TOLD[2:3]) == [Against.LOST_PASSAGE]
    assert against(TRUTH, [*TOLD[:3], free("b", 1, 1)]) == []
    more = TRUTH + visit("b", 2, "t3") + visit("b", 3, "t3")[2:]
    spanned = [*TOLD, free("b", 3, 2)]
    assert Against.LOST_PASSAGE not in against(more, spanned)
    assert Against.LOST_PASSAGE in against([*more, *visit("b", 4, "t3")[2:]], spanned)


def test_a_passage_without_a_turn_is_invented() -> None:
    assert against(TRUTH, TOLD + told("a", 2, "t3")) == [Against.INVENTED_PASSAGE]


def test_two_persons_on_one_ticket_are_a_double_admission_also_when_the_journal_tells_of_one() -> None:
    twice = TRUTH + visit("b", 2, "t1", "twin")
    assert against(twice, TOLD + told("b", 2, "t1")) == [Against.DOUBLE_ADMISSION]
    assert Against.DOUBLE_ADMISSION in against(twice, TOLD)
    assert verdict(twice, TOLD + told("b", 2, "t1")).figures["double_admissions"] == 1


def test_who_walks_in_on_anothers_late_grant_uses_that_ticket() -> None:
    # The arm opened for t1 when t2's holder stood there; later t2 itself is granted.
    late = bought("t1", "t2") + visit("a", 1, "t2") + visit("a", 2, "t2", "again_here")
    assert against(late, told("a", 1, "t1") + told("a", 2, "t2")) == []


def test_a_grant_for_what_must_not_pass_is_wrong() -> None:
    tomorrow = TRUTH + bought("t9", pool="tomorrow")
    assert against(tomorrow, TOLD + told("a", 2, "t9")[:1]) == [Against.WRONG_GRANT]
    assert against(TRUTH, TOLD + told("a", 2, "never")[:1]) == [Against.WRONG_GRANT]


def test_more_pulses_than_grants_are_told_once_each() -> None:
    again = ArmUnlocked(lane="a", pulse=2, guest=0, kind="", ticket="", **NOW)
    assert against([*TRUTH[:3], again, *TRUTH[3:]], TOLD) == [Against.DOUBLE_PULSE]
    # A pulse that unlocked nothing shows in the steel's own count only.
    counted = SteelCounted(lane="a", pulses=3, unlocks=2, turns_in=1, turns_out=0, **NOW)
    assert against([*TRUTH[:3], again, *TRUTH[3:], counted], TOLD) == [Against.DOUBLE_PULSE] * 2
