"""The board behind the feed: journal events and lane reports in, snapshots and deltas out. Pure.

A version is a number that grows by at least one with each change and starts at the wall clock's milliseconds, so that a board
that was built anew never answers an old console with a delta that skips something.
"""

from collections import deque
from collections.abc import Mapping
from datetime import date, timedelta

import msgspec

from resort.access.reasons import Reason, explain
from resort.clock import Moment
from resort.feed import AlarmView, Delta, FeedFrame, GateView, Heartbeat, LaneView, LastDecision, Snapshot
from resort.figures import SiteFigures
from resort.messages import (
    AlarmCleared,
    AlarmRaised,
    GrantIssued,
    GrantOutcomeUnknown,
    GrantReleased,
    JournalEvent,
    LaneChanged,
    PassageConfirmed,
    ScanRefused,
)
from resort.site import Site

RATE_WINDOW = timedelta(seconds=60)
UNSERVED = "unserved"  # no report of the lane for too long


class LaneSeen(msgspec.Struct, frozen=True):
    """What a gate last heard of a lane. `state` is "unserved" when it heard nothing for too long."""

    state: str
    detail: str
    waiting: int | None


class LaneTotals(msgspec.Struct, frozen=True):
    """Counts of a lane since the site's day began, from SQL."""

    passages: int
    refusals: int


class _Lane(msgspec.Struct):
    view: LaneView
    version: int
    recent: deque[float]  # unix seconds of passages within the window
    lasting: str = "starting"  # the state behind a guest's grant


