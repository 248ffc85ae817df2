"""Alarms that journal events tell: every kind with its words, and the detectors that count evidence. Pure.

`EventAlarms` takes each event once, with the moment at which it counts, and answers which causes hold now. What follows from
states (a lane that nobody serves) is in `resort/alarm_levels.py`; edges and acknowledgement are in `orchestrator/watch.py`.
Nothing here names a ticket: alarms are shown to staff of every role. docs/alarms.md lists what this file does.
"""

from collections import deque
from collections.abc import Iterable
from hashlib import sha256
from statistics import median
from typing import NamedTuple

import msgspec

from resort.access.reasons import Reason, explain
from resort.clock import NS_PER_MS, Moment
from resort.messages import (
    AdmissionConflict,
    GrantIssued,
    GrantReleased,
    JournalEvent,
    PassageUncontrolled,
    ScanRefused,
)
from resort.site import AlarmLimits, Severity
from resort.texts import Text

Evidence = dict[str, str | int | float]

# Codes that nobody should hold up. Wrong day or already used is a guest's mistake, and no reason for an alarm.
INVALID_REASONS = frozenset(
    {
        Reason.FORGED_CODE,
        Reason.MALFORMED_CODE,
        Reason.UNKNOWN_TICKET,
        Reason.STALE_CODE,
        Reason.CODE_REPLAYED,
        Reason.WRONG_MEDIUM,
        Reason.BLOCKED,
        Reason.REVOKED,
        Reason.REFUNDED,
        Reason.TRANSFERRED,
    }
)
# The lane is the reason: the guest rightly goes on to the next one.
LANE_REASONS = frozenset(
    {
        Reason.UNREADABLE,
        Reason.LANE_CLOSED,
        Reason.LANE_BUSY,
        Reason.LANE_RELEASED,
        Reason.EXIT_LANE,
        Reason.LEDGER_UNAVAILABLE,
        Reason.TURNSTILE_UNAVAILABLE,
        Reason.SPOOL_FULL,
        Reason.WRONG_LANE,
        Reason.WRONG_PLACE,
    }
)


class Kind(msgspec.Struct, frozen=True):
    """One kind of alarm: how grave it is, and its sentence."""

    severity: Severity
    text: Text


KINDS: dict[str, Kind] = {
    "invalid_scans": Kind("warning", Text("此通道连续出现无效票码", "Invalid codes are held up again and again at this lane")),
    "code_at_many_lanes": Kind("warning", Text("同一票码在多个通道尝试", "One code was tried at many lanes")),
    "cloned_code": Kind("critical", Text("票码疑似被复制", "One code was shown at two places at once: it seems copied")),
    "forced_arm": Kind("critical", Text("转臂被强行通过", "The locked arm was forced")),
    "tailgating": Kind("warning", Text("尾随通行: 一次放行多人通过", "Tailgating: more persons passed than were admitted")),
    "turn_without_grant": Kind("warning", Text("未经放行的通行", "The arm turned without a grant")),
    "turn_unobserved": Kind("info", Text("程序离线期间有人通过", "The arm turned while the lane's program was away")),
    "soft_passback": Kind("info", Text("持票人未离开又再次入场", "A ticket was admitted again although its holder never left")),
    "admission_conflict": Kind(
        "critical", Text("断网期间同一张票被多次放行", "A ticket was admitted too often, by gates that were cut off")
    ),
    "abnormal_ticket": Kind(
        "warning", Text("此票的使用方式异常, 疑似共用或复制", "A ticket is used as one person would not: shared or copied?")
    ),
    "abnormal_codes": Kind(
        "warning", Text("此闸口疑似有人试猜票码", "Codes that were never issued are tried at this gate: guessing?")
    ),
    "abnormal_turns": Kind(
        "warning", Text("此闸口多次出现未放行的通行", "This gate's arms turned again and again without a grant")
    ),
    "scan_drift": Kind(
        "info", Text("扫码异常的样子与训练数据不同, 评分可能不准", "Odd scans are unlike those the score learnt: trust it less")
    ),
    "clock_skew": Kind("warning", Text("此通道与手机时间普遍不符", "Phones' clocks and this lane's disagree")),
    "lane_clock": Kind("warning", Text("通道时钟不准", "The lane's clock is not its gate's")),
    "lane_unserved": Kind(
        "critical", Text("通道无人管理 (程序未响应)", "Nobody serves this lane: its program does not answer")
    ),
    "lane_faulted": Kind("warning", Text("闸机故障或失联", "The turnstile is faulted or cannot be reached")),
    "turnstile_tamper": Kind("critical", Text("闸机被拆动", "The turnstile is being tampered with")),
    "lane_released": Kind("critical", Text("消防释放已触发, 通道自由通行", "Fire release is asserted: the lane turns freely")),
    "reader_silent": Kind("warning", Text("读码器没有画面或失联", "The code reader sends nothing or cannot be reached")),
    "camera_blind": Kind(
        "warning", Text("摄像头看不清: 镜头脏, 太暗或逆光", "The code camera sees badly: dirty lens, too dark, or glare")
    ),
    "sensor_silent": Kind("info", Text("客流计数器没有数据", "A people sensor sends nothing")),
    "area_filling": Kind("warning", Text("区域人数接近上限", "An area is filling up: it will soon hold as many as it may")),
    "area_full": Kind("critical", Text("区域人数已达上限", "An area holds as many persons as it may")),
    "spool_filling": Kind("critical", Text("通道的本地存储将满", "The lane's spool is nearly full")),
    "gate_silent": Kind("critical", Text("闸口程序未响应", "The gate's program does not answer")),
    "gate_cut_off": Kind("critical", Text("闸口断网, 独立判定", "The gate is cut off and decides alone")),
    "ledger_away": Kind(
        "critical", Text("中央票务存储失联, 闸口离线运行", "The ticket register is away; gates decide among themselves")
    ),
    "journal_stuck": Kind(
        "critical", Text("日志暂时无法写入, 事件正在排队", "The journal cannot be written; events are waiting")
    ),
}


