"""Play a Saturday morning under a balancing policy: signs, walks, queues, and sensors whose counts come late.

A sign shows one gate at a time and changes between parties, so that what it said stays closest to its shares. Who does not
follow goes to the nearest open gate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from orchestrator.crowd_view import Advice, Floats, Policy, View, nearest_open
from orchestrator.in_transit import Counts, InTransit
from sim.crowd_world import BLOCK_S, Morning, Outage
from sim.lane_queue import LaneQueue

TICK_S = 15.0
BINS = 120  # half an hour ahead
QUEUE_ERROR = 0.1  # of a queue that cameras or people estimate, standard deviation, and at least one guest
SURGE_S = 450.0  # a forecast's error lasts for its quarter of an hour, half of which is to come
ESTIMATED, KNOWN, IGNORED = "estimated", "known", "ignored"


@dataclass(frozen=True, slots=True)
class Setting:
    """What is not the policy: how old counts are, who follows, and where numbers of guests under way come from."""

    age_s: float = 30.0
    compliance: float = 0.7
    in_transit: str = ESTIMATED  # or KNOWN (an oracle) or IGNORED
    assumed_compliance: float = 0.7
    learn_compliance: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What guests got. Delay is queue wait plus the walk beyond that to the nearest gate."""

    wait_s: Floats  # (N,) one a guest
    extra_walk_s: Floats  # (N,)
    largest_queue: int
    changes: float  # mean total variation of a sign's shares from tick to tick

    @property
    def delay_s(self) -> float:
        """Mean delay of a guest."""
        return float((self.wait_s + self.extra_walk_s).mean())

    @property
    def p95_wait_s(self) -> float:
        """Queue wait that 19 of 20 guests do not exceed."""
        return float(np.percentile(self.wait_s, 95))


class Play:
    """One morning being played, tick by tick."""

    def __init__(self, day: Morning, policy: Policy, setting: Setting) -> None:
        self.day, self.policy, self.setting = day, policy, setting
        resort = day.resort
        self.gates = [_queue(day, gate) for gate in range(len(resort.lanes))]
        self._coming: list[list[tuple[float, int, float]]] = [[] for _ in self.gates]  # arrival, size, walk beyond the nearest
        self._next_party = self._next_guest = 0
        self._owed = np.zeros_like(resort.walk_s)
        self._waits: list[float] = []
        self._extra: list[float] = []
        self._passed: list[Floats] = []
        self._lag = round(setting.age_s / TICK_S)
        self._noise = np.random.default_rng((day.seed, 23))
        self._sense = InTransit(
            resort.walk_s,
            TICK_S,
            BINS,
            setting.assumed_compliance,
            learn=setting.learn_compliance and setting.in_transit == ESTIMATED,
        )
        self._last: Advice | None = None
        self._changes = 0.0
        # Plain lists: single numbers out of numpy arrays cost more than all the rest of a party.
        self._passes, self._size = day.passes_s.tolist(), day.size.tolist()
        self._sign, self._follows, self._pace = day.sign.tolist(), day.follows.tolist(), day.pace.tolist()
        self._service, self._walk = day.service_s.tolist(), resort.walk_s.tolist()
        self._shortest = resort.walk_s.min(axis=1).tolist()

    def run(self) -> Outcome:
        """Play until everybody has entered."""
        tick = 0
        while self._next_party < len(self._passes) or any(self._coming):
            self._tick(tick)
            tick += 1
        longest = max(gate.longest() for gate in self.gates)
        return Outcome(np.array(self._waits), np.array(self._extra), longest, self._changes / max(1, tick))

    def _tick(self, tick: int) -> None:
        now = tick * TICK_S
        if tick > self._lag:
            self._sense.hear(self._counts(tick - 1 - self._lag))
        view = self._view(now)
        advice = self.policy.advise(view, self._last)
        if self._last is not None:
            self._changes += float(0.5 * np.abs(advice.shares - self._last.shares).sum(axis=1).mean())
        self._last = advice
        near = nearest_open(view)
        self._sense.show(advice.shares, near, forecast(self.day, now)[:, 0] * TICK_S)
        self._passed.append(self._set_out(now + TICK_S, advice.shares, near.argmax(axis=1).tolist()))
        for gate, coming in enumerate(self._coming):
            self._enter(self.gates[gate], coming, now + TICK_S)

    def _set_out(self, until_s: float, shares: Floats, near: list[int]) -> Floats:
        """Send the tick's parties off. Returns guests by sign."""
        passed = np.zeros(len(shares))
        rows, owed = shares.tolist(), self._owed.tolist()
        while self._next_party < len(self._passes) and self._passes[self._next_party] < until_s:
            party = self._next_party
            self._next_party += 1
            sign, size = self._sign[party], self._size[party]
            passed[sign] += size
            row, debt = rows[sign], owed[sign]
            debt[:] = [d + size * share for d, share in zip(debt, row, strict=True)]
            gate = max((g for g, share in enumerate(row) if share > 0), key=debt.__getitem__)
            debt[gate] -= size
            if self._follows[party] >= self.setting.compliance:
                gate = near[sign]
            walk = self._walk[sign][gate] * self._pace[party]
            extra = (self._walk[sign][gate] - self._shortest[sign]) * self._pace[party]
            heappush(self._coming[gate], (self._passes[party] + walk, size, extra))
        self._owed[:] = owed
        return passed

    def _enter(self, queue: LaneQueue, coming: list[tuple[float, int, float]], until_s: float) -> None:
        while coming and coming[0][0] < until_s:
            at_s, size, extra = heappop(coming)
            for _ in range(size):
                start = queue.serve(at_s, self._service[self._next_guest])
                self._next_guest += 1
                self._waits.append(start - at_s)
                self._extra.append(extra)

    def _counts(self, tick: int) -> Counts:
        """What was to be seen at the end of that tick."""
        then = (tick + 1) * TICK_S
        standing = np.array([float(gate.standing(then)) for gate in self.gates])
        spread = np.maximum(1.0, QUEUE_ERROR * standing)
        seen = np.maximum(0.0, standing + spread * self._noise.standard_normal(len(standing))) * (standing > 0)
        entered = np.array([float(gate.entered(then) - gate.entered(then - TICK_S)) for gate in self.gates])
        return Counts(self._passed[tick], entered, seen, spread, self._lanes(then) / self.day.resort.service_s)

    def _lanes(self, at_s: float) -> Floats:
        return np.array([float(gate.lanes_up(at_s)) for gate in self.gates])

    def _view(self, now: float) -> View:
        resort, mode = self.day.resort, self.setting.in_transit
        queue, queue_sd = self._sense.queue()
        walking = self._sense.walking()
        compliance = self._sense.compliance
        if mode == KNOWN:
            queue = np.array([float(gate.standing(now)) for gate in self.gates])
            walking, compliance = self._under_way(now), self.setting.compliance
        elif mode == IGNORED:
            walking = np.zeros_like(walking)
        seen_at = max(0.0, now - self.setting.age_s)
        return View(
            lanes_open=self._lanes(seen_at),
            lane_per_s=np.full(len(resort.lanes), 1 / resort.service_s),
            queue=queue,
            queue_sd=queue_sd,
            age_s=np.full(len(resort.lanes), self.setting.age_s),
            walk_s=resort.walk_s,
            passing_per_s=forecast(self.day, now) * self._faded_surge(),
            walking=walking,
            bin_s=TICK_S,
            tick_s=TICK_S,
            compliance=compliance,
        )

    def _faded_surge(self) -> Floats:
        """(S, bins) what recent counts say of the forecast, believed less the further ahead."""
        surge: Floats = 1 + (self._sense.surge - 1)[:, None] * np.exp(-np.arange(BINS) * TICK_S / SURGE_S)[None, :]
        return surge

    def _under_way(self, now: float) -> Floats:
        """(G, bins) who really comes when."""
        found = np.zeros((len(self.gates), BINS))
        for gate, coming in enumerate(self._coming):
            for at_s, size, _ in coming:
                found[gate, min(BINS - 1, int((at_s - now) / TICK_S))] += size
        return found


