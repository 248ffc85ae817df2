"""The board: what consoles see after which event, and what a delta holds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from resort.access.reasons import Reason
from resort.clock import ManualClock
from resort.feed import Delta, Heartbeat, LaneView, Snapshot
from resort.ids import EventId, GateId, GrantId, LaneId, ScanId, TicketId
from resort.messages import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmRaised,
    GrantIssued,
    GrantReleased,
    JournalEvent,
    LaneChanged,
    PassageConfirmed,
    ScanRefused,
)
from resort.site import Site
from resort.site_board import NUMBERS_KEPT, UNSERVED, LaneSeen, LaneTotals, SiteBoard
from resort.texts import Text

LANE = LaneId("north-1")


class _Stand:
    def __init__(self, site: Site, totals: dict[str, LaneTotals] | None = None) -> None:
        self.clock = ManualClock(datetime(2026, 12, 12, 1, 0, tzinfo=UTC))
        self.board = SiteBoard(site, totals or {}, self.clock.now())
        self._number = 0

    def head(self) -> dict[str, object]:
        self._number += 1
        return {
            "event_id": EventId(f"e{self._number}"),
            "caused_by": "test",
            "at": self.clock.now().at,
            "gate_id": GateId("north"),
            "lane_id": LANE,
        }

    def apply(self, event: JournalEvent) -> None:
        self.board.apply(event, self.clock.now())

    def grant(self) -> None:
        self.apply(
            GrantIssued(
                **self.head(),  # type: ignore[arg-type]
                ticket_id=TicketId("t"),
                scan_id=ScanId("s"),
                product="single",
                unit="adult",
                counter_in=1,
                day=self.clock.now().at.date(),
            )
        )

    def passage(self) -> None:
        self.apply(
            PassageConfirmed(
                **self.head(), grant_id=GrantId("g"), ticket_id=TicketId("t"), counter_in=2, decision_ms=3.0, open_ms=40.0
            )  # type: ignore[arg-type]
        )

    def lane(self) -> LaneView:
        frame = self.board.snapshot(self.clock.now())
        return next(view for view in frame.lanes if view.lane_id == LANE)


@pytest.fixture
def stand(demo_site: Site) -> _Stand:
    stand = _Stand(demo_site)
    stand.apply(LaneChanged(**stand.head(), state="ready", detail=""))  # type: ignore[arg-type]
    return stand


def test_a_passage_counts_and_shows(stand: _Stand) -> None:
    stand.grant()
    assert stand.lane().state == "awaiting_passage"
    stand.passage()
    lane = stand.lane()
    assert (lane.state, lane.passages, lane.passages_per_minute) == ("ready", 1, 1)
    assert lane.last is not None
    assert lane.last.admitted


def test_the_rate_forgets_after_a_minute(stand: _Stand) -> None:
    stand.passage()
    stand.clock.advance_ms(59_000)
    stand.board.report({}, stand.clock.now())
    assert stand.lane().passages_per_minute == 1
    stand.clock.advance_ms(1_001)
    stand.board.report({}, stand.clock.now())
    lane = stand.lane()
    assert (lane.passages_per_minute, lane.passages) == (0, 1)


def test_a_refusal_shows_its_reason_in_words(stand: _Stand) -> None:
    refused = ScanRefused(
        **stand.head(),
        scan_id=ScanId("s"),
        ticket_id=None,
        reason=Reason.WRONG_DAY,
        decision_ms=1.0,  # type: ignore[arg-type]
    )
    stand.apply(refused)
    last = stand.lane().last
    assert last is not None
    assert (last.admitted, last.reason, last.text.zh) == (False, "wrong_day", "此票不是今天的票")


def test_a_lane_that_closes_under_a_guest_is_closed_after(stand: _Stand) -> None:
    stand.grant()
    stand.apply(LaneChanged(**stand.head(), state="closed", detail="closed by order"))  # type: ignore[arg-type]
    stand.passage()
    assert stand.lane().state == "closed"


def test_a_delta_holds_what_changed_and_no_more(stand: _Stand) -> None:
    version = stand.board.version
    assert isinstance(stand.board.frame_since(version, stand.clock.now()), Heartbeat)
    stand.passage()
    frame = stand.board.frame_since(version, stand.clock.now())
    assert isinstance(frame, Delta)
    assert [view.lane_id for view in frame.lanes] == [LANE]
    assert [view.gate_id for view in frame.gates] == ["north"]
    assert frame.alarms is None
    assert frame.gates[0].passages == 1


@pytest.mark.parametrize("offset", [-(10**9), 10**9])
def test_an_unknown_version_gets_everything(stand: _Stand, offset: int) -> None:
    frame = stand.board.frame_since(stand.board.version + offset, stand.clock.now())
    assert isinstance(frame, Snapshot)
    assert len(frame.lanes) == 10


def test_deltas_lead_to_the_snapshot(stand: _Stand) -> None:
    seen = {view.lane_id: view for view in stand.board.snapshot(stand.clock.now()).lanes}
    version = stand.board.version
    for step in range(30):
        stand.clock.advance_ms(700)
        (stand.grant if step % 2 else stand.passage)()
        stand.board.report({LANE: LaneSeen("ready", "", step)}, stand.clock.now())
        frame = stand.board.frame_since(version, stand.clock.now())
        assert isinstance(frame, Delta)
        seen |= {view.lane_id: view for view in frame.lanes}
        version = frame.version
    assert list(seen.values()) == stand.board.snapshot(stand.clock.now()).lanes


def alarm(stand: _Stand, kind: type, caused_by: str, **fields: object) -> Any:
    return kind(**{**stand.head(), "caused_by": caused_by}, alarm_key="forced_arm:north-1", **fields)


def raised(stand: _Stand) -> AlarmRaised:
    fields = {"severity": "critical", "text": Text("坏", "bad"), "evidence": {"count": 1, "threshold": 1}}
    event: AlarmRaised = alarm(stand, AlarmRaised, "e0", **fields)
    return event


def test_alarms_come_and_go(stand: _Stand) -> None:
    version = stand.board.version
    began = raised(stand)
    stand.apply(began)
    stand.apply(began)
    frame = stand.board.frame_since(version, stand.clock.now())
    assert isinstance(frame, Delta)
    assert frame.alarms is not None
    assert [(view.alarm_key, view.evidence["count"]) for view in frame.alarms] == [("forced_arm:north-1", 1)]
    assert stand.board.figures.open_alarms == {"critical": 1}
    stand.apply(alarm(stand, AlarmCleared, began.event_id))
    assert stand.board.snapshot(stand.clock.now()).alarms == []
    assert stand.board.figures.open_alarms == {}
    assert stand.board.figures.alarms_raised == {"forced_arm": 1}


def test_an_acknowledged_alarm_says_by_whom(stand: _Stand) -> None:
    began = raised(stand)
    stand.apply(began)
    stand.apply(alarm(stand, AlarmAcknowledged, "another", by="vera", note="not this one"))
    stand.clock.advance_ms(1_000)
    stand.apply(alarm(stand, AlarmAcknowledged, began.event_id, by="cora", note="on my way"))
    (view,) = stand.board.snapshot(stand.clock.now()).alarms
    assert (view.acknowledged_by, view.acknowledged_at, view.note) == ("cora", stand.clock.now().at, "on my way")
    assert view.since == began.at


def test_an_alarm_that_is_told_after_it_was_cleared_does_not_open(stand: _Stand) -> None:
    began = raised(stand)
    stand.apply(alarm(stand, AlarmCleared, began.event_id))
    stand.apply(began)
    assert stand.board.snapshot(stand.clock.now()).alarms == []
    anew = raised(stand)
    stand.apply(anew)
    stand.apply(alarm(stand, AlarmCleared, began.event_id))
    assert len(stand.board.snapshot(stand.clock.now()).alarms) == 1, "that was another episode"


def numbered(stand: _Stand, number: int) -> PassageConfirmed:
    whole = {**stand.head(), "lane_seq": number}
    return PassageConfirmed(**whole, grant_id=GrantId("g"), ticket_id=TicketId("t"), counter_in=number)  # type: ignore[arg-type]


def test_a_lanes_event_counts_once_however_often_and_in_whatever_order_it_is_told(stand: _Stand) -> None:
    for number in (5, 7, 5, 9, 7, 6, 9):
        stand.apply(numbered(stand, number))
    assert stand.lane().passages == 4
    assert stand.board.figures.passages == {LANE: 4}


def test_what_is_older_than_all_that_is_remembered_was_counted(stand: _Stand) -> None:
    for number in range(2, NUMBERS_KEPT + 4, 2):
        stand.apply(numbered(stand, number))
    for number in range(2 * NUMBERS_KEPT):
        stand.apply(numbered(stand, 10_000 + number))
    counted = stand.lane().passages
    stand.apply(numbered(stand, 2))
    assert stand.lane().passages == counted


def test_an_older_event_counts_but_does_not_change_what_the_lane_shows(stand: _Stand) -> None:
    def changed(state: str, detail: str, number: int) -> LaneChanged:
        return LaneChanged(**{**stand.head(), "lane_seq": number}, state=state, detail=detail)  # type: ignore[arg-type]

    stand.apply(changed("closed", "closed by order", 8))
    stand.apply(changed("faulted", "the turnstile reports a fault", 7))
    stand.apply(numbered(stand, 6))
    assert (stand.lane().state, stand.lane().detail.zh, stand.lane().passages) == ("closed", "已按指令关闭", 1)


def test_the_clocks_of_phones_are_measured(stand: _Stand) -> None:
    for steps_off in (-1, 0, 0, 1):
        whole = {**stand.head(), "scan_id": ScanId("s"), "ticket_id": TicketId("t"), "reason": Reason.WRONG_DAY}
        stand.apply(ScanRefused(**whole, decision_ms=1.0, step=7, steps_off=steps_off))  # type: ignore[arg-type]
        stand.apply(ScanRefused(**whole, decision_ms=1.0))  # type: ignore[arg-type]  # a printed code tells nothing
    drift = stand.board.figures.code_drift
    assert {bound: count for bound, count in zip(drift.bounds_ms, drift.counts, strict=False) if count} == {
        -15_000: 1,
        0: 2,
        15_000: 1,
    }


def test_a_snapshot_names_the_sites_time_zone(stand: _Stand) -> None:
    assert stand.board.snapshot(stand.clock.now()).timezone == "Asia/Shanghai"


def test_a_silent_lane_is_unserved_until_it_is_heard_again(stand: _Stand) -> None:
    stand.board.report({LANE: LaneSeen(UNSERVED, "silent for 4 s", None)}, stand.clock.now())
    assert stand.lane().state == UNSERVED
    stand.board.report({LANE: LaneSeen("ready", "", 3)}, stand.clock.now())
    lane = stand.lane()
    assert (lane.state, lane.queue) == ("ready", 3)


def test_an_old_report_does_not_undo_a_newer_event(stand: _Stand) -> None:
    stand.grant()
    stand.board.report({LANE: LaneSeen("ready", "", 3)}, stand.clock.now())
    assert stand.lane().state == "awaiting_passage"


def test_counts_go_on_after_a_restart_and_end_with_the_day(demo_site: Site) -> None:
    stand = _Stand(demo_site, {LANE: LaneTotals(41, 5)})
    stand.passage()
    assert (stand.lane().passages, stand.lane().refusals) == (42, 5)
    stand.clock.advance_ms(timedelta(hours=16).total_seconds() * 1000)
    stand.board.report({}, stand.clock.now())
    assert (stand.lane().passages, stand.lane().refusals) == (0, 0)


def test_figures_count_by_lane_and_reason(stand: _Stand) -> None:
    stand.grant()
    stand.passage()
    released = GrantReleased(
        **stand.head(),
        grant_id=GrantId("h"),
        ticket_id=TicketId("t"),
        counter_in=2,
        decision_ms=900.0,
        open_ms=None,  # type: ignore[arg-type]
    )
    stand.apply(released)
    figures = stand.board.figures
    assert (figures.grants[LANE], figures.passages[LANE], figures.released[LANE]) == (1, 1, 1)
    assert sum(figures.decision.counts) == 2
    assert sum(figures.scan_to_open.counts) == 1
    assert figures.decision.sum_ms == 903.0