class Cause(msgspec.Struct, frozen=True):
    """Something that holds now and deserves an alarm. `trigger` tells two episodes of one alarm apart; see `AlarmBook`."""

    alarm_key: str
    gate_id: str
    lane_id: str
    evidence: Evidence = {}
    trigger: str = ""

    @property
    def kind(self) -> str:
        """The kind, an entry of `KINDS`."""
        return kind_of(self.alarm_key)

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        return KINDS[self.kind].severity

    @property
    def text(self) -> Text:
        """The sentence that operators read."""
        return KINDS[self.kind].text


def kind_of(alarm_key: str) -> str:
    """The kind that a key begins with."""
    return alarm_key.partition(":")[0]


def mark_of(secret: str) -> str:
    """A short mark that is the same for the same ticket and tells nothing of it."""
    return sha256(secret.encode()).hexdigest()[:12]


class _Held(msgspec.Struct):
    cause: Cause
    newest_ns: int  # tick of the newest evidence
    quiet_ns: int | None  # the alarm is over when there was none for this long; None: when it is told so

    def is_over(self, tick_ns: int) -> bool:
        return self.quiet_ns is not None and tick_ns - self.newest_ns >= self.quiet_ns


class _Step(msgspec.Struct):
    """One step of a rotating code: where it was shown first, or where it opened an arm."""

    gate_id: str
    lane_id: str
    tick_ns: int
    granted: bool


class _Place(NamedTuple):
    gate_id: str
    lane_id: str


