"""The orchestrator's watch over the site: wanted against seen, and the alarms that follow. Pure.

`AlarmBook` is told what holds now and answers the events of the edges: raised once when a cause appears, cleared once when it
goes. It remembers only which alarms are open, and that it is given back after a restart.
"""

from collections.abc import Iterable, Sequence

import msgspec

from resort.clock import Moment
from resort.ids import EventId, GateId, IdSource, LaneId
from resort.messages import AlarmCleared, AlarmRaised
from resort.texts import Text

UNSERVED_TEXT = Text("通道无人管理 (程序未响应)", "Nobody serves this lane: its program does not answer")
FAULTED_TEXT = Text("闸机故障或失联", "The turnstile is faulted or cannot be reached")
RELEASED_TEXT = Text("消防释放已触发, 通道自由通行", "Fire release is asserted: the lane turns freely")
GATE_SILENT_TEXT = Text("闸口程序未响应", "The gate's program does not answer")
JOURNAL_TEXT = Text("日志暂时无法写入, 事件正在排队", "The journal cannot be written; events are waiting")

# What a lane's seen state means for the alarms: severity and text; other states raise none.
LANE_ALARMS: dict[str, tuple[str, Text]] = {
    "unserved": ("critical", UNSERVED_TEXT),
    "faulted": ("warning", FAULTED_TEXT),
    "released": ("critical", RELEASED_TEXT),
}


class Cause(msgspec.Struct, frozen=True):
    """Something that holds now and deserves an alarm."""

    alarm_key: str
    severity: str
    gate_id: str
    lane_id: str
    text: Text


def lane_cause(gate_id: str, lane_id: str, state: str) -> Cause | None:
    """The alarm that a lane in `state` deserves, if any."""
    known = LANE_ALARMS.get(state)
    if known is None:
        return None
    severity, text = known
    return Cause(f"lane_{state}:{lane_id}", severity, gate_id, lane_id, text)


def gate_silent(gate_id: str) -> Cause:
    """The alarm for a gate whose actor does not answer."""
    return Cause(f"gate_silent:{gate_id}", "critical", gate_id, "", GATE_SILENT_TEXT)


def journal_stuck() -> Cause:
    """The alarm for a journal that cannot be written."""
    return Cause("journal_stuck", "critical", "", "", JOURNAL_TEXT)


class AlarmBook:
    """Open alarms by key."""

    def __init__(self, ids: IdSource, open_alarms: Iterable[tuple[str, str, str]] = ()) -> None:
        """`open_alarms`: key, gate and lane of the alarms that were open when the last book was lost."""
        self._ids = ids
        self._open = {key: (gate_id, lane_id) for key, gate_id, lane_id in open_alarms}

    def observe(self, causes: Sequence[Cause], now: Moment) -> list[AlarmRaised | AlarmCleared]:
        """The events that make the journal agree with `causes`, which must be all that holds now."""
        events: list[AlarmRaised | AlarmCleared] = []
        present = {cause.alarm_key: cause for cause in causes}
        for key, cause in present.items():
            if key not in self._open:
                self._open[key] = (cause.gate_id, cause.lane_id)
                events.append(
                    AlarmRaised(
                        event_id=EventId(self._ids.new("event")),
                        caused_by="watch",
                        at=now.at,
                        gate_id=GateId(cause.gate_id),
                        lane_id=LaneId(cause.lane_id),
                        alarm_key=key,
                        severity=cause.severity,
                        text=cause.text,
                    )
                )
        for key in [key for key in self._open if key not in present]:
            gate_id, lane_id = self._open.pop(key)
            events.append(
                AlarmCleared(
                    event_id=EventId(self._ids.new("event")),
                    caused_by="watch",
                    at=now.at,
                    gate_id=GateId(gate_id),
                    lane_id=LaneId(lane_id),
                    alarm_key=key,
                )
            )
        return events
