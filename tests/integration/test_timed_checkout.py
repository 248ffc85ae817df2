"""A timed ticket bought over HTTP on the real ticket office: from the list of slots to a code that is good from then on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from argon2 import PasswordHasher

from orchestrator.parts import OpenResort
from resort.clock import ManualClock
from resort.ids import RandomIds
from sim.memory_feed import MemoryFeed
from sim.ticket_shop import MORNING, TIMED, TODAY, open_shop, shop_site
from storage.accounts import Accounts
from tests.unit.web_console.answers import assert_problem
from tests.unit.web_console.fakes import QUICK, FakeAlarms, FakeGates, board
from web_console.window import ConsoleWindow


@asynccontextmanager
async def kiosk_at(folder: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A kiosk's connection to a console with a shop of its own, at nine in the morning."""
    clock, site = ManualClock(MORNING), shop_site()
    site = msgspec.structs.replace(site, runtime=msgspec.structs.replace(site.runtime, console_port=0))
    async with open_shop(f"sqlite:///{folder}/snowgate.db", site, clock) as shop:
        accounts = Accounts(shop.db, clock, RandomIds(), PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        key = await accounts.create_channel_key("Kiosk 1", "kiosk")
        parts = OpenResort(site=site, clock=clock, ids=RandomIds(), office=shop.office, accounts=accounts,
                           feed=MemoryFeed(board(), heartbeat_s=0.05), gates=FakeGates(), desk=shop.desk,
                           alarms=FakeAlarms())  # fmt: skip
        window = ConsoleWindow(timing=QUICK)
        url = await window.start(parts)
        async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {key}"}) as kiosk:
            yield kiosk
        await window.stop()


@pytest.fixture
async def kiosk(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    async with kiosk_at(tmp_path) as session:
        yield session


async def shelf(kiosk: aiohttp.ClientSession) -> dict[str, tuple[str, int]]:
    async with kiosk.get(f"/api/products/{TIMED}/slots", params={"day": TODAY.isoformat()}) as answer:
        assert answer.status == 200
        found = await answer.json()
    return {slot["slot"]: (slot["state"], slot["left"]) for slot in found["slots"]}


async def send(kiosk: aiohttp.ClientSession, path: str, body: dict[str, Any], key: str = "k") -> dict[str, Any]:
    async with kiosk.post(path, json=body, headers={"Idempotency-Key": key}) as answer:
        assert answer.status == 201, await answer.text()
        told: dict[str, Any] = await answer.json()
    return told


async def test_from_the_list_of_slots_to_a_ticket(kiosk: aiohttp.ClientSession) -> None:
    assert await shelf(kiosk) == {"08:00": ("over", 0), "09:00": ("open", 4), "10:00": ("open", 4), "11:00": ("sold_out", 0)}
    ask = {"product": TIMED, "day": TODAY.isoformat(), "slot": "10:00", "units": {"adult": 1, "child": 2}}
    quote = await send(kiosk, "/api/quotes", ask)
    assert (quote["slot"], quote["total"]) == ("10:00", {"minor": 18_000, "currency": "CNY"})
    order = await send(kiosk, "/api/orders", {"quote_id": quote["quote_id"]})
    assert (order["state"], order["slot"]) == ("on_hold", "10:00")
    assert (await shelf(kiosk))["10:00"] == ("open", 1)
    payment = {"method": "cash", "amount": order["total"]}
    paid = await send(kiosk, f"/api/orders/{order['order_id']}/payments", payment)
    assert [(ticket["unit"], ticket["slot"]) for ticket in paid["tickets"]] == [
        ("adult", "10:00"), ("child", "10:00"), ("child", "10:00"),
    ]  # fmt: skip
    async with kiosk.get(f"/api/tickets/{paid['tickets'][0]['ticket_id']}") as answer:
        assert (await answer.json())["slot"] == "10:00"


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({}, 422, "invalid", "slot"),
        ({"slot": "10:30"}, 422, "invalid", "slot"),
        ({"slot": "08:00"}, 422, "invalid", "slot"),
        ({"slot": "half past nine"}, 422, "invalid", "slot"),
        ({"slot": "10:00", "product": "day"}, 422, "invalid", "slot"),
        ({"slot": "11:00"}, 409, "sold_out", ""),
        ({"slot": "10:00", "units": {"adult": 5}}, 409, "sold_out", ""),
    ],
)
async def test_what_is_refused(
    kiosk: aiohttp.ClientSession, changes: dict[str, object], status: int, code: str, field: str
) -> None:
    ask = {"product": TIMED, "day": TODAY.isoformat(), "units": {"adult": 1}} | changes
    async with kiosk.post("/api/quotes", json=ask) as answer:
        problem = await answer.json(content_type=None)
    assert (answer.status, problem["code"], problem.get("field", "")) == (status, code, field)


async def test_slots_of_what_has_none(kiosk: aiohttp.ClientSession) -> None:
    async with kiosk.get("/api/products/moon/slots", params={"day": TODAY.isoformat()}) as answer:
        await assert_problem(answer, 404, "not_found")
    async with kiosk.get("/api/products/day/slots", params={"day": TODAY.isoformat()}) as answer:
        await assert_problem(answer, 422, "invalid")
    async with kiosk.get(f"/api/products/{TIMED}/slots") as answer:
        await assert_problem(answer, 422, "invalid")


async def test_the_catalogue_says_which_products_are_timed(kiosk: aiohttp.ClientSession) -> None:
    async with kiosk.get("/api/catalogue") as answer:
        products = {product["code"]: product["slots"] for product in (await answer.json())["products"]}
    assert products == {"day": [], TIMED: ["08:00", "09:00", "10:00", "11:00"]}
