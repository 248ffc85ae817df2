"""The best balancing policy found: a plan over the next half hour, priced by the delay that each guest causes to all.

Pure, like every policy (`orchestrator/crowd_view.py`). In a fluid queue one more guest at time t delays everybody who comes
until the queue next runs empty, so what he costs is not his own wait but the time until then. The plan sends each future
guest where walk + that cost is least; docs/crowd.md derives it.
"""

from dataclasses import dataclass

import numpy as np

from orchestrator.crowd_view import Advice, Floats, View, bin_of, nearest_open, projected_queue


@dataclass(frozen=True, slots=True)
class Priced:
    """Plans by averaging best answers to prices, and goes on from the plan of the tick before.

    The plan is (S, G, B) shares: what sign s will say in bin b. `last.plan` is moved on by one tick, bettered in `rounds`
    steps, and its first bin is the advice. Since each step moves only part of the way, advice does not chatter.
    """

    v: float = 0.7  # what a second of walking costs in seconds of delay
    rounds: int = 3
    step: float = 0.25
    softness_s: float = 8.0  # seconds of cost within which answers are mixed
    futures: tuple[float, ...] = (0.9, 0.95, 1.0, 1.05)  # arrivals over the forecast, each as likely
    recourse_s: float = 240.0  # longer than this no guest's harm lasts, since signs will have sent others elsewhere

    def advise(self, view: View, last: Advice | None) -> Advice:
        """Shares of the plan's first bin."""
        signs, gates, bins = *view.walk_s.shape, view.walking.shape[1]
        near = nearest_open(view)
        old = None if last is None else last.plan
        if old is None or old.shape != (signs, gates, bins):
            plan = np.repeat(near[:, :, None], bins, axis=2)
        else:
            plan = moved_on(old, view)
        lag = bin_of(view, view.walk_s)
        passing = view.passing_per_s * view.bin_s
        uncontrolled = view.walking + (1 - view.compliance) * reaching(near[:, :, None] * passing[:, None, :], lag)
        for _ in range(self.rounds):
            arriving = uncontrolled + view.compliance * reaching(plan * passing[:, None, :], lag)
            cost = self._cost(view, arriving, lag)
            answer = np.exp(-(cost - cost.min(axis=1, keepdims=True)) / self.softness_s)
            answer /= answer.sum(axis=1, keepdims=True)
            plan = plan + self.step * (answer - plan)
        shares = plan[:, :, 0] * view.is_open
        return Advice(shares / shares.sum(axis=1, keepdims=True), plan)

    def _cost(self, view: View, arriving: Floats, lag: np.ndarray) -> Floats:
        """(S, G, B) walk plus the delay that one more guest causes, who passes sign s in bin b and goes to gate g."""
        price = np.mean([self._price(view, projected_queue(view, f * arriving)) for f in self.futures], axis=0)
        bins = price.shape[1]
        at = np.minimum(lag[:, :, None] + np.arange(bins)[None, None, :], bins - 1)
        cost = self.v * view.walk_s[:, :, None] + price[np.arange(len(price))[None, :, None], at]
        return np.where(view.is_open[None, :, None], cost, np.inf)

    def _price(self, view: View, queue: Floats) -> Floats:
        """(G, B) own wait and the harm to those behind, which lasts until the queue runs empty or signs have answered it."""
        wait = queue / np.maximum(view.served_per_s, 1e-9)[:, None]
        return wait + np.clip(busy_until(view, queue) - wait, 0.0, self.recourse_s)


def busy_until(view: View, queue: Floats) -> Floats:
    """(G, B) seconds from each bin until the gate's queue next runs empty; past the last bin at the rate of service."""
    bins = queue.shape[1]
    rate = np.maximum(view.served_per_s, 1e-9)
    ends = np.where(queue > 1e-6, bins, np.arange(bins)[None, :])
    empty_at = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    beyond = np.where(empty_at == bins, (queue[:, -1] / rate)[:, None], 0.0)
    lasts: Floats = np.asarray((empty_at - np.arange(bins)[None, :]) * view.bin_s + beyond, dtype=np.float64)
    return lasts


def moved_on(plan: Floats, view: View) -> Floats:
    """The plan as it looks one tick later, with nothing for gates that are closed."""
    moved = view.tick_s / view.bin_s
    whole, part = int(moved), moved - int(moved)
    bins = plan.shape[2]
    first = np.minimum(np.arange(bins) + whole, bins - 1)
    plan = (1 - part) * plan[:, :, first] + part * plan[:, :, np.minimum(first + 1, bins - 1)]
    plan = plan * view.is_open[None, :, None]
    total = plan.sum(axis=1, keepdims=True)
    moved_on: Floats = np.where(total > 1e-9, plan / np.maximum(total, 1e-9), nearest_open(view)[:, :, None])
    return moved_on


def reaching(passing: Floats, lag: np.ndarray) -> Floats:
    """(G, B) guests reaching each gate, of `passing` (S, G, B) guests who set out for it, each pair with its own lag."""
    signs, gates, bins = passing.shape
    arriving = np.zeros((gates, bins))
    for sign in range(signs):
        for gate in range(gates):
            start = int(lag[sign, gate])
            arriving[gate, start:] += passing[sign, gate, : bins - start]
    return arriving