def play(day: Morning, policy: Policy, setting: Setting) -> Outcome:
    """The morning under that policy."""
    return Play(day, policy, setting).run()


def pooled(day: Morning) -> Outcome:
    """The same guests in one queue before all lanes, each after the walk to his nearest gate: no choice, no walk beyond."""
    return _one_queue(
        day, LaneQueue(sum(day.resort.lanes), _numbered(day)), lambda party: float(day.resort.walk_s[day.sign[party]].min())
    )


def _one_queue(day: Morning, queue: LaneQueue, walk: Callable[[int], float]) -> Outcome:
    comes = sorted((day.passes_s[p] + walk(p) * day.pace[p], int(day.size[p])) for p in range(len(day.size)))
    waits: list[float] = []
    needs = iter(day.service_s.tolist())
    for at_s, size in comes:
        waits += [queue.serve(at_s, next(needs)) - at_s for _ in range(size)]
    return Outcome(np.array(waits), np.zeros(len(waits)), queue.longest(), 0.0)


def _numbered(day: Morning) -> tuple[Outage, ...]:
    """Outages with lanes numbered through all gates."""
    first = np.concatenate([[0], np.cumsum(day.resort.lanes)])
    return tuple(Outage(0, int(first[o.gate]) + o.lane, o.from_s, o.to_s) for o in day.outages)


def _queue(day: Morning, gate: int) -> LaneQueue:
    return LaneQueue(day.resort.lanes[gate], tuple(o for o in day.outages if o.gate == gate))


def forecast(day: Morning, now: float) -> Floats:
    """(S, bins) the forecast from now on; nobody is foreseen after the last block."""
    block = ((now + (np.arange(BINS) + 0.5) * TICK_S) / BLOCK_S).astype(int)
    blocks = day.forecast_per_s.shape[1]
    return np.where(block < blocks, day.forecast_per_s[:, np.minimum(block, blocks - 1)], 0.0)
