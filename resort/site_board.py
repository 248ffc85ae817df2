"""The board behind the feed: journal events and lane reports in, snapshots and deltas out. Pure.

A version is a number that grows by at least one with each change and starts at the wall clock's milliseconds, so that a board
that was built anew never answers an old console with a delta that skips something.
"""

from collections import deque
from collections.abc import Mapping
from datetime import date, timedelta

import msgspec

from resort.access.codes import STEP_S
from resort.access.height_flag import height_note
from resort.access.reasons import Reason, explain
from resort.alarms import kind_of
from resort.clock import Moment
from resort.feed import AlarmView, Delta, FeedFrame, GateView, Heartbeat, LaneView, LastDecision, LookOpen, Snapshot
from resort.figures import SiteFigures
from resort.lane_words import lane_words
from resort.messages import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmEvent,
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

NUMBERS_KEPT = 1_024
OVER_KEPT = 10_000
RATE_WINDOW = timedelta(seconds=60)
UNSERVED = "unserved"  # no report of the lane for too long


class LaneSeen(msgspec.Struct, frozen=True):
    """What a gate last heard of a lane. `state` is "unserved" when it heard nothing for too long."""

    state: str
    detail: str
    waiting: int | None
    policy: str = ""


class LaneTotals(msgspec.Struct, frozen=True):
    """Counts of a lane since the site's day began, from SQL."""

    passages: int
    refusals: int


class _Lane(msgspec.Struct):
    view: LaneView
    version: int
    recent: deque[float]  # unix seconds of passages within the window
    lasting: str = "starting"  # the state behind a guest's grant
    numbers: "_Numbers" = msgspec.field(default_factory=lambda: _Numbers())


class _Numbers:
    """The numbers of a lane's newest events: which of its events were taken already, and which one is the newest."""

    def __init__(self) -> None:
        self.highest = 0
        self._newest: deque[int] = deque(maxlen=NUMBERS_KEPT)
        self._known: set[int] = set()

    def take(self, number: int) -> bool:
        """Whether the event with this number is new. One that is older than all that are remembered is not."""
        newest = self._newest
        if number in self._known or (len(newest) == NUMBERS_KEPT and number < newest[0]):
            return False
        if len(newest) == NUMBERS_KEPT:
            self._known.discard(newest[0])
        newest.append(number)
        self._known.add(number)
        self.highest = max(self.highest, number)
        return True


class _Alarm(msgspec.Struct):
    raised_id: str
    view: AlarmView


