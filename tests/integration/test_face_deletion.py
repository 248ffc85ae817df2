"""A face deleted over HTTP is gone from every gallery within the minute that is promised, told or not. Seconds are printed."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.integration.face_pool_day import pool_ticket

ROOT = Path(__file__).parents[2]
PATIENCE_S = 400.0
PROMISED_S = 60.0
UNKNOWN = [None, ["refuse", None]]
ONE = pool_ticket(0)

pytestmark = pytest.mark.timeout(PATIENCE_S + 30)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happened on the day that `face_deletion_day.py` plays."""
    folder = tmp_path_factory.mktemp("deletion")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.integration.face_deletion_day", str(folder)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode == 0, said.decode(errors="replace")[-3000:]
    happened: dict[str, Any] = msgspec.json.decode((folder / "seen.json").read_bytes())
    return happened


def test_who_is_enrolled_over_http_is_known_by_both_ways(seen: dict[str, Any]) -> None:
    assert seen["before"] == UNKNOWN, "a control"
    assert seen["enrolled"] == seen["enrolled_again"] == ["pass", ["pass", ONE]]


def test_who_is_deleted_is_unknown_to_every_gallery_at_once(seen: dict[str, Any]) -> None:
    print(f"gone from every gallery {seen['told_s']:.2f} s after it was asked for")
    assert seen["told"] == UNKNOWN
    assert seen["told_s"] < PROMISED_S
    assert seen["standing"] == [False, ["withdrawn"]]
    assert seen["other_stays"] == "pass", "a control: somebody else is still known"


def test_an_actor_that_could_not_be_told_forgets_by_itself(seen: dict[str, Any]) -> None:
    """It is frozen while the face is deleted. The shop has its answer all the same, and the other shard goes on."""
    print(f"gone from every gallery {seen['thawed_s']:.2f} s after it was asked for, with the actor frozen meanwhile")
    assert seen["while_frozen"] == ["unavailable", "pass"]
    assert seen["same_process"], "a control: it was not a restart that made it forget"
    assert seen["thawed"] == UNKNOWN
    assert seen["thawed_s"] < PROMISED_S
    assert seen["other_still_stays"] == "pass"
