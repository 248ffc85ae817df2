"""What is odd, which hard rule it meets, and how looks become one incident."""

from collections.abc import Callable

import pytest

from resort.access.reasons import Reason
from resort.alarms import KINDS, mark_of
from resort.clock import Moment
from resort.ids import TicketId
from resort.incidents import KIND_OF_FAMILY, QUIET_S, IncidentBook
from resort.scan_oddities import COLUMNS, Oddities, Oddity
from sim.scan_days import FIRST, ScanDay

TICKET = TicketId("00112233445566ff")


def looks(day: ScanDay) -> list[Oddity]:
    watch = Oddities()
    found = [watch.take(event, at) for event, at in day.played()]
    return [look for look in found if look is not None]


def shared(day: ScanDay) -> None:
    for at in (0.0, 1_500.0, 3_000.0):
        day.grant(at, (0, 0), TICKET)
        day.refuse(at + 40, (0, 1), Reason.TOO_SOON, TICKET)


def copied(day: ScanDay) -> None:
    for number in range(3):
        day.refuse(600.0 * number, (number, 0), Reason.ALREADY_USED, TICKET)


def cloned(day: ScanDay) -> None:
    day.grant(0, (0, 0), TICKET, 7)
    day.refuse(10, (1, 0), Reason.CODE_REPLAYED, TICKET, 7)


def twice(day: ScanDay) -> None:
    for at in (0.0, 50.0, 2_000.0, 2_050.0):
        day.grant(at, (0, 0), TICKET)


def guessed(day: ScanDay) -> None:
    for number in range(4):
        day.refuse(20.0 * number, (0, 0), Reason.FORGED_CODE, None, mark=f"m{number}")


def followed(day: ScanDay) -> None:
    for number in range(3):
        day.turn(60.0 * number, (0, number))


@pytest.mark.parametrize(
    ("doing", "rule"),
    [
        (shared, "repeated"),
        (copied, "places"),
        (cloned, "copied"),
        (twice, "quick"),
        (guessed, "guessing"),
        (followed, "turns"),
    ],
)
def test_hard_rules(doing: Callable[[ScanDay], None], rule: str) -> None:
    day = ScanDay(1)
    doing(day)
    found = looks(day)
    assert found[-1].rule == rule
    assert all(len(look.row) == len(COLUMNS) for look in found)
    book = IncidentBook(2.0)
    raised = [incident for look in found if (incident := book.add(look)) is not None]
    assert len(raised) == 1
    cause = raised[0].cause
    assert cause is not None
    assert cause.kind in KINDS
    assert cause.evidence["rule"] == rule
    assert TICKET not in repr(cause)  # staff of every role see it


def test_a_misread_or_one_quick_mistake_is_no_alert() -> None:
    day = ScanDay(1)
    day.release(6, (0, 0), day.grant(0, (0, 0), TICKET))
    day.grant(12, (0, 1), TICKET)  # the arm had not turned: nothing odd
    assert looks(day) == []
    day.refuse(20, (0, 1), Reason.TOO_SOON, TICKET)
    day.refuse(26, (0, 2), Reason.TOO_SOON, TICKET)
    assert [look.rule for look in looks(day)] == ["", ""]


def test_a_wrong_day_is_not_looked_at() -> None:
    day = ScanDay(1)
    day.refuse(0, (0, 0), Reason.WRONG_DAY, TICKET)
    day.refuse(1, (0, 0), Reason.LANE_BUSY, TICKET)
    assert looks(day) == []


def test_the_score_opens_an_incident_and_ranks_it() -> None:
    day = ScanDay(1)
    day.refuse(0, (0, 0), Reason.TOO_SOON, TICKET)
    day.turn(5, (1, 0))
    first, second = looks(day)
    book = IncidentBook(0.6)
    assert book.add(first, 0.5) is None
    assert book.add(first, 0.7) is not None
    assert book.add(first, 0.9) is None  # one alert for each incident
    assert book.add(second, 0.95) is not None
    now = Moment(FIRST, second.tick_ns + 1)
    assert [cause.kind for cause in book.holding(now)] == ["abnormal_turns", "abnormal_ticket"]
    assert book.holding(now.after_ms(QUIET_S * 1_000)) == []


def test_evidence_names_a_mark_and_counts() -> None:
    day = ScanDay(1)
    copied(day)
    book = IncidentBook(2.0)
    raised = [incident for look in looks(day) if (incident := book.add(look)) is not None]
    assert raised[0].cause is not None
    assert raised[0].cause.alarm_key == f"abnormal_ticket:{mark_of(TICKET)}"
    assert raised[0].cause.evidence["used"] == 3
    assert set(KIND_OF_FAMILY.values()) < set(KINDS)
