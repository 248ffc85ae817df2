"""The drills' table: each is an entry point with bars, a control that has something off, and a zone where it is day."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from benchmarks.drills import drills
from benchmarks.drills.drills import PLANS
from benchmarks.drills.plan import NEVER
from benchmarks.drills.stand import noon_zone
from resort.guards import Guards

ROOT = Path(__file__).parents[3]


def test_every_drill_of_the_table_is_an_entry_point_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = project["entry-points"]["snowgate.drills"]
    at_gates = {name: f"benchmarks.drills.drills:{name}" for name in PLANS}
    assert points == {**at_gates, "pricing": "benchmarks.drills.pricing:pricing"}
    assert all(callable(getattr(drills, name)) for name in PLANS)
    assert set(PLANS) == {
        "lane", "gate", "redis", "sql", "journal", "head", "partition", "disk", "clock", "turnstile",
    }  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_a_drill_has_a_control_that_can_fail(name: str) -> None:
    plan = PLANS[name]
    assert plan.faults
    assert plan.control != Guards()
    assert plan.shows
    assert set(plan.shows) <= {*NEVER, "dead_lanes", *plan.bars}


@pytest.mark.parametrize("hour", range(24))
def test_it_is_noon_where_a_drill_is_held(hour: int) -> None:
    at = datetime(2026, 12, 1, hour, 30, tzinfo=UTC)
    assert at.astimezone(ZoneInfo(noon_zone(hour))).hour == 12
