"""A Saturday morning before six gates: who comes when and from where, how fast lanes serve, and what breaks. No policy here.

Everything random of a morning is drawn beforehand from one seed, so that two policies meet the same guests, dice and faults
(common random numbers). `sim/crowd_play.py` plays it. The numbers are stated and reasoned in docs/crowd.md.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LANES = (10, 8, 6, 6, 4, 4)
SERVICE_S = 3.0  # mean of a lane: 20 guests a minute, the slow end of what makers publish
SERVICE_SHAPE = 4.0  # gamma: coefficient of variation 0.5
WALKING_M_PER_S = 1.1  # in ski boots
PACE_SPREAD = 0.15  # of walking times between parties, lognormal
GATES_M = ((0, 0), (250, 40), (480, 0), (-260, 60), (700, 90), (-480, 30))
SIGNS_M = ((30, -220), (400, -260), (-350, -180), (180, -180), (600, -240), (-120, -200))
SIGN_SHARE = (0.44, 0.12, 0.08, 0.16, 0.10, 0.10)  # car parks east, middle and west, coaches, railway, village
COACH_SIGN = 3
PARTY_SHARE = (0.24, 0.34, 0.16, 0.17, 0.06, 0.03)  # of 1 to 6
OPEN_S = 9_000.0  # guests come for two and a half hours
PEAK_S = (3_000.0, 6_600.0)  # the hour that `load` speaks of
PROFILE = ((0.0, 0.35), (3_000.0, 1.0), (6_600.0, 1.0), (9_000.0, 0.4))  # of the peak's rate
BLOCK_S = 900.0  # forecasts are by 15 minutes
FORECAST_ERROR = 0.15
COACH_SEATS = 45
COACHES_TOGETHER = 2.0  # mean of a convoy
COACH_EVERY_S = 30.0
ALIGHTING_S = 90.0
FAULT_EVERY_S = 4 * 3_600.0  # of one lane
REPAIR_S = 360.0
OUTAGE_S = 1_500.0


@dataclass(frozen=True, slots=True)
class Resort:
    """Gates and signs: what is known before anybody comes."""

    lanes: tuple[int, ...]
    walk_s: Floats  # (S, G) mean
    service_s: float

    @property
    def served_per_s(self) -> float:
        """Guests a second with every lane open and busy."""
        return sum(self.lanes) / self.service_s

    @property
    def nearest(self) -> Ints:
        """(S,) nearest gate of each sign."""
        nearest: Ints = self.walk_s.argmin(axis=1).astype(np.int64)
        return nearest


@dataclass(frozen=True, slots=True)
class Outage:
    """A lane that serves nobody for a while; who is in it finishes."""

    gate: int
    lane: int
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Morning:
    """One seed's parties in the order in which they pass their signs, and what breaks."""

    resort: Resort
    load: float
    passes_s: Floats  # (P,)
    sign: Ints  # (P,)
    size: Ints  # (P,)
    follows: Floats  # (P,) who follows a sign: those below its compliance
    pace: Floats  # (P,) walking time over the mean, mean 1
    service_s: Floats  # (N,) one a guest, taken in the order of entering, whichever gate it is
    outages: tuple[Outage, ...]
    forecast_per_s: Floats  # (S, blocks) what was foreseen, wrong by up to 15 %
    seed: int


def saturday_resort() -> Resort:
    """The six gates of the bench."""
    gates, signs = np.array(GATES_M, dtype=float), np.array(SIGNS_M, dtype=float)
    away = np.hypot(*(signs[:, None, :] - gates[None, :, :]).transpose(2, 0, 1))
    return Resort(LANES, away / WALKING_M_PER_S, SERVICE_S)


def morning(seed: int, load: float, resort: Resort | None = None) -> Morning:
    """Draw one Saturday morning; `load` is the peak hour's expected guests over what all lanes could serve in it."""
    resort = resort or saturday_resort()
    dice = np.random.default_rng((seed, 17))
    blocks = int(OPEN_S / BLOCK_S)
    times, shares = zip(*PROFILE, strict=True)
    middle = (np.arange(blocks) + 0.5) * BLOCK_S
    foreseen = load * resort.served_per_s * np.outer(SIGN_SHARE, np.interp(middle, times, shares))
    true_rate = foreseen / (1 + dice.uniform(-FORECAST_ERROR, FORECAST_ERROR, foreseen.shape))
    mean_size = float(np.dot(PARTY_SHARE, np.arange(1, 7)))
    passes, signs = [], []
    for sign in range(len(SIGN_SHARE)):
        if sign == COACH_SIGN:
            when = _coaches(dice, true_rate[sign], mean_size)
        else:
            number = dice.poisson(true_rate[sign] * BLOCK_S / mean_size)
            when = np.concatenate([block * BLOCK_S + dice.uniform(0, BLOCK_S, n) for block, n in enumerate(number)])
        passes.append(when)
        signs.append(np.full(len(when), sign))
    passes_s = np.concatenate(passes)
    order = np.argsort(passes_s, kind="stable")
    size = dice.choice(np.arange(1, 7), len(order), p=PARTY_SHARE)
    guests = int(size.sum())
    return Morning(
        resort=resort,
        load=load,
        passes_s=passes_s[order],
        sign=np.concatenate(signs)[order],
        size=size,
        follows=dice.random(len(order)),
        pace=np.exp(dice.normal(-(PACE_SPREAD**2) / 2, PACE_SPREAD, len(order))),
        service_s=dice.gamma(SERVICE_SHAPE, resort.service_s / SERVICE_SHAPE, guests),
        outages=_outages(dice, resort),
        forecast_per_s=foreseen,
        seed=seed,
    )


def _coaches(dice: np.random.Generator, rate: Floats, mean_size: float) -> Floats:
    """When the parties of coaches pass the sign: convoys of some coaches, each alighting within a minute and a half."""
    when = []
    for block, per_s in enumerate(rate):
        for began in dice.uniform(0, BLOCK_S, dice.poisson(per_s * BLOCK_S / (COACH_SEATS * COACHES_TOGETHER))):
            for coach in range(int(dice.geometric(1 / COACHES_TOGETHER))):
                stops = block * BLOCK_S + began + coach * COACH_EVERY_S
                when.append(stops + dice.uniform(0, ALIGHTING_S, round(COACH_SEATS / mean_size)))
    return np.concatenate(when) if when else np.zeros(0)


def _outages(dice: np.random.Generator, resort: Resort) -> tuple[Outage, ...]:
    """Lanes that break by themselves, and half of one larger gate within the peak hour."""
    found = []
    for gate, lanes in enumerate(resort.lanes):
        for lane in range(lanes):
            at = float(dice.exponential(FAULT_EVERY_S))
            while at < OPEN_S:
                ends = at + float(dice.exponential(REPAIR_S))
                found.append(Outage(gate, lane, at, ends))
                at = ends + float(dice.exponential(FAULT_EVERY_S))
    larger = [gate for gate, lanes in enumerate(resort.lanes) if lanes >= 6]
    gate = int(dice.choice(larger)) if larger else 0
    began = float(dice.uniform(PEAK_S[0], PEAK_S[1] - OUTAGE_S))
    found += [Outage(gate, lane, began, began + OUTAGE_S) for lane in range(resort.lanes[gate] // 2)]
    return tuple(found)
