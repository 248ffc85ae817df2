"""Alarms: raised once, cleared once, remembered over a restart."""

from datetime import UTC, datetime

import pytest

from orchestrator.watch import AlarmBook, gate_silent, journal_stuck, lane_cause
from resort.clock import ManualClock
from resort.ids import SeededIds
from resort.messages import AlarmCleared, AlarmRaised

NOW = ManualClock(datetime(2026, 12, 12, 1, 0, tzinfo=UTC)).now()


@pytest.mark.parametrize(
    ("state", "severity"),
    [("unserved", "critical"), ("faulted", "warning"), ("released", "critical"), ("ready", None)],
)
def test_which_state_alarms(state: str, severity: str | None) -> None:
    cause = lane_cause("north", "north-1", state)
    assert (cause.severity if cause else None) == severity


def test_an_alarm_is_an_edge() -> None:
    book = AlarmBook(SeededIds("w"))
    cause = lane_cause("north", "north-1", "faulted")
    assert cause is not None
    (raised,) = book.observe([cause, cause], NOW)
    assert isinstance(raised, AlarmRaised)
    assert book.observe([cause], NOW) == []
    (cleared,) = book.observe([], NOW)
    assert isinstance(cleared, AlarmCleared)
    assert (cleared.alarm_key, cleared.lane_id) == (raised.alarm_key, "north-1")
    assert book.observe([], NOW) == []


def test_a_new_book_goes_on_with_the_open_alarms() -> None:
    book = AlarmBook(SeededIds("w"), [("gate_silent:north", "north", "")])
    assert book.observe([gate_silent("north")], NOW) == []
    (cleared, raised) = sorted(book.observe([journal_stuck()], NOW), key=lambda event: type(event).__name__)
    assert isinstance(cleared, AlarmCleared)
    assert isinstance(raised, AlarmRaised)
    assert raised.text.zh
    assert raised.text.en
