"""The API on the real ticket office and real accounts, on a SQLite file: nothing stands in but feed, gates and lanes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
import pytest
from argon2 import PasswordHasher

from orchestrator.parts import OpenResort
from resort.clock import ManualClock
from resort.ids import RandomIds
from sales.office import Payment
from sim.memory_feed import MemoryFeed
from sim.ticket_shop import MORNING, TODAY, Shop, open_shop, shop_site
from storage.accounts import FAILURES, Accounts
from tests.unit.web_console.answers import assert_problem
from tests.unit.web_console.fakes import QUICK, FakeAlarms, FakeGates, board
from web_console.window import ConsoleWindow

ASK = {"product": "day", "day": TODAY.isoformat(), "units": {"adult": 1}}
PASSWORD = "right horse battery"


@dataclass(frozen=True)
class Served:
    """A console on real parts."""

    shop: Shop
    accounts: Accounts
    clock: ManualClock
    url: str
    partner: aiohttp.ClientSession
    guest: aiohttp.ClientSession

    async def quote(self) -> dict[str, object]:
        async with self.partner.post("/api/quotes", json=ASK) as answer:
            assert answer.status == 201
            found: dict[str, object] = await answer.json()
        return found


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    clock = ManualClock(MORNING)
    site = shop_site(quota=2)
    site = msgspec.structs.replace(site, runtime=msgspec.structs.replace(site.runtime, console_port=0))
    async with open_shop(f"sqlite:///{tmp_path}/snowgate.db", site, clock) as shop:
        accounts = Accounts(shop.db, clock, RandomIds(), PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        await accounts.create_user("anna", "admin", PASSWORD)
        key = await accounts.create_channel_key("Kiosk 1", "kiosk")
        window = ConsoleWindow(timing=QUICK)
        url = await window.start(
            OpenResort(
                site=site,
                clock=clock,
                ids=RandomIds(),
                office=shop.office,
                accounts=accounts,
                feed=MemoryFeed(board(), heartbeat_s=0.05),
                gates=FakeGates(),
                desk=shop.desk,
                alarms=FakeAlarms(),
            )
        )
        bearer = {"Authorization": f"Bearer {key}"}
        async with aiohttp.ClientSession(url, headers=bearer) as partner, aiohttp.ClientSession(url) as guest:
            yield Served(shop, accounts, clock, url, partner, guest)
        await window.stop()


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def test_from_quote_to_ticket(served: Served) -> None:
    quote = await served.quote()
    assert quote["channel"] == "kiosk"
    async with served.partner.post("/api/orders", json={"quote_id": quote["quote_id"]}, headers=keyed("o")) as answer:
        assert answer.status == 201
        order = await answer.json()
    assert (order["state"], order["channel"], order["total"]) == ("on_hold", "kiosk", {"minor": 12_000, "currency": "CNY"})
    address = f"/api/orders/{order['order_id']}"
    payment = {"method": "cash", "amount": order["total"]}
    async with served.partner.post(f"{address}/payments", json=payment, headers=keyed("p")) as answer:
        assert answer.status == 201
        tickets = (await answer.json())["tickets"]
    async with served.partner.get(f"/api/tickets/{tickets[0]['ticket_id']}") as answer:
        assert await answer.json() == tickets[0]
    assert list(served.shop.lanes.records) == [tickets[0]["ticket_id"]]


async def test_staff_find_a_ticket_by_its_number_or_its_code(served: Served) -> None:
    quote = await served.quote()
    order = await served.shop.office.place_order(str(quote["quote_id"]), "kiosk", "o")
    (ticket,) = (await served.shop.office.pay(order.order_id, Payment("cash", order.total), "kiosk", "p")).tickets
    async with aiohttp.ClientSession(served.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as anna:
        async with anna.post("/api/session", json={"name": "anna", "password": PASSWORD}) as answer:
            assert answer.status == 201
        for text in (ticket.ticket_id, ticket.code):
            async with anna.post("/api/tickets/find", json={"text": text}) as answer:
                assert await answer.json() == {"ticket_id": ticket.ticket_id}
        for text in ("0" * 16, ticket.code[:8] + "A0A" + ticket.code[11:], "no code at all", "\u96ea" * 90):
            async with anna.post("/api/tickets/find", json={"text": text}) as answer:
                problem = await answer.json(content_type=None)
                assert (answer.status, problem["code"]) == (404, "not_found")
                assert text not in problem["detail"]
    async with served.partner.post("/api/tickets/find", json={"text": ticket.ticket_id}) as answer:
        assert answer.status == 403


async def test_a_repeated_order_is_the_same_order_and_another_request_under_its_key_is_refused(served: Served) -> None:
    first, second = await served.quote(), await served.quote()
    answers = []
    for _ in range(2):
        async with served.partner.post("/api/orders", json={"quote_id": first["quote_id"]}, headers=keyed("same")) as answer:
            answers.append(await answer.json())
    assert answers[0] == answers[1]
    async with served.partner.post("/api/orders", json={"quote_id": second["quote_id"]}, headers=keyed("same")) as answer:
        await assert_problem(answer, 422, "idempotency_key_reused")


async def test_two_shoppers_race_for_the_last_place(served: Served) -> None:
    async def order(number: int) -> tuple[int, str]:
        quote = await served.quote()
        body = {"quote_id": quote["quote_id"]}
        async with served.partner.post("/api/orders", json=body, headers=keyed(f"race-{number}")) as answer:
            return answer.status, (await answer.json(content_type=None)).get("code", "")

    outcomes = await asyncio.gather(*(order(number) for number in range(4)))
    assert sorted(outcomes) == [(201, ""), (201, ""), (409, "sold_out"), (409, "sold_out")]


async def test_refusals_of_the_office_have_their_own_codes(served: Served) -> None:
    quote = await served.quote()
    async with served.partner.post("/api/orders", json={"quote_id": quote["quote_id"]}, headers=keyed("o")) as answer:
        address = f"/api/orders/{(await answer.json())['order_id']}"
    wrong = {"method": "cash", "amount": {"minor": 1, "currency": "CNY"}}
    async with served.partner.post(f"{address}/payments", json=wrong, headers=keyed("p")) as answer:
        await assert_problem(answer, 422, "amount_mismatch")
    late = await served.quote()
    served.clock.advance_ms(901_000)
    async with served.partner.post("/api/orders", json={"quote_id": late["quote_id"]}, headers=keyed("late")) as answer:
        await assert_problem(answer, 409, "quote_expired")
    right = {"method": "cash", "amount": {"minor": 12_000, "currency": "CNY"}}
    async with served.partner.post(f"{address}/payments", json=right, headers=keyed("p")) as answer:
        await assert_problem(answer, 409, "hold_expired")
    async with served.partner.delete(address) as answer:
        await assert_problem(answer, 409, "wrong_state")


async def test_odd_ids_and_keys_never_reach_the_database_as_errors(served: Served) -> None:
    for odd in ("%00", "%ff", "%E9%9B%AA", "x" * 64, "'%3B--", "%F0%9F%8E%BF"):
        for path in (f"/api/orders/{odd}", f"/api/tickets/{odd}"):
            async with served.partner.get(f"{path}") as answer:
                await assert_problem(answer, 404, "not_found")
    async with served.partner.post("/api/orders", json={"quote_id": "q"}, headers=keyed("' OR 1=1 --")) as answer:
        await assert_problem(answer, 404, "not_found")


async def test_signing_in_by_cookie_and_out(served: Served) -> None:
    async with aiohttp.ClientSession(served.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.post("/api/session", json={"name": " ANNA ", "password": PASSWORD}) as answer:
            assert answer.status == 201
            assert await answer.json() == {"name": "anna", "role": "admin"}
        async with browser.ws_connect("/api/feed", headers={"Origin": served.url}) as socket:
            assert (await socket.receive_json(timeout=20))["type"] == "snapshot"
            async with browser.delete("/api/session") as answer:
                assert answer.status == 204
            async with asyncio.timeout(20):
                async for _ in socket:
                    pass
            assert socket.close_code == 4401
        async with browser.get("/api/session") as answer:
            await assert_problem(answer, 401, "not_signed_in")


async def test_an_idle_session_ends_and_takes_its_sockets_along(served: Served) -> None:
    signed_in = await served.accounts.sign_in("anna", PASSWORD)
    async with served.guest.ws_connect("/api/feed", headers={"Authorization": f"Bearer {signed_in.token}"}) as socket:
        await socket.receive_json(timeout=20)
        served.clock.advance_ms(13 * 3_600_000)
        async with asyncio.timeout(20):
            async for _ in socket:
                pass
        assert socket.close_code == 4401


async def test_guessing_passwords_is_slowed_down(served: Served) -> None:
    wrong = {"name": "anna", "password": "wrong horse"}
    for _ in range(FAILURES):
        async with served.guest.post("/api/session", json=wrong) as answer:
            await assert_problem(answer, 401, "not_signed_in")
    async with served.guest.post("/api/session", json=wrong) as answer:
        await assert_problem(answer, 429, "busy")
        assert int(answer.headers["Retry-After"]) > 0


async def test_health_asks_the_real_database(served: Served) -> None:
    while True:
        async with served.guest.get("/api/health") as answer:
            health = await answer.json()
        if health["ok"]:
            break
    assert answer.status == 200
