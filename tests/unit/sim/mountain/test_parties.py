"""Who comes: the same for a seed, whatever is steered; fewer in a storm; coaches and convoys in bunches."""

from sim.mountain.parties import draw_parties, expected_guests, rate_at
from tests.unit.sim.mountain.small_resort import ARRIVALS, small


def test_the_same_seed_draws_the_same_parties_also_under_another_policy() -> None:
    first = draw_parties(small(), 4)
    second = draw_parties(small(steering={"policy": "none"}), 4)
    assert [(p.at_s, p.size, p.medium, p.leaves_s) for p in first] == [(p.at_s, p.size, p.medium, p.leaves_s) for p in second]
    assert [p.at_s for p in first] == sorted(p.at_s for p in first)
    assert [p.at_s for p in draw_parties(small(), 5)] != [p.at_s for p in first]


def test_day_and_weather_scale_how_many_come() -> None:
    day = {"date": "2026-12-12", "minutes": 240}
    assert expected_guests(small()) == 300
    assert expected_guests(small(day={**day, "kind": "holiday", "weather": "storm"})) == 300 * 1.25 * 0.4


def test_the_rate_follows_the_profile_and_is_none_outside() -> None:
    scene = small(arrivals={**ARRIVALS, "profile": [[0, 0], [60, 2]]})
    assert rate_at(scene, 3_600.0) == 2 * rate_at(scene, 1_800.0) > 0
    assert rate_at(scene, 3_601.0) == 0
    assert draw_parties(scene, 1)


def test_a_convoy_comes_besides_and_together() -> None:
    convoy = {"source": "bus", "at_min": 60, "coaches": 3, "seats": 46, "every_s": 20}
    plain, more = draw_parties(small(), 2), draw_parties(small(arrivals={**ARRIVALS, "convoys": [convoy]}), 2)
    assert len(more) - len(plain) == 3 * 18  # parties of 2.56 on average
    assert {party.key for party in plain} < {party.key for party in more}
    bunch = [party for party in more if 3_600 <= party.at_s <= 3_600 + 2 * 20 + 90]
    assert len(bunch) >= 3 * 18
