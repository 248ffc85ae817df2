"""What the orchestrator does on a virtual day: signs by a policy of orchestrator/balance.py, and lanes by forecast.

It sees what it would see in life: counts that are old and wrong, a forecast that is off, and never who walks where.
"""

import random
from math import ceil, hypot

import numpy as np

from orchestrator.balance import POLICIES, Steady
from orchestrator.crowd_view import Advice, Floats, View, nearest_open
from orchestrator.in_transit import Counts, InTransit
from orchestrator.lane_opening import Opening, SquareRoot
from resort.texts import Text
from sim.mountain.course import Course
from sim.mountain.gate import Gate
from sim.mountain.parties import Party, rate_at
from sim.mountain.scenario import Scenario
from sim.mountain.scenario_file import UNSTEERED
from sim.mountain.tally import Decided, Tally

AHEAD_S = 1_800.0  # how far the forecast goes
BLOCK_S = 900.0  # forecasts are wrong by quarters of an hour
HYSTERESIS = 0.25
TOLD = 0.5  # shares of a sign that moved by more than this are a decision in the report
SEEN_S = 300.0  # arrivals at gates before lifts are foreseen from so long a past


class Steering:
    """Signs and lanes. `entrances` are the gates that signs can name, in the order of the advice's columns."""

    def __init__(self, scene: Scenario, course: Course, tally: Tally, gates: list[Gate], served_s: float, seed: int) -> None:
        self.scene, self.set = scene, scene.steering
        self.entrances = [gate for gate in gates if not gate.scene.lift]
        self.gates = gates
        self._course, self._tally, self._served_s = course, tally, served_s
        self._dice = np.random.default_rng((seed, 29))
        self._walk_s = walks_s(scene, self.entrances)
        self._tick_s = self.set.tick_s
        self._bins = round(AHEAD_S / self._tick_s)
        self._lag = round(self.set.age_s / self._tick_s)
        self._sense = InTransit(self._walk_s, self._tick_s, self._bins, scene.guests.compliance)
        self._policy = Steady(POLICIES[self.set.policy], HYSTERESIS) if self.set.policy != UNSTEERED else None
        self._last: Advice | None = None
        self._told: Floats | None = None
        self._owed = np.zeros_like(self._walk_s)
        self._passed = np.zeros(len(self._walk_s))
        self._entered = [0] * len(self.entrances)
        self._seen: list[Counts] = []
        self._errors = self._forecast_errors(seed)
        minutes = [minute for minute, _ in scene.arrivals.profile]
        self._profile = np.array(minutes) * 60, np.array([rate_at(scene, minute * 60) for minute in minutes])
        self._source_shares = np.array([source.share for source in scene.arrivals.sources])
        self._opening = [Opening(gate.lanes - gate.scene.fast_lanes) for gate in gates]
        self._came: list[list[int]] = [[0] for _ in gates]

    # ---- guests before a sign

    def way(self, party: Party) -> tuple[Gate, float]:
        """The gate that the party goes to, and the walk in seconds."""
        source = party.source
        self._passed[source] += party.size
        walks = self._walk_s[source]
        valid = [number for number, gate in enumerate(self.entrances) if party.ticket.covers(gate.scene.id, gate.scene.area)]
        valid = valid or list(range(len(walks)))
        nearest = min(valid, key=lambda gate: (not self.entrances[gate].open_lanes, walks[gate]))
        gate = nearest
        if self._policy is not None and self._last is not None:
            shares, debt = self._last.shares[source], self._owed[source]
            debt += party.size * shares
            advised = int(np.where(shares > 0, debt, -np.inf).argmax())
            debt[advised] -= party.size
            if party.follows < self.scene.guests.compliance and advised in valid:
                gate = advised
        self._tally.extra_walk_s += float(walks[gate] - min(walks[number] for number in valid)) * party.size
        return self.entrances[gate], float(walks[gate]) * party.pace

    # ---- every tick

    def tick(self) -> None:
        """Hear old counts, advise, and see to the lanes."""
        now = self._course.at
        if self._last is not None:
            self._note()
        if len(self._seen) > self._lag:
            self._sense.hear(self._seen.pop(0))
        view = self._view(now)
        near = nearest_open(view)
        idle = self._policy is None or not view.passing_per_s.any()  # nobody is foreseen: nothing to advise
        advice = Advice(near) if self._policy is None or idle else self._policy.advise(view, self._last)
        self._tell_signs(advice, now)
        self._last = advice
        compliant = near if self._policy is None else advice.shares
        self._sense.show(compliant, near, self._forecast(now)[:, 0] * self._tick_s)
        self._see_to_lanes(view, advice, near, now)

    def _note(self) -> None:
        """What sensors count of the tick that ended; heard of later."""
        standing = np.array([float(gate.standing) for gate in self.entrances])
        spread = np.maximum(1.0, self.set.count_error * standing)
        seen = np.maximum(0.0, standing + spread * self._dice.standard_normal(len(standing))) * (standing > 0)
        entered = np.array([float(gate.entered - before) for gate, before in zip(self.entrances, self._entered, strict=True)])
        self._entered = [gate.entered for gate in self.entrances]
        self._seen.append(Counts(self._passed, entered, seen, spread, self._lanes() / self._served_s))
        self._passed = np.zeros_like(self._passed)
        for came, gate in zip(self._came, self.gates, strict=True):
            came.append(gate.came)

    def _lanes(self) -> Floats:
        return np.array([float(gate.open_lanes) for gate in self.entrances])

    def _view(self, now: float) -> View:
        queue, queue_sd = self._sense.queue()
        # What a gate could serve: closed lanes open within a minute, lanes that are gone do not.
        lanes = np.array([0.0 if gate.lost else float(gate.lanes) for gate in self.entrances])
        if self.set.opening == "all" or self._policy is None:
            lanes = self._lanes()
        return View(
            lanes_open=lanes,
            lane_per_s=np.full(len(self.entrances), 1 / self._served_s),
            queue=queue,
            queue_sd=queue_sd,
            age_s=np.full(len(self.entrances), self.set.age_s),
            walk_s=self._walk_s,
            passing_per_s=self._forecast(now),
            walking=self._sense.walking(),
            bin_s=self._tick_s,
            tick_s=self._tick_s,
            compliance=self._sense.compliance,
        )

    def _forecast(self, now: float) -> Floats:
        """(S, bins) guests a second who will pass each sign, as foreseen."""
        moments = now + (np.arange(self._bins) + 0.5) * self._tick_s
        times, rates = self._profile
        total = np.interp(moments, times, rates, left=0.0, right=0.0)
        shares = self._source_shares
        block = np.minimum((moments / BLOCK_S).astype(int), self._errors.shape[1] - 1)
        foreseen: Floats = shares[:, None] * total[None, :] * self._errors[:, block]
        return foreseen

    def _forecast_errors(self, seed: int) -> Floats:
        dice = random.Random(f"{seed} forecast")
        blocks = ceil((self.scene.day.minutes * 60 + AHEAD_S) / BLOCK_S)
        error = self.set.forecast_error
        return np.array([[1 + dice.uniform(-error, error) for _ in range(blocks)] for _ in self.scene.arrivals.sources])

    def _tell_signs(self, advice: Advice, now: float) -> None:
        """Note for the report where a sign's advice moved."""
        if self._policy is None:
            return
        if self._told is None:
            self._told = advice.shares.copy()
        moved = 0.5 * np.abs(advice.shares - self._told).sum(axis=1)
        for sign in np.flatnonzero(moved > TOLD):
            gate = self.entrances[int(advice.shares[sign].argmax())].scene
            source = self.scene.arrivals.sources[int(sign)].name
            text = Text(f"{source.zh}的指示牌指向{gate.name.zh}", f"the sign at {source.en} names {gate.name.en}")
            self._tally.decided.append(Decided(now, gate.id, text))
            self._told[sign] = advice.shares[sign]

    # ---- lanes

    def _see_to_lanes(self, view: View, advice: Advice, near: Floats, now: float) -> None:
        wanted = self._wanted(view, advice, near, now)
        for place, gate in enumerate(self.gates):
            before, after = self._opening[place].lanes, wanted[place]
            if after != before:
                verb = Text("开放", "opens to") if after > before else Text("减至", "closes to")
                text = Text(f"{gate.scene.name.zh}{verb.zh} {after} 条通道", f"{gate.scene.name.en} {verb.en} {after} lanes")
                self._tally.decided.append(Decided(now, gate.scene.id, text))
                self._opening[place] = Opening(after)
            gate.want(after)

    def _wanted(self, view: View, advice: Advice, near: Floats, now: float) -> list[int]:
        """Standard lanes for each gate: by the rule, and not more than staff can attend."""
        limits = [gate.lanes - gate.scene.fast_lanes for gate in self.gates]
        by_rule = self.set.opening == "square_root"
        return self._attended(self._by_rule(view, advice, near, limits, now) if by_rule else limits, now)

    def _by_rule(self, view: View, advice: Advice, near: Floats, limits: list[int], now: float) -> list[int]:
        rule, shares = SquareRoot(), view.compliance * advice.shares + (1 - view.compliance) * near
        coming = (shares * view.passing_per_s[:, :1]).sum(axis=0)
        soon = view.walking[:, : max(1, round(BLOCK_S / self._tick_s))].mean(axis=1) / self._tick_s
        found: list[int] = []
        ticks = max(1, round(SEEN_S / self._tick_s))
        for place, gate in enumerate(self.gates):
            if gate in self.entrances:
                entrance = self.entrances.index(gate)
                per_s, queue = max(float(coming[entrance]), float(soon[entrance])), float(view.queue[entrance])
            else:
                came = self._came[place][-ticks - 1 :]
                per_s, queue = (came[-1] - came[0]) / (self._tick_s * max(1, len(came) - 1)), float(gate.standing)
            wanted = rule.wanted(per_s, 1 / self._served_s, queue, limits[place])
            decided = rule.decide(now, self._opening[place], wanted)
            if decided.lanes == self._opening[place].lanes:
                self._opening[place] = decided  # since when fewer would do
            found.append(decided.lanes)
        return found

    def _attended(self, wanted: list[int], now: float) -> list[int]:
        """Close the largest first until staff can attend what is open; fast lanes count too."""
        if not self.scene.shifts:
            return wanted
        minute = now / 60
        attended = sum(s.attendants * s.lanes_each for s in self.scene.shifts if s.from_min <= minute < s.to_min)
        room = attended - sum(gate.scene.fast_lanes for gate in self.gates)
        found = list(wanted)
        while sum(found) > room and max(found) > 1:
            found[found.index(max(found))] -= 1
        return found


def walks_s(scene: Scenario, entrances: list[Gate]) -> Floats:
    """(S, G) mean walk from each source's sign to each entrance."""
    metres = [
        [hypot(source.at[0] - gate.scene.at[0], source.at[1] - gate.scene.at[1]) for gate in entrances]
        for source in scene.arrivals.sources
    ]
    return np.maximum(1.0, np.array(metres) / scene.guests.walking_m_per_s)
