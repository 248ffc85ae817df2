"""What a balancing policy is told and what it answers: arrays over gates, signs and bins of time ahead. No rules here.

A policy is pure: `advise(view, last)` reads no clock, draws no dice and keeps nothing; what it wants to know next time it puts
into its `Advice`. Policies are in `orchestrator/balance.py`; views are filled by the orchestrator or by the rehearsal (`sim`).
"""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from resort.errors import Invalid

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class View:
    """What is known at one tick, for G gates, S signs (places where guests are advised) and B bins of time ahead.

    Everything is an estimate of now: who fills a view has already carried old counts forward (`orchestrator/in_transit.py`).
    """

    lanes_open: Floats  # (G,) lanes that serve; 0 is a closed gate
    lane_per_s: Floats  # (G,) guests that one lane serves in a second
    queue: Floats  # (G,) guests who stand there
    queue_sd: Floats  # (G,) standard deviation of that estimate, guests
    age_s: Floats  # (G,) age of the newest count behind it; infinity where nothing was ever heard
    walk_s: Floats  # (S, G) mean walk from sign to gate
    passing_per_s: Floats  # (S, B) forecast of guests who will pass each sign
    walking: Floats  # (G, B) guests already under way who are expected to reach the gate in each bin
    bin_s: float  # length of a bin
    tick_s: float  # time until advice is given again
    compliance: float  # share of guests who do as the sign says, 0..1; the others go to the nearest open gate

    def check(self) -> None:
        """Raises Invalid when shapes disagree or a number makes no sense."""
        gates, signs, bins = len(self.lanes_open), len(self.walk_s), self.walking.shape[-1]
        shapes = {
            "lane_per_s": (self.lane_per_s, (gates,)),
            "queue": (self.queue, (gates,)),
            "queue_sd": (self.queue_sd, (gates,)),
            "age_s": (self.age_s, (gates,)),
            "walk_s": (self.walk_s, (signs, gates)),
            "passing_per_s": (self.passing_per_s, (signs, bins)),
            "walking": (self.walking, (gates, bins)),
        }
        for name, (array, shape) in shapes.items():
            if array.shape != shape:
                raise Invalid(f"crowd view, {name}", f"has shape {array.shape} where {shape} is needed")
            if np.isnan(array).any() or (array < 0).any():
                raise Invalid(f"crowd view, {name}", "holds what is negative or no number")
        if not gates or not signs or not bins:
            raise Invalid("crowd view", "needs at least one gate, one sign and one bin")
        if not 0 <= self.compliance <= 1 or self.bin_s <= 0 or self.tick_s <= 0:
            raise Invalid("crowd view", "needs compliance from 0 to 1, and bins and ticks longer than nothing")

    @property
    def served_per_s(self) -> Floats:
        """(G,) guests that each gate serves in a second with the lanes that it has open."""
        return self.lanes_open * self.lane_per_s

    @property
    def is_open(self) -> NDArray[np.bool_]:
        """(G,) which gates serve at all. If none does, all count as open: advice must name some gate."""
        serving = self.served_per_s > 0
        return serving if serving.any() else np.ones_like(serving)


@dataclass(frozen=True, slots=True)
class Advice:
    """What the signs say until the next tick."""

    shares: Floats  # (S, G) share of a sign's guests advised to each gate; rows sum to 1, closed gates get 0
    plan: Floats | None = None  # what the policy wants to see again at the next tick, in a form of its own


class Policy(Protocol):
    """One way of giving advice."""

    def advise(self, view: View, last: Advice | None) -> Advice:
        """Shares for the next tick; `last` is what this policy answered the tick before."""


def nearest_open(view: View) -> Floats:
    """(S, G) everybody to the nearest open gate: what guests do by themselves, and what is said when nothing is known."""
    walks = np.where(view.is_open, view.walk_s, np.inf)
    shares = np.zeros_like(view.walk_s)
    shares[np.arange(len(walks)), walks.argmin(axis=1)] = 1.0
    return shares


def projected_queue(view: View, arriving: Floats) -> Floats:
    """(G, B) guests standing at the end of each bin when `arriving` (G, B) come: Lindley's recursion as a reflected sum."""
    path = view.queue[:, None] + np.cumsum(arriving - (view.served_per_s * view.bin_s)[:, None], axis=1)
    return path - np.minimum(np.minimum.accumulate(path, axis=1), 0.0)


def bin_of(view: View, ahead_s: Floats) -> NDArray[np.intp]:
    """The bin in which a moment that many seconds ahead lies, the last bin for whatever lies beyond."""
    bins: NDArray[np.intp] = np.minimum((ahead_s / view.bin_s).astype(np.intp), view.walking.shape[1] - 1)
    return bins
