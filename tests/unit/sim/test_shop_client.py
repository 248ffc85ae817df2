"""Buying over HTTP: the steps and what they carry, refusals in words, lost answers and a shop that talks nonsense."""

import json
from collections.abc import AsyncIterator
from datetime import date

import pytest
import pytest_asyncio
from aiohttp import web

from resort.errors import Refused, Unavailable
from sim.shop_client import TRIES, BoughtTicket, ShopClient

KEY = "channel-key"
DAY = date(2026, 12, 5)


class Shop:
    """A real HTTP server that sells one kind of ticket and misbehaves by order."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, dict[str, object], str | None, str | None]] = []
        self.sold: dict[str, dict[str, object]] = {}  # by idempotency key
        self.lose_next: list[str] = []  # paths whose next answer is lost after the work was done
        self.answer: tuple[int, str] | None = None  # given instead of everything

    async def serve(self, request: web.Request) -> web.Response:
        body = await request.json()
        key = request.headers.get("Idempotency-Key")
        self.asked.append((request.path, body, key, request.headers.get("Authorization")))
        if self.answer is not None:
            return web.Response(status=self.answer[0], text=self.answer[1], content_type="application/json")
        answer = self.work(request.path, body, key)
        if request.path in self.lose_next:
            self.lose_next.remove(request.path)
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(answer, status=201)

    def work(self, path: str, body: dict[str, object], key: str | None) -> dict[str, object]:
        total = {"minor": 12_000, "currency": "CNY"}
        if path == "/api/quotes":
            return {"quote_id": "q1", "total": total, "parts": []}
        assert key is not None
        order: dict[str, object] = {"order_id": f"o{len(self.sold)}", "state": "on_hold", "total": total, "tickets": []}
        if path.endswith("/payments"):
            assert body == {"method": "cash", "amount": total}
            order["tickets"] = [{"ticket_id": "t1", "unit": "adult", "code": "CODE", "valid_on": "2026-12-05"}]
        return self.sold.setdefault(key, order)


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[Shop]:
    opened = Shop()
    app = web.Application()
    app.router.add_post("/{path:.*}", opened.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    opened.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield opened
    await runner.cleanup()


async def buy(shop: Shop) -> list[BoughtTicket]:
    async with ShopClient(shop.url + "/", KEY) as client:
        return await client.buy("single", DAY, {"adult": 1})


async def test_a_party_quotes_orders_and_pays_the_total(shop: Shop) -> None:
    assert await buy(shop) == [BoughtTicket("t1", "adult", "CODE")]
    assert [path for path, *_ in shop.asked] == ["/api/quotes", "/api/orders", "/api/orders/o0/payments"]
    assert shop.asked[0][1] == {"product": "single", "day": "2026-12-05", "units": {"adult": 1}, "channel": "kiosk"}
    assert shop.asked[1][1] == {"quote_id": "q1"}
    assert {key for *_, key in shop.asked} == {f"Bearer {KEY}"}


async def test_no_two_parties_share_an_idempotency_key(shop: Shop) -> None:
    await buy(shop)
    await buy(shop)
    keys = [key for path, _, key, _ in shop.asked if path != "/api/quotes"]
    assert len(set(keys)) == 4


@pytest.mark.parametrize("path", ["/api/quotes", "/api/orders", "/api/orders/o0/payments"])
async def test_a_step_whose_answer_was_lost_is_repeated_under_its_key(shop: Shop, path: str) -> None:
    shop.lose_next = [path]
    assert len(await buy(shop)) == 1
    keys = [key for asked, _, key, _ in shop.asked if asked == path]
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert len(shop.sold) == 2  # one order, one payment


async def test_a_refusal_comes_with_the_shops_sentence(shop: Shop) -> None:
    problem = {"type": "urn:x", "title": "Conflict", "status": 409, "detail": "single is sold out.", "code": "sold_out"}
    shop.answer = (409, json.dumps(problem))
    with pytest.raises(Refused, match="sold_out: single is sold out"):
        await buy(shop)
    assert len(shop.asked) == 1


@pytest.mark.parametrize("body", ["<html>", "[]", '{"title": 5}', ""])
async def test_a_refusal_in_no_known_shape_is_still_a_refusal(shop: Shop, body: str) -> None:
    shop.answer = (403, body)
    with pytest.raises(Refused, match="403"):
        await buy(shop)


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_shop_in_trouble_is_asked_a_few_times(shop: Shop, status: int) -> None:
    shop.answer = (status, "{}")
    with pytest.raises(Unavailable, match=str(status)):
        await buy(shop)
    assert len(shop.asked) == TRIES


@pytest.mark.parametrize("body", ["{}", "<html>", '{"quote_id": 1, "total": {}}'])
async def test_an_answer_that_is_no_quote_is_told(shop: Shop, body: str) -> None:
    shop.answer = (201, body)
    with pytest.raises(Unavailable, match="/api/quotes"):
        await buy(shop)


async def test_a_shop_that_is_not_there_is_told() -> None:
    async with ShopClient("http://127.0.0.1:9", KEY) as client:
        with pytest.raises(Unavailable, match="shop"):
            await client.buy("single", DAY, {"adult": 1})
    with pytest.raises(Unavailable, match="not open"):
        await ShopClient("http://127.0.0.1:9", KEY).buy("single", DAY, {"adult": 1})


@pytest.mark.parametrize("good", [True, False])
async def test_a_face_is_enrolled_under_the_words_that_are_shown(good: bool) -> None:
    asked: list[tuple[dict[str, str], bytes, str, str]] = []

    async def words(request: web.Request) -> web.Response:
        return web.json_response({"version": "7", "text": {"zh": "…", "en": "…"}})

    async def enrol(request: web.Request) -> web.Response:
        headers = request.headers
        asked.append((dict(request.query), await request.read(), headers["Content-Type"], headers["Authorization"]))
        return web.json_response({"ticket_id": "t1", "enrolled": good})

    app = web.Application()
    app.router.add_get("/api/face-consent", words)
    app.router.add_post("/api/tickets/t1/face", enrol)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ShopClient(f"http://127.0.0.1:{runner.addresses[0][1]}", KEY) as client:
        assert await client.enrol_face("t1", b"jpeg") is good
    await runner.cleanup()
    query = {"wording": "7", "given_by": "holder", "age": "14_or_over", "origin": "kiosk"}
    assert asked == [(query, b"jpeg", "image/jpeg", f"Bearer {KEY}")]