class SiteBoard:
    """Everything that consoles see, with a version per lane and gate."""

    def __init__(self, site: Site, totals: Mapping[str, LaneTotals], now: Moment) -> None:
        self.version = int(now.at.timestamp() * 1000)
        self.figures = SiteFigures()
        self._oldest = self.version
        self._site = site
        self._day = self._local_day(now)
        self._lanes: dict[str, _Lane] = {}
        self._alarms: dict[str, AlarmView] = {}
        self._alarms_version = self.version
        for gate, lane in site.lanes():
            total = totals.get(lane.id, LaneTotals(0, 0))
            view = LaneView(
                lane_id=lane.id,
                gate_id=gate.id,
                name=lane.name,
                lane_class=lane.lane_class,
                state="starting",
                detail="",
                passages=total.passages,
                refusals=total.refusals,
                passages_per_minute=0,
                queue=None,
                last=None,
            )
            self._lanes[lane.id] = _Lane(view, self.version, deque())

    # ---- in

    def apply(self, event: JournalEvent, now: Moment) -> None:
        """Take a journal event."""
        self._count(event)
        if isinstance(event, AlarmRaised):
            alarm = AlarmView(event.alarm_key, event.severity, event.gate_id, event.lane_id, event.text, event.at)
            self._alarms[event.alarm_key] = alarm
            self._alarms_changed()
            return
        if isinstance(event, AlarmCleared):
            if self._alarms.pop(event.alarm_key, None) is not None:
                self._alarms_changed()
            return
        lane = self._lanes.get(event.lane_id)
        if lane is not None:
            self._apply_to_lane(lane, event, now)

    def report(self, seen: Mapping[str, LaneSeen], now: Moment) -> None:
        """Take what the gates heard of their lanes, and let the passage rates age."""
        self._turn_day(now)
        for lane_id, lane in self._lanes.items():
            self._age(lane, now)
            report = seen.get(lane_id)
            if report is None:
                continue
            self._set(lane, queue=report.waiting)
            # Reports are up to two seconds old, events are not: a report's state counts only where events say nothing.
            if report.state == UNSERVED or lane.view.state in ("starting", UNSERVED):
                self._set(lane, state=report.state, detail=report.detail)
                lane.lasting = report.state if report.state != "awaiting_passage" else "ready"

    # ---- out

    def frame_since(self, since: int | None, now: Moment) -> FeedFrame:
        """A Snapshot for a newcomer or too old a version, else what changed, or a Heartbeat when nothing did."""
        if since is None or since < self._oldest or since > self.version:
            return self.snapshot(now)
        if since == self.version:
            return Heartbeat(version=self.version, at=now.at)
        lanes = [lane.view for lane in self._lanes.values() if lane.version > since]
        gates = {view.gate_id for view in lanes}
        return Delta(
            since=since,
            version=self.version,
            at=now.at,
            gates=[gate for gate in self._gates() if gate.gate_id in gates],
            lanes=lanes,
            alarms=list(self._alarms.values()) if self._alarms_version > since else None,
        )

    def snapshot(self, now: Moment) -> Snapshot:
        """Everything."""
        return Snapshot(
            version=self.version,
            at=now.at,
            site=self._site.name,
            gates=self._gates(),
            lanes=[lane.view for lane in self._lanes.values()],
            alarms=list(self._alarms.values()),
        )

    # ---- inside

    def _apply_to_lane(self, lane: _Lane, event: JournalEvent, now: Moment) -> None:
        view = lane.view
        match event:
            case GrantIssued():
                last = LastDecision(event.at, True, Reason.ADMITTED, explain(Reason.ADMITTED))
                self._set(lane, state="awaiting_passage", last=last)
            case PassageConfirmed():
                lane.recent.append(event.at.timestamp())
                self._set(lane, state=lane.lasting, passages=view.passages + 1)
                self._age(lane, now)
            case GrantReleased() | GrantOutcomeUnknown():
                self._set(lane, state=lane.lasting)
            case ScanRefused():
                last = LastDecision(event.at, False, event.reason, explain(event.reason))
                self._set(lane, refusals=view.refusals + 1, last=last)
            case LaneChanged():
                lane.lasting = event.state
                self._set(lane, state=event.state, detail=event.detail)

    def _count(self, event: JournalEvent) -> None:
        figures, lane = self.figures, event.lane_id
        match event:
            case GrantIssued():
                figures.grants[lane] = figures.grants.get(lane, 0) + 1
            case PassageConfirmed():
                figures.passages[lane] = figures.passages.get(lane, 0) + 1
            case GrantReleased():
                figures.released[lane] = figures.released.get(lane, 0) + 1
            case GrantOutcomeUnknown():
                figures.unknown[lane] = figures.unknown.get(lane, 0) + 1
            case ScanRefused():
                key = (lane, str(event.reason))
                figures.refusals[key] = figures.refusals.get(key, 0) + 1
                figures.decision.observe(event.decision_ms)
        if isinstance(event, PassageConfirmed | GrantReleased):
            if event.decision_ms is not None:
                figures.decision.observe(event.decision_ms)
            if event.open_ms is not None:
                figures.scan_to_open.observe(event.open_ms)

    def _age(self, lane: _Lane, now: Moment) -> None:
        horizon = (now.at - RATE_WINDOW).timestamp()
        while lane.recent and lane.recent[0] <= horizon:
            lane.recent.popleft()
        self._set(lane, passages_per_minute=len(lane.recent))

    def _turn_day(self, now: Moment) -> None:
        day = self._local_day(now)
        if day != self._day:
            self._day = day
            for lane in self._lanes.values():
                self._set(lane, passages=0, refusals=0)

    def _local_day(self, now: Moment) -> date:
        return now.at.astimezone(self._site.zone).date()

    def _set(self, lane: _Lane, **changes: object) -> None:
        view = msgspec.structs.replace(lane.view, **changes)
        if view != lane.view:
            self.version += 1
            lane.view, lane.version = view, self.version
            self.figures.lane_states[view.lane_id] = view.state

    def _alarms_changed(self) -> None:
        self.version += 1
        self._alarms_version = self.version
        counts: dict[str, int] = {}
        for alarm in self._alarms.values():
            counts[alarm.severity] = counts.get(alarm.severity, 0) + 1
        self.figures.open_alarms = counts

    def _gates(self) -> list[GateView]:
        views = []
        for gate in self._site.gates:
            lanes = [self._lanes[lane.id].view for lane in gate.lanes]
            queues = [view.queue for view in lanes if view.queue is not None]
            views.append(
                GateView(
                    gate_id=gate.id,
                    name=gate.name,
                    passages=sum(view.passages for view in lanes),
                    passages_per_minute=sum(view.passages_per_minute for view in lanes),
                    queue=sum(queues) if queues else None,
                )
            )
        return views
