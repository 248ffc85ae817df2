"""The inference pool on a real Ray and store, with real photographs: known and forgotten at once, never half a gallery."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from actors.face_messages import face_shard
from resort.ids import TicketId
from tests.integration.face_pool_day import SHARDS

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300.0
ONE = next(f"{number:016x}" for number in range(100) if face_shard(TicketId(f"{number:016x}"), SHARDS) == 0)

pytestmark = pytest.mark.timeout(PATIENCE_S + 30)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happened on the day that `face_pool_day.py` plays."""
    folder = tmp_path_factory.mktemp("pool")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.integration.face_pool_day", str(folder)),
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


def test_who_is_enrolled_is_known_when_the_news_was_told(seen: dict[str, Any]) -> None:
    assert seen["before"] == [None, ["refuse", None]], "a control"
    assert seen["enrolled"] == ["pass", ["pass", ONE]]


def test_nobody_else_passes(seen: dict[str, Any]) -> None:
    assert seen["of_another"] in ("refuse", "look")
    assert seen["a_stranger"] == seen["two_faces"] == ["refuse", None]


def test_a_holder_is_not_named_where_the_ticket_is_not_valid(seen: dict[str, Any]) -> None:
    assert seen["elsewhere"] == ["refuse", None]


def test_who_is_forgotten_is_gone_told_or_not(seen: dict[str, Any]) -> None:
    assert seen["forgotten"] == [None, ["refuse", None]]
    assert seen["untold"] == "pass", "a control: nobody was told"
    assert seen["forgotten_untold"] is None


def test_nothing_is_decided_on_half_of_a_gallery(seen: dict[str, Any]) -> None:
    """While one actor of two is frozen, killed and comes back. 1:1 with a ticket of the other one goes on."""
    assert seen["meanwhile"][0] == ["unavailable", None]
    assert sorted(answer[0] for answer in seen["meanwhile"]) == ["pass", "unavailable"]
    assert seen["one_to_one_meanwhile"] == "pass"


def test_a_killed_actor_is_right_again(seen: dict[str, Any]) -> None:
    assert seen["restarted"]
    assert seen["back"][0] == "pass"
    assert seen["back"][1] in ("refuse", "look")


def test_no_picture_is_in_rays_object_store(seen: dict[str, Any]) -> None:
    control, frame = seen["in_object_store"]
    assert control
    assert not frame
