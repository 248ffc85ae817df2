"""Incidents: odd scans of one subject grouped into one alert, with rank and evidence. Pure.

A hard rule opens an incident by itself; else the score does, from its threshold on. Everything that follows belongs to the same
incident until its subject was quiet for `QUIET_S`. The score is an argument, so rules go on where there is none.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from resort.alarms import Cause, Evidence
from resort.clock import Moment
from resort.scan_oddities import Oddity, S

QUIET_S = 1_800
KIND_OF_FAMILY = {"ticket": "abnormal_ticket", "codes": "abnormal_codes", "turns": "abnormal_turns"}
NO_SCORE = -1.0


class Incident(msgspec.Struct):
    """One subject's doings. `opened_ns` is when it became an alert; before, it only collects evidence."""

    key: str
    gate_id: str
    lane_id: str
    first_ns: int
    newest_ns: int
    counted: Counter[str] = msgspec.field(default_factory=Counter)
    lanes: set[str] = msgspec.field(default_factory=set)
    score: float = NO_SCORE
    rule: str = ""
    cause: Cause | None = None  # as it stood when the alert was raised

    @property
    def rank(self) -> float:
        """From 0 to 1, for the order in which to look: a hard rule weighs as much as an even chance."""
        return max(self.score, 0.5 if self.rule else 0.0)

    def add(self, odd: Oddity, score: float, threshold: float) -> bool:
        """One more look. Whether this one made it an alert."""
        self.newest_ns = max(self.newest_ns, odd.tick_ns)
        self.counted[odd.group] += 1
        self.lanes.add(odd.lane_id)
        self.score = max(self.score, score)
        self.rule = self.rule or odd.rule
        if self.cause is not None or not (odd.rule or score >= threshold):
            return False
        self.gate_id, self.lane_id = odd.gate_id, odd.lane_id
        family, _, subject = self.key.partition(":")
        key = f"{KIND_OF_FAMILY[family]}:{subject}"
        self.cause = Cause(key, odd.gate_id, odd.lane_id, self._evidence(odd), odd.event_id)
        return True

    def _evidence(self, odd: Oddity) -> Evidence:
        evidence: Evidence = {"rank": round(self.rank, 3), "rule": self.rule or "score"}
        if self.score >= 0:
            evidence["score"] = round(self.score, 3)
        evidence |= {group: number for group, number in sorted(self.counted.items())}
        evidence |= {"at": ", ".join(sorted(self.lanes)[:8]), "over_s": round((self.newest_ns - self.first_ns) / S)}
        return evidence | {"event": odd.event_id}


class IncidentBook:
    """All incidents that are not over. `threshold`: from which score on one is an alert; above 1, only rules alert."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._incidents: dict[str, Incident] = {}

    def add(self, odd: Oddity, score: float = NO_SCORE) -> Incident | None:
        """Take a look with its score (0 to 1). The incident when it became an alert by this one."""
        known = self._incidents.get(odd.key)
        if known is None or odd.tick_ns - known.newest_ns >= QUIET_S * S:
            known = self._incidents[odd.key] = Incident(odd.key, odd.gate_id, odd.lane_id, odd.tick_ns, odd.tick_ns)
        return known if known.add(odd, score, self.threshold) else None

    def is_alert(self, key: str) -> bool:
        """Whether an incident about this subject is an alert now."""
        return key in self._incidents and self._incidents[key].cause is not None

    def holding(self, now: Moment) -> Sequence[Cause]:
        """What is an alert now, the most suspicious first. Forgets what is over."""
        since = now.tick_ns - QUIET_S * S
        self._incidents = {key: one for key, one in self._incidents.items() if one.newest_ns > since}
        alerts = sorted(self._incidents.values(), key=lambda one: -one.rank)
        return [one.cause for one in alerts if one.cause is not None]
