"""Synthetic days: the same seed gives the same day, and every attack is in it."""

from resort.messages import GrantIssued, ScanRefused, encode_event
from sim.scan_attacks import KINDS, play

GUESTS = 300


def test_the_same_seed_gives_the_same_day() -> None:
    days = [[encode_event(event) for event, _ in play(seed, 1, GUESTS).events] for seed in (3, 3, 4)]
    assert days[0] == days[1]
    assert days[0] != days[2]


def test_every_kind_is_there_with_its_events_named() -> None:
    day = play(5, 2, GUESTS)
    assert [attack.kind for attack in day.attacks] == [kind for kind in KINDS for _ in range(2)]
    assert set(day.guilty.values()) == set(range(len(day.attacks)))
    ids = {event.event_id for event, _ in day.events}
    assert ids >= set(day.guilty)
    assert all(before.at <= after.at for (_, before), (_, after) in zip(day.events, day.events[1:], strict=False))


def test_most_scans_are_honest_and_good() -> None:
    events = [event for event, _ in play(6, 0, GUESTS).events]
    grants = sum(isinstance(event, GrantIssued) for event in events)
    refused = sum(isinstance(event, ScanRefused) for event in events)
    assert grants > 2_000
    assert refused / grants < 0.05
