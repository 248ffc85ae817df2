"""The alarm book: which alarms are open, and the events of their edges. Pure.

`AlarmBook` is told what holds now (`resort/alarms.py`, `resort/alarm_levels.py`) and answers the events: raised once when a
cause appears, cleared once when it goes, acknowledged when somebody says so. It remembers nothing that the journal does not
hold: after a restart it learns the journal's alarm events and goes on. Ids of its events follow from what caused them, so that
telling one twice is telling it once.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import TypedDict

import msgspec

from resort.alarms import Cause
from resort.clock import Moment
from resort.errors import NotFound
from resort.ids import EventId, GateId, IdSource, LaneId
from resort.messages import AlarmAcknowledged, AlarmCleared, AlarmEvent, AlarmRaised

BY_WATCH = "watch"  # what caused an alarm that no single event caused
TOLD_KEPT = 10_000  # ids of raised alarms, so that an episode that is over is not raised again from the same event


class _Open(msgspec.Struct):
    raised: AlarmRaised
    acknowledged: AlarmAcknowledged | None = None


class _Head(TypedDict):
    caused_by: str
    at: datetime
    gate_id: GateId
    lane_id: LaneId
    alarm_key: str


class AlarmBook:
    """Open alarms by key. Everything it answers must reach the journal, in its order."""

    def __init__(self, ids: IdSource) -> None:
        self._ids = ids
        self._open: dict[str, _Open] = {}
        self._told: dict[str, None] = {}  # in the order in which they were raised

    def learn(self, event: AlarmEvent) -> None:
        """Take an alarm event of the journal, own ones included: taking one again changes nothing."""
        known = self._open.get(event.alarm_key)
        match event:
            case AlarmRaised():
                if event.event_id not in self._told:
                    self._tell(event.event_id)
                    self._open[event.alarm_key] = _Open(event)
            case AlarmCleared():
                if known is not None and event.caused_by in (known.raised.event_id, BY_WATCH):
                    del self._open[event.alarm_key]
            case AlarmAcknowledged():
                if known is not None and event.caused_by == known.raised.event_id:
                    known.acknowledged = event

    def observe(self, causes: Sequence[Cause], now: Moment) -> list[AlarmEvent]:
        """The events that make the journal agree with `causes`, which must be all that holds now."""
        events: list[AlarmEvent] = []
        present = {cause.alarm_key: cause for cause in causes}
        for cause in present.values():
            if cause.alarm_key not in self._open:
                raised = self._raised(cause, now)
                if raised.event_id not in self._told:
                    self.learn(raised)
                    events.append(raised)
        for known in [known for key, known in self._open.items() if key not in present]:
            raised = known.raised
            cleared = AlarmCleared(**_head(raised, now), event_id=_id("cleared", raised.event_id))
            self.learn(cleared)
            events.append(cleared)
        return events

    def acknowledge(self, alarm_key: str, by: str, note: str, now: Moment) -> AlarmAcknowledged | None:
        """Somebody has seen an open alarm; None when they said the very same before. Raises NotFound when it is not open."""
        known = self._open.get(alarm_key)
        if known is None:
            raise NotFound("open alarm", alarm_key)
        said = _id("acknowledged", known.raised.event_id, by, note)
        if known.acknowledged is not None and known.acknowledged.event_id == said:
            return None
        event = AlarmAcknowledged(**_head(known.raised, now), event_id=said, by=by, note=note)
        self.learn(event)
        return event

    def open_alarms(self) -> list[AlarmRaised]:
        """What is open, in the order in which it was raised."""
        return [known.raised for known in self._open.values()]

    def _raised(self, cause: Cause, now: Moment) -> AlarmRaised:
        trigger = cause.trigger
        event_id = _id("raised", cause.alarm_key, trigger) if trigger else EventId(self._ids.new("alarm"))
        return AlarmRaised(
            event_id=event_id,
            caused_by=trigger or BY_WATCH,
            at=now.at,
            gate_id=GateId(cause.gate_id),
            lane_id=LaneId(cause.lane_id),
            alarm_key=cause.alarm_key,
            severity=cause.severity,
            text=cause.text,
            evidence=cause.evidence,
        )

    def _tell(self, event_id: str) -> None:
        self._told[event_id] = None
        if len(self._told) > TOLD_KEPT:
            del self._told[next(iter(self._told))]


def _head(raised: AlarmRaised, now: Moment) -> _Head:
    """What every event that follows an alarm has in common."""
    return {
        "caused_by": raised.event_id,
        "at": now.at,
        "gate_id": raised.gate_id,
        "lane_id": raised.lane_id,
        "alarm_key": raised.alarm_key,
    }


def _id(what: str, *parts: str) -> EventId:
    return EventId(f"alarm_{sha256('|'.join((what, *parts)).encode()).hexdigest()[:20]}")
