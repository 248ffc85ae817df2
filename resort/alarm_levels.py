"""Alarms about states: lanes, gates, ledger and journal as they are seen each second. Pure.

`LevelAlarms` is told what is seen now and answers which causes hold, with hysteresis: a state has to stay a while before
it is an alarm, and gone for a while before that is over. What cannot be seen now stays as it was.
"""

import msgspec

from resort.alarms import Cause, Evidence
from resort.clock import Moment
from resort.crowd import AreaView
from resort.lane_words import lane_words
from resort.site import AlarmLimits

LEVEL_KINDS = frozenset(
    {
        "lane_unserved",
        "lane_faulted",
        "lane_released",
        "turnstile_tamper",
        "reader_silent",
        "camera_blind",
        "sensor_silent",
        "area_filling",
        "area_full",
        "lane_clock",
        "spool_filling",
        "gate_silent",
        "gate_cut_off",
        "ledger_away",
        "journal_stuck",
    }
)


class LaneSight(msgspec.Struct, frozen=True):
    """What the watch sees of one lane. None: the lane or its gate does not tell."""

    gate_id: str
    lane_id: str
    state: str  # as consoles show it
    detail: str = ""
    tamper: bool | None = None
    reader_silent_s: float | None = None
    clock_skew_ms: float | None = None  # the lane's clock less its gate's
    spool_percent: float | None = None
    camera: str = ""  # `clear`, or how it sees badly; "": there is none, or it cannot be told


class GateSight(msgspec.Struct, frozen=True):
    """What the watch sees of one gate: whether it answers, and where its lanes decide (`ledger`, `home`, `held`, `alone`)."""

    gate_id: str
    answers: bool
    route: str = ""
    detail: str = ""


class SiteSight(msgspec.Struct, frozen=True):
    """What the watch sees of the centre. None: it cannot tell."""

    ledger_answers: bool | None
    journal_problem: str | None
    detail: str = ""


class SensorSight(msgspec.Struct, frozen=True):
    """What is seen of one people sensor."""

    name: str
    gate_id: str
    silent_s: float
    entered: int | None = None  # persons, as the sensor's newest count has them
    waiting: int | None = None
    left: int | None = None


class _Level(msgspec.Struct):
    cause: Cause
    since_ns: int  # seen without interruption since
    seen_ns: int
    held: bool = False


