"""A drill as people run it, small: lanes die under load and nothing is lost; with a guard off the very same check finds it.

No bars in seconds here: those are for `snowgate drill` on a machine that has nothing else to do.
"""

from dataclasses import replace

import pytest

from benchmarks.drills.drills import PLANS
from benchmarks.drills.plan import NEVER
from benchmarks.drills.runner import run_drill
from orchestrator.drills import DrillAsk, DrillOutcome

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(400)]


async def practise(name: str, *, control: bool) -> DrillOutcome:
    return await run_drill(replace(PLANS[name], bars={}, rate_per_s=30.0), DrillAsk(1, 2, control), print)


async def test_lanes_killed_under_load_lose_nothing_and_admit_nobody_twice() -> None:
    outcome = await practise("lane", control=False)
    figures = outcome.measured.figures
    assert {name: figures[name] for name in (*NEVER, "history_findings", "dead_lanes")} == dict.fromkeys(
        (*NEVER, "history_findings", "dead_lanes"), 0
    ), outcome.remarks
    assert outcome.held, outcome.remarks
    assert figures["kills"] == 2
    assert figures["scans"] >= 500
    assert figures["turns"] == figures["passages"] > 300


async def test_control_without_the_comparison_the_drill_finds_double_admissions() -> None:
    outcome = await practise("gate", control=True)
    assert outcome.measured.figures["double_admissions"] > 0
    assert outcome.held  # of a control: the failure showed
