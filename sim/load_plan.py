"""The plan of a load: who comes when, to which lane, and with what. Pure; the same order and lanes give the same plan.

What happens to these guests is up to the resort: a ticket "shown before" was shown before, whether or not it let anybody in.
"""

import random
from dataclasses import dataclass
from typing import Literal

import msgspec

from orchestrator.stages import LoadMix, LoadOrder
from resort.access.codes import KEY_BYTES, SiteKeys, issue_code
from resort.errors import Invalid
from resort.ids import SeededIds
from sim.truth import Kind

Pool = Literal["today", "tomorrow", "blocked"]
AGAIN_REST_MS = 1_500.0  # the same code at the same lane sooner than this is no new scan
RECENT = 60  # half of those who show a ticket again take one of the last so many: it may still be on its way through
KEPT = 4_000  # and the others one of so many


@dataclass(frozen=True, slots=True)
class Visit:
    """One guest's visit to one lane."""

    guest: int  # from 1
    at_ms: float  # since the load began
    lane: str
    kind: Kind
    pool: Pool | None  # where the ticket comes from, and which of that pool; None: `code` is on no ticket
    index: int
    code: str
    twin: int  # the guest who shows the same code at the same moment elsewhere; 0: nobody
    hesitates: bool  # does not turn the arm
    turn_ms: float  # from the unlocking to the turn


@dataclass(slots=True)
class _Shown:
    """A ticket of today that was shown: where and when last."""

    index: int
    lane: str
    at_ms: float


def check_order(order: LoadOrder) -> LoadOrder:
    """The same order, if it can be carried out. Raises Invalid."""
    weights = _weights(order.mix)
    if min(weights.values()) < 0 or not sum(weights.values()) > 0:
        raise Invalid("mix", "weights are not negative, and one is above zero")
    for name in ("rate_per_s", "scans", "show_again_ms", "patience_ms", "queue_limit"):
        if not getattr(order, name) > 0:
            raise Invalid(name, "must be above zero")
    if not 0 <= order.hesitate <= 1:
        raise Invalid("hesitate", "is a share from 0 to 1")
    if not 0 <= order.turn_ms[0] <= order.turn_ms[1]:
        raise Invalid("turn_ms", "is the least and the most")
    return order


def plan_load(order: LoadOrder, lanes: list[str]) -> list[Visit]:
    """Every visit, in the order of arrival. Raises Invalid."""
    if not lanes:
        raise Invalid("load", "no lane has both a simulated turnstile and a simulated-scanner")
    return _Planner(check_order(order), lanes).plan()


def tickets_wanted(visits: list[Visit]) -> dict[Pool, int]:
    """How many tickets of each pool the plan needs."""
    wanted: dict[Pool, int] = {"today": 0, "tomorrow": 0, "blocked": 0}
    for visit in visits:
        if visit.pool is not None:
            wanted[visit.pool] = max(wanted[visit.pool], visit.index + 1)
    return wanted


class _Planner:
    def __init__(self, order: LoadOrder, lanes: list[str]) -> None:
        self._order = order
        self._lanes = lanes
        self._dice = random.Random(f"load {order.seed}")
        self._ids = SeededIds(f"load {order.seed}")
        self._forger = SiteKeys(1, {1: random.Random(f"load forger {order.seed}").randbytes(KEY_BYTES)})
        self._dealt: dict[Pool, int] = {"today": 0, "tomorrow": 0, "blocked": 0}
        self._shown: list[_Shown] = []
        self._visits: list[Visit] = []
        self._at_ms = 0.0

    def plan(self) -> list[Visit]:
        weights = _weights(self._order.mix)
        kinds, shares = list(weights), list(weights.values())
        while len(self._visits) < self._order.scans:
            self._at_ms += self._dice.expovariate(self._order.rate_per_s / 1000)
            self._deal(self._dice.choices(kinds, shares)[0])
        return self._visits

    def _deal(self, kind: Kind) -> None:
        lane = self._dice.choice(self._lanes)
        match kind:
            case "forged":
                self._come(lane, kind, code=issue_code(self._ids.ticket_id(), self._forger))
            case "not_ours":
                self._come(lane, kind, code=f"HTTPS://EXAMPLE.COM/{self._dice.getrandbits(40):010X}")
            case "wrong_day":
                self._come(lane, kind, "tomorrow", self._fresh("tomorrow"))
            case "blocked":
                self._come(lane, kind, "blocked", self._fresh("blocked"))
            case "again_here" | "again_elsewhere":
                self._come_again(lane, kind)
            case "twin" if len(self._lanes) > 1 and len(self._visits) + 2 <= self._order.scans:
                self._come_twice(lane)
            case _:
                self._come_first(lane)

    def _come_first(self, lane: str) -> None:
        index = self._fresh("today")
        self._remember(_Shown(index, lane, self._at_ms))
        self._come(lane, "honest", "today", index)

    def _come_again(self, lane: str, kind: Kind) -> None:
        shown = self._shown_before(kind)
        if shown is None:
            self._come_first(lane)
            return
        if kind == "again_here":
            lane = shown.lane
        elif lane == shown.lane:
            lane = self._elsewhere(lane)
        shown.lane, shown.at_ms = lane, self._at_ms
        self._come(lane, kind, "today", shown.index)

    def _come_twice(self, lane: str) -> None:
        index, other = self._fresh("today"), self._elsewhere(lane)
        self._remember(_Shown(index, other, self._at_ms))
        first = len(self._visits) + 1
        self._come(lane, "twin", "today", index, twin=first + 1)
        self._come(other, "twin", "today", index, twin=first)

    def _shown_before(self, kind: Kind) -> _Shown | None:
        if kind == "again_elsewhere" and len(self._lanes) < 2:
            return None
        rested_ms = self._at_ms - (AGAIN_REST_MS if kind == "again_here" else 0.0)
        among = self._shown[-RECENT:] if kind == "again_elsewhere" and self._dice.random() < 0.5 else self._shown
        for _ in range(8):  # most are fit; a plan just begun has none
            if among and (shown := self._dice.choice(among)).at_ms <= rested_ms:
                return shown
        return None

    def _remember(self, shown: _Shown) -> None:
        self._shown.append(shown)
        if len(self._shown) > 2 * KEPT:
            del self._shown[:KEPT]

    def _fresh(self, pool: Pool) -> int:
        index = self._dealt[pool]
        self._dealt[pool] += 1
        return index

    def _elsewhere(self, lane: str) -> str:
        return self._dice.choice([other for other in self._lanes if other != lane])

    def _come(self, lane: str, kind: Kind, pool: Pool | None = None, index: int = 0, *, code: str = "", twin: int = 0) -> None:
        dice, order = self._dice, self._order
        hesitates, turn_ms = dice.random() < order.hesitate, dice.uniform(*order.turn_ms)
        self._visits.append(Visit(len(self._visits) + 1, self._at_ms, lane, kind, pool, index, code, twin, hesitates, turn_ms))


def _weights(mix: LoadMix) -> dict[Kind, float]:
    weights: dict[Kind, float] = msgspec.structs.asdict(mix)  # type: ignore[assignment]  # its fields are the kinds
    return weights
