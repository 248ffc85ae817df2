"""States that are alarms: from when on, until when, and what is left alone because nobody can see it."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from resort.alarm_levels import LEVEL_KINDS, GateSight, LaneSight, LevelAlarms, SensorSight, SiteSight
from resort.alarms import KINDS, Cause
from resort.clock import ManualClock
from resort.site import AlarmLimits

READY = LaneSight("north", "north-1", "ready", "", tamper=False, reader_silent_s=0.1, clock_skew_ms=3.0, spool_percent=1.0)


class Stand:
    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2026, 12, 12, 1, 0, tzinfo=UTC))
        self.levels = LevelAlarms(AlarmLimits())

    def see(self, seconds: int = 1, **changes: Any) -> list[str]:
        for _ in range(seconds):
            self.levels.see_lane(msgspec.structs.replace(READY, **changes), self.clock.now())
            self.clock.advance_ms(1_000)
        return self.keys()

    def keys(self) -> list[str]:
        return sorted(cause.alarm_key for cause in self.levels.holding())


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_every_level_is_a_kind() -> None:
    assert set(KINDS) > LEVEL_KINDS


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("lane_faulted", {"state": "faulted", "detail": "no answer"}),
        ("lane_released", {"state": "released"}),
        ("turnstile_tamper", {"tamper": True}),
        ("reader_silent", {"reader_silent_s": 15.0}),
        ("lane_clock", {"clock_skew_ms": -2_000.0}),
        ("spool_filling", {"spool_percent": 80.0}),
    ],
)
def test_a_lane_alarms_at_once_and_until_it_was_well_for_a_while(stand: Stand, kind: str, changes: dict[str, Any]) -> None:
    assert stand.see() == []
    assert stand.see(**changes) == [f"{kind}:north-1"]
    assert stand.see(2) == [f"{kind}:north-1"]
    assert stand.see(**changes) == [f"{kind}:north-1"]
    assert stand.see(2) == [f"{kind}:north-1"], "it came back in between: the wait begins anew"
    assert stand.see() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "closed"},
        {"state": "starting", "tamper": None, "reader_silent_s": None, "clock_skew_ms": None, "spool_percent": None},
        {"reader_silent_s": 14.9, "clock_skew_ms": 1_999.0, "spool_percent": 79.9},
    ],
)
def test_what_is_no_alarm(stand: Stand, changes: dict[str, Any]) -> None:
    assert stand.see(20, **changes) == []


@pytest.mark.parametrize("view", ["dark", "glare", "dull"])
def test_a_camera_that_sees_badly_is_waited_for_and_not_minded_where_it_is_closed(stand: Stand, view: str) -> None:
    assert stand.see(30, camera=view) == []
    assert stand.see(camera=view) == ["camera_blind:north-1"]
    (cause,) = stand.levels.holding()
    assert cause.evidence["view"] == view
    assert stand.see(9, camera="") == ["camera_blind:north-1"], "it cannot be told"
    assert stand.see(4, camera="clear") == []
    assert stand.see(40, camera=view, state="closed") == []


def test_a_sensor_that_says_nothing_alarms_until_it_does(stand: Stand) -> None:
    def see(silent_s: float) -> list[str]:
        stand.levels.see_sensor(SensorSight("door", "north", silent_s), stand.clock.now())
        stand.clock.advance_ms(1_000)
        return stand.keys()

    assert see(299.0) == []
    assert see(300.0) == ["sensor_silent:door"]
    assert stand.levels.holding()[0].gate_id == "north"
    assert [see(0.5) for _ in range(4)][-1] == []


def test_an_unserved_lane_is_waited_for_and_says_nothing_of_its_turnstile(stand: Stand) -> None:
    assert stand.see(state="faulted") == ["lane_faulted:north-1"]
    assert stand.see(2, state="unserved") == ["lane_faulted:north-1"]
    assert stand.see(10, state="unserved") == ["lane_faulted:north-1", "lane_unserved:north-1"]
    assert stand.see(4) == []


def test_a_gate_that_restarts_and_has_not_heard_of_its_lanes_yet_raises_nothing(stand: Stand) -> None:
    assert stand.see(2, state="unserved") == []
    assert stand.see(5) == []


def test_words_of_the_evidence_are_in_both_languages_where_they_are_known(stand: Stand) -> None:
    stand.see(state="faulted", detail="no answer within 300 ms")
    assert stand.levels.holding()[0].evidence == {"detail": "no answer within 300 ms", "detail_zh": "300 毫秒内无应答"}
    other = Stand()
    other.see(state="faulted", detail="smoke comes out of it")
    assert other.levels.holding()[0].evidence == {"detail": "smoke comes out of it"}


def test_the_evidence_is_that_of_the_edge(stand: Stand) -> None:
    stand.see(clock_skew_ms=2_500.0)
    stand.see(clock_skew_ms=9_000.0)
    (cause,) = stand.levels.holding()
    assert cause.evidence == {"skew_ms": 2_500, "threshold_ms": 2_000}


def test_gates(stand: Stand) -> None:
    levels, now = stand.levels, stand.clock.now
    levels.see_gate(GateSight("north", answers=False), now())
    levels.see_gate(GateSight("village", answers=True, route="alone", detail="it reaches nobody"), now())
    levels.see_gate(GateSight("summit", answers=True, route="home"), now())
    assert stand.keys() == ["gate_cut_off:village", "gate_silent:north"]
    for _ in range(4):
        stand.clock.advance_ms(1_000)
        levels.see_gate(GateSight("north", answers=True, route="ledger"), now())
        levels.see_gate(GateSight("village", answers=False), now())
    assert stand.keys() == ["gate_cut_off:village", "gate_silent:village"], "a gate that is silent tells nothing"


def test_the_centre(stand: Stand) -> None:
    levels, now = stand.levels, stand.clock.now
    away = SiteSight(ledger_answers=False, journal_problem="the database cannot be reached")
    levels.see_site(away, now())
    assert stand.keys() == []
    stand.clock.advance_ms(1_000)
    levels.see_site(away, now())
    assert stand.keys() == ["ledger_away"]
    stand.clock.advance_ms(1_000)
    levels.see_site(away, now())
    assert stand.keys() == ["journal_stuck", "ledger_away"]
    for _ in range(4):
        stand.clock.advance_ms(1_000)
        levels.see_site(SiteSight(ledger_answers=True, journal_problem=None), now())
    assert stand.keys() == ["journal_stuck"], "the journal does not answer: nobody knows"


def test_what_was_open_before_a_restart_holds_until_it_is_seen_to_be_over(stand: Stand) -> None:
    stand.levels.resume([Cause("lane_faulted:north-1", "north", "north-1")], stand.clock.now())
    assert stand.keys() == ["lane_faulted:north-1"]
    assert stand.see(5, state="faulted") == ["lane_faulted:north-1"]
    assert stand.see(3) == []
