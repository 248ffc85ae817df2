"""What is seen of a lane, from the pictures of its camera to the alarm."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from actors.gate import LaneStanding
from actors.lane_report import LaneReport, camera_state
from devices.code_source import code_source
from orchestrator.sights import lane_sight
from resort.alarm_levels import LevelAlarms
from resort.clock import ManualClock, SystemClock
from resort.ports import CodeSource
from resort.site import AlarmLimits, CameraSite, LaneLimits

LOOKS = 1_500


def lane_picture(brightness: float) -> Image.Image:
    """A lane with a wall, a rail and some grain, so bright."""
    grain = np.random.default_rng(4).normal(0.0, 6.0, (240, 320))
    scene = np.full((240, 320), 120.0)
    scene[100:120], scene[:, 200:206] = 40.0, 220.0
    return Image.fromarray(np.clip((scene + grain) * brightness, 0, 255).astype(np.uint8))


async def seen_by(source: CodeSource) -> str:
    """How the camera sees once it has seen anything."""
    watching = asyncio.ensure_future(anext(aiter(source.sightings()), None))
    try:
        for _ in range(LOOKS):  # a view has no event of its own: it is asked for now and then
            if view := camera_state(source):
                return view
            await asyncio.sleep(0.02)
        return ""
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@pytest.mark.parametrize(
    ("brightness", "view", "alarms"),
    [(1.0, "clear", []), (0.1, "dark", ["camera_blind:l1"]), (2.4, "glare", ["camera_blind:l1"])],
)
async def test_a_camera_that_sees_badly_becomes_an_alarm(
    brightness: float, view: str, alarms: list[str], tmp_path: Path
) -> None:
    lane_picture(brightness).save(tmp_path / "lane.png")
    source = code_source(CameraSite(f"folder://{tmp_path}?fps=20"), LaneLimits(), SystemClock())
    assert camera_state(source) == ""
    assert await seen_by(source) == view
    report = LaneReport("l1", "ready", "", "open", None, 0, camera=camera_state(source))
    await source.close()
    standing = LaneStanding(report.lane_id, report.state, "", "open", None, 0, camera=report.camera)
    clock, levels = ManualClock(datetime(2026, 12, 12, 1, 0, tzinfo=UTC)), LevelAlarms(AlarmLimits())
    for _ in range(AlarmLimits().camera_blind_s + 1):
        levels.see_lane(lane_sight("g", standing), clock.now())
        clock.advance_ms(1_000)
    assert [cause.alarm_key for cause in levels.holding()] == alarms
    assert [cause.evidence["view"] for cause in levels.holding()] == [view for _ in alarms]
