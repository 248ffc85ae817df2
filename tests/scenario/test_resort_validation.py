"""The simulated resort against formulas and published throughput. Seeds are fixed; tolerances are stated with each test."""

import math
import random
from datetime import UTC, datetime

import pytest

from resort.site import Medium
from resort.texts import Text
from sim.mountain.course import Course
from sim.mountain.gate import Gate
from sim.mountain.lift import Lift
from sim.mountain.outing import Desks, Restaurant
from sim.mountain.parties import Party, draw_parties, expected_guests
from sim.mountain.resort_day import ResortDay
from sim.mountain.scenario import SERVICE, LiftScene, RestaurantScene, RunScene
from sim.mountain.tally import Place, Tally
from tests.unit.sim.mountain.small_resort import ARRIVALS, small

NAME = Text("某处", "Somewhere")
BEGINS = datetime(2026, 12, 12, tzinfo=UTC)


def erlang_c(servers: int, offered: float) -> float:
    """Probability that a guest has to wait in M/M/c."""
    busy = offered**servers / math.factorial(servers) / (1 - offered / servers)
    return busy / (sum(offered**k / math.factorial(k) for k in range(servers)) + busy)


def erlang_b(servers: int, offered: float) -> float:
    """Probability that a guest finds no server free in M/G/c/c."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked


def one_guest(day: ResortDay, number: int, at_s: float, medium: Medium = "printed") -> Party:
    ticket = day.scene.tickets[0]
    party = Party(number, at_s, 0, 1, ticket, medium, 1.0, 1.0, 1e9, None, False, random.Random(number))
    day.desk.sell(party)
    return party


def gate_of_lanes(lanes: int, mean_s: float, spread: float) -> tuple[ResortDay, Gate]:
    """A gate with the real lane machines, before which nothing goes wrong."""
    tree = {"id": "only", "name": {"zh": "口", "en": "Only"}, "at": [0, 0], "area": "base", "lanes": lanes}
    scene = small(
        gates=[tree],
        tickets=[{"code": "day", "share": 1.0, "media": {"printed": 1.0}}],
        service={"printed": {"mean_s": mean_s, "spread": spread, "unreadable": 0.0}},
        guests={"wrong_day": 0.0, "wrong_lane": 0.0},
    )
    day = ResortDay(scene, 1)
    return day, day.gates[0]


@pytest.mark.parametrize(("lanes", "load", "guests"), [(1, 0.7, 12_000), (4, 0.8, 30_000), (8, 0.8, 30_000)])
def test_waits_at_a_gate_are_those_of_erlang_c(lanes: int, load: float, guests: int) -> None:
    """Mean wait within 15 %, share who wait within 5 points: what so many guests at these loads allow."""
    mean_s = 0.5  # short, so that nobody is too late at the arm, which no formula knows
    day, gate = gate_of_lanes(lanes, mean_s, 1.0)
    per_s = load * lanes / mean_s
    dice, at_s = random.Random(f"{lanes} {load}"), 0.0
    for number in range(guests):
        at_s += dice.expovariate(per_s)
        day.course.do(at_s, gate.arrive, one_guest(day, number, at_s), lambda: None)
    day.course.run(at_s + 3_600)
    waits = gate.place.waits_s
    assert len(waits) == guests
    waiting = erlang_c(lanes, load * lanes)
    assert sum(waits) / guests == pytest.approx(waiting / (lanes / mean_s - per_s), rel=0.15)
    assert sum(wait > 1e-9 for wait in waits) / guests == pytest.approx(waiting, abs=0.05)


def test_waits_in_the_hall_are_those_of_erlang_c() -> None:
    """Mean within 10 %."""
    desks, mean_s, load, customers = 5, 60.0, 0.8, 300_000
    hall = Desks(desks, Place("hall", "hall", NAME))
    dice, at_s = random.Random(3), 0.0
    for _ in range(customers):
        at_s += dice.expovariate(load * desks / mean_s)
        hall.serve(at_s, dice.expovariate(1 / mean_s))
    expected_s = erlang_c(desks, load * desks) / (desks / mean_s * (1 - load))
    assert sum(hall.place.waits_s) / customers == pytest.approx(expected_s, rel=0.10)


def test_tables_that_are_not_found_are_those_of_erlang_b() -> None:
    """Within 10 %; stays are gamma, to which Erlang B is insensitive."""
    course, dice = Course(BEGINS), random.Random(4)
    hut = Restaurant(RestaurantScene("hut", NAME, "base", 20), Place("hut", "restaurant", NAME))
    stay_s, offered, guests = 2_100.0, 18.0, 40_000
    turned_away = 0

    def come() -> None:
        nonlocal turned_away
        if hut.sit(1):
            course.after(dice.gammavariate(4.0, stay_s / 4.0), hut.rise, 1)
        else:
            turned_away += 1

    at_s = 0.0
    for _ in range(guests):
        at_s += dice.expovariate(offered / stay_s)
        course.do(at_s, come)
    course.run(at_s)
    assert turned_away / guests == pytest.approx(erlang_b(20, offered), rel=0.10)


@pytest.mark.parametrize("medium", sorted(SERVICE))
def test_a_busy_lane_lets_through_what_makers_publish(medium: Medium) -> None:
    """20 to 40 persons a minute, readings that fail and people who are too late included; 3 % of tolerance below."""
    tree = {"id": "only", "name": {"zh": "口", "en": "Only"}, "at": [0, 0], "area": "base", "lanes": 1, "faces": True}
    scene = small(gates=[tree], tickets=[{"code": "day", "share": 1.0, "media": {medium: 1.0}}])
    day = ResortDay(scene, 2)
    gate = day.gates[0]
    for number in range(3_000):
        gate.arrive(one_guest(day, number, 0.0, medium), lambda: None)
    day.course.run(3_600.0)
    assert 20 * 0.97 <= gate.entered / 60 <= 40


@pytest.mark.parametrize(("seats", "interval_s"), [(4, 6.0), (6, 6.0), (8, 9.0)])
def test_a_lift_before_a_long_line_carries_its_published_throughput(seats: int, interval_s: float) -> None:
    """Singles fill every chair: seats * 3600 / interval, to one chair. Parties leave at most 12 % empty."""
    for sizes, least in (((1,), 1.0), ((1, 2, 2, 2, 3, 4, 4), 0.88)):
        scene = LiftScene("chair", NAME, (0, 0), "base", seats, interval_s, 5.0, [RunScene("base", 5.0)])
        course, tally = Course(BEGINS), Tally()
        lift = Lift(scene, course, tally, Place("chair", "line", NAME), lambda party, lift: None)
        dice, day = random.Random(5), gate_of_lanes(1, 1.0, 1.0)[0]
        persons = 0
        while persons < 2 * seats * 3_600 / interval_s:
            party = one_guest(day, 0, 0.0)
            party.size = dice.choice(sizes)
            persons += party.size
            lift.join(party)
        course.run(3_600.0 - 1e-6)
        carried, published = tally.seated["chair"], seats * 3_600 / interval_s
        assert published * least - seats <= carried <= published


def test_arrivals_are_the_poisson_process_that_was_asked_for() -> None:
    """The mean of 30 days within 3 standard errors, and each quarter of the profile has its share within 10 %."""
    scene = small(arrivals=dict(ARRIVALS, profile=[[0, 1], [60, 3], [120, 1]], guests=2_000))
    days = [draw_parties(scene, seed) for seed in range(30)]
    guests = [sum(party.size for party in day) for day in days]
    expected = expected_guests(scene)
    spread = math.sqrt(expected * 3.5 / len(days))  # compound Poisson: mean square of a party over its mean is below 3.5
    assert sum(guests) / len(days) == pytest.approx(expected, abs=3 * spread)
    first = sum(party.at_s < 1_800 for day in days for party in day if party.source == 0)
    everybody = sum(party.source == 0 for day in days for party in day)
    assert first / everybody == pytest.approx((1 + 2) / 2 * 30 / (2 * 120), rel=0.10)
