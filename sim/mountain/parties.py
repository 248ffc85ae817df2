"""Parties and guests of a virtual day, and how they are drawn before it begins: who comes when, from where and with what.

Arrivals are a Poisson process by thinning. Each party has dice of its own, so that two days of one seed that are steered
differently have the same guests with the same habits (common random numbers).
"""

import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from resort.access.entitlement import Medium
from resort.ids import TicketId
from resort.site import DayKind, LaneClass
from sim.mountain.scenario import Scenario, TicketScene, Weather

# Invented, as everything about crowds is here: how many come against a clear weekend day, and how long ways take.
KIND_FACTOR: dict[DayKind, float] = {"weekday": 0.35, "weekend": 1.0, "holiday": 1.25}
WEATHER_FACTOR: dict[Weather, float] = {"clear": 1.0, "snow": 0.85, "storm": 0.4}
WEATHER_SLOWS: dict[Weather, float] = {"clear": 1.0, "snow": 1.1, "storm": 1.35}
ALIGHTING_S = 90.0
CONVOY_NUMBERS = 500_000  # apart from the others', who stay who they are whatever convoys come
PARTY_SEEDS = 1_000_003
LEAST_STAY_S = 1_800.0


@dataclass(slots=True, eq=False)
class Guest:
    """One person, or a group on one code, at gates. `cheat`: what it is that he tries, if anything."""

    party: "Party"
    persons: int
    ticket_id: TicketId
    medium: Medium
    code: str  # what he holds up; made anew on a phone
    lane_class: LaneClass
    cheat: str = ""
    queue_class: LaneClass = "standard"
    came_s: float = 0.0
    tries: int = 0
    left: int = 0  # persons of a group who have not passed yet
    by_hand: bool = False  # staff let him in, as no ticket will


@dataclass(slots=True, eq=False)
class Party:
    """Persons who stay together."""

    number: int
    at_s: float
    source: int
    size: int
    ticket: TicketScene
    medium: Medium
    follows: float  # follows signs if below the compliance
    pace: float  # time for ways over the mean
    leaves_s: float
    lunch_s: float | None
    walk_in: bool
    dice: random.Random
    guests: list[Guest] = field(default_factory=list)
    missing: int = 0  # who are not through the gate yet
    boarding: int = 0  # who are not on a chair yet
    rides: int = 0
    inside: bool = False
    home: bool = False  # a ticket of it has run out: it goes home
    then: Callable[[], None] | None = None  # what it does once all are through

    @property
    def key(self) -> tuple[float, int]:
        """The order in which parties come."""
        return self.at_s, self.number


def expected_guests(scene: Scenario) -> float:
    """How many are expected besides convoys, on that kind of day in that weather."""
    return scene.arrivals.guests * KIND_FACTOR[scene.day.kind] * WEATHER_FACTOR[scene.day.weather]


def rate_at(scene: Scenario, at_s: float) -> float:
    """Expected guests a second at that moment, of all sources, convoys aside."""
    return _shape(scene.arrivals.profile, at_s / 60) * expected_guests(scene) / (_area(scene.arrivals.profile) * 60)


def draw_parties(scene: Scenario, seed: int) -> list[Party]:
    """Every party of the day in order."""
    arrivals = scene.arrivals
    sizes = range(1, len(arrivals.party_share) + 1)
    mean_size = sum(size * share for size, share in zip(sizes, arrivals.party_share, strict=True))
    parties: list[Party] = []
    for index, source in enumerate(arrivals.sources):
        dice = random.Random(f"{seed} {source.id}")
        convoys = [c for c in arrivals.convoys if c.source == source.id]
        times = _times(scene, source.share / mean_size, dice)
        times = sorted(_in_coaches(dice, times)) if source.coaches else times
        more = _convoys(dice, [(c.at_min * 60, c.coaches, c.seats, c.every_s) for c in convoys], mean_size)
        numbered = [*enumerate(times), *enumerate(sorted(more), CONVOY_NUMBERS)]
        parties += [_party(scene, seed, index, place, at_s) for place, at_s in numbered]
    return sorted(parties, key=lambda party: party.key)


def _party(scene: Scenario, seed: int, source: int, place: int, at_s: float) -> Party:
    number = source * 1_000_000 + place
    dice = random.Random(seed * PARTY_SEEDS + number)
    guests, arrivals = scene.guests, scene.arrivals
    size = dice.choices(range(1, len(arrivals.party_share) + 1), arrivals.party_share)[0]
    ticket = dice.choices(scene.tickets, [ticket.share for ticket in scene.tickets])[0]
    medium: Medium = dice.choices(list(ticket.media), list(ticket.media.values()))[0]
    stay_s = max(LEAST_STAY_S, dice.gauss(guests.stay_min[0] * 60, guests.stay_min[1] * 60))
    lunch_s = dice.uniform(*guests.lunch_min) * 60 if dice.random() < guests.lunch_share else None
    return Party(
        number=number,
        at_s=at_s,
        source=source,
        size=size,
        ticket=ticket,
        medium=medium,
        follows=dice.random(),
        pace=max(0.5, dice.gauss(1.0, guests.pace_spread)) * WEATHER_SLOWS[scene.day.weather],
        leaves_s=at_s + stay_s,
        lunch_s=lunch_s,
        walk_in=dice.random() < scene.hall.walk_in,
        dice=dice,
    )


def _times(scene: Scenario, share: float, dice: random.Random) -> list[float]:
    """Moments of a Poisson process with `share` of the day's rate, by thinning."""
    profile = scene.arrivals.profile
    most = max(rate for _, rate in profile)
    top = rate_at(scene, next(minute for minute, rate in profile if rate == most) * 60) * share
    if top <= 0:
        return []
    found: list[float] = []
    at_s, ends_s = profile[0][0] * 60, profile[-1][0] * 60
    while True:
        at_s += dice.expovariate(top)
        if at_s >= ends_s:
            return found
        if dice.random() * most < _shape(profile, at_s / 60):
            found.append(at_s)


def _in_coaches(dice: random.Random, times: list[float], seats: int = 17) -> list[float]:
    """The same number of parties, coach by coach (`seats` counts parties): each alights within a minute and a half."""
    first = times[::seats]
    return [first[index // seats] + dice.uniform(0, ALIGHTING_S) for index in range(len(times))]


def _convoys(dice: random.Random, convoys: list[tuple[float, int, int, float]], mean_size: float) -> list[float]:
    return [
        at_s + coach * every_s + dice.uniform(0, ALIGHTING_S)
        for at_s, coaches, seats, every_s in convoys
        for coach in range(coaches)
        for _ in range(round(seats / mean_size))
    ]


def _shape(profile: list[tuple[float, float]], minute: float) -> float:
    """The profile between its points; nothing outside."""
    if not profile[0][0] <= minute <= profile[-1][0]:
        return 0.0
    place = min(bisect_right(profile, (minute, float("inf"))), len(profile) - 1)
    (before, low), (after, high) = profile[place - 1], profile[place]
    return low + (high - low) * (minute - before) / (after - before)


def _area(profile: list[tuple[float, float]]) -> float:
    return sum((b - a) * (low + high) / 2 for (a, low), (b, high) in pairwise(profile))
