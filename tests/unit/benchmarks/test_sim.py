"""The bench of the simulated resort: a day beside the bare passages in it, and the names by which both are found."""

from importlib.metadata import entry_points

import pytest

from benchmarks.sim import measured_day
from tests.unit.sim.mountain.small_resort import small


async def test_a_day_costs_more_than_its_bare_passages() -> None:
    told: list[str] = []
    found = await measured_day(small(), 1, told.append)
    assert found.figures["passages"] > 300
    assert found.limits["bare_passages_cpu_s"] == pytest.approx(
        found.limits["bare_passage_cpu_us"] * found.figures["passages"] / 1e6
    )
    assert found.ratios["cpu_over_bare_passages"] > 1
    assert told


def test_bench_and_command_are_plugged_in() -> None:
    assert {point.name for point in entry_points(group="snowgate.benches")} >= {"sim"}
    assert [point.name for point in entry_points(group="snowgate.commands")] == ["sim"]
