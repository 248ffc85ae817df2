"""What is odd in the stream of scans, and in figures how odd: one row for each scan or turn that deserves a second look. Pure.

Most scans are not looked at. Those that are get a row of `COLUMNS` about their subject (a ticket, the unknown codes at a gate,
the ungranted turns at a gate) and the name of a hard rule, where physics or a plain count decides. What is made of them stands
in `resort/incidents.py`; a ticket is known by its mark only.
"""

from collections import deque
from typing import NamedTuple

import msgspec

from resort.access.reasons import Reason
from resort.alarms import mark_of
from resort.clock import Moment
from resort.messages import GrantIssued, GrantReleased, JournalEvent, PassageUncontrolled, ScanRefused

GROUPS = ("used", "soon", "status", "stale", "unknown", "foreign", "travel", "quick", "turns")
GROUP_OF = {
    Reason.ALREADY_USED: "used",
    Reason.IN_USE: "used",
    Reason.TOO_SOON: "soon",
    Reason.STILL_INSIDE: "soon",
    Reason.BLOCKED: "status",
    Reason.REVOKED: "status",
    Reason.REFUNDED: "status",
    Reason.TRANSFERRED: "status",
    Reason.STALE_CODE: "stale",
    Reason.CODE_REPLAYED: "stale",
    Reason.FORGED_CODE: "unknown",
    Reason.UNKNOWN_TICKET: "unknown",
    Reason.MALFORMED_CODE: "foreign",
    Reason.IMPOSSIBLE_TRAVEL: "travel",
}
COLUMNS = (
    *(f"{group}_60m" for group in GROUPS),
    *(
        "odd_4m",
        "odd_10m",
        "odd_60m",
        "odd_180m",
        "lanes_10m",
        "lanes_180m",
        "gates_10m",
        "gates_180m",
        "episodes_180m",
        "spent_gates",
    ),
    *("marks_4m", "marks_10m", "grants_60m", "since_grant_s", "same_gate", "company_60s", "steps_off", "family"),
)
FAMILIES = ("ticket", "codes", "turns")
S = 1_000_000_000
MEMORY_NS = 180 * 60 * S
EPISODE_NS = 120 * S  # oddities of one ticket that are closer are one episode: the same attempt, tried again
QUICK_NS = 180 * S  # nobody rides a lift and is back at its gate in less
NEVER_S = 3_600.0
# Hard rules: how many, within which of the windows above.
GUESSED_MARKS, UNGRANTED_TURNS, QUICK_PASSES, EPISODES, PLACES = 4, 3, 2, 3, 2


class Oddity(NamedTuple):
    """One look at a subject. `rule` is empty where no hard rule decides."""

    key: str  # family and subject: ticket:<mark>, codes:<gate>, turns:<gate>
    gate_id: str
    lane_id: str
    group: str
    tick_ns: int
    event_id: str
    rule: str
    row: tuple[float, ...]


class _Odd(NamedTuple):
    tick_ns: int
    gate_id: str
    lane_id: str
    group: str
    mark: str
    number: int


class _Pass(NamedTuple):
    tick_ns: int
    gate_id: str
    grant_id: str


class _Shown(msgspec.Struct):
    step: int
    gate_id: str
    tick_ns: int


