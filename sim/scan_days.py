"""A synthetic day of scans at a resort, as journal events: honest guests with their honest oddities, and none else. Seeded.

Nothing here was measured at a resort: rates of mistakes are our guesses, written beside each. They are not tuned to any model.
Turns that went well are left out, as nothing that watches scans looks at them. Attacks are in `sim/scan_attacks.py`.
"""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from resort.access.reasons import Reason
from resort.clock import Moment
from resort.ids import EventId, GateId, GrantId, LaneId, ScanId, TicketId
from resort.messages import GrantIssued, GrantReleased, JournalEvent, PassageUncontrolled, ScanRefused

GATES, LANES = 6, 6
DAY_S = 8 * 3_600  # from the first chair to the last
GUESTS, RIDES = 9_000, 8.7  # about 78,000 scans
FIRST = datetime(2027, 1, 9, 0, 30, tzinfo=UTC)
STEP_S = 15


class ScanDay:
    """Collects events of one day; `played` are they in order, each with the moment at which it counts."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.events: list[tuple[float, JournalEvent]] = []
        self.guilty: dict[str, int] = {}  # number of the attack by the id of each of its events
        self.attack: int | None = None  # events are this attack's now
        self._seed = seed
        self._number = 0

    def ticket(self) -> TicketId:
        """A ticket of nobody yet."""
        return TicketId(f"{self.dice.getrandbits(64):016x}")

    def lane(self, gate: int) -> tuple[int, int]:
        """Some lane of a gate."""
        return gate, self.dice.randrange(LANES)

    def _head(self, at_s: float, where: tuple[int, int]) -> dict[str, object]:
        self._number += 1
        event_id = EventId(f"{self._seed}-{self._number}")
        if self.attack is not None:
            self.guilty[event_id] = self.attack
        gate, lane = where
        ids = {"gate_id": GateId(f"g{gate}"), "lane_id": LaneId(f"g{gate}-{lane}"), "caused_by": "scan"}
        return {"event_id": event_id, "at": FIRST + timedelta(seconds=at_s), **ids}

    def grant(self, at_s: float, where: tuple[int, int], ticket: TicketId, step: int = 0, off: int = 0) -> GrantIssued:
        """The ticket was admitted."""
        event = GrantIssued(
            **self._head(at_s, where),  # type: ignore[arg-type]  # of its first six fields
            ticket_id=ticket,
            scan_id=ScanId("s"),
            product="day",
            unit="adult",
            counter_in=0,
            day=date(2027, 1, 9),
            step=step,
            steps_off=off,
        )
        self.events.append((at_s, event))
        return event

    def release(self, at_s: float, where: tuple[int, int], granted: GrantIssued) -> None:
        """Nobody went through on that grant."""
        head = self._head(at_s, where)
        grant_id = GrantId(granted.event_id)
        self.events.append((at_s, GrantReleased(**head, grant_id=grant_id, ticket_id=granted.ticket_id, counter_in=0)))  # type: ignore[arg-type]

    def refuse(
        self,
        at_s: float,
        where: tuple[int, int],
        reason: Reason,
        ticket: TicketId | None,
        step: int = 0,
        off: int = 0,
        mark: str = "",
    ) -> None:
        """The arm stayed shut."""
        head = self._head(at_s, where)
        more = {"reason": reason, "decision_ms": 3.0, "step": step, "steps_off": off, "code_mark": mark}
        self.events.append((at_s, ScanRefused(**head, scan_id=ScanId(f"s{self._number}"), ticket_id=ticket, **more)))  # type: ignore[arg-type]

    def turn(self, at_s: float, where: tuple[int, int], rotations: int = 1) -> None:
        """Somebody walked through behind another."""
        head = self._head(at_s, where)
        event = PassageUncontrolled(**head, counter_in=0, rotations=rotations, released=False, cause="tailgating")  # type: ignore[arg-type]
        self.events.append((at_s, event))

    def played(self) -> list[tuple[JournalEvent, Moment]]:
        """Everything in order."""
        self.events.sort(key=lambda one: one[0])
        return [(event, Moment(event.at, round(at_s * 1e9))) for at_s, event in self.events]


def honest(day: ScanDay, guests: int = GUESTS) -> None:
    """The guests of a day, and what goes wrong without anybody meaning it."""
    dice, share = day.dice, guests / GUESTS
    for _ in range(guests):
        _guest(day)
    for happens, times in ODDITIES:
        for _ in range(_poisson(dice, times * share)):
            happens(day, dice.uniform(600, DAY_S - 1_800))


def _guest(day: ScanDay) -> None:
    dice = day.dice
    ticket, phone = day.ticket(), dice.random() < 0.5
    off = dice.choice((0, 0, 0, 0, 1, -1)) if phone else 0  # clocks of phones
    at, gate = dice.triangular(0, DAY_S * 0.7, DAY_S * 0.15), dice.randrange(GATES)
    for _ in range(_poisson(dice, RIDES)):
        where = day.lane(gate)
        step = (int(at) // STEP_S + 1) if phone else 0
        if dice.random() < 0.005:  # shown, then hesitated or was held up; shown again there or beside it
            day.release(at + 6, where, day.grant(at, where, ticket, step, off))
            at += dice.uniform(8, 60)
            where = day.lane(gate)
        day.grant(at, where, ticket, (int(at) // STEP_S + 1) if phone else 0, off)
        if dice.random() < 0.004:  # held the ticket up once more while walking through; some try the next lane too
            for again in range(dice.choice((1, 1, 2))):
                day.refuse(at + 4 + 6 * again, day.lane(gate) if again else where, Reason.TOO_SOON, ticket)
        at += dice.uniform(360, 1_500)
        if at > DAY_S:
            return
        gate = gate if dice.random() < 0.6 else dice.randrange(GATES)


def _swap(day: ScanDay, at: float) -> None:
    """Two of a family hold each other's passes, and one pass is shown twice; some do so again later."""
    dice, tickets = day.dice, [day.ticket(), day.ticket()]
    for _ in range(dice.choices((1, 2, 3), (0.895, 0.1, 0.005))[0]):
        gate = dice.randrange(GATES)
        day.grant(at, day.lane(gate), tickets[0])
        for _ in range(dice.choice((1, 1, 2, 3))):
            at += dice.uniform(4, 20)
            day.refuse(at, day.lane(gate), Reason.TOO_SOON, tickets[0])
        day.grant(at + 10, day.lane(gate), tickets[1])
        if dice.random() < 0.3:
            day.refuse(at + 18, day.lane(gate), Reason.TOO_SOON, tickets[1])
        at += dice.uniform(1_500, 5_000)