class LevelAlarms:
    """Remembers since when each state was seen. Give it back what was open before a restart with `resume`."""

    def __init__(self, limits: AlarmLimits) -> None:
        self._limits = limits
        self._levels: dict[str, _Level] = {}

    def resume(self, causes: list[Cause], now: Moment) -> None:
        """Alarms about states that were open when the watch was lost: they hold until they are seen to be over."""
        for cause in causes:
            self._levels[cause.alarm_key] = _Level(cause, now.tick_ns, now.tick_ns, held=True)

    def see_lane(self, sight: LaneSight, now: Moment) -> None:
        """Take a lane as it is seen now."""
        limits, state = self._limits, sight.state
        served = state != "unserved"
        unserved: Evidence = {**_told("detail", sight.detail), "threshold_s": limits.unserved_after_s}
        self._see(_of_lane("lane_unserved", sight, unserved), not served, now, limits.unserved_after_s)
        for kind, bad in (("lane_faulted", "faulted"), ("lane_released", "released")):
            # An unserved lane tells nothing of its turnstile.
            self._see(_of_lane(kind, sight, _told("detail", sight.detail)), state == bad if served else None, now)
        self._see(_of_lane("turnstile_tamper", sight, {}), sight.tamper if served else None, now)
        silent_s = sight.reader_silent_s if served else None
        evidence: Evidence = {"silent_s": round(silent_s or 0.0), "threshold_s": limits.reader_silent_s}
        silent = None if silent_s is None else silent_s >= limits.reader_silent_s
        self._see(_of_lane("reader_silent", sight, evidence), silent, now)
        evidence = {**_told("view", sight.camera), "threshold_s": limits.camera_blind_s}
        # Lights may be out where nobody is let in.
        blind = None if not served or not sight.camera else sight.camera != "clear" and state != "closed"
        self._see(_of_lane("camera_blind", sight, evidence), blind, now, limits.camera_blind_s)
        skew_ms = sight.clock_skew_ms if served else None
        evidence = {"skew_ms": round(skew_ms or 0.0), "threshold_ms": limits.clock_skew_ms}
        skewed = None if skew_ms is None else abs(skew_ms) >= limits.clock_skew_ms
        self._see(_of_lane("lane_clock", sight, evidence), skewed, now)
        percent = sight.spool_percent if served else None
        evidence = {"percent": round(percent or 0.0), "threshold": limits.spool_percent}
        full = None if percent is None else percent >= limits.spool_percent
        self._see(_of_lane("spool_filling", sight, evidence), full, now)

    def see_gate(self, sight: GateSight, now: Moment) -> None:
        """Take a gate as it is seen now. Its lanes are not touched: see them only when it answers."""
        self._see(Cause(f"gate_silent:{sight.gate_id}", sight.gate_id, ""), not sight.answers, now)
        alone = sight.route == "alone" if sight.answers and sight.route else None
        self._see(Cause(f"gate_cut_off:{sight.gate_id}", sight.gate_id, "", _told("detail", sight.detail)), alone, now)

    def see_site(self, sight: SiteSight, now: Moment) -> None:
        """Take the ledger and the journal as they are seen now."""
        limits = self._limits
        away = None if sight.ledger_answers is None else not sight.ledger_answers
        evidence: Evidence = {"threshold_s": limits.ledger_away_s, **_told("detail", sight.detail)}
        self._see(Cause("ledger_away", "", "", evidence), away, now, limits.ledger_away_s)
        stuck = None if sight.journal_problem is None else bool(sight.journal_problem)
        evidence = {"threshold_s": limits.journal_stuck_s, **_told("detail", sight.journal_problem or "")}
        self._see(Cause("journal_stuck", "", "", evidence), stuck, now, limits.journal_stuck_s)

    def see_sensor(self, sight: SensorSight, now: Moment) -> None:
        """Take a people sensor as it is seen now."""
        limit_s = self._limits.sensor_silent_s
        evidence: Evidence = {"silent_s": round(sight.silent_s), "threshold_s": limit_s}
        self._see(Cause(f"sensor_silent:{sight.name}", sight.gate_id, "", evidence), sight.silent_s >= limit_s, now)

    def see_area(self, area: AreaView, now: Moment) -> None:
        """Take an area as it is seen now; one that is not known stays as it was. A full one is no longer only filling."""
        evidence: Evidence = {"area": area.name.en, "area_zh": area.name.zh, "limit": area.limit}
        if area.persons is not None:
            evidence["persons"] = area.persons
        if area.full_in_s:
            evidence["full_in_s"] = round(area.full_in_s)
        for kind, level in (("area_filling", "filling"), ("area_full", "full")):
            present = None if area.persons is None else area.level == level
            self._see(Cause(f"{kind}:{area.area_id}", "", "", evidence), present, now)

    def holding(self) -> list[Cause]:
        """What holds now."""
        return [level.cause for level in self._levels.values() if level.held]

    def _see(self, cause: Cause, present: bool | None, now: Moment, after_s: int = 0) -> None:
        level = self._levels.get(cause.alarm_key)
        if present is None:
            if level is not None:  # unseen time counts neither for nor against it
                level.seen_ns = now.tick_ns
            return
        if present:
            if level is None:
                level = self._levels[cause.alarm_key] = _Level(cause, now.tick_ns, now.tick_ns)
            level.seen_ns = now.tick_ns
            if not level.held and now.tick_ns - level.since_ns >= after_s * 1_000_000_000:
                level.cause, level.held = cause, True
        elif level is not None and (
            not level.held or now.tick_ns - level.seen_ns >= self._limits.clear_after_s * 1_000_000_000
        ):
            del self._levels[cause.alarm_key]


def _of_lane(kind: str, sight: LaneSight, evidence: Evidence) -> Cause:
    return Cause(f"{kind}:{sight.lane_id}", sight.gate_id, sight.lane_id, evidence)


def _told(name: str, english: str) -> Evidence:
    """Words of a part as evidence, in Chinese beside them under `<name>_zh` where they are known."""
    words = lane_words(english)
    return {name: english} if words.zh == english else {name: english, f"{name}_zh": words.zh}
