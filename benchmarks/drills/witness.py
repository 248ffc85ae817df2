"""What the steel and the guests saw, beside what the journal says: the verdict of a drill. Pure.

The truth (`sim/truth.py`) is written outside the system under test. `judge` holds the journal against it: every turn of an arm
is in the journal, nothing is in it that did not happen, nobody passed who must not, nothing was pulsed twice.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from enum import StrEnum

import msgspec

from resort.access.entitlement import Entitlement
from resort.history import COUNTER_MODULUS, Broken, HistoryCheck, HistoryReport
from resort.ids import TicketId
from resort.messages import GrantIssued, JournalEvent, PassageConfirmed, PassageUncontrolled
from sim.truth import ArmTurned, ArmUnlocked, CodeShown, SteelCounted, TicketBought, Truth

Place = tuple[str, int]  # a lane and the arm's entry counter after a turn (or before a pulse)


class Against(StrEnum):
    """What can stand between the journal and the truth."""

    LOST_PASSAGE = "lost_passage"  # an arm turned and the journal does not have it
    INVENTED_PASSAGE = "invented_passage"  # the journal has a passage and no arm turned
    DOUBLE_ADMISSION = "double_admission"  # more persons inside on a ticket than it admits
    WRONG_GRANT = "wrong_grant"  # a grant for what must not pass
    DOUBLE_PULSE = "double_pulse"  # more pulses than grants


class Charge(msgspec.Struct, frozen=True):
    """One thing that is against the journal."""

    against: Against
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.against}: {self.subject}: {self.detail}"


class Verdict(msgspec.Struct, frozen=True):
    """The outcome: counts for the summary, the charges one by one, and what the journal says of itself."""

    figures: dict[str, int]
    charges: list[Charge]
    report: HistoryReport

    def count(self, *against: Against) -> int:
        """How many charges are of these kinds."""
        return sum(charge.against in against for charge in self.charges)

    def remarks(self, most: int = 12) -> tuple[str, ...]:
        """The first charges and findings in words."""
        told = [str(item) for item in (*self.charges, *self.report.findings)]
        return (*told[:most], f"… and {len(told) - most} more") if len(told) > most else tuple(told)


class Observed:
    """The truth, taken record by record."""

    def __init__(self) -> None:
        self.turns: dict[Place, ArmTurned] = {}
        self.unlocks: Counter[Place] = Counter()  # by the counter before the turn
        self.pulses: dict[str, int] = {}
        self.pools: dict[str, str] = {}
        self.scans = 0
        self.shown = 0
        self._counters: dict[str, int] = {}

    def take(self, record: Truth) -> None:
        """The next record."""
        match record:
            case TicketBought():
                self.pools[record.ticket] = record.pool
            case CodeShown():
                self.shown += 1
                self.scans += record.heard
            case ArmUnlocked():
                self.unlocks[record.lane, self._counters.get(record.lane, 0)] += 1
            case ArmTurned():
                self.turns[record.lane, record.counter_in] = record
                self._counters[record.lane] = record.counter_in
            case SteelCounted():
                self.pulses[record.lane] = record.pulses


def judge(seen: Observed, events: Iterable[JournalEvent], today: date, entries: int = 1) -> Verdict:
    """Hold the journal's events, in SQL's order, against the truth. `entries` is what each ticket of the load has."""
    valid = {"tomorrow": today + timedelta(days=1)}
    sold = {
        TicketId(ticket): Entitlement("load", "adult", valid.get(pool, today), entries, ("standard",))
        for ticket, pool in seen.pools.items()
    }
    history = HistoryCheck(sold)
    grants: Counter[Place] = Counter()
    granted: list[GrantIssued] = []
    passages: dict[Place, str | None] = {}
    uncontrolled: dict[str, list[tuple[int, int]]] = {}
    for event in events:
        history.take(event)
        match event:
            case GrantIssued():
                grants[event.lane_id, event.counter_in] += 1
                granted.append(event)
            case PassageConfirmed():
                passages[event.lane_id, event.counter_in] = event.ticket_id
            case PassageUncontrolled():
                uncontrolled.setdefault(event.lane_id, []).append((event.counter_in - event.rotations, event.counter_in))
    charges = _turns(seen, passages, uncontrolled)
    charges += _admissions(seen, passages, entries)
    charges += _grants(seen, granted)
    charges += _pulses(seen, grants)
    report = history.conclude()
    verdict = Verdict({}, charges, report)
    figures = {
        "scans": seen.scans,
        "turns": len(seen.turns),
        "double_admissions": max(verdict.count(Against.DOUBLE_ADMISSION), report.count(Broken.ADMITTED_TOO_OFTEN)),
        "lost_passages": verdict.count(Against.LOST_PASSAGE),
        "wrong_grants": verdict.count(Against.WRONG_GRANT),
        "invented_passages": verdict.count(Against.INVENTED_PASSAGE),
        "double_pulses": verdict.count(Against.DOUBLE_PULSE),
        "history_findings": len(report.findings),
        **report.figures,
    }
    return msgspec.structs.replace(verdict, figures=figures)


def _turns(seen: Observed, passages: dict[Place, str | None], uncontrolled: dict[str, list[tuple[int, int]]]) -> list[Charge]:
    """Every turn is a passage or was told as one without grant, and every passage was a turn."""
    charges = []
    spans = {lane: sorted(of_lane) for lane, of_lane in uncontrolled.items()}
    for place, turn in seen.turns.items():
        if place not in passages and not _covered(spans.get(place[0], []), place[1]):
            detail = f"turn {place[1]} of guest {turn.guest} ({turn.kind or 'nobody'}, ticket {turn.ticket or 'none'})"
            charges.append(Charge(Against.LOST_PASSAGE, place[0], detail))
    for place, ticket in passages.items():
        if place not in seen.turns:
            charges.append(Charge(Against.INVENTED_PASSAGE, place[0], f"turn {place[1]} on ticket {ticket}"))
    return charges


def _covered(spans: list[tuple[int, int]], counter: int) -> bool:
    """Whether a sorted list of half-open spans (after, up to) holds the counter."""
    index = bisect_left(spans, (counter, -COUNTER_MODULUS)) - 1
    return index >= 0 and spans[index][0] < counter <= spans[index][1]


def _admissions(seen: Observed, passages: dict[Place, str | None], entries: int) -> list[Charge]:
    """Persons inside by ticket. The journal says on whose ticket an arm was opened: who pushed when somebody else's grant came
    late went in on that one. Where the journal is silent the guest's own ticket counts."""
    inside: dict[str, list[str]] = {}
    for place, turn in seen.turns.items():
        ticket = passages.get(place) or turn.ticket
        if ticket and not turn.free:
            inside.setdefault(ticket, []).append(f"{place[0]} turn {place[1]}")
    return [
        Charge(Against.DOUBLE_ADMISSION, ticket, ", ".join(places))
        for ticket, places in inside.items()
        for _ in range(len(places) - entries)
    ]


