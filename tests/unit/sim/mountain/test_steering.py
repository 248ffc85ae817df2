"""Signs and lanes of a virtual day: advice goes to who follows, and lanes to where they are needed."""

import random

import pytest

from sim.mountain.parties import Party
from sim.mountain.resort_day import ResortDay
from sim.mountain.scenario import Scenario
from tests.unit.sim.mountain.small_resort import ARRIVALS, small


def party(scene: Scenario, follows: float, ticket: int = 0) -> Party:
    dice = random.Random(1)
    return Party(1, 0.0, 0, 2, scene.tickets[ticket], "card", follows, 1.0, 1e9, None, False, dice)


def test_who_does_not_follow_goes_to_the_nearest_open_entrance() -> None:
    day = ResortDay(small(), 1)
    main, side = day.steering.entrances
    assert day.steering.way(party(day.scene, 1.0))[0] is main
    main.lose()
    gate, walk_s = day.steering.way(party(day.scene, 1.0))
    assert gate is side
    assert walk_s == pytest.approx((300**2 + 100**2) ** 0.5 / 1.1)


def test_who_follows_goes_where_the_sign_says() -> None:
    day = ResortDay(small(steering={"policy": "static", "tick_s": 60, "opening": "all"}), 1)
    day.steering.tick()
    ways = {day.steering.way(party(day.scene, 0.0))[0].scene.id for _ in range(8)}
    assert ways == {"main", "side"}  # shares by lanes, 3 to 2, whatever the walk


def test_nobody_is_sent_where_the_ticket_is_not_valid() -> None:
    tickets = [{"code": "day", "share": 1.0, "media": {"card": 1.0}, "gates": ["side", "g-chair"]}]
    day = ResortDay(small(tickets=tickets), 1)
    assert {day.steering.way(party(day.scene, follows))[0].scene.id for follows in (0.0, 1.0)} == {"side"}


def test_signs_rest_when_nobody_is_foreseen() -> None:
    quiet = small(arrivals={**ARRIVALS, "profile": [[200, 1], [230, 1]]}, steering={"policy": "static", "opening": "all"})
    day = ResortDay(quiet, 1)
    day.steering.tick()
    assert day.steering.way(party(day.scene, 0.0))[0].scene.id == "main"


def test_lanes_open_for_a_crowd_and_close_after_it() -> None:
    day = ResortDay(small(arrivals={**ARRIVALS, "guests": 2_000}), 1, checked=True)
    seen: list[int] = []
    for minute in (60, 200):
        day.course.do(minute * 60.0, lambda: seen.append(sum(gate.open_lanes for gate in day.steering.entrances)))
    tally = day.play().tally
    assert seen[0] > seen[1]
    assert any("opens to" in decided.text.en for decided in tally.decided)
    assert any("closes to" in decided.text.en for decided in tally.decided)