class SiteBoard:
    """Everything that consoles see, with a version per lane and gate."""

    def __init__(self, site: Site, totals: Mapping[str, LaneTotals], now: Moment) -> None:
        self.version = int(now.at.timestamp() * 1000)
        self.figures = SiteFigures()
        self._oldest = self.version
        self._site = site
        self._measured = {lane.id for _, lane in site.lanes() if lane.height}  # lanes with a height sensor
        self._day = self._local_day(now)
        self._lanes: dict[str, _Lane] = {}
        self._alarms: dict[str, _Alarm] = {}
        self._over: dict[str, None] = {}  # ids of alarms that were cleared, lest one that is told late opens for ever
        self._alarms_version = self.version
        for gate, lane in site.lanes():
            total = totals.get(lane.id, LaneTotals(0, 0))
            view = LaneView(
                lane_id=lane.id,
                gate_id=gate.id,
                name=lane.name,
                lane_class=lane.lane_class,
                state="starting",
                detail=lane_words(""),
                passages=total.passages,
                refusals=total.refusals,
                passages_per_minute=0,
                queue=None,
                last=None,
            )
            self._lanes[lane.id] = _Lane(view, self.version, deque())

    # ---- in

    def apply(self, event: JournalEvent, now: Moment) -> None:
        """Take a journal event. One that was taken before, by another way, is dropped by its lane's number; one that comes
        after newer ones of its lane counts, but does not change what the lane shows."""
        if isinstance(event, AlarmEvent):
            self._apply_alarm(event)
            return
        lane = self._lanes.get(event.lane_id)
        if lane is not None and event.lane_seq and not lane.numbers.take(event.lane_seq):
            return
        self._count(event)
        if lane is not None:
            shown = lane.view, lane.lasting
            self._apply_to_lane(lane, event, now)
            if event.lane_seq < lane.numbers.highest and event.lane_seq:
                view, lane.lasting = shown
                self._set(lane, state=view.state, detail=view.detail, last=view.last)

    def report(self, seen: Mapping[str, LaneSeen], now: Moment) -> None:
        """Take what the gates heard of their lanes, and let the passage rates age."""
        self._turn_day(now)
        for lane_id, lane in self._lanes.items():
            self._age(lane, now)
            report = seen.get(lane_id)
            if report is None:
                continue
            self._set(lane, queue=report.waiting, policy=report.policy)
            # Reports are up to two seconds old, events are not: a report's state counts only where events say nothing.
            if report.state == UNSERVED or lane.view.state in ("starting", UNSERVED):
                self._set(lane, state=report.state, detail=lane_words(report.detail))
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
            alarms=self._alarm_views() if self._alarms_version > since else None,
        )

    def snapshot(self, now: Moment) -> Snapshot:
        """Everything."""
        return Snapshot(
            version=self.version,
            at=now.at,
            site=self._site.name,
            gates=self._gates(),
            lanes=[lane.view for lane in self._lanes.values()],
            alarms=self._alarm_views(),
            timezone=self._site.timezone,
        )

    # ---- inside

    def _apply_alarm(self, event: AlarmEvent) -> None:
        known = self._alarms.get(event.alarm_key)
        match event:
            case AlarmRaised():
                if event.event_id in self._over or (known is not None and known.raised_id == event.event_id):
                    return
                raised = self.figures.alarms_raised
                kind = kind_of(event.alarm_key)
                raised[kind] = raised.get(kind, 0) + 1
                view = AlarmView(
                    event.alarm_key, event.severity, event.gate_id, event.lane_id, event.text, event.at, event.evidence
                )
                self._alarms[event.alarm_key] = _Alarm(event.event_id, view)
            case AlarmCleared():
                self._over[event.caused_by] = None
                if len(self._over) > OVER_KEPT:
                    del self._over[next(iter(self._over))]
                if known is None or event.caused_by not in (known.raised_id, "watch"):
                    return
                del self._alarms[event.alarm_key]
            case AlarmAcknowledged():
                if known is None or event.caused_by != known.raised_id:
                    return
                known.view = msgspec.structs.replace(
                    known.view, acknowledged_by=event.by, acknowledged_at=event.at, note=event.note
                )
        self._alarms_changed()

    def _alarm_views(self) -> list[AlarmView]:
        return [alarm.view for alarm in self._alarms.values()]

    def _apply_to_lane(self, lane: _Lane, event: JournalEvent, now: Moment) -> None:
        view = lane.view
        match event:
            case GrantIssued():
                note = height_note(event, self._site.heights, measured=event.lane_id in self._measured)
                last = LastDecision(event.at, True, Reason.ADMITTED, explain(Reason.ADMITTED), list(event.attention), note)
                self._set(lane, state="awaiting_passage", last=last)
            case PassageConfirmed():
                lane.recent.append(event.at.timestamp())
                self._set(lane, state=lane.lasting, passages=view.passages + 1)
                self._age(lane, now)
            case GrantReleased() | GrantOutcomeUnknown():
                self._set(lane, state=lane.lasting)
            case ScanRefused():
                last = LastDecision(event.at, False, event.reason, explain(event.reason), look=self._look(event))
                self._set(lane, refusals=view.refusals + 1, last=last)
            case LaneChanged():
                lane.lasting = event.state
                self._set(lane, state=event.state, detail=lane_words(event.detail))

    def _look(self, refused: ScanRefused) -> LookOpen | None:
        if refused.reason is not Reason.FACE_UNSURE or self._site.faces is None:
            return None
        until = refused.at + timedelta(seconds=self._site.faces.look_s)
        return LookOpen(refused.scan_id, until, None if refused.face is None else refused.face.score)

    def _count(self, event: JournalEvent) -> None:
        figures, lane = self.figures, event.lane_id
        match event:
            case GrantIssued():
                figures.grants[lane] = figures.grants.get(lane, 0) + 1
                self._drift(event)
            case PassageConfirmed():
                figures.passages[lane] = figures.passages.get(lane, 0) + 1
            case GrantReleased():
                figures.released[lane] = figures.released.get(lane, 0) + 1
            case GrantOutcomeUnknown():
                figures.unknown[lane] = figures.unknown.get(lane, 0) + 1
            case ScanRefused():
                key = (lane, str(event.reason))
                figures.refusals[key] = figures.refusals.get(key, 0) + 1
                self._drift(event)
                figures.decision.observe(event.decision_ms)
        if isinstance(event, PassageConfirmed | GrantReleased):
            if event.decision_ms is not None:
                figures.decision.observe(event.decision_ms)
            if event.open_ms is not None:
                figures.scan_to_open.observe(event.open_ms)

    def _drift(self, event: GrantIssued | ScanRefused) -> None:
        """How far the phone's clock was from the lane's, where a rotating code tells it."""
        if event.step:
            self.figures.code_drift.observe(event.steps_off * STEP_S * 1000.0)

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
        for alarm in self._alarm_views():
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