def _grants(seen: Observed, granted: list[GrantIssued]) -> list[Charge]:
    """Grants go to tickets of today that somebody bought; who admits by hand answers for it himself."""
    charges = []
    for grant in granted:
        pool = seen.pools.get(str(grant.ticket_id))
        if pool != "today" and not grant.by:
            charges.append(Charge(Against.WRONG_GRANT, grant.lane_id, f"ticket {grant.ticket_id} ({pool or 'never sold'})"))
    return charges


def _pulses(seen: Observed, grants: Counter[Place]) -> list[Charge]:
    """A grant is worth one pulse: at no count of an arm more unlockings than grants, and not more pulses in all."""
    charges = [
        Charge(Against.DOUBLE_PULSE, place[0], f"{unlocks} pulses for {grants[place]} grants at counter {place[1]}")
        for place, unlocks in seen.unlocks.items()
        for _ in range(unlocks - grants[place])
    ]
    by_lane: Counter[str] = Counter()
    for (lane, _), number in grants.items():
        by_lane[lane] += number
    told = Counter(charge.subject for charge in charges)
    for lane, pulses in seen.pulses.items():
        beyond = pulses - by_lane[lane] - told[lane]
        charges += [Charge(Against.DOUBLE_PULSE, lane, f"{pulses} pulses for {by_lane[lane]} grants in all")] * max(0, beyond)
    return charges
