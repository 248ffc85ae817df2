"""A plan of the next half hour that is hedged against chance: prices of `orchestrator/priced.py`, met by mirror descent.

Pure, like every policy (`orchestrator/crowd_view.py`). It differs from `priced` in how the plan is bettered, and in the futures
on which it is tried: queues that chance makes longer or shorter, and later advice brings back. docs/crowd.md has the maths.
"""

from dataclasses import dataclass

import numpy as np

from orchestrator.crowd_view import Advice, Floats, View, bin_of, nearest_open
from orchestrator.priced import busy_until, moved_on, reaching

FIRST_ROUNDS = 40  # steps from nothing to the first plan


@dataclass(frozen=True, slots=True)
class Hedged:
    """Plans by exponentiated gradients, and goes on from the plan of the tick before.

    The plan is (S, G, B): what sign s will say in bin b. A round multiplies each share by exp(-gain x what a guest costs there
    more than at the cheapest gate), so that prices near each other move it little, and a bad one moves it at once.
    """

    v: float = 0.8  # what a second of walking costs in seconds of delay; under 1, as the harm to others is capped
    rounds: int = 5
    gain_per_s: float = 0.004
    seed_share: float = 0.02  # kept in the plan for each open gate, unsaid, so that a gate that gets cheap is found again
    said_share: float = 0.06  # less than that is not said
    deviations: tuple[float, ...] = (-1.28, -0.52, 0.0, 0.52, 1.28)  # of chance, each as likely: P10, P30, P50, P70, P90
    dispersion: float = 5.0  # variance over mean of the guests who come: parties, and some coaches
    rate_sd: float = 0.08  # of the forecast, after recent counts have corrected it
    recourse_s: float = 240.0  # in which later advice begins to answer chance
    answered_s: float = 100.0  # in which what chance did then fades
    longest_s: float = 600.0  # no guest's harm lasts longer, since lanes come back and signs send others elsewhere

    def advise(self, view: View, last: Advice | None) -> Advice:
        """Shares of the plan's first bin."""
        gates, bins = view.walking.shape
        near = nearest_open(view)
        plan, rounds = np.repeat(near[:, :, None], bins, axis=2), FIRST_ROUNDS
        if last is not None and last.plan is not None and last.plan.shape == plan.shape:
            plan, rounds = moved_on(last.plan, view), self.rounds
        lag = bin_of(view, view.walk_s)
        at = np.minimum(lag[:, :, None] + np.arange(bins), bins - 1)  # (S, G, B) bin of arrival
        passing = view.passing_per_s * view.bin_s
        uncontrolled = view.walking + (1 - view.compliance) * reaching(near[:, :, None] * passing[:, None, :], lag)
        is_open = view.is_open[None, :, None]
        walk = self.v * (view.walk_s - view.walk_s.min(axis=1, keepdims=True))[:, :, None]
        chance = self._chance(view)
        for _ in range(rounds):
            coming = uncontrolled + view.compliance * reaching(plan * passing[:, None, :], lag)
            price = self._price(view, coming, chance)
            cost = np.where(is_open, walk + price[np.arange(gates)[None, :, None], at], np.inf)
            cost -= cost.min(axis=1, keepdims=True)
            plan = np.maximum(plan, self.seed_share) * np.exp(-self.gain_per_s * cost)
            plan /= plan.sum(axis=1, keepdims=True)
        shares = plan[:, :, 0]
        shares = np.where(shares >= min(self.said_share, 1 / gates), shares, 0.0)
        return Advice(shares / shares.sum(axis=1, keepdims=True), plan)

    def _chance(self, view: View) -> Floats:
        """(K, G, B) guests by which chance may have shifted what came less what was served, until the end of each bin."""
        ahead = (np.arange(view.walking.shape[1]) + 1) * view.bin_s
        unanswered = np.minimum(ahead, self.recourse_s)
        rate = view.served_per_s[:, None]
        spread = np.sqrt(
            view.queue_sd[:, None] ** 2 + self.dispersion * rate * unanswered + (self.rate_sd * rate * unanswered) ** 2
        )
        fading = np.exp(-np.maximum(0.0, ahead - self.recourse_s) / self.answered_s)
        chance: Floats = np.array(self.deviations)[:, None, None] * (spread * fading)
        return chance

    def _price(self, view: View, coming: Floats, chance: Floats) -> Floats:
        """(G, B) a guest's own wait and the harm to those behind, mean over what chance may do."""
        drift = view.queue[:, None] + np.cumsum(coming - (view.served_per_s * view.bin_s)[:, None], axis=1)
        rate = np.maximum(view.served_per_s, 1e-9)[:, None]
        price = np.zeros_like(drift)
        for shift in chance:
            path = drift + shift
            queue = path - np.minimum(np.minimum.accumulate(path, axis=1), 0.0)
            wait = queue / rate
            price += wait + np.clip(busy_until(view, queue) - wait, 0.0, self.longest_s)
        mean: Floats = price / len(chance)
        return mean
