"""The alarm book: raised once, acknowledged, cleared once, and the same book again from the journal's events."""

from datetime import UTC, datetime

import pytest

from orchestrator.watch import AlarmBook
from resort.alarms import Cause
from resort.clock import ManualClock
from resort.errors import NotFound
from resort.ids import SeededIds
from resort.messages import AlarmAcknowledged, AlarmCleared, AlarmEvent, AlarmRaised

CLOCK = ManualClock(datetime(2026, 12, 12, 1, 0, tzinfo=UTC))
NOW = CLOCK.now()
FAULTED = Cause("lane_faulted:north-1", "north", "north-1", {"detail": "no answer"})
FORCED = Cause("forced_arm:north-1", "north", "north-1", {"count": 1, "threshold": 1}, "event_1")


def book(*known: AlarmEvent) -> AlarmBook:
    book = AlarmBook(SeededIds("w"))
    for event in known:
        book.learn(event)
    return book


def test_an_alarm_is_an_edge() -> None:
    first = book()
    (raised,) = first.observe([FAULTED, FAULTED], NOW)
    assert isinstance(raised, AlarmRaised)
    assert (raised.severity, raised.lane_id, raised.evidence) == ("warning", "north-1", {"detail": "no answer"})
    assert raised.text.zh
    assert raised.text.en
    assert first.observe([FAULTED], NOW) == []
    (cleared,) = first.observe([], NOW)
    assert isinstance(cleared, AlarmCleared)
    assert (cleared.alarm_key, cleared.caused_by) == (raised.alarm_key, raised.event_id)
    assert first.observe([], NOW) == []


def test_a_new_book_goes_on_with_what_the_journal_holds() -> None:
    (raised,) = book().observe([FAULTED], NOW)
    again = book(raised)
    assert again.observe([FAULTED], NOW) == []
    (cleared,) = again.observe([], NOW)
    assert isinstance(cleared, AlarmCleared)
    assert book(raised, cleared).observe([], NOW) == []


def test_two_books_that_see_the_same_cause_raise_the_same_event() -> None:
    assert [event.event_id for event in book().observe([FORCED], NOW)] == [
        event.event_id for event in book().observe([FORCED], NOW.after_ms(5_000))
    ]


def test_an_episode_that_is_over_is_not_raised_again_by_the_same_event_but_by_the_next() -> None:
    first = book()
    raised = first.observe([FORCED], NOW)
    cleared = first.observe([], NOW)
    again = book(*raised, *cleared)
    assert again.observe([FORCED], NOW) == []
    (new,) = again.observe([Cause(FORCED.alarm_key, "north", "north-1", {}, "event_2")], NOW)
    assert isinstance(new, AlarmRaised)
    assert new.event_id != raised[0].event_id


def test_clearing_an_earlier_episode_does_not_clear_the_present_one() -> None:
    first = book()
    (raised,) = first.observe([FORCED], NOW)
    (cleared,) = first.observe([], NOW)
    second = Cause(FORCED.alarm_key, "north", "north-1", {}, "event_2")
    (anew,) = first.observe([second], NOW)
    assert book(raised, anew, cleared).open_alarms() == [anew]


def test_an_acknowledgement_names_who_and_why_once() -> None:
    first = book()
    (raised,) = first.observe([FAULTED], NOW)
    said = first.acknowledge(raised.alarm_key, "cora", "the technician is on the way", NOW)
    assert isinstance(said, AlarmAcknowledged)
    assert (said.by, said.note, said.caused_by, said.lane_id) == (
        "cora",
        "the technician is on the way",
        raised.event_id,
        "north-1",
    )
    assert first.acknowledge(raised.alarm_key, "cora", "the technician is on the way", NOW) is None
    assert book(raised, said).acknowledge(raised.alarm_key, "cora", "the technician is on the way", NOW) is None
    more = first.acknowledge(raised.alarm_key, "cora", "it is mended", NOW)
    assert more is not None
    assert more.event_id != said.event_id
    assert first.observe([FAULTED], NOW) == [], "an acknowledged alarm is still the same alarm"


def test_what_is_not_open_cannot_be_acknowledged() -> None:
    with pytest.raises(NotFound):
        book().acknowledge("lane_faulted:north-1", "cora", "", NOW)
