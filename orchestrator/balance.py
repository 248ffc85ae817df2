"""Which gate guests are advised to take: pure policies, from doing nothing to predictive join-shortest-queue.

Input and answer are in `orchestrator/crowd_view.py`; the maths, sources and measured figures are in docs/crowd.md. Nothing here
opens lanes or shows signs. `orchestrator/priced.py` plans with prices; so does the best policy found,
`orchestrator/hedged.py`.
"""

from dataclasses import dataclass

import numpy as np

from orchestrator.crowd_view import Advice, Floats, Policy, View, bin_of, nearest_open, projected_queue
from orchestrator.hedged import Hedged
from orchestrator.priced import Priced

QUANTA = 8  # pieces into which one sign's guests of one tick are cut when they are dealt out


@dataclass(frozen=True, slots=True)
class Static:
    """A fixed split by the lanes that gates have open, whatever queues do. What a printed plan of the resort can do."""

    def advise(self, view: View, last: Advice | None) -> Advice:
        """Shares by capacity, the same at every sign."""
        rate = view.served_per_s if view.served_per_s.any() else np.ones_like(view.served_per_s)
        return Advice(np.tile(rate / rate.sum(), (len(view.walk_s), 1)))


@dataclass(frozen=True, slots=True)
class Nearest:
    """Everybody to the nearest open gate: what happens without signs, and the fall-back of a blind balancer."""

    def advise(self, view: View, last: Advice | None) -> Advice:
        """One gate a sign."""
        return Advice(nearest_open(view))


@dataclass(frozen=True, slots=True)
class JoinShortest:
    """Join the shortest queue with walking cost: V · walk + the wait that stands there now. Blind to who is walking.

    With old counts it herds: everybody goes where it was short, until the next count (Mitzenmacher 2000).
    """

    v: float = 1.0  # what a second of walking costs in seconds of waiting

    def advise(self, view: View, last: Advice | None) -> Advice:
        """One gate a sign."""
        return Advice(_cheapest(view, self.v * view.walk_s + _wait(view, view.queue)))


@dataclass(frozen=True, slots=True)
class Backpressure:
    """Drift plus penalty: V · walk + guests standing there or walking there, in guests and not in seconds.

    Tassiulas and Ephremides 1992, Neely 2010. It needs neither forecast nor service rates, which is its charm and its price.
    """

    v: float = 0.5  # guests that a second of walking weighs

    def advise(self, view: View, last: Advice | None) -> Advice:
        """One gate a sign."""
        return Advice(_cheapest(view, self.v * view.walk_s + view.queue + view.walking.sum(axis=1)))


@dataclass(frozen=True, slots=True)
class PredictiveJoinShortest:
    """V · walk + the wait projected for the instant at which the guest will arrive, counting those already walking.

    V = 1 is what a guest would choose for himself; less prices the harm that he does to those behind him. One tick's guests
    are dealt out in small pieces, each of which sees the pieces before it, so that a tick's crowd does not herd.
    """

    v: float = 0.3

    def advise(self, view: View, last: Advice | None) -> Advice:
        """Shares by dealing out the tick's expected guests."""
        gates = np.arange(len(view.lanes_open))
        signs = len(view.walk_s)
        own = nearest_open(view)
        at = bin_of(view, view.walk_s)
        others = view.walking + (1 - view.compliance) * _followers(view, own, at)
        projected = projected_queue(view, others)[gates[None, :], at]  # (S, G) at the instant of arrival
        rate = np.maximum(view.served_per_s, 1e-9)
        open_walk = np.where(view.is_open, self.v * view.walk_s, np.inf)
        shares = np.zeros((signs, len(gates)))
        dealt = np.zeros(len(gates))
        piece = view.passing_per_s[:, 0] * view.tick_s * view.compliance / QUANTA
        for _ in range(QUANTA):
            for sign in range(signs):
                best = int((open_walk[sign] + (projected[sign] + dealt) / rate).argmin())
                shares[sign, best] += 1 / QUANTA
                dealt[best] += piece[sign]
        return Advice(shares)


@dataclass(frozen=True, slots=True)
class Steady:
    """Another policy's advice with hysteresis: a sign changes only when its shares would move by more than `band`.

    A closed gate is left at once, whatever the band. What was shown before is taken from `last`.
    """

    policy: Policy
    band: float = 0.25  # total variation, 0..1; 0 follows every move

    def advise(self, view: View, last: Advice | None) -> Advice:
        """What the policy says, or what was said before."""
        new = self.policy.advise(view, last)
        if last is None or last.shares.shape != new.shares.shape:
            return new
        moved = 0.5 * np.abs(new.shares - last.shares).sum(axis=1)
        leads_astray = (last.shares[:, ~view.is_open] > 0).any(axis=1)
        keep = (moved <= self.band) & ~leads_astray
        return Advice(np.where(keep[:, None], last.shares, new.shares), new.plan)


@dataclass(frozen=True, slots=True)
class Sighted:
    """Another policy while at least half of the gates were heard of lately; else everybody to the nearest open gate."""

    policy: Policy
    oldest_s: float = 600.0

    def advise(self, view: View, last: Advice | None) -> Advice:
        """What the policy says, or the plain rule when blind."""
        if 2 * int((view.age_s <= self.oldest_s).sum()) < len(view.age_s):
            return Advice(nearest_open(view))
        return self.policy.advise(view, last)


def _followers(view: View, shares: Floats, at: np.ndarray) -> Floats:
    """(G, B) guests who will reach each gate in each bin if all who pass the signs from now on go by `shares`."""
    gates, bins = view.walking.shape
    arriving = np.zeros((gates, bins))
    for sign, gate in zip(*np.nonzero(shares), strict=True):
        lag = int(at[sign, gate])
        arriving[gate, lag:] += shares[sign, gate] * view.passing_per_s[sign, : bins - lag] * view.bin_s
    return arriving


def _wait(view: View, queue: Floats) -> Floats:
    """(G,) seconds that this queue needs with the lanes that are open; closed gates get a wait beyond all others."""
    rate = view.served_per_s
    return np.where(rate > 0, queue / np.maximum(rate, 1e-9), 0.0 if not rate.any() else np.inf)


def _cheapest(view: View, cost: Floats) -> Floats:
    """(S, G) everything to the cheapest open gate."""
    cost = np.where(view.is_open, cost, np.inf)
    shares = np.zeros_like(cost)
    shares[np.arange(len(cost)), cost.argmin(axis=1)] = 1.0
    return shares


POLICIES: dict[str, Policy] = {
    "static": Static(),
    "nearest": Nearest(),
    "join_shortest": JoinShortest(),
    "backpressure": Backpressure(),
    "predictive": PredictiveJoinShortest(),
    "priced": Priced(),
    "hedged": Hedged(),
}
BEST = "hedged"