class EventAlarms:
    """Takes events in the journal's order and keeps what its windows need, and no longer."""

    def __init__(self, limits: AlarmLimits) -> None:
        self._limits = limits
        self._held: dict[str, _Held] = {}
        self._counts: dict[str, deque[tuple[int, int]]] = {}  # (tick, number) by alarm key
        self._tried: dict[str, dict[str, int]] = {}  # tick of the newest try, by mark and lane
        self._steps: dict[tuple[str, int], _Step] = {}  # by mark and step
        self._open_steps: dict[str, tuple[str, int]] = {}  # by grant id
        self._drifts: dict[str, deque[int]] = {}  # by lane id

    @property
    def memory_s(self) -> int:
        """How far back events have to be taken again after a restart, s, so that nothing that holds is forgotten."""
        limits = self._limits
        windows = (limits.invalid_window_s, limits.many_lanes_window_s, limits.cloned_window_s, limits.turns_window_s)
        return max(windows) + limits.quiet_s

    def resume(self, cause: Cause, raised: Moment) -> None:
        """An alarm that was open when the detectors were lost. Do this before taking events again."""
        quiet_s: int | None = self._limits.quiet_s
        if cause.kind == "admission_conflict":
            quiet_s = self._limits.conflict_quiet_s
        elif cause.kind == "clock_skew":
            quiet_s = None
        self._hold(cause, quiet_s, raised)

    def take(self, event: JournalEvent, now: Moment) -> None:
        """Take one event as having come at `now`."""
        match event:
            case ScanRefused():
                self._on_refused(event, now)
            case GrantIssued():
                self._on_grant(event, now)
            case GrantReleased():
                # The arm did not turn: the guest may rightly show the same code at another lane of the gate.
                step = self._steps.get(self._open_steps.pop(event.grant_id, ("", 0)))
                if step is not None:
                    step.granted = False
            case PassageUncontrolled():
                self._on_uncontrolled(event, now)
            case AdmissionConflict():
                self._on_conflict(event, now)

    def holding(self, now: Moment) -> list[Cause]:
        """What holds now. Call it about once a second: it also forgets what is too old to matter."""
        self._forget(now)
        return [held.cause for held in self._held.values()]

    # ---- what each kind counts

    def _on_refused(self, event: ScanRefused, now: Moment) -> None:
        limits, place = self._limits, _Place(event.gate_id, event.lane_id)
        if event.reason in INVALID_REASONS:
            self._count("invalid_scans", place, 1, limits.invalid_scans, limits.invalid_window_s, event.event_id, now)
        if event.step:
            self._drift(event.steps_off, place, event.event_id, now)
        if event.reason in LANE_REASONS:
            return
        mark = mark_of(event.ticket_id) if event.ticket_id is not None else event.code_mark
        if mark:
            self._try(mark, place, event.event_id, now, refused=True)
            if event.reason == Reason.IMPOSSIBLE_TRAVEL:
                words = explain(event.reason)
                evidence: Evidence = {"reason": event.reason.value, "detail": words.en, "detail_zh": words.zh}
                evidence |= {"second_lane": place.lane_id, "event": event.event_id}
                cause = Cause(f"cloned_code:{mark}", place.gate_id, place.lane_id, evidence, event.event_id)
                self._hold(cause, limits.quiet_s, now)
            if event.step:
                self._show_step(mark, event.step, place, event.event_id, now)

    def _on_grant(self, event: GrantIssued, now: Moment) -> None:
        place = _Place(event.gate_id, event.lane_id)
        if event.ticket_id is None:
            return
        if event.warning == Reason.STILL_INSIDE:
            limits = self._limits
            self._count("soft_passback", place, 1, limits.passback_admitted, limits.passback_window_s, event.event_id, now)
        mark = mark_of(event.ticket_id)
        self._try(mark, place, event.event_id, now, refused=False)
        if event.step:
            self._drift(event.steps_off, place, event.event_id, now)
            self._show_step(mark, event.step, place, event.event_id, now)
            self._steps[mark, event.step] = _Step(place.gate_id, place.lane_id, now.tick_ns, granted=True)
            self._open_steps[event.event_id] = (mark, event.step)

    def _on_uncontrolled(self, event: PassageUncontrolled, now: Moment) -> None:
        limits = self._limits
        counted = {
            "forced": ("forced_arm", limits.forced_turns),
            "tailgating": ("tailgating", limits.tailgated_turns),
            "no_grant": ("turn_without_grant", limits.turns_without_grant),
            "unobserved": ("turn_unobserved", limits.unobserved_turns),
        }.get(event.cause)
        if counted is not None:  # turns under fire release are as they should be
            kind, threshold = counted
            place = _Place(event.gate_id, event.lane_id)
            self._count(kind, place, event.rotations, threshold, limits.turns_window_s, event.event_id, now)

    def _on_conflict(self, event: AdmissionConflict, now: Moment) -> None:
        evidence: Evidence = {"admitted": event.used, "grants": len(event.grants), "event": event.event_id}
        if event.allowed is not None:
            evidence["allowed"] = event.allowed
        key = f"admission_conflict:{mark_of(event.ticket_id)}"
        self._hold(Cause(key, event.gate_id, event.lane_id, evidence, event.event_id), self._limits.conflict_quiet_s, now)

    def _try(self, mark: str, place: _Place, event_id: str, now: Moment, *, refused: bool) -> None:
        tried = self._tried.setdefault(mark, {})
        tried[place.lane_id] = now.tick_ns
        limits = self._limits
        since = now.tick_ns - _ns(limits.many_lanes_window_s)
        lanes = [lane for lane, tick_ns in tried.items() if tick_ns >= since]
        if refused and len(lanes) >= limits.many_lanes:
            evidence: Evidence = {
                "lanes": len(lanes),
                "threshold": self._limits.many_lanes,
                "window_s": self._limits.many_lanes_window_s,
            }
            evidence |= {"at": ", ".join(sorted(lanes)[:8]), "event": event_id}
            cause = Cause(f"code_at_many_lanes:{mark}", place.gate_id, place.lane_id, evidence, event_id)
            self._hold(cause, limits.quiet_s, now)

    def _show_step(self, mark: str, step: int, place: _Place, event_id: str, now: Moment) -> None:
        """A phone is at one place: a step that opened an arm elsewhere, or was shown at another gate, is on two phones."""
        known = self._steps.get((mark, step))
        if known is None:
            self._steps[mark, step] = _Step(place.gate_id, place.lane_id, now.tick_ns, granted=False)
            return
        if known.gate_id == place.gate_id and (not known.granted or known.lane_id == place.lane_id):
            return
        evidence: Evidence = {"first_lane": known.lane_id, "second_lane": place.lane_id, "event": event_id}
        evidence["apart_s"] = round((now.tick_ns - known.tick_ns) / 1e9, 1)
        cause = Cause(f"cloned_code:{mark}", place.gate_id, place.lane_id, evidence, event_id)
        self._hold(cause, self._limits.quiet_s, now)

    def _drift(self, steps_off: int, place: _Place, event_id: str, now: Moment) -> None:
        limits = self._limits
        drifts = self._drifts.setdefault(place.lane_id, deque(maxlen=limits.skew_codes))
        drifts.append(steps_off)
        key = f"clock_skew:{place.lane_id}"
        middle = median(drifts)
        if len(drifts) < limits.skew_codes or abs(middle) < limits.skew_steps:
            if self._held.pop(key, None) is not None:
                drifts.clear()
            return
        evidence: Evidence = {"median_steps": middle, "codes": len(drifts), "threshold": limits.skew_steps}
        self._hold(Cause(key, place.gate_id, place.lane_id, evidence, event_id), None, now)

    # ---- windows

    def _count(self, kind: str, place: _Place, number: int, threshold: int, window_s: int, event_id: str, now: Moment) -> None:
        """Add `number`. The alarm holds from `threshold` in the window on, and while at least half of that goes on coming."""
        key = f"{kind}:{place.lane_id}"
        counts = self._counts.setdefault(key, deque())
        counts.append((now.tick_ns, number))
        while counts[0][0] < now.tick_ns - _ns(window_s):
            counts.popleft()
        total = sum(number for _, number in counts)
        if total >= threshold or (key in self._held and 2 * total >= threshold):
            evidence: Evidence = {"count": total, "threshold": threshold, "window_s": window_s, "event": event_id}
            self._hold(Cause(key, place.gate_id, place.lane_id, evidence, event_id), self._limits.quiet_s, now)

    def _hold(self, cause: Cause, quiet_s: int | None, now: Moment) -> None:
        """The cause as it first stood; more evidence only prolongs it."""
        quiet_ns = None if quiet_s is None else _ns(quiet_s)
        held = self._held.setdefault(cause.alarm_key, _Held(cause, now.tick_ns, quiet_ns))
        held.newest_ns = max(held.newest_ns, now.tick_ns)

    def _forget(self, now: Moment) -> None:
        tick_ns, limits = now.tick_ns, self._limits
        over = [
            key for key, held in self._held.items() if held.quiet_ns is not None and tick_ns - held.newest_ns >= held.quiet_ns
        ]
        _drop(self._held, over)
        longest_ns = _ns(max(limits.invalid_window_s, limits.turns_window_s))
        _drop(self._counts, [key for key, counts in self._counts.items() if tick_ns - counts[-1][0] > longest_ns])
        many_ns, cloned_ns = _ns(limits.many_lanes_window_s), _ns(limits.cloned_window_s)
        _drop(self._tried, [mark for mark, tried in self._tried.items() if tick_ns - max(tried.values()) > many_ns])
        _drop(self._steps, [key for key, step in self._steps.items() if tick_ns - step.tick_ns > cloned_ns])
        _drop(self._open_steps, [grant for grant, key in self._open_steps.items() if key not in self._steps])


def _drop(table: dict, keys: Iterable[object]) -> None:  # type: ignore[type-arg]  # of any kind
    for key in keys:
        del table[key]


def _ns(seconds: int) -> int:
    return seconds * 1_000 * NS_PER_MS