def _stale(day: ScanDay, at: float) -> None:
    """A picture of one's own rotating code, or a phone whose clock is off: tried a few times, at one lane or the next."""
    dice, ticket, gate = day.dice, day.ticket(), day.dice.randrange(GATES)
    reason = dice.choice((Reason.STALE_CODE, Reason.STALE_CODE, Reason.CODE_REPLAYED))
    for _ in range(dice.choice((1, 1, 2, 3, 4))):
        day.refuse(at, day.lane(gate), reason, ticket, off=dice.randrange(2, 9))
        at += dice.uniform(5, 30)
    day.grant(at, day.lane(gate), ticket)


def _foreign(day: ScanDay, at: float) -> None:
    """A code for paying, or of another resort."""
    mark, gate = f"m{day.dice.getrandbits(48):x}", day.dice.randrange(GATES)
    for _ in range(day.dice.choice((1, 2, 2, 3))):
        day.refuse(at, day.lane(gate), Reason.MALFORMED_CODE, None, mark=mark)
        at += day.dice.uniform(3, 15)


def _coach(day: ScanDay, at: float) -> None:
    """A group whose vouchers should have been changed for tickets: all of them try."""
    gate = day.dice.randrange(GATES)
    for _ in range(day.dice.randrange(5, 14)):
        day.refuse(at, day.lane(gate), Reason.MALFORMED_CODE, None, mark=f"m{day.dice.getrandbits(48):x}")
        at += day.dice.uniform(3, 20)


def _smudged(day: ScanDay, at: float) -> None:
    """A reader's error that passed the code's own checks, or last year's ticket; tried again."""
    mark, gate = f"m{day.dice.getrandbits(48):x}", day.dice.randrange(GATES)
    for _ in range(day.dice.choice((1, 1, 2))):
        day.refuse(at, day.lane(gate), Reason.FORGED_CODE, None, mark=mark)
        at += day.dice.uniform(4, 20)


def _refunded(day: ScanDay, at: float) -> None:
    """The wrong one of two tickets in a wallet was given back, or the right one; a tenth try another gate before they ask."""
    dice, ticket, gate = day.dice, day.ticket(), day.dice.randrange(GATES)
    for _ in range(dice.choice((1, 2, 3))):
        day.refuse(at, day.lane(gate), Reason.REFUNDED, ticket)
        at += dice.uniform(5, 40)
    if dice.random() < 0.1:
        day.refuse(at + dice.uniform(300, 1_200), day.lane((gate + 1) % GATES), Reason.REFUNDED, ticket)


def _used(day: ScanDay, at: float) -> None:
    """A single ticket once more, as its holder thought it good for the day."""
    dice, ticket, gate = day.dice, day.ticket(), day.dice.randrange(GATES)
    day.grant(at, day.lane(gate), ticket)
    at += dice.uniform(500, 2_000)
    for _ in range(dice.choice((1, 1, 2, 3))):
        day.refuse(at, day.lane(gate), Reason.ALREADY_USED, ticket)
        at += dice.uniform(4, 30)


def _two_pass(day: ScanDay, at: float) -> None:
    """A child squeezes through with its father, or a bag turns the arm."""
    day.turn(at, day.lane(day.dice.randrange(GATES)))


def _squeezing(day: ScanDay, at: float) -> None:
    """A class of small children, of whom some go two at a time."""
    gate = day.dice.randrange(GATES)
    for _ in range(day.dice.choices((2, 3), (0.8, 0.2))[0]):
        day.turn(at, day.lane(gate))
        at += day.dice.uniform(10, 240)


def _strange_travel(day: ScanDay, at: float) -> None:
    """A table of travel times that forgets a shortcut: refused, and wrongly so."""
    ticket = day.ticket()
    day.grant(at, day.lane(0), ticket)
    day.refuse(at + 200, day.lane(1), Reason.IMPOSSIBLE_TRAVEL, ticket)


# What happens, and how often on a full day.
ODDITIES: tuple[tuple[Callable[[ScanDay, float], None], float], ...] = (
    (_swap, 120.0),
    (_stale, 150.0),
    (_foreign, 100.0),
    (_coach, 3.0),
    (_smudged, 20.0),
    (_refunded, 25.0),
    (_used, 40.0),
    (_two_pass, 60.0),
    (_squeezing, 4.0),
    (_strange_travel, 0.5),
)


def _poisson(dice: random.Random, mean: float) -> int:
    number, left = 0, dice.expovariate(1.0)
    while left < mean:
        number, left = number + 1, left + dice.expovariate(1.0)
    return number
