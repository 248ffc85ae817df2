"""Whole virtual days: one seed, one journal; nobody is lost; nobody is admitted twice; incidents pass."""

import os
import subprocess
import sys

import pytest

from sim.mountain.resort_day import DayPlayed, ResortDay
from sim.mountain.scenario import Scenario
from tests.unit.sim.mountain.small_resort import ARRIVALS, small

OTHER_PROCESS = """
from sim.mountain.resort_day import ResortDay
from tests.unit.sim.mountain.small_resort import small
print(ResortDay(small(), 5).play().digest)
"""


def played(scene: Scenario, seed: int = 1) -> DayPlayed:
    return ResortDay(scene, seed, checked=True).play()


def test_a_seed_gives_the_same_journal_also_in_another_process() -> None:
    first, second = played(small(), 5), ResortDay(small(), 5).play()
    assert first.digest == second.digest
    assert first.events == second.events > 500
    other = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS],
        env={**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == first.digest
    assert played(small(), 6).digest != first.digest


def test_everybody_comes_in_rides_and_goes_home() -> None:
    day = played(small())
    tally = day.tally
    assert tally.guests > 200
    assert tally.entered >= tally.guests
    assert tally.left == tally.guests
    assert day.inside_at_end == 0
    assert tally.rides > tally.guests
    assert sum(tally.seated.values()) == tally.rides
    assert tally.lunches > 0


def test_every_turn_of_an_arm_is_in_the_journal() -> None:
    day = ResortDay(small(cheats={"tailgating": 5}), 2, checked=True)
    outcome = day.play()
    turns = sum(worker.lane.steel.counter_in for gate in day.gates for worker in gate.workers)
    assert turns == outcome.tally.passages + outcome.tally.uncontrolled
    assert outcome.tally.cheats["tailgating"].noticed == outcome.tally.cheats["tailgating"].admitted > 0


def test_single_tickets_are_used_once_whatever_guests_try() -> None:
    single = [{"code": "single", "share": 1.0, "media": {"printed": 1.0}, "entries": 1, "gates": ["main", "side"]}]
    day = ResortDay(small(tickets=single, cheats={"copied_code": 30, "brute_force": 2}), 3, checked=True)
    tally = day.play().tally
    assert all(record.usage.used <= 1 for record in day.ledger.tickets.values() if record.entitlement.entries == 1)
    assert tally.cheats["copied_code"].admitted == 0
    assert tally.cheats["copied_code"].refused > 0
    assert tally.cheats["brute_force"].refused == 2
    assert tally.refusals["forged_code"] == 24


@pytest.mark.parametrize(
    "incident",
    [
        {"kind": "lift_stop", "lift": "chair", "at_min": 60, "minutes": 15},
        {"kind": "gate_loss", "gate": "main", "at_min": 40, "minutes": 20},
        {"kind": "gate_loss", "gate": "g-chair", "at_min": 40, "minutes": 20},
        {"kind": "fire_drill", "area": "base", "at_min": 70, "minutes": 10},
    ],
)
def test_after_an_incident_everybody_still_gets_home(incident: dict[str, object]) -> None:
    day = played(small(incidents=[incident], day={"date": "2026-12-12", "minutes": 300}))
    assert day.tally.left == day.tally.guests
    assert day.inside_at_end == 0


def test_a_drill_empties_the_lines_through_the_arms() -> None:
    drill = {"kind": "fire_drill", "area": "base", "at_min": 70, "minutes": 10}
    arrivals = {**ARRIVALS, "guests": 900}
    day = ResortDay(small(incidents=[drill], arrivals=arrivals), 1, checked=True)
    tally = day.play().tally
    out = sum(worker.lane.steel.counter_out for gate in day.gates for worker in gate.workers)
    assert out == tally.evacuated > 0
    assert tally.evacuation_s > 0


def test_a_lost_gate_sends_its_line_elsewhere_and_policy_none_differs() -> None:
    incident = {"kind": "gate_loss", "gate": "main", "at_min": 30, "minutes": 40}
    arrivals = {**ARRIVALS, "guests": 900}
    steered = played(small(incidents=[incident], arrivals=arrivals))
    alone = played(small(incidents=[incident], arrivals=arrivals, steering={"policy": "none", "opening": "all"}))
    assert steered.tally.guests == alone.tally.guests  # common random numbers
    assert steered.digest != alone.digest
    assert any("side" in decided.place for decided in steered.tally.decided)


def test_staff_bound_how_many_lanes_are_open() -> None:
    day = ResortDay(small(shifts=[{"from_min": 0, "to_min": 300, "attendants": 1, "lanes_each": 4}]), 1, checked=True)
    open_at_once: list[int] = []
    day.course.do(100 * 60.0, lambda: open_at_once.append(sum(gate.open_lanes for gate in day.gates)))
    day.play()
    assert open_at_once[0] <= 4


def test_a_sale_never_sells_a_place_twice() -> None:
    sale = {"orders": 800, "at_min": 10, "minutes": 20, "days": 2, "quota_per_day": 300}
    day = ResortDay(small(sale=sale), 4, checked=True)
    outcome = day.play()
    assert outcome.oversold == 0
    assert outcome.tally.orders["orders"] == 800
    assert outcome.tally.orders["sold_out"] > 0
    assert 0 < outcome.tally.orders["places"] <= 600
