"""Alarms over HTTP: who may see and acknowledge them, and what becomes of what they say."""

from collections.abc import Awaitable, Callable

import aiohttp
import msgspec
import pytest

from resort.errors import Unavailable
from resort.feed import AlarmView, Delta
from resort.texts import Text
from tests.unit.web_console.fakes import AT, OPEN_ALARM, FakeResort

SignIn = Callable[[str], Awaitable[aiohttp.ClientSession]]
ADDRESS = f"/api/alarms/{OPEN_ALARM}/acknowledge"
ALARM = AlarmView(OPEN_ALARM, "critical", "village", "village-1", Text("警", "Alarm"), AT, {"count": 1})


async def test_the_control_room_acknowledges_with_a_note_and_its_name(as_staff: SignIn, resort: FakeResort) -> None:
    client = await as_staff("cora")
    async with client.post(ADDRESS, json={"note": " 已派人 on the way "}) as answer:
        assert answer.status == 200
        assert await answer.json() == {"alarm_key": OPEN_ALARM, "by": "cora", "note": "已派人 on the way"}
    async with client.post(ADDRESS, json={}) as answer:
        assert answer.status == 200
    assert resort.alarms.seen == [(OPEN_ALARM, "cora", "已派人 on the way"), (OPEN_ALARM, "cora", "")]


@pytest.mark.parametrize("name", ["vera", "carl"])
async def test_other_roles_may_only_see(name: str, as_staff: SignIn, resort: FakeResort) -> None:
    client = await as_staff(name)
    async with client.post(ADDRESS, json={"note": ""}) as answer:
        assert answer.status == 403
        assert (await answer.json(content_type=None))["code"] == "not_permitted"
    async with client.get("/api/alarms") as answer:
        assert answer.status == 200
    assert resort.alarms.seen == []


async def test_nobody_may_do_neither(client: aiohttp.ClientSession, resort: FakeResort) -> None:
    async with client.post(ADDRESS, json={"note": ""}) as answer:
        assert answer.status == 401
    async with client.get("/api/alarms") as answer:
        assert answer.status == 401
    assert resort.alarms.seen == []


async def test_what_is_not_open_is_not_found(as_staff: SignIn) -> None:
    client = await as_staff("anna")
    async with client.post("/api/alarms/forced_arm:north-1/acknowledge", json={"note": ""}) as answer:
        assert answer.status == 404
        assert answer.content_type == "application/problem+json"
        assert (await answer.json(content_type=None))["code"] == "not_found"


@pytest.mark.parametrize("note", ["x" * 501, "a\nb", "a\u0000b", "ends\n", 5, None])
async def test_a_note_is_one_short_line(note: object, as_staff: SignIn, resort: FakeResort) -> None:
    client = await as_staff("anna")
    async with client.post(ADDRESS, json={"note": note}) as answer:
        assert answer.status == 422
        assert (await answer.json(content_type=None))["field"] == "note"
    assert resort.alarms.seen == []


async def test_a_watch_that_is_away_is_told_as_such(as_staff: SignIn, resort: FakeResort) -> None:
    resort.alarms.fails_with = Unavailable("The watch", "its process 4711 is gone")
    client = await as_staff("anna")
    async with client.post(ADDRESS, json={"note": ""}) as answer:
        assert answer.status == 503
        assert "4711" not in await answer.text()


async def test_the_list_is_the_boards(as_staff: SignIn, resort: FakeResort) -> None:
    client = await as_staff("vera")
    board = msgspec.structs.replace(resort.feed.board, version=2, alarms=[ALARM])
    await resort.feed.change(Delta(1, 2, AT, [], [], [ALARM]), board)
    while True:
        async with client.get("/api/alarms") as answer:
            body = await answer.json()
        if body["version"] == 2:
            break
    assert body["alarms"] == msgspec.to_builtins([ALARM])
