"""Staff's orders for tickets over HTTP: who may order what, in whose name, and what is refused at the door."""

from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tests.unit.web_console.answers import assert_problem
from tests.unit.web_console.fakes import STAFF, TICKET, FakeResort
from web_console.tickets_api import MAY_ORDER

SignIn = Callable[[str], Awaitable[aiohttp.ClientSession]]
STATUS = f"/api/tickets/{TICKET}/status"


@pytest.mark.parametrize("status", sorted(MAY_ORDER))
@pytest.mark.parametrize("name", sorted(STAFF))
async def test_every_role_may_order_what_the_table_says(resort: FakeResort, as_staff: SignIn, name: str, status: str) -> None:
    client = await as_staff(name)
    async with client.post(STATUS, json={"status": status, "note": "why"}) as answer:
        if STAFF[name] in MAY_ORDER[status]:  # type: ignore[index]
            assert answer.status == 200
            assert (await answer.json())["status"] == status
            assert resort.desk.orders == [(status, name, "why")]
        else:
            await assert_problem(answer, 403, "not_permitted")
            assert resort.desk.orders == []


async def test_channels_and_strangers_order_nothing(
    resort: FakeResort, client: aiohttp.ClientSession, as_channel: SignIn
) -> None:
    for session in (client, as_channel("key-of-partner")):
        async with session.post(STATUS, json={"status": "blocked", "note": "x"}) as answer:  # type: ignore[attr-defined]
            await assert_problem(answer, 401 if session is client else 403)
    assert resort.desk.orders == []


@pytest.mark.parametrize(
    "body",
    [
        {"status": "blocked"},
        {"status": "blocked", "note": ""},
        {"status": "gone", "note": "x"},
        {"status": "blocked", "note": "x" * 201},
    ],
)
async def test_a_note_is_needed_and_bounded(as_staff: SignIn, body: dict[str, str]) -> None:
    client = await as_staff("anna")
    async with client.post(STATUS, json=body) as answer:
        await assert_problem(answer, 422, "invalid")


async def test_a_ticket_nobody_sold_is_not_found(as_staff: SignIn) -> None:
    client = await as_staff("anna")
    async with client.post("/api/tickets/0000000000000000/status", json={"status": "blocked", "note": "x"}) as answer:
        await assert_problem(answer, 404, "not_found")


async def test_unknown_outcomes_are_listed_and_given_back(resort: FakeResort, as_staff: SignIn) -> None:
    client = await as_staff("cora")
    path = f"/api/tickets/{TICKET}/unknown-grants"
    async with client.get(path) as answer:
        assert await answer.json() == {"grants": []}
    async with client.post(f"{path}/grant_1", json={"note": "seen outside"}) as answer:
        assert answer.status == 200
    assert resort.desk.orders == [("grant_1", "cora", "seen outside")]
    viewer = await as_staff("vera")
    async with viewer.post(f"{path}/grant_1", json={"note": "x"}) as answer:
        await assert_problem(answer, 403)