class Oddities:
    """Takes events in their order; remembers three hours. `forget` now and then."""

    def __init__(self) -> None:
        self._odd: dict[str, deque[_Odd]] = {}
        self._passes: dict[str, deque[_Pass]] = {}  # by mark
        self._grants: dict[str, str] = {}  # mark by grant id, while it may still be released
        self._shown: dict[str, _Shown] = {}
        self._company: dict[str, deque[tuple[int, str]]] = {}  # tickets that were odd, by gate

    def take(self, event: JournalEvent, now: Moment) -> Oddity | None:
        """One event as having come at `now`; a look where it is odd."""
        match event:
            case GrantIssued():
                return self._on_grant(event, now.tick_ns)
            case GrantReleased():
                passes = self._passes.get(self._grants.pop(event.grant_id, ""))
                if passes and passes[-1].grant_id == event.grant_id:
                    passes.pop()
            case ScanRefused():
                return self._on_refused(event, now.tick_ns)
            case PassageUncontrolled() if event.cause in ("tailgating", "forced", "no_grant"):
                odd = _Odd(now.tick_ns, event.gate_id, event.lane_id, "turns", "", event.rotations)
                return self._look(f"turns:{event.gate_id}", odd, event.event_id, 0, copied=False)
        return None

    def forget(self, now: Moment) -> None:
        """Drop what is older than the longest window."""
        since = now.tick_ns - MEMORY_NS
        self._odd = {key: odd for key, odd in self._odd.items() if odd[-1].tick_ns >= since}
        self._passes = {mark: passes for mark, passes in self._passes.items() if passes and passes[-1].tick_ns >= since}
        self._shown = {mark: shown for mark, shown in self._shown.items() if shown.tick_ns >= since}
        self._grants = {grant: mark for grant, mark in self._grants.items() if mark in self._passes}

    def _on_grant(self, event: GrantIssued, tick_ns: int) -> Oddity | None:
        if event.ticket_id is None:
            return None
        mark = mark_of(event.ticket_id)
        copied = self._show(mark, event.step, event.gate_id, tick_ns)
        passes = self._passes.setdefault(mark, deque(maxlen=16))
        quick = event.member == 1 and bool(passes) and tick_ns - passes[-1].tick_ns < QUICK_NS and event.party == 1
        seen = None
        if quick or copied:
            odd = _Odd(tick_ns, event.gate_id, event.lane_id, "quick", "", 1)
            seen = self._look(f"ticket:{mark}", odd, event.event_id, event.steps_off, copied=copied)
        passes.append(_Pass(tick_ns, event.gate_id, event.event_id))
        self._grants[event.event_id] = mark
        return seen

    def _on_refused(self, event: ScanRefused, tick_ns: int) -> Oddity | None:
        group = GROUP_OF.get(event.reason)
        if group is None:
            return None
        if group in ("unknown", "foreign") or event.ticket_id is None:
            mark = event.code_mark or (mark_of(event.ticket_id) if event.ticket_id is not None else event.scan_id)
            odd = _Odd(tick_ns, event.gate_id, event.lane_id, group, mark, 1)
            return self._look(f"codes:{event.gate_id}", odd, event.event_id, 0, copied=False)
        mark = mark_of(event.ticket_id)
        copied = self._show(mark, event.step, event.gate_id, tick_ns)
        odd = _Odd(tick_ns, event.gate_id, event.lane_id, group, "", 1)
        return self._look(f"ticket:{mark}", odd, event.event_id, event.steps_off, copied=copied)

    def _show(self, mark: str, step: int, gate_id: str, tick_ns: int) -> bool:
        """Whether this step of a rotating code was at another gate within a minute: a phone is at one place."""
        if not step:
            return False
        known = self._shown.get(mark)
        self._shown[mark] = _Shown(step, gate_id, tick_ns)
        return known is not None and known.step == step and known.gate_id != gate_id and tick_ns - known.tick_ns < 60 * S

    def _look(self, key: str, odd: _Odd, event_id: str, steps_off: int, *, copied: bool) -> Oddity:
        past = self._odd.setdefault(key, deque(maxlen=400))
        past.append(odd)
        while past[0].tick_ns < odd.tick_ns - MEMORY_NS:
            past.popleft()
        company = self._company.setdefault(odd.gate_id, deque(maxlen=200))
        others = {other for tick_ns, other in company if other != key and odd.tick_ns - tick_ns < 60 * S}
        if key.startswith("ticket:"):
            company.append((odd.tick_ns, key))
        row = self._row(key, past, odd, len(others), steps_off)
        rule = "copied" if copied else _rule(dict(zip(COLUMNS, row, strict=True)), odd.group)
        return Oddity(key, odd.gate_id, odd.lane_id, odd.group, odd.tick_ns, event_id, rule, row)

    def _row(self, key: str, past: deque[_Odd], odd: _Odd, company: int, steps_off: int) -> tuple[float, ...]:
        family, _, mark = key.partition(":")
        four, ten, hour = (_since(past, odd.tick_ns - minutes * 60 * S) for minutes in (4, 10, 60))
        counted = dict.fromkeys(GROUPS, 0)
        for one in hour:
            counted[one.group] += one.number
        episodes, last = 0, -MEMORY_NS
        for one in past:
            episodes += one.tick_ns - last > EPISODE_NS
            last = one.tick_ns
        passes = self._passes.get(mark, ()) if family == "ticket" else ()
        newest = passes[-1] if passes else None
        return (
            *(float(value) for value in counted.values()),
            *(float(sum(one.number for one in window)) for window in (four, ten, hour, past)),
            *(float(len({one.lane_id for one in window})) for window in (ten, past)),
            *(float(len({one.gate_id for one in window})) for window in (ten, past)),
            float(episodes),
            float(len({one.gate_id for one in past if one.group in ("used", "status")})),
            *(float(len({one.mark for one in window if one.group == "unknown"})) for window in (four, ten)),
            float(sum(one.tick_ns >= odd.tick_ns - 3_600 * S for one in passes)),
            NEVER_S if newest is None else min(NEVER_S, (odd.tick_ns - newest.tick_ns) / S),
            float(newest is not None and newest.gate_id == odd.gate_id),
            float(company),
            float(abs(steps_off)),
            float(FAMILIES.index(family)),
        )


def _since(past: deque[_Odd], tick_ns: int) -> list[_Odd]:
    return [one for one in past if one.tick_ns >= tick_ns]


def _rule(seen: dict[str, float], group: str) -> str:
    """The hard rule that a row meets, or nothing."""
    if seen["family"] == FAMILIES.index("codes"):
        return "guessing" if seen["marks_10m"] >= GUESSED_MARKS else ""
    if seen["family"] == FAMILIES.index("turns"):
        return "turns" if seen["odd_4m"] >= UNGRANTED_TURNS else ""
    if group == "travel":
        return "travel"
    if seen["quick_60m"] >= QUICK_PASSES:
        return "quick"
    if group == "stale":  # an old picture of a code is an honest mistake, however often
        return ""
    if seen["spent_gates"] >= PLACES and seen["odd_180m"] >= EPISODES:
        return "places"
    return "repeated" if seen["episodes_180m"] >= EPISODES else ""
