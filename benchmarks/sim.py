"""`snowgate bench sim`: how long a virtual Saturday of 30,000 guests takes, beside the bare passages that are in it.

The limit is the lane machine with its steel and ledger and nothing else (no guests, lines, lifts, signs), measured in the same
run before and after the day: what every passage must cost whatever the simulator does. Processor time, one core, one process.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from time import perf_counter, process_time
from zoneinfo import ZoneInfo

from orchestrator.measured import Measured, machine
from resort.access.codes import KEY_BYTES, SiteKeys, issue_code
from resort.access.entitlement import Entitlement
from resort.access.gate_rules import GateRules
from resort.access.lane_settings import LaneSettings
from resort.ids import GateId, LaneId, SeededIds
from resort.site import LaneLimits
from sim.mountain.course import Course
from sim.mountain.resort_day import DayPlayed, ResortDay
from sim.mountain.scenario import Scenario
from sim.mountain.scenario_file import find_scenario, load_scenario
from sim.mountain.virtual_lane import VirtualLane
from sim.mountain.virtual_ledger import VirtualLedger

SCENARIO = "peak-saturday"
BARE_PASSAGES = 10_000
DAY = date(2026, 12, 12)


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Play the day once; `seconds` is not used, as what is measured is a day. Raises NotFound, InvalidConfig."""
    return await measured_day(load_scenario(find_scenario(SCENARIO)), seed, told)


async def measured_day(scene: Scenario, seed: int, told: Callable[[str], None]) -> Measured:
    """What one day of that scenario takes, between two measurements of its limit."""
    told("bare passages …")
    before_us = _bare_passage_us()
    told("the day …")
    began_s, began_cpu_s = perf_counter(), process_time()
    day = await asyncio.to_thread(_played, ResortDay(scene, seed))
    wall_s, cpu_s = perf_counter() - began_s, process_time() - began_cpu_s
    told("bare passages again …")
    bare_us = (before_us + _bare_passage_us()) / 2
    passages = day.tally.passages
    figures = {
        "day_wall_s": wall_s,
        "day_cpu_s": cpu_s,
        "guests": day.tally.guests,
        "passages": passages,
        "rides": day.tally.rides,
        "journal_events": day.events,
        "simulation_steps": day.steps,
        "cpu_us_a_passage": cpu_s / passages * 1e6,
        "guests_a_cpu_s": day.tally.guests / cpu_s,
    }
    limits = {"bare_passage_cpu_us": bare_us, "bare_passages_cpu_s": bare_us * passages / 1e6}
    ratios = {"cpu_over_bare_passages": cpu_s / limits["bare_passages_cpu_s"]}
    return Measured("sim", seed, machine(), figures, limits, ratios)


def _played(day: ResortDay) -> DayPlayed:
    return day.play()


def _bare_passage_us() -> float:
    """Processor time of one passage: a code that is read, decided on, stored; the pulse, the turn and its outcome."""
    course, ledger, ids = Course(datetime(2026, 12, 12, 1, tzinfo=UTC)), VirtualLedger(), SeededIds("bare")
    keys, zone = SiteKeys(1, {1: b"k" * KEY_BYTES}), ZoneInfo("Asia/Shanghai")
    rules = GateRules(GateId("gate"), zone, "base", lift="lift", min_interval_s=60)
    settings = LaneSettings(GateId("gate"), LaneId("lane"), "standard", LaneLimits(), zone, rules=rules)
    lane = VirtualLane(settings, keys, ledger, course, ids, checked=False)
    codes = []
    for _ in range(BARE_PASSAGES):
        ticket_id = ids.ticket_id()
        ledger.sell(ticket_id, Entitlement("day", "adult", DAY, None, ("standard",)))
        codes.append(issue_code(ticket_id, keys))
    began_s = process_time()
    for code in codes:
        course.at += 1.0
        if not lane.show_code(code):
            raise AssertionError("a bare passage was refused")
        course.at += 1.0
        lane.steel.push_in()
        lane.look()
    return (process_time() - began_s) / BARE_PASSAGES * 1e6
