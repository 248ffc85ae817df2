"""Who is walking to which gate, how long queues are by now, and how many guests follow signs: estimates from old counts. Pure.

Nobody counts guests under way. What is known: what signs said (our own acts), how many passed each sign and entered each
gate and stood there (counts, `age` old), and mean walks. Two courses of arrivals are carried along, one as if all followed the
signs and one as if none did; the counts at the gates say how much of each they were, which is the compliance.
"""

from dataclasses import dataclass

import numpy as np

from orchestrator.crowd_view import Floats

FORGETTING = 0.985  # a tick; at 15 s half of what was learnt is forgotten in 11 minutes
PRIOR_GUESTS2 = 4_000.0  # weight of the compliance assumed at first
RECENT = 0.95  # a tick; half of what was counted at a sign is forgotten in three minutes
PRIOR_GUESTS = 200.0  # weight of the forecast against recent counts at a sign


@dataclass(frozen=True, slots=True)
class Counts:
    """What sensors said of one past tick: S signs, G gates."""

    passed: Floats  # (S,) guests who passed each sign within the tick
    entered: Floats  # (G,) guests who entered a lane within the tick
    queue: Floats  # (G,) guests who stood there at its end, as far as can be seen
    queue_sd: Floats  # (G,) how wrong that may be
    served_per_s: Floats  # (G,) what the lanes then open could serve


class InTransit:
    """Old counts carried forward to now. Call `show` with what signs say each tick, `hear` with counts as they come."""

    def __init__(
        self, walk_s: Floats, tick_s: float, bins: int, compliance: float, spread: float = 0.15, learn: bool = True
    ) -> None:
        self.walk_s, self.tick_s, self.bins, self.learn = walk_s, tick_s, bins, learn
        self._kernel = _walking_times(walk_s, tick_s, spread)  # (S, G, K) share of a tick's walkers who arrive k ticks later
        gates = walk_s.shape[1]
        room = bins + self._kernel.shape[2]
        self._following = np.zeros((gates, room))  # guests by tick of arrival, from the oldest tick not yet heard of
        self._by_themselves = np.zeros((gates, room))
        self._shown: list[
            tuple[Floats, Floats, Floats, Floats]
        ] = []  # ticks not yet heard of: shares, nearest, expected, foreseen
        self._queue = np.zeros(gates)
        self._queue_sd = np.full(gates, 5.0)
        self._served = np.zeros(gates)
        self._prior = compliance
        self._xx, self._xy = PRIOR_GUESTS2, PRIOR_GUESTS2 * compliance
        self._counted, self._foreseen = np.zeros(len(walk_s)), np.zeros(len(walk_s))

    @property
    def compliance(self) -> float:
        """Share of guests who follow signs, as far as counts tell."""
        return float(min(1.0, max(0.0, self._xy / self._xx))) if self.learn else self._prior

    @property
    def surge(self) -> Floats:
        """(S,) by how much more guests passed each sign lately than were expected: what the next minutes' forecast is worth."""
        return (self._counted + PRIOR_GUESTS) / (self._foreseen + PRIOR_GUESTS)

    def show(self, shares: Floats, nearest: Floats, foreseen: Floats) -> None:
        """Signs say `shares` (S, G) for the tick that begins, others go to `nearest`; `foreseen` (S,) guests may pass."""
        expected = foreseen * self.surge
        self._add(shares, nearest, expected, len(self._shown))
        self._shown.append((shares, nearest, expected, foreseen))

    def hear(self, counts: Counts) -> None:
        """Counts of the oldest tick not yet heard of. Corrects what was assumed of it, and learns the compliance."""
        shares, nearest, expected, foreseen = self._shown[0]
        self._add(shares, nearest, counts.passed - expected, 0)
        self._shown.pop(0)
        self._counted = RECENT * self._counted + counts.passed
        self._foreseen = RECENT * self._foreseen + foreseen
        came = counts.entered + counts.queue - self._queue
        wanted = self._following[:, 0] - self._by_themselves[:, 0]
        self._xx = FORGETTING * self._xx + (1 - FORGETTING) * PRIOR_GUESTS2 + float(wanted @ wanted)
        self._xy = (
            FORGETTING * self._xy
            + (1 - FORGETTING) * PRIOR_GUESTS2 * self._prior
            + float(wanted @ (came - self._by_themselves[:, 0]))
        )
        self._queue, self._queue_sd, self._served = counts.queue, counts.queue_sd, counts.served_per_s
        for course in (self._following, self._by_themselves):
            course[:, :-1] = course[:, 1:]
            course[:, -1] = 0.0

    def walking(self) -> Floats:
        """(G, bins) guests expected to reach each gate, tick by tick from now."""
        now = len(self._shown)
        return self._course()[:, now : now + self.bins]

    def queue(self) -> tuple[Floats, Floats]:
        """(G,) guests standing now, and the standard deviation of that: the count carried over the ticks not yet heard of."""
        queue, variance = self._queue, self._queue_sd**2
        for arriving in self._course()[:, : len(self._shown)].T:
            served = np.minimum(queue + arriving, self._served * self.tick_s)
            queue = queue + arriving - served
            variance = variance + arriving + served
        return queue, np.sqrt(variance)

    def _course(self) -> Floats:
        share = self.compliance
        return np.maximum(share * self._following + (1 - share) * self._by_themselves, 0.0)

    def _add(self, shares: Floats, nearest: Floats, guests: Floats, at: int) -> None:
        width = self._kernel.shape[2]
        for course, split in ((self._following, shares), (self._by_themselves, nearest)):
            course[:, at : at + width] += np.einsum("s,sg,sgk->gk", guests, split, self._kernel)


def _walking_times(walk_s: Floats, tick_s: float, spread: float) -> Floats:
    """(S, G, K) when those who set out within a tick arrive: uniform start, pace normal with that relative spread."""
    dots = np.linspace(-2.0, 2.0, 17)
    weights = np.exp(-(dots**2) / 2)
    weights /= weights.sum()
    starts = (np.arange(4) + 0.5) / 4
    ticks = np.floor(starts[None, None, None, :] + walk_s[:, :, None, None] * (1 + spread * dots)[None, None, :, None] / tick_s)
    kernel = np.zeros((*walk_s.shape, int(ticks.max()) + 1))
    sign, gate = np.indices(walk_s.shape)
    for dot, weight in enumerate(weights):
        for start in range(len(starts)):
            kernel[sign, gate, ticks[:, :, dot, start].astype(int)] += weight / len(starts)
    return kernel
