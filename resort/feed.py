"""What a console sees of the site: a snapshot and versioned deltas, made from journal events and lane reports.

Pure: `SiteBoard` takes events, reports and the time, and answers `frame_since(version)`. It stores no secret and no ticket
id, because consoles of every role read it. These types are the wire format of the feed; the front end's types are
generated from them.
"""

from datetime import datetime

import msgspec

from resort.texts import Text


class LookOpen(msgspec.Struct, frozen=True):
    """Staff are to compare two pictures, which are fetched by this id until then. `score`: the likeness, null when unknown."""

    scan_id: str
    until: datetime
    score: float | None = None


class LastDecision(msgspec.Struct, frozen=True):
    """The newest verdict at a lane, with its reason in words."""

    at: datetime
    admitted: bool
    reason: str
    text: Text
    attention: list[str] = []  # what staff should look at as the holder passes, such as `photo`
    height: Text | None = None  # what the lane's height sensor says, where staff should look at it
    look: LookOpen | None = None  # refused until staff have compared his face


class LaneView(msgspec.Struct, frozen=True):
    """One lane as a console shows it."""

    lane_id: str
    gate_id: str
    name: Text
    lane_class: str  # "standard" | "fast"
    state: str  # "starting" | "ready" | "awaiting_passage" | "closed" | "exit" | "faulted" | "released" | "unserved"
    detail: Text  # why it does not serve; empty when it does
    passages: int  # confirmed entries since the day began at this site
    refusals: int
    passages_per_minute: int  # confirmed entries in the last 60 s
    queue: int | None  # persons waiting, from the lane's approach sensor; None without one
    last: LastDecision | None
    policy: str = ""  # of the moment, where the lane tells one


class GateView(msgspec.Struct, frozen=True):
    """One gate: its lanes' sums."""

    gate_id: str
    name: Text
    passages: int
    passages_per_minute: int
    queue: int | None


class AlarmView(msgspec.Struct, frozen=True):
    """One open alarm, and who has seen it."""

    alarm_key: str
    severity: str
    gate_id: str
    lane_id: str
    text: Text
    since: datetime
    evidence: dict[str, str | int | float] = {}  # what was counted, and the threshold
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    note: str = ""


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot", tag_field="type"):
    """Everything, at `version`."""

    version: int
    at: datetime
    site: Text
    gates: list[GateView]
    lanes: list[LaneView]
    alarms: list[AlarmView]
    timezone: str = "UTC"  # of the site, an IANA name: times of day are shown in it


class Delta(msgspec.Struct, frozen=True, tag="delta", tag_field="type"):
    """What changed after `since` up to `version`: whole views of changed gates and lanes; alarms whole when they changed."""

    since: int
    version: int
    at: datetime
    gates: list[GateView]
    lanes: list[LaneView]
    alarms: list[AlarmView] | None


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat", tag_field="type"):
    """Nothing changed; the feed is alive and stands at `version`."""

    version: int
    at: datetime


FeedFrame = Snapshot | Delta | Heartbeat
